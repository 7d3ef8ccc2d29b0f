// Elements and the few ways in which values are written. Text goes in as text, never as markup.

export const byId = (id) => document.getElementById(id);

/** An element; `what` are attributes (a function is a listener, null and false leave it out), `inner` nodes and texts. */
export function make(name, what = {}, ...inner) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(what)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(key, value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...inner.filter((one) => one !== null && one !== undefined && one !== ""));
  return node;
}

/** Writes only what differs, so that a reader's selection and a screen reader are left alone. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** `node` has exactly these children, in this order; those that stay are not moved. */
export function arrange(node, children) {
  children.forEach((child, at) => {
    if (node.childNodes[at] !== child) node.insertBefore(child, node.childNodes[at] ?? null);
  });
  while (node.childNodes.length > children.length) node.lastChild.remove();
}

/** `list` has one child per item, which stays the same element as long as its item (`id`) is there: focus is not lost. */
export function keyed(list, items, create, update) {
  const before = KEYED.get(list) ?? new Map();
  const after = new Map();
  for (const item of items) {
    const node = before.get(item.id) ?? create(item);
    update(node, item);
    after.set(item.id, node);
  }
  KEYED.set(list, after);
  arrange(list, [...after.values()]);
}

const KEYED = new WeakMap();

/** An attribute that is there or not. */
export function mark(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

export const STATUS = {
  pending: "Waiting for a worker",
  running: "Working",
  stopping: "Stopping",
  succeeded: "Succeeded",
  failed: "Failed",
  aborted: "Aborted",
};

export const isOver = (run) => run.finished_at !== null;

/** The run's status as a reader should see it: a stop that is under way is one of its own. */
export const statusOf = (run) => (!isOver(run) && run.stop_requested_at ? "stopping" : run.status);

export function statusMark(status) {
  return make("span", { class: "dot", "data-status": status, "aria-hidden": "true" });
}

/** Milliseconds as people say them. */
export function duration(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${whole % 60} s`;
}

export const at = (iso) => Date.parse(iso);

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** The time of day, with the day if that isn't today. */
export function moment(iso) {
  const date = new Date(iso);
  const today = date.toDateString() === new Date().toDateString();
  return today ? clock.format(date) : `${day.format(date)}, ${clock.format(date)}`;
}

export function time(iso) {
  return make("time", { datetime: iso, title: iso }, moment(iso));
}

export const count = (number, one, many = `${one}s`) => `${number.toLocaleString()} ${number === 1 ? one : many}`;
