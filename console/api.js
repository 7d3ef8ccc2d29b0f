// The public API, call by call. Nothing else is ever asked for.

import * as bearer from "./bearer.js";

/** The address this page came from, without its last part: the console lies beside the calls it makes. */
export const base = new URL(".", location.href).href.replace(/\/$/, "");

/** Milliseconds; the gateway itself gives up after 30 seconds. */
const PATIENCE = 32_000;

/** What the API did not do. `status` 0: no answer came. */
export class Problem extends Error {
  constructor(status, said) {
    super(said.detail || said.title || said.message || `the answer was ${status}`);
    this.status = status;
    this.code = said.code || "";
    this.said = said;
  }

  /** Whether asking again may help. */
  get passes() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

async function call(method, path, { body, headers = {}, signal } = {}) {
  const token = bearer.current();
  const patience = AbortSignal.timeout(PATIENCE);
  let answer;
  let text;
  try {
    answer = await fetch(base + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        accept: "application/json",
        ...(body ? { "content-type": "application/json" } : {}),
        ...headers,
      },
      body: body && JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, patience]) : patience,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
    text = await answer.text();
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw new Problem(0, { detail: navigator.onLine ? "no answer came" : "this device is offline" });
  }
  if (answer.status === 204) return null;
  let said;
  try {
    said = JSON.parse(text);
  } catch {
    said = {};
  }
  if (answer.ok) return said;
  if (answer.status === 401) bearer.refuse(token);
  throw new Problem(answer.status, said);
}

const id = encodeURIComponent;
const query = (values) => {
  const named = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return named.length ? `?${new URLSearchParams(named)}` : "";
};

export const start = (chat, prompt, key) =>
  call("POST", `/chats/${id(chat)}/runs`, { body: { prompt }, headers: { "idempotency-key": key } });
export const stop = (run) => call("POST", `/runs/${id(run)}/stop`, { body: {} });
export const latest = (chat, signal) => call("GET", `/chats/${id(chat)}/run`, { signal });
export const run = (run, signal) => call("GET", `/runs/${id(run)}`, { signal });
export const messages = (chat, limit, cursor, signal) =>
  call("GET", `/chats/${id(chat)}/messages${query({ limit, cursor })}`, { signal });
export const runs = (chat, limit, cursor, signal) =>
  call("GET", `/chats/${id(chat)}/runs${query({ limit, cursor })}`, { signal });
/** What happened after `after`, or null once all was told. */
export const events = (run, after, signal) => call("GET", `/runs/${id(run)}/events${query({ after })}`, { signal });
