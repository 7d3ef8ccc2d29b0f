import type { ChatTransport, FileUIPart, UIMessage } from "ai";

/**
 * A message of an agent with an output type: its last part is `data-output`, and `data` is the output.
 * `useChat<OutliveMessage<Booking>>(…)` gives the part its type.
 */
export type OutliveMessage<OUTPUT = unknown> = UIMessage<unknown, { output: OUTPUT }>;

export interface OutliveChatTransportOptions {
  /** The API's address: the stack's output ApiUrl. Default: the page's own origin. */
  baseUrl?: string;
  /** The address of the streaming function, if it is deployed: the stack's output StreamUrl. Default: baseUrl. */
  streamUrl?: string;
  /** Sent with every request. A function is called for each request, so it can replace an expired token. */
  headers?: HeadersInit | (() => HeadersInit | PromiseLike<HeadersInit>);
  /** Replaces the global fetch. */
  fetch?: typeof globalThis.fetch;
  /**
   * Called when a step of which text was shown begins again because its worker died. The stream is closed by then;
   * resume it to show the message as it stands. Needed with ai 6; ai 7 resets the step within the stream.
   */
  onRestart?: (chat: { chatId: string }) => void;
  /** Milliseconds for which requests may fail in a row before the stream fails. Default: 60,000. */
  patience?: number;
}

/** A request that the API refused. */
export declare class OutliveError extends Error {
  readonly status: number;
  readonly code: string | undefined;
  readonly field: string | undefined;
  readonly activeRunId: string | undefined;
  /** Who answered the call before, and otherwise: with the code `answered_otherwise`. */
  readonly answeredBy: string | undefined;
}

/**
 * Connects useChat to Outlive: one stream per answer, which ends with the run or when the run waits for answers.
 *
 * To answer, call `addToolApprovalResponse({ id: part.approval.id, approved, reason })` for a part in the state
 * `approval-requested`, and `addToolOutput({ tool, toolCallId, output })` for a question or a tool of the client. With
 * `sendAutomaticallyWhen` (`lastAssistantMessageIsCompleteWithApprovalResponses`,
 * `lastAssistantMessageIsCompleteWithToolCalls`) the answers are sent once the last one is given.
 */
export declare class OutliveChatTransport<UI_MESSAGE extends UIMessage = UIMessage>
  implements ChatTransport<UI_MESSAGE>
{
  constructor(options?: OutliveChatTransportOptions);
  readonly resumeStreamIsReplay: true;
  onRestart: OutliveChatTransportOptions["onRestart"];
  sendMessages: ChatTransport<UI_MESSAGE>["sendMessages"];
  reconnectToStream: ChatTransport<UI_MESSAGE>["reconnectToStream"];
  /**
   * Sends a message while an answer streams: it waits (`enqueue`), comes after the step under way (`steer`), or takes the
   * place of the run `runId` at once (`supersede`). When the stream has ended, read the messages again and resume.
   */
  send(
    chatId: string,
    text: string,
    options?: {
      onBusy?: "reject" | "enqueue" | "steer" | "supersede";
      runId?: string;
      /** Makes the request idempotent. Default: a new id. */
      id?: string;
      /** More fields of a start, such as `files` (ids), `agent`, `budget` or `metadata`. */
      body?: Record<string, unknown>;
    },
  ): Promise<{ id: string; status: string }>;
  /** The messages that wait for the active run, the next one first. */
  queue(chatId: string): Promise<{ run: { id: string; status: string }; prompt: string; files: FileUIPart[] }[]>;
  /** Takes a waiting message back, or stops a run. */
  stopRun(runId: string): Promise<{ stopped: boolean; run: { id: string; status: string } | null }>;
  /** Stops the chat's active run; `stopped` is false if no run is active. useChat's own `stop` only closes the stream. */
  stop(chatId: string): Promise<{ stopped: boolean; run: { id: string; status: string } | null }>;
  /**
   * Stores a file of the chat; its part goes with `sendMessage({ text, files: [part] })`. Files that are given to
   * `sendMessage` as they are (a `FileList`, or parts with a `data:` or `blob:` address) are stored before they are sent.
   */
  upload(chatId: string, file: File, options?: { signal?: AbortSignal }): Promise<FileUIPart>;
  /** Where a browser finds a file's content now, for `<img src>`: for five minutes, and without a token. */
  fileUrl(part: { url: string }): Promise<string>;
  /** The chat's stored messages, for `useChat({ messages })`. */
  messages(chatId: string): Promise<UI_MESSAGE[]>;
}
