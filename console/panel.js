// The right side: one run in figures and as a timeline, and the runs of the chat.

import {
  arrange,
  button,
  byId,
  count,
  duration,
  durationBetween,
  isOver,
  keyed,
  make,
  mark,
  STATUS,
  statusMark,
  statusOf,
  time,
  write,
} from "./dom.js";
import { stepsOf } from "./events.js";

const facts = byId("facts");
let shown = null;

/** Shows the run, or that there is none. `progress` is null while its events are not read. */
export function showRun(run, progress) {
  shown = run ? { run, progress } : null;
  if (!run) {
    delete facts.dataset.shows;
    facts.replaceChildren(make("p", { class: "note" }, "Nothing has run here yet."));
    return;
  }
  const state = JSON.stringify(run);
  if (facts.dataset.shows !== state) {
    facts.dataset.shows = state;
    facts.replaceChildren(
      headline(statusOf(run)),
      make("dl", {}, ...figures(run)),
      make("h3", { id: "timeline-heading" }, "Timeline"),
      make("ol", { class: "timeline", "aria-labelledby": "timeline-heading" }),
    );
  }
  tick();
}

const headline = (status) =>
  make(
    "p",
    { class: "headline", "data-status": status },
    statusMark(status),
    make("strong", {}, STATUS[status]),
    make("span", { class: "total" }),
  );

function figures(run) {
  const figure = (name, value) => [make("dt", {}, name), make("dd", {}, value)];
  const moment = (name, iso) => (iso ? figure(name, time(iso)) : []);
  const { input_tokens: input, output_tokens: output, requests } = run.usage;
  return [
    ...moment("Accepted", run.created_at),
    ...moment("Begun", run.started_at),
    ...moment("Stop asked", run.stop_requested_at),
    ...(run.retrying
      ? [...figure("Provider", make("code", {}, run.retrying.code)), ...moment("Waiting since", run.retrying.since)]
      : []),
    ...moment("Ended", run.finished_at),
    ...(run.status === "waiting" ? figure("Answer by", time(run.asked.until)) : []),
    ...(run.finish_reason ? figure("Because", run.finish_reason.replaceAll("_", " ")) : []),
    ...(run.error ? figure("Error", make("code", {}, run.error.code)) : []),
    ...(run.agent ? figure("Agent", run.agent) : []),
    ...figure("Steps", `${run.step_count} of at most ${run.budget.max_steps}`),
    ...figure("Model", count(requests, "request")),
    ...(input || output ? figure("Tokens", `${input.toLocaleString()} in, ${output.toLocaleString()} out`) : []),
    ...figure("Id", make("a", { class: "id", href: `#run=${run.id}` }, make("code", {}, run.id))),
  ];
}

/** Updates what changes with time: the duration, and the timeline that is drawn to its scale. */
export function tick() {
  if (!shown) return;
  const { run, progress } = shown;
  const begin = Date.parse(run.created_at);
  const end = run.finished_at ? Date.parse(run.finished_at) : Math.max(Date.now(), begin + 1);
  write(facts.querySelector(".total"), duration(end - begin));
  const list = facts.querySelector(".timeline");
  if (!progress) {
    list.replaceChildren(make("li", { class: "note" }, "Loading…"));
    return;
  }
  const spans = spansOf(run, progress, begin, end);
  const rows = spans.map((span, index) => timelineRow(list.children[index], span, begin, end));
  arrange(list, rows);
}

/** The time in the queue, then one span for each step. A step begins where the one before it ended. */
function spansOf(run, progress, begin, end) {
  const claimed = run.started_at ? Date.parse(run.started_at) : end;
  const status = run.started_at ? "queue" : statusOf(run);
  const spans = [{ label: "Queue", note: "", from: begin, to: claimed, status }];
  let from = claimed;
  let hasAsked = false;
  for (const step of stepsOf(progress)) {
    const to = step.endedAt ? Date.parse(step.endedAt) : end;
    const label = `Step ${step.number + 1}`;
    // The step after one that asked begins with the wait for the answers, which is most of it.
    if (hasAsked) spans.push({ label, note: "answered calls", from, to, status: "waiting" });
    else spans.push({ label, note: noteOf(step), from, to, status: stepStatus(step, run) });
    hasAsked = step.kind === "asked";
    from = to;
  }
  if (run.status === "waiting")
    spans.push({ label: "Waiting", note: "for an answer", from, to: end, status: "waiting" });
  return spans;
}

function noteOf(step) {
  const tools = step.parts.filter((part) => part.type === "tool").map((part) => part.name);
  const notes = [
    step.attempt > 1 ? `attempt ${step.attempt}` : "",
    tools.join(", "),
    step.state === "discarded" ? "not kept" : step.kind === "partial" ? "broken off" : "",
  ];
  return notes.filter(Boolean).join(" · ");
}

function stepStatus(step, run) {
  if (step.state === "live") return statusOf(run);
  return step.state === "discarded" || step.kind === "partial" ? "aborted" : "succeeded";
}

function timelineRow(existing, span, begin, end) {
  const item = existing?.querySelector(".bar") ? existing : emptyTimelineRow();
  const percent = (ms) => `${((Math.max(0, ms) / Math.max(1, end - begin)) * 100).toFixed(2)}%`;
  write(item.querySelector(".what"), span.label);
  write(item.querySelector(".took"), duration(span.to - span.from));
  write(item.querySelector(".about"), span.note);
  const bar = item.querySelector(".bar");
  bar.dataset.status = span.status;
  bar.style.setProperty("left", percent(span.from - begin));
  bar.style.setProperty("width", percent(span.to - span.from));
  return item;
}

const emptyTimelineRow = () =>
  make(
    "li",
    {},
    make("span", { class: "what" }),
    make("span", { class: "took" }),
    make("span", { class: "about" }),
    make("span", { class: "track", "aria-hidden": "true" }, make("span", { class: "bar" })),
  );

/** Shows the runs of the chat, newest first; `chosenId` is the run on this side. */
export function showRuns(runs, chosenId, hasOlder) {
  const create = ({ id, created_at: createdAt }) => {
    const label = make("span");
    const took = make("span", { class: "took" });
    const when = make("span", { class: "when" }, time(createdAt));
    return make("li", {}, button({ class: "row", "data-run": id }, statusMark("pending"), label, took, when));
  };
  keyed(byId("runs"), runs, create, (node, run) => {
    const [row] = node.children;
    const [dot, label, took] = row.children;
    const status = statusOf(run);
    mark(row, "aria-current", run.id === chosenId ? "true" : null);
    mark(dot, "data-status", status);
    write(label, STATUS[status]);
    write(took, isOver(run) ? durationBetween(run.created_at, run.finished_at) : "");
  });
  byId("runs-heading").hidden = runs.length === 0;
  byId("older-runs").hidden = !hasOlder;
}
