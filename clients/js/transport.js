import { contentOf, isStored, withFiles } from "./files.js";
import { checkStream, isTransient, OutliveError, pause, plain, problemOf } from "./requests.js";
import { MORE, OVER, readWindow, VOID } from "./windows.js";

export { OutliveError };

const WAIT_S = 20; // how long the server holds a window open without a new event
const DEFAULT_PATIENCE_MS = 60_000;
const FIRST_BACKOFF_MS = 300; // doubles up to MAX_BACKOFF_MS
const MAX_BACKOFF_MS = 5_000;
const EMPTY_WINDOW_PAUSE_MS = 500; // before the next window, if a window was empty and ended sooner than this
const ACTIVE_STATUSES = ["pending", "running", "waiting"];

/**
 * Connects useChat to Outlive. The chat sees one stream per answer, however many requests it takes: windows end,
 * connections break and tokens expire meanwhile. Closing the stream leaves the run alone; only `stop` ends it.
 */
export class OutliveChatTransport {
  /** A resumed stream begins with the start of its message. */
  resumeStreamIsReplay = true;

  #base;
  #streams;
  #headers;
  #fetch;
  #patience;
  #restarts = new Map(); // by chat: where its message begins, until the page resumes the stream
  #uploads = new Map(); // by chat: the last message with files, `{id, parts}`; its parts as they are stored, by index

  constructor({ baseUrl = "", streamUrl = baseUrl, headers, fetch, onRestart, patience = DEFAULT_PATIENCE_MS } = {}) {
    this.#base = baseUrl.replace(/\/$/, "");
    this.#streams = `${streamUrl.replace(/\/$/, "")}/api/chat`;
    this.#headers = headers;
    this.#fetch = fetch;
    this.onRestart = onRestart;
    this.#patience = patience;
  }

  async sendMessages({ chatId, messages, trigger, messageId, abortSignal, headers, body }) {
    this.#restarts.delete(chatId);
    // The rest of the chat is stored, so only the last message is sent. Its id makes the request idempotent.
    const last = messages.at(-1);
    const sent = await withFiles(last, (part, index) => this.#stored(chatId, last.id, part, index, abortSignal));
    const request = { ...body, id: chatId, messages: [sent], trigger, messageId };
    const begin = (signal) =>
      this.#call(`${this.#streams}?wait=0`, {
        method: "POST",
        headers: { ...plain(headers), "content-type": "application/json" },
        body: JSON.stringify(request),
        signal,
      });
    return this.#stream({ chatId, begin, headers, restart: {} }, abortSignal);
  }

  async reconnectToStream({ chatId, abortSignal, headers }) {
    // A run with a void step may have ended by now. Its cursor still finds it; the chat has no active run then.
    const restart = this.#restarts.get(chatId);
    this.#restarts.delete(chatId);
    const begin = (signal) => this.#window(chatId, restart?.cursor, 0, signal, headers);
    try {
      return await this.#stream({ chatId, begin, headers, restart: restart ?? {} }, abortSignal);
    } catch (error) {
      if (restart) this.#restarts.set(chatId, restart);
      throw error;
    }
  }

  /**
   * Sends a message while an answer streams, which `sendMessage` of useChat must not. Returns the run, which is `queued`
   * unless the chat was idle. `id` makes the request idempotent.
   */
  async send(chatId, text, { onBusy = "enqueue", runId, id = crypto.randomUUID(), body } = {}) {
    const answer = await this.#call(`${this.#base}/chats/${encodeURIComponent(chatId)}/runs`, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": id },
      body: JSON.stringify({ ...body, prompt: text, on_busy: onBusy, run_id: runId }),
    });
    return (await answer.json()).run;
  }

  /** The messages that wait for the active run, `{ run, prompt, files }` each, the next one first. */
  async queue(chatId) {
    return (await (await this.#call(`${this.#base}/chats/${encodeURIComponent(chatId)}/queue`, {})).json()).queue;
  }

  /** Takes a waiting message back, or stops a run. Returns `{ stopped, run }`. */
  async stopRun(runId) {
    return (await this.#call(`${this.#base}/runs/${encodeURIComponent(runId)}/stop`, { method: "POST" })).json();
  }

  /** Stops the chat's active run, and repeats the request until it is answered. Returns `{ stopped, run }`. */
  async stop(chatId) {
    // Stops the run by its id: a repeated stop by chat could stop the next run.
    const latest = await this.#call(`${this.#base}/chats/${encodeURIComponent(chatId)}/run`, {});
    const { run } = await latest.json();
    if (!run || !ACTIVE_STATUSES.includes(run.status)) return { stopped: false, run: null };
    return this.stopRun(run.id);
  }

  /** The chat's stored messages, for `useChat({ messages })`. */
  async messages(chatId) {
    const all = [];
    for (let cursor = ""; cursor !== null; ) {
      const query = cursor && `?cursor=${encodeURIComponent(cursor)}`;
      const answer = await this.#call(`${this.#base}/chats/${encodeURIComponent(chatId)}/messages${query}`, {});
      const page = await answer.json();
      for (const { id, role, parts, metadata } of page.messages) all.push({ id, role, parts, metadata });
      cursor = page.cursor;
    }
    return all;
  }

  /** Stores a file of the chat. Returns its part, for `sendMessage({ text, files: [part] })`. */
  async upload(chatId, file, { signal } = {}) {
    const body = JSON.stringify({ name: file.name || "file", media_type: file.type, size: file.size });
    const url = `${this.#base}/chats/${encodeURIComponent(chatId)}/files`;
    const headers = { "content-type": "application/json" };
    const made = await (await this.#call(url, { method: "POST", headers, body, signal })).json();
    try {
      const { url: address, headers: signed } = made.upload;
      await this.#call(address, { method: "PUT", headers: signed, body: file, signal }, { isOwn: false });
    } catch (error) {
      // A request before, whose answer was lost, has stored it.
      if (error.status !== 412) throw error;
    }
    return { type: "file", mediaType: made.file.media_type, filename: made.file.name, url: made.file.url };
  }

  /** Where a browser finds the content of a file part now: for five minutes, and without a token. */
  async fileUrl({ url }) {
    if (!isStored(url)) return url;
    const answer = await this.#call(`${this.#base}${url}`, { headers: { accept: "application/json" } });
    return (await answer.json()).download.url;
  }

  /** The part of the file as it is stored. It is uploaded once, so that a message that is sent again is the same one. */
  async #stored(chatId, id, part, index, signal) {
    if (this.#uploads.get(chatId)?.id !== id) this.#uploads.set(chatId, { id, parts: new Map() });
    const { parts } = this.#uploads.get(chatId);
    if (!parts.has(index)) {
      const content = await contentOf(part, signal);
      const file = new File([content], part.filename || "file", { type: content.type });
      parts.set(index, await this.upload(chatId, file, { signal }));
    }
    return parts.get(index);
  }

  #window(chatId, cursor, wait, signal, headers) {
    const after = cursor === undefined ? "" : `&after=${encodeURIComponent(cursor)}`;
    const url = `${this.#streams}/${encodeURIComponent(chatId)}/stream?wait=${wait}${after}`;
    return this.#call(url, { headers: plain(headers), signal });
  }

  /** The stream of an answer, or null if the first response says that no run is active. */
  async #stream(answer, abortSignal) {
    const hangUp = new AbortController();
    const signal = abortSignal ? AbortSignal.any([abortSignal, hangUp.signal]) : hangUp.signal;
    const first = await answer.begin(signal);
    if (first.status === 204) return null;
    checkStream(first);
    return new ReadableStream({
      start: (controller) => void this.#follow(answer, first, controller, signal),
      cancel: () => hangUp.abort(),
    });
  }

  /** Passes window after window to the chat, until the run ends, `signal` aborts or requests fail for too long. */
  async #follow(answer, first, controller, signal) {
    const reader = new ChunkReader(controller, answer.restart);
    try {
      let response = first;
      for (;;) {
        const end = await this.#read(response, reader, signal);
        if (end === OVER) break;
        if (end === VOID && this.onRestart) {
          this.#requestRestart(answer.chatId, reader, signal);
          break;
        }
        if (end === VOID) reader.resetStep();
        response = await this.#next(answer, reader.cursor, signal);
      }
      controller.close();
    } catch (error) {
      try {
        if (signal.aborted) controller.close();
        else controller.error(error);
      } catch {
        // The chat has already cancelled the stream.
      }
    }
  }

  /** Reads a window and returns how it ends. If the connection breaks, the next window continues after a pause. */
  async #read(response, reader, signal) {
    if (response.status === 204) return OVER;
    const [cursorBefore, startedAt] = [reader.cursor, Date.now()];
    try {
      const end = await readWindow(response, reader);
      const isEmpty = end === MORE && reader.cursor === cursorBefore;
      if (isEmpty && Date.now() - startedAt < EMPTY_WINDOW_PAUSE_MS) await pause(EMPTY_WINDOW_PAUSE_MS, signal);
      return end;
    } catch (error) {
      if (signal.aborted || error instanceof SyntaxError) throw error;
      reader.failingSince ||= Date.now();
      if (Date.now() - reader.failingSince > this.#patience) throw error;
      await pause(FIRST_BACKOFF_MS, signal);
      return MORE;
    }
  }

  async #next({ chatId, begin, headers }, cursor, signal) {
    // Without a cursor nothing was shown yet: the request that began the answer is repeated.
    const response =
      cursor === undefined ? await begin(signal) : await this.#window(chatId, cursor, WAIT_S, signal, headers);
    if (response.status !== 204) checkStream(response);
    return response;
  }

  /** Keeps where the message begins, and asks the page to resume the stream from there. */
  #requestRestart(chatId, { start, restart }, signal) {
    this.#restarts.set(chatId, { start, cursor: restart });
    // Later: the chat must see the end of this stream first.
    if (!signal.aborted) setTimeout(() => this.onRestart({ chatId }), 0);
  }

  /** Sends a request; repeats it while the network or the store fails, and once with new headers after a 401. */
  async #call(url, { headers, ...init }, { isOwn = true } = {}) {
    const deadline = Date.now() + this.#patience;
    let isRefused = false;
    for (let backoff = FIRST_BACKOFF_MS; ; backoff = Math.min(2 * backoff, MAX_BACKOFF_MS)) {
      const given = isOwn ? this.#headers : {};
      const ownHeaders = typeof given === "function" ? await given() : given;
      let failure;
      try {
        const response = await (this.#fetch ?? globalThis.fetch)(url, {
          ...init,
          headers: { ...plain(ownHeaders), ...headers },
        });
        if (response.ok) return response;
        failure = new OutliveError(response.status, await problemOf(response));
      } catch (error) {
        if (init.signal?.aborted) throw error;
        failure = error;
      }
      if (failure.status === 401 && !isRefused) {
        isRefused = true;
        continue;
      }
      if (!isTransient(failure) || Date.now() + backoff > deadline) throw failure;
      await pause(backoff, init.signal);
    }
  }
}

/** Passes the chunks of an answer's windows to the chat, and keeps the cursor after which the next window continues. */
class ChunkReader {
  failingSince = 0; // when the connection broke, unless a cursor arrived since
  #controller;
  #skipsStartStep = false;

  constructor(controller, { start, cursor }) {
    this.#controller = controller;
    this.start = start; // the chunk that begins the message
    this.cursor = cursor;
    if (start) controller.enqueue(start);
  }

  take = (chunk) => {
    if (chunk.type === "start") this.start = chunk;
    if (this.#skipsStartStep && chunk.type === "start-step") this.#skipsStartStep = false;
    else this.#controller.enqueue(chunk);
  };

  at = (cursor) => {
    this.cursor = cursor;
    this.failingSince = 0;
  };

  restartAt = (cursor) => {
    this.restart = cursor; // behind the message's start
  };

  /** Voids the chunks of the current step. The chat keeps the step itself, so its next start-step is left out. */
  resetStep() {
    this.#controller.enqueue({ type: "reset-step" });
    this.#skipsStartStep = true;
  }
}
