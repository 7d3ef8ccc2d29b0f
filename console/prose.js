// An answer's text as elements: the little Markdown that models write, and whatever else is there as it is.

import { make } from "./make.js";

// Everything is bounded: whatever a text consists of, no stretch of it is looked at again and again.
const INLINE = /(`{1,3})([^`]|[^`].{0,2000}?[^`])\1(?!`)|\*\*(?=\S)(.{1,2000}?)\*\*|\[([^[\]\n]{1,500})\]\((https?:\/\/[^\s)]{1,2000})\)|(?<![\w/"'(=])(https?:\/\/[^\s<>"')\]]*[^\s<>"')\].,;:!?])/g;
const FENCE = /^\s{0,3}(```+|~~~+)\s*([\w+#.-]*)/;
const HEADING = /^(#{1,6})\s+(.+)$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;

const LONG = 60_000;

/** Elements for `text`. Text of a length at which nobody looks for headings stays one block. */
export function prose(text) {
  if (text.length > LONG) return [make("p", {}, text)];
  const out = [];
  const lines = text.split("\n");
  let at = 0;
  while (at < lines.length) {
    const line = lines[at];
    const fence = FENCE.exec(line);
    const heading = HEADING.exec(line);
    if (!line.trim()) at += 1;
    else if (fence) {
      const close = lines.findIndex((one, index) => index > at && one.trim().startsWith(fence[1]));
      const end = close === -1 ? lines.length : close;
      out.push(make("pre", { tabindex: "0" }, make("code", {}, lines.slice(at + 1, end).join("\n"))));
      at = end + 1;
    } else if (heading) {
      out.push(make(heading[1].length < 3 ? "h3" : "h4", {}, ...inline(heading[2])));
      at += 1;
    } else if (ITEM.test(line)) at = list(lines, at, out);
    else {
      const from = at;
      while (at < lines.length && lines[at].trim() && (at === from || !begins(lines[at]))) at += 1;
      out.push(make("p", {}, ...inline(lines.slice(from, at).join("\n"))));
    }
  }
  return out;
}

const begins = (line) => FENCE.test(line) || HEADING.test(line) || ITEM.test(line);

function list(lines, from, out) {
  const ordered = /\d/.test(ITEM.exec(lines[from])[2]);
  const items = [];
  let at = from;
  for (; at < lines.length; at += 1) {
    const item = ITEM.exec(lines[at]);
    if (item && /\d/.test(item[2]) === ordered) items.push(item[3]);
    else if (!item && lines[at].trim() && /^\s/.test(lines[at])) items.push(`${items.pop()}\n${lines[at].trim()}`);
    else break;
  }
  const start = ordered ? parseInt(ITEM.exec(lines[from])[2], 10) : null;
  out.push(make(ordered ? "ol" : "ul", { start }, ...items.map((item) => make("li", {}, ...inline(item)))));
  return at;
}

function inline(text) {
  const out = [];
  let last = 0;
  for (const found of text.matchAll(INLINE)) {
    out.push(text.slice(last, found.index));
    const [whole, , code, strong, label, address, bare] = found;
    if (code !== undefined) out.push(make("code", {}, code));
    else if (strong !== undefined) out.push(make("strong", {}, ...inline(strong)));
    else out.push(link(address ?? bare, label ?? bare));
    last = found.index + whole.length;
  }
  out.push(text.slice(last));
  return out;
}

const link = (href, label) => make("a", { href, target: "_blank", rel: "noopener noreferrer" }, label);
