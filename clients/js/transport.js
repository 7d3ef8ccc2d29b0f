import { OVER, VOID, readWindow } from "./windows.js";

const WAIT = 20; // seconds a window is held open while nothing happens
const PATIENCE = 60_000; // milliseconds of failing requests in a row until a stream breaks
const PAUSE = 300; // milliseconds before the second try; it doubles up to LONGEST
const LONGEST = 5_000;
const ACTIVE = ["pending", "running"];
const EMPTY_PAUSE = 500; // milliseconds between two windows if the first came at once and held nothing

/** What the API refused, by its code. */
export class OutliveError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.message ?? problem.title ?? `the API answered ${status}`);
    this.name = "OutliveError";
    this.status = status;
    this.code = problem.code;
    this.field = problem.field;
    this.activeRunId = problem.active_run_id;
  }
}

/**
 * Connects useChat to Outlive. One stream per answer, however many requests it takes: windows end, connections break
 * and tokens expire without the chat noticing. Hanging up detaches; only `stop` ends a run.
 */
export class OutliveChatTransport {
  /** A stream that is resumed begins with the start of its message. */
  resumeStreamIsReplay = true;

  #base;
  #streams;
  #headers;
  #fetch;
  #patience;
  #restarts = new Map(); // chat to the start of its message, for which somebody is to resume

  constructor({ baseUrl = "", streamUrl = baseUrl, headers, fetch, onRestart, patience = PATIENCE } = {}) {
    this.#base = baseUrl.replace(/\/$/, "");
    this.#streams = `${streamUrl.replace(/\/$/, "")}/api/chat`;
    this.#headers = headers;
    this.#fetch = fetch;
    this.onRestart = onRestart;
    this.#patience = patience;
  }

  async sendMessages({ chatId, messages, trigger, messageId, abortSignal, headers, body }) {
    this.#restarts.delete(chatId);
    // The rest of the chat is stored already, so the last message is all that is sent. Its id makes it safe to repeat.
    const asked = { ...body, id: chatId, messages: messages.slice(-1), trigger, messageId };
    const begin = (signal) =>
      this.#call(`${this.#streams}?wait=0`, {
        method: "POST",
        headers: { ...plain(headers), "content-type": "application/json" },
        body: JSON.stringify(asked),
        signal,
      });
    return this.#stream(chatId, begin, abortSignal, headers);
  }

  async reconnectToStream({ chatId, abortSignal, headers }) {
    // The run of which something was void may have ended by now: a cursor reads on in it, a chat has none active then.
    const beginning = this.#restarts.get(chatId);
    this.#restarts.delete(chatId);
    const begin = (signal) => this.#window(chatId, beginning?.cursor, 0, signal, headers);
    try {
      return await this.#stream(chatId, begin, abortSignal, headers, beginning);
    } catch (error) {
      if (beginning) this.#restarts.set(chatId, beginning);
      throw error;
    }
  }

  /** Ends the run that is active in the chat now, however often that has to be asked. Returns `{ stopped, run }`. */
  async stop(chatId) {
    // By its id: a stop of the chat that is asked again after a lost answer could hit the next run.
    const found = await this.#call(`${this.#base}/chats/${encodeURIComponent(chatId)}/run`, {});
    const { run } = await found.json();
    if (!run || !ACTIVE.includes(run.status)) return { stopped: false, run: null };
    const answer = await this.#call(`${this.#base}/runs/${encodeURIComponent(run.id)}/stop`, { method: "POST" });
    return answer.json();
  }

  /** The chat's messages as they are stored, for `useChat({ messages })`. */
  async messages(chatId) {
    const found = [];
    for (let cursor = ""; cursor !== null; ) {
      const query = cursor && `?cursor=${encodeURIComponent(cursor)}`;
      const answer = await this.#call(`${this.#base}/chats/${encodeURIComponent(chatId)}/messages${query}`, {});
      const page = await answer.json();
      for (const { id, role, parts, metadata } of page.messages) found.push({ id, role, parts, metadata });
      cursor = page.cursor;
    }
    return found;
  }

  #window(chatId, cursor, wait, signal, headers) {
    const after = cursor === undefined ? "" : `&after=${encodeURIComponent(cursor)}`;
    const url = `${this.#streams}/${encodeURIComponent(chatId)}/stream?wait=${wait}${after}`;
    return this.#call(url, { headers: plain(headers), signal });
  }

  /** The first answer decides whether there is a stream at all: null if nothing is active. */
  async #stream(chatId, begin, abortSignal, headers, beginning = {}) {
    const hangUp = new AbortController();
    const signal = abortSignal ? AbortSignal.any([abortSignal, hangUp.signal]) : hangUp.signal;
    const first = await begin(signal);
    if (first.status === 204) return null;
    checkStream(first);
    return new ReadableStream({
      start: (controller) => void this.#follow(chatId, first, begin, controller, signal, headers, beginning),
      cancel: () => hangUp.abort(),
    });
  }

  async #follow(chatId, first, begin, controller, signal, headers, beginning) {
    let response = first;
    let { start, cursor } = beginning; // the chunk every message begins with, and the cursor behind it
    let behindStart = cursor;
    let swallow = false; // the step that begins anew has its start-step already
    let failing = 0; // since when, in a row
    const take = (chunk) => {
      if (chunk.type === "start") start = chunk;
      if (swallow && chunk.type === "start-step") swallow = false;
      else controller.enqueue(chunk);
    };
    const at = (now) => {
      cursor = now;
      if (start) behindStart ??= now;
      failing = 0;
    };
    try {
      if (start) controller.enqueue(start);
      for (;;) {
        const [asked, since] = [cursor, Date.now()];
        try {
          const end = response.status === 204 ? OVER : await readWindow(response, { take, at });
          if (end === OVER) return controller.close();
          if (end === VOID && this.onRestart) {
            this.#restarts.set(chatId, { start, cursor: behindStart });
            controller.close();
            if (!signal.aborted) setTimeout(() => this.onRestart({ chatId }), 0);
            return;
          }
          if (end === VOID) {
            controller.enqueue({ type: "reset-step" });
            swallow = true;
          } else if (cursor === asked && Date.now() - since < EMPTY_PAUSE) {
            await pause(EMPTY_PAUSE, signal);
          }
        } catch (error) {
          // It broke off in the middle: what was taken counts, and the next window goes on behind it.
          if (signal.aborted || error instanceof SyntaxError) throw error;
          failing ||= Date.now();
          if (Date.now() - failing > this.#patience) throw error;
          await pause(PAUSE, signal);
        }
        response = cursor === undefined ? await begin(signal) : await this.#window(chatId, cursor, WAIT, signal, headers);
        if (response.status !== 204) checkStream(response);
      }
    } catch (error) {
      try {
        if (signal.aborted) controller.close();
        else controller.error(error);
      } catch {
        // The chat has let go of the stream already.
      }
    }
  }

  /** One request, again while the network or the store fails, and once with fresh headers if the token was refused. */
  async #call(url, { headers, ...init }) {
    const until = Date.now() + this.#patience;
    let refused = false;
    for (let wait = PAUSE; ; wait = Math.min(2 * wait, LONGEST)) {
      const given = typeof this.#headers === "function" ? await this.#headers() : this.#headers;
      let trouble;
      try {
        const answer = await (this.#fetch ?? globalThis.fetch)(url, {
          ...init,
          headers: { ...plain(given), ...headers },
        });
        if (answer.ok) return answer;
        trouble = new OutliveError(answer.status, await problemOf(answer));
      } catch (error) {
        if (init.signal?.aborted) throw error;
        trouble = error;
      }
      if (trouble.status === 401 && !refused) {
        refused = true;
        continue;
      }
      if (!worthAnotherTry(trouble) || Date.now() + wait > until) throw trouble;
      await pause(wait, init.signal);
    }
  }
}

function worthAnotherTry(trouble) {
  if (!(trouble instanceof OutliveError)) return true;
  return trouble.status === 429 || (trouble.status >= 500 && trouble.code !== "model_not_configured");
}

/** Whatever else answers 200, such as a page of another server, would be asked for ever. */
function checkStream(answer) {
  if ((answer.headers.get("content-type") ?? "").startsWith("text/event-stream")) return;
  throw new OutliveError(answer.status, { detail: "what answered is no stream; is baseUrl the API's?" });
}

async function problemOf(answer) {
  try {
    return await answer.json();
  } catch {
    return {};
  }
}

function plain(headers) {
  return headers ? Object.fromEntries(new Headers(headers)) : {};
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const over = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", over);
      resolve();
    }, milliseconds);
    if (signal?.aborted) over();
    else signal?.addEventListener("abort", over, { once: true });
  });
}
