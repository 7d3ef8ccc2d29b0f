// Connects the page's controls and the browser's events to what they do, and opens what the address names.

import { answer, changeWaiting, chooseRun, forgetChat, goToChat, loadLeftChats, send, stop, tabs } from "./actions.js";
import * as api from "./api.js";
import * as composer from "./composer.js";
import { byId, scrollToEnd, write } from "./dom.js";
import { redraw, redrawNow, showLatestButton, showLink, showTokenForm, tick } from "./draw.js";
import { wake } from "./follow.js";
import { loadEarlier, loadQueue, loadRuns, open, refresh, showFailure } from "./load.js";
import { currentView } from "./state.js";
import * as token from "./token.js";

/** How often the page looks after chats that were left while a run was active in them. */
const LEFT_CHATS_PAUSE_MS = 30_000;

const onClick = (id, listener) => byId(id).addEventListener("click", listener);

/** Calls `listener(element)` for clicks on the elements in `id` that match the selector. */
function onClickIn(id, selector, listener) {
  onClick(id, ({ target }) => {
    const element = target.closest(selector);
    if (element) listener(element);
  });
}

let scope = "";

token.onChange(() => {
  showTokenForm();
  write(byId("token-wrong"), "");
  // Another user must see nothing of the one before.
  if (token.scope() !== scope) {
    scope = token.scope();
    open(currentView());
  } else {
    redraw();
    if (token.isUsable()) refresh();
  }
});

tabs?.addEventListener("message", ({ data }) => {
  if (data.scope !== token.scope()) return;
  if (data.chatId === currentView().chatId) {
    wake();
    if (currentView().watchedRunId) loadQueue(currentView()).catch(() => {});
    else refresh();
  }
  redraw();
});

byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = byId("token");
  if (!token.accept(field.value)) {
    write(byId("token-wrong"), "This is not a token: it should be three parts with dots between them.");
    return;
  }
  field.value = "";
  // The prompt takes the focus only once it is drawn.
  redrawNow();
  if (token.isUsable()) composer.focus();
  else write(byId("token-wrong"), "This one has expired, too.");
});

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!byId("send").hidden && !byId("send").disabled) send();
});

onClick("stop", stop);
onClick("new", () => {
  goToChat("");
  composer.focus();
});
onClick("skip", composer.focus);
onClick("leave", token.remove);
onClick("latest", () => scrollToEnd("smooth"));
onClick("earlier", () => {
  const view = currentView();
  loadEarlier(view).catch((error) => showFailure(view, error, "Earlier messages could not be read"));
});
onClick("older-runs", () => {
  const view = currentView();
  loadRuns(view, view.runsCursor).catch((error) => showFailure(view, error, "Older runs could not be read"));
});
onClickIn("messages", ".details", (button) => chooseRun(button.closest("article").dataset.run));
byId("messages").addEventListener("answer", ({ target, detail }) => {
  answer(target.closest("article").dataset.run, detail.callId, detail.decision);
});
onClickIn("queue", "[data-act]", (button) => {
  const { act } = button.dataset;
  changeWaiting(button.closest("li").dataset.run, act === "take-back" ? null : act);
});
onClickIn("runs", "[data-run]", (row) => chooseRun(row.dataset.run));
onClickIn("chat-list", "[data-chat]", (button) => forgetChat(button.dataset.chat));

addEventListener("scroll", showLatestButton, { passive: true });
addEventListener("storage", redraw);
addEventListener("online", refresh);
addEventListener("offline", () => showLink("offline"));
addEventListener("popstate", () => open(token.readAddress()));
document.addEventListener("visibilitychange", () => !document.hidden && refresh());

setInterval(() => {
  tick();
  if (token.current() && !token.isUsable() && byId("token-form").hidden) {
    showTokenForm();
    redraw();
  }
}, 1000);

setInterval(() => {
  // The next time may do better.
  if (!document.hidden && token.isUsable()) loadLeftChats().catch(() => {});
}, LEFT_CHATS_PAUSE_MS);

write(byId("token-base"), new URL(api.base).host);
const address = token.readAddress();
scope = token.scope();
showTokenForm();
open(address);
