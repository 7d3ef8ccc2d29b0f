// A call that waits for a person: what it asks, and the forms to answer it. An answer leaves as an event `answer` with
// `{callId, decision}`.

import { button, isTouch, make, mark, write } from "./dom.js";

const MAX_SHOWN_CHARACTERS = 20_000;
const DECLINED = { question: "The person declined to answer.", external: "The tool failed." };

/** A card for the call. What a person has begun to write in it stays as long as the call is open. */
export function newAsk(call) {
  const node = make("section", { class: "ask", "data-call": call.tool_call_id, tabindex: "-1" });
  const decide = (decision) =>
    node.dispatchEvent(new CustomEvent("answer", { bubbles: true, detail: { callId: call.tool_call_id, decision } }));
  const heading = make("h4", {}, headingOf(call));
  mark(node, "aria-label", heading.textContent);
  const forms = call.kind === "approval" ? approvalForms(call, decide) : [resultForm(call, decide)];
  node.append(heading, ...about(call), ...forms, make("p", { class: "wrong", role: "alert" }));
  return node;
}

/** Shows the state of the answer to the card's call: `{isSending, error}`, or nothing. */
export function showAnswer(node, answer) {
  mark(node, "aria-busy", answer?.isSending ? "true" : null);
  // Not `disabled`: that would take the focus from a reader who pressed it with the keyboard.
  for (const each of node.querySelectorAll("button")) mark(each, "aria-disabled", answer?.isSending ? "true" : null);
  write(node.lastChild, answer?.error ?? "");
}

function headingOf({ kind, tool_name: name, input, metadata }) {
  if (kind === "approval") return `${name} needs your approval`;
  if (kind === "external") return `${name} runs outside of this page: what did it return?`;
  const question = metadata?.question ?? input?.question;
  return typeof question === "string" && question ? visible(question) : `${name} asks you`;
}

/** What the call is about. A question in the heading is not repeated. */
function about({ kind, input, metadata }) {
  const asksOnly = kind === "question" && Object.keys(input ?? {}).join() === "question";
  const parts = asksOnly ? [] : [argumentList(input)];
  if (kind !== "question" && metadata)
    parts.push(make("p", { class: "note" }, "The tool says:"), argumentList(metadata));
  return parts;
}

/** The values by name: a text as it is, anything else as JSON. */
function argumentList(input) {
  if (input === null || typeof input !== "object" || Array.isArray(input)) return make("pre", {}, shown(input));
  const entries = Object.entries(input);
  if (!entries.length) return make("p", { class: "note" }, "Without arguments.");
  const rows = entries.flatMap(([name, value]) => [make("dt", {}, visible(name)), make("dd", {}, shown(value))]);
  return make("dl", { tabindex: "0", "aria-label": "Arguments" }, ...rows);
}

function shown(value) {
  const text = visible(typeof value === "string" ? value : JSON.stringify(value ?? null, null, 2));
  const hidden = text.length - MAX_SHOWN_CHARACTERS;
  return hidden > 0 ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}\n… ${hidden} more characters; Edit shows them` : text;
}

/** The text with characters escaped that make a line read differently than it is. */
const visible = (text) =>
  text.replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16)}`);

function approvalForms(call, decide) {
  const back = () => button({ class: "quiet", click: () => open(actions) }, "Back");
  const deny = answerForm("Why not? The agent reads it.", "", (text) => {
    const reason = text.trim();
    decide(reason ? { approved: false, reason } : { approved: false });
  });
  deny.actions.append(make("button", { class: "stop" }, "Deny"), back());
  const edit = answerForm("Arguments, as JSON", JSON.stringify(call.input ?? {}, null, 2), (text) => {
    const input = parsedObject(text);
    decide(JSON.stringify(input) === JSON.stringify(call.input) ? { approved: true } : { approved: true, input });
  });
  edit.node.classList.add("json");
  edit.actions.append(make("button", { class: "strong" }, "Approve these"), back());
  const actions = make(
    "p",
    { class: "actions" },
    button({ class: "strong", click: () => decide({ approved: true }) }, "Approve"),
    button({ click: () => open(edit.node) }, "Edit"),
    button({ class: "stop", click: () => open(deny.node) }, "Deny"),
  );
  const all = [actions, deny.node, edit.node];
  const open = (one) => {
    for (const each of all) each.hidden = each !== one;
    one.querySelector("textarea, button").focus();
  };
  for (const form of [deny.node, edit.node]) {
    form.hidden = true;
    form.addEventListener("keydown", (event) => event.key === "Escape" && open(actions));
  }
  return all;
}

function resultForm(call, decide) {
  const isQuestion = call.kind === "question";
  const form = answerForm(isQuestion ? "Your answer" : "Result, as JSON or text", "", (text) => {
    if (!text.trim()) throw new Error(isQuestion ? "Write an answer, or decline." : "Write the result.");
    decide({ output: isQuestion ? text.trim() : jsonOrText(text) });
  });
  const field = form.node.querySelector("textarea");
  const decline = () => decide({ error_text: field.value.trim() || DECLINED[call.kind] });
  form.actions.append(
    make("button", { class: "strong" }, isQuestion ? "Answer" : "Send result"),
    button({ class: "quiet", click: decline }, isQuestion ? "Decline" : "It failed"),
  );
  return form.node;
}

/** A form with one field. `submit(text)` throws an error with what is wrong with the text. */
function answerForm(label, value, submit) {
  const field = make("textarea", { rows: Math.min(12, value.split("\n").length + 1), spellcheck: "false" }, value);
  const wrong = make("p", { class: "wrong", role: "alert" });
  const actions = make("p", { class: "actions" });
  const node = make("form", {}, make("label", {}, label, field), wrong, actions);
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    let problem = "";
    try {
      submit(field.value);
    } catch (error) {
      problem = error.message;
    }
    write(wrong, problem);
    mark(field, "aria-invalid", problem ? "true" : null);
    if (problem) field.focus();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    // As in the prompt; but arguments have lines.
    const sends = !event.shiftKey && !isTouch() && !node.classList.contains("json");
    if (!sends && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    node.requestSubmit();
  });
  return { node, actions };
}

function parsedObject(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`This is not JSON: ${error.message}`);
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new Error("The arguments must be an object: {…}");
  }
  return value;
}

function jsonOrText(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
