import type { ChatTransport, UIMessage } from "ai";

export interface OutliveChatTransportOptions {
  /** Where the API is: the stack's output ApiUrl. Default: the page's own origin. */
  baseUrl?: string;
  /** Where streams come from, if it is another place: the stack's output StreamUrl. Default: baseUrl. */
  streamUrl?: string;
  /** Sent with every request. A function is asked each time, so that an expired token can be replaced. */
  headers?: HeadersInit | (() => HeadersInit | PromiseLike<HeadersInit>);
  fetch?: typeof globalThis.fetch;
  /**
   * Called when a step begins again of which text was shown, because its worker died. The stream has been closed then,
   * and resuming it shows the message as it stands. Needed with ai 6; ai 7 voids such a step by itself.
   */
  onRestart?: (chat: { chatId: string }) => void;
  /** Milliseconds for which requests may fail in a row. Default: 60,000. */
  patience?: number;
}

/** What the API refused. */
export declare class OutliveError extends Error {
  readonly status: number;
  readonly code: string | undefined;
  readonly field: string | undefined;
  readonly activeRunId: string | undefined;
}

export declare class OutliveChatTransport<UI_MESSAGE extends UIMessage = UIMessage>
  implements ChatTransport<UI_MESSAGE>
{
  constructor(options?: OutliveChatTransportOptions);
  readonly resumeStreamIsReplay: true;
  onRestart: OutliveChatTransportOptions["onRestart"];
  sendMessages: ChatTransport<UI_MESSAGE>["sendMessages"];
  reconnectToStream: ChatTransport<UI_MESSAGE>["reconnectToStream"];
  /** Ends the chat's active run; `stopped` is false if there was none. useChat's own `stop` only hangs up. */
  stop(chatId: string): Promise<{ stopped: boolean; run: { id: string; status: string } | null }>;
  /** The chat's messages as they are stored, for `useChat({ messages })`. */
  messages(chatId: string): Promise<UI_MESSAGE[]>;
}
