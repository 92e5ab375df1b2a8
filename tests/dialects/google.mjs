// SPDX-License-Identifier: Apache-2.0
// The npm package `@google/genai` on upstreams of any dialect.

import assert from 'node:assert/strict';
import { thrown } from '../lib/tap.mjs';
import {
	PNG, SCHEMA, base, callsOf, departs, direct, each, execute, foreign, key, mark, model, monotonic, npm, reasoningOf,
	records, resultsOf, scripts, textOf, usageOf,
} from './sdk.mjs';

const { ApiError, FunctionCallingConfigMode, GoogleGenAI } = npm('@google/genai');
const httpOptions = { baseUrl: base, timeout: 30_000 };
const { models, chats } = new GoogleGenAI({ apiKey: key, httpOptions });
const ask = (upstream, name, contents, config = {}) => ({ model: model(upstream, name), contents, config });
const STOPS = { length: 'MAX_TOKENS' };
const tools = [{
	functionDeclarations: Object.keys(execute).map((name) => ({
		name, description: `Tells the ${name}.`,
		parametersJsonSchema: name === 'weather' ? SCHEMA : { type: 'object', properties: {} },
	})),
}];

/** The answer as one: parts in order, the last usage and reason. */
const gather = async (stream) => {
	const parts = [];
	let last;
	for await (const chunk of stream) {
		parts.push(...chunk.candidates[0].content.parts);
		last = chunk;
	}
	return { parts, usage: last.usageMetadata, stop: last.candidates[0].finishReason, whole: last };
};
const make = async (streamed, body) => {
	if (streamed) return gather(await models.generateContentStream(body));
	const answer = await models.generateContent(body);
	const [{ content, finishReason }] = answer.candidates;
	return { parts: content.parts, usage: answer.usageMetadata, stop: finishReason, whole: answer };
};
const joined = (parts, thought) => parts.filter((part) => part.text && Boolean(part.thought) === thought)
	.map((part) => part.text).join('');
const calls = (parts) => parts.filter((part) => part.functionCall)
	.map(({ functionCall: { name, args } }) => ({ name, args: args ?? {} }));
const checkUsage = (usage, name) => {
	const wanted = usageOf(name);
	assert.equal(usage.promptTokenCount, wanted.prompt);
	assert.equal(usage.cachedContentTokenCount ?? 0, wanted.read);
	assert.equal(usage.candidatesTokenCount + (usage.thoughtsTokenCount ?? 0), wanted.output);
	assert.equal(usage.totalTokenCount, wanted.prompt + wanted.output);
};

for (const streamed of [false, true]) {
	const way = streamed ? 'stream' : 'generate';
	for (const name of ['text', 'length', 'cache-write', 'json', 'sequence']) {
		await each(`${way}-${name}`, async (upstream) => {
			const answer = await make(streamed, ask(upstream, name, 'hi'));
			assert.equal(joined(answer.parts, false), textOf(name));
			assert.equal(answer.stop, STOPS[scripts[name].stop] ?? 'STOP');
			assert.ok(answer.whole.responseId && answer.whole.modelVersion);
			checkUsage(answer.usage, name);
		});
	}
	for (const name of ['tools', 'say-tools', 'think-tools']) {
		// The conversation as the SDK keeps it, with what vouches for the thoughts.
		await each(`chat-${way}-${name}`, async (upstream) => {
			const word = mark(), chat = chats.create({ model: model(upstream, name), config: { tools } });
			const say = async (message) => {
				if (streamed) return (await gather(await chat.sendMessageStream({ message }))).parts;
				return (await chat.sendMessage({ message })).candidates[0].content.parts;
			};
			const first = await say(word);
			assert.deepEqual(calls(first), callsOf(name));
			const results = first.filter((part) => part.functionCall).map(({ functionCall: { id, name: tool, args } }) => (
				{ functionResponse: { id, name: tool, response: { output: execute[tool](args ?? {}) } } }));
			assert.equal(joined(await say(results), false), resultsOf(name));
			const seen = (await records(word)).filter((one) => one.heard);
			assert.equal(seen.length, 2);
			const [, [, said]] = seen[1].heard.turns;
			assert.deepEqual(
				said.filter(([kind]) => kind === 'call').map(([, , tool, args]) => ({ name: tool, args })), callsOf(name));
		});
	}
	await each(`${way}-thinking`, async (upstream) => {
		const answer = await make(streamed, ask(upstream, 'think', 'think'));
		assert.equal(joined(answer.parts, true), reasoningOf('think'));
		assert.equal(joined(answer.parts, false), textOf('think'));
		checkUsage(answer.usage, 'think');
	});
	for (const status of [400, 401, 404, 429, 500]) {
		await each(`${way}-error-${status}`, async (upstream) => {
			const error = await thrown(() => make(streamed, ask(upstream, `status-${status}`, 'fail')));
			assert.ok(error instanceof ApiError, `${error.constructor.name}: ${error.message}`);
			assert.equal(error.status, status);
			assert.equal(JSON.parse(error.message).error.message, `upstream says ${status}`);
		});
	}
}

await each('schema', async (upstream) => {
	for (const schema of ['responseSchema', 'responseJsonSchema']) {
		const word = mark();
		const answer = await models.generateContent(
			ask(upstream, 'json', word, { responseMimeType: 'application/json', [schema]: { ...SCHEMA } }));
		assert.deepEqual(JSON.parse(answer.text), { city: 'Oslo', n: 3 });
		const [{ heard }] = await records(word);
		assert.deepEqual(heard.said.schema.required, SCHEMA.required);
	}
}, foreign('gemini'));

await each('system-turns-image', async (upstream) => {
	const word = mark();
	await models.generateContent(ask(upstream, 'text', [
		{ role: 'user', parts: [{ text: 'hi' }] },
		{ role: 'model', parts: [{ text: 'hello' }] },
		{ role: 'user', parts: [{ text: word }, { inlineData: { mimeType: 'image/png', data: PNG } }] },
	], { systemInstruction: 'Be brief.', maxOutputTokens: 99, temperature: 0.5 }));
	const [{ heard }] = await records(word);
	assert.deepEqual(heard.system, ['Be brief.']);
	assert.equal(heard.said.temperature, 0.5);
	assert.deepEqual(heard.turns, [
		['user', [['text', 'hi']]],
		['assistant', [['text', 'hello']]],
		['user', [['text', word], ['image', 'data', 'image/png', PNG]]],
	]);
});

await each('choice', async (upstream) => {
	const word = mark();
	await models.generateContent(ask(upstream, 'tools', word, {
		tools,
		toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: ['news'] } },
	}));
	const [{ heard }] = await records(word);
	assert.deepEqual(heard.said.choice, ['named', 'news']);
});

await each('count-tokens', async (upstream) => {
	const { totalTokens } = await models.countTokens(
		{ model: model(upstream, 'text'), contents: 'How many tokens are this?' });
	if (upstream === 'gemini') assert.equal(totalTokens, 42);
	else assert.ok(totalTokens > 3 && totalTokens !== 42);
});

for (const name of ['error-first', 'error-mid', 'cut-early', 'cut']) {
	await each(name, async (upstream) => {
		const error = await thrown(() => make(true, ask(upstream, name, 'hi')));
		if (name.startsWith('error')) assert.match(error.message, /upstream failed inside the stream/);
	}, foreign(null));
}

await each('kept-alive', async (upstream) => {
	for (const name of ['text.first-900', 'text.between-500']) {
		const answer = await make(true, ask(upstream, name, 'hi'));
		assert.equal(joined(answer.parts, false), textOf('text'));
		assert.equal(answer.stop, 'STOP');
	}
});

await each('departure', async (upstream) => {
	const word = mark(), abort = new AbortController();
	const stream = await models.generateContentStream(
		ask(upstream, 'text.between-700', word, { abortSignal: abort.signal }));
	for await (const _ of stream) break;
	const left = monotonic();
	abort.abort();
	await departs(word, left);
});

await each('not-translatable', async (upstream) => {
	const error = await thrown(() => models.generateContent(ask(upstream, 'text', 'hi', { tools: [{ googleSearch: {} }] })));
	const { code, status, message, details } = JSON.parse(error.message).error;
	assert.deepEqual([error.status, code, status], [400, 400, 'INVALID_ARGUMENT']);
	assert.match(message, /tools\[0\]\.googleSearch/);
	assert.equal(details[0].fieldViolations[0].field, 'tools[0].googleSearch');
}, foreign('gemini'));

await each('prefix-v1', async (upstream) => {
	const old = new GoogleGenAI({ apiKey: key, apiVersion: 'v1', httpOptions });
	const answer = await old.models.generateContent(ask(upstream, 'text', 'hi'));
	assert.equal(answer.text, textOf('text'));
}, foreign(null));

await each('models', async (upstream) => {
	const found = [];
	for await (const one of await models.list({ config: { pageSize: 3 } })) found.push(one);
	const names = found.map(({ name }) => name);
	assert.equal(new Set(names).size, names.length);
	assert.ok(names.length > 3 && names.includes(`models/${upstream}-text`), names.join(' '));
	assert.ok(found.every(({ supportedActions }) => supportedActions.includes('countTokens')));
	for await (const one of await models.list({ config: { queryBase: false } })) assert.fail(one.name);
	const { name, displayName } = await models.get({ model: `${upstream}-text` });
	assert.deepEqual([name, displayName], [`models/${upstream}-text`, `${upstream}-text`]);
	const error = await thrown(() => models.get({ model: 'nobody/knows' }));
	assert.ok(error instanceof ApiError && error.status === 404, error.message);
}, foreign(null));

await each('unknown-model-and-key', async () => {
	const missing = await thrown(() => models.generateContent(ask('nobody', 'knows', 'hi')));
	assert.deepEqual([missing.status, JSON.parse(missing.message).error.status], [404, 'NOT_FOUND']);
	const stranger = new GoogleGenAI({ apiKey: 'tg-nobody', httpOptions });
	const refused = await thrown(() => stranger.models.generateContent(ask('chat', 'text', 'hi')));
	assert.deepEqual([refused.status, JSON.parse(refused.message).error.status], [401, 'UNAUTHENTICATED']);
}, (upstream) => !direct && upstream === 'chat');
