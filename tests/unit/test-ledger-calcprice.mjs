// SPDX-License-Identifier: Apache-2.0
// Every model of the price book against calcPrice of @pydantic/genai-prices, which counts in floats: never more than one
// nano-dollar apart, and known alike. test-ledger-calcprice.mjs PROGRAM FETCHED (the folder packaging/fetch fills).
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [program, fetched] = process.argv.slice(2);
const module = `${fetched}/npm/node_modules/@pydantic/genai-prices/dist/index.js`;
if (!existsSync(module) || !existsSync(`${fetched}/prices.json`)) {
	console.log(`no ${module}: packaging/fetch has not run`);
	process.exit(77);
}
const { calcPrice } = await import(pathToFileURL(module));
const book = JSON.parse(readFileSync(`${fetched}/prices.json`, 'utf8'));
const textKeys = ['input_mtok', 'cache_read_mtok', 'cache_write_mtok', 'cache_write_1h_mtok', 'output_mtok'];

let state = 20261124;
function random(below) {
	state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
	return Math.floor((state / 2 ** 32) * below);
}

function* names(model) {
	const rules = [model.match];
	yield model.id;
	while (rules.length) {
		const rule = rules.pop();
		if (rule.or || rule.and) rules.push(...(rule.or ?? rule.and));
		for (const kind of ['equals', 'starts_with', 'ends_with', 'contains']) {
			if (rule[kind]) yield rule[kind];
			if (rule[kind] && kind !== 'equals') yield `x${rule[kind]}-20250805`;
		}
	}
}

const cases = [];
for (const provider of book.providers) {
	for (const model of provider.models) {
		for (const name of names(model)) {
			if (/[\t\n]/.test(name)) continue;
			const time = 1700000000 + random(200000000);
			const usage = Array.from({ length: 5 }, () => random(10 ** (1 + random(6))));
			cases.push({ provider: provider.id, name, time, usage });
		}
	}
}

// A model without any price of text tokens or requests is unknown to us, and costs nothing there.
function expected({ provider, name, time, usage: [input, read, write, write1h, output] }) {
	const usage = {
		input_tokens: input + read + write + write1h,
		cache_read_tokens: read,
		cache_write_tokens: write + write1h,
		cache_write_1h_tokens: write1h,
		output_tokens: output,
	};
	const result = calcPrice(usage, name, { providerId: provider, timestamp: new Date(time * 1000) });
	if (!result) return 'unknown';
	const keys = Object.keys(result.model_price);
	return keys.some((key) => textKeys.includes(key) || key === 'requests_kcount') ? result.total_price : 'unknown';
}

const lines = cases.map(({ provider, name, time, usage }) => [provider, name, time, ...usage].join('\t') + '\n');
const run = spawnSync(program, [`${fetched}/prices.json`], { input: lines.join(''), maxBuffer: 1 << 28 });
const answers = run.stdout.toString().trimEnd().split('\n');
let wrong = run.status !== 0 || answers.length !== cases.length ? 1 : 0;
let known = 0;
cases.forEach((one, i) => {
	const price = expected(one);
	const good = price === 'unknown' || answers[i] === 'unknown'
		? price === answers[i] : Math.abs(Number(answers[i]) - price * 1e9) <= 1;
	known += price !== 'unknown';
	if (!good && wrong++ < 10) console.log(`not ok: ${JSON.stringify(one)} costs ${price}, not ${answers[i]} nano-dollars`);
});
console.log(`${cases.length} names, ${known} known to calcPrice, ${wrong} wrong`);
process.exit(wrong || known < 1000 ? 1 : 0);
