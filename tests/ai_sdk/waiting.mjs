// Cases of runs that wait: each is played with the SDK's own transport and with ours, in pages of their own.

import assert from "node:assert/strict";

import {
  lastAssistantMessageIsCompleteWithApprovalResponses as byApprovals,
  lastAssistantMessageIsCompleteWithToolCalls as byCalls,
  convertToModelMessages,
  validateUIMessages,
} from "ai";

import {
  API,
  assertNoDouble,
  assertSame,
  CLOCK,
  ended,
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
  terminal,
} from "./stack.mjs";
import { Tab, until } from "./tab.mjs";

const announce = (text) => ["announce", { text }];
const DONE = [{ text: "Done." }, { text: "Done." }]; // the step that runs the answered calls may count as one
const ASK = script({ text: "May I? ", tools: [announce("hi")] }, ...DONE);
const QUESTION = script({ text: "Well. ", tools: [["ask_user", { question: "Which?" }]] }, ...DONE);
const ENDS = ["finish", "abort", "error"];
const INTERRUPTED = "Interrupted before it finished.";

/** Plays a case with both transports. `page` opens a tab on the case's chat, or on another one. */
const withBoth = (play) =>
  Promise.all(
    [open, (options, wanted) => new Tab(options, plain(wanted))].map((opened) => {
      const chat = newChat();
      return play({
        chat,
        page: (options, wanted) => opened({ id: chat, ...options }, wanted),
        isOurs: opened === open,
      });
    }),
  );

/** Wraps fetch: counts the requests that post a message, and may lose their answers. */
function posts({ lose = () => false } = {}) {
  const sent = [];
  const requests = { count: 0 };
  const wrapped = async (url, init) => {
    requests.count += 1;
    if (init?.method === "POST" && String(url).includes("/api/chat")) sent.push(JSON.parse(init.body));
    const answer = await fetch(url, init);
    if (init?.method === "POST" && lose(sent.at(-1), sent)) throw new TypeError("fetch failed");
    return answer;
  };
  return { sent, requests, fetch: wrapped };
}

const calls = (tab) => (tab.answer?.parts ?? []).filter((part) => part.toolCallId);
const states = (tab) => calls(tab).map((part) => part.state);
const isOpen = (state) => ["approval-requested", "input-available"].includes(state);

/** Sends a message and waits until its run waits for answers. */
async function asked(tab, message) {
  await until("the page is there", () => tab.chat);
  await tab.chat.sendMessage(message);
  await ready(tab);
  // The SDK's own transport is left with a window that ended, if the machine is that slow.
  while (tab.chunks.at(-1) !== "finish") await tab.chat.resumeStream();
  await ready(tab);
  assert.deepEqual(tab.errors, []);
  await assertSame(tab, tab.chat.id);
  assert.ok(states(tab).some(isOpen), states(tab).join());
}

const respond = (tab, part, approved, more = {}) =>
  tab.chat.addToolApprovalResponse({ id: part.approval.id, approved, ...more });
const output = (tab, part, what) =>
  tab.chat.addToolOutput({ tool: part.type.slice(5), toolCallId: part.toolCallId, ...what });

/** Waits until the answer ends with `text` and the page is at rest. */
async function shows(tab, text) {
  await until(text, async () => {
    if (tab.text.endsWith(text)) return true;
    const isCut = tab.settled && !ENDS.includes(tab.chunks.at(-1)) && !states(tab).includes("approval-responded");
    if (isCut) await readOn(tab);
    return false;
  });
  await ready(tab);
}

/** What a page with the SDK's own transport does when a window has ended before the run. */
async function readOn(tab) {
  await tab.chat.resumeStream();
  const run = await latest(tab.chat.id);
  if (terminal(run) && !ENDS.includes(tab.chunks.at(-1))) tab.chat.setMessages(await stored(tab.chat.id));
}

/** Answers through the API, as somebody else would. */
async function answer(chat, answers) {
  const run = await latest(chat);
  const body = JSON.stringify({ answers });
  const sent = await fetch(`${API}/runs/${run.id}/answers`, { method: "POST", headers, body });
  assert.equal(sent.status, 200, await sent.text());
}

/** The SDK itself accepts what is stored. */
async function assertValid(chat) {
  const messages = await stored(chat);
  assert.deepEqual(await validateUIMessages({ messages }), messages);
  assert.ok((await convertToModelMessages(messages)).length >= messages.length);
  return messages;
}

const refusal = (error) => error.code ?? JSON.parse(error.message).code;

export const waiting = {
  async approve() {
    await withBoth(async ({ chat, page }) => {
      const { sent, fetch } = posts();
      const tab = page({ sendAutomaticallyWhen: byApprovals }, { fetch });
      await asked(tab, ASK);
      await assertSame(tab, chat);
      await assertValid(chat);
      await respond(tab, calls(tab)[0], true);
      await shows(tab, "May I? Done.");
      assert.deepEqual(tab.errors, []);
      await assertSame(tab, chat);
      assert.equal(calls(tab)[0].output, "Announced: hi");
      assert.deepEqual(states(tab), ["output-available"]);
      assert.equal(sent.length, 2);
      await assertValid(chat);
      assert.equal((await latest(chat)).status, "succeeded");
    });
  },

  async deny() {
    await withBoth(async ({ chat, page }) => {
      const { sent, fetch } = posts();
      const tab = page({ sendAutomaticallyWhen: byApprovals }, { fetch });
      await asked(tab, ASK);
      await respond(tab, calls(tab)[0], false, { reason: "too loud" });
      await shows(tab, "May I? Done.");
      assert.deepEqual(tab.errors, []);
      await assertSame(tab, chat);
      assert.deepEqual(states(tab), ["output-denied"]);
      assert.equal(calls(tab)[0].approval.reason, "too loud");
      assert.equal(sent.length, 2);
      await assertValid(chat);
    });
  },

  async "two approvals, one by one"() {
    await withBoth(async ({ chat, page }) => {
      const { sent, fetch } = posts();
      const tab = page({ sendAutomaticallyWhen: byApprovals }, { fetch });
      const both = script({ text: "May I? ", tools: [announce("one"), ...CLOCK, announce("two")] }, ...DONE);
      await asked(tab, both);
      assert.deepEqual(states(tab), ["approval-requested", "output-available", "approval-requested"]);
      const [one, , two] = calls(tab);
      await respond(tab, two, false);
      assert.equal(sent.length, 1);
      await respond(tab, one, true);
      await shows(tab, "May I? Done.");
      assert.deepEqual(tab.errors, []);
      await assertSame(tab, chat);
      assert.deepEqual(states(tab), ["output-available", "output-available", "output-denied"]);
      assert.equal(sent.length, 2);
    });
  },

  async question() {
    await withBoth(async ({ chat, page }) => {
      const { sent, fetch } = posts();
      const tab = page({ sendAutomaticallyWhen: byCalls }, { fetch });
      await asked(tab, QUESTION);
      await assertSame(tab, chat);
      await assertValid(chat);
      await output(tab, calls(tab)[0], { output: { colour: "blue" } });
      await shows(tab, "Well. Done.");
      assert.deepEqual(tab.errors, []);
      await assertSame(tab, chat);
      assert.deepEqual(calls(tab)[0].output, { colour: "blue" });
      assert.equal(sent.length, 2);
      await tab.chat.sendMessage(QUESTION);
      await ready(tab);
      await output(tab, calls(tab)[0], { state: "output-error", errorText: "nobody knows" });
      await shows(tab, "Well. Done.");
      assert.deepEqual(tab.errors, []);
      await assertSame(tab, chat);
      assert.deepEqual(states(tab), ["output-error"]);
      assert.equal(sent.length, 4);
      await assertValid(chat);
    });
  },

  async "an approval and a question"() {
    await withBoth(async ({ chat, page }) => {
      const { sent, fetch } = posts();
      const tab = page({ sendAutomaticallyWhen: (chat) => byApprovals(chat) || byCalls(chat) }, { fetch });
      const tools = [announce("hi"), ["ask_user", { question: "Which?" }]];
      await asked(tab, script({ text: "May I? ", tools }, ...DONE));
      await output(tab, calls(tab)[1], { output: "blue" });
      await respond(tab, calls(tab)[0], true);
      await shows(tab, "May I? Done.");
      assert.deepEqual(tab.errors, []);
      await assertSame(tab, chat);
      assert.deepEqual(
        calls(tab).map((part) => part.output),
        ["Announced: hi", "blue"],
      );
      assert.equal(sent.length, 2);
    });
  },

  async "reload while waiting"() {
    await withBoth(async ({ chat, page }) => {
      const first = page({ sendAutomaticallyWhen: byApprovals });
      await asked(first, ASK);
      first.close();
      const { sent, fetch } = posts();
      const again = page({ messages: await stored(chat), resume: true, sendAutomaticallyWhen: byApprovals }, { fetch });
      await until("it is resumed", () => again.chunks.at(-1) === "finish");
      await ready(again);
      await assertSame(again, chat);
      assert.deepEqual(states(again), ["approval-requested"]);
      await respond(again, calls(again)[0], true);
      await shows(again, "May I? Done.");
      assert.deepEqual(again.errors, []);
      await assertSame(again, chat);
      assert.equal(sent.length, 1);
    });
  },

  async "a second tab decides otherwise"() {
    await withBoth(async ({ chat, page }) => {
      const first = page({ sendAutomaticallyWhen: byApprovals });
      await asked(first, ASK);
      const { sent, fetch } = posts();
      const second = page({ messages: await stored(chat), sendAutomaticallyWhen: byApprovals }, { fetch });
      await until("the page is there", () => second.chat);
      await respond(first, calls(first)[0], true);
      await shows(first, "May I? Done.");
      await respond(second, calls(second)[0], false);
      await until("it is refused", () => second.status === "error");
      assert.equal(refusal(second.chat.error), "answered_otherwise");
      assert.equal(sent.length, 1);
      assert.equal(second.messages.length, 2);
      assert.equal(second.text, "May I? ");
      // The page reads again what is stored, and goes on.
      second.chat.setMessages(await stored(chat));
      await assertSame(second, chat);
      await second.chat.sendMessage({ text: "And now?" });
      await ready(second);
      await assertSame(second, chat);
    });
  },

  async "a message in place of a decision"() {
    await withBoth(async ({ chat, page }) => {
      const tab = page({ sendAutomaticallyWhen: byApprovals });
      await asked(tab, ASK);
      const before = tab.answer.id;
      await tab.chat.sendMessage(script({ text: "Instead." }));
      await shows(tab, "Instead.");
      assert.deepEqual(tab.errors, []);
      assert.deepEqual(
        tab.messages.map(({ role }) => role),
        ["user", "assistant", "user", "assistant"],
      );
      assert.equal(tab.messages[1].id, before);
      assert.equal(tab.messages[1].parts.find((part) => part.type === "text").text, "May I? ");
      assertNoDouble(tab);
      const messages = await assertValid(chat);
      const closed = messages[1].parts.find((part) => part.toolCallId);
      assert.deepEqual([closed.state, closed.errorText], ["output-error", INTERRUPTED]);
      assert.equal(messages[1].metadata.finish_reason, "handed_over");
      await assertSame(tab, chat);
      // The old request is closed: a late click on it sends nothing.
      await respond(tab, tab.messages[1].parts.at(-1), true);
      assert.equal((await get(`/chats/${chat}/runs`)).runs.length, 2);
    });
  },

  async "stop while waiting"() {
    await withBoth(async ({ chat, page }) => {
      const { sent, fetch } = posts();
      const tab = page({ sendAutomaticallyWhen: byApprovals }, { fetch });
      await asked(tab, ASK);
      assert.equal((await ours().stop(chat)).stopped, true);
      await respond(tab, calls(tab)[0], true);
      await until("it is refused", () => tab.status === "error");
      assert.equal(refusal(tab.chat.error), "not_waiting");
      assert.equal(sent.length, 2);
      assert.equal(tab.text, "May I? ");
      const messages = await assertValid(chat);
      assert.deepEqual(
        messages[1].parts.filter((part) => part.toolCallId).map((part) => part.state),
        ["output-error"],
      );
      tab.chat.setMessages(messages);
      await tab.chat.sendMessage({ text: "Never mind." });
      await ready(tab);
      assert.equal(tab.status, "ready");
      await assertSame(tab, chat);
    });
  },

  async "stop between two steps"() {
    await withBoth(async ({ chat, page }) => {
      const { sent, fetch } = posts();
      const tab = page({ sendAutomaticallyWhen: byCalls }, { fetch });
      await until("the page is there", () => tab.chat);
      const running = tab.chat.sendMessage(script({ text: "Kept. ", tools: CLOCK }, { seconds: 600, tools: CLOCK }));
      await until("a step is stored", async () => (await latest(chat))?.step_count === 1);
      assert.equal((await ours().stop(chat)).stopped, true);
      await running;
      await ended(chat);
      await until("the stream has ended", () => tab.chunks.at(-1) === "abort" && tab.settled);
      assert.deepEqual(tab.errors, []);
      assert.equal(tab.status, "ready");
      // A page that sends complete calls does so once more, and learns that nothing follows.
      assert.ok(sent.length <= 2, sent.length);
      assert.deepEqual(states(tab), ["output-available"]);
    });
  },

  async "lost answer of the answers"() {
    await withBoth(async ({ chat, page, isOurs }) => {
      const isAnswer = ({ messages }) => messages.at(-1).role === "assistant";
      const { sent, fetch } = posts({ lose: (body, all) => isAnswer(body) && all.filter(isAnswer).length === 1 });
      const tab = page({ sendAutomaticallyWhen: byApprovals }, { fetch });
      await asked(tab, ASK);
      await respond(tab, calls(tab)[0], true);
      if (!isOurs) {
        await until("it failed", () => tab.status === "error");
        assert.equal(tab.text, "May I? ");
        await ended(chat);
        await tab.chat.sendMessage();
      }
      await shows(tab, "May I? Done.");
      assert.equal(tab.errors.length, isOurs ? 0 : 1);
      await assertSame(tab, chat);
      assert.equal(sent.length, 3);
      assert.equal((await latest(chat)).step_count, 3);
    });
  },

  async "approved elsewhere"() {
    await withBoth(async ({ chat, page }) => {
      const { sent, fetch } = posts();
      const tab = page({ sendAutomaticallyWhen: byApprovals }, { fetch });
      const more = held(chat, "Going on. ");
      await asked(tab, script({ text: "May I? ", tools: [announce("hi")] }, more, more));
      await answer(chat, { [calls(tab)[0].toolCallId]: { approved: true } });
      await until("the tool ran", async () => (await latest(chat)).step_count === 2);
      const resumed = tab.chat.resumeStream();
      release(chat);
      await resumed;
      await shows(tab, "Going on. ");
      assert.deepEqual(tab.errors, []);
      await assertSame(tab, chat);
      assert.deepEqual(states(tab), ["output-available"]);
      assert.equal(sent.length, 1);
    });
  },

  async "calls that are complete when a window ends"() {
    await withBoth(async ({ chat, page }) => {
      const { sent, fetch } = posts();
      const tab = page({ sendAutomaticallyWhen: byCalls }, { fetch });
      await until("the page is there", () => tab.chat);
      await tab.chat.sendMessage(
        script({ text: "Before. ", tools: CLOCK }, { seconds: 23, tools: CLOCK }, { text: "After." }),
      );
      await shows(tab, "Before. After.");
      assert.deepEqual(tab.errors, []);
      await assertSame(tab, chat);
      assert.ok(sent.length <= 3, sent.length);
    });
  },
};

/** Cases that need an agent with other tools: `pay` takes `PAY_SECONDS` and needs an approval, the client has `locate`. */
export const ownAgent = {
  async "slow approved tool"() {
    await withBoth(async ({ chat, page, isOurs }) => {
      const { sent, requests, fetch } = posts();
      const tab = page({ sendAutomaticallyWhen: byApprovals }, { fetch });
      await asked(tab, script({ text: "May I? ", tools: [["pay", { amount: 5 }]] }, ...DONE));
      const before = Date.now();
      const first = requests.count + 1;
      await respond(tab, calls(tab)[0], true);
      // Two windows end without a result before the tool does.
      const released = until("two windows have ended", () => requests.count >= first + 2).then(() => release(chat));
      await Promise.all([released, shows(tab, "May I? Done.")]);
      // A window is held for 20 seconds, so a page that has nothing yet asks again no sooner.
      const windows = Math.ceil((Date.now() - before) / 20_000);
      assert.ok(sent.length <= 1 + (isOurs ? 1 : windows), `${sent.length} in ${windows} windows`);
      assert.deepEqual(tab.errors, []);
      await assertSame(tab, chat);
      assert.equal(calls(tab)[0].output, "Paid 5.");
      assert.equal((await latest(chat)).step_count, 3);
    });
  },

  async "client tool"() {
    await withBoth(async ({ chat, page }) => {
      const { sent, fetch } = posts();
      const tab = page({ sendAutomaticallyWhen: byCalls }, { fetch });
      await asked(tab, script({ text: "Where? ", tools: [["locate", {}]] }, ...DONE));
      assert.equal((await latest(chat)).asked.open[0].kind, "external");
      await output(tab, calls(tab)[0], { output: { latitude: 52.5 } });
      await shows(tab, "Where? Done.");
      assert.deepEqual(tab.errors, []);
      await assertSame(tab, chat);
      assert.deepEqual(calls(tab)[0].output, { latitude: 52.5 });
      assert.equal(sent.length, 2);
    });
  },

  async "asked again"() {
    await withBoth(async ({ chat, page }) => {
      const { sent, fetch } = posts();
      const tab = page({ sendAutomaticallyWhen: byApprovals }, { fetch });
      await asked(tab, script({ text: "May I? ", tools: [["pay", { amount: 5000 }]] }, ...DONE, ...DONE));
      const [first] = calls(tab);
      await respond(tab, first, true);
      await until("it is asked again", () => calls(tab)[0].approval.id !== first.approval.id);
      await ready(tab);
      assert.deepEqual(states(tab), ["approval-requested"]);
      await assertSame(tab, chat);
      await assertValid(chat);
      assert.equal((await latest(chat)).status, "waiting");
      await respond(tab, calls(tab)[0], false);
      await shows(tab, "May I? Done.");
      assert.deepEqual(tab.errors, []);
      await assertSame(tab, chat);
      assert.deepEqual(states(tab), ["output-denied"]);
      assert.equal(sent.length, 3);
      await assertValid(chat);
    });
  },
};
