// What the reader does: send, stop, and choose a chat or a run.

import * as api from "./api.js";
import * as chats from "./chats.js";
import * as composer from "./composer.js";
import { byId, capitalized, isOver, isTouch, moment } from "./dom.js";
import { announce, redraw, redrawNow, showTokenForm, titleOf } from "./draw.js";
import * as files from "./files.js";
import { wake } from "./follow.js";
import {
  loadEvents,
  loadLatestRun,
  loadNewMessages,
  loadQueue,
  loadRun,
  openChat,
  showFailure,
  watch,
} from "./load.js";
import { currentView, isCurrent, setRun, turnOf } from "./state.js";
import * as storage from "./storage.js";
import * as token from "./token.js";

const UNREADABLE_RUN = "The run could not be read";
const MAX_LEFT_CHATS = 5;

/** The other tabs of this browser. Messages: `{scope, chatId}` of a chat in which a run was started or answered. */
export const tabs = "BroadcastChannel" in window ? new BroadcastChannel("outlive") : null;

export async function send() {
  composer.clearNotice();
  if (!composer.text().trim()) return;
  if (!token.isUsable()) {
    showTokenForm();
    return;
  }
  const view = currentView();
  if (!view.chatId) beginChat(view);
  try {
    const { run, prompt, parts } = await composer.startRun(view.watchedRunId ? { on_busy: "enqueue" } : {});
    const title = storage.chats().find((chat) => chat.id === view.chatId)?.title;
    storage.saveChat(view.chatId, title || titleOf(prompt));
    tabs?.postMessage({ scope: token.scope(), chatId: view.chatId });
    if (run.status === "queued") {
      announce("The message waits for the run at work.");
      await loadQueue(view);
      return;
    }
    Object.assign(turnOf(view, run.id, run.created_at), { prompt, files: parts });
    announce("The run is accepted.");
    view.scrollsToEnd = true;
    await showStarted(view, run);
  } catch (error) {
    showNotSent(view, error);
  }
  redraw();
}

function beginChat(view) {
  view.chatId = crypto.randomUUID();
  composer.assignChat(view.chatId);
  history.pushState(null, "", `#chat=${view.chatId}`);
}

/** A replayed start returns a run that may have ended. */
async function showStarted(view, run) {
  if (!isOver(run)) {
    watch(view, run);
    return;
  }
  turnOf(view, run.id, run.created_at).run = run;
  await loadLatestRun(view);
}

function showNotSent(view, error) {
  if (!isCurrent(view) || error.status === 401) return;
  const reason = capitalized(error.message);
  if (error.code === "run_already_active") {
    const detail = "This chat is still answering an earlier prompt. What you wrote is kept.";
    const watchIt = () => watchActiveRun(view, error.body.active_run_id);
    composer.showNotice("running", "Already running", detail, [["Watch it", watchIt]]);
  } else if (error.isTransient) {
    const detail = `${reason}. Sending it again is safe: it never makes a second run.`;
    composer.showNotice("failed", "Not sent", detail, [["Send again", send]]);
  } else composer.showNotice("failed", "Refused", `${reason}.`);
}

/**
 * Takes a waiting message back. With `onBusy` it is sent again at once: `steer` for the step under way, `supersede` in
 * place of the run at work. Otherwise it stands in the prompt again.
 */
export async function changeWaiting(id, onBusy) {
  const view = currentView();
  const waiting = view.queue.find(({ run }) => run.id === id);
  if (!waiting || view.changingRunId) return;
  composer.clearNotice();
  view.changingRunId = id;
  redraw();
  try {
    const { stopped } = await api.withRetries(() => api.stop(id));
    if (stopped && onBusy) await sendInPlace(view, waiting, onBusy);
    else if (stopped && isCurrent(view)) {
      composer.setText([waiting.prompt, composer.text()].filter((text) => text.trim()).join("\n\n"));
      files.reattach(view.chatId, waiting.files);
    }
    tabs?.postMessage({ scope: token.scope(), chatId: view.chatId });
  } catch (error) {
    if (isCurrent(view) && error.status !== 401) {
      composer.showNotice("failed", "Not done", `${capitalized(error.message)}. The message: ${waiting.prompt}`);
    }
  }
  view.changingRunId = null;
  await loadQueue(view).catch(() => {});
  wake();
}

async function sendInPlace(view, { run, prompt, files: parts }, onBusy) {
  const place = onBusy === "supersede" && view.watchedRunId ? { on_busy: onBusy, run_id: view.watchedRunId } : null;
  const key = crypto.randomUUID();
  const started = await api.withRetries(() =>
    api.start(view.chatId, prompt, run.agent, parts.map(files.idOf), key, place ?? { on_busy: "steer" }),
  );
  announce(started.run.status === "queued" ? "The message comes after the step under way." : "The run is accepted.");
  if (!view.watchedRunId) await loadLatestRun(view);
}

async function watchActiveRun(view, id) {
  try {
    const { run } = await loadRun(view, id);
    await loadNewMessages(view);
    if (isOver(run)) await loadLatestRun(view);
    else watch(view, run);
    view.scrollsToEnd = true;
    redraw();
    composer.focus();
  } catch (error) {
    showFailure(view, error, UNREADABLE_RUN);
  }
}

export async function stop() {
  const view = currentView();
  const id = view.watchedRunId;
  if (!id || view.stoppingRunId === id) return;
  view.stoppingRunId = id;
  redraw();
  announce("Stopping.");
  try {
    const { stopped, run } = await api.stop(id);
    const turn = view.turns.get(id);
    if (run && turn) setRun(turn, run);
    wake();
    if (!stopped && isCurrent(view)) {
      composer.showNotice("succeeded", "Nothing to stop", "The run had ended already.");
    }
  } catch (error) {
    view.stoppingRunId = null;
    if (error.status !== 401) {
      composer.showNotice("failed", "Not stopped", `${capitalized(error.message)}. The run goes on.`, [["Stop", stop]]);
    }
  }
  redraw();
}

/** Answers one call that the run waits for. */
export async function answer(runId, callId, decision) {
  const view = currentView();
  const turn = view.turns.get(runId);
  if (turn.answers.get(callId)?.isSending) return;
  composer.clearNotice();
  const step = turn.run.asked?.step ?? null;
  turn.answers.set(callId, { isSending: true, error: "" });
  redraw();
  try {
    const { run } = await api.withRetries(() => api.answer(runId, { [callId]: decision }, step));
    turn.answers.delete(callId);
    setRun(turn, run);
    announce("Answered.");
    tabs?.postMessage({ scope: token.scope(), chatId: view.chatId });
  } catch (error) {
    turn.answers.delete(callId);
    if (isCurrent(view)) showNotAnswered(turn, callId, error);
  }
  // What the run says now is read at once, and what others decided with it.
  wake();
  redrawNow();
  focusNext(runId);
}

function showNotAnswered(turn, callId, error) {
  const reason = capitalized(error.message);
  if (error.code === "answered_otherwise") {
    const { answered_by: user, answered_at: at } = error.body;
    const who = user === token.identity()?.user ? "You" : user;
    const detail = `${who} decided otherwise at ${moment(at)}. The first decision counts.`;
    composer.showNotice("aborted", "Already decided", detail);
  } else if (error.code === "not_waiting") {
    composer.showNotice("aborted", "No longer asked", "The run takes no answer to this call any more.");
  } else if (error.status !== 401) turn.answers.set(callId, { isSending: false, error: `Not sent: ${reason}.` });
}

/**
 * An answered call is gone from the page, and the focus with it: the next one takes it, but none of its buttons, which
 * a second press of Enter would push. On a touch screen focus on the prompt would open the keyboard.
 */
function focusNext(runId) {
  if (document.activeElement !== document.body) return;
  const next = byId("messages").querySelector(`[data-run="${CSS.escape(runId)}"] .ask`);
  if (next) next.focus({ preventScroll: true });
  else if (!isTouch()) composer.focus();
}

/** Shows the run on the right side. */
export async function chooseRun(id) {
  const view = currentView();
  view.chosenRunId = id;
  chats.runSheet.open();
  redraw();
  byId("messages")
    .querySelector(`[data-run="${CSS.escape(id)}"]`)
    ?.scrollIntoView({ block: "nearest" });
  try {
    await loadEvents(view, view.turns.get(id) ?? unlistedRun(view, id));
  } catch (error) {
    showFailure(view, error, UNREADABLE_RUN);
  }
}

/** A run of the list whose messages are not read. */
function unlistedRun(view, id) {
  view.unlistedRun = { id, run: view.runs.find((run) => run.id === id), liveProgress: null, pastProgress: null };
  return view.unlistedRun;
}

/** Opens the chat at its own address. */
export function goToChat(chatId) {
  const address = chatId ? `#chat=${encodeURIComponent(chatId)}` : location.pathname + location.search;
  history.pushState(null, "", address);
  openChat(chatId);
}

/** Removes the chat from this device; the API keeps it. */
export function forgetChat(chatId) {
  storage.forgetChat(chatId);
  if (chatId === currentView().chatId) goToChat("");
  else redraw();
}

/** Reads how the runs stand that were active when their chats were left. */
export async function loadLeftChats() {
  const left = storage.chats().filter(({ id, status }) => status && id !== currentView().chatId);
  for (const { id } of left.slice(0, MAX_LEFT_CHATS)) {
    const { run } = await api.latest(id);
    storage.saveChatStatus(id, !run || isOver(run) ? "" : run.status);
  }
  if (left.length) redraw();
}
