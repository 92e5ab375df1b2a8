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

// Random counts of the classes in the order of enum ledger_class, and the reasoning among the output.
function counts() {
	const some = random(3); // text alone, anything, or anything with little of it
	const list = Array.from({ length: 21 }, (_, i) => (i < 5 || some ? random(10 ** (1 + random(6))) : 0));
	// Seven prices of the list are no whole femto-dollars, one a third of one off: so many tokens of a prompt are no
	// nano-dollar yet, and no prompt has more.
	list[2] >>= 1;
	list[3] >>= 1;
	return [...list, random(list[4] + 1)];
}

const edges = [];
for (const provider of book.providers)
	for (const { prices } of provider.models)
		for (const { constraint } of Array.isArray(prices) ? prices : []) {
			if (constraint?.start_date) edges.push(Date.parse(constraint.start_date) / 1000);
			for (const time of [constraint?.start_time, constraint?.end_time])
				if (time) edges.push(Date.parse(`2026-11-30T${time}`) / 1000);
		}

function* times(model) {
	yield 1700000000 + random(200000000);
	if (!Array.isArray(model.prices)) return;
	for (const edge of edges) yield* [edge - 1, edge];
}

const rounds = process.env.TIDEGATE_FULL ? 20 : 1;
const cases = [];
for (const provider of book.providers) {
	for (const model of provider.models) {
		for (const name of names(model)) {
			if (/[\t\n]/.test(name)) continue;
			for (let round = 0; round < rounds; round++)
				for (const time of times(model)) cases.push({ provider: provider.id, name, time, usage: counts() });
			if (name.includes('/')) continue;
			cases.push({ provider: 'litellm', name: `${provider.id}/${name}`, time: 1780000000, usage: counts() });
		}
	}
}

// A model without any price is unknown to us, and costs nothing there.
function expected({ provider, name, time, usage: [input, read, write, hour, output, audio, readAudio, image, readImage,
	video, outAudio, outImage, outVideo, citation, web, storage, pages, annotated, ms, inputMs, messages, reasoning] }) {
	const usage = {
		input_tokens: input + read + write + hour + audio + readAudio + image + readImage + video,
		cache_read_tokens: read + readAudio + readImage,
		cache_write_tokens: write + hour,
		cache_write_1h_tokens: hour,
		input_audio_tokens: audio + readAudio,
		cache_audio_read_tokens: readAudio,
		input_image_tokens: image + readImage,
		cache_image_read_tokens: readImage,
		input_video_tokens: video,
		output_tokens: output + outAudio + outImage + outVideo + citation,
		output_audio_tokens: outAudio,
		output_image_tokens: outImage,
		output_video_tokens: outVideo,
		output_citation_tokens: citation,
		output_reasoning_tokens: reasoning,
		web_searches: web,
		storage_searches: storage,
		input_document_pages: pages + annotated,
		input_annotated_document_pages: annotated,
		audio_seconds: (ms + inputMs) / 1000,
		input_audio_seconds: inputMs / 1000,
		input_text_messages: messages,
	};
	const result = calcPrice(usage, name, { providerId: provider, timestamp: new Date(time * 1000) });
	return result && Object.keys(result.model_price).length ? result.total_price : 'unknown';
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
