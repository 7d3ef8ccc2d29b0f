// A stream of UI message chunks comes in windows: server-sent events, the last of each group with a cursor as its id.

/** What a window ended with. */
export const OVER = "over"; // the run has ended, and all of it was told
export const VOID = "void"; // what was shown since the last start-step is void
export const MORE = "more"; // ask again, with the last cursor

/**
 * Reads one window. Chunks are handed to `take` only once the cursor behind them has come too: whoever was cut off in
 * between is told them again. Rejects if the connection breaks; everything handed over until then counts.
 *
 * @param {Response} response
 * @param {{ take: (chunk: object) => void, at: (cursor: string) => void }} reader
 * @returns {Promise<"over" | "void" | "more">}
 */
export async function readWindow(response, { take, at }) {
  let waiting = [];
  let voided = false;
  let cursor;
  for await (const { id, data } of events(response.body)) {
    if (data === "[DONE]") return OVER;
    if (data) {
      const chunk = JSON.parse(data);
      if (chunk.type === "data-void") voided = true;
      else waiting.push(chunk);
    }
    if (id && id !== cursor) {
      cursor = id;
      for (const chunk of waiting) take(chunk);
      waiting = [];
      at(cursor);
    }
    if (voided) return VOID;
  }
  return MORE;
}

/** The server-sent events of a body; comments are left out. */
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
