// SPDX-License-Identifier: Apache-2.0
// What the scripts of npm's clients share: where they are run, and what scripts.json lets them expect.
//
// CLIENT_BASE_URL is the appliance's origin, or the upstream's itself (CLIENT_DIRECT=1: the fixture's own proof, in
// its own dialect, where a model has no provider before it); CLIENT_UPSTREAMS the dialects to ask, with blanks
// between; CLIENT_CONTROL the scripted upstream's origin.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { check, monotonic, waitUntil } from '../lib/tap.mjs';

export const {
	CLIENT_BASE_URL: base, CLIENT_KEY: key, CLIENT_CONTROL: control, CLIENT_DIRECT: direct,
} = process.env;
export const upstreams = process.env.CLIENT_UPSTREAMS.split(' ');
export const npm = createRequire(process.env.TIDEGATE_NODE_MODULES + '/');
export const scripts = JSON.parse(readFileSync(new URL('scripts.json', import.meta.url)));
export const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';
export const model = (upstream, name) => (direct ? name : `${upstream}/${name}`);

const joined = (name, kind) =>
	scripts[name].blocks.flatMap((block) => block[kind] ?? []).join('');
export const textOf = (name) => joined(name, 'text');
export const reasoningOf = (name) => joined(name, 'reasoning');
export const callsOf = (name) => scripts[name].blocks.filter((block) => block.call)
	.map((block) => ({ name: block.call, args: JSON.parse(block.arguments.join('')) }));
export const usageOf = (name) => {
	const { fresh, read, write, output } = scripts[name].usage;
	return { fresh, read, write, output, prompt: fresh + read + write };
};

/** What the tools of these tests answer, and what the upstream then says. */
export const execute = {
	weather: ({ city, n }) => `${city} is ${n}° "cold" ❄`,
	news: (args) => `none of ${JSON.stringify(args)}`,
};
export const resultsOf = (name) => 'Results: ' + callsOf(name)
	.map((call) => `${call.name}=${execute[call.name](call.args)}`).join(' ');
export const SCHEMA = {
	type: 'object',
	properties: { city: { type: 'string' }, n: { type: 'integer' } },
	required: ['city', 'n'],
	additionalProperties: false,
};

/** The records of the upstream whose body has `mark` in it, oldest first. */
export const records = async (mark) => {
	const all = await (await fetch(control + '/_control/requests')).json();
	return all.filter((one) => Buffer.from(one.body, 'base64').includes(mark));
};
/** A word that no other request has. */
export const mark = () => `mark-${process.hrtime.bigint()}`;

/** The upstream notices within a second that the client of `word`'s request left at `left`. */
export const departs = async (word, left) => {
	const seen = await waitUntil(async () => {
		const [one] = await records(word);
		return one?.departed && one;
	}, 3000, 'the upstream saw its client leave');
	assert.ok(seen.departed - left < 1, `it took ${seen.departed - left} s`);
};
export { monotonic };

/** One check for each upstream, side by side. */
export const each = (name, run, only = () => true) => Promise.all(upstreams.filter(only).map(
	(upstream) => check(`${upstream}/${name}`, () => run(upstream))));
/** Checks that need the appliance. */
export const foreign = (own) => (upstream) => !direct && upstream !== own;
