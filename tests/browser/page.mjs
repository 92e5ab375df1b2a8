// SPDX-License-Identifier: Apache-2.0
// The page as a person uses it, in Chromium. PAGE_PART is `live` (keys are made on the page) or `files` (they are not).
//
// Whatever the page does wrong unseen is collected from the first moment on and judged last: messages of the console,
// exceptions, violations of its policy, requests to another origin.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import { check, waitUntil } from '../lib/tap.mjs';

const { chromium } = createRequire(process.env.TIDEGATE_NODE_MODULES + '/')('playwright-core');
const { PAGE_ADMIN: admin, PAGE_API: api, PAGE_SECRET: secret, PAGE_PART: part } = process.env;
const screenshots = process.env.TIDEGATE_SCREENSHOTS;
const HTML = '<img src=x onerror=alert(1)>';
const faults = [];
const dialogs = [];

const context = await chromium.launchPersistentContext(process.env.PAGE_PROFILE, {
	executablePath: process.env.PAGE_CHROMIUM,
	headless: true,
	viewport: { width: 1440, height: 1000 },
	locale: 'en-US',
	args: [
		'--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
		'--disable-component-update', '--disable-sync',
	],
});
context.setDefaultTimeout(15_000);
const page = context.pages()[0] ?? (await context.newPage());
page.on('console', (message) => {
	// Refused log-ins are answers like any other to the page; Chromium writes every 4xx to the console.
	if (!/status of 40[19]/.test(message.text())) faults.push(`console: ${message.text()}`);
});
page.on('pageerror', (error) => faults.push(`exception: ${error}`));
page.on('request', (request) => {
	if (new URL(request.url()).origin !== admin) faults.push(`request to ${request.url()}`);
});
page.on('dialog', (dialog) => {
	dialogs.push(`${dialog.type()}: ${dialog.message()}`);
	return dialog.type() === 'confirm' ? dialog.accept() : dialog.dismiss();
});
await page.addInitScript(() => {
	document.addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective}`));
});

const text = (selector) => page.locator(selector).textContent();
const numberIn = async (selector) => Number((await text(selector)).replace(/[^0-9.]/g, ''));

const chat = async (key, model = 'small', headers = {}) => {
	const answer = await fetch(`${api}/v1/chat/completions`, {
		method: 'POST',
		headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
		body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hello' }] }),
	});
	await answer.text();
	return { status: answer.status, id: answer.headers.get('x-tidegate-request-id') };
};

const logIn = async () => {
	await page.fill('#secret', secret);
	await page.press('#secret', 'Enter');
	await page.waitForSelector('#page:not([hidden])');
};

const makeKey = async (name, tenant, feature) => {
	await page.fill('#key-form [name=name]', name);
	await page.fill('#key-form [name=tenant]', tenant);
	await page.fill('#key-form [name=feature]', feature ?? '');
	await page.click('#key-form button[type=submit]');
	await page.waitForSelector('#key-made:not([hidden])');
	const key = await text('#key-text');
	assert.match(key, /^tg-[0-9A-Za-z]{43}$/);
	return key;
};

const wrongSecret = async () => {
	await page.goto(admin);
	await page.waitForSelector('#login:not([hidden])');
	assert.equal(await page.evaluate(() => document.activeElement.id), 'secret', 'where typing goes');
	await page.fill('#secret', 'not the secret');
	await page.press('#secret', 'Enter');
	await page.waitForFunction(() => document.getElementById('login-error').textContent);
	assert.match(await text('#login-error'), /secret is wrong.*console-secret/);
	assert.equal(await page.inputValue('#secret'), '', 'the field after a wrong secret');
	assert.ok(await page.isHidden('#page'), 'the page is shown without a log-in');
};

const rightSecret = async () => {
	await logIn();
	// The page is shown before its first figures have come.
	await page.waitForFunction(() => document.querySelector('#state').textContent.trim() === 'ready');
	assert.match(await text('#version'), /^version \S+, configuration \d+, up /);
	const stored = await page.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length]);
	assert.deepEqual(stored, ['', 0, 0], 'what a script could steal');
	await page.reload();
	await page.waitForSelector('#page:not([hidden])');
};

// A request is on the page within two seconds of its answer.
const appearsSoon = async (key, model, headers) => {
	const { id } = await chat(key, model, headers);
	const began = performance.now();
	await page.waitForSelector(`#requests-table tr[data-id="${id}"]`, { timeout: 10_000 });
	const ms = performance.now() - began;
	assert.ok(ms < 2000, `it took ${ms.toFixed(0)} ms`);
};

const figuresMove = async (keys) => {
	const before = { requests: await numberIn('#requests'), spend: Number((await page.getAttribute('#today', 'title')).slice(1)) };
	let count = 0;
	const until = performance.now() + 4000;
	const rates = new Set();
	while (performance.now() < until) {
		for (const key of keys) await chat(key, count++ % 9 === 8 ? 'resilient' : 'small', { 'x-tidegate-feature': ['chat', 'search'][count % 2] });
		rates.add(await text('#rate'));
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
	await waitUntil(async () => (await numberIn('#requests')) >= before.requests + count, 5000, 'requests on the page');
	assert.equal(await numberIn('#requests'), before.requests + count, 'requests on the page');
	assert.ok(rates.size > 1, `requests a second stood still at ${[...rates]}`);
	assert.ok([...rates].some((rate) => Number(rate) > 1), `requests a second: ${[...rates]}`);
	const after = Number((await page.getAttribute('#today', 'title')).slice(1));
	assert.ok(after > before.spend, `spend stood still at ${after}`);
	for (const id of ['chart-rate', 'chart-spend']) {
		assert.ok((await page.locator(`#${id} polyline`).getAttribute('points')).split(' ').length > 2, `${id} has no curve`);
		assert.match(await page.getAttribute(`#${id}`, 'aria-label'), /now .*at most/);
	}
};

// What REST says, exact to the nano-dollar, stands in the title of what is shown.
const moneyIsExact = async () => {
	const costs = async (by) => (await page.evaluate((url) => fetch(url).then((answer) => answer.json()), `/api/v1/costs?by=${by}`)).rows;
	for (const by of ['tenant', 'feature', 'model', 'provider']) {
		const rows = await costs(by);
		assert.ok(rows.some((row) => Number(row.cost_usd) > 0), `nothing was spent by ${by}`);
		for (const row of rows) {
			const cells = page.locator(`#by_${by} tbody tr`).filter({ has: page.getByRole('cell', { name: row.name || '–', exact: true }) }).locator('td');
			await waitUntil(async () => (await cells.nth(1).getAttribute('title')) === `$${row.cost_usd}`, 5000, `${by} ${row.name}: $${row.cost_usd}`);
			assert.match(row.cost_usd, /^\d+\.\d{9}$/);
			assert.equal(await cells.nth(2).textContent(), row.requests.toLocaleString('en'), `requests of ${row.name}`);
		}
	}
};

const unknownPrices = async (key) => {
	assert.ok(await page.isHidden('#warning'), 'a warning without a cause');
	await chat(key, 'unpriced');
	await page.waitForSelector('#warning:not([hidden])');
	assert.match(await text('#warning'), /^1 attempt .* sim\/sim-text@words=1\b/);
};

// The page says of each provider what status.json says.
const health = async (key) => {
	const row = (name) => page.locator('#health tbody tr').filter({ has: page.getByRole('cell', { name, exact: true }) }).locator('td');
	await chat(key, 'small');
	await chat(key, 'nowhere');
	for (const [name, wanted] of [['sim', 'up'], ['gone', 'down']]) {
		await waitUntil(async () => (await row(name).nth(1).textContent()) === wanted, 10000, `${name} is not ${wanted}`);
		const { providers } = await page.evaluate(() => fetch('/api/v1/status').then((answer) => answer.json()));
		const told = providers.find((provider) => provider.name === name);
		assert.equal(told.health, wanted);
		assert.equal(await row(name).nth(2).textContent(), told.since?.slice(0, 19).replace('T', ' ') ?? '–', 'since');
		assert.equal(await row(name).nth(5).getAttribute('title'), told.why ?? told.last_error ?? '', 'why');
		assert.equal(await row(name).nth(1).getAttribute('class') === 'bad-outcome', wanted === 'down', 'colour');
	}
};

const htmlIsText = async (key) => {
	const { id, status } = await chat(key, HTML);
	assert.equal(status, 404);
	const row = page.locator(`#requests-table tr[data-id="${id}"]`);
	await row.waitFor();
	assert.equal(await row.locator('td').nth(3).textContent(), HTML, 'the route');
	assert.equal(await page.locator('#page img').count(), 0, 'images within the page');
	assert.ok(!dialogs.some((dialog) => dialog.startsWith('alert')), dialogs.join());
};

const LONG = 'a-name-that-is-longer-than-anybody-would-ever-choose-for-a-model@words=60,between_ms=20';

// Everything at its widest: long names, and figures of years.
const exaggerate = async () => {
	const total = { name: LONG, cost_usd: '123456.789012345', requests: 12345678, errors: 345678, tokens_in: 123456789012, tokens_cached: 0, tokens_out: 98765432109 };
	await page.route('**/api/v1/status', async (route) => {
		const answer = await route.fetch({ headers: { ...route.request().headers(), 'if-none-match': '' } });
		const status = await answer.json();
		for (const by of ['by_tenant', 'by_feature', 'by_model', 'by_provider']) status[by] = [...status[by], total];
		await route.fulfill({ response: answer, json: { ...status, today_usd: '123456.789012345', month_usd: '3456789.012345678' } });
	});
	await page.route('**/api/v1/logs?*', async (route) => {
		const answer = await route.fetch();
		const log = await answer.json();
		const wide = { tenant: LONG, feature: LONG, route: LONG, provider: LONG, outcome: 'incomplete', tokens_in: 1234567, tokens_out: 1234567, cost_usd: '12345.678901234', ms: 1234567.8 };
		await route.fulfill({ response: answer, json: { ...log, rows: log.rows.map((row, i) => (i % 2 ? { ...row, ...wide } : row)) } });
	});
	await page.route('**/api/v1/keys', async (route) => {
		const answer = await route.fetch();
		const list = await answer.json();
		await route.fulfill({ response: answer, json: { ...list, keys: list.keys.map((key) => ({ ...key, name: LONG, tenant: LONG, feature: LONG })) } });
	});
	await page.reload();
	for (const id of ['by_model', 'requests-table', 'keys-table']) await page.locator(`#${id}`).getByText(LONG).first().waitFor();
};

const asItIs = async () => {
	await page.unrouteAll({ behavior: 'ignoreErrors' });
	await page.reload();
	await page.waitForSelector('#page:not([hidden])');
};

// Nothing is cut and nothing scrolls sideways: no column of any table lies outside its card, or is too narrow to read.
const fits = async (width) => {
	await page.setViewportSize({ width, height: 800 });
	await page.waitForTimeout(100);
	const [scroll, client] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
	assert.ok(scroll <= client, `the page is ${scroll} px wide in a window of ${client} px`);
	const wrong = await page.evaluate(() => {
		const found = [];
		const tell = (element, why) => found.push(`${element.closest('table')?.id ?? ''} "${element.textContent.slice(0, 30)}" ${why}`);
		for (const figure of document.querySelectorAll('.figure strong')) if (figure.scrollWidth > figure.clientWidth + 1) tell(figure, 'is wider than its card');
		for (const element of document.querySelectorAll('.card, .card *')) {
			if (/auto|scroll/.test(getComputedStyle(element).overflowX) && element.scrollWidth > element.clientWidth) tell(element, 'scrolls sideways');
		}
		for (const cell of document.querySelectorAll('td, th')) {
			if (cell.matches('thead *') && getComputedStyle(cell.closest('thead')).position === 'absolute') continue; // for screen readers
			const [box, card] = [cell.getBoundingClientRect(), cell.closest('.card').getBoundingClientRect()];
			if (box.width === 0) tell(cell, 'is not shown');
			if (box.left < card.left || box.right > card.right) tell(cell, 'is outside its card');
			if (!cell.matches('.name') && cell.scrollWidth > cell.clientWidth + 1) tell(cell, 'is cut');
			if (cell.matches('td.name') && cell.clientWidth < 50 && cell.scrollWidth > cell.clientWidth + 1) tell(cell, `has ${cell.clientWidth} px`);
		}
		return found;
	});
	assert.deepEqual(wrong.slice(0, 5), [], `at ${width} px`);
	await page.setViewportSize({ width: 1440, height: 1000 });
};

// Colours of text against what is behind them, by WCAG's formula, in both palettes.
const contrast = async (scheme) => {
	await page.emulateMedia({ colorScheme: scheme });
	const weak = await page.evaluate(() => {
		const parse = (colour) => colour.match(/[\d.]+/g).map(Number);
		const light = (rgb) => {
			const [r, g, b] = rgb.slice(0, 3).map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
			return 0.2126 * r + 0.7152 * g + 0.0722 * b;
		};
		const behind = (element) => {
			for (let at = element; at; at = at.parentElement) {
				const colour = parse(getComputedStyle(at).backgroundColor);
				if (colour.length === 3 || colour[3] > 0) return colour;
			}
			return [255, 255, 255];
		};
		const found = [];
		for (const element of document.querySelectorAll('body *')) {
			const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
			if (!own || !element.checkVisibility() || element.tagName === 'OPTION') continue;
			const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
			const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
			if (ratio < 4.5) found.push(`${element.tagName} "${element.textContent.slice(0, 30)}" ${ratio.toFixed(2)}`);
		}
		return found;
	});
	await page.emulateMedia({ colorScheme: 'light' });
	assert.deepEqual(weak, [], 'text of too little contrast');
};

const labels = async () => {
	const bare = await page.evaluate(() => {
		const named = (element) => element.labels?.length || element.getAttribute('aria-label') || element.getAttribute('aria-labelledby') || element.textContent.trim();
		return [...document.querySelectorAll('input:not([hidden]), button, table, svg[role=img]')].filter((element) => !named(element)).map((element) => element.outerHTML);
	});
	assert.deepEqual(bare, [], 'what has no name for a screen reader');
	assert.equal(await page.getAttribute('html', 'lang'), 'en');
};

// Everything that can be done can be done by the keyboard, and one sees where it is.
const keyboard = async () => {
	const reached = new Set();
	await page.evaluate(() => document.activeElement.blur());
	for (let i = 0; i < 60; i++) {
		await page.keyboard.press('Tab');
		const [what, outline] = await page.evaluate(() => {
			const element = document.activeElement;
			if (element === document.body) return [];
			return [element.id || element.name || element.getAttribute('aria-label') || element.textContent, getComputedStyle(element).outlineStyle];
		});
		if (!what) continue;
		if (reached.has(what)) break;
		reached.add(what);
		assert.notEqual(outline, 'none', `no outline at ${what}`);
	}
	for (const what of part === 'live' ? ['logout', 'name', 'tenant', 'feature', 'Make a key'] : ['logout']) assert.ok(reached.has(what), `Tab does not reach ${what} (${[...reached]})`);
};

const revokeKey = async (name, key) => {
	assert.equal((await chat(key)).status, 200);
	await page.getByRole('button', { name: `Revoke ${name}`, exact: true }).click();
	await page.getByRole('button', { name: `Revoke ${name}`, exact: true }).waitFor({ state: 'detached' });
	assert.ok(dialogs.some((dialog) => dialog === `confirm: Revoke the key ${name}? Its next request is refused.`), dialogs.join());
	assert.equal((await chat(key)).status, 401, 'after the revoke');
};

const keyOnce = async () => {
	const key = await makeKey('once', 'acme', 'chat');
	await page.click('#key-done');
	assert.ok(!(await page.content()).includes(key), 'the key is still on the page');
	const second = await makeKey('once-more', 'acme');
	assert.equal((await chat(second)).status, 200, 'at once');
	await revokeKey('once-more', second);
	await page.fill('#key-form [name=name]', 'once');
	await page.fill('#key-form [name=tenant]', 'acme');
	await page.click('#key-form button[type=submit]');
	await page.waitForFunction(() => document.getElementById('key-error').textContent);
	assert.match(await text('#key-error'), /"once" exists already/);
	assert.ok(await page.isHidden('#key-made'), 'the revoked key is still shown');
	assert.equal(await text('#key-text'), '');
};

const oddKeys = async () => {
	for (const name of [HTML, '50% a+b?c#d', '名前 "x"']) {
		const key = await makeKey(name, HTML);
		await revokeKey(name, key);
	}
	assert.equal(await page.locator('#page img').count(), 0, 'images within the page');
};

const ownedByFiles = async () => {
	assert.match(await text('#keys-owner'), /Owned by files/);
	assert.ok(await page.isHidden('#key-form'), 'a form that nobody may use');
	assert.equal(await page.getByRole('button', { name: /^Revoke/ }).count(), 0);
	assert.equal(await page.locator('#keys-table tbody tr').count(), 2);
};

const logOut = async () => {
	const cookies = await context.cookies(admin);
	assert.deepEqual(cookies.map((c) => [c.name, c.httpOnly, c.sameSite]), [['tidegate_session', true, 'Strict']]);
	const ask = () => fetch(`${admin}/api/v1/keys`, { headers: { cookie: `tidegate_session=${cookies[0].value}` } });
	assert.equal((await ask()).status, 200);
	await page.click('#logout');
	await page.waitForSelector('#login:not([hidden])');
	await page.waitForTimeout(2500);
	assert.ok(await page.isHidden('#page'), 'the page came back by itself');
	assert.equal((await ask()).status, 401, 'the session after the log-out');
	assert.equal((await context.cookies(admin)).length, 0, 'cookies');
};

const photograph = async (what) => {
	for (const scheme of ['light', 'dark']) {
		await page.emulateMedia({ colorScheme: scheme });
		for (const [name, width, height] of [['wide', 1280, 900], ['narrow', 390, 844]]) {
			await page.setViewportSize({ width, height });
			await page.waitForTimeout(300);
			await page.screenshot({ path: path.join(screenshots, `${what}-${scheme}-${name}.png`), fullPage: true });
		}
	}
	await page.emulateMedia({ colorScheme: 'light' });
	await page.setViewportSize({ width: 1440, height: 1000 });
};

await check('wrong-secret', wrongSecret);
await check('log-in', rightSecret);
const keys = part === 'files' ? [process.env.PAGE_KEY_APP, process.env.PAGE_KEY_OTHER] : [];
if (part === 'live') {
	await check('key-made-here-works', async () => {
		for (const [name, tenant] of [['web-app', 'acme'], ['batch', 'globex'], ['lab', 'initech']]) {
			const key = await makeKey(name, tenant, name);
			assert.equal((await chat(key)).status, 200, `${name} at once`);
			keys.push(key);
		}
	});
}
await check('request-appears-soon', () => appearsSoon(keys[0]));
await check('failed-request-appears-soon', () => appearsSoon(keys[0], 'broken'));
await check('slow-request-appears-soon', async () => {
	const slow = appearsSoon(keys[0], 'large');
	for (let i = 0; i < 5; i++) await chat(keys[1]);
	await slow;
});
await check('figures-move', () => figuresMove(keys));
await check('money-is-exact', moneyIsExact);
await check('unknown-prices', () => unknownPrices(keys[0]));
await check('health', () => health(keys[0]));
await check('html-is-text', () => htmlIsText(keys[0]));
if (screenshots) await photograph(part);
const widths = [320, 390, 600, 768, 1024, 1280, 1440, 2560];
for (const width of widths) await check(`fits-${width}`, () => fits(width));
await check('exaggerated', exaggerate);
for (const width of widths) await check(`exaggerated-fits-${width}`, () => fits(width));
if (screenshots) await photograph('exaggerated');
await check('as-it-is', asItIs);
for (const scheme of ['light', 'dark']) await check(`contrast-${scheme}`, () => contrast(scheme));
await check('labels', labels);
await check('keyboard', keyboard);
if (part === 'live') {
	await check('key-shown-once', keyOnce);
	await check('odd-key-names', oddKeys);
} else {
	await check('owned-by-files', ownedByFiles);
}
await check('log-out', logOut);
await check('log-in-again', logIn);
await check('no-faults', () => assert.deepEqual(faults, []));
await context.close();
