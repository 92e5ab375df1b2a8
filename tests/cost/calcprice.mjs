// SPDX-License-Identifier: Apache-2.0
// What calcPrice of @pydantic/genai-prices says of calls: one JSON line in,
// {"provider", "model", "time" (s), "classes"}, one line out: dollars, or `unknown`.
//
//	calcprice.mjs MODULE <calls >prices
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const { calcPrice } = await import(pathToFileURL(process.argv[2]));

function dollars({ provider, model, time, classes: [input, read, write, hour, output] }) {
	const usage = {
		input_tokens: input + read + write + hour,
		cache_read_tokens: read,
		cache_write_tokens: write + hour,
		cache_write_1h_tokens: hour,
		output_tokens: output,
	};
	return calcPrice(usage, model, { providerId: provider, timestamp: new Date(time * 1000) })?.total_price ?? 'unknown';
}

const lines = readFileSync(0, 'utf8').trimEnd().split('\n');
process.stdout.write(lines.map((line) => `${dollars(JSON.parse(line))}\n`).join(''));
