// SPDX-License-Identifier: Apache-2.0
// The npm package `openai`, unmodified: only its base URL says that there is an appliance.
//
// CLIENT_BASE_URL ends in /v1; CLIENT_TARGET is gateway (through the appliance to the scripted upstream),
// upstream (straight to it: the fixture's own proof) or simulator; CLIENT_CONTROL is the upstream's origin.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { check, monotonic, thrown, waitUntil } from '../lib/tap.mjs';

const { default: OpenAI } = createRequire(process.env.TIDEGATE_NODE_MODULES + '/')('openai');
const { CLIENT_BASE_URL: baseURL, CLIENT_KEY: apiKey, CLIENT_TARGET: target, CLIENT_CONTROL: control } = process.env;
const simulated = target === 'simulator';
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 60_000 });
const models = simulated
	? { text: 'sim-text', tools: 'sim-tools', json: 'sim-json', error: 'sim-error-' }
	: { text: 'text', tools: 'tools', json: 'json', error: 'status-' };
const user = (content) => [{ role: 'user', content }];
const create = (body, options) => client.chat.completions.create(body, options);
const expected = (prompt, words = 4) =>
	prompt + Array.from({ length: words }, (_, n) => ` w${n + 1}`).join('');
const bytes = (text) => Buffer.byteLength(text);
const tool = (name) => ({
	type: 'function',
	function: {
		name,
		description: `Looks up ${name}.`,
		parameters: {
			type: 'object',
			properties: { city: { type: 'string' }, n: { type: 'integer' } },
			required: ['city'],
		},
	},
});

/** Reads a stream to its end. */
const gather = async (stream) => {
	const all = { content: '', chunks: [], contents: 0, usage: null, finish: null, calls: [] };
	for await (const chunk of stream) {
		all.chunks.push(chunk);
		if (chunk.usage) all.usage = chunk.usage;
		for (const choice of chunk.choices) {
			if (choice.delta.content) all.contents++;
			all.content += choice.delta.content ?? '';
			all.finish = choice.finish_reason ?? all.finish;
			for (const part of choice.delta.tool_calls ?? []) {
				const call = (all.calls[part.index] ??= { id: part.id, name: part.function.name, text: '' });
				assert.ok(!part.id || part.id === call.id, 'a new id merged into an existing call');
				call.text += part.function.arguments ?? '';
			}
		}
	}
	return all;
};

const checkUsage = (usage, prompt, contents) => {
	const input = simulated ? Math.ceil(bytes(prompt) / 4) + 4 : bytes(prompt) + 3;
	assert.equal(usage.prompt_tokens, input);
	assert.equal(usage.completion_tokens, contents);
	assert.equal(usage.total_tokens, input + contents);
};

await check('chat', async () => {
	const prompt = 'Grüße, 世界 — say hello';
	const answer = await create({ model: models.text, messages: user(prompt) });
	assert.equal(answer.choices[0].message.role, 'assistant');
	assert.equal(answer.choices[0].finish_reason, 'stop');
	if (!simulated) {
		assert.equal(answer.choices[0].message.content, expected(prompt));
		checkUsage(answer.usage, prompt, 5);
	} else {
		const streamed = await gather(await create({ model: models.text, messages: user(prompt), stream: true }));
		assert.equal(answer.choices[0].message.content, streamed.content, 'stream and document agree');
		checkUsage(answer.usage, prompt, streamed.contents);
	}
});

await check('stream-with-usage', async () => {
	const prompt = 'stream with usage';
	const all = await gather(await create({
		model: models.text, messages: user(prompt), stream: true, stream_options: { include_usage: true },
	}));
	if (!simulated) assert.equal(all.content, expected(prompt));
	assert.equal(all.finish, 'stop');
	assert.deepEqual(all.chunks.at(-1).choices, [], 'the last chunk is the usage-only one');
	checkUsage(all.usage, prompt, all.contents);
});

await check('stream-without-usage-leaks-no-usage-chunk', async () => {
	const prompt = 'stream without usage';
	const all = await gather(await create({ model: models.text, messages: user(prompt), stream: true }));
	if (!simulated) assert.equal(all.content, expected(prompt));
	assert.ok(all.contents > 0);
	for (const chunk of all.chunks) assert.equal(chunk.choices.length, 1, 'every chunk has its choice');
	assert.equal(all.usage, null);
});

const checkCalls = (calls) => {
	const names = simulated ? ['weather'] : ['weather', 'weather', 'news'];
	assert.deepEqual(calls.map((call) => call.name), names);
	assert.equal(new Set(calls.map((call) => call.id)).size, names.length, 'ids are distinct');
	calls.forEach((call, n) => {
		const args = JSON.parse(call.text);
		if (simulated) assert.equal(typeof args.city, 'string');
		else assert.deepEqual(args, { city: `c${n}`, n });
	});
};

await check('tools', async () => {
	const answer = await create({
		model: models.tools, messages: user('use tools'), tools: [tool('weather'), tool('news')],
	});
	assert.equal(answer.choices[0].finish_reason, 'tool_calls');
	checkCalls(answer.choices[0].message.tool_calls.map((call) => (
		{ id: call.id, name: call.function.name, text: call.function.arguments })));
});

await check('tools-streamed', async () => {
	const all = await gather(await create({
		model: models.tools, messages: user('use tools'), tools: [tool('weather'), tool('news')], stream: true,
	}));
	assert.equal(all.finish, 'tool_calls');
	checkCalls(all.calls);
});

await check('tools-helper-accumulates', async () => {
	const message = await client.chat.completions.stream({
		model: models.tools, messages: user('use tools'), tools: [tool('weather'), tool('news')],
	}).finalMessage();
	checkCalls(message.tool_calls.map((call) => (
		{ id: call.id, name: call.function.name, text: call.function.arguments })));
});

await check('json-mode', async () => {
	const answer = await create({
		model: models.json, messages: user('answer in "JSON"'), response_format: { type: 'json_object' },
	});
	const value = JSON.parse(answer.choices[0].message.content);
	if (simulated) assert.ok(value && typeof value === 'object' && !Array.isArray(value));
	else assert.deepEqual(value, { answer: 'answer in "JSON"', list: [1, 2, 3] });
});

const CLASSES = {
	400: OpenAI.BadRequestError, 401: OpenAI.AuthenticationError, 403: OpenAI.PermissionDeniedError,
	404: OpenAI.NotFoundError, 429: OpenAI.RateLimitError, 500: OpenAI.InternalServerError,
	503: OpenAI.InternalServerError, 529: OpenAI.InternalServerError,
};
for (const [status, type] of Object.entries(CLASSES)) {
	for (const stream of [false, true]) {
		await check(`error-${status}${stream ? '-streamed' : ''}`, async () => {
			const error = await thrown(() => create({ model: models.error + status, messages: user('fail'), stream }));
			assert.ok(error instanceof type, `${error.constructor.name}, not ${type.name}`);
			assert.equal(error.status, Number(status));
			assert.equal(typeof error.error.message, 'string');
			if (simulated) assert.equal(error.headers.get('x-tidegate-error-source'), 'provider:sim');
			if (target === 'gateway') assert.equal(error.headers.get('x-tidegate-error-source'), 'provider:alpha');
			if (simulated) return;
			assert.equal(error.error.message, `upstream says ${status}`);
			if (status === '429') assert.equal(error.headers.get('retry-after'), '7');
			if (status === '429') assert.equal(error.code, 'insufficient_quota');
		});
	}
}

if (target !== 'upstream') {
	await check('wrong-key', async () => {
		const stranger = new OpenAI({ baseURL, apiKey: 'tg-' + 'x'.repeat(43), maxRetries: 0 });
		const error = await thrown(() => stranger.chat.completions.create({ model: models.text, messages: user('hi') }));
		assert.ok(error instanceof OpenAI.AuthenticationError);
		assert.equal(error.headers.get('x-tidegate-error-source'), 'gateway');
	});
	await check('unknown-model', async () => {
		const error = await thrown(() => create({ model: 'no-such-model', messages: user('hi') }));
		assert.ok(error instanceof OpenAI.NotFoundError);
		assert.equal(error.code, 'model_not_found');
		assert.equal(error.headers.get('x-tidegate-error-source'), 'gateway');
	});
	await check('response-headers', async () => {
		const { data, response } = await create({ model: models.text, messages: user('hi') }).withResponse();
		assert.ok(data.choices[0].message.content);
		assert.equal(response.headers.get('x-tidegate-provider'), simulated ? 'sim' : 'alpha');
		assert.equal(response.headers.get('x-tidegate-attempts'), '1');
		assert.ok(response.headers.get('x-tidegate-request-id'));
		assert.ok(response.headers.get('x-tidegate-model'));
	});
}

if (simulated) {
	await check('stream-cut-is-an-error', async () => {
		const error = await thrown(async () =>
			gather(await create({ model: 'sim-cut', messages: user('cut'), stream: true })));
		assert.ok(error instanceof OpenAI.APIError, `${error.constructor.name} ${error.message}`);
	});
	await check('error-in-stream-is-an-error', async () => {
		const error = await thrown(async () =>
			gather(await create({ model: 'sim-error-in-stream', messages: user('err'), stream: true })));
		assert.ok(error instanceof OpenAI.APIError, `${error.constructor.name} ${error.message}`);
	});
	await check('same-prompt-and-seed-same-answer', async () => {
		const ask = async (seed) => (await create({ model: 'sim-echo', messages: user('again'), seed }))
			.choices[0].message.content;
		assert.equal(await ask(7), await ask(7));
	});
}

await check('models-list', async () => {
	const names = [];
	for await (const model of client.models.list()) names.push(model.id);
	assert.ok(names.includes(models.text), names.join());
});

// The SDK asks for base64 by itself, and decodes it.
await check('embeddings', async () => {
	const texts = ['Grüße, 世界', 'tide'], model = simulated ? 'sim-embed' : 'embed';
	const answer = await client.embeddings.create({ model, input: texts });
	const plain = await client.embeddings.create({ model, input: texts, encoding_format: 'float' });
	const number = (text, i) => ((bytes(text) * 31 + i * 7) % 101 - 50) / 64;
	answer.data.forEach(({ embedding }, n) => {
		assert.equal(embedding.length, simulated ? 1536 : 8);
		embedding.forEach((one, i) => {
			assert.ok(Math.abs(one - plain.data[n].embedding[i]) < 1e-7, `number ${i} of ${n}`);
			if (!simulated) assert.equal(one, number(texts[n], i));
		});
	});
	const tokens = texts.map((text) => (simulated ? Math.ceil(bytes(text) / 4) : bytes(text)));
	assert.equal(answer.usage.prompt_tokens, tokens[0] + tokens[1]);
});

await check('embeddings-dimensions', async () => {
	for (const input of ['a', [1, 2, 3], [[4, 5], [6]]]) {
		const answer = await client.embeddings.create(
			{ model: simulated ? 'sim-embed' : 'embed', input, dimensions: 256 });
		for (const { embedding } of answer.data) assert.equal(embedding.length, 256);
	}
});

await check('embeddings-error', async () => {
	const model = simulated ? 'sim-error-429' : 'status-429';
	const error = await thrown(() => client.embeddings.create({ model, input: 'a' }));
	assert.ok(error instanceof OpenAI.RateLimitError, error.constructor.name);
});

const record = async (prompt) => {
	const all = await (await fetch(control + '/_control/requests')).json();
	return all.find((one) => Buffer.from(one.body, 'base64').includes(prompt));
};

if (!simulated) {
	await check('abort-mid-stream-reaches-upstream', async () => {
		const prompt = `abort ${process.hrtime.bigint()}`;
		const stream = await create({ model: 'text.words-2000.between-10', messages: user(prompt), stream: true });
		let chunks = 0, left;
		for await (const _ of stream) {
			if (++chunks < 4) continue;
			left = monotonic();
			stream.controller.abort();
			break;
		}
		const seen = await waitUntil(async () => {
			const one = await record(prompt);
			return one?.departed && one;
		}, 3000, 'the upstream saw its client leave');
		assert.ok(seen.departed - left < 1, `it took ${seen.departed - left} s`);
	});
	await check('abort-before-answer-reaches-upstream', async () => {
		const prompt = `abort early ${process.hrtime.bigint()}`;
		const abort = new AbortController();
		const pending = thrown(() => create(
			{ model: 'text.first-20000', messages: user(prompt) }, { signal: abort.signal }));
		await waitUntil(() => record(prompt), 5000, 'the upstream has the request');
		const left = monotonic();
		abort.abort();
		assert.ok(await pending instanceof OpenAI.APIUserAbortError);
		const seen = await waitUntil(async () => {
			const one = await record(prompt);
			return one?.departed && one;
		}, 3000, 'the upstream saw its client leave');
		assert.ok(seen.departed - left < 1, `it took ${seen.departed - left} s`);
	});
}

await check('200-concurrent-streams', async () => {
	const model = simulated ? 'sim-text-30' : 'text.words-30.between-5';
	const ask = (prompt) => create({ model, messages: user(prompt), stream: true });
	await Promise.all(Array.from({ length: 200 }, async (_, n) => {
		const prompt = `stream number ${n} of 200`;
		const all = await gather(await ask(prompt));
		assert.equal(all.finish, 'stop');
		if (simulated) assert.equal(all.contents, 30);
		else assert.equal(all.content, expected(prompt, 30));
	}));
});
