// Puts it together: which chat is read, what is watched in it, and what a click does.

import * as api from "./api.js";
import * as bearer from "./bearer.js";
import * as chats from "./chats.js";
import * as composer from "./composer.js";
import { follow, history as eventsOf, look, patiently } from "./follow.js";
import * as kept from "./kept.js";
import { arrange, byId, isOver, make, STATUS, statusOf, write } from "./make.js";
import * as panel from "./panel.js";
import * as told from "./told.js";
import { Turn } from "./transcript.js";

const PAGE = 20;
const RUNS = 20;
const FEW = 6;
const TITLE = 60;
const SCRIPT = "#script ";
const EXAMPLES = [
  ["Use some tools", "What time is it in Lisbon, and what is 6 * 7?"],
  [
    "A slow answer to walk away from",
    `${SCRIPT}${JSON.stringify([
      { reasoning: "They want to see something slow. A clock, a sum, a wait.", text: "Let me look at the clock and do the sum.", seconds: 2, tools: [["clock", {}], ["calculate", { expression: "6 * 7" }]] },
      { text: "Now something slow, as tools can be.", seconds: 2, tools: [["wait", { seconds: 4 }]] },
      { text: "This sentence comes slowly, so that you can close the tab, come back, and find all of it. ", repeat: 12, seconds: 25 },
    ])}`,
  ],
  ["A run that fails", `${SCRIPT}${JSON.stringify([{ text: "The first step goes well.", seconds: 1, tools: [["clock", {}]] }, { error: "permanent" }])}`],
];

/** What is on the screen. `turns` by run: `{id, prompt, run, message, steps, told, began, view}`. */
let now = blank("");
let link = "live";

function blank(chat) {
  return { chat, turns: new Map(), pages: [null], first: null, latest: null, watched: null, stopping: null, runs: [], runsCursor: null, chosen: null, loading: false, away: new AbortController() };
}

// ------------------------------------------------------------------ a chat is opened

async function open(chat) {
  now.away.abort();
  now = blank(chat);
  composer.quiet();
  composer.turnTo(chat);
  chats.chatsSheet.close();
  byId("messages").replaceChildren();
  if (chat) kept.sawChat(chat);
  draw();
  if (!chat || !bearer.current()) return;
  const mine = now;
  mine.loading = true;
  draw();
  try {
    await loadTail(mine, kept.pages(chat));
    draw();
    await catchUp(mine);
    mine.loading = false;
    draw();
    scrollTo(0, document.documentElement.scrollHeight);
    await loadRuns(mine);
  } catch (error) {
    failed(mine, error, "The chat could not be read");
  }
}

const read = (mine, what) => patiently(what, (state) => mine === now && showLink(state), mine.away.signal);

/**
 * The last page of messages and, if it is short, the one before it. The list goes from the oldest on, so where each page
 * begins is remembered; a chat that is new to this device is walked through once.
 */
async function loadTail(mine, pages) {
  let batches = [];
  const opening = mine.first === null;
  const known = [...pages];
  try {
    for (let cursor = pages.at(-1); ; ) {
      const page = await read(mine, () => api.messages(mine.chat, PAGE, cursor, mine.away.signal));
      batches.push(page.messages);
      if (!page.cursor) break;
      known.push((cursor = page.cursor));
      if (opening) batches = batches.slice(-1);
    }
  } catch (error) {
    // A cursor of another life of this stack; from the beginning it goes.
    if (error.status === 422 && pages.length > 1) return loadTail(mine, [null]);
    throw error;
  }
  mine.pages = known;
  const first = known.length - batches.length;
  mine.first = opening ? first : Math.min(mine.first, first);
  kept.keepPages(mine.chat, known);
  batches.flat().forEach((message) => absorb(mine, message));
  if (opening && mine.turns.size < FEW && mine.first > 0) await loadEarlier(mine);
}

async function loadEarlier(mine) {
  const before = mine.first - 1;
  const page = await read(mine, () => api.messages(mine.chat, PAGE, mine.pages[before], mine.away.signal));
  mine.first = Math.min(mine.first, before);
  const height = document.documentElement.scrollHeight;
  page.messages.forEach((message) => absorb(mine, message));
  drawNow();
  scrollBy(0, document.documentElement.scrollHeight - height);
  // The button may be gone with the first page; who pressed it reads on where it was.
  if (byId("earlier").hidden && document.activeElement === document.body) byId("messages").firstElementChild?.focus();
}

/** The latest run, which may have begun after the messages were read; it is watched if it is active. */
async function catchUp(mine) {
  const { run, message } = await read(mine, () => api.latest(mine.chat, mine.away.signal));
  if (!run) return;
  // Who looks at the latest run goes on doing so; who has chosen another one stays there.
  if (mine.chosen === null || mine.chosen === mine.latest) mine.chosen = run.id;
  mine.latest = run.id;
  if (!mine.turns.get(run.id)?.prompt) await loadTail(mine, mine.pages);
  const turn = turnOf(mine, run.id, run.created_at);
  if (!turn.told) turn.run = run;
  if (message) absorb(mine, message);
  if (turn.prompt) composer.settleDraft(turn.prompt);
  if (isOver(run)) await recount(mine, run.id);
  else watch(mine, run);
}

/** Something may have happened elsewhere: read the end of the chat again. */
async function refresh() {
  const mine = now;
  if (!mine.chat || mine.loading || mine.watched || !bearer.usable()) return;
  try {
    await catchUp(mine);
    if (mine === now) draw();
  } catch (error) {
    failed(mine, error, "The chat could not be read");
  }
}

function turnOf(mine, id, began) {
  if (!mine.turns.has(id)) {
    mine.turns.set(id, { id, prompt: null, run: null, message: null, steps: [], told: null, began, view: new Turn(id, choose) });
  }
  return mine.turns.get(id);
}

function absorb(mine, message) {
  const turn = turnOf(mine, message.run_id, message.created_at);
  if (message.role === "user") {
    turn.prompt = message.content;
    return;
  }
  const same = turn.message?.updated_at === message.updated_at && turn.message?.status === message.status;
  turn.message = message;
  if (!same && !turn.told) turn.steps = told.fromMessage(message);
}

// ------------------------------------------------------------------ a run is watched

async function watch(mine, run) {
  if (mine.watched === run.id) return;
  const turn = turnOf(mine, run.id, run.created_at);
  mine.watched = run.id;
  mine.latest = run.id;
  mine.chosen = run.id;
  turn.run = run;
  if (mine === now) draw();
  const on = {
    again: () => {
      turn.told = told.nothing(turn.run);
    },
    events: (list) => {
      list.forEach((event) => told.add(turn.told, event));
      turn.run = told.runOf(turn.told);
      turn.steps = told.stepsOf(turn.told);
      if (mine === now) draw();
    },
    link: (state) => mine === now && showLink(state),
  };
  try {
    await follow(run.id, on, mine.away.signal);
    if (!isOver(turn.run)) {
      const answer = await read(mine, () => api.run(run.id, mine.away.signal));
      turn.run = answer.run;
    }
    mine.watched = null;
    mine.stopping = null;
    if (mine !== now) return;
    draw();
    say(`The run has ended: ${STATUS[turn.run.status].toLowerCase()}.`);
    await loadRuns(mine);
  } catch (error) {
    mine.watched = null;
    failed(mine, error, "The run can’t be watched");
  }
}

/** The events of a run that is over, for its timeline. */
async function recount(mine, id) {
  const turn = turnOf(mine, id, "");
  if (turn.told) return;
  const known = told.nothing(turn.run);
  const list = await read(mine, () => eventsOf(id, mine.away.signal));
  list.forEach((event) => told.add(known, event));
  turn.run ??= known.run;
  turn.recounted = known;
  if (mine === now) draw();
}

async function choose(id) {
  const mine = now;
  mine.chosen = id;
  chats.runSheet.open();
  draw();
  byId("messages").querySelector(`[data-run="${CSS.escape(id)}"]`)?.scrollIntoView({ block: "nearest" });
  const turn = mine.turns.get(id);
  try {
    if (turn && !turn.told && !turn.recounted) await recount(mine, id);
    else if (!turn) await recountUnread(mine, id);
  } catch (error) {
    failed(mine, error, "The run could not be read");
  }
}

/** A run of the list whose messages are on no page that was read. */
async function recountUnread(mine, id) {
  const run = mine.runs.find((one) => one.id === id);
  mine.unread = { run, recounted: null };
  draw();
  const known = told.nothing(run);
  (await read(mine, () => eventsOf(id, mine.away.signal))).forEach((event) => told.add(known, event));
  mine.unread = { run: known.run, recounted: known };
  if (mine === now) draw();
}

async function loadRuns(mine, cursor = null) {
  const page = await read(mine, () => api.runs(mine.chat, RUNS, cursor, mine.away.signal));
  mine.runs = cursor ? [...mine.runs, ...page.runs] : page.runs;
  mine.runsCursor = page.cursor;
  if (mine === now) draw();
}

// ------------------------------------------------------------------ what a click does

async function send() {
  composer.quiet();
  if (!composer.text().trim()) return;
  if (!bearer.usable()) return void showToken();
  if (!now.chat) {
    const chat = crypto.randomUUID();
    composer.name(chat);
    now.chat = chat;
    history.pushState(null, "", `#chat=${chat}`);
  }
  const mine = now;
  try {
    const { run, said } = await composer.begin();
    kept.sawChat(mine.chat, kept.chats().find((one) => one.id === mine.chat)?.title || titleOf(said));
    elsewhere?.postMessage({ scope: bearer.scope(), chat: mine.chat });
    turnOf(mine, run.id, run.created_at).prompt = said;
    say("The run is accepted.");
    mine.atEnd = true;
    if (isOver(run)) await refreshAfter(mine, run);
    else watch(mine, run);
  } catch (error) {
    notSent(mine, error);
  }
  draw();
}

/** A start that was accepted long ago, under its key: the run has been and gone. */
async function refreshAfter(mine, run) {
  turnOf(mine, run.id, run.created_at).run = run;
  await catchUp(mine);
}

function notSent(mine, error) {
  if (mine !== now || error.status === 401) return;
  if (error.code === "run_already_active") {
    const run = error.said.active_run_id;
    composer.notify("running", "Already running", "This chat is still answering an earlier prompt. What you wrote is kept.", [
      ["Watch it", () => watchBusy(mine, run)],
    ]);
  } else if (error.passes && error.code !== "model_not_configured") {
    composer.notify("failed", "Not sent", `${capital(error.message)}. Sending it again is safe: it makes one run, whatever became of this attempt.`, [["Send again", send]]);
  } else composer.notify("failed", "Refused", `${capital(error.message)}.`);
}

async function watchBusy(mine, id) {
  try {
    const { run } = await read(mine, () => api.run(id, mine.away.signal));
    await loadTail(mine, mine.pages);
    if (isOver(run)) await catchUp(mine);
    else watch(mine, run);
    mine.atEnd = true;
    draw();
    composer.focus();
  } catch (error) {
    failed(mine, error, "The run could not be read");
  }
}

async function stop() {
  const mine = now;
  const id = mine.watched;
  if (!id || mine.stopping === id) return;
  mine.stopping = id;
  draw();
  say("Stopping.");
  try {
    const { stopped, run } = await api.stop(id);
    const turn = mine.turns.get(id);
    if (run && turn && !isOver(turn.run)) {
      turn.told.run = run;
      turn.run = told.runOf(turn.told);
    }
    look();
    if (!stopped && mine === now) composer.notify("succeeded", "Nothing to stop", "The run had ended already.");
  } catch (error) {
    mine.stopping = null;
    if (error.status !== 401) composer.notify("failed", "Not stopped", `${capital(error.message)}. The run goes on.`, [["Stop", stop]]);
  }
  draw();
}

function failed(mine, error, heading) {
  if (mine !== now || mine.away.signal.aborted) return;
  mine.loading = false;
  if (error.status !== 401) composer.notify("failed", heading, `${capital(error.message ?? String(error))}.`, [["Try again", () => open(mine.chat)]]);
  draw();
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1).replace(/\.$/, "");

function titleOf(prompt) {
  const script = prompt.trimStart().startsWith(SCRIPT.trim());
  const told = script ? /"text":\s*"([^"]{1,80})/.exec(prompt)?.[1] : prompt;
  const line = (told ?? prompt).trim().split("\n")[0];
  return line.length > TITLE ? `${line.slice(0, TITLE - 1)}…` : line;
}

// ------------------------------------------------------------------ what is on the screen

let due = false;

/** All of it is drawn anew with the next frame; what has not changed is left alone. */
function draw() {
  if (due) return;
  due = true;
  // A hidden page has no frames, and still its title says when the run has ended.
  if (document.hidden) setTimeout(drawNow);
  else requestAnimationFrame(drawNow);
}

const atEnd = () => innerHeight + scrollY >= document.documentElement.scrollHeight - 120;

function drawNow() {
  due = false;
  const mine = now;
  const stick = mine.atEnd || atEnd();
  mine.atEnd = false;
  const turns = [...mine.turns.values()].sort((a, b) => (a.began < b.began ? -1 : a.began > b.began ? 1 : 0));
  const shown = turns.filter((turn) => turn.run || turn.message || turn.prompt);
  for (const run of mine.runs) if (mine.turns.has(run.id)) mine.turns.get(run.id).run ??= run;
  shown.forEach((turn) => turn.view.show(turn));
  arrange(byId("messages"), shown.map((turn) => turn.view.node));
  const signedIn = bearer.current() !== null;
  byId("loading").hidden = !mine.loading || shown.length > 0;
  byId("earlier").hidden = !mine.first;
  showEmpty(signedIn && !mine.loading && shown.length === 0);
  const active = mine.watched ? mine.turns.get(mine.watched)?.run : null;
  composer.show({ active: Boolean(active), stopping: mine.stopping !== null || Boolean(active?.stop_requested_at), usable: bearer.usable() });
  byId("composer").hidden = !signedIn;
  byId("transcript").hidden = !signedIn;
  const first = shown.find((turn) => turn.prompt && mine.first === 0);
  const known = kept.chats().find((one) => one.id === mine.chat);
  if (mine.chat && known && !known.title && first) kept.sawChat(mine.chat, titleOf(first.prompt));
  const title = known?.title || (first ? titleOf(first.prompt) : mine.chat ? "Chat" : "New chat");
  write(byId("title"), title);
  document.title = `${active ? `${STATUS[statusOf(active)]} · ` : ""}${title} · Outlive`;
  chats.show(mine.chat, forget);
  chats.showStanding();
  const chosen = mine.turns.get(mine.chosen) ?? mine.unread;
  panel.show(chosen?.run ?? null, chosen?.told ?? chosen?.recounted ?? null);
  const current = mine.runs.map((run) => mine.turns.get(run.id)?.run ?? run);
  const fresh = turns.filter((turn) => turn.run && !current.some((run) => run.id === turn.id) && turn.id === mine.latest);
  panel.showRuns([...fresh.map((turn) => turn.run), ...current], mine.chosen, mine.runsCursor !== null, choose);
  if (stick) scrollTo(0, document.documentElement.scrollHeight);
  showPill();
}

function showEmpty(empty) {
  const place = byId("empty");
  place.hidden = !empty;
  if (!empty || place.childElementCount) return;
  place.append(
    make("h2", {}, "Start something, then leave"),
    make("p", {}, "A run goes on without you. Close this tab, open the chat’s address anywhere, and everything is there: what was said meanwhile, and what is still being said."),
    make("ul", { class: "examples" }, ...EXAMPLES.map(([label, text]) => make("li", {}, make("button", { type: "button", click: () => composer.put(text) }, label)))),
    make("p", { class: "note" }, "The last two are scripts for the offline stand-in model."),
  );
}

const LINKS = { live: "", waiting: "Reconnecting…", offline: "Offline", token: "" };

function showLink(state) {
  if (state === link) return;
  if (LINKS[state]) say(state === "offline" ? "Offline. The run goes on; watching resumes by itself." : "The connection is lost. Watching resumes by itself.");
  else if (LINKS[link]) say("Connected again.");
  link = state;
  write(byId("link"), LINKS[state]);
}

function say(text) {
  write(byId("say"), text);
}

function showToken() {
  const form = byId("token-form");
  const signedIn = bearer.current() !== null;
  const usable = bearer.usable();
  if (usable) {
    form.hidden = true;
    return;
  }
  const why = !signedIn ? "" : bearer.expired() ? "It has expired. Runs go on without it; what you were writing is kept." : "It was refused: expired, or not made for this API. What you were writing is kept.";
  write(byId("token-heading"), signedIn ? "A new token, please" : "A token, please");
  write(byId("token-why"), why || "The console has no rights of its own. A token says who you are; locally make token prints one.");
  form.classList.toggle("card", !signedIn);
  const place = signedIn ? byId("dock") : document.querySelector("main");
  if (form.parentNode !== place) place.insertBefore(form, signedIn ? byId("notice") : byId("transcript"));
  if (form.hidden) {
    form.hidden = false;
    say(signedIn ? "The token is no longer accepted. Paste a new one." : "");
  }
}

function showPill() {
  byId("latest").hidden = atEnd() || !now.turns.size;
}

function forget(id) {
  kept.forgetChat(id);
  if (id === now.chat) go("");
  else draw();
}

function go(chat) {
  const hash = chat ? `#chat=${encodeURIComponent(chat)}` : location.pathname + location.search;
  history.pushState(null, "", hash);
  open(chat);
}

// ------------------------------------------------------------------ listening

const elsewhere = "BroadcastChannel" in window ? new BroadcastChannel("outlive") : null;
elsewhere?.addEventListener("message", ({ data }) => {
  if (data.scope !== bearer.scope()) return;
  if (data.chat === now.chat) refresh();
  draw();
});

let scope = "";

bearer.onChange(() => {
  showToken();
  write(byId("token-wrong"), "");
  // Another user sees another device: nothing of the one before may stay on the screen.
  if (bearer.scope() !== scope) {
    scope = bearer.scope();
    open(now.chat);
  } else {
    draw();
    if (bearer.usable()) refresh();
  }
});

byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = byId("token");
  if (!bearer.take(field.value)) {
    write(byId("token-wrong"), "This is not a token: it should be three parts with dots between them.");
    return;
  }
  field.value = "";
  // The prompt can only be gone to once it is there.
  drawNow();
  if (bearer.usable()) composer.focus();
  else write(byId("token-wrong"), "This one has expired, too.");
});
byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!now.watched && !byId("send").disabled) send();
});
byId("stop").addEventListener("click", stop);
byId("new").addEventListener("click", () => {
  go("");
  composer.focus();
});
byId("skip").addEventListener("click", composer.focus);
byId("leave").addEventListener("click", bearer.forget);
byId("earlier").addEventListener("click", () => loadEarlier(now).catch((error) => failed(now, error, "Earlier messages could not be read")));
byId("older-runs").addEventListener("click", () => loadRuns(now, now.runsCursor).catch((error) => failed(now, error, "Older runs could not be read")));
byId("latest").addEventListener("click", () => scrollTo({ top: document.documentElement.scrollHeight, behavior: "smooth" }));
addEventListener("scroll", showPill, { passive: true });
addEventListener("online", refresh);
addEventListener("offline", () => showLink("offline"));
addEventListener("popstate", () => open(bearer.fromAddress() ?? ""));
document.addEventListener("visibilitychange", () => !document.hidden && refresh());

setInterval(() => {
  const turn = now.watched && now.turns.get(now.watched);
  if (turn?.run) {
    turn.view.tick();
    panel.tick();
  }
  if (bearer.current() && !bearer.usable() && byId("token-form").hidden) {
    showToken();
    draw();
  }
}, 1000);

write(byId("token-base"), new URL(api.base).host);
const chat = bearer.fromAddress() ?? "";
scope = bearer.scope();
showToken();
open(chat);
