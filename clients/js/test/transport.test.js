import assert from "node:assert/strict";
import { test } from "node:test";

import { OutliveChatTransport, OutliveError } from "../transport.js";

const STREAM = { "content-type": "text/event-stream" };

/** A server of windows: each answer is a status, a body, or a function of the request. */
function server(...answers) {
  const requests = [];
  const fetch = async (url, init = {}) => {
    requests.push({ url, ...init, body: init.body && JSON.parse(init.body) });
    let answer = answers.length > 1 ? answers.shift() : answers[0];
    if (typeof answer === "function") answer = await answer(init);
    if (answer instanceof Error) throw answer;
    if (typeof answer === "number") return new Response(null, { status: answer });
    if (answer instanceof Response) return answer;
    return new Response(answer, { status: 200, headers: STREAM });
  };
  return { requests, fetch };
}

const frame = (cursor, ...chunks) =>
  chunks
    .map((chunk, index) => `${index === chunks.length - 1 ? `id: ${cursor}\n` : ""}data: ${JSON.stringify(chunk)}\n\n`)
    .join("");
const start = frame("c1", { type: "start", messageId: "m" });
const step = { type: "start-step" };
const begin = { type: "text-start", id: "text-0" };
const text = (delta) => ({ type: "text-delta", id: "text-0", delta });
const end = `${frame("c9", { type: "finish" })}data: [DONE]\n\n`;
const lost = () => new TypeError("fetch failed");
const problem = (status, code) => new Response(JSON.stringify({ detail: "no", code, active_run_id: "r1" }), { status });

/** A body that breaks off after `text`. */
const torn = (text) => {
  let isSent = false;
  const pull = (controller) => {
    if (isSent) return controller.error(new TypeError("network error"));
    isSent = true;
    controller.enqueue(new TextEncoder().encode(text || ":"));
  };
  return new Response(new ReadableStream({ pull }, { highWaterMark: 0 }), { headers: STREAM });
};

const message = { id: "u1", role: "user", parts: [{ type: "text", text: "Hello" }] };
const send = (transport, more = {}) =>
  transport.sendMessages({ chatId: "a b", messages: [{ id: "u0" }, message], trigger: "submit-message", ...more });

async function all(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const types = (chunks) => chunks.map((chunk) => chunk.type);

test("windows are one stream; each request carries the last cursor", async () => {
  const api = server(start, frame("c2", step, begin, text("He")), ": nothing new\n\n", frame("c/3", text("llo")), end);
  const transport = new OutliveChatTransport({ baseUrl: "http://api/", fetch: api.fetch });
  const chunks = await all(await send(transport));
  assert.deepEqual(types(chunks), ["start", "start-step", "text-start", "text-delta", "text-delta", "finish"]);
  const after = ["c1", "c2", "c2", "c%2F3"].map((at) => `http://api/api/chat/a%20b/stream?wait=20&after=${at}`);
  assert.deepEqual(
    api.requests.map(({ url }) => url),
    ["http://api/api/chat?wait=0", ...after],
  );
  assert.deepEqual(api.requests[0].body, { id: "a b", messages: [message], trigger: "submit-message" });
});

test("a 204 ends the stream", async () => {
  const api = server(start, 204);
  assert.deepEqual(types(await all(await send(new OutliveChatTransport({ fetch: api.fetch })))), ["start"]);
});

test("nothing to reconnect to is null", async () => {
  const transport = new OutliveChatTransport({ fetch: server(204).fetch });
  assert.equal(await transport.reconnectToStream({ chatId: "a" }), null);
  assert.equal(transport.resumeStreamIsReplay, true);
});

test("a request whose answer is lost is repeated with the same message", async () => {
  const api = server(lost(), problem(503, "start_failed"), start + end);
  await all(await send(new OutliveChatTransport({ fetch: api.fetch })));
  assert.equal(api.requests.length, 3);
  assert.equal(new Set(api.requests.map(({ body }) => JSON.stringify(body))).size, 1);
});

test("a refusal is an error with its code and is not repeated", async () => {
  const api = server(problem(409, "run_already_active"));
  await assert.rejects(send(new OutliveChatTransport({ fetch: api.fetch })), (error) => {
    assert.ok(error instanceof OutliveError);
    const { status, code, activeRunId, message } = error;
    assert.deepEqual([status, code, activeRunId, message], [409, "run_already_active", "r1", "no"]);
    return true;
  });
  assert.equal(api.requests.length, 1);
});

test("chunks that broke off before their cursor are sent again and shown once", async () => {
  const cut = frame("c2", step, begin, text("Hello"));
  for (const at of [0, 10, 60, cut.length - 1]) {
    const api = server(start, torn(cut.slice(0, at)), cut, end);
    const chunks = await all(await send(new OutliveChatTransport({ fetch: api.fetch })));
    assert.deepEqual(types(chunks), ["start", "start-step", "text-start", "text-delta", "finish"], `cut at ${at}`);
    assert.ok(api.requests.at(-2).url.endsWith("after=c1"));
  }
});

test("before the first cursor the POST itself is repeated", async () => {
  const api = server(torn("data: {"), ": nothing new\n\n", start + end);
  await all(await send(new OutliveChatTransport({ fetch: api.fetch })));
  assert.deepEqual(
    api.requests.map(({ method }) => method),
    ["POST", "POST", "POST"],
  );
});

test("an expired token is replaced, once for each request", async () => {
  const api = server(401, start + end);
  let calls = 0;
  const headers = async () => ({ authorization: `Bearer ${++calls}` });
  await all(await send(new OutliveChatTransport({ fetch: api.fetch, headers })));
  assert.deepEqual(
    api.requests.map(({ headers: sent }) => sent.authorization),
    ["Bearer 1", "Bearer 2"],
  );
  await assert.rejects(send(new OutliveChatTransport({ fetch: server(401).fetch })), { status: 401 });
});

const voided = frame("c3", { type: "data-void", data: { step: 0, restart: "behind the start" }, transient: true });

test("a step that begins anew is reset in place", async () => {
  const api = server(
    start,
    frame("c2", step, begin, text("dead")),
    voided,
    frame("c4", step, begin, text("alive")),
    end,
  );
  const chunks = await all(await send(new OutliveChatTransport({ fetch: api.fetch })));
  const [dead, alive] = [
    ["start-step", "text-start", "text-delta"],
    ["reset-step", "text-start", "text-delta"],
  ];
  assert.deepEqual(types(chunks), ["start", ...dead, ...alive, "finish"]);
});

test("with onRestart the stream ends instead and the page resumes it", async () => {
  const api = server(start, frame("c2", step, begin, text("dead")), voided, end);
  let chunks;
  const restarted = await new Promise((onRestart) => {
    send(new OutliveChatTransport({ fetch: api.fetch, onRestart }))
      .then(all)
      .then((all) => {
        chunks = all;
      });
  });
  assert.deepEqual(restarted, { chatId: "a b" });
  assert.deepEqual(types(chunks), ["start", "start-step", "text-start", "text-delta"]);
  assert.equal(api.requests.length, 3);
});

/** A transport whose answer began again and is not resumed yet. */
async function restarted(...answers) {
  const api = server(start, frame("c2", step, begin, text("dead")), voided, ...answers);
  let transport;
  await new Promise((onRestart, fail) => {
    transport = new OutliveChatTransport({ fetch: api.fetch, onRestart, patience: 0 });
    send(transport).then(all).catch(fail);
  });
  return { api, transport };
}

test("a resumed stream shows the whole message, also if the run has ended by then", async () => {
  const { api, transport } = await restarted(lost(), frame("c4", step, begin, text("alive")) + end, 204);
  await assert.rejects(transport.reconnectToStream({ chatId: "a b" }), TypeError);
  const resumed = await transport.reconnectToStream({ chatId: "a b" });
  assert.deepEqual(types(await all(resumed)), ["start", "start-step", "text-start", "text-delta", "finish"]);
  for (const { url } of api.requests.slice(3)) assert.ok(url.endsWith("/stream?wait=0&after=behind%20the%20start"));
  assert.equal(await transport.reconnectToStream({ chatId: "a b" }), null, "only once");
});

test("a step that is discarded is followed by how the run ended", async () => {
  const error = `${frame("c4", { type: "error", errorText: "no" })}data: [DONE]\n\n`;
  const { transport } = await restarted(error);
  assert.deepEqual(types(await all(await transport.reconnectToStream({ chatId: "a b" }))), ["start", "error"]);
});

test("a new message discards a restart that was not resumed", async () => {
  const { api, transport } = await restarted(start + end, 204);
  await all(await send(transport));
  assert.equal(await transport.reconnectToStream({ chatId: "a b" }), null);
  assert.ok(api.requests.at(-1).url.endsWith("/stream?wait=0"));
});

test("a response that is no stream is an error and is not repeated", async () => {
  const page = () => new Response("<!doctype html>", { status: 200, headers: { "content-type": "text/html" } });
  const api = server(page);
  await assert.rejects(send(new OutliveChatTransport({ fetch: api.fetch })), /no stream/);
  assert.equal(api.requests.length, 1);
  const later = server(start, page);
  await assert.rejects(all(await send(new OutliveChatTransport({ fetch: later.fetch }))), /no stream/);
  assert.equal(later.requests.length, 2);
});

test("a stop whose answer was lost never hits a later run", async () => {
  const latest = (id, status) => new Response(JSON.stringify({ run: { id, status }, message: null }));
  const stopped = new Response(JSON.stringify({ stopped: true, run: { id: "r1", status: "aborted" } }));
  const api = server(latest("r1", "running"), lost(), stopped);
  const transport = new OutliveChatTransport({ baseUrl: "http://api", streamUrl: "http://stream", fetch: api.fetch });
  assert.equal((await transport.stop("a b")).stopped, true);
  const stop = "http://api/runs/r1/stop";
  assert.deepEqual(
    api.requests.map(({ url }) => url),
    ["http://api/chats/a%20b/run", stop, stop],
  );
  const waiting = server(latest("r1", "waiting"), JSON.stringify({ stopped: true, run: { id: "r1" } }));
  assert.equal((await new OutliveChatTransport({ fetch: waiting.fetch }).stop("a")).stopped, true);
  const idle = server(latest("r1", "succeeded"));
  assert.deepEqual(await new OutliveChatTransport({ fetch: idle.fetch }).stop("a"), { stopped: false, run: null });
  assert.equal(idle.requests.length, 1);
});

test("answers whose answer was lost are sent again, and a refusal says who decided", async () => {
  const parts = [
    { type: "tool-pay", toolCallId: "c", state: "approval-responded", approval: { id: "0:c", approved: true } },
  ];
  const message = { id: "r1-answer", role: "assistant", parts };
  const options = { messages: [message], messageId: message.id };
  const api = server(lost(), start + end);
  assert.deepEqual(types(await all(await send(new OutliveChatTransport({ fetch: api.fetch }), options))), [
    "start",
    "finish",
  ]);
  assert.deepEqual(api.requests[0].body, api.requests[1].body);
  assert.deepEqual(api.requests[0].body.messages, [message]);
  const problem = JSON.stringify({ code: "answered_otherwise", answered_by: "bob" });
  const refused = server(new Response(problem, { status: 409 }));
  await assert.rejects(send(new OutliveChatTransport({ fetch: refused.fetch }), options), {
    status: 409,
    code: "answered_otherwise",
    answeredBy: "bob",
  });
});

/** Fails when the request is aborted, and never answers. */
const silence =
  (heard) =>
  ({ signal }) =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      heard(signal);
    });

test("an aborted signal ends the stream and sends no further request", async () => {
  const gone = new AbortController();
  const api = server(
    start,
    silence(() => gone.abort()),
  );
  const chunks = await all(await send(new OutliveChatTransport({ fetch: api.fetch }), { abortSignal: gone.signal }));
  assert.deepEqual(types(chunks), ["start"]);
  assert.equal(api.requests.length, 2);
  assert.ok(!api.requests.some(({ url }) => url.includes("stop")));
});

test("a cancelled stream aborts its request", async () => {
  let signal;
  const api = server(
    start,
    silence((heard) => (signal = heard)),
  );
  const reader = (await send(new OutliveChatTransport({ fetch: api.fetch }))).getReader();
  await reader.read();
  while (!signal) await new Promise(setImmediate);
  await reader.cancel();
  assert.ok(signal.aborted);
});

test("a network that stays down fails the stream with its own error", async () => {
  const api = server(start, lost());
  const stream = await send(new OutliveChatTransport({ fetch: api.fetch, patience: 0 }));
  await assert.rejects(all(stream), { name: "TypeError", message: "fetch failed" });
});

test("messages are read page by page, in the form useChat takes", async () => {
  const stored = (id) => ({ id, role: "user", parts: [], metadata: {} });
  const page = (id, cursor) => JSON.stringify({ messages: [{ ...stored(id), run_id: "r" }], cursor });
  const api = server(page("1", "x/y"), page("2", null));
  const messages = await new OutliveChatTransport({ fetch: api.fetch }).messages("a");
  assert.deepEqual(messages, [stored("1"), stored("2")]);
  assert.equal(api.requests[1].url, "/chats/a/messages?cursor=x%2Fy");
});

test("a message is sent beside the stream, and says what to do in a busy chat", async () => {
  const json = (body) => () => new Response(JSON.stringify(body), { status: 200 });
  const queued = { id: "r2", status: "queued" };
  const api = server(
    lost(),
    json({ run: queued }),
    json({ queue: [{ run: queued, prompt: "And?" }] }),
    json({ stopped: true, run: queued }),
  );
  const transport = new OutliveChatTransport({ fetch: api.fetch });
  assert.deepEqual(
    await transport.send("a b", "And?", { onBusy: "supersede", runId: "r1", body: { agent: "x" } }),
    queued,
  );
  assert.deepEqual(await transport.queue("a b"), [{ run: queued, prompt: "And?" }]);
  assert.equal((await transport.stopRun("r2")).stopped, true);
  const [first, again, ...rest] = api.requests;
  assert.deepEqual(first.body, { agent: "x", prompt: "And?", on_busy: "supersede", run_id: "r1" });
  assert.equal(first.headers["idempotency-key"], again.headers["idempotency-key"]);
  assert.deepEqual(
    rest.map(({ url }) => url),
    ["/chats/a%20b/queue", "/runs/r2/stop"],
  );
});
