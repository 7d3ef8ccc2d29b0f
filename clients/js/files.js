const OWN = /^\/chats\/[^/]+\/files\/[0-9a-f]{32}$/;

/** True for the address of a stored file, which needs a token. */
export const isStored = (url) => OWN.test(url);

/** A file's content by the address that a page gave it: `data:` from useChat, or `blob:`. */
export async function contentOf({ url, mediaType }, signal) {
  const data = /^data:([^,]*?)(;base64)?,(.*)$/s.exec(url);
  if (!data) return (await globalThis.fetch(url, { signal })).blob();
  const [, type, isBase64, text] = data;
  const bytes = isBase64
    ? Uint8Array.from(atob(text), (each) => each.charCodeAt(0))
    : new TextEncoder().encode(decodeURIComponent(text));
  return new Blob([bytes], { type: mediaType || type });
}

/** The user's message with each file part that is not stored yet changed; the message itself if it has none. */
export async function withFiles(message, change) {
  const isNew = (part) => part.type === "file" && !isStored(part.url);
  if (message.role !== "user" || !message.parts?.some(isNew)) return message;
  const parts = [];
  for (const [index, part] of message.parts.entries()) parts.push(isNew(part) ? await change(part, index) : part);
  return { ...message, parts };
}
