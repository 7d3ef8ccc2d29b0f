import assert from "node:assert/strict";
import { test } from "node:test";

import { OutliveChatTransport } from "../transport.js";

const ID = "0".repeat(32);
const STORED = `/chats/c1/files/${ID}`;
const WINDOW = 'id: c9\ndata: {"type":"finish"}\n\ndata: [DONE]\n\n';
const DATA = "data:image/png;base64,aGVsbG8=";
const filePart = (url) => ({ type: "file", mediaType: "image/png", filename: "map.png", url });

/** An API with a bucket, each call of which may fail first. */
function service({ puts = [], starts = [] } = {}) {
  const requests = [];
  const json = (body, status = 200) => Response.json(body, { status });
  const fetch = async (url, init = {}) => {
    const request = { url, method: init.method ?? "GET", headers: { ...init.headers } };
    request.body = init.method === "PUT" ? await init.body.text() : init.body && JSON.parse(init.body);
    requests.push(request);
    if (init.method === "PUT") return puts.length ? puts.shift()() : new Response(null, { status: 200 });
    if (url.endsWith("/files")) {
      const file = { id: ID, name: request.body.name, media_type: request.body.media_type, size: 5, url: STORED };
      return json({ file, upload: { url: "http://bucket/key", headers: { "if-none-match": "*" } } }, 201);
    }
    if (url.endsWith(STORED)) return json({ file: {}, download: { url: "http://bucket/key?signed" } });
    if (starts.length) return starts.shift()();
    return new Response(WINDOW, { headers: { "content-type": "text/event-stream" } });
  };
  return { requests, transport: new OutliveChatTransport({ fetch, headers: { authorization: "Bearer t" } }) };
}

async function send({ transport }, ...files) {
  const message = { id: "u1", role: "user", parts: [{ type: "text", text: "Hello" }, ...files] };
  const stream = await transport.sendMessages({ chatId: "c1", messages: [message], trigger: "submit-message" });
  for await (const _ of stream);
}

test("a file of a message is stored before the message is sent, which then has its address", async () => {
  const api = service();
  await send(api, filePart(DATA));
  const [make, put, sent] = api.requests;
  assert.deepEqual(make.body, { name: "map.png", media_type: "image/png", size: 5 });
  assert.deepEqual([put.url, put.body, put.headers], ["http://bucket/key", "hello", { "if-none-match": "*" }]);
  assert.deepEqual(sent.body.messages[0].parts[1], filePart(STORED));
});

test("a message that is sent again after a refusal has the same files", async () => {
  const api = service({ starts: [() => Response.json({ code: "run_already_active" }, { status: 409 })] });
  await assert.rejects(send(api, filePart(DATA)));
  await send(api, { ...filePart(DATA) });
  assert.deepEqual(
    api.requests.map(({ url }) => url),
    ["/chats/c1/files", "http://bucket/key", "/api/chat?wait=0", "/api/chat?wait=0"],
  );
});

test("an upload whose answer is lost is sent again, and one that was stored is done", async () => {
  const lost = () => {
    throw new TypeError("fetch failed");
  };
  const api = service({ puts: [lost, () => new Response(null, { status: 412 })] });
  await send(api, filePart(DATA));
  assert.equal(api.requests.filter(({ method }) => method === "PUT").length, 2);
  assert.equal(api.requests.at(-1).url, "/api/chat?wait=0");
});

test("an upload that the bucket refuses is an error, and nothing is sent", async () => {
  const api = service({ puts: [() => new Response("<Error/>", { status: 403 })] });
  await assert.rejects(send(api, filePart(DATA)), { status: 403 });
  assert.equal(api.requests.at(-1).method, "PUT");
});

test("a stored file is sent as it is, and its content has an address for a while", async () => {
  const api = service();
  const part = await api.transport.upload("c1", new File(["hello"], "map.png", { type: "image/png" }));
  assert.deepEqual(part, filePart(STORED));
  await send(api, part);
  assert.deepEqual(api.requests.at(-1).body.messages[0].parts[1], part);
  assert.equal(await api.transport.fileUrl(part), "http://bucket/key?signed");
  assert.equal(await api.transport.fileUrl(filePart(DATA)), DATA);
});
