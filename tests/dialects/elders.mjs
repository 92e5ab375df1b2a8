// SPDX-License-Identifier: Apache-2.0
// Earlier majors, which most applications still have: the npm package `ai` 6 with its providers for Anthropic and
// Google, and Google's SDK of before @google/genai, on upstreams of any dialect. CLIENT_DIALECT says which of them run.

import assert from 'node:assert/strict';
import {
	PNG, SCHEMA, base, callsOf, direct, each, execute, foreign, key, mark, model, npm, reasoningOf, records, resultsOf,
	textOf, usageOf,
} from './sdk.mjs';

const ai = npm('ai-6');
const dialect = process.env.CLIENT_DIALECT;
const make = {
	messages: () => npm('ai-sdk-anthropic-3').createAnthropic({ baseURL: base + '/v1', apiKey: key }),
	gemini: () => npm('ai-sdk-google-3').createGoogleGenerativeAI({ baseURL: base + '/v1beta', apiKey: key }),
}[dialect]();
const NEWS = { type: 'object', properties: {} };
const tools = Object.fromEntries(Object.keys(execute).map((name) => [name, ai.tool({
	description: `Tells the ${name}.`, execute: execute[name],
	inputSchema: ai.jsonSchema(name === 'weather' ? SCHEMA : NEWS),
})]));
const plain = { maxRetries: 0, maxOutputTokens: 4000 };
const steps = { ...plain, tools, stopWhen: ai.stepCountIs(4) };
const streamed = async (body) => {
	const stream = ai.streamText({ ...body, onError: () => {} });
	for await (const part of stream.fullStream) if (part.type === 'error') throw part.error;
	return { text: await stream.text, usage: await stream.usage, finishReason: await stream.finishReason };
};
// Both of Google take a name with a slash for a path.
const named = (upstream, name) => (dialect === 'gemini' && !direct ? 'models/' : '') + model(upstream, name);
const said = (record) => record.heard.turns[1][1].filter(([kind]) => kind === 'call')
	.map(([, , name, args]) => ({ name, args }));

for (const [way, run] of [['generate', ai.generateText], ['stream', streamed]]) {
	await each(`ai-6-${way}`, async (upstream) => {
		const answer = await run({ ...plain, model: make(named(upstream, 'text')), system: 'Be brief.', prompt: 'hi' });
		assert.equal(answer.text, textOf('text'));
		assert.equal(answer.finishReason, 'stop');
		assert.equal(answer.usage.inputTokens, usageOf('text').prompt);
		assert.equal(answer.usage.outputTokens, usageOf('text').output);
	});
	for (const script of ['tools', 'say-tools', 'think-tools']) {
		await each(`ai-6-${way}-${script}`, async (upstream) => {
			const word = mark();
			const answer = await run({ ...steps, model: make(named(upstream, script)), prompt: word });
			assert.ok(answer.text.startsWith('Results: '), answer.text);
			const [, second] = (await records(word)).filter((one) => one.heard);
			assert.deepEqual(said(second), callsOf(script));
			if (dialect === 'messages') assert.equal(answer.text, resultsOf(script));
		});
	}
}
await each('ai-6-reasoning', async (upstream) => {
	const answer = await ai.generateText({ ...plain, model: make(named(upstream, 'think')), prompt: 'think' });
	assert.equal(answer.text, textOf('think'));
	assert.equal(answer.reasoningText, reasoningOf('think'));
});

if (dialect === 'gemini') {
	const { GoogleGenerativeAI } = npm('@google/generative-ai');
	const of = (upstream, name, more) => new GoogleGenerativeAI(key)
		.getGenerativeModel({ model: named(upstream, name), ...more }, { baseUrl: base });
	const declared = Object.keys(execute).map((name) => ({
		name, description: `Tells the ${name}.`,
		parameters: name === 'weather' ? { ...SCHEMA, additionalProperties: undefined } : NEWS,
	}));

	await each('old-generate', async (upstream) => {
		const { response } = await of(upstream, 'text', { systemInstruction: 'Be brief.' }).generateContent('hi');
		assert.equal(response.text(), textOf('text'));
		assert.equal(response.usageMetadata.promptTokenCount, usageOf('text').prompt);
	});
	// Its text has an U+2028, at which this SDK cuts a stream: Gemini itself escapes it, the fixture does not.
	await each('old-stream', async (upstream) => {
		let text = '';
		const { stream } = await of(upstream, 'text').generateContentStream('hi');
		for await (const chunk of stream) text += chunk.text();
		assert.equal(text, textOf('text'));
	}, foreign('gemini'));
	await each('old-chat', async (upstream) => {
		const chat = of(upstream, 'tools', { tools: [{ functionDeclarations: declared }] }).startChat();
		const { response } = await chat.sendMessage('hi');
		const calls = response.functionCalls().map(({ name, args }) => ({ name, args }));
		assert.deepEqual(calls, callsOf('tools'));
		const told = await chat.sendMessage(calls.map(({ name, args }) => ({
			functionResponse: { name, response: { output: execute[name](args) } },
		})));
		assert.equal(told.response.text(), resultsOf('tools'));
	});
	await each('old-image', async (upstream) => {
		const word = mark();
		await of(upstream, 'text').generateContent([word, { inlineData: { data: PNG, mimeType: 'image/png' } }]);
		const [{ heard }] = await records(word);
		assert.deepEqual(heard.turns, [['user', [['text', word], ['image', 'data', 'image/png', PNG]]]]);
	});
	// Google's earlier SDK of Python asks so, over REST.
	await each('old-alt', async (upstream) => {
		const address = `${base}/v1beta/models/${model(upstream, 'text')}:generateContent`;
		const answer = await fetch(`${address}?%24alt=json%3Benum-encoding%3Dint`, {
			method: 'POST', headers: { 'x-goog-api-key': key, 'content-type': 'application/json' },
			body: JSON.stringify({ contents: [{ role: 'user', parts: [{ text: 'hi' }] }] }),
		});
		const { candidates: [{ content }] } = await answer.json();
		assert.equal(content.parts.map((part) => part.text).join(''), textOf('text'));
	});
}
