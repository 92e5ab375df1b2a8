// SPDX-License-Identifier: Apache-2.0
// The page: one status document polled each second, drawn as text nodes only. Money stays a string, except for drawing.
"use strict";

const byId = (id) => document.getElementById(id);
const series = { rate: [], spend: [] };
const POINTS = 120;
let last = null;
let etag = null;
let logsAfter = null;
const rows = [];
let timer = null;

async function call(method, path, body, headers = {}) {
  const options = { method, headers: { ...headers }, credentials: "same-origin" };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  if (answer.status === 401 && path !== "/api/v1/login") showLogin();
  return answer;
}

async function failure(answer) {
  try {
    return (await answer.json()).error.message;
  } catch {
    return `the appliance answered ${answer.status}`;
  }
}

function show(which) {
  byId("login").hidden = which !== "login";
  byId("page").hidden = which !== "page";
  byId("logout").hidden = which !== "page";
}

function showLogin() {
  clearTimeout(timer);
  timer = null;
  last = null;
  etag = null;
  rows.length = 0;
  logsAfter = null;
  show("login");
  setState("log in", "");
  byId("secret").focus();
}

function setState(text, kind) {
  const state = byId("state");
  state.textContent = text;
  state.className = `state ${kind}`;
}

// "12.345678901" to "$12.35", or more digits for small amounts; exact digits stay in the title.
function money(element, usd) {
  const value = Number(usd);
  const digits = value !== 0 && Math.abs(value) < 1 ? 6 : 2;
  element.textContent = `$${value.toFixed(digits)}`;
  element.title = `$${usd}`;
}

function cell(row, text, kind) {
  const td = document.createElement("td");
  td.textContent = text;
  if (kind) td.className = kind;
  row.append(td);
  return td;
}

function head(table, names) {
  const row = document.createElement("tr");
  for (const [name, kind] of names) {
    const th = document.createElement("th");
    th.scope = "col";
    th.textContent = name;
    if (kind) th.className = kind;
    row.append(th);
  }
  table.replaceChildren(row);
}

function drawGroup(id, entries) {
  const table = byId(id);
  head(table, [["Name"], ["Spend", "number"], ["Requests", "number"], ["Errors", "number"], ["Tokens in", "number"], ["Tokens out", "number"]]);
  const sorted = [...entries].sort((a, b) => Number(b.cost_usd) - Number(a.cost_usd)).slice(0, 12);
  for (const entry of sorted) {
    const row = document.createElement("tr");
    cell(row, entry.name);
    money(cell(row, "", "number"), entry.cost_usd);
    for (const field of ["requests", "errors", "tokens_in", "tokens_out"]) cell(row, entry[field].toLocaleString(), "number");
    table.append(row);
  }
}

function draw(svg, values) {
  const most = Math.max(...values, 0.000001);
  const step = 600 / (POINTS - 1);
  const at = (value, i) => `${((POINTS - values.length + i) * step).toFixed(1)},${(116 - (value / most) * 108).toFixed(1)}`;
  const points = values.map(at);
  const first = (POINTS - values.length) * step;
  svg.replaceChildren();
  const area = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
  area.setAttribute("class", "area");
  area.setAttribute("points", `${first},118 ${points.join(" ")} 600,118`);
  const curve = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  curve.setAttribute("class", "curve");
  curve.setAttribute("points", points.join(" "));
  svg.append(area, curve);
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
  byId("rate").textContent = rate.toFixed(rate < 10 ? 1 : 0);
}

function drawStatus(status) {
  const ready = status.state === "ready";
  setState(status.state, ready ? "good" : "bad");
  byId("version").textContent = `version ${status.version}, configuration ${status.generation}`;
  money(byId("today"), status.today_usd);
  money(byId("month"), status.month_usd);
  byId("zone").textContent = `zone ${status.zone}`;
  byId("reserved").textContent = `$${Number(status.reserved_usd).toFixed(6)} reserved for requests in flight`;
  byId("requests").textContent = `${status.requests_total.toLocaleString()} since start`;
  byId("inflight").textContent = status.inflight.toLocaleString();
  byId("connections").textContent = `${status.connections_open.toLocaleString()} connections`;
  byId("errors").textContent = status.errors_total.toLocaleString();
  byId("departed").textContent = `${status.departed_total.toLocaleString()} clients left early`;
  byId("ttft").textContent = `${status.ttft_p99_ms.toFixed(1)} ms`;
  byId("latency").textContent = `whole request p50 ${status.latency_p50_ms.toFixed(1)}, p99 ${status.latency_p99_ms.toFixed(1)} ms`;
  rates(status);
  draw(byId("chart-rate"), series.rate);
  draw(byId("chart-spend"), series.spend);
  for (const id of ["by_tenant", "by_feature", "by_model", "by_provider"]) drawGroup(id, status[id]);
  last = status;
}

function drawRequests() {
  const table = byId("requests-table");
  head(table, [["Time"], ["Tenant"], ["Feature"], ["Route"], ["Provider"], ["Outcome"], ["Status", "number"], ["Tokens in", "number"], ["Tokens out", "number"], ["Spend", "number"], ["ms", "number"]]);
  for (const entry of rows) {
    const row = document.createElement("tr");
    row.title = entry.id;
    cell(row, entry.ts.replace("T", " ").replace("Z", ""));
    for (const field of ["tenant", "feature", "route", "provider"]) cell(row, entry[field] ?? "-");
    cell(row, entry.outcome, entry.outcome === "ok" ? "" : "bad-outcome");
    for (const field of ["status", "tokens_in", "tokens_out"]) cell(row, String(entry[field] ?? "-"), "number");
    money(cell(row, "", "number"), entry.cost_usd);
    cell(row, String(entry.ms ?? "-"), "number");
    table.append(row);
  }
}

async function loadRequests() {
  const answer = await call("GET", logsAfter ? `/api/v1/logs?after=${logsAfter}&limit=50` : "/api/v1/logs?limit=25");
  if (!answer.ok) return;
  const fresh = (await answer.json()).rows;
  if (!fresh.length && rows.length) return;
  for (const entry of fresh) {
    rows.unshift(entry);
    logsAfter = entry.id;
  }
  rows.length = Math.min(rows.length, 25);
  drawRequests();
}

async function loadKeys() {
  const answer = await call("GET", "/api/v1/keys");
  if (!answer.ok) return;
  const { owner, keys } = await answer.json();
  byId("keys-owner").textContent = owner === "files" ? "Keys are owned by files: they are changed in the configuration folder." : "Keys are owned live: they are made and revoked here or by tidectl.";
  const table = byId("keys-table");
  head(table, [["Name"], ["Tenant"], ["Feature"], ["SHA-256 begins"], ["State"], [""]]);
  for (const key of keys) {
    const row = document.createElement("tr");
    for (const field of ["name", "tenant", "feature", "fingerprint"]) cell(row, key[field]);
    cell(row, key.disabled ? "disabled" : "active");
    const action = cell(row, "");
    if (owner === "live") {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "small";
      button.textContent = "Revoke";
      button.addEventListener("click", () => revoke(key.name));
      action.append(button);
    }
    table.append(row);
  }
}

async function revoke(name) {
  if (!confirm(`Revoke the key ${name}? Its next request is refused.`)) return;
  const answer = await call("DELETE", `/api/v1/keys/${encodeURIComponent(name)}`);
  byId("key-error").textContent = answer.ok ? "" : await failure(answer);
  await loadKeys();
}

async function poll() {
  try {
    const answer = await call("GET", "/api/v1/status", undefined, etag ? { "if-none-match": etag } : {});
    if (answer.status === 401) return;
    if (answer.status === 200) {
      etag = answer.headers.get("etag");
      if (byId("page").hidden) {
        show("page");
        await loadKeys();
      }
      drawStatus(await answer.json());
      await loadRequests();
    } else if (answer.status !== 304) {
      setState(`the appliance answers ${answer.status}`, "bad");
    }
  } catch {
    setState("the appliance cannot be reached", "bad");
  }
  timer = setTimeout(poll, 1000);
}

byId("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await call("POST", "/api/v1/login", { secret: byId("secret").value });
  byId("secret").value = "";
  byId("login-error").textContent = answer.ok ? "" : await failure(answer);
  if (answer.ok) poll();
});

byId("logout").addEventListener("click", async () => {
  await call("POST", "/api/v1/logout");
  showLogin();
});

byId("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const body = { name: form.elements.name.value, tenant: form.elements.tenant.value };
  if (form.elements.feature.value) body.feature = form.elements.feature.value;
  const answer = await call("POST", "/api/v1/keys", body);
  byId("key-error").textContent = answer.ok ? "" : await failure(answer);
  byId("key-made").hidden = !answer.ok;
  if (!answer.ok) return;
  byId("key-text").textContent = (await answer.json()).key;
  form.reset();
  await loadKeys();
});

poll();
