// Watching a run: one request after the other, each waiting at the server for something new.
//
// Not an EventSource: the gateway hands out whole answers, so a stream would come in the same windows; a plain request
// carries the token in its header, tells a refused token from a lost connection, and can be given up at once.

import * as api from "./api.js";
import * as bearer from "./bearer.js";

const WAIT = 20;
const HIDDEN_EVERY = 10_000;
const EMPTY_EVERY = 1000;
const BACKOFF = [500, 1000, 2000, 4000, 8000, 15_000];

/** Sleeps, but no longer than until the device is online again, the page is looked at, or `signal` is aborted. */
export function pause(ms, signal) {
  return new Promise((go, fail) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      document.removeEventListener("visibilitychange", done);
      signal.removeEventListener("abort", done);
      if (signal.aborted) fail(signal.reason);
      else go();
    };
    const timer = setTimeout(done, ms);
    addEventListener("online", done);
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
  on.again();
  for (;;) {
    const wait = document.hidden || after === null ? 0 : WAIT;
    const asked = performance.now();
    let answer;
    try {
      answer = await api.events(run, after, wait, signal);
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
    if (document.hidden) await pause(HIDDEN_EVERY, signal);
    else if (wait && !answer.events.length) await pause(Math.max(0, EMPTY_EVERY - (performance.now() - asked)), signal);
  }
}

/** All events of a run there are by now, in one list. */
export async function history(run, signal) {
  const all = [];
  for (let after = null; ; ) {
    const answer = await api.events(run, after, 0, signal);
    if (answer === null || !answer.events.length) return all;
    all.push(...answer.events);
    after = answer.cursor;
  }
}
