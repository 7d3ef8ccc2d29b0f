// What this device remembers of one user of one workspace: which chats, what was being written, where pages begin.

import * as bearer from "./bearer.js";

const MOST_CHATS = 200;
const place = (name) => `outlive.${name}.${bearer.scope()}`;

function read(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(place(name))) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function keep(name, value) {
  try {
    if (value === null) localStorage.removeItem(place(name));
    else localStorage.setItem(place(name), JSON.stringify(value));
  } catch {
    // A full or a forbidden store costs only the memory of it.
  }
}

/** Chats seen here, the latest first: `{id, title, at}`. */
export const chats = () => read("chats", []);

/** The chat was used now. A title that is given stands until another is. */
export function sawChat(id, title) {
  const known = chats();
  const before = known.find((one) => one.id === id);
  const now = { id, title: title ?? before?.title ?? "", at: title || !before ? Date.now() : before.at };
  const rest = known.filter((one) => one.id !== id);
  keep("chats", [now, ...rest].sort((a, b) => b.at - a.at).slice(0, MOST_CHATS));
}

export function forgetChat(id) {
  keep("chats", chats().filter((one) => one.id !== id));
  keep(`draft.${id}`, null);
  keep(`pages.${id}`, null);
}

/** What is being written in a chat: `{text, key, sent}`. `key` is that of a start of `sent` whose answer is not known. */
export const draft = (chat) => read(`draft.${chat}`, { text: "" });
export const keepDraft = (chat, said) => keep(`draft.${chat}`, said.text || said.key ? said : null);

/** Where each page of a chat's messages begins, oldest first. */
export const pages = (chat) => read(`pages.${chat}`, [null]);
export const keepPages = (chat, cursors) => keep(`pages.${chat}`, cursors);
