// SPDX-License-Identifier: Apache-2.0
// OpenAI Responses by the npm package `openai`, unmodified. The environment is that of sdk-openai.mjs.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { check, thrown } from '../lib/tap.mjs';

const { default: OpenAI } = createRequire(process.env.TIDEGATE_NODE_MODULES + '/')('openai');
const { CLIENT_BASE_URL: baseURL, CLIENT_KEY: apiKey, CLIENT_TARGET: target } = process.env;
const simulated = target === 'simulator';
const { responses } = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 60_000 });
const models = simulated
	? { text: 'sim-text', tools: 'sim-tools', json: 'sim-json', error: 'sim-error-' }
	: { text: 'text', tools: 'tools', json: 'json', error: 'status-' };
const expected = (prompt) => `${prompt} w1 w2 w3 w4`;
const schema = {
	type: 'object',
	properties: { city: { type: 'string' }, n: { type: 'integer' } },
	required: ['city'],
	additionalProperties: false,
};
const tools = ['weather', 'news'].map((name) => ({ type: 'function', name, parameters: schema, strict: false }));

const gather = async (stream) => {
	const events = [];
	for await (const event of stream) events.push(event);
	return events;
};

await check('create', async () => {
	const input = 'Grüße, 世界 — say hello';
	const answer = await responses.create({ model: models.text, input });
	assert.equal(answer.status, 'completed');
	const events = await gather(await responses.create({ model: models.text, input, stream: true }));
	const deltas = events.filter((event) => event.type === 'response.output_text.delta');
	assert.equal(deltas.map((event) => event.delta).join(''), answer.output_text);
	if (!simulated) assert.equal(answer.output_text, expected(input));
	assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
	assert.equal(events.at(-1).type, 'response.completed');
	assert.deepEqual(events.at(-1).response.usage, answer.usage);
	assert.equal(answer.usage.output_tokens, deltas.length);
});

await check('stream-helper', async () => {
	const stream = responses.stream({ model: models.text, input: 'by the helper' });
	const events = await gather(stream);
	const final = await stream.finalResponse();
	const deltas = events.filter((event) => event.type === 'response.output_text.delta');
	assert.equal(final.output_text, deltas.map((event) => event.delta).join(''));
});

await check('tools', async () => {
	const body = { model: models.tools, input: 'where', tools };
	const answer = await responses.create(body);
	const names = answer.output.map((item) => item.name);
	assert.deepEqual(names, simulated ? ['weather'] : ['weather', 'weather', 'news']);
	for (const item of answer.output) assert.equal(typeof JSON.parse(item.arguments).city, 'string');
	const final = await responses.stream(body).finalResponse();
	assert.deepEqual(final.output.map((item) => item.arguments), answer.output.map((item) => item.arguments));
});

await check('parse', async () => {
	const format = {
		type: 'json_schema', name: 'found', strict: true,
		schema: {
			type: 'object', additionalProperties: false, required: ['answer', 'list'],
			properties: { answer: { type: 'string' }, list: { type: 'array', items: { type: 'integer' } } },
		},
	};
	const answer = await responses.parse({ model: models.json, input: 'as an object', text: { format } });
	const found = JSON.parse(answer.output_text);
	assert.equal(typeof found.answer, 'string');
	assert.ok(Array.isArray(found.list));
});

await check('errors', async () => {
	for (const [status, kind] of [[400, OpenAI.BadRequestError], [429, OpenAI.RateLimitError]])
		for (const stream of [false, true])
			assert.ok(await thrown(() => responses.create({ model: models.error + status, input: 'fail', stream }))
				instanceof kind);
});

await check('100-concurrent-streams', async () => {
	await Promise.all(Array.from({ length: 100 }, async (_, n) => {
		const input = `stream number ${n}`;
		const events = await gather(await responses.create({ model: models.text, input, stream: true }));
		if (!simulated) assert.equal(events.at(-1).response.output[0].content[0].text, expected(input));
	}));
});

const failsInStream = async (model) => {
	const events = await gather(await responses.create({ model, input: 'fail', stream: true }));
	assert.equal(events.at(-1).type, 'response.failed');
	assert.ok(events.at(-1).response.error.code);
	assert.equal(events.at(-1).response.id, events[0].response.id);
};

await check('fails-in-stream', () => failsInStream(simulated ? 'sim-error-in-stream' : 'error-mid'));
if (target !== 'upstream') await check('cut-in-stream', () => failsInStream(simulated ? 'sim-cut' : 'cut'));

if (!simulated) {
	await check('by-id', async () => {
		const answer = await responses.create({ model: models.text, input: 'to be found again' });
		const found = await responses.retrieve(answer.id);
		assert.equal(found.output_text, answer.output_text);
		const events = await gather(await responses.retrieve(answer.id, { stream: true, starting_after: 2 }));
		assert.equal(events[0].sequence_number, 3);
		assert.equal((await responses.inputItems.list(answer.id)).data.length, 1);
		const after = await responses.create({
			model: models.text, input: 'and on', previous_response_id: answer.id,
		});
		assert.equal(after.previous_response_id, answer.id);
		await responses.delete(answer.id);
		assert.ok(await thrown(() => responses.retrieve(answer.id)) instanceof OpenAI.NotFoundError);
	});
	await check('cancel', async () => {
		const answer = await responses.create({ model: models.text, input: 'to be cancelled', background: true });
		assert.equal(answer.status, 'queued');
		assert.equal((await responses.cancel(answer.id)).status, 'cancelled');
	});
	await check('unknown-ids', async () => {
		for (const ask of [() => responses.retrieve('resp_none'), () => responses.cancel('resp_none'),
			() => responses.delete('resp_none'), () => responses.inputItems.list('resp_none')])
			assert.ok(await thrown(ask) instanceof OpenAI.NotFoundError);
	});
}
