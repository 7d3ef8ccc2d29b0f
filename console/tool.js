// A tool call in the transcript: its name and arguments in a line, and what it received and returned inside.

import { make, statusMark, write } from "./dom.js";
import { filesIn, fileView } from "./files.js";

const MAX_SHOWN_CHARACTERS = 20_000;
const MAX_SUMMARY_CHARACTERS = 120;
const TOOL_LABEL = {
  running: "running",
  asked: "waits for an answer",
  answered: "answered",
  done: "done",
  error: "failed",
  denied: "denied",
  gone: "no result",
};
const TOOL_STATUS = {
  running: "running",
  asked: "waiting",
  answered: "pending",
  done: "succeeded",
  error: "failed",
  denied: "aborted",
  gone: "aborted",
};

/** The state to show of a call: without a result, what becomes of it depends on its run. */
function toolState({ id, state }, isActive, asked) {
  if (state !== "running") return state;
  if (asked) return asked.some((call) => call.tool_call_id === id) ? "asked" : "answered";
  return isActive ? "running" : "gone";
}

export class ToolView {
  mark = statusMark("running");
  name = make("span", { class: "name" });
  brief = make("span", { class: "brief" });
  state = make("span", { class: "state" });
  inside = make("div", { class: "inside" });
  node = make(
    "details",
    { class: "tool" },
    make("summary", {}, this.mark, this.name, this.brief, this.state),
    this.inside,
  );

  show(part, { isActive, asked }) {
    const state = toolState(part, isActive, asked);
    const content = JSON.stringify([state, part.input, part.output, part.error, part.approval]);
    if (content === this.content) return;
    this.content = content;
    this.node.dataset.state = state;
    this.mark.dataset.status = TOOL_STATUS[state];
    const result = { done: summary(part.output), error: part.error, denied: part.approval?.reason }[state];
    write(this.name, part.name);
    write(this.brief, [summary(part.input), result].filter(Boolean).join(" → "));
    write(this.state, (part.approval?.approved ? "approved, " : "") + TOOL_LABEL[state]);
    const blocks = [block("Input", part.input)];
    if (state === "done") blocks.push(block("Output", part.output));
    if (state === "error") blocks.push(block("Error", part.error));
    const files = filesIn(part.output);
    if (files.length) {
      blocks.unshift(make("div", { class: "files" }, ...files.map(fileView)));
      this.node.open = true;
    }
    if (part.approval?.reason) blocks.push(block("Reason", part.approval.reason));
    this.inside.replaceChildren(...blocks.flat());
  }
}

/** A value in a few words. */
function summary(value) {
  if (value === null || typeof value !== "object") return String(value ?? "").slice(0, MAX_SUMMARY_CHARACTERS);
  const values = Object.values(value).map((each) => (typeof each === "string" ? each : JSON.stringify(each)));
  return values.join(", ").slice(0, MAX_SUMMARY_CHARACTERS);
}

export function block(label, value) {
  const text = typeof value === "string" ? value : JSON.stringify(value ?? null, null, 2);
  const hidden = text.length - MAX_SHOWN_CHARACTERS;
  const shown = hidden > 0 ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}\n… ${hidden} more characters` : text;
  return [make("h4", {}, label), make("pre", { tabindex: "0", "aria-label": label }, shown)];
}
