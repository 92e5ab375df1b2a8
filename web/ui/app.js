// SPDX-License-Identifier: Apache-2.0
// The page: one status document polled each second, drawn as text nodes only, so that no name is ever read as HTML.
// Money stays a string, except for drawing; exact digits are in the titles.
"use strict";

const POLL_MS = 1000;
const POINTS = 120;
const ROWS = 25;
const ROWS_AT_ONCE = 200;
const GROUP_ROWS = 12;
const GROUPS = ["by_tenant", "by_feature", "by_model", "by_provider"];

const byId = (id) => document.getElementById(id);
const series = { rate: [], spend: [] };
// What was drawn last, so that what did not change keeps its focus and selection.
const drawn = new Map();
let session = 0; // grows with each log-in and log-out: answers of one before are dropped
let last = null;
let etag = null;
let cursor = null;
let rows = [];
let timer = null;

// ---- asking ----

async function call(method, path, body, headers = {}) {
  const options = { method, headers: { ...headers }, credentials: "same-origin" };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const mine = session;
  const answer = await fetch(path, options);
  if (answer.status === 401 && path !== "/api/v1/login" && mine === session) showLogin();
  return answer;
}

async function failure(answer) {
  try {
    return (await answer.json()).error.message;
  } catch {
    return `the appliance answered ${answer.status}`;
  }
}

// As call(); undefined and the reason in `place` when it failed or the appliance is away.
async function ask(place, method, path, body) {
  try {
    const answer = await call(method, path, body);
    place.textContent = answer.ok ? "" : await failure(answer);
    return answer.ok ? await answer.json() : undefined;
  } catch {
    place.textContent = "the appliance cannot be reached";
    return undefined;
  }
}

// ---- what is shown ----

function show(which) {
  byId("login").hidden = which !== "login";
  byId("page").hidden = which !== "page";
  byId("logout").hidden = which !== "page";
}

function forget() {
  session++;
  clearTimeout(timer);
  last = etag = cursor = null;
  rows = [];
  series.rate = [];
  series.spend = [];
  drawn.clear();
  hideKey();
}

function showLogin() {
  forget();
  byId("version").textContent = "";
  show("login");
  setState("log in", "");
  byId("secret").focus();
}

function hideKey() {
  byId("key-made").hidden = true;
  byId("key-text").textContent = "";
}

function setState(text, kind) {
  const state = byId("state");
  if (state.textContent !== text) state.textContent = text;
  state.className = `state ${kind}`;
}

function changed(name, value) {
  const text = JSON.stringify(value);
  if (drawn.get(name) === text) return false;
  drawn.set(name, text);
  return true;
}

// ---- numbers ----

// "12.345678901" as "$12.35", with more digits for small amounts and no cents for large ones.
function dollars(value) {
  const digits = value !== 0 && Math.abs(value) < 1 ? 6 : value < 100000 ? 2 : 0;
  return `$${value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
}

function money(element, usd) {
  element.textContent = dollars(Number(usd));
  element.title = `$${usd}`;
}

// Exact below a million; above it, the exact number is in the title.
function count(element, value) {
  const exact = value.toLocaleString("en");
  element.textContent = value < 1e6 ? exact : value.toLocaleString("en", { notation: "compact", minimumFractionDigits: 1, maximumFractionDigits: 1 });
  element.title = exact;
}

function milliseconds(ms) {
  return ms < 1000 ? `${ms.toFixed(ms < 10 ? 2 : 1)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

function duration(s) {
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  return s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} days`;
}

function rateText(rate) {
  return rate.toFixed(rate < 10 ? 1 : 0);
}

// The least of 1, 2, 5 times a power of ten that is not below `value`.
function niceTop(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((step) => step * power >= value) * power;
}

// ---- tables ----

function cell(row, text, kind, label) {
  const td = document.createElement("td");
  // Said in so many words, since a narrow page lays a row out as a card, which is no row to a browser any more.
  td.setAttribute("role", "cell");
  if (label) td.dataset.label = label;
  td.textContent = text;
  if (kind) td.className = kind;
  row.append(td);
  return td;
}

function nameCell(row, text, kind, label) {
  const td = cell(row, text || "–", `name ${kind ?? ""}`, label);
  td.title = text;
}

function line(body) {
  const row = document.createElement("tr");
  row.setAttribute("role", "row");
  body.append(row);
  return row;
}

function begin(table, names, empty) {
  const thead = document.createElement("thead");
  const tbody = document.createElement("tbody");
  for (const part of [thead, tbody]) part.setAttribute("role", "rowgroup");
  const row = line(thead);
  for (const [name, kind] of names) {
    const th = document.createElement("th");
    th.scope = "col";
    th.setAttribute("role", "columnheader");
    th.textContent = name;
    if (kind) th.className = kind;
    row.append(th);
  }
  if (empty) cell(line(tbody), empty, "none").colSpan = names.length;
  table.setAttribute("role", "table");
  table.replaceChildren(thead, tbody);
  return tbody;
}

function drawGroup(id, entries) {
  if (!changed(id, entries)) return;
  const names = [["Name", "name"], ["Spend", "number"], ["Requests", "number"], ["Errors", "number"], ["Tokens in", "number"], ["Tokens out", "number"]];
  const body = begin(byId(id), names, entries.length ? "" : "no requests today");
  const sorted = [...entries].sort((a, b) => Number(b.cost_usd) - Number(a.cost_usd));
  const most = sorted.length ? Number(sorted[0].cost_usd) : 0;
  for (const entry of sorted.slice(0, GROUP_ROWS)) {
    const row = line(body);
    row.style.setProperty("--part", most > 0 ? `${(Number(entry.cost_usd) / most) * 100}%` : "0%");
    nameCell(row, entry.name, "lead shared");
    money(cell(row, "", "number spend"), entry.cost_usd);
    count(cell(row, "", "number", "Requests"), entry.requests);
    count(cell(row, "", entry.errors ? "number bad-outcome" : "number", "Errors"), entry.errors);
    count(cell(row, "", "number", "Tokens in"), entry.tokens_in);
    count(cell(row, "", "number", "Tokens out"), entry.tokens_out);
  }
  if (sorted.length > GROUP_ROWS) {
    cell(line(body), `and ${sorted.length - GROUP_ROWS} more; tidectl costs lists all`, "none").colSpan = names.length;
  }
}

// `up` is good, `unknown` is that nobody asked yet; all else is in the appliance's own words.
function drawHealth(providers) {
  if (!changed("health", providers)) return;
  const names = [["Name", "name"], ["Health"], ["Since, UTC"], ["Successes", "number"], ["Failures", "number"], ["Why, or its last error", "name"]];
  const body = begin(byId("health"), names, providers.length ? "" : "no providers are configured");
  for (const entry of providers) {
    const row = line(body);
    nameCell(row, entry.name, "lead");
    cell(row, entry.health, ["up", "unknown"].includes(entry.health) ? "" : "bad-outcome", "Health");
    cell(row, entry.since ? entry.since.slice(0, 19).replace("T", " ") : "–", "", "Since");
    count(cell(row, "", "number", "Successes"), entry.successes_total);
    count(cell(row, "", "number", "Failures"), entry.failures_total);
    nameCell(row, entry.why ?? entry.last_error ?? "", "", "Why");
  }
}

function drawRequests() {
  const names = [["Time, UTC"], ["Tenant", "name"], ["Feature", "name"], ["Route", "name"], ["Provider", "name"], ["Outcome"], ["Status", "number"], ["Tokens in", "number"], ["Tokens out", "number"], ["Spend", "number"], ["Duration", "number"]];
  const body = begin(byId("requests-table"), names, rows.length ? "" : "no requests yet");
  for (const entry of rows) {
    const row = line(body);
    row.dataset.id = entry.id;
    cell(row, entry.ts.slice(11, 23), "", "Time").title = `${entry.ts}, request ${entry.id}`;
    nameCell(row, entry.tenant, "lead");
    nameCell(row, entry.feature, "", "Feature");
    nameCell(row, entry.route, "", "Route");
    nameCell(row, entry.provider, "", "Provider");
    cell(row, entry.outcome, entry.outcome === "ok" ? "" : "bad-outcome", "Outcome");
    cell(row, entry.status, "number", "Status");
    count(cell(row, "", "number", "Tokens in"), entry.tokens_in);
    count(cell(row, "", "number", "Tokens out"), entry.tokens_out);
    money(cell(row, "", "number spend"), entry.cost_usd);
    cell(row, milliseconds(entry.ms), "number", "Duration");
  }
}

// ---- charts ----

function shape(svg, tag, kind, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  element.setAttribute("class", kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  svg.append(element);
}

function draw(id, values, text) {
  const svg = byId(id);
  const top = niceTop(Math.max(0, ...values));
  const step = 600 / (POINTS - 1);
  const first = (POINTS - values.length) * step;
  const y = (value) => (118 - (value / top) * 116).toFixed(1);
  const points = values.map((value, i) => `${(first + i * step).toFixed(1)},${y(value)}`);
  svg.replaceChildren();
  for (const part of [0, 0.5, 1]) shape(svg, "line", "grid", { x1: 0, x2: 600, y1: y(top * part), y2: y(top * part) });
  if (points.length > 1) {
    shape(svg, "polygon", "area", { points: `${first.toFixed(1)},118 ${points.join(" ")} 600,118` });
    shape(svg, "polyline", "curve", { points: points.join(" ") });
  }
  byId(`${id}-top`).textContent = text(top);
  if (!values.length) return;
  const summary = `now ${text(values.at(-1))}, at most ${text(Math.max(...values))}`;
  byId(`${id}-now`).textContent = summary;
  svg.setAttribute("aria-label", `${svg.parentElement.previousElementSibling.firstElementChild.textContent}, the last two minutes: ${summary}`);
}

function push(list, value) {
  list.push(value);
  if (list.length > POINTS) list.shift();
}

function rates(status) {
  const seconds = last ? (Date.parse(status.ts) - Date.parse(last.ts)) / 1000 : 0;
  if (seconds <= 0) return;
  const rate = Math.max(0, status.requests_total - last.requests_total) / seconds;
  const spend = (Math.max(0, Number(status.total_usd) - Number(last.total_usd)) / seconds) * 3600;
  push(series.rate, rate);
  push(series.spend, spend);
  byId("rate").textContent = rateText(rate);
}

// ---- the whole ----

function drawFigures(status) {
  const errors = status.requests_total ? (status.errors_total / status.requests_total) * 100 : 0;
  money(byId("today"), status.today_usd);
  money(byId("month"), status.month_usd);
  byId("zone").textContent = `since midnight, ${status.zone}`;
  byId("reserved").textContent = `${dollars(Number(status.reserved_usd))} reserved for requests in flight`;
  byId("reserved").title = `$${status.reserved_usd}`;
  byId("requests").textContent = `${status.requests_total.toLocaleString("en")} since start`;
  byId("inflight").textContent = status.inflight.toLocaleString("en");
  byId("connections").textContent = `${status.connections_open.toLocaleString("en")} connections of clients`;
  byId("errors").textContent = status.errors_total.toLocaleString("en");
  byId("errors").className = status.errors_total ? "bad-outcome" : "";
  byId("departed").textContent = `${errors.toFixed(1)} % since start; ${status.departed_total.toLocaleString("en")} clients left early`;
  byId("ttft").textContent = milliseconds(status.ttft_p99_ms);
  byId("latency").textContent = `whole answers: p50 ${milliseconds(status.latency_p50_ms)}, p99 ${milliseconds(status.latency_p99_ms)}`;
}

function unpriced(status) {
  const attempts = status.prices_unknown_total;
  const models = status.prices_unknown.slice(0, GROUP_ROWS).map((model) => `${model.provider}/${model.model}`);
  return `${attempts.toLocaleString("en")} ${attempts === 1 ? "attempt counts" : "attempts count"} as free, for want of a price in the configuration: ${models.join(", ")}`;
}

function drawStatus(status) {
  setState(status.state, status.state === "ready" ? "good" : "bad");
  byId("version").textContent = `version ${status.version}, configuration ${status.generation}, up ${duration(status.uptime_s)}`;
  byId("warning").hidden = !status.prices_unknown_total;
  byId("warning").textContent = unpriced(status);
  drawFigures(status);
  rates(status);
  draw("chart-rate", series.rate, (value) => `${rateText(value)}/s`);
  draw("chart-spend", series.spend, (value) => `${dollars(value)}/h`);
  for (const id of GROUPS) drawGroup(id, status[id]);
  drawHealth(status.providers);
}

async function loadRequests() {
  const mine = session;
  const query = cursor ? `cursor=${encodeURIComponent(cursor)}&limit=${ROWS_AT_ONCE}` : `limit=${ROWS}`;
  const answer = await call("GET", `/api/v1/logs?${query}`);
  if (!answer.ok) return;
  const fresh = await answer.json();
  if (mine !== session) return;
  const newest = [...fresh.rows].reverse();
  const known = new Set(newest.map((row) => row.id));
  // Where more came than is shown anyway, the next answer begins with the newest.
  const skipped = cursor && newest.length === ROWS_AT_ONCE;
  rows = [...newest, ...(cursor ? rows : []).filter((row) => !known.has(row.id))].slice(0, ROWS);
  cursor = skipped ? null : fresh.cursor;
  if (changed("requests", rows)) drawRequests();
}

async function loadKeys() {
  const mine = session;
  const answer = await call("GET", "/api/v1/keys");
  if (!answer.ok) return;
  const { owner, keys } = await answer.json();
  if (mine !== session) return;
  const live = owner === "live";
  byId("keys-owner").textContent = live ? "Made and revoked here or by tidectl; a revoked key is refused from its next request on." : "Owned by files: they are changed in the configuration folder, followed by a reload.";
  byId("key-form").hidden = !live;
  const names = [["Name", "name"], ["Tenant", "name"], ["Feature", "name"], ["Known by", "name"], ["State"], ["Last used"], ...(live ? [["Action", "number"]] : [])];
  const body = begin(byId("keys-table"), names, keys.length ? "" : "no keys yet");
  for (const key of keys) {
    const row = line(body);
    nameCell(row, key.name, "lead");
    nameCell(row, key.tenant, "", "Tenant");
    nameCell(row, key.feature, "", "Feature");
    nameCell(row, [key.fingerprint && `SHA-256 ${key.fingerprint}…`, key.identity].filter(Boolean).join(", "), "", "Known by");
    cell(row, keyState(key), key.state === "active" ? "" : "bad-outcome", "State");
    cell(row, key.last_used ? `${key.last_used.slice(0, 16).replace("T", " ")} UTC` : "never seen", "", "Last used");
    if (live) cell(row, "", "number spend").append(revokeButton(key.name));
  }
}

function keyState({ state, expires }) {
  if (!expires || state === "disabled") return state;
  return `${state}, ${state === "expired" ? "since" : "until"} ${expires.slice(0, 16).replace("T", " ")} UTC`;
}

function revokeButton(name) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "revoke";
  button.textContent = "Revoke";
  button.setAttribute("aria-label", `Revoke ${name}`);
  button.addEventListener("click", () => revoke(name));
  return button;
}

async function revoke(name) {
  if (!confirm(`Revoke the key ${name}? Its next request is refused.`)) return;
  await ask(byId("key-error"), "DELETE", `/api/v1/keys/${encodeURIComponent(name)}`);
  await loadKeys();
}

async function refresh() {
  const mine = session;
  const answer = await call("GET", "/api/v1/status", undefined, etag ? { "if-none-match": etag } : {});
  if (mine !== session || answer.status === 304) return;
  if (!answer.ok) {
    setState(`the appliance answers ${answer.status}`, "bad");
    return;
  }
  const status = await answer.json();
  if (mine !== session) return;
  etag = answer.headers.get("etag");
  if (byId("page").hidden) {
    show("page");
    await loadKeys();
  }
  const moved = !last || status.rows_committed_total !== last.rows_committed_total || !cursor;
  drawStatus(status);
  if (changed("tenants", status.by_tenant.map((row) => row.name))) {
    byId("tenants").replaceChildren(...status.by_tenant.map((row) => new Option(row.name, row.name)));
  }
  // The log's line follows its row's commit: one more look, a second later, finds what was too late for this one.
  if (moved || last.moved) await loadRequests();
  status.moved = moved;
  last = status;
}

async function poll() {
  const mine = session;
  try {
    await refresh();
  } catch {
    setState("the appliance cannot be reached", "bad");
  }
  if (mine === session) timer = setTimeout(poll, POLL_MS);
}

// ---- what people do ----

byId("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const secret = byId("secret").value;
  byId("secret").value = "";
  if (!(await ask(byId("login-error"), "POST", "/api/v1/login", { secret }))) {
    byId("secret").focus();
    return;
  }
  forget();
  poll();
});

byId("logout").addEventListener("click", async () => {
  try {
    await call("POST", "/api/v1/logout");
    showLogin();
  } catch {
    setState("the appliance cannot be reached: you are still logged in", "bad");
  }
});

byId("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = event.target.elements;
  const body = { name: fields.name.value, tenant: fields.tenant.value };
  if (fields.feature.value) body.feature = fields.feature.value;
  hideKey();
  const made = await ask(byId("key-error"), "POST", "/api/v1/keys", body);
  if (!made) return;
  byId("key-text").textContent = made.key;
  byId("key-made").hidden = false;
  byId("key-form").reset();
  await loadKeys();
});

byId("key-done").addEventListener("click", hideKey);

poll();
