// The calls of the public API that the console makes.

import * as token from "./token.js";

/** The page's address without its last part: the console is served beside the API. */
export const base = new URL(".", location.href).href.replace(/\/$/, "");

/** The gateway itself gives up after 30 seconds. */
const TIMEOUT_MS = 32_000;

/** A call that failed. `status` is 0 if no answer came; `body` is the API's problem document. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || body.message || `the answer was ${status}`);
    this.status = status;
    this.code = body.code || "";
    this.body = body;
  }

  /** Whether a repeated call may succeed. */
  get isTransient() {
    return (this.status === 0 || this.status === 429 || this.status >= 500) && this.code !== "model_not_configured";
  }
}

const RETRY_PAUSES_MS = [700, 2000];

/** The answer of `call()`, which is safe to repeat, after at most two more attempts. */
export async function withRetries(call) {
  for (let failures = 0; ; failures += 1) {
    try {
      return await call();
    } catch (error) {
      if (!error.isTransient || failures === RETRY_PAUSES_MS.length) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSES_MS[failures]));
    }
  }
}

async function call(method, path, { body, headers = {}, signal } = {}) {
  const sentToken = token.current();
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let response;
  let text;
  try {
    response = await fetch(base + path, {
      method,
      headers: {
        authorization: `Bearer ${sentToken}`,
        accept: "application/json",
        ...(body ? { "content-type": "application/json" } : {}),
        ...headers,
      },
      body: body && JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
    text = await response.text();
  } catch {
    if (signal?.aborted) throw signal.reason;
    throw new Problem(0, { detail: navigator.onLine ? "no answer came" : "this device is offline" });
  }
  if (response.status === 204) return null;
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    answer = {};
  }
  if (response.ok) return answer;
  if (response.status === 401) token.refuse(sentToken);
  throw new Problem(response.status, answer);
}

const id = encodeURIComponent;
const query = (values) => {
  const present = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return present.length ? `?${new URLSearchParams(present)}` : "";
};

/** `agent` null leaves the choice to the API. `place` says what to do in a busy chat: `{on_busy, run_id}`. */
export const start = (chatId, prompt, agent, key, place) =>
  call("POST", `/chats/${id(chatId)}/runs`, { body: { prompt, agent, ...place }, headers: { "idempotency-key": key } });
export const queue = (chatId, signal) => call("GET", `/chats/${id(chatId)}/queue`, { signal });
/** Answers calls that the run waits for: decisions by call id. */
export const answer = (runId, answers, step) => call("POST", `/runs/${id(runId)}/answers`, { body: { answers, step } });
export const stop = (runId) => call("POST", `/runs/${id(runId)}/stop`, { body: {} });
export const latest = (chatId, signal) => call("GET", `/chats/${id(chatId)}/run`, { signal });
export const run = (runId, signal) => call("GET", `/runs/${id(runId)}`, { signal });
export const messages = (chatId, limit, cursor, signal) =>
  call("GET", `/chats/${id(chatId)}/messages${query({ limit, cursor })}`, { signal });
export const runs = (chatId, limit, cursor, signal) =>
  call("GET", `/chats/${id(chatId)}/runs${query({ limit, cursor })}`, { signal });
/** The events after the cursor `after`; null once the run has ended and every event was read. */
export const events = (runId, after, signal) => call("GET", `/runs/${id(runId)}/events${query({ after })}`, { signal });
