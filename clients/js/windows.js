// Reads a stream of UI message chunks window by window. A window is one response of server-sent events; the last event
// of each group carries a cursor as its id.

/** How a window ends. */
export const OVER = "over"; // the run has ended and its last chunk was sent
export const VOID = "void"; // the chunks since the last start-step are void
export const MORE = "more"; // the next window continues after the last cursor

/**
 * Reads one window. `take` receives chunks only after the cursor that follows them: a group that breaks off before its
 * cursor is sent again in the next window. Rejects if the connection breaks; chunks that `take` received stay valid.
 * `restartAt` receives the cursor from which the message is read again where a step of it is void.
 *
 * @param {Response} response
 * @param {{ take: (chunk: object) => void, at: (cursor: string) => void, restartAt: (cursor: string) => void }} reader
 * @returns {Promise<"over" | "void" | "more">}
 */
export async function readWindow(response, { take, at, restartAt }) {
  let group = [];
  let isVoid = false;
  let cursor;
  for await (const { id, data } of events(response.body)) {
    if (data === "[DONE]") return OVER;
    if (data) {
      const chunk = JSON.parse(data);
      if (chunk.type === "data-void") {
        isVoid = true;
        restartAt(chunk.data.restart);
      } else group.push(chunk);
    }
    if (id && id !== cursor) {
      cursor = id;
      for (const chunk of group) take(chunk);
      group = [];
      at(cursor);
    }
    if (isVoid) return VOID;
  }
  return MORE;
}

/** The server-sent events of a body, without comments. */
async function* events(body) {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += decoder.decode(value, { stream: true });
      const blocks = text.split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        const event = { id: undefined, data: "" };
        for (const line of block.split("\n")) {
          if (line.startsWith("id: ")) event.id = line.slice(4);
          else if (line.startsWith("data: ")) event.data += line.slice(6);
        }
        if (event.id || event.data) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
