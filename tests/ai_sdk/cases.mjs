// Plays cases with the real packages against a stack, and says how each went as a line of JSON.
//
//   node cases.mjs <case> …   with OUTLIVE_API, OUTLIVE_TOKEN, OUTLIVE_RELEASES and, for some cases, lines on standard input

import assert from "node:assert/strict";
import { createInterface } from "node:readline";

import { busyChat } from "./busy.mjs";
import {
  API,
  assertSame,
  CLOCK,
  ended,
  get,
  headers,
  held,
  latest,
  MAJOR,
  newChat,
  open,
  ours,
  plain,
  ready,
  release,
  resumedToTheEnd,
  STREAM,
  say,
  script,
  stored,
} from "./stack.mjs";
import { Tab, until } from "./tab.mjs";
import { ownAgent, waiting } from "./waiting.mjs";

const AT_ONCE = 5;

const STEPS = script(
  { reasoning: "Let me think. ", text: "One moment. ", tools: CLOCK },
  { text: "And a sum. ", tools: [["calculate", { expression: "6 * 7" }]] },
  { text: "It is 42." },
);

const cases = {
  async files() {
    const id = newChat();
    const tab = open({ id });
    await until("the page is there", () => tab.chat);
    const url = `data:text/plain;base64,${btoa("five!")}`;
    const file = { type: "file", mediaType: "text/plain", filename: "notes.txt", url };
    await tab.chat.sendMessage({ text: "What is this?", files: [file] });
    await ready(tab);
    assert.deepEqual(tab.errors, []);
    assert.match(tab.answer.parts.map((part) => part.text ?? "").join(""), /You attached notes\.txt \(5 characters\)/);
    const [question] = await ours().messages(id);
    const part = question.parts.find((part) => part.type === "file");
    assert.deepEqual([part.mediaType, part.filename], ["text/plain", "notes.txt"]);
    const content = await fetch(await ours().fileUrl(part));
    assert.equal(await content.text(), "five!");
  },

  async start() {
    const id = newChat();
    const tab = open({ id });
    await until("the page is there", () => tab.chat);
    await tab.chat.sendMessage(STEPS);
    await ready(tab);
    assert.deepEqual(tab.errors, []);
    await assertSame(tab, id);
    assert.equal(tab.chunks.at(-1), "finish");
    const tools = tab.answer.parts.filter((part) => part.toolCallId);
    assert.deepEqual(
      tools.map((part) => [part.type, part.state]),
      [
        ["tool-clock", "output-available"],
        ["tool-calculate", "output-available"],
      ],
    );
    await tab.chat.sendMessage({ text: "And again." });
    await ready(tab);
    await assertSame(tab, id);
    assert.equal(tab.messages.length, 4);
  },

  async "start with the SDK's own transport"() {
    const id = newChat();
    const tab = new Tab({ id }, plain());
    await until("the page is there", () => tab.chat);
    await tab.chat.sendMessage(STEPS);
    await ready(tab);
    assert.deepEqual(tab.errors, []);
    // A run that took longer than its one window, on a busy machine, is for the next case.
    if (tab.chunks.at(-1) === "finish") await assertSame(tab, id);
    else await resumedToTheEnd(tab, id);
  },

  async "structured output"() {
    const id = newChat();
    const tab = open({ id });
    await until("the page is there", () => tab.chat);
    const city = { name: "Ulm", people: 7 };
    await tab.chat.sendMessage(script({ text: "Let me see. ", tools: CLOCK }, { tools: [["final_result", city]] }));
    await ready(tab);
    assert.deepEqual(tab.errors, []);
    await assertSame(tab, id);
    const part = tab.answer.parts.at(-1);
    assert.deepEqual([part.type, part.data], ["data-output", city]);
    assert.equal(tab.chunks.filter((type) => type === "data-output").length, 1);
    assert.deepEqual((await latest(id)).output, city);
  },

  async reload() {
    const id = newChat();
    const first = open({ id });
    await until("the page is there", () => first.chat);
    void first.chat.sendMessage(script(held(id, "Said before. ", { tools: CLOCK }), { text: "Said after." }));
    await until("text is shown", () => first.text);
    first.close();
    const again = open({ id, messages: await stored(id), resume: true });
    await until("it streams", () => again.status === "streaming");
    release(id);
    await ready(again);
    assert.deepEqual(again.errors, []);
    await assertSame(again, id);
    assert.equal(again.text, "Said before. Said after.");
    const run = await latest(id);
    assert.equal(run.status, "succeeded");
    assert.equal(run.stop_requested_at, null);
    const late = open({ id, messages: await stored(id), resume: true });
    await until("the page is there", () => late.chat);
    await ready(late);
    await assertSame(late, id);
    assert.deepEqual(late.chunks, []);
  },

  async "second tab"() {
    const id = newChat();
    const first = open({ id });
    await until("the page is there", () => first.chat);
    void first.chat.sendMessage(script(held(id, "Said by one. ", { tools: CLOCK }), { text: "Seen by two." }));
    await until("text is shown", () => first.text);
    const second = open({ id, messages: await stored(id), resume: true });
    await until("the second tab shows it", () => second.text);
    release(id);
    await Promise.all(
      [first, second].map(async (tab) => {
        await until("all of it", () => tab.text.endsWith("two."));
        await ready(tab);
        assert.deepEqual(tab.errors, []);
        await assertSame(tab, id);
      }),
    );
  },

  async stop() {
    const id = newChat();
    const transport = ours();
    const tab = new Tab({ id }, transport);
    await until("the page is there", () => tab.chat);
    void tab.chat.sendMessage(
      script({ text: "Kept. ", tools: CLOCK }, { text: "never ends ".repeat(100), seconds: 600 }),
    );
    await until("the first step was shown", () => tab.text.startsWith("Kept. "));
    assert.equal((await transport.stop(id)).stopped, true);
    await ready(tab);
    assert.deepEqual(tab.errors, []);
    assert.equal(tab.chunks.at(-1), "abort");
    await assertSame(tab, id);
    assert.equal((await latest(id)).status, "aborted");
    assert.equal((await transport.stop(id)).stopped, false);
  },

  async "stop of the SDK only hangs up"() {
    const id = newChat();
    const tab = open({ id });
    await until("the page is there", () => tab.chat);
    void tab.chat.sendMessage(script(held(id, "Said. ", { tools: CLOCK }), { text: "And said." }));
    await until("text is shown", () => tab.text);
    await tab.chat.stop();
    await until("ready", () => tab.status === "ready");
    assert.deepEqual(tab.errors, []);
    release(id);
    assert.equal((await ended(id)).status, "succeeded");
  },

  async error() {
    const id = newChat();
    const tab = open({ id });
    await until("the page is there", () => tab.chat);
    await tab.chat.sendMessage(script({ text: "Before. ", tools: CLOCK }, { error: "permanent" }));
    await until("it failed", () => tab.status === "error");
    const run = await ended(id);
    assert.equal(run.status, "failed");
    assert.equal(tab.chat.error.message, run.error.message);
    assert.equal(tab.errors.length, 1);
    await assertSame(tab, id);
    // The chat goes on.
    await tab.chat.sendMessage({ text: "And now?" });
    await ready(tab);
    assert.equal(tab.status, "ready");
    await assertSame(tab, id);
  },

  async tools() {
    const id = newChat();
    const tab = open({ id });
    await until("the page is there", () => tab.chat);
    await tab.chat.sendMessage(
      script(
        {
          tools: [
            ["calculate", { expression: "1 +" }],
            ["calculate", { expression: "2 + 2" }],
            ["calculate", { expression: "1 / 0" }],
          ],
        },
        { text: "So." },
      ),
    );
    await ready(tab);
    assert.deepEqual(tab.errors, []);
    await assertSame(tab, id);
    const states = tab.answer.parts.filter((part) => part.toolCallId).map((part) => part.state);
    assert.deepEqual(states, ["output-error", "output-available", "output-error"]);
  },

  async "longer than a window"() {
    const urls = [];
    const counted = (url, init) => {
      urls.push(String(url));
      return fetch(url, init);
    };
    const silence = script({ text: "Before. ", tools: [["wait", { seconds: 23 }]] }, { text: "After." });
    const [id, other] = [newChat(), newChat()];
    const tab = open({ id }, { fetch: counted });
    const simple = new Tab({ id: other }, plain());
    await until("the pages are there", () => tab.chat && simple.chat);
    const [one, two] = [tab.chat.sendMessage(silence), simple.chat.sendMessage(silence)];
    await Promise.all([one, two]);
    await ready(tab);
    assert.deepEqual(tab.errors, []);
    await assertSame(tab, id);
    if (STREAM === API) assert.ok(urls.length > 2, urls.join());
    // The SDK's own transport is left with a window that ended; resuming shows the message from its start.
    assert.deepEqual(simple.errors, []);
    if (STREAM === API) assert.ok(!simple.chunks.includes("finish"));
    await resumedToTheEnd(simple, other);
  },

  async killed() {
    const id = newChat();
    const tab = open({ id });
    await until("the page is there", () => tab.chat);
    void tab.chat.sendMessage(script({ text: "First. ", tools: CLOCK }, held(id, "0123456789".repeat(600))));
    await until("live text is shown", () => tab.text.includes("0123456789"));
    const lines = createInterface({ input: process.stdin });
    say({ now: "kill", chat: id });
    await new Promise((resolve) => lines.once("line", resolve));
    lines.close();
    // ai 7 voids the step in its stream, with ai 6 the stream is told again from its start.
    const begun = () => tab.chunks.filter((type) => type === (MAJOR < 7 ? "start" : "reset-step"));
    const times = MAJOR < 7 ? 2 : 1;
    await until("the step begins anew", () => begun().length === times);
    release(id);
    await until("all of it", () => tab.chunks.at(-1) === "finish");
    await ready(tab);
    assert.deepEqual(tab.errors, []);
    await assertSame(tab, id);
    assert.equal(tab.text, `First. ${"0123456789".repeat(600)}`);
    assert.equal((await latest(id)).status, "succeeded");
    assert.equal(begun().length, times);
  },

  async busy() {
    const id = newChat();
    const [first, second] = [open({ id }), open({ id })];
    await until("the pages are there", () => first.chat && second.chat);
    void first.chat.sendMessage(script(held(id, "Busy. ", { tools: CLOCK }), { text: "Done." }));
    await until("text is shown", () => first.text);
    await second.chat.sendMessage({ text: "Me too." });
    await until("it is refused", () => second.status === "error");
    assert.equal(second.chat.error.status, 409);
    assert.equal(second.chat.error.code, "run_already_active");
    assert.equal(second.chat.error.activeRunId, (await latest(id)).id);
    // "Already running: watch it."
    second.chat.messages = await stored(id);
    const watched = second.chat.resumeStream();
    await until("it is watched", () => second.text);
    release(id);
    await watched;
    await ready(first);
    for (const tab of [first, second]) await assertSame(tab, id);
  },

  async "lost answer"() {
    const id = newChat();
    let lose = 2;
    const tab = open(
      { id },
      {
        fetch: async (url, init) => {
          const answer = await fetch(url, init);
          if (init.method === "POST" && lose-- > 0) throw new TypeError("fetch failed");
          return answer;
        },
      },
    );
    await until("the page is there", () => tab.chat);
    await tab.chat.sendMessage(STEPS);
    await ready(tab);
    assert.deepEqual(tab.errors, []);
    await assertSame(tab, id);
    assert.equal(tab.messages.length, 2);
    assert.equal((await get(`/chats/${id}/runs`)).runs.length, 1);
    assert.ok(lose < 0);
  },

  async "broken connections"() {
    const id = newChat();
    let [seed, broken] = [7, 0];
    const random = () => {
      seed = (seed * 48271) % 2147483647;
      return seed / 2147483647;
    };
    const tab = open(
      { id },
      {
        fetch: async (url, init) => {
          const answer = await fetch(url, init);
          if (answer.status !== 200 || (broken && random() < 0.3)) return answer;
          const text = await answer.text();
          let [rest, cut] = [new TextEncoder().encode(text), false];
          rest = rest.slice(0, Math.floor(random() * rest.length));
          broken += 1;
          const body = new ReadableStream(
            {
              pull(controller) {
                if (cut) return controller.error(new TypeError("network error"));
                cut = true;
                controller.enqueue(rest);
              },
            },
            { highWaterMark: 0 },
          );
          return new Response(body, { status: 200, headers: { "content-type": answer.headers.get("content-type") } });
        },
      },
    );
    await until("the page is there", () => tab.chat);
    await tab.chat.sendMessage(STEPS);
    await ready(tab);
    assert.deepEqual(tab.errors, []);
    await assertSame(tab, id);
    assert.equal((await get(`/chats/${id}/runs`)).runs.length, 1);
    assert.ok(broken > 0);
  },

  async "expired token"() {
    const id = newChat();
    let calls = 0;
    // Every other token is expired: each call needs another one.
    const tab = open({ id }, { headers: () => (calls++ % 2 ? headers : { authorization: "Bearer a.b.c" }) });
    await until("the page is there", () => tab.chat);
    await tab.chat.sendMessage(STEPS);
    await ready(tab);
    assert.deepEqual(tab.errors, []);
    await assertSame(tab, id);
  },

  async "what can't be done"() {
    const id = newChat();
    const tab = open({ id });
    await until("the page is there", () => tab.chat);
    await tab.chat.sendMessage({ text: "Hello" });
    await ready(tab);
    await tab.chat.regenerate();
    await until("it is refused", () => tab.status === "error");
    assert.equal(tab.chat.error.field, "trigger");
    await tab.chat.sendMessage({
      text: "Look",
      files: [{ type: "file", mediaType: "image/png", url: "data:image/png;base64,AA==" }],
    });
    await until("it is refused", () => tab.chat.error?.field?.startsWith("messages[0].parts"));
    assert.equal((await get(`/chats/${id}/runs`)).runs.length, 1);
  },

  ...busyChat,
  ...waiting,
  ...ownAgent,
};

process.on("unhandledRejection", (error) => {
  say({ error: `unhandled: ${error?.stack ?? error}` });
  process.exit(1);
});

async function play(name) {
  try {
    await cases[name]();
    say({ case: name, ok: true });
  } catch (error) {
    say({ case: name, ok: false, error: String(error?.stack ?? error) });
  }
}

// Each case has pages and chats of its own, so several are played at once.
const left = process.argv.slice(2);
const player = async () => {
  while (left.length) await play(left.shift());
};
await Promise.all(Array.from({ length: AT_ONCE }, player));
process.exit(0);
