// The left side: chats seen on this device, who is asking whom, the theme.

import * as api from "./api.js";
import * as bearer from "./bearer.js";
import * as kept from "./kept.js";
import { byId, keyed, make, mark, write } from "./make.js";

const THEMES = ["system", "light", "dark"];

/** Draw the list; `open` is the chat being read, `forget(id)` takes one off the list. */
export function show(open, forget) {
  const chats = kept.chats();
  byId("chats-heading").hidden = chats.length === 0;
  const create = ({ id }) =>
    make(
      "li",
      {},
      make("a", { href: `#chat=${encodeURIComponent(id)}` }),
      make("button", { type: "button", class: "quiet forget", title: "Forget on this device", click: () => forget(id) }, "×"),
    );
  keyed(byId("chat-list"), chats, create, (node, { id, title }) => {
    const [link, button] = node.children;
    write(link, title || id);
    mark(link, "aria-current", id === open ? "page" : null);
    mark(button, "aria-label", `Forget ${title || id} on this device`);
  });
}

export function showStanding() {
  const who = bearer.who();
  const fact = (name, value) => [make("dt", {}, name), make("dd", {}, value)];
  const standing = byId("standing");
  const state = JSON.stringify([who, who && untilWhen(who.until)]);
  if (standing.dataset.shows === state) return;
  standing.dataset.shows = state;
  standing.replaceChildren(
    ...(who ? [...fact("User", who.user), ...fact("Workspace", who.workspace || "none in the token"), ...fact("Token", untilWhen(who.until))] : []),
    ...fact("API", api.base.replace(/^https?:\/\//, "").replaceAll("/", "/\u200b")),
  );
  byId("leave").hidden = !who;
}

function untilWhen(until) {
  if (bearer.expired()) return "expired";
  if (!bearer.usable()) return "refused";
  if (!until) return "good";
  const minutes = Math.round((until * 1000 - Date.now()) / 60_000);
  if (minutes < 90) return `good for ${Math.max(1, minutes)} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `good for ${hours} h` : `good for ${Math.round(hours / 24)} days`;
}

function themed(theme) {
  if (theme === "system") {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem("outlive.theme");
  } else {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("outlive.theme", theme);
  }
  write(byId("theme"), `Theme: ${theme}`);
}

themed(document.documentElement.dataset.theme ?? "system");
byId("theme").addEventListener("click", () => {
  themed(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme ?? "system") + 1) % THEMES.length]);
});

// --- on a narrow screen both sides are sheets over the page

function sheet(name) {
  const side = byId(name);
  const button = byId(`open-${name}`);
  const close = () => {
    if (!side.classList.contains("open")) return;
    side.classList.remove("open");
    document.querySelector("main").inert = false;
    button.setAttribute("aria-expanded", "false");
    if (button.offsetParent) button.focus();
  };
  const open = () => {
    if (!button.offsetParent) return;
    side.classList.add("open");
    document.querySelector("main").inert = true;
    button.setAttribute("aria-expanded", "true");
    side.querySelector(".close").focus();
  };
  button.addEventListener("click", open);
  side.querySelector(".close").addEventListener("click", close);
  addEventListener("keydown", (event) => event.key === "Escape" && close());
  document.addEventListener("pointerdown", (event) => !side.contains(event.target) && close());
  return { open, close };
}

export const chatsSheet = sheet("chats");
export const runSheet = sheet("run");
