// SPDX-License-Identifier: Apache-2.0
// The npm package `@copilotkit/aimock` as an upstream: an independent idea of what each dialect's answers look like.
// Its model names choose: text, tools (until results come), think, json, busy. The first line printed is its port; it
// ends with its standard input.

import { createRequire } from 'node:module';

const npm = createRequire(process.env.TIDEGATE_NODE_MODULES + '/');
const { LLMock } = npm('@copilotkit/aimock');
const mock = new LLMock({ port: 0, logLevel: 'silent', chunkSize: 5 });
const on = (model, response, more = {}) => mock.addFixture({ match: { model, ...more }, response });

on('text', { content: 'Grüße, "世界" 🌊, and so on.' });
on('think', { content: 'It is 42.', reasoning: 'First this, then that.' });
on('json', { content: '{"city":"Oslo","n":3}' });
on('tools', { content: 'All done.' }, { hasToolResult: true });
on('tools', {
	toolCalls: [
		{ name: 'weather', arguments: '{"city":"Oslo","n":0}', id: 'call_1' },
		{ name: 'news', arguments: '{}', id: 'call_2' },
	],
});
on('busy', { error: { message: 'slow down', type: 'rate_limit_error' }, status: 429 });
await mock.start();
console.log(new URL(mock.url).port);
process.stdin.resume().on('end', () => process.exit(0));
