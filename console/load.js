// Reads a chat from the API and watches its active run.

import * as api from "./api.js";
import * as chats from "./chats.js";
import * as composer from "./composer.js";
import { byId, capitalized, isAtEnd, isOver, STATUS, scrollToEnd } from "./dom.js";
import { announce, redraw, redrawNow, showLink } from "./draw.js";
import { addAnswers, addEvents, newProgress } from "./events.js";
import { allEvents, follow, retry, waited } from "./follow.js";
import { addMessage, currentView, isCurrent, openView, setRun, turnOf, updateTurn } from "./state.js";
import * as storage from "./storage.js";
import * as token from "./token.js";

const MESSAGES_PER_PAGE = 20;
const RUNS_PER_PAGE = 20;
const FEW_TURNS = 6;
const UNREADABLE_CHAT = "The chat could not be read";

/** The answer of `call(signal)`, repeated until it succeeds or the view is left. */
function read(view, call) {
  const { signal } = view.abort;
  return retry(
    () => call(signal),
    (state) => isCurrent(view) && showLink(state),
    signal,
  );
}

/** Shows a notice that offers to open the chat again, unless the view is left or the token was refused. */
export function showFailure(view, error, heading) {
  if (!isCurrent(view) || view.abort.signal.aborted) return;
  view.isLoading = false;
  if (error.status !== 401) {
    const detail = `${capitalized(error.message ?? String(error))}.`;
    composer.showNotice("failed", heading, detail, [["Try again", () => open(view)]]);
  }
  redraw();
}

/** Opens the chat or the run that an address names. */
export const open = ({ chatId, runId }) => (runId ? openRun(runId) : openChat(chatId));

function openEmpty(chatId, runId) {
  const view = openView(chatId, runId);
  composer.clearNotice();
  composer.openChat(chatId);
  chats.chatsSheet.close();
  byId("messages").replaceChildren();
  view.isLoading = Boolean((chatId || runId) && token.current());
  redraw();
  return view;
}

export async function openChat(chatId) {
  if (chatId) storage.saveChat(chatId);
  const view = openEmpty(chatId);
  if (!view.isLoading) return;
  try {
    await loadLastPages(view, storage.pageCursors(chatId));
    redraw();
    await loadLatestRun(view);
    view.isLoading = false;
    redraw();
    scrollToEnd();
    await loadRuns(view);
  } catch (error) {
    showFailure(view, error, UNREADABLE_CHAT);
  }
}

/** Opens the run's chat for its owner. For an approver shows what the run asks, as long as it asks. */
async function openRun(runId) {
  const view = openEmpty("", runId);
  if (!view.isLoading) return;
  let run;
  try {
    ({ run } = await loadRun(view, runId));
    if (!isCurrent(view)) return;
    if (run.created_by === token.identity().user) {
      history.replaceState(null, "", `#chat=${encodeURIComponent(run.chat_id)}`);
      await openChat(run.chat_id);
      return;
    }
    await watchAsked(view, run);
  } catch (error) {
    if (error.status === 404) showAskedNothing(view, run);
    else showFailure(view, error, "The run could not be read");
  }
}

/** Shows what another user's run asks. Throws once it asks nothing: it is not there any more for an approver. */
async function watchAsked(view, run) {
  const turn = turnOf(view, run.id, run.created_at);
  turn.liveProgress = newProgress(run);
  Object.assign(view, {
    isLoading: false,
    watchedRunId: run.id,
    chosenRunId: run.id,
    title: `A run of ${run.created_by} asks`,
  });
  view.note = "You may answer what this run asks. Its chat is not shown to you.";
  const onRun = (run) => {
    setRun(turn, run);
    redraw();
  };
  for (let asking = run; ; ) {
    onRun(asking);
    asking = await waited(asking, onRun, (state) => isCurrent(view) && showLink(state), view.abort.signal);
  }
}

/** `run` is the run as it was opened; undefined if it was not there. */
function showAskedNothing(view, run) {
  if (!isCurrent(view)) return;
  const answered = view.turns.get(run?.id)?.run.status === "running";
  Object.assign(view, { isLoading: false, watchedRunId: null, chosenRunId: null });
  view.turns.clear();
  view.note = answered
    ? `Answered. The run of ${run.created_by} goes on.`
    : "This run asks nothing that you could answer: it was answered, it has ended, or it is not there for you.";
  redrawNow();
  byId("note").focus();
  announce(view.note);
}

const readMessages = (view, cursor) =>
  read(view, (signal) => api.messages(view.chatId, MESSAGES_PER_PAGE, cursor, signal));

/**
 * Reads the last page of messages, and the page before it if there are few turns. The API lists messages oldest
 * first, so the device stores where each page begins; a chat that is new to the device is read through once.
 */
async function loadLastPages(view, storedCursors) {
  const isOpening = view.firstPage === null;
  const cursors = [...storedCursors];
  let pages = [];
  try {
    let cursor = cursors.at(-1);
    do {
      const page = await readMessages(view, cursor);
      pages.push(page.messages);
      cursor = page.cursor;
      if (cursor) {
        cursors.push(cursor);
        if (isOpening) pages = pages.slice(-1);
      }
    } while (cursor);
  } catch (error) {
    // The stored cursor is of an earlier deployment: read the chat from its beginning.
    if (error.status === 422 && storedCursors.length > 1) return loadLastPages(view, [null]);
    throw error;
  }
  view.pageCursors = cursors;
  const first = cursors.length - pages.length;
  view.firstPage = isOpening ? first : Math.min(view.firstPage, first);
  storage.savePageCursors(view.chatId, cursors);
  for (const message of pages.flat()) addMessage(view, message);
  if (isOpening && view.turns.size < FEW_TURNS && view.firstPage > 0) await loadEarlier(view);
}

/** Reads the page before the earliest one and keeps the reader's place. */
export async function loadEarlier(view) {
  const index = view.firstPage - 1;
  const page = await readMessages(view, view.pageCursors[index]);
  view.firstPage = Math.min(view.firstPage, index);
  const height = document.documentElement.scrollHeight;
  for (const message of page.messages) addMessage(view, message);
  redrawNow();
  scrollBy(0, document.documentElement.scrollHeight - height);
  // With the first page the focused button disappears: the focus goes to what was read.
  if (byId("earlier").hidden && document.activeElement === document.body) byId("messages").firstElementChild?.focus();
}

/** Reads the latest run, which may have begun after the messages were read. Watches it if it is active. */
export async function loadLatestRun(view) {
  const { run, message } = await read(view, (signal) => api.latest(view.chatId, signal));
  if (!run) return;
  // It ended while it was read, and another run has its place.
  if (run.next_run_id) return loadLatestRun(view);
  // A reader who has chosen an earlier run stays with it.
  if (view.chosenRunId === null || view.chosenRunId === view.latestRunId) view.chosenRunId = run.id;
  view.latestRunId = run.id;
  if (!view.turns.get(run.id)?.prompt) await loadNewMessages(view);
  const turn = turnOf(view, run.id, run.created_at);
  if (!turn.liveProgress) turn.run = run;
  if (message) addMessage(view, message);
  if (turn.prompt) composer.settleDraft(turn.prompt);
  if (isOver(run)) {
    view.queue = [];
    await loadEvents(view, turn);
  } else {
    watch(view, run);
    await loadQueue(view);
  }
}

/** Reads the messages that wait for the active run. */
export async function loadQueue(view) {
  view.queue = (await read(view, (signal) => api.queue(view.chatId, signal))).queue;
  if (isCurrent(view)) redraw();
}

export const loadNewMessages = (view) => loadLastPages(view, view.pageCursors);

/** Reads the end of the chat again, which another tab or device may have continued. */
export async function refresh() {
  const view = currentView();
  if (!view.chatId || view.isLoading || view.watchedRunId || !token.isUsable()) return;
  try {
    await loadLatestRun(view);
    if (isCurrent(view)) redraw();
  } catch (error) {
    showFailure(view, error, UNREADABLE_CHAT);
  }
}

export const loadRun = (view, id) => read(view, (signal) => api.run(id, signal));

/** Reads a page of the chat's runs: the newest, or those after `cursor`. */
export async function loadRuns(view, cursor = null) {
  const page = await read(view, (signal) => api.runs(view.chatId, RUNS_PER_PAGE, cursor, signal));
  view.runs = cursor ? [...view.runs, ...page.runs] : page.runs;
  view.runsCursor = page.cursor;
  if (isCurrent(view)) redraw();
}

/** Reads the events of a run for its timeline: `entry` is its turn or the view's unlisted run. */
export async function loadEvents(view, entry) {
  if (entry.liveProgress || entry.pastProgress) return;
  const progress = newProgress(entry.run);
  addEvents(progress, await read(view, (signal) => allEvents(entry.id, signal)));
  entry.run = progress.run;
  entry.pastProgress = progress;
  if (isCurrent(view)) redraw();
}

/** Draws the turn of the watched run, and announces that the run has begun to wait. `before` is the run until now. */
function showWatched(view, turn, before) {
  if (turn.liveProgress.hasAnswers) {
    turn.liveProgress.hasAnswers = false;
    // What cannot be read now is read with the chat the next time.
    loadAnswers(view, turn).catch(() => {});
  }
  if (!isCurrent(view)) return;
  redraw();
  if (turn.run.status !== "waiting" || before.asked?.step === turn.run.asked.step) return;
  view.scrollsToEnd = isAtEnd();
  const names = turn.run.asked.open.map((call) => call.tool_name).join(", ");
  announce(`The run waits for an answer: ${names}.`);
}

/** Reads how calls were answered: events have the results alone. */
async function loadAnswers(view, turn) {
  const { message } = await loadRun(view, turn.id);
  if (message) addAnswers(turn.liveProgress, message);
  if (isCurrent(view)) redraw();
}

/** Follows the run until it ends, and shows its progress. */
export async function watch(view, run) {
  if (view.watchedRunId === run.id) return;
  const turn = turnOf(view, run.id, run.created_at);
  turn.run = run;
  Object.assign(view, { watchedRunId: run.id, latestRunId: run.id, chosenRunId: run.id });
  if (isCurrent(view)) redraw();
  const handlers = {
    onRestart: () => {
      turn.liveProgress = newProgress(turn.run);
    },
    onEvents: (events) => {
      const before = turn.run;
      addEvents(turn.liveProgress, events);
      updateTurn(turn);
      showWatched(view, turn, before);
    },
    onRun: (run) => {
      const before = turn.run;
      setRun(turn, run);
      showWatched(view, turn, before);
    },
    onLink: (state) => isCurrent(view) && showLink(state),
  };
  try {
    await follow(run.id, handlers, view.abort.signal);
    if (!isOver(turn.run)) turn.run = (await loadRun(view, run.id)).run;
    view.watchedRunId = null;
    view.stoppingRunId = null;
    if (!isCurrent(view)) return;
    redraw();
    announce(`The run has ended: ${STATUS[turn.run.status].toLowerCase()}.`);
    await loadRuns(view);
    // A message that waited, or one that superseded the run, has its place now.
    if (turn.run.next_run_id) await loadLatestRun(view);
    else view.queue = [];
  } catch (error) {
    view.watchedRunId = null;
    showFailure(view, error, "The run can’t be watched");
  }
}
