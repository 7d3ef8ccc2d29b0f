// Elements, and the values of a run as text. Text is inserted as text, never as markup.

export const byId = (id) => document.getElementById(id);

/**
 * An element with children (nodes or texts; null, undefined and "" are left out). A function among the attributes is a
 * listener; null, undefined and false leave the attribute out.
 */
export function make(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(key, value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

/** Sets the text only if it differs, which leaves the reader's selection and a screen reader alone. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Gives `node` exactly these children, in this order. Children already in place are not moved. */
export function arrange(node, children) {
  children.forEach((child, index) => {
    if (node.childNodes[index] !== child) node.insertBefore(child, node.childNodes[index] ?? null);
  });
  while (node.childNodes.length > children.length) node.lastChild.remove();
}

const NODES = new WeakMap();

/** Gives `list` one child per item. An item with the same `id` keeps its element, and with it the focus. */
export function keyed(list, items, create, update) {
  const before = NODES.get(list) ?? new Map();
  const after = new Map();
  for (const item of items) {
    const node = before.get(item.id) ?? create(item);
    update(node, item);
    after.set(item.id, node);
  }
  NODES.set(list, after);
  arrange(list, [...after.values()]);
}

/** Sets the attribute, or removes it if `value` is null. */
export function mark(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

export const button = (attributes, ...children) => make("button", { type: "button", ...attributes }, ...children);

export const statusMark = (status) => make("span", { class: "dot", "data-status": status, "aria-hidden": "true" });

export const time = (iso) => make("time", { datetime: iso, title: iso }, moment(iso));

export const isTouch = () => matchMedia("(pointer: coarse)").matches;

export const isAtEnd = () => innerHeight + scrollY >= document.documentElement.scrollHeight - 120;

export const scrollToEnd = (behavior) => scrollTo({ top: document.documentElement.scrollHeight, behavior });

export const STATUS = {
  queued: "Waiting for its turn",
  pending: "Waiting for a worker",
  running: "Working",
  waiting: "Waiting for an answer",
  stopping: "Stopping",
  retrying: "Waiting for the model’s provider",
  succeeded: "Succeeded",
  failed: "Failed",
  aborted: "Aborted",
};

export const isOver = (run) => run.finished_at !== null;

/** The status to show: an active run with a stop request is "stopping", one that waits for the provider "retrying". */
export function statusOf(run) {
  if (isOver(run)) return run.status;
  if (run.stop_requested_at) return "stopping";
  return run.retrying ? "retrying" : run.status;
}

/** "3.2 s", "12 s", "1 min 5 s" or "2 h 3 min". */
export function duration(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${whole % 60} s`;
}

export const durationBetween = (from, to) => duration(Date.parse(to) - Date.parse(from));

const timeOfDay = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** The time of day, with the date if it is not today. */
export function moment(iso) {
  const date = new Date(iso);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? timeOfDay.format(date) : `${day.format(date)}, ${timeOfDay.format(date)}`;
}

export const count = (number, noun) => `${number.toLocaleString()} ${number === 1 ? noun : `${noun}s`}`;

/** The text as a sentence begins, without a full stop at its end. */
export const capitalized = (text) => text.charAt(0).toUpperCase() + text.slice(1).replace(/\.$/, "");
