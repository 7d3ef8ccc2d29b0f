// Repeats reads until they succeed, and follows a run with short requests, about one a second.
//
// It is no EventSource: the gateway sends whole answers, so a stream would arrive in windows as well. A plain request
// carries the token in its header, and its status tells a refused token from a lost connection. No request waits at the
// server: each would occupy a function all the time, and readers would take concurrency from the steps.

import * as api from "./api.js";
import * as token from "./token.js";

const PAUSE_AFTER_EVENTS_MS = 700;
const PAUSE_MS = 1500;
const QUIET_PAUSE_MS = 3000;
const QUIET_AFTER_EMPTY_ANSWERS = 20;
const HIDDEN_PAUSE_MS = 10_000;
/** A run can wait for a person for days, and each request costs. */
const WAITING_PAUSE_MS = 10_000;
const BACKOFF_MS = [500, 1000, 2000, 4000, 8000, 15_000];

/** Ends every pause now. */
export const wake = () => dispatchEvent(new Event("wake"));

/** Waits `ms`, or until `wake`, the device goes online or the page is shown or hidden. Rejects when `signal` aborts. */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const finish = () => {
      clearTimeout(timer);
      removeEventListener("online", finish);
      removeEventListener("wake", finish);
      document.removeEventListener("visibilitychange", finish);
      signal.removeEventListener("abort", finish);
      if (signal.aborted) reject(signal.reason);
      else resolve();
    };
    const timer = setTimeout(finish, ms);
    addEventListener("online", finish);
    addEventListener("wake", finish);
    document.addEventListener("visibilitychange", finish);
    signal.addEventListener("abort", finish);
  });
}

/**
 * Waits until a call that failed with `error` may succeed. Returns false at once if it never will. `onLink` receives
 * why the call waits: waiting | offline | token.
 */
export async function waitToRetry(error, failures, onLink, signal) {
  if (error.status === 401) {
    onLink("token");
    await token.whenUsable(signal);
  } else if (error.isTransient) {
    onLink(navigator.onLine ? "waiting" : "offline");
    await pause(BACKOFF_MS[Math.min(failures, BACKOFF_MS.length - 1)], signal);
  } else return false;
  return true;
}

/** The answer of `call()`, repeated until it succeeds. Throws what no repetition can help. */
export async function retry(call, onLink, signal) {
  for (let failures = 0; ; failures += 1) {
    try {
      const answer = await call();
      onLink("live");
      return answer;
    } catch (error) {
      if (signal.aborted || !(await waitToRetry(error, failures, onLink, signal))) throw error;
    }
  }
}

/**
 * Passes every event of the run, in order, to `onEvents(events)`, and the run to `onRun(run)` as long as it waits for
 * answers: no event tells which of its calls are still open. Calls `onRestart()` before the first event, and again
 * whenever it has to begin anew; `onLink(state)` receives live | waiting | offline | token. Returns after the last
 * event. Throws what no repetition can help, and when `signal` aborts.
 */
export async function follow(runId, { onRestart, onEvents, onRun, onLink }, signal) {
  let cursor = null;
  let run = null;
  let failures = 0;
  let emptyAnswers = 0;
  onRestart();
  for (;;) {
    let answer;
    try {
      answer = await api.events(runId, cursor, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      if (error.status === 422 && cursor !== null) {
        cursor = null;
        onRestart();
      } else if (!(await waitToRetry(error, failures, onLink, signal))) throw error;
      failures += 1;
      continue;
    }
    failures = 0;
    onLink("live");
    if (answer === null) return;
    cursor = answer.cursor;
    if (answer.events.length) onEvents(answer.events);
    if (answer.events.at(-1)?.type === "settled") return;
    run = answer.events.findLast(({ type }) => type === "run")?.run ?? run;
    if (!answer.events.length && run?.status === "waiting") {
      run = await waited(run, onRun, onLink, signal);
      continue;
    }
    emptyAnswers = answer.events.length ? 0 : emptyAnswers + 1;
    await pause(document.hidden ? HIDDEN_PAUSE_MS : visiblePause(emptyAnswers), signal);
  }
}

/** The run as soon as it no longer waits, or waits for something else. */
export async function waited(waiting, onRun, onLink, signal) {
  for (let run = waiting; ; ) {
    if (run.status !== "waiting" || run.asked.step !== waiting.asked.step) return run;
    await pause(WAITING_PAUSE_MS, signal);
    ({ run } = await retry(() => api.run(waiting.id, signal), onLink, signal));
    onRun(run);
  }
}

function visiblePause(emptyAnswers) {
  if (emptyAnswers === 0) return PAUSE_AFTER_EVENTS_MS;
  return emptyAnswers < QUIET_AFTER_EMPTY_ANSWERS ? PAUSE_MS : QUIET_PAUSE_MS;
}

/** All events the run has so far, in one list. */
export async function allEvents(runId, signal) {
  const all = [];
  for (let cursor = null; ; ) {
    const answer = await api.events(runId, cursor, signal);
    if (answer === null || !answer.events.length) return all;
    all.push(...answer.events);
    cursor = answer.cursor;
  }
}
