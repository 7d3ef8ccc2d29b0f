// The page of docs/chat-page.md in which people approve, answer and lend their browser's tools. The compiler reads it.

import { useChat } from "@ai-sdk/react";
import {
  lastAssistantMessageIsCompleteWithApprovalResponses as allApproved,
  lastAssistantMessageIsCompleteWithToolCalls as allCalled,
  isToolUIPart,
  type UIMessage,
} from "ai";
import { useEffect, useState } from "react";
import { OutliveChatTransport } from "./outlive-chat/transport.js";

const transport = new OutliveChatTransport({ headers: { Authorization: "Bearer token" } });

// The rest is the page.
export function Chat({ id, stored }: { id: string; stored: UIMessage[] }) {
  const chat = useChat({
    id,
    messages: stored,
    transport,
    resume: true,
    // Once every call of the last step is answered, the answers are sent.
    sendAutomaticallyWhen: (last) => allApproved(last) || allCalled(last),
  });
  const { messages, status, error, sendMessage, setMessages, addToolOutput, addToolApprovalResponse } = chat;
  const ready = status === "ready";

  // A tool that runs in the browser: from the message and not in onToolCall, which is called again on every reload.
  const here = messages.at(-1)?.parts.find((part) => part.type === "tool-locate" && part.state === "input-available");
  const callId = ready && here && isToolUIPart(here) ? here.toolCallId : undefined;
  useEffect(() => {
    if (!callId) return;
    navigator.geolocation.getCurrentPosition(
      ({ coords: { latitude, longitude } }) =>
        addToolOutput({ tool: "locate", toolCallId: callId, output: { latitude, longitude } }),
      ({ message: errorText }) =>
        addToolOutput({ tool: "locate", toolCallId: callId, state: "output-error", errorText }),
    );
  }, [callId, addToolOutput]);

  const reload = async () => {
    chat.clearError();
    setMessages(await transport.messages(id));
    await chat.resumeStream();
  };
  const stop = async () => {
    await transport.stop(id);
    if (ready) setMessages(await transport.messages(id)); // the run waited, so no stream says that it has ended
  };

  return (
    <>
      {messages.flatMap((message) =>
        message.parts.map((part, index) => {
          const key = `${message.id} ${index}`;
          if (part.type === "text") return <p key={key}>{part.text}</p>;
          if (!isToolUIPart(part)) return null;
          if (part.state === "approval-requested" && ready) {
            const decide = (approved: boolean, reason?: string) =>
              addToolApprovalResponse({ id: part.approval.id, approved, reason });
            return (
              <div key={key}>
                {part.type.slice(5)} {JSON.stringify(part.input)}
                <button type="button" onClick={() => decide(true)}>
                  Approve
                </button>
                <button type="button" onClick={() => decide(false, "Not now.")}>
                  Deny
                </button>
              </div>
            );
          }
          if (part.type === "tool-ask_user" && part.state === "input-available" && ready) {
            const answer = (output: string) => addToolOutput({ tool: "ask_user", toolCallId: part.toolCallId, output });
            return <Ask key={key} question={(part.input as { question: string }).question} onAnswer={answer} />;
          }
          return <pre key={key}>{`${part.type.slice(5)}: ${part.state}`}</pre>;
        }),
      )}
      {error && (
        <p>
          {error.message}{" "}
          <button type="button" onClick={reload}>
            Show the chat as it stands
          </button>
        </p>
      )}
      <button type="button" onClick={stop}>
        Stop
      </button>
      <Ask question="Message" onAnswer={(text) => sendMessage({ text })} />
    </>
  );
}

function Ask({ question, onAnswer }: { question: string; onAnswer: (text: string) => void }) {
  const [text, setText] = useState("");
  return (
    <label>
      {question} <input value={text} onChange={(event) => setText(event.target.value)} />
      <button type="button" onClick={() => onAnswer(text)}>
        Send
      </button>
    </label>
  );
}
