// SPDX-License-Identifier: Apache-2.0
// The npm packages `openai` and `@anthropic-ai/sdk`, unmodified, on streams full of signs of life; prints
// what each has read of each model, or the error that it threw.

import { createRequire } from 'node:module';

const require = createRequire(process.env.TIDEGATE_NODE_MODULES + '/');
const { default: OpenAI } = require('openai');
const { default: Anthropic } = require('@anthropic-ai/sdk');
const { CLIENT_BASE_URL: baseURL, CLIENT_KEY: apiKey, CLIENT_MODELS: models } = process.env;
const messages = [{ role: 'user', content: 'hi' }];
const chatClient = new OpenAI({ baseURL: `${baseURL}/v1`, apiKey, maxRetries: 0 });
const client = new Anthropic({ baseURL, apiKey, maxRetries: 0 });

async function chat(model) {
	let text = '';
	for await (const chunk of await chatClient.chat.completions.create({ model, messages, stream: true }))
		for (const choice of chunk.choices) text += choice.delta.content ?? '';
	return text;
}

async function text(model) {
	return client.messages.stream({ model: `a-${model}`, max_tokens: 64, messages }).finalText();
}

async function told(ask, model) {
	try {
		return await ask(model);
	} catch (error) {
		if (error instanceof OpenAI.APIError) return [error.type, error.code, error.message];
		if (error instanceof Anthropic.APIError) return [error.error.error.type, error.error.error.message];
		throw error;
	}
}

const all = [];
for (const model of models.split(' ')) for (const ask of [chat, text]) all.push(await told(ask, model));
console.log(JSON.stringify(all));
