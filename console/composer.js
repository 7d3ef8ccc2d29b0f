// Where a prompt is written: the draft is never lost, and a prompt that is sent twice makes one run.

import * as api from "./api.js";
import * as kept from "./kept.js";
import { byId, make, write } from "./make.js";

const TRIES = [700, 2000];
const prompt = byId("prompt");
const send = byId("send");

let chat = "";
let sending = false;

/** Go on with what was being written in `id`; empty for a chat that has none yet. */
export function turnTo(id) {
  chat = id;
  prompt.value = kept.draft(chat).text;
  grow();
}

/** The draft moves along when a new chat gets its id. */
export function name(id) {
  const said = kept.draft(chat);
  kept.keepDraft(chat, { text: "" });
  chat = id;
  kept.keepDraft(chat, said);
}

const touch = () => matchMedia("(pointer: coarse)").matches;

export const text = () => prompt.value;
export const focus = () => prompt.focus();

export function put(value) {
  prompt.value = value;
  remember();
  grow();
  prompt.focus();
}

function remember() {
  kept.keepDraft(chat, { ...kept.draft(chat), text: prompt.value });
}

/** A start whose answer never came has been accepted after all, as `accepted`, the chat's latest prompt, shows. */
export function settleDraft(accepted) {
  const said = kept.draft(chat);
  if (!said.key || said.sent !== accepted || sending) return;
  kept.keepDraft(chat, { text: prompt.value === said.sent ? "" : prompt.value });
  turnTo(chat);
}

/**
 * The run that what is written has started. The same text is sent with the same key until its answer is known. Throws
 * api.Problem; then the text is still there.
 */
export async function begin() {
  const said = prompt.value;
  const into = chat;
  const before = kept.draft(into);
  const key = before.key && before.sent === said ? before.key : crypto.randomUUID();
  kept.keepDraft(into, { text: said, key, sent: said });
  sending = true;
  show({ active: false });
  try {
    const { run } = await repeatedly(into, said, key);
    // What was typed in the meantime is the next draft.
    const next = chat === into && prompt.value !== said ? prompt.value : "";
    kept.keepDraft(into, { text: next });
    if (chat === into && !next) turnTo(into);
    return { run, said };
  } catch (error) {
    // Refused: nothing was started under this key, and the next attempt is a start of its own.
    if (error.status && !error.passes && error.status !== 401) kept.keepDraft(into, { text: said });
    throw error;
  } finally {
    sending = false;
  }
}

async function repeatedly(into, said, key) {
  for (let failures = 0; ; failures += 1) {
    try {
      return await api.start(into, said, key);
    } catch (error) {
      const hopeless = !error.passes || error.code === "model_not_configured";
      if (hopeless || failures === TRIES.length) throw error;
      await new Promise((go) => setTimeout(go, TRIES[failures]));
    }
  }
}

/** Whether something can be sent now, and whether there is something to stop. */
export function show({ active, stopping = false, usable = true }) {
  const stop = byId("stop");
  const left = document.activeElement === (active || sending ? send : stop);
  send.hidden = active;
  send.disabled = sending || !usable;
  write(send, sending ? "Sending…" : "Send");
  stop.hidden = !active;
  // Still focusable: whoever has just pressed it with the keyboard must not lose their place.
  stop.setAttribute("aria-disabled", String(stopping));
  write(stop, stopping ? "Stopping…" : "Stop");
  // The button that had the focus is gone. On a touch screen this would bring up the keyboard.
  if (left && !touch()) focus();
}

function grow() {
  prompt.style.setProperty("height", "auto");
  prompt.style.setProperty("height", `${Math.min(prompt.scrollHeight + 2, innerHeight * 0.4)}px`);
}

prompt.addEventListener("input", () => {
  remember();
  grow();
});
prompt.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  // On a touch keyboard Enter is a new line; there is a button for sending.
  if (touch() && !event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  byId("composer").requestSubmit();
});

/** One notice at a time above the prompt; `actions` are pairs of a label and what it does. */
export function notify(kind, heading, detail = "", actions = []) {
  const node = make(
    "div",
    { class: "notice", "data-status": kind },
    make("p", { class: "heading" }, heading),
    detail ? make("p", {}, detail) : null,
    make("p", { class: "actions" }, ...actions.map(([label, act]) => make("button", { type: "button", click: () => (quiet(), focus(), act()) }, label)), make("button", { type: "button", class: "quiet", click: () => (quiet(), focus()) }, "Dismiss")),
  );
  byId("notice").replaceChildren(node);
}

export function quiet() {
  byId("notice").replaceChildren();
}
