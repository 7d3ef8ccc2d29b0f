// What a page in TypeScript writes. Nobody runs it: the compiler reads it, and what is marked must not fit.

import { useChat } from "@ai-sdk/react";
import type { ChatTransport, UIMessage } from "ai";
import { OutliveChatTransport, OutliveError, type OutliveMessage } from "./outlive-chat/transport.js";

type Message = UIMessage<{ error: null | { code: string; message: string }; usage: { requests: number } }>;

const transport = new OutliveChatTransport<Message>({
  baseUrl: "https://api.example",
  headers: async () => ({ Authorization: "Bearer token" }),
  onRestart: ({ chatId }) => console.log(chatId.length),
  patience: 30_000,
});
const plain: ChatTransport<UIMessage> = new OutliveChatTransport();
const typed = new OutliveChatTransport<OutliveMessage<{ name: string }>>();

export async function Page({ id }: { id: string }) {
  const stored: Message[] = await transport.messages(id);
  const { messages, sendMessage, error } = useChat({ id, messages: stored, transport, resume: true });
  if (error instanceof OutliveError)
    console.log(error.activeRunId?.length, error.status.toFixed(), error.answeredBy?.length);
  const { stopped, run } = await transport.stop(id);
  console.log(stopped && run?.status.length, messages.at(-1)?.metadata?.usage.requests, plain);
  await sendMessage({ text: "hello" });

  const [answer] = await typed.messages(id);
  const output = answer?.parts.find((part) => part.type === "data-output")?.data;
  console.log(output?.name.length);
  // @ts-expect-error  # the output has another type
  console.log(output?.people);

  // @ts-expect-error  # no such option
  new OutliveChatTransport({ url: "https://api.example" });
  // @ts-expect-error  # a chat has an id
  await transport.stop();
  // @ts-expect-error  # the messages are those of this page
  const other: UIMessage<{ mood: string }>[] = await transport.messages(id);
  return other;
}
