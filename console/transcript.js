// The chat as it is read: for each run what was asked, what was said and called, and how it ended.

import { at, arrange, duration, isOver, make, moment, STATUS, statusMark, statusOf, write } from "./make.js";
import { prose } from "./prose.js";

const WHY = {
  step_attempts: "A step broke off on each of its attempts.",
  model_rejected: "The model refused the request.",
  model_quota: "The model’s quota is used up.",
  model_context_exceeded: "The chat has become too long for the model.",
  model_output_limit: "The model ran into its output limit.",
  model_content_filter: "The provider’s content filter stopped the model.",
  model_not_configured: "No model is configured.",
  tool_failed: "A tool broke.",
  loop_detected: "It went round in circles: the same calls gave the same results.",
  step_too_large: "A step said more than can be stored.",
  run_too_large: "The answer grew larger than can be stored.",
  stale: "It made no progress any more and was given up.",
  never_started: "No worker took it.",
};
const CUT = {
  max_steps: "It ended because its budget of steps was used up.",
  length: "The model’s output limit cut the answer short.",
  content_filter: "The provider’s content filter cut the answer short.",
};
const OF_MESSAGE = { streaming: "running", completed: "succeeded", error: "failed", aborted: "aborted" };
const LONG_PROMPT = 400;
const FULL_TEXT = 20_000;
const BRIEF = 120;

/**
 * One run in the chat. `turn`: `{prompt, run, message, steps, live}`; `run` may be missing for one that was only read as
 * a message, `live` says that its events are being told.
 */
export class Turn {
  constructor(id, onDetails) {
    this.views = new Map();
    this.asked = make("div", { class: "asked" });
    this.steps = make("div", { class: "steps" });
    this.end = make("div", { class: "end" });
    this.mark = statusMark("pending");
    this.label = make("span", { class: "status" });
    this.more = make("span", { class: "more" });
    this.line = make(
      "p",
      { class: "line" },
      this.mark,
      this.label,
      this.more,
      make("button", { type: "button", class: "quiet", click: () => onDetails(id) }, "Details"),
    );
    this.answer = make("div", { class: "answer" }, make("h3", { class: "unseen" }, "Agent"), this.steps, this.end, this.line);
    this.node = make("article", { class: "turn", "data-run": id, "aria-label": "Run", tabindex: "-1" }, this.asked, this.answer);
  }

  show(turn) {
    this.turn = turn;
    this.showPrompt(turn.prompt);
    const status = turn.run ? statusOf(turn.run) : OF_MESSAGE[turn.message?.status] ?? "running";
    const active = turn.run ? !isOver(turn.run) : turn.message?.status === "streaming";
    const views = new Set();
    const nodes = [];
    for (const step of turn.steps) {
      if (step.state === "discarded") continue;
      const last = step.parts.at(-1);
      for (const part of step.parts) {
        views.add(part);
        const view = this.views.get(part) ?? newView(part);
        this.views.set(part, view);
        view.show(part, { live: active && step.state === "live" && part === last, active });
        nodes.push(view.node);
      }
    }
    for (const part of this.views.keys()) if (!views.has(part)) this.views.delete(part);
    arrange(this.steps, nodes);
    this.answer.setAttribute("aria-busy", String(active));
    this.node.dataset.status = status;
    this.mark.dataset.status = status;
    write(this.label, STATUS[status]);
    this.showEnd(turn, status);
    this.tick();
  }

  showPrompt(prompt) {
    if (prompt === this.prompt) return;
    this.prompt = prompt;
    const script = prompt?.trimStart().startsWith("#script");
    const said = make("div", { class: script ? "said script" : "said" }, prompt ?? "");
    const long = (prompt ?? "").length > LONG_PROMPT || (prompt ?? "").split("\n").length > 12;
    const toggle = make("button", { type: "button", class: "quiet", "aria-expanded": "false" }, "Show all");
    toggle.addEventListener("click", () => {
      const cut = said.classList.toggle("cut");
      toggle.setAttribute("aria-expanded", String(!cut));
      write(toggle, cut ? "Show all" : "Show less");
    });
    if (long) said.classList.add("cut");
    this.asked.replaceChildren(make("h3", { class: "unseen" }, "You"), said, ...(long ? [toggle] : []));
    this.asked.hidden = prompt === null;
  }

  showEnd(turn, status) {
    const error = turn.run ? turn.run.error : turn.message?.metadata?.error;
    const reason = turn.run ? turn.run.finish_reason : turn.message?.metadata?.finish_reason;
    const said = JSON.stringify([status, error, reason]);
    if (said === this.ended) return;
    this.ended = said;
    const nodes = [];
    if (status === "failed" || (status === "aborted" && error)) {
      const why = WHY[error?.code] ?? "Something broke on the server’s side; its log says more.";
      nodes.push(
        notice(status, status === "failed" ? "This run failed" : "This run was given up", why, error),
      );
    } else if (status === "aborted") {
      const when = turn.run?.stop_requested_at ? ` at ${moment(turn.run.stop_requested_at)}` : "";
      nodes.push(notice(status, `Stopped${when}`, "What was said until then is kept."));
    } else if (status === "succeeded" && CUT[reason]) nodes.push(notice("aborted", "Cut short", CUT[reason]));
    this.end.replaceChildren(...nodes);
  }

  /** What moves on by itself: the time. */
  tick() {
    if (!this.turn) return;
    const { run, message, steps } = this.turn;
    const said = [];
    const number = run?.step_count || steps.filter((step) => step.state !== "discarded").length;
    if (run && !isOver(run)) {
      if (run.started_at) said.push(`step ${Math.max(1, steps.length)}`);
      said.push(duration(Date.now() - at(run.created_at)));
    } else if (run) {
      said.push(`${number} ${number === 1 ? "step" : "steps"}`, duration(at(run.finished_at) - at(run.created_at)), moment(run.finished_at));
    } else if (message && message.status !== "streaming") {
      said.push(duration(at(message.updated_at) - at(message.created_at)), moment(message.updated_at));
    }
    write(this.more, said.join(" · "));
  }
}

function notice(kind, heading, text, error) {
  return make(
    "div",
    { class: "notice", "data-status": kind },
    make("p", { class: "heading" }, heading),
    make("p", {}, text),
    error ? make("p", { class: "cause" }, make("code", {}, error.code), " ", error.message) : null,
  );
}

const newView = (part) => new { text: TextView, reasoning: ReasoningView, tool: ToolView, other: OtherView }[part.type]();

class TextView {
  node = make("div", { class: "prose" });

  show(part, { live }) {
    this.node.classList.toggle("live", live);
    if (this.text === part.text) return;
    this.text = part.text;
    this.node.replaceChildren(...prose(part.text));
  }
}

class ReasoningView {
  label = make("summary");
  said = make("div", { class: "thought" });
  node = make("details", { class: "reasoning" }, this.label, this.said);

  show(part, { live }) {
    write(this.label, live ? "Thinking…" : "Reasoning");
    write(this.said, part.text);
  }
}

/** A file or a source: what it is called, never what is in it. */
class OtherView {
  node = make("p", { class: "other" });

  show({ part }) {
    const said = [part.type.replaceAll("-", " "), part.title ?? part.filename, part.mediaType, part.url?.startsWith("http") ? part.url : ""];
    write(this.node, said.filter(Boolean).join(" · "));
  }
}

const TOOL = { running: "running", done: "done", error: "failed", gone: "no result" };
const MARK = { running: "running", done: "succeeded", error: "failed", gone: "aborted" };

class ToolView {
  mark = statusMark("running");
  name = make("span", { class: "name" });
  brief = make("span", { class: "brief" });
  state = make("span", { class: "state" });
  inside = make("div", { class: "inside" });
  node = make("details", { class: "tool" }, make("summary", {}, this.mark, this.name, this.brief, this.state), this.inside);

  show(part, { active }) {
    const state = part.state === "running" && !active ? "gone" : part.state;
    const said = JSON.stringify([state, part.input, part.output, part.error]);
    if (said === this.said) return;
    this.said = said;
    this.node.dataset.state = state;
    this.mark.dataset.status = MARK[state];
    write(this.name, part.name);
    write(this.brief, [inShort(part.input), { done: inShort(part.output), error: part.error }[state]].filter(Boolean).join(" → "));
    write(this.state, TOOL[state]);
    const blocks = [block("Input", part.input)];
    if (state === "done") blocks.push(block("Output", part.output));
    if (state === "error") blocks.push(block("Error", part.error));
    this.inside.replaceChildren(...blocks.flat());
  }
}

/** A value in a few words. */
function inShort(value) {
  if (value === null || typeof value !== "object") return String(value ?? "").slice(0, BRIEF);
  return Object.values(value).map((one) => (typeof one === "string" ? one : JSON.stringify(one))).join(", ").slice(0, BRIEF);
}

function block(label, value) {
  const text = typeof value === "string" ? value : JSON.stringify(value ?? null, null, 2);
  const shown = text.length > FULL_TEXT ? `${text.slice(0, FULL_TEXT)}\n… ${text.length - FULL_TEXT} more characters` : text;
  return [make("h4", {}, label), make("pre", { tabindex: "0", "aria-label": label }, shown)];
}
