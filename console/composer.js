// The prompt: drafts are stored as they are written, and a prompt that is sent twice starts one run.

import * as api from "./api.js";
import { button, byId, isTouch, make, write } from "./dom.js";
import * as files from "./files.js";
import * as storage from "./storage.js";

const field = byId("prompt");
const sendButton = byId("send");
const agentSelect = byId("agent");

const agentNames = document.querySelector("meta[name=agents]").content.split(" ");
if (agentNames.length > 1) {
  agentSelect.replaceChildren(...agentNames.map((name) => make("option", { value: name }, name)));
  agentSelect.hidden = false;
}

let chatId = "";
let isSending = false;
let state = { isActive: false };

export const text = () => field.value;
export const focus = () => field.focus();

/**
 * Shows the draft of the chat; the empty id stands for a chat that has not started. What was attached is let go: the next
 * chat may be another user's.
 */
export function openChat(id) {
  files.detach();
  chatId = id;
  showDraft();
}

function showDraft() {
  field.value = storage.draft(chatId).text;
  grow();
}

/** Moves the draft to the id that a new chat received. */
export function assignChat(id) {
  const draft = storage.draft(chatId);
  storage.saveDraft(chatId, { text: "" });
  chatId = id;
  storage.saveDraft(chatId, draft);
}

export function setText(value) {
  field.value = value;
  saveText();
  grow();
  show(state);
  focus();
}

function saveText() {
  storage.saveDraft(chatId, { ...storage.draft(chatId), text: field.value });
}

/** Clears a draft whose start got no answer if it equals `acceptedPrompt`, the chat's latest prompt. */
export function settleDraft(acceptedPrompt) {
  const { key, sent } = storage.draft(chatId);
  if (!key || sent !== acceptedPrompt || isSending) return;
  storage.saveDraft(chatId, { text: field.value === sent ? "" : field.value });
  showDraft();
}

/**
 * Starts a run with the text of the field and what is attached: `{run, prompt, parts}`. The idempotency key stays the same
 * until the start of this text with this agent and these files is answered. `place` says what to do in a busy chat. Throws
 * api.Problem and keeps the text.
 */
export async function startRun(place) {
  const prompt = field.value;
  const id = chatId;
  const draft = storage.draft(id);
  const agent = agentSelect.hidden ? null : agentSelect.value;
  isSending = true;
  show(state);
  try {
    const { entries, parts } = await files.upload(id);
    const ids = parts.map((part) => part.id);
    const isSame =
      draft.sent === prompt && (draft.agent ?? null) === agent && String(draft.files ?? "") === String(ids);
    const key = draft.key && isSame ? draft.key : crypto.randomUUID();
    storage.saveDraft(id, { text: prompt, key, sent: prompt, agent, files: ids });
    const { run } = await api.withRetries(() => api.start(id, prompt, agent, ids, key, place));
    files.detach(entries);
    // Text that was typed while the start was under way is the next draft.
    const next = chatId === id && field.value !== prompt ? field.value : "";
    storage.saveDraft(id, { text: next });
    if (chatId === id && !next) showDraft();
    return { run, prompt, parts };
  } catch (error) {
    // The API refused the start: nothing was started under this key, so the next attempt takes a new one.
    if (error.status && !error.isTransient && error.status !== 401) storage.saveDraft(id, { text: prompt });
    throw error;
  } finally {
    isSending = false;
    show(state);
  }
}

/** Shows Send, and Stop if a run is active: then Send is there for what is written, which waits for the run. */
export function show(next) {
  state = next;
  const { isActive, isStopping = false, canSend = true } = state;
  const stopButton = byId("stop");
  const isNothing = isActive && !field.value.trim() && !isSending;
  const hides = isActive ? isNothing && sendButton : stopButton;
  const losesFocus = document.activeElement === hides || (isSending && document.activeElement === sendButton);
  sendButton.hidden = isNothing;
  sendButton.disabled = isSending || !canSend;
  write(sendButton, isSending ? "Sending…" : isActive ? "Send next" : "Send");
  stopButton.hidden = !isActive;
  // Not `disabled`: that would take the focus from a reader who pressed it with the keyboard.
  stopButton.setAttribute("aria-disabled", String(isStopping));
  write(stopButton, isStopping ? "Stopping…" : "Stop");
  // The focused button is hidden now. On a touch screen, focus on the prompt would open the keyboard.
  if (losesFocus && !isTouch()) focus();
}

/** Makes the field as high as its text, which only a field that is shown can tell. */
export function grow() {
  field.style.setProperty("height", "auto");
  field.style.setProperty("height", `${Math.min(field.scrollHeight + 2, innerHeight * 0.4)}px`);
}

field.addEventListener("input", () => {
  saveText();
  grow();
  show(state);
});
field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  // On a touch keyboard Enter starts a new line, and the Send button sends.
  if (isTouch() && !event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  byId("composer").requestSubmit();
});

function attach(list) {
  if (!list.length) return;
  const left = files.attach(list);
  if (left) showNotice("aborted", "Too many files", "A prompt takes 10 files; the others are left out.");
  focus();
}

byId("attach").addEventListener("click", () => byId("files").click());
byId("files").addEventListener("change", ({ target }) => {
  attach([...target.files]);
  target.value = "";
});
field.addEventListener("paste", (event) => {
  const pasted = [...event.clipboardData.files];
  if (!pasted.length) return;
  event.preventDefault();
  attach(pasted);
});

const carriesFiles = (event) => event.dataTransfer?.types.includes("Files") && !byId("composer").hidden;
const markDrop = (isOver) => byId("dock").classList.toggle("drop", isOver);
addEventListener("dragover", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  markDrop(true);
});
addEventListener("dragleave", (event) => event.relatedTarget === null && markDrop(false));
addEventListener("drop", (event) => {
  markDrop(false);
  if (!carriesFiles(event)) return;
  event.preventDefault();
  attach([...event.dataTransfer.files]);
});

/** Replaces the notice above the prompt. `actions` are pairs of a label and a function. */
export function showNotice(status, heading, detail, actions = []) {
  const close = (action) => () => {
    clearNotice();
    focus();
    action?.();
  };
  const buttons = actions.map(([label, action]) => button({ click: close(action) }, label));
  byId("notice").replaceChildren(
    make(
      "div",
      { class: "notice", "data-status": status },
      make("p", { class: "heading" }, heading),
      make("p", {}, detail),
      make("p", { class: "actions" }, ...buttons, button({ class: "quiet", click: close() }, "Dismiss")),
    ),
  );
}

export function clearNotice() {
  byId("notice").replaceChildren();
}
