// Cases of a busy chat: messages that are sent while an answer streams, in this tab or in another one.

import assert from "node:assert/strict";

import {
  API,
  assertSame,
  CLOCK,
  get,
  headers,
  held,
  latest,
  newChat,
  open,
  ours,
  plain,
  ready,
  release,
  script,
  stored,
} from "./stack.mjs";
import { Tab, until } from "./tab.mjs";

/** Plays a case with both transports. `page` opens a tab; `send` sends a message beside its stream. */
const withBoth = (play) =>
  Promise.all([
    play({ chat: newChat(), page: open, send: (chat, text, onBusy) => ours().send(chat, text, { onBusy }) }),
    play({ chat: newChat(), page: (options) => new Tab(options, plain()), send: posted }),
  ]);

async function posted(chat, prompt, onBusy) {
  const body = JSON.stringify({ prompt, on_busy: onBusy });
  const answer = await fetch(`${API}/chats/${chat}/runs`, { method: "POST", headers, body });
  assert.equal(answer.status, 202);
  return (await answer.json()).run;
}

/** As the documentation has it: once a stream has ended, the page reads the messages and resumes, until nothing is new. */
async function goesOn(tab, chat, answers) {
  await until("every answer is whole", async () => {
    await ready(tab);
    tab.chat.setMessages(await stored(chat));
    await tab.chat.resumeStream();
    await ready(tab);
    const messages = await stored(chat);
    return messages.length === 2 * answers && messages.at(-1).metadata.finish_reason;
  });
  tab.chat.setMessages(await stored(chat));
  await assertSame(tab, chat);
  assert.deepEqual(tab.errors, []);
}

const textOf = (message) => message.parts.map((part) => part.text ?? "").join("");

export const busyChat = {
  async "a message while an answer streams"() {
    await withBoth(async ({ chat, page, send }) => {
      const tab = page({ id: chat });
      await until("the page is there", () => tab.chat);
      void tab.chat.sendMessage(script(held(chat, "First. ")));
      await until("a run is active", async () => (await stored(chat)).length === 2);
      const run = await send(chat, script({ text: "Second." }).text, "enqueue");
      assert.deepEqual([run.status, run.queue_position], ["queued", 1]);
      assert.deepEqual(
        (await ours().queue(chat)).map((each) => each.run.id),
        [run.id],
      );
      release(chat);
      await goesOn(tab, chat, 2);
      assert.deepEqual(tab.messages.filter(({ role }) => role === "assistant").map(textOf), ["First. ", "Second."]);
    });
  },

  async "a message that steers"() {
    await withBoth(async ({ chat, page, send }) => {
      const tab = page({ id: chat });
      await until("the page is there", () => tab.chat);
      void tab.chat.sendMessage(script(held(chat, "First. ", { tools: CLOCK }), { text: "Never." }));
      await until("the model answers", async () => {
        const run = (await stored(chat)).length === 2 && (await latest(chat));
        return run && (await get(`/runs/${run.id}/events`)).events.some(({ type }) => type === "text");
      });
      await send(chat, script({ text: "Rather." }).text, "steer");
      release(chat);
      await goesOn(tab, chat, 2);
      const [first, second] = tab.messages.filter(({ role }) => role === "assistant");
      assert.deepEqual([textOf(first), textOf(second)], ["First. ", "Rather."]);
      assert.equal(first.metadata.finish_reason, "handed_over");
    });
  },

  async "a message of another tab waits for its turn"() {
    await withBoth(async ({ chat, page }) => {
      const tab = page({ id: chat });
      await until("the page is there", () => tab.chat);
      void tab.chat.sendMessage(script(held(chat, "First. ")));
      await until("a run is active", async () => (await stored(chat)).length === 2);
      const other = page({ id: chat, messages: await stored(chat) });
      await until("the page is there", () => other.chat);
      void other.chat.sendMessage(script({ text: "Second." }), { body: { on_busy: "enqueue" } });
      await until("it waits", async () => (await ours().queue(chat)).length === 1);
      release(chat);
      await goesOn(other, chat, 2);
      assert.equal(textOf(other.answer), "Second.");
    });
  },
};
