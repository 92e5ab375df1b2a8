// SPDX-License-Identifier: Apache-2.0
// The lines a suite prints, for Node: see tap.py. A check that throws is `not ok` and the suite goes on.

import assert from 'node:assert/strict';

const oneLine = (text) => {
	const flat = String(text).split('\n').map((part) => part.trim()).filter(Boolean).join(' | ');
	return flat.length <= 400 ? flat : flat.slice(0, 400) + '…';
};

export const check = async (name, run) => {
	try {
		await run();
		console.log(`ok ${name}`);
	} catch (error) {
		console.error(error);
		console.log(`not ok ${name} - ${oneLine(`${error.name}: ${error.message}`)}`);
		process.exitCode = 1;
	}
};

/** The error `run` throws, or rejects with; a run that succeeds is a failure. */
export const thrown = async (run) => {
	let value;
	try {
		value = await run();
	} catch (error) {
		return error;
	}
	assert.fail(`no error, but ${JSON.stringify(value)}`);
};

/** Polls `probe` until it gives something truthy, which is returned. */
export const waitUntil = async (probe, timeoutMs, what) => {
	const end = performance.now() + timeoutMs;
	for (;;) {
		const value = await probe();
		if (value) return value;
		assert.ok(performance.now() < end, `${what}: still not so after ${timeoutMs} ms`);
		await new Promise((resolve) => setTimeout(resolve, 10));
	}
};

/** Seconds of CLOCK_MONOTONIC, the clock the scripted upstream's records use. */
export const monotonic = () => Number(process.hrtime.bigint()) / 1e9;
