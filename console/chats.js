// The left side: the chats seen on this device, the caller's identity and the theme. On a narrow screen both sides are
// sheets over the page.

import * as api from "./api.js";
import { button, byId, keyed, make, mark, STATUS, statusMark, write } from "./dom.js";
import * as storage from "./storage.js";
import * as token from "./token.js";

const THEMES = ["system", "light", "dark"];

/** Shows the list of chats; `openId` is the chat on the page. */
export function showChats(openId) {
  const chats = storage.chats();
  byId("chats-heading").hidden = chats.length === 0;
  const create = ({ id }) =>
    make(
      "li",
      {},
      make(
        "a",
        { href: `#chat=${encodeURIComponent(id)}` },
        statusMark(""),
        make("span"),
        make("span", { class: "unseen" }),
      ),
      button({ class: "quiet forget", title: "Forget on this device", "data-chat": id }, "×"),
    );
  keyed(byId("chat-list"), chats, create, (node, { id, title, status }) => {
    const [link, forget] = node.children;
    const [dot, name, note] = link.children;
    dot.hidden = !status;
    mark(dot, "data-status", status || null);
    mark(link, "title", status ? STATUS[status] : null);
    write(name, title || id);
    write(note, status ? ` (${STATUS[status].toLowerCase()})` : "");
    mark(link, "aria-current", id === openId ? "page" : null);
    mark(forget, "aria-label", `Forget ${title || id} on this device`);
  });
}

export function showIdentity() {
  const identity = token.identity();
  const list = byId("standing");
  const state = JSON.stringify([identity, identity && validity(identity.expiresAt)]);
  if (list.dataset.shows === state) return;
  list.dataset.shows = state;
  const row = (name, value) => [make("dt", {}, name), make("dd", {}, value)];
  const rows = identity
    ? [
        ...row("User", identity.user),
        ...row("Workspace", identity.workspace || "none in the token"),
        ...row("Token", validity(identity.expiresAt)),
      ]
    : [];
  list.replaceChildren(...rows, ...row("API", api.base.replace(/^https?:\/\//, "").replaceAll("/", "/\u200b")));
  byId("leave").hidden = !identity;
}

function validity(expiresAt) {
  if (token.isExpired()) return "expired";
  if (!token.isUsable()) return "refused";
  if (!expiresAt) return "good";
  const minutes = Math.round((expiresAt * 1000 - Date.now()) / 60_000);
  if (minutes < 90) return `good for ${Math.max(1, minutes)} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `good for ${hours} h` : `good for ${Math.round(hours / 24)} days`;
}

const currentTheme = () => document.documentElement.dataset.theme ?? "system";

function setTheme(theme) {
  if (theme === "system") {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem("outlive.theme");
  } else {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("outlive.theme", theme);
  }
  write(byId("theme"), `Theme: ${theme}`);
}

setTheme(currentTheme());
byId("theme").addEventListener("click", () => setTheme(THEMES[(THEMES.indexOf(currentTheme()) + 1) % THEMES.length]));

function sheet(name) {
  const side = byId(name);
  const opener = byId(`open-${name}`);
  const toggle = (isOpen) => {
    side.classList.toggle("open", isOpen);
    document.querySelector("main").inert = isOpen;
    opener.setAttribute("aria-expanded", String(isOpen));
  };
  const close = () => {
    if (!side.classList.contains("open")) return;
    toggle(false);
    if (opener.offsetParent) opener.focus();
  };
  const open = () => {
    // On a wide screen the side is always there, and its opener is not.
    if (!opener.offsetParent) return;
    toggle(true);
    side.querySelector(".close").focus();
  };
  opener.addEventListener("click", open);
  side.querySelector(".close").addEventListener("click", close);
  addEventListener("keydown", (event) => event.key === "Escape" && close());
  document.addEventListener("pointerdown", (event) => !side.contains(event.target) && close());
  return { open, close };
}

export const chatsSheet = sheet("chats");
export const runSheet = sheet("run");
