// SPDX-License-Identifier: Apache-2.0
// The npm packages `openai` and `@anthropic-ai/sdk`, unmodified, on streams full of signs of life; prints
// what each has read.

import { createRequire } from 'node:module';

const require = createRequire(process.env.TIDEGATE_NODE_MODULES + '/');
const { default: OpenAI } = require('openai');
const { default: Anthropic } = require('@anthropic-ai/sdk');
const { CLIENT_BASE_URL: baseURL, CLIENT_KEY: apiKey, CLIENT_MODEL: model } = process.env;
const messages = [{ role: 'user', content: 'hi' }];

const client = new OpenAI({ baseURL: `${baseURL}/v1`, apiKey, maxRetries: 0 });
const chunks = await client.chat.completions.create({ model, messages, stream: true });
let chat = '';
for await (const chunk of chunks) {
	for (const choice of chunk.choices) chat += choice.delta.content ?? '';
}

const stream = new Anthropic({ baseURL, apiKey, maxRetries: 0 }).messages.stream({
	model: `a-${model}`,
	max_tokens: 64,
	messages,
});

console.log(JSON.stringify([chat, await stream.finalText()]));
