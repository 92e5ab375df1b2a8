// SPDX-License-Identifier: Apache-2.0
// The npm package `ai` with its providers for OpenAI (Chat and Responses), Anthropic and compatible servers, and
// LangChain's ChatOpenAI, on upstreams of any dialect. CLIENT_DIALECT says which of them run.

import assert from 'node:assert/strict';
import { thrown } from '../lib/tap.mjs';
import {
	PNG, SCHEMA, base, callsOf, each, execute, foreign, key, mark, model, npm, reasoningOf, records, resultsOf, textOf,
	usageOf,
} from './sdk.mjs';

const ai = npm('ai');
const { createOpenAI } = npm('@ai-sdk/openai');
const { createAnthropic } = npm('@ai-sdk/anthropic');
const { createOpenAICompatible } = npm('@ai-sdk/openai-compatible');
const options = { baseURL: base + '/v1', apiKey: key };
const openai = createOpenAI(options), anthropic = createAnthropic(options);
const compatible = createOpenAICompatible({ ...options, name: 'gate', includeUsage: true, supportsStructuredOutputs: true });
const PROVIDERS = {
	chat: { openai: (name) => openai.chat(name), compatible: (name) => compatible(name) },
	responses: { openai: (name) => openai.responses(name) },
	messages: { anthropic: (name) => anthropic(name) },
};
const dialect = process.env.CLIENT_DIALECT;
const stop = ai.isStepCount ?? ai.stepCountIs;
const tools = Object.fromEntries(Object.keys(execute).map((name) => [name, ai.tool({
	description: `Tells the ${name}.`, execute: execute[name],
	inputSchema: ai.jsonSchema(name === 'weather' ? SCHEMA : { type: 'object', properties: {}, additionalProperties: false }),
})]));
// Unless told otherwise, the provider of Responses refers to items that OpenAI is to keep.
const providerOptions = { openai: { store: false } };
const steps = { providerOptions, tools, stopWhen: stop(4), maxRetries: 0, maxOutputTokens: 4000 };
const plain = { maxRetries: 0, maxOutputTokens: 4000 };
const streamed = async (body) => {
	const stream = ai.streamText({ ...body, onError: () => {} });
	let text = '';
	for await (const part of stream.stream ?? stream.fullStream) {
		if (part.type === 'error') throw part.error;
		if (part.type === 'text-delta') text += part.text;
	}
	assert.equal((await stream.steps).map((step) => step.text).join(''), text);
	return { text: await stream.text, usage: await stream.usage, finishReason: await stream.finishReason };
};

for (const [name, make] of Object.entries(PROVIDERS[dialect])) {
	for (const [way, run] of [['generate', ai.generateText], ['stream', streamed]]) {
		await each(`ai-${name}-${way}`, async (upstream) => {
			const answer = await run({ ...plain, model: make(model(upstream, 'text')), prompt: 'hi' });
			assert.equal(answer.text, textOf('text'));
			assert.equal(answer.finishReason, 'stop');
			assert.equal(answer.usage.inputTokens, usageOf('text').prompt);
			assert.equal(answer.usage.outputTokens, usageOf('text').output);
		});
		for (const script of ['tools', 'say-tools', 'think-tools']) {
			await each(`ai-${name}-${way}-${script}`, async (upstream) => {
				const word = mark();
				const answer = await run({ ...steps, model: make(model(upstream, script)), prompt: word });
				assert.equal(answer.text, resultsOf(script));
				const seen = (await records(word)).filter((one) => one.heard);
				const [, [, said]] = seen[1].heard.turns;
				assert.deepEqual(said.filter(([kind]) => kind === 'call')
					.map(([, , tool, args]) => ({ name: tool, args })), callsOf(script));
			});
		}
		await each(`ai-${name}-${way}-429`, async (upstream) => {
			const error = await thrown(() => run({ ...plain, model: make(model(upstream, 'status-429')), prompt: 'hi' }));
			assert.ok(ai.APICallError.isInstance(error), `${error.name} ${error.message}`);
			assert.equal(error.statusCode, 429);
			assert.equal(error.message, 'upstream says 429');
			assert.equal(error.responseHeaders['retry-after'], '7');
		});
	}
	await each(`ai-${name}-reasoning`, async (upstream) => {
		const answer = await ai.generateText({ ...plain, model: make(model(upstream, 'think')), prompt: 'think' });
		assert.equal(answer.text, textOf('think'));
		assert.equal(answer.reasoningText, reasoningOf('think'));
	}, (upstream) => name !== 'openai' || dialect === 'responses');
	await each(`ai-${name}-object`, async (upstream) => {
		const { output } = await ai.generateText({
			...plain, model: make(model(upstream, 'json')), prompt: 'as JSON',
			output: ai.Output.object({ schema: ai.jsonSchema(SCHEMA) }),
		});
		assert.deepEqual(output, { city: 'Oslo', n: 3 });
	}, (upstream) => dialect !== 'messages' || upstream === 'messages');
	await each(`ai-${name}-image`, async (upstream) => {
		const word = mark();
		await ai.generateText({
			...plain, model: make(model(upstream, 'text')),
			messages: [{
				role: 'user', content: [{ type: 'text', text: word }, { type: 'file', data: PNG, mediaType: 'image/png' }],
			}],
		});
		const [{ heard }] = await records(word);
		assert.deepEqual(heard.turns, [['user', [['text', word], ['image', 'data', 'image/png', PNG]]]]);
	});
	for (const script of ['cut', 'error-mid']) {
		await each(`ai-${name}-${script}`, async (upstream) => {
			await thrown(() => streamed({ ...plain, model: make(model(upstream, script)), prompt: 'hi' }));
		}, foreign(null));
	}
}

if (dialect !== 'messages') {
	const { ChatOpenAI } = npm('@langchain/openai');
	const { tool } = npm('@langchain/core/tools');
	const { HumanMessage } = npm('@langchain/core/messages');
	const make = (name) => new ChatOpenAI({
		model: name, apiKey: key, maxRetries: 0, configuration: { baseURL: base + '/v1' },
		useResponsesApi: dialect === 'responses', streamUsage: true,
	});
	const given = Object.keys(execute).map((name) => tool(async (args) => execute[name](args), {
		name, description: `Tells the ${name}.`, schema: name === 'weather' ? SCHEMA : { type: 'object', properties: {} },
	}));
	await each('langchain-invoke', async (upstream) => {
		const answer = await make(model(upstream, 'text')).invoke('hi');
		assert.equal(answer.text, textOf('text'));
		assert.equal(answer.usage_metadata.input_tokens, usageOf('text').prompt);
		assert.equal(answer.usage_metadata.output_tokens, usageOf('text').output);
	});
	await each('langchain-stream', async (upstream) => {
		let whole;
		for await (const chunk of await make(model(upstream, 'text')).stream('hi')) whole = whole ? whole.concat(chunk) : chunk;
		assert.equal(whole.text, textOf('text'));
		assert.equal(whole.usage_metadata.output_tokens, usageOf('text').output);
	});
	for (const script of ['tools', 'say-tools', 'think-tools']) {
		await each(`langchain-${script}`, async (upstream) => {
			const word = mark(), chat = make(model(upstream, script)).bindTools(given);
			const messages = [new HumanMessage(word)], first = await chat.invoke(messages);
			assert.deepEqual(first.tool_calls.map(({ name, args }) => ({ name, args })), callsOf(script));
			messages.push(first);
			for (const call of first.tool_calls) messages.push(await given.find((one) => one.name === call.name).invoke(call));
			assert.equal((await chat.invoke(messages)).text, resultsOf(script));
		});
	}
	await each('langchain-structured', async (upstream) => {
		const chat = make(model(upstream, 'json')).withStructuredOutput(SCHEMA, { name: 'place', method: 'jsonSchema', strict: true });
		assert.deepEqual(await chat.invoke('as JSON'), { city: 'Oslo', n: 3 });
	});
}
