// SPDX-License-Identifier: Apache-2.0
// The npm package `openai`, its Responses, on upstreams of any dialect.

import assert from 'node:assert/strict';
import { thrown } from '../lib/tap.mjs';
import {
	PNG, SCHEMA, base, callsOf, departs, each, execute, foreign, key, mark, model, monotonic, npm, reasoningOf, records,
	resultsOf, textOf, usageOf,
} from './sdk.mjs';

const { default: OpenAI } = npm('openai');
const { zodTextFormat } = npm('openai/helpers/zod');
const { z } = npm('zod');
const { responses } = new OpenAI({ baseURL: base + '/v1', apiKey: key, maxRetries: 0, timeout: 30_000 });
const tools = Object.keys(execute).map((name) => ({
	type: 'function', name, description: `Tells the ${name}.`, strict: false,
	parameters: name === 'weather' ? SCHEMA : { type: 'object', properties: {} },
}));

const checkUsage = (usage, name) => {
	const wanted = usageOf(name);
	assert.equal(usage.input_tokens, wanted.prompt);
	assert.equal(usage.input_tokens_details.cached_tokens, wanted.read);
	assert.equal(usage.output_tokens, wanted.output);
};

for (const name of ['text', 'cache-write', 'length', 'json']) {
	const status = name === 'length' ? 'incomplete' : 'completed';
	await each(`create-${name}`, async (upstream) => {
		const answer = await responses.create({ model: model(upstream, name), input: 'hi', store: false });
		assert.equal(answer.output_text, textOf(name));
		assert.equal(answer.status, status);
		checkUsage(answer.usage, name);
	});
	await each(`stream-${name}`, async (upstream) => {
		let text = '';
		const stream = responses.stream({ model: model(upstream, name), input: 'hi', store: false });
		stream.on('response.output_text.delta', ({ delta }) => { text += delta; });
		const answer = await stream.finalResponse();
		assert.equal(text, textOf(name));
		assert.equal(answer.output_text, text);
		assert.equal(answer.status, status);
		checkUsage(answer.usage, name);
	});
}

await each('instructions-image', async (upstream) => {
	const word = mark();
	await responses.create({
		model: model(upstream, 'text'), instructions: 'Be brief.', store: false,
		input: [{
			role: 'user',
			content: [
				{ type: 'input_text', text: word },
				{ type: 'input_image', image_url: 'data:image/png;base64,' + PNG, detail: 'auto' },
			],
		}],
	});
	const [{ heard }] = await records(word);
	assert.deepEqual(heard.system, ['Be brief.']);
	assert.deepEqual(heard.turns, [['user', [['text', word], ['image', 'data', 'image/png', PNG]]]]);
});

for (const name of ['tools', 'say-tools', 'think-tools']) {
	for (const stream of [false, true]) {
		await each(`round-${name}${stream ? '-streamed' : ''}`, async (upstream) => {
			const word = mark(), input = [{ role: 'user', content: word }];
			const body = {
				model: model(upstream, name), input, tools, store: false, include: ['reasoning.encrypted_content'],
			};
			const ask = () => (stream ? responses.stream(body).finalResponse() : responses.create(body));
			const first = await ask();
			// What the SDK has parsed is no part of its API, and a hint elsewhere.
			input.push(...JSON.parse(JSON.stringify(first.output, (name, value) => (
				upstream === 'responses' && name.startsWith('parsed') ? undefined : value))));
			for (const item of first.output.filter(({ type }) => type === 'function_call')) {
				const output = execute[item.name](JSON.parse(item.arguments));
				input.push({ type: 'function_call_output', call_id: item.call_id, output });
			}
			assert.equal((await ask()).output_text, resultsOf(name));
			const [, [, said]] = (await records(word))[1].heard.turns;
			const calls = said.filter(([kind]) => kind === 'call').map(([, , tool, args]) => ({ name: tool, args }));
			assert.deepEqual(calls, callsOf(name));
			if (name !== 'think-tools' || upstream === 'chat') return;
			assert.deepEqual(said[0], ['reasoning', reasoningOf(name), true], 'what its origin vouches for came back');
		});
	}
}

await each('parse', async (upstream) => {
	const format = zodTextFormat(z.object({ city: z.string(), n: z.number().int() }), 'place');
	const answer = await responses.parse(
		{ model: model(upstream, 'json'), input: 'as JSON', text: { format }, store: false });
	assert.deepEqual(answer.output_parsed, { city: 'Oslo', n: 3 });
});

const CLASSES = {
	400: OpenAI.BadRequestError, 401: OpenAI.AuthenticationError, 429: OpenAI.RateLimitError,
	500: OpenAI.InternalServerError, 529: OpenAI.InternalServerError,
};
for (const [status, type] of Object.entries(CLASSES)) {
	await each(`error-${status}`, async (upstream) => {
		for (const stream of [false, true]) {
			const error = await thrown(() => responses.create(
				{ model: model(upstream, `status-${status}`), input: 'fail', stream }));
			assert.ok(error instanceof type, `${error.constructor.name}, not ${type.name}`);
			assert.equal(error.error.message, `upstream says ${status}`);
			if (['429', '529'].includes(status)) assert.equal(error.headers.get('retry-after'), '7');
		}
	});
}

for (const name of ['error-first', 'error-mid', 'cut-early', 'cut']) {
	await each(name, async (upstream) => {
		// An SDK may tell of an error by an exception or by an event.
		const run = async () => {
			const stream = await responses.create({ model: model(upstream, name), input: 'hi', stream: true });
			for await (const event of stream) {
				if (event.type === 'error') throw new OpenAI.APIError(undefined, event, event.message, undefined);
				if (event.type === 'response.failed') {
					throw new OpenAI.APIError(undefined, event.response.error, event.response.error.message, undefined);
				}
				if (event.type === 'response.completed') return 'completed';
			}
			throw new OpenAI.APIError(undefined, {}, 'the stream ended without an end', undefined);
		};
		const error = await thrown(run);
		assert.ok(error instanceof OpenAI.APIError, `${error.constructor.name} ${error.message}`);
		assert.doesNotMatch(error.message, /without an end/);
	}, foreign(null));
}

await each('departure', async (upstream) => {
	const word = mark();
	const stream = await responses.create({ model: model(upstream, 'text.between-700'), input: word, stream: true });
	for await (const _ of stream) break;
	const left = monotonic();
	stream.controller.abort();
	await departs(word, left);
});

await each('unknown-member', async (upstream) => {
	const error = await thrown(() => responses.create({ model: model(upstream, 'text'), input: 'hi', zz_unknown: 1 }));
	assert.ok(error instanceof OpenAI.BadRequestError);
	assert.equal(error.param, 'zz_unknown');
}, foreign('responses'));

await each('previous-response', async (upstream) => {
	const error = await thrown(() => responses.create(
		{ model: model(upstream, 'text'), input: 'hi', previous_response_id: 'resp_1' }));
	assert.ok(error instanceof OpenAI.BadRequestError, `${error.constructor.name} ${error.message}`);
	assert.equal(error.param, 'previous_response_id');
}, foreign('responses'));
