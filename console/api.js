// The calls of the public API that the console makes.

import * as token from "./token.js";

/** The page's address without its last part: the console is served beside the API. */
export const base = new URL(".", location.href).href.replace(/\/$/, "");

/** The gateway itself gives up after 30 seconds. */
const TIMEOUT_MS = 32_000;
/** A file takes as long as the line needs. */
const UPLOAD_TIMEOUT_MS = 600_000;

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

/**
 * `agent` null leaves the choice to the API; `files` are ids of uploaded files; `place` says what to do in a busy chat:
 * `{on_busy, run_id}`.
 */
export const start = (chatId, prompt, agent, files, key, place) => {
  const body = { prompt, agent, ...(files.length ? { files } : {}), ...place };
  return call("POST", `/chats/${id(chatId)}/runs`, { body, headers: { "idempotency-key": key } });
};
export const queue = (chatId, signal) => call("GET", `/chats/${id(chatId)}/queue`, { signal });
/** Where the file at this address of the API is: `{file, download}`. */
export const file = (address) => call("GET", address);

/** Uploads a file to the chat: `{id, name, media_type, size, url}`. */
export async function upload(chatId, content) {
  const body = {
    name: content.name || "file",
    media_type: content.type || "application/octet-stream",
    size: content.size,
  };
  const made = await withRetries(() => call("POST", `/chats/${id(chatId)}/files`, { body }));
  await withRetries(() => put(made.upload, content));
  return made.file;
}

async function put({ url, headers }, content) {
  let response;
  try {
    const request = { method: "PUT", headers, body: content, credentials: "omit", redirect: "error" };
    response = await fetch(url, { ...request, signal: AbortSignal.timeout(UPLOAD_TIMEOUT_MS) });
  } catch {
    throw new Problem(0, { detail: `${content.name || "the file"} could not be uploaded` });
  }
  // 412: an attempt before, whose answer was lost, has stored it.
  if (response.ok || response.status === 412) return;
  throw new Problem(response.status, { detail: `${content.name || "the file"} was refused (${response.status})` });
}
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
