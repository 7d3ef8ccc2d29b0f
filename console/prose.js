// An answer's text as elements. Of Markdown it knows what models write most; everything else is shown as it is.

import { make } from "./dom.js";

// Every repetition is bounded, so that no text makes the expressions backtrack for long.
const CODE = /(`{1,3})([^`]|[^`].{0,2000}?[^`])\1(?!`)/;
const STRONG = /\*\*(?=\S)(.{1,2000}?)\*\*/;
const LINK = /\[([^[\]\n]{1,500})\]\((https?:\/\/[^\s)]{1,2000})\)/;
const ADDRESS = /(?<![\w/"'(=])(https?:\/\/[^\s<>"')\]]*[^\s<>"')\].,;:!?])/;
const INLINE = new RegExp([CODE, STRONG, LINK, ADDRESS].map(({ source }) => source).join("|"), "g");
const FENCE = /^\s{0,3}(```+|~~~+)\s*([\w+#.-]*)/;
const HEADING = /^(#{1,6})\s+(.+)$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;

const MAX_FORMATTED_CHARACTERS = 60_000;

/** Elements for `text`. A very long text stays one paragraph without formatting. */
export function prose(text) {
  if (text.length > MAX_FORMATTED_CHARACTERS) return [make("p", {}, text)];
  const nodes = [];
  const lines = text.split("\n");
  let at = 0;
  while (at < lines.length) {
    const line = lines[at];
    const fence = FENCE.exec(line);
    const heading = HEADING.exec(line);
    if (!line.trim()) at += 1;
    else if (fence) {
      const close = lines.findIndex((each, index) => index > at && each.trim().startsWith(fence[1]));
      const end = close === -1 ? lines.length : close;
      nodes.push(make("pre", { tabindex: "0" }, make("code", {}, lines.slice(at + 1, end).join("\n"))));
      at = end + 1;
    } else if (heading) {
      nodes.push(make(heading[1].length < 3 ? "h3" : "h4", {}, ...inline(heading[2])));
      at += 1;
    } else if (ITEM.test(line)) at = list(lines, at, nodes);
    else {
      const from = at;
      while (at < lines.length && lines[at].trim() && (at === from || !beginsBlock(lines[at]))) at += 1;
      nodes.push(make("p", {}, ...inline(lines.slice(from, at).join("\n"))));
    }
  }
  return nodes;
}

const beginsBlock = (line) => FENCE.test(line) || HEADING.test(line) || ITEM.test(line);

/** Adds the list that begins at line `from` to `nodes`. Returns the line after it. */
function list(lines, from, nodes) {
  const isOrdered = /\d/.test(ITEM.exec(lines[from])[2]);
  const items = [];
  let at = from;
  for (; at < lines.length; at += 1) {
    const item = ITEM.exec(lines[at]);
    if (item && /\d/.test(item[2]) === isOrdered) items.push(item[3]);
    else if (!item && lines[at].trim() && /^\s/.test(lines[at])) items.push(`${items.pop()}\n${lines[at].trim()}`);
    else break;
  }
  const start = isOrdered ? parseInt(ITEM.exec(lines[from])[2], 10) : null;
  nodes.push(make(isOrdered ? "ol" : "ul", { start }, ...items.map((item) => make("li", {}, ...inline(item)))));
  return at;
}

function inline(text) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    nodes.push(text.slice(end, match.index));
    const [whole, , code, strong, label, target, address] = match;
    if (code !== undefined) nodes.push(make("code", {}, code));
    else if (strong !== undefined) nodes.push(make("strong", {}, ...inline(strong)));
    else nodes.push(link(target ?? address, label ?? address));
    end = match.index + whole.length;
  }
  nodes.push(text.slice(end));
  return nodes;
}

const link = (href, label) => make("a", { href, target: "_blank", rel: "noopener noreferrer" }, label);
