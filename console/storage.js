// What this device stores for one user of one workspace: the chats seen, the drafts, and where pages of messages begin.

import * as token from "./token.js";

const MAX_CHATS = 200;
const keyOf = (name) => `outlive.${name}.${token.scope()}`;

function read(name, fallback) {
  try {
    return JSON.parse(localStorage.getItem(keyOf(name))) ?? fallback;
  } catch {
    return fallback;
  }
}

function save(name, value) {
  try {
    if (value === null) localStorage.removeItem(keyOf(name));
    else localStorage.setItem(keyOf(name), JSON.stringify(value));
  } catch {
    // The storage is full or forbidden. The console works without it.
  }
}

/** Chats seen on this device, the latest first: `{id, title, at, status}`. `status` is that of an active run. */
export const chats = () => read("chats", []);

/** Records that the chat was used now. Without `title` the chat keeps the title it has. */
export function saveChat(id, title) {
  const all = chats();
  const before = all.find((chat) => chat.id === id);
  const at = title || !before ? Date.now() : before.at;
  const after = { ...before, id, title: title ?? before?.title ?? "", at };
  const others = all.filter((chat) => chat.id !== id);
  save("chats", [after, ...others].sort((a, b) => b.at - a.at).slice(0, MAX_CHATS));
}

/** Records the status of the chat's active run; "" if none is active. */
export function saveChatStatus(id, status) {
  const all = chats();
  const chat = all.find((each) => each.id === id);
  if (!chat || (chat.status ?? "") === status) return;
  chat.status = status;
  save("chats", all);
}

export function forgetChat(id) {
  save(
    "chats",
    chats().filter((chat) => chat.id !== id),
  );
  save(`draft.${id}`, null);
  save(`pages.${id}`, null);
}

/** The draft of a chat: `{text, key, sent}`. `key` is the idempotency key of an unanswered start of `sent`. */
export const draft = (chatId) => read(`draft.${chatId}`, { text: "" });
export const saveDraft = (chatId, draft) => save(`draft.${chatId}`, draft.text || draft.key ? draft : null);

/** The cursors at which the pages of a chat's messages begin, oldest first. */
export const pageCursors = (chatId) => read(`pages.${chatId}`, [null]);
export const savePageCursors = (chatId, cursors) => save(`pages.${chatId}`, cursors);
