// A browser tab: a React page that does nothing but useChat, and remembers everything it was ever shown.

import { JSDOM } from "jsdom";

const dom = new JSDOM("<!doctype html><body></body>", { url: "http://127.0.0.1/" });
globalThis.window = dom.window;
globalThis.document = dom.window.document;
globalThis.navigator ??= dom.window.navigator; // node has had one of its own since 21

const React = await import("react");
const { createRoot } = await import("react-dom/client");
const { useChat } = await import("@ai-sdk/react");

export class Tab {
  /** Every list of messages the page was shown, the oldest first. */
  shown = [];
  errors = [];
  finished = [];
  /** How many streams were requested, and how many requests are under way. */
  streams = 0;
  requests = 0;
  /** Types of all chunks that came out of the transport. */
  chunks = [];

  constructor(options, transport) {
    const page = document.body.appendChild(document.createElement("div"));
    this.root = createRoot(page);
    const Page = () => {
      this.chat = useChat({
        ...options,
        transport: this.recorded(transport),
        onError: (error) => this.errors.push(error),
        onFinish: (end) => this.finished.push(end),
      });
      this.shown.push(this.chat.messages);
      return null;
    };
    this.root.render(React.createElement(Page));
  }

  recorded(transport) {
    const record = (stream) =>
      stream?.pipeThrough(
        new TransformStream({
          transform: (chunk, controller) => {
            this.chunks.push(chunk.type);
            controller.enqueue(chunk);
          },
        }),
      );
    return {
      resumeStreamIsReplay: transport.resumeStreamIsReplay,
      sendMessages: async (options) => {
        this.streams += 1; // useChat calls onFinish whether or not the request succeeds
        return record(await transport.sendMessages(options));
      },
      reconnectToStream: async (options) => {
        this.requests += 1;
        try {
          const stream = await transport.reconnectToStream(options);
          if (stream) this.streams += 1;
          return record(stream);
        } finally {
          this.requests -= 1;
        }
      },
    };
  }

  get messages() {
    return this.chat?.messages ?? [];
  }

  get answer() {
    return this.messages.at(-1)?.role === "assistant" ? this.messages.at(-1) : undefined;
  }

  get text() {
    return (this.answer?.parts ?? []).map((part) => part.text ?? "").join("");
  }

  /** No request or stream is under way. The page may show the result a moment later. */
  get settled() {
    const { streams, finished, chat } = this;
    return chat && !this.requests && streams === finished.length && ["ready", "error"].includes(chat.status);
  }

  get status() {
    return this.chat?.status;
  }

  close() {
    this.root.unmount();
  }
}

/** Until `check` does not throw; fails as it does in the end. */
export async function eventually(check, seconds = 120) {
  let failure;
  await until(
    "",
    () => {
      try {
        check();
        return true;
      } catch (error) {
        failure = error;
        return false;
      }
    },
    seconds,
  ).catch(() => {
    throw failure;
  });
}

export async function until(what, is, seconds = 180) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const seen = await is();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`waited ${seconds} seconds in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
