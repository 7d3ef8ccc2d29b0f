// Watching a run: short requests, about one a second, each for what is new since the one before.
//
// Not an EventSource: the gateway hands out whole answers, so a stream would come in windows as well; a plain request
// carries the token in its header and tells a refused token from a lost connection. And none that waits at the server:
// each would hold a function all the time, and those who watch would take the place of those who work.

import * as api from "./api.js";
import * as bearer from "./bearer.js";

const LIVELY = 700;
const CALM = 1500;
const QUIET = 3000;
const QUIET_AFTER = 20;
const HIDDEN = 10_000;
const BACKOFF = [500, 1000, 2000, 4000, 8000, 15_000];

/** Whoever is pausing looks now. */
export const look = () => dispatchEvent(new Event("look"));

/** Sleeps, but no longer than until `look`, the device is online again, the page is seen, or `signal` is aborted. */
function pause(ms, signal) {
  return new Promise((go, fail) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      removeEventListener("look", done);
      document.removeEventListener("visibilitychange", done);
      signal.removeEventListener("abort", done);
      if (signal.aborted) fail(signal.reason);
      else go();
    };
    const timer = setTimeout(done, ms);
    addEventListener("online", done);
    addEventListener("look", done);
    document.addEventListener("visibilitychange", done);
    signal.addEventListener("abort", done);
  });
}

/** What `read()` answers, asked again until it does: after a pause, or with a new token. */
export async function patiently(read, link, signal) {
  for (let failures = 0; ; failures += 1) {
    try {
      const answer = await read();
      link("live");
      return answer;
    } catch (error) {
      if (signal.aborted || !(await mended(error, failures, link, signal))) throw error;
    }
  }
}

/** True once it makes sense to ask again after `error`, false if it never will. */
async function mended(error, failures, link, signal) {
  if (error.status === 401) {
    link("token");
    await bearer.fresh(signal);
  } else if (error.passes) {
    link(navigator.onLine ? "waiting" : "offline");
    await pause(BACKOFF[Math.min(failures, BACKOFF.length - 1)], signal);
  } else return false;
  return true;
}

/**
 * Tells `on.events(list)` all of the run from its first event to its last, in order, whatever happens on the way.
 * `on.again()` before the first list, and whenever it has to begin anew; `on.link(state)`: live | waiting | offline |
 * token. Returns after the last event. Throws what can't be mended by waiting, and when `signal` is aborted.
 */
export async function follow(run, on, signal) {
  let after = null;
  let failures = 0;
  let empty = 0;
  on.again();
  for (;;) {
    let answer;
    try {
      answer = await api.events(run, after, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      if (error.status === 422 && after !== null) {
        after = null;
        on.again();
      } else if (!(await mended(error, failures, on.link, signal))) throw error;
      failures += 1;
      continue;
    }
    failures = 0;
    on.link("live");
    if (answer === null) return;
    after = answer.cursor;
    if (answer.events.length) on.events(answer.events);
    if (answer.events.at(-1)?.type === "settled") return;
    empty = answer.events.length ? 0 : empty + 1;
    await pause(document.hidden ? HIDDEN : empty === 0 ? LIVELY : empty < QUIET_AFTER ? CALM : QUIET, signal);
  }
}

/** All events of a run there are by now, in one list. */
export async function history(run, signal) {
  const all = [];
  for (let after = null; ; ) {
    const answer = await api.events(run, after, signal);
    if (answer === null || !answer.events.length) return all;
    all.push(...answer.events);
    after = answer.cursor;
  }
}
