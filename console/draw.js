// Draws the state of the chat on the page.

import * as chats from "./chats.js";
import * as composer from "./composer.js";
import { arrange, button, byId, isAtEnd, isOver, make, STATUS, scrollToEnd, statusOf, write } from "./dom.js";
import * as panel from "./panel.js";
import { showQueue } from "./queue.js";
import { currentView, listedRuns, turnsInOrder, watchedRun } from "./state.js";
import * as storage from "./storage.js";
import * as token from "./token.js";
import { TurnView } from "./transcript.js";

const MAX_TITLE_CHARACTERS = 60;
/** The offline stand-in model plays a prompt that begins with this. */
const SCRIPT_MARK = "#script";

const script = (...steps) => `${SCRIPT_MARK} ${JSON.stringify(steps)}`;

const EXAMPLES = [
  ["Use some tools", "What time is it in Lisbon, and what is 6 * 7?"],
  [
    "A slow answer to walk away from",
    script(
      {
        reasoning: "They want to see something slow. A clock, a sum, a wait.",
        text: "Let me look at the clock and do the sum.",
        seconds: 2,
        tools: [
          ["clock", {}],
          ["calculate", { expression: "6 * 7" }],
        ],
      },
      { text: "Now something slow, as tools can be.", seconds: 2, tools: [["wait", { seconds: 4 }]] },
      {
        text: "This sentence comes slowly, so that you can close the tab, come back, and find all of it. ",
        repeat: 12,
        seconds: 25,
      },
    ),
  ],
  [
    "One that asks before it acts",
    script(
      { text: "I will announce it as soon as you agree.", tools: [["announce", { text: "Tea is at five." }]] },
      { text: "It is announced." },
    ),
  ],
  [
    "A run that fails",
    script({ text: "The first step goes well.", seconds: 1, tools: [["clock", {}]] }, { error: "permanent" }),
  ],
];
const INTRODUCTION =
  "A run goes on without you. Close this tab, open the chat’s address anywhere, and you see the text that was " +
  "written meanwhile and the text that is still being written.";

const turnViews = new WeakMap();
let isScheduled = false;

/** Draws with the next frame. Elements that have not changed stay as they are. */
export function redraw() {
  if (isScheduled) return;
  isScheduled = true;
  // A hidden page has no frames, but its title still shows when the run ends.
  if (document.hidden) setTimeout(redrawNow);
  else requestAnimationFrame(redrawNow);
}

export function redrawNow() {
  isScheduled = false;
  const view = currentView();
  const scrolls = view.scrollsToEnd || isAtEnd();
  view.scrollsToEnd = false;
  const turns = turnsInOrder(view).filter((turn) => turn.run || turn.message || turn.prompt);
  for (const run of view.runs) if (view.turns.has(run.id)) view.turns.get(run.id).run ??= run;
  drawTurns(view, turns);
  drawComposer(view);
  showQueue(view.queue, view.changingRunId);
  drawTitle(view, turns);
  chats.showChats(view.chatId);
  chats.showIdentity();
  drawPanel(view);
  if (scrolls) scrollToEnd();
  showLatestButton();
}

function drawTurns(view, turns) {
  const isSignedIn = token.current() !== null;
  byId("transcript").hidden = !isSignedIn;
  byId("loading").hidden = !view.isLoading || turns.length > 0;
  byId("earlier").hidden = !view.firstPage;
  const nodes = turns.map((turn) => {
    const turnView = turnViews.get(turn) ?? new TurnView(turn.id);
    turnViews.set(turn, turnView);
    turnView.show(turn);
    return turnView.node;
  });
  arrange(byId("messages"), nodes);
  byId("note").hidden = !view.note;
  write(byId("note"), view.note);
  showExamples(isSignedIn && !view.isLoading && turns.length === 0 && !view.runId);
}

function drawComposer(view) {
  const run = watchedRun(view);
  const isStopping = view.stoppingRunId !== null || Boolean(run?.stop_requested_at);
  composer.show({ isActive: run !== null, isStopping, canSend: token.isUsable() });
  const isHidden = token.current() === null || Boolean(view.runId);
  if (byId("composer").hidden === isHidden) return;
  byId("composer").hidden = isHidden;
  composer.grow();
}

function drawTitle(view, turns) {
  const first = view.firstPage === 0 && turns.find((turn) => turn.prompt);
  const firstTitle = first ? titleOf(first.prompt) : "";
  const stored = storage.chats().find((chat) => chat.id === view.chatId);
  if (stored && !stored.title && firstTitle) storage.saveChat(view.chatId, firstTitle);
  const title = view.title || stored?.title || firstTitle || (view.chatId ? "Chat" : view.runId ? "Run" : "New chat");
  const latest = view.turns.get(view.latestRunId)?.run;
  if (latest) storage.saveChatStatus(view.chatId, isOver(latest) ? "" : latest.status);
  const run = watchedRun(view);
  write(byId("title"), title);
  document.title = `${run ? `${STATUS[statusOf(run)]} · ` : ""}${title} · Outlive`;
}

function drawPanel(view) {
  const chosen = view.turns.get(view.chosenRunId) ?? view.unlistedRun;
  panel.showRun(chosen?.run ?? null, chosen?.liveProgress ?? chosen?.pastProgress ?? null);
  panel.showRuns(listedRuns(view), view.chosenRunId, view.runsCursor !== null);
}

/** Prompts to begin with, in a chat without messages. */
function showExamples(isShown) {
  const place = byId("empty");
  place.hidden = !isShown;
  if (!isShown || place.childElementCount) return;
  const examples = EXAMPLES.map(([label, prompt]) =>
    make("li", {}, button({ click: () => composer.setText(prompt) }, label)),
  );
  place.append(
    make("h2", {}, "Start something, then leave"),
    make("p", {}, INTRODUCTION),
    make("ul", { class: "examples" }, ...examples),
    make("p", { class: "note" }, "All but the first are scripts for the offline stand-in model."),
  );
}

/** A chat's title: the first line of its first prompt, or the first text of a script. */
export function titleOf(prompt) {
  const scriptText = prompt.trimStart().startsWith(SCRIPT_MARK) && /"text":\s*"([^"]{1,80})/.exec(prompt)?.[1];
  const [line] = (scriptText || prompt).trim().split("\n");
  return line.length > MAX_TITLE_CHARACTERS ? `${line.slice(0, MAX_TITLE_CHARACTERS - 1)}…` : line;
}

/** Updates what changes with time while a run is watched. */
export function tick() {
  const view = currentView();
  if (!watchedRun(view)) return;
  turnViews.get(view.turns.get(view.watchedRunId))?.tick();
  panel.tick();
}

export function showLatestButton() {
  byId("latest").hidden = isAtEnd() || !currentView().turns.size;
}

/** Announces `text` to screen readers. */
export function announce(text) {
  write(byId("say"), text);
}

const LINK_LABEL = { live: "", waiting: "Reconnecting…", offline: "Offline", token: "" };
let link = "live";

/** Shows the state of the connection: live | waiting | offline | token. */
export function showLink(state) {
  if (state === link) return;
  if (state === "offline") announce("Offline. The run goes on; watching resumes by itself.");
  else if (LINK_LABEL[state]) announce("The connection is lost. Watching resumes by itself.");
  else if (LINK_LABEL[link]) announce("Connected again.");
  link = state;
  write(byId("link"), LINK_LABEL[state]);
}

/** Asks for a token unless there is a usable one. */
export function showTokenForm() {
  const form = byId("token-form");
  if (token.isUsable()) {
    form.hidden = true;
    return;
  }
  const isSignedIn = token.current() !== null;
  write(byId("token-heading"), isSignedIn ? "A new token, please" : "A token, please");
  write(byId("token-why"), tokenReason(isSignedIn));
  form.classList.toggle("card", !isSignedIn);
  const place = isSignedIn ? byId("dock") : document.querySelector("main");
  if (form.parentNode !== place) place.insertBefore(form, isSignedIn ? byId("notice") : byId("transcript"));
  if (form.hidden) {
    form.hidden = false;
    announce(isSignedIn ? "The token is no longer accepted. Paste a new one." : "");
  }
}

function tokenReason(isSignedIn) {
  if (!isSignedIn) {
    return "The console has no rights of its own. A token says who you are; locally make token prints one.";
  }
  if (token.isExpired()) return "It has expired. Runs go on without it; what you were writing is kept.";
  return "It was refused: expired, or not made for this API. What you were writing is kept.";
}
