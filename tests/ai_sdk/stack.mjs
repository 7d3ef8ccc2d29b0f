// What every case uses: the stack under test, tabs that are open on it, and what is stored there.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

import { DefaultChatTransport } from "ai";

import { OutliveChatTransport } from "./outlive-chat/transport.js";
import { eventually, Tab, until } from "./tab.mjs";

export const API = process.env.OUTLIVE_API;
export const STREAM = process.env.OUTLIVE_STREAM || API;
export const MAJOR = Number(createRequire(import.meta.url)("ai/package.json").version.split(".")[0]);
export const headers = { authorization: `Bearer ${process.env.OUTLIVE_TOKEN}` };
export const CLOCK = [["clock", {}]];

export const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
export const script = (...entries) => ({ text: `#script ${JSON.stringify(entries)}` });
export const newChat = () => `chat-${crypto.randomUUID()}`;
/** A step that streams until it is released. */
export const held = (id, text, more = {}) => ({ text, seconds: 300, until: id, ...more });
export const release = (id) => writeFileSync(join(process.env.OUTLIVE_RELEASES, id), "");

export async function get(path) {
  const answer = await fetch(API + path, { headers });
  assert.equal(answer.status, 200, path);
  return answer.json();
}

/** With more patience than a page has: a busy machine is no failure. */
export const ours = (options = {}) =>
  new OutliveChatTransport({ baseUrl: API, streamUrl: STREAM, headers, patience: 180_000, ...options });
export const plain = (options = {}) => new DefaultChatTransport({ api: `${STREAM}/api/chat`, headers, ...options });

/** A tab with our transport; with ai 6 wired as the README says. */
export function open(options, wanted = {}) {
  let tab;
  const onRestart = MAJOR < 7 ? () => tab.chat.resumeStream() : undefined;
  tab = new Tab(options, ours({ onRestart, ...wanted }));
  return tab;
}

/** Waits until the page shows the end of every answer it requested. */
export const ready = (tab) => until("the chat is ready", () => tab.settled);
export const stored = (id) => ours().messages(id);
export const latest = async (id) => (await get(`/chats/${id}/run`)).run;
export const terminal = (run) => run && ["succeeded", "failed", "aborted"].includes(run.status);
export const ended = (id) => until("the run has ended", async () => [await latest(id)].find(terminal));

/** Parts without what only one of two forms of the same part has. */
export function bare(parts) {
  return JSON.parse(JSON.stringify(parts)).map((part) => {
    if (part.type === "reasoning") delete part.id; // ai 7 shows the chunk's
    if (part.approval) part.approval = { id: part.approval.id }; // a stream says what was asked, not who decided how
    for (const name of ["state", "providerMetadata", "title", "rawInput", "preliminary", "errorText"]) {
      if (part.toolCallId && (name === "state" || name === "errorText")) continue;
      delete part[name];
    }
    return part;
  });
}

/** What the tab shows is what is stored: the same answer under the same id, each message once. */
export async function assertSame(tab, id) {
  const storedMessages = await stored(id);
  await eventually(() => {
    assert.deepEqual(
      tab.messages.map((message) => message.role),
      storedMessages.map((message) => message.role),
    );
    assert.equal(tab.answer.id, storedMessages.at(-1).id);
    assert.deepEqual(bare(tab.answer.parts), bare(storedMessages.at(-1).parts));
    const { metadata } = storedMessages.at(-1);
    const isOver = metadata.finish_reason !== null;
    assert.deepEqual(tab.answer.metadata, isOver ? metadata : undefined);
  });
  assertNoDouble(tab);
}

/** At no moment did the page show a message twice. */
export function assertNoDouble(tab) {
  for (const messages of tab.shown) {
    assert.equal(new Set(messages.map((message) => message.id)).size, messages.length);
    assert.ok(messages.filter((message) => message.role === "assistant").length <= messages.length / 2);
  }
}

/** A page with the SDK's own transport resumes until the run is over, and shows what is stored. */
export async function resumedToTheEnd(tab, id) {
  while (!terminal(await latest(id))) await tab.chat.resumeStream();
  tab.chat.messages = await stored(id);
  assertNoDouble(tab);
  assert.deepEqual(tab.errors, []);
}
