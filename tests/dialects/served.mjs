// SPDX-License-Identifier: Apache-2.0
// npm's clients on llama.cpp's server: what served.py asks of Python's.

import assert from 'node:assert/strict';
import { SCHEMA, base, each, key, npm } from './sdk.mjs';

const { default: OpenAI } = npm('openai');
const { default: Anthropic } = npm('@anthropic-ai/sdk');
const { FunctionCallingConfigMode, GoogleGenAI } = npm('@google/genai');
const { completions } = new OpenAI({ baseURL: base + '/v1', apiKey: key, maxRetries: 0, timeout: 30_000 }).chat;
const { responses } = new OpenAI({ baseURL: base + '/v1', apiKey: key, maxRetries: 0, timeout: 30_000 });
const { messages } = new Anthropic({ baseURL: base, apiKey: key, maxRetries: 0, timeout: 30_000 });
const { models, chats } = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: base, timeout: 30_000 } });
const TEXT = 'Grüße an die 世界 🌊 so.', RESULT = 'Schnee ❄';
const user = { role: 'user', content: 'hi' };

const called = (name, args) => {
	assert.equal(name, 'weather');
	assert.deepEqual(Object.keys(args).sort(), ['city', 'n']);
	assert.ok(typeof args.city === 'string' && Number.isInteger(args.n));
};

const openaiChat = async (model) => {
	assert.equal((await completions.create({ model, messages: [user] })).choices[0].message.content, TEXT);
	assert.equal(await completions.stream({ model, messages: [user] }).finalContent(), TEXT);
	const tool = { name: 'weather', parameters: SCHEMA, strict: true };
	const body = { model, tools: [{ type: 'function', function: tool }] };
	const said = await completions.stream({ ...body, messages: [user], tool_choice: 'required' }).finalMessage();
	assert.equal(said.tool_calls.length, 1);
	const [{ id, function: { name, arguments: text } }] = said.tool_calls;
	called(name, JSON.parse(text));
	const spoken = { role: 'assistant', content: said.content, tool_calls: [
		{ id, type: 'function', function: { name, arguments: text } }] };
	const result = { role: 'tool', tool_call_id: id, content: RESULT };
	const answer = await completions.create({ ...body, messages: [user, spoken, result] });
	assert.equal(answer.choices[0].message.content, TEXT);
};

const openaiResponses = async (model) => {
	const body = { model, store: false };
	assert.equal((await responses.create({ ...body, input: 'hi' })).output_text, TEXT);
	assert.equal((await responses.stream({ ...body, input: 'hi' }).finalResponse()).output_text, TEXT);
	const tools = [{ type: 'function', name: 'weather', parameters: SCHEMA, strict: true }];
	const { output } = await responses.stream({ ...body, tools, input: [user], tool_choice: 'required' }).finalResponse();
	const calls = output.filter(({ type }) => type === 'function_call');
	assert.equal(calls.length, 1);
	const [{ call_id, name, arguments: text }] = calls;
	called(name, JSON.parse(text));
	const spoken = { type: 'function_call', call_id, name, arguments: text };
	const result = { type: 'function_call_output', call_id, output: RESULT };
	assert.equal((await responses.create({ ...body, tools, input: [user, spoken, result] })).output_text, TEXT);
};

const anthropicMessages = async (model) => {
	const body = { model, max_tokens: 2000, messages: [user] };
	assert.equal((await messages.create(body)).content[0].text, TEXT);
	assert.equal(await messages.stream(body).finalText(), TEXT);
	const tools = [{ name: 'weather', input_schema: SCHEMA }];
	const { content } = await messages.stream({ ...body, tools, tool_choice: { type: 'any' } }).finalMessage();
	const calls = content.filter(({ type }) => type === 'tool_use');
	assert.equal(calls.length, 1);
	called(calls[0].name, calls[0].input);
	const result = { type: 'tool_result', tool_use_id: calls[0].id, content: RESULT };
	body.messages = [user, { role: 'assistant', content }, { role: 'user', content: [result] }];
	assert.equal((await messages.create({ ...body, tools })).content[0].text, TEXT);
};

const googleGenai = async (model) => {
	assert.equal((await models.generateContent({ model, contents: 'hi' })).text, TEXT);
	let text = '';
	for await (const chunk of await models.generateContentStream({ model, contents: 'hi' })) text += chunk.text ?? '';
	assert.equal(text, TEXT);
	const config = { tools: [{ functionDeclarations: [{ name: 'weather', parametersJsonSchema: SCHEMA }] }] };
	const toolConfig = { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } };
	const chat = chats.create({ model, config });
	const calls = [];
	const stream = await chat.sendMessageStream({ message: 'hi', config: { ...config, toolConfig } });
	for await (const { functionCalls } of stream) calls.push(...functionCalls ?? []);
	assert.equal(calls.length, 1);
	const [{ id, name, args }] = calls;
	called(name, args);
	const message = { functionResponse: { id, name, response: { output: RESULT } } };
	assert.equal((await chat.sendMessage({ message })).text, TEXT);
};

const clients = {
	chat: openaiChat, responses: openaiResponses, messages: anthropicMessages, gemini: googleGenai,
};
const run = clients[process.env.CLIENT_DIALECT];
await each(run.name, (upstream) => run(`${upstream}/tiny`));
