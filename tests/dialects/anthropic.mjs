// SPDX-License-Identifier: Apache-2.0
// The npm package `@anthropic-ai/sdk` on upstreams of any dialect.

import assert from 'node:assert/strict';
import { thrown } from '../lib/tap.mjs';
import {
	PNG, SCHEMA, base, callsOf, departs, each, execute, foreign, key, mark, model, monotonic, npm, reasoningOf,
	records, resultsOf, scripts, textOf, usageOf,
} from './sdk.mjs';

const { default: Anthropic } = npm('@anthropic-ai/sdk');
const { betaTool } = npm('@anthropic-ai/sdk/helpers/beta/json-schema');
const client = new Anthropic({ baseURL: base, apiKey: key, maxRetries: 0, timeout: 30_000 });
const user = (content) => [{ role: 'user', content }];
const ask = (upstream, name, content, more) => (
	{ model: model(upstream, name), max_tokens: 4000, messages: user(content), ...more });
const text = (message) => message.content.filter(({ type }) => type === 'text').map((block) => block.text).join('');
const calls = (message) => message.content.filter(({ type }) => type === 'tool_use')
	.map(({ name, input }) => ({ name, args: input }));
const STOPS = { length: 'max_tokens', sequence: 'stop_sequence' };

/** Chat and its like do not tell what was written to the cache, which is fresh there. */
const checkUsage = (usage, name) => {
	const wanted = usageOf(name);
	const { input_tokens: fresh, cache_read_input_tokens: read, cache_creation_input_tokens: write } = usage;
	assert.equal(fresh + (read ?? 0) + (write ?? 0), wanted.prompt);
	assert.equal(read ?? 0, wanted.read);
	assert.equal(usage.output_tokens, wanted.output);
};

const tools = Object.keys(execute).map((name) => ({
	name, description: `Tells the ${name}.`,
	input_schema: name === 'weather' ? SCHEMA : { type: 'object', properties: {} },
}));

for (const name of ['text', 'length', 'cache-write', 'json']) {
	for (const streamed of [false, true]) {
		await each(`${streamed ? 'stream' : 'create'}-${name}`, async (upstream) => {
			const body = ask(upstream, name, 'hi');
			const message = streamed
				? await client.messages.stream(body).finalMessage() : await client.messages.create(body);
			assert.equal(text(message), textOf(name));
			assert.equal(message.stop_reason, STOPS[scripts[name].stop] ?? 'end_turn');
			checkUsage(message.usage, name);
		});
	}
}

await each('stop-sequence', async (upstream) => {
	const message = await client.messages.create(ask(upstream, 'sequence', 'hi', { stop_sequences: ['END'] }));
	assert.equal(message.stop_reason, 'stop_sequence');
}, (upstream) => ['messages', 'converse'].includes(upstream));

await each('system-turns-image', async (upstream) => {
	const word = mark();
	await client.messages.create({
		model: model(upstream, 'text'), max_tokens: 100,
		system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
		messages: [
			...user('hi'),
			{ role: 'assistant', content: 'hello' },
			...user([
				{ type: 'text', text: word, cache_control: { type: 'ephemeral' } },
				{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } },
			]),
		],
	});
	const [{ heard }] = await records(word);
	assert.deepEqual(heard.system, ['Be brief.']);
	assert.deepEqual(heard.turns, [
		['user', [['text', 'hi']]],
		['assistant', [['text', 'hello']]],
		['user', [['text', word], ['image', 'data', 'image/png', PNG]]],
	]);
});

await each('tools-streamed', async (upstream) => {
	const message = await client.messages.stream(ask(upstream, 'tools', 'go', { tools })).finalMessage();
	assert.equal(message.stop_reason, 'tool_use');
	assert.deepEqual(calls(message), callsOf('tools'));
});

for (const name of ['tools', 'say-tools', 'think-tools']) {
	for (const stream of [false, true]) {
		await each(`runner-${name}${stream ? '-streamed' : ''}`, async (upstream) => {
			const word = mark();
			const runner = client.beta.messages.toolRunner(ask(upstream, name, word, {
				stream,
				tools: tools.map(({ name: tool, description, input_schema: inputSchema }) => betaTool(
					{ name: tool, description, inputSchema, run: execute[tool] })),
			}));
			assert.equal(text(await runner), resultsOf(name));
			const seen = (await records(word)).filter((one) => one.heard);
			assert.equal(seen.length, 2);
			const [, [, said]] = seen[1].heard.turns;
			assert.deepEqual(
				said.filter(([kind]) => kind === 'call').map(([, , tool, args]) => ({ name: tool, args })), callsOf(name));
			if (name !== 'think-tools' || upstream === 'chat') return;
			assert.deepEqual(said[0], ['reasoning', reasoningOf(name), true], 'what its origin vouches for came back');
		});
	}
}

for (const streamed of [false, true]) {
	await each(`thinking${streamed ? '-streamed' : ''}`, async (upstream) => {
		// Bedrock has it for Anthropic's models only, as which this one is not known.
		const thinking = upstream === 'converse' ? undefined : { type: 'enabled', budget_tokens: 1024 };
		const body = ask(upstream, 'think', 'think', { thinking });
		const message = streamed
			? await client.messages.stream(body).finalMessage() : await client.messages.create(body);
		// Gemini vouches behind the text, in a block of its own.
		const kinds = upstream === 'gemini' ? ['thinking', 'text', 'thinking'] : ['thinking', 'text'];
		assert.deepEqual(message.content.map(({ type }) => type), kinds);
		assert.equal(message.content[0].thinking, reasoningOf('think'));
		for (const block of message.content) assert.ok(block.type === 'text' || typeof block.signature === 'string');
		assert.equal(text(message), textOf('think'));
		checkUsage(message.usage, 'think');
	});
}

await each('schema', async (upstream) => {
	const message = await client.messages.create(ask(upstream, 'json', 'as JSON', {
		output_config: { format: { type: 'json_schema', schema: SCHEMA } },
	}));
	assert.deepEqual(JSON.parse(text(message)), { city: 'Oslo', n: 3 });
});

await each('count-tokens', async (upstream) => {
	const { max_tokens: _, ...body } = ask(upstream, 'text', 'How many tokens are this?');
	const { data, response } = await client.messages.countTokens(body).withResponse();
	if (upstream === 'messages') assert.equal(data.input_tokens, 42);
	else assert.ok(data.input_tokens > 3 && response.headers.get('x-tidegate-estimated') === 'true');
});

const CLASSES = {
	400: Anthropic.BadRequestError, 401: Anthropic.AuthenticationError, 403: Anthropic.PermissionDeniedError,
	404: Anthropic.NotFoundError, 429: Anthropic.RateLimitError, 500: Anthropic.InternalServerError,
	529: Anthropic.InternalServerError,
};
const TYPES = {
	400: 'invalid_request_error', 401: 'authentication_error', 403: 'permission_error', 404: 'not_found_error',
	429: 'rate_limit_error', 500: 'api_error', 529: 'overloaded_error',
};
for (const [status, type] of Object.entries(CLASSES)) {
	for (const stream of [false, true]) {
		await each(`error-${status}${stream ? '-streamed' : ''}`, async (upstream) => {
			const error = await thrown(() => client.messages.create(
				ask(upstream, `status-${status}`, 'fail', { stream })));
			assert.ok(error instanceof type, `${error.constructor.name}, not ${type.name}`);
			assert.equal(error.error.error.message, `upstream says ${status}`);
			assert.equal(error.error.error.type, TYPES[status]);
			if (['429', '529'].includes(status)) assert.equal(error.headers.get('retry-after'), '7');
		});
	}
}

for (const name of ['error-first', 'error-mid', 'cut-early', 'cut']) {
	await each(name, async (upstream) => {
		const error = await thrown(() => client.messages.stream(ask(upstream, name, 'hi')).finalMessage());
		assert.ok(error instanceof Anthropic.APIError, `${error.constructor.name} ${error.message}`);
		if (name.startsWith('error')) assert.match(error.message, /upstream failed inside the stream/);
	}, foreign(null));
}

await each('kept-alive', async (upstream) => {
	for (const name of ['text.first-900', 'text.between-500']) {
		const message = await client.messages.stream(ask(upstream, name, 'hi')).finalMessage();
		assert.equal(text(message), textOf('text'));
	}
});

await each('departure', async (upstream) => {
	const word = mark();
	const stream = await client.messages.create(ask(upstream, 'text.between-700', word, { stream: true }));
	for await (const _ of stream) break;
	const left = monotonic();
	stream.controller.abort();
	await departs(word, left);
});

await each('unknown-member', async (upstream) => {
	const error = await thrown(() => client.messages.create(ask(upstream, 'text', 'hi', { zz_unknown: 1 })));
	assert.ok(error instanceof Anthropic.BadRequestError);
	assert.match(error.error.error.message, /zz_unknown/);
}, foreign('messages'));
