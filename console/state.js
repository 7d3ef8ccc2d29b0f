// The chat on the page: its turns and runs, and what is being read, watched and stopped.

import { isOver } from "./dom.js";
import { runOf, stepsOf, stepsOfMessage } from "./events.js";

let current = newView("", "");

function newView(chatId, runId) {
  return {
    chatId,
    runId, // of another user's run: the view shows what it asks, and no chat
    title: "",
    note: "",
    turns: new Map(), // by run id
    pageCursors: [null],
    firstPage: null, // index of the earliest page that is read
    runs: [],
    runsCursor: null,
    latestRunId: null,
    watchedRunId: null,
    stoppingRunId: null,
    queue: [], // waiting messages: {run, prompt}
    changingRunId: null, // the waiting message that is being taken back or sent
    chosenRunId: null,
    unlistedRun: null, // {run, pastProgress} of a chosen run whose messages are not read
    isLoading: false,
    scrollsToEnd: false,
    abort: new AbortController(),
  };
}

/** The view of the chat on the page. Calls that a view began go on with that view, not with the one after it. */
export const currentView = () => current;
export const isCurrent = (view) => view === current;

/** Replaces the view and aborts the calls of the one before. */
export function openView(chatId, runId = "") {
  current.abort.abort();
  current = newView(chatId, runId);
  return current;
}

/**
 * The turn of a run: `{id, prompt, files, run, message, steps, answers, liveProgress, pastProgress, createdAt}`.
 * `liveProgress` grows while the run is watched, `pastProgress` holds the events of a run that had ended. `answers`
 * are those under way, by call id: `{isSending, error}`.
 */
export function turnOf(view, id, createdAt) {
  if (!view.turns.has(id)) {
    const unread = {
      prompt: null,
      files: [],
      run: null,
      message: null,
      steps: [],
      liveProgress: null,
      pastProgress: null,
    };
    view.turns.set(id, { id, createdAt, answers: new Map(), ...unread });
  }
  return view.turns.get(id);
}

export const turnsInOrder = (view) =>
  [...view.turns.values()].sort((a, b) => (a.createdAt < b.createdAt ? -1 : a.createdAt > b.createdAt ? 1 : 0));

/** Puts a stored message into its turn. The steps of a watched run come from its events instead. */
export function addMessage(view, message) {
  const turn = turnOf(view, message.run_id, message.created_at);
  if (message.role === "user") {
    turn.prompt = message.content;
    turn.files = message.parts.filter((part) => part.type === "file");
    return;
  }
  const isSame = turn.message?.updated_at === message.updated_at && turn.message?.status === message.status;
  turn.message = message;
  if (!isSame && !turn.liveProgress) turn.steps = stepsOfMessage(message);
}

/** Brings a turn up to its live progress. */
export function updateTurn(turn) {
  turn.run = runOf(turn.liveProgress);
  turn.steps = stepsOf(turn.liveProgress);
}

/** Puts a newer state of the run into its turn, which is watched. */
export function setRun(turn, run) {
  if (turn.run && isOver(turn.run)) return;
  turn.liveProgress.run = run;
  updateTurn(turn);
}

/** The watched run; null if no run is watched. */
export const watchedRun = (view) => (view.watchedRunId ? (view.turns.get(view.watchedRunId)?.run ?? null) : null);

/** The runs to list, newest first: a run that began after the list was read comes before it. */
export function listedRuns(view) {
  const listed = view.runs.map((run) => view.turns.get(run.id)?.run ?? run);
  const latest = view.turns.get(view.latestRunId)?.run;
  return latest && !listed.some((run) => run.id === latest.id) ? [latest, ...listed] : listed;
}
