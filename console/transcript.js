// One run in the chat: the prompt, the answer with its tool calls, and how the run ended.

import { newAsk, showAnswer } from "./ask.js";
import {
  arrange,
  button,
  duration,
  durationBetween,
  isOver,
  keyed,
  make,
  moment,
  STATUS,
  statusMark,
  statusOf,
  write,
} from "./dom.js";
import { fileView } from "./files.js";
import { prose } from "./prose.js";
import { block, ToolView } from "./tool.js";

const FAILURE = {
  step_attempts: "A step broke off on each of its attempts.",
  model_rejected: "The model refused the request.",
  model_quota: "The model’s quota is used up.",
  model_unavailable: "The model’s provider could not be reached for too long.",
  model_rate_limited: "The model’s provider limited the rate of requests for too long.",
  model_context_exceeded: "The chat has become too long for the model.",
  model_output_limit: "The model ran into its output limit.",
  model_content_filter: "The provider’s content filter stopped the model.",
  model_not_configured: "No model is configured.",
  tool_failed: "A tool broke.",
  agent_unknown: "Its agent is no longer deployed.",
  output_invalid: "The model gave no output of the required form.",
  loop_detected: "It went round in circles: the same calls gave the same results.",
  step_too_large: "A step is larger than can be stored.",
  run_too_large: "The answer grew larger than can be stored.",
  unanswered: "Its question was not answered in time.",
  stale: "It made no progress any more and was given up.",
  never_started: "No worker took it.",
};
const CUT_SHORT = {
  max_steps: "It ended because its budget of steps was used up.",
  length: "The model’s output limit cut the answer short.",
  content_filter: "The provider’s content filter cut the answer short.",
  handed_over: "A newer message took its place, and the next run answers that.",
};
const RUN_STATUS = { streaming: "running", completed: "succeeded", error: "failed", aborted: "aborted" };
const LONG_PROMPT_CHARACTERS = 400;
const LONG_PROMPT_LINES = 12;

export class TurnView {
  #turn = null;
  #parts = new Map();
  #prompt;
  #ending;
  #question = make("div", { class: "question" });
  #steps = make("div", { class: "steps" });
  #asks = make("div", { class: "asks" });
  #end = make("div", { class: "end" });
  #mark = statusMark("pending");
  #label = make("span", { class: "status" });
  #more = make("span", { class: "more" });
  #answer = make(
    "div",
    { class: "answer" },
    make("h3", { class: "unseen" }, "Agent"),
    this.#steps,
    this.#asks,
    this.#end,
    make("p", { class: "line" }, this.#mark, this.#label, this.#more, button({ class: "quiet details" }, "Details")),
  );

  constructor(runId) {
    const attributes = { class: "turn", "data-run": runId, "aria-label": "Run", tabindex: "-1" };
    this.node = make("article", attributes, this.#question, this.#answer);
  }

  /** Shows `{prompt, files, run, message, steps}`. Of a run that was read as a message alone, `run` is null. */
  show(turn) {
    this.#turn = turn;
    this.#showPrompt(turn.prompt, turn.files);
    const status = turn.run ? statusOf(turn.run) : (RUN_STATUS[turn.message?.status] ?? "running");
    const isActive = turn.run ? !isOver(turn.run) : turn.message?.status === "streaming";
    const asked = turn.run?.status === "waiting" ? turn.run.asked : null;
    this.#showSteps(turn.steps, isActive, asked?.open ?? null);
    this.#showAsked(asked, turn.answers);
    this.#answer.setAttribute("aria-busy", String(isActive && !asked));
    this.node.dataset.status = status;
    this.#mark.dataset.status = status;
    write(this.#label, STATUS[status]);
    this.#showEnd(turn, status);
    this.tick();
  }

  #showSteps(steps, isActive, asked) {
    const views = new Map();
    for (const step of steps) {
      if (step.state === "discarded") continue;
      const last = step.parts.at(-1);
      for (const part of step.parts) {
        const view = this.#parts.get(part) ?? newPartView(part);
        view.show(part, { isLive: isActive && step.state === "live" && part === last, isActive, asked });
        views.set(part, view);
      }
    }
    this.#parts = views;
    const nodes = [...views.values()].map((view) => view.node);
    arrange(this.#steps, nodes);
  }

  #showAsked(asked, answers) {
    // A tool that was approved can ask again: then the same call is open in a later step.
    const items = (asked?.open ?? []).map((call) => ({ id: `${asked.step} ${call.tool_call_id}`, call }));
    keyed(
      this.#asks,
      items,
      ({ call }) => newAsk(call),
      (node, { call }) => showAnswer(node, answers.get(call.tool_call_id)),
    );
  }

  #showPrompt(prompt, files) {
    const shown = JSON.stringify([prompt, files.map((file) => file.url)]);
    if (shown === this.#prompt) return;
    this.#prompt = shown;
    const text = prompt ?? "";
    const isScript = text.trimStart().startsWith("#script");
    const isLong = text.length > LONG_PROMPT_CHARACTERS || text.split("\n").length > LONG_PROMPT_LINES;
    const content = make("div", { class: isScript ? "prompt script" : "prompt" }, text);
    content.classList.toggle("cut", isLong);
    const toggle = button({ class: "quiet", "aria-expanded": "false" }, "Show all");
    toggle.addEventListener("click", () => {
      const isCut = content.classList.toggle("cut");
      toggle.setAttribute("aria-expanded", String(!isCut));
      write(toggle, isCut ? "Show all" : "Show less");
    });
    this.#question.replaceChildren(make("h3", { class: "unseen" }, "You"), content, ...(isLong ? [toggle] : []));
    if (files.length) this.#question.append(make("div", { class: "files" }, ...files.map(fileView)));
    this.#question.hidden = prompt === null;
  }

  #showEnd({ run, message }, status) {
    const { error, finish_reason: reason } = run ?? message?.metadata ?? {};
    const ending = JSON.stringify([status, error, reason]);
    if (ending === this.#ending) return;
    this.#ending = ending;
    const nodes = [];
    if (status === "failed" || (status === "aborted" && error)) {
      const heading = status === "failed" ? "This run failed" : "This run was given up";
      const failure = FAILURE[error?.code] ?? "Something broke on the server’s side; its log says more.";
      nodes.push(notice(status, heading, failure, error));
    } else if (status === "aborted") {
      const when = run?.stop_requested_at ? ` at ${moment(run.stop_requested_at)}` : "";
      const heading = reason === "superseded" ? "A newer message took its place" : `Stopped${when}`;
      nodes.push(notice(status, heading, "The text so far is kept."));
    } else if (status === "succeeded" && CUT_SHORT[reason]) {
      nodes.push(notice("aborted", "Cut short", CUT_SHORT[reason]));
    }
    this.#end.replaceChildren(...nodes);
  }

  /** Updates what changes with time: the duration of an active run. */
  tick() {
    if (this.#turn) write(this.#more, figures(this.#turn).join(" · "));
  }
}

/** The number of steps, the duration and the end of a run, where each applies. */
function figures({ run, message, steps }) {
  if (run && !isOver(run)) {
    const step = run.started_at ? [`step ${Math.max(1, steps.length, run.step_count)}`] : [];
    if (run.status === "waiting") return [...step, `until ${moment(run.asked.until)}`];
    return [...step, duration(Date.now() - Date.parse(run.created_at))];
  }
  if (run) {
    const number = run.step_count || steps.filter((step) => step.state !== "discarded").length;
    const took = durationBetween(run.created_at, run.finished_at);
    return [`${number} ${number === 1 ? "step" : "steps"}`, took, moment(run.finished_at)];
  }
  if (message && message.status !== "streaming") {
    return [durationBetween(message.created_at, message.updated_at), moment(message.updated_at)];
  }
  return [];
}

function notice(status, heading, text, error) {
  return make(
    "div",
    { class: "notice", "data-status": status },
    make("p", { class: "heading" }, heading),
    make("p", {}, text),
    error ? make("p", { class: "cause" }, make("code", {}, error.code), " ", error.message) : null,
  );
}

/**
 * An element for the part. `show(part, {isLive, isActive, asked})` updates its `node`; a live part still receives text.
 * `asked` are the open calls of a run that waits, else null.
 */
const newPartView = (part) =>
  new ({ text: TextView, reasoning: ReasoningView, tool: ToolView, output: OutputView, other: OtherView })[part.type]();

class TextView {
  node = make("div", { class: "prose" });

  show(part, { isLive }) {
    this.node.classList.toggle("live", isLive);
    if (this.text === part.text) return;
    this.text = part.text;
    this.node.replaceChildren(...prose(part.text));
  }
}

class ReasoningView {
  label = make("summary");
  text = make("div", { class: "thought" });
  node = make("details", { class: "reasoning" }, this.label, this.text);

  show(part, { isLive }) {
    write(this.label, isLive ? "Thinking…" : "Reasoning");
    write(this.text, part.text);
  }
}

/** A file of the chat, or a source's name and address. */
class OtherView {
  node = make("div", { class: "other" });

  show({ part }) {
    if (part.type === "file" && part.url?.startsWith("/chats/")) {
      if (!this.node.childElementCount) this.node.append(fileView(part));
      return;
    }
    const address = part.url?.startsWith("http") ? part.url : "";
    const words = [part.type.replaceAll("-", " "), part.title ?? part.filename, part.mediaType, address];
    write(this.node, words.filter(Boolean).join(" · "));
  }
}

/** The structured output of the run, as formatted JSON. */
class OutputView {
  node = make("div", { class: "output" });

  show({ data }) {
    const content = JSON.stringify(data);
    if (content === this.content) return;
    this.content = content;
    this.node.replaceChildren(...block("Output", data));
  }
}
