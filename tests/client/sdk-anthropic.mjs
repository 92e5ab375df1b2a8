// SPDX-License-Identifier: Apache-2.0
// The npm package `@anthropic-ai/sdk`, unmodified, on /v1/messages. Environment as in sdk-openai.mjs, but that
// CLIENT_BASE_URL has no /v1, and CLIENT_PREFIX stands before the model names.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { check, monotonic, thrown, waitUntil } from '../lib/tap.mjs';

const { default: Anthropic } = createRequire(process.env.TIDEGATE_NODE_MODULES + '/')('@anthropic-ai/sdk');
const { CLIENT_BASE_URL: baseURL, CLIENT_KEY: apiKey, CLIENT_TARGET: target, CLIENT_CONTROL: control } = process.env;
const client = new Anthropic({ baseURL, apiKey, maxRetries: 0, timeout: 60_000 });
const named = (name) => (process.env.CLIENT_PREFIX ?? '') + name;
const ask = (model, prompt, more = {}) => (
	{ model: named(model), max_tokens: 256, messages: [{ role: 'user', content: prompt }], ...more });
const text = (message) => message.content.map((block) => block.text ?? '').join('');
const tools = ['weather', 'news'].map((name) => (
	{ name, description: name, input_schema: { type: 'object', properties: { city: { type: 'string' } } } }));
const expected = (prompt, words = 4) =>
	prompt + Array.from({ length: words }, (_, n) => ` w${n + 1}`).join('');

await check('message', async () => {
	const prompt = 'Grüße, 世界';
	const message = await client.messages.create(ask('text', prompt, { system: 'Be brief.' }));
	assert.equal(text(message), expected(prompt));
	assert.equal(message.stop_reason, 'end_turn');
	assert.equal(message.usage.input_tokens, Buffer.byteLength(prompt + 'Be brief.') + 3);
	assert.equal(message.usage.output_tokens, 5);
});

await check('message-cache-usage', async () => {
	const message = await client.messages.create(ask('cache-write', 'p'.repeat(77)));
	assert.deepEqual(
		[message.usage.input_tokens, message.usage.cache_read_input_tokens, message.usage.cache_creation_input_tokens],
		[30, 30, 20]);
});

await check('stream', async () => {
	const events = [];
	const stream = client.messages.stream(ask('text', 'stream me'));
	stream.on('streamEvent', (event) => events.push(event.type));
	const message = await stream.finalMessage();
	assert.equal(text(message), expected('stream me'));
	assert.equal(message.usage.output_tokens, 5);
	assert.equal(events[0], 'message_start');
	assert.equal(events.at(-1), 'message_stop');
});

const checkCalls = (message) => {
	assert.equal(message.stop_reason, 'tool_use');
	assert.deepEqual(message.content.map((block) => [block.type, block.name, block.input]), [
		['tool_use', 'weather', { city: 'c0', n: 0 }],
		['tool_use', 'weather', { city: 'c1', n: 1 }],
		['tool_use', 'news', { city: 'c2', n: 2 }],
	]);
};
await check('tools', async () => checkCalls(await client.messages.create(ask('tools', 'use', { tools }))));
await check('tools-streamed', async () =>
	checkCalls(await client.messages.stream(ask('tools', 'use', { tools })).finalMessage()));

const CLASSES = {
	400: Anthropic.BadRequestError, 401: Anthropic.AuthenticationError, 403: Anthropic.PermissionDeniedError,
	404: Anthropic.NotFoundError, 429: Anthropic.RateLimitError, 500: Anthropic.InternalServerError,
	529: Anthropic.InternalServerError,
};
for (const [status, type] of Object.entries(CLASSES)) {
	await check(`error-${status}`, async () => {
		const error = await thrown(() => client.messages.create(ask(`status-${status}`, 'fail')));
		assert.ok(error instanceof type, `${error.constructor.name}, not ${type.name}`);
		assert.equal(error.status, Number(status));
		assert.equal(error.error.type, 'error');
		assert.equal(error.error.error.message, `upstream says ${status}`);
		if (target === 'gateway') assert.equal(error.headers.get('x-tidegate-error-source'), 'provider:beta');
	});
}

if (target === 'gateway') {
	await check('wrong-key', async () => {
		const stranger = new Anthropic({ baseURL, apiKey: "' OR '1'='1", maxRetries: 0 });
		const error = await thrown(() => stranger.messages.create(ask('text', 'hi')));
		assert.ok(error instanceof Anthropic.AuthenticationError);
		assert.equal(error.error.type, 'error', "the dialect's own shape");
		assert.equal(error.headers.get('x-tidegate-error-source'), 'gateway');
	});
	await check('stream-cut-is-an-error', async () => {
		const error = await thrown(() => client.messages.stream(ask('cut', 'cut')).finalMessage());
		assert.ok(error instanceof Anthropic.APIError, `${error.constructor.name} ${error.message}`);
	});
}

const counted = (model, content) => ({ model, messages: [{ role: 'user', content }] });

await check('count-tokens', async () => {
	const plain = await client.messages.countTokens(counted(named('text'), 'x'.repeat(100)));
	const beta = await client.beta.messages.countTokens(counted(named('text'), 'x'.repeat(100)));
	assert.ok(plain.input_tokens > 100);
	assert.equal(beta.input_tokens, plain.input_tokens);
});

await check('count-tokens-error', async () => {
	const error = await thrown(() => client.messages.countTokens(counted(named('status-429'), 'a')));
	assert.ok(error instanceof Anthropic.RateLimitError, error.constructor.name);
});

if (target === 'gateway') {
	await check('count-tokens-estimated', async () => {
		const { data, response } = await client.messages.countTokens(counted('text', 'wörd'.repeat(800))).withResponse();
		assert.equal(response.headers.get('x-tidegate-estimated'), 'true');
		assert.ok(data.input_tokens >= 1000 && data.input_tokens < 1100, `${data.input_tokens}`);
	});
}

if (target === 'gateway') {
	await check('models', async () => {
		const names = [];
		for await (const model of client.models.list({ limit: 7 })) names.push(model.id);
		const whole = await client.models.list({ limit: 1000 });
		assert.deepEqual(names, whole.data.map((model) => model.id));
		assert.equal((await client.models.retrieve(named('text'))).id, named('text'));
	});
}

await check('error-mid-stream-is-an-error', async () => {
	const error = await thrown(() => client.messages.stream(ask('error-mid', 'err')).finalMessage());
	assert.ok(error instanceof Anthropic.APIError, `${error.constructor.name} ${error.message}`);
});

await check('abort-mid-stream-reaches-upstream', async () => {
	const prompt = `abort messages ${process.hrtime.bigint()}`;
	const stream = await client.messages.create(ask('text.words-2000.between-10', prompt, { stream: true }));
	let events = 0, left;
	for await (const _ of stream) {
		if (++events < 6) continue;
		left = monotonic();
		stream.controller.abort();
		break;
	}
	const seen = await waitUntil(async () => {
		const all = await (await fetch(control + '/_control/requests')).json();
		return all.find((one) => one.departed && Buffer.from(one.body, 'base64').includes(prompt));
	}, 3000, 'the upstream saw its client leave');
	assert.ok(seen.departed - left < 1, `it took ${seen.departed - left} s`);
});

await check('50-concurrent-streams', async () => {
	await Promise.all(Array.from({ length: 50 }, async (_, n) => {
		const prompt = `message stream ${n}`;
		const message = await client.messages.stream(ask('text.words-30.between-5', prompt)).finalMessage();
		assert.equal(text(message), expected(prompt, 30));
	}));
});
