// Files: those that go with the next prompt, and those of the transcript. A file's content never passes through the API.

import * as api from "./api.js";
import { button, byId, keyed, make, write } from "./dom.js";

const MAX_FILES = 10;
/** A download's address is good for five minutes. */
const ADDRESS_MS = 240_000;
const IMAGES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

/** The files to send with the next prompt: `{id, file, preview, uploads}`; `uploads` are their ids by chat. */
let attached = [];
let count = 0;

/** The id of the file that this part of a message refers to. */
export const idOf = ({ url }) => url.split("/").at(-1);

export const hasFiles = () => attached.length > 0;

/** Attaches the files, as many as a prompt takes. Returns how many were left over. */
export function attach(files) {
  const room = MAX_FILES - attached.length;
  for (const file of [...files].slice(0, Math.max(0, room))) {
    count += 1;
    const preview = IMAGES.has(file.type) ? URL.createObjectURL(file) : "";
    attached.push({ id: count, file, preview, uploads: new Map() });
  }
  draw();
  return Math.max(0, files.length - room);
}

/** Attaches files that the chat has already, by their parts: those of a message that was taken back. */
export function reattach(chatId, parts) {
  for (const { filename, mediaType, url } of parts) {
    count += 1;
    const uploaded = { id: idOf({ url }), name: filename, media_type: mediaType, url };
    attached.push({ id: count, file: { name: filename }, preview: "", uploads: new Map([[chatId, uploaded]]) });
  }
  draw();
}

/** Removes those files, or all of them. */
export function detach(entries = attached) {
  for (const { preview } of entries) if (preview) URL.revokeObjectURL(preview);
  attached = attached.filter((entry) => !entries.includes(entry));
  draw();
}

/**
 * Uploads what is attached, each file once a chat, and returns `{entries, parts}`: what was sent, and its UI parts.
 * Throws api.Problem.
 */
export async function upload(chatId) {
  const entries = attached;
  const parts = [];
  for (const { file, uploads } of entries) {
    if (!uploads.has(chatId)) uploads.set(chatId, await api.upload(chatId, file));
    const { id, name, media_type: mediaType, url } = uploads.get(chatId);
    parts.push({ id, type: "file", filename: name, mediaType, url });
  }
  return { entries, parts };
}

function draw() {
  const list = byId("attached");
  list.hidden = !attached.length;
  keyed(list, attached, newChip, () => {});
}

function newChip(entry) {
  const name = entry.file.name || "file";
  const remove = button({ class: "quiet", "aria-label": `Remove ${name}`, click: () => detach([entry]) }, "×");
  const picture = entry.preview ? make("img", { src: entry.preview, alt: "" }) : null;
  return make("li", {}, picture, make("span", { class: "name" }, name), remove);
}

const addresses = new Map();

/** Where the content of the file at this address of the API is now. */
function locate(url) {
  const known = addresses.get(url);
  if (known && known.until > Date.now()) return known.found;
  const found = api.withRetries(() => api.file(url)).then(({ download }) => download.url);
  addresses.set(url, { found, until: Date.now() + ADDRESS_MS });
  found.catch(() => addresses.delete(url));
  return found;
}

/** An element for a file part: a picture, or a button that downloads it. */
export function fileView({ url, filename, mediaType }) {
  const name = filename ?? "file";
  const label = make("span", { class: "name" }, name);
  const download = async () => {
    try {
      make("a", { href: await locate(url), download: name, rel: "noreferrer" }).click();
    } catch (error) {
      write(label, `${name}: ${error.message}`);
    }
  };
  if (!IMAGES.has(mediaType)) return button({ class: "file", title: mediaType, click: download }, label);
  const picture = make("img", { alt: name });
  const link = make("a", { class: "file picture", target: "_blank", rel: "noreferrer", title: name }, picture);
  locate(url).then(
    (address) => {
      picture.src = address;
      link.href = address;
    },
    (error) => link.replaceChildren(make("span", { class: "name" }, `${name}: ${error.message}`)),
  );
  return link;
}

/** Every file part in a value that a tool returned. */
export function filesIn(value) {
  if (value === null || typeof value !== "object") return [];
  if (value.type === "file" && typeof value.url === "string" && value.url.startsWith("/chats/")) return [value];
  return Object.values(value).flatMap(filesIn);
}
