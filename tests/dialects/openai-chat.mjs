// SPDX-License-Identifier: Apache-2.0
// The npm package `openai`, its Chat Completions, on upstreams of any dialect.

import assert from 'node:assert/strict';
import { thrown } from '../lib/tap.mjs';
import {
	PNG, SCHEMA, base, callsOf, departs, each, execute, foreign, key, mark, model, monotonic, npm, reasoningOf, records,
	resultsOf, scripts, textOf, usageOf,
} from './sdk.mjs';

const { default: OpenAI } = npm('openai');
const { zodResponseFormat } = npm('openai/helpers/zod');
const { z } = npm('zod');
const client = new OpenAI({ baseURL: base + '/v1', apiKey: key, maxRetries: 0, timeout: 30_000 });
const { completions } = client.chat;
const user = (content) => [{ role: 'user', content }];
const withUsage = { stream: true, stream_options: { include_usage: true } };

const checkUsage = (usage, name) => {
	const wanted = usageOf(name);
	assert.equal(usage.prompt_tokens, wanted.prompt);
	assert.equal(usage.prompt_tokens_details?.cached_tokens ?? 0, wanted.read);
	assert.equal(usage.completion_tokens, wanted.output);
	assert.equal(usage.total_tokens, wanted.prompt + wanted.output);
};

const tools = Object.entries(execute).map(([name, run]) => ({
	type: 'function',
	function: {
		name, description: `Tells the ${name}.`, parse: JSON.parse, function: run,
		parameters: name === 'weather' ? SCHEMA : { type: 'object', properties: {} },
	},
}));
const declared = tools.map(({ type, function: { name, description, parameters } }) => (
	{ type, function: { name, description, parameters } }));

for (const name of ['text', 'length', 'cache-write', 'json']) {
	await each(`create-${name}`, async (upstream) => {
		const answer = await completions.create({ model: model(upstream, name), messages: user('hi') });
		assert.equal(answer.choices[0].message.content, textOf(name));
		assert.equal(answer.choices[0].finish_reason, scripts[name].stop ?? 'stop');
		checkUsage(answer.usage, name);
	});
	await each(`stream-${name}`, async (upstream) => {
		const stream = completions.stream({ model: model(upstream, name), messages: user('hi'), ...withUsage });
		const answer = await stream.finalChatCompletion().catch((error) => {
			if (name === 'length' && error instanceof OpenAI.LengthFinishReasonError) return null;
			throw error;
		});
		if (name === 'length' && !answer) return;
		assert.equal(answer.choices[0].message.content, textOf(name));
		checkUsage(answer.usage, name);
	});
}

await each('system-turns-image', async (upstream) => {
	const word = mark();
	await completions.create({
		model: model(upstream, 'text'),
		messages: [
			{ role: 'developer', content: 'Be brief.' },
			...user('hi'),
			{ role: 'assistant', content: 'hello' },
			...user([
				{ type: 'text', text: word },
				{ type: 'image_url', image_url: { url: 'data:image/png;base64,' + PNG } },
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

for (const name of ['tools', 'say-tools', 'think-tools']) {
	for (const stream of [false, true]) {
		await each(`run-${name}${stream ? '-streamed' : ''}`, async (upstream) => {
			const word = mark();
			const runner = completions.runTools({
				model: model(upstream, name), messages: user(word), tools, stream,
			});
			assert.equal(await runner.finalContent(), resultsOf(name));
			const seen = await records(word);
			assert.equal(seen.length, 2);
			const [, [, said]] = seen[1].heard.turns;
			const calls = said.filter(([kind]) => kind === 'call').map(([, , tool, args]) => ({ name: tool, args }));
			assert.deepEqual(calls, callsOf(name));
		});
	}
}

// runTools() sends back what it knows only; agents that keep the whole message bring the reasoning back.
const whole = async (body, stream) => {
	if (!stream) return (await completions.create(body)).choices[0].message;
	const message = { role: 'assistant', content: null, tool_calls: [] };
	for await (const { choices: [choice] } of await completions.create({ ...body, stream })) {
		for (const { index, ...part } of choice?.delta.tool_calls ?? []) {
			const call = (message.tool_calls[index] ??= { ...part, function: { ...part.function, arguments: '' } });
			call.function.arguments += part.function.arguments ?? '';
		}
		if (choice?.delta.reasoning_details) message.reasoning_details = choice.delta.reasoning_details;
	}
	return message;
};
for (const stream of [false, true]) {
	await each(`reasoning-round${stream ? '-streamed' : ''}`, async (upstream) => {
		const word = mark(), messages = user(word);
		const body = { model: model(upstream, 'think-tools'), messages, tools: declared };
		const message = await whole(body, stream);
		messages.push(message, { role: 'tool', tool_call_id: message.tool_calls[0].id, content: 'cold' });
		assert.equal((await completions.create(body)).choices[0].message.content, 'Results: weather=cold');
		const [, [, said]] = (await records(word))[1].heard.turns;
		assert.deepEqual(said[0], ['reasoning', reasoningOf('think-tools'), true]);
	}, (upstream) => upstream !== 'chat');
}

await each('parallel-calls-in-a-stream', async (upstream) => {
	const calls = [];
	const stream = await completions.create({
		model: model(upstream, 'tools'), messages: user('go'), tools: declared, tool_choice: 'required', stream: true,
	});
	let finish;
	for await (const { choices: [choice] } of stream) {
		finish = choice.finish_reason ?? finish;
		for (const part of choice.delta.tool_calls ?? []) {
			const call = (calls[part.index] ??= { id: part.id, name: part.function.name, text: '' });
			assert.ok(!part.id || part.id === call.id);
			call.text += part.function.arguments ?? '';
		}
	}
	assert.equal(finish, 'tool_calls');
	assert.deepEqual(calls.map(({ name, text }) => ({ name, args: JSON.parse(text) })), callsOf('tools'));
	assert.equal(new Set(calls.map((call) => call.id)).size, 3, 'ids are distinct');
});

await each('parse', async (upstream) => {
	const format = zodResponseFormat(z.object({ city: z.string(), n: z.number().int() }), 'place');
	const answer = await completions.parse({
		model: model(upstream, 'json'), messages: user('as JSON'), response_format: format,
	});
	assert.deepEqual(answer.choices[0].message.parsed, { city: 'Oslo', n: 3 });
});

await each('reasoning', async (upstream) => {
	const answer = await completions.create({
		model: model(upstream, 'think'), messages: user('think'), reasoning_effort: 'low', max_completion_tokens: 4000,
	});
	assert.equal(answer.choices[0].message.content, textOf('think'));
	assert.equal(answer.choices[0].message.reasoning_content, reasoningOf('think'));
	checkUsage(answer.usage, 'think');
});

const CLASSES = {
	400: OpenAI.BadRequestError, 401: OpenAI.AuthenticationError, 403: OpenAI.PermissionDeniedError,
	404: OpenAI.NotFoundError, 429: OpenAI.RateLimitError, 500: OpenAI.InternalServerError,
	529: OpenAI.InternalServerError,
};
for (const [status, type] of Object.entries(CLASSES)) {
	for (const stream of [false, true]) {
		await each(`error-${status}${stream ? '-streamed' : ''}`, async (upstream) => {
			const error = await thrown(() => completions.create(
				{ model: model(upstream, `status-${status}`), messages: user('fail'), stream }));
			assert.ok(error instanceof type, `${error.constructor.name}, not ${type.name}`);
			assert.equal(error.error.message, `upstream says ${status}`);
			assert.equal(typeof error.type, 'string');
			if (['429', '529'].includes(status)) assert.equal(error.headers.get('retry-after'), '7');
		});
	}
}

const gather = async (name, upstream) => {
	let text = '';
	const stream = await completions.create({ model: model(upstream, name), messages: user('hi'), stream: true });
	for await (const { choices: [choice] } of stream) text += choice?.delta.content ?? '';
	return text;
};

for (const name of ['error-first', 'error-mid', 'cut-early', 'cut']) {
	await each(name, async (upstream) => {
		const error = await thrown(() => gather(name, upstream));
		assert.ok(error instanceof OpenAI.APIError, `${error.constructor.name} ${error.message}`);
		if (name.startsWith('error')) assert.match(error.message, /upstream failed inside the stream/);
	}, foreign(null));
}

await each('kept-alive', async (upstream) => {
	assert.equal(await gather('text.first-900', upstream), textOf('text'));
	assert.equal(await gather('text.between-500', upstream), textOf('text'));
});

await each('departure', async (upstream) => {
	const word = mark();
	const stream = await completions.create(
		{ model: model(upstream, 'text.between-700'), messages: user(word), stream: true });
	for await (const _ of stream) break;
	const left = monotonic();
	stream.controller.abort();
	await departs(word, left);
});

await each('unknown-member', async (upstream) => {
	const error = await thrown(() => completions.create(
		{ model: model(upstream, 'text'), messages: user('hi'), zz_unknown: 1 }));
	assert.ok(error instanceof OpenAI.BadRequestError);
	assert.equal(error.param, 'zz_unknown');
}, foreign('chat'));
