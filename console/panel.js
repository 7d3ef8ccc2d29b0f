// One run in figures and as a timeline, and the runs of the chat.

import { arrange, at, byId, count, duration, isOver, keyed, make, mark, STATUS, statusMark, statusOf, time, write } from "./make.js";
import { stepsOf } from "./told.js";

const facts = byId("facts");
let shown = null;

/** Show `run`; `told` are its events as far as they are known, or null. */
export function show(run, told) {
  shown = run ? { run, told } : null;
  if (!run) {
    delete facts.dataset.shows;
    facts.replaceChildren(make("p", { class: "note" }, "Nothing has run here yet."));
    return;
  }
  const known = JSON.stringify(run);
  if (facts.dataset.shows === known) return void tick();
  facts.dataset.shows = known;
  const status = statusOf(run);
  const fact = (name, ...value) => [make("dt", {}, name), make("dd", {}, ...value)];
  const { input_tokens: read, output_tokens: written, requests } = run.usage;
  facts.replaceChildren(
    make(
      "p",
      { class: "headline", "data-status": status },
      statusMark(status),
      make("strong", {}, STATUS[status]),
      make("span", { class: "total" }),
    ),
    make(
      "dl",
      {},
      ...fact("Accepted", time(run.created_at)),
      ...(run.started_at ? fact("Begun", time(run.started_at)) : []),
      ...(run.stop_requested_at ? fact("Stop asked", time(run.stop_requested_at)) : []),
      ...(run.finished_at ? fact("Ended", time(run.finished_at)) : []),
      ...(run.finish_reason ? fact("Because", run.finish_reason.replaceAll("_", " ")) : []),
      ...(run.error ? fact("Error", make("code", {}, run.error.code)) : []),
      ...fact("Steps", `${run.step_count} of at most ${run.budget.max_steps}`),
      ...fact("Model", count(requests, "request")),
      ...(read || written ? fact("Tokens", `${read.toLocaleString()} in, ${written.toLocaleString()} out`) : []),
      ...fact("Id", make("code", { class: "id" }, run.id)),
    ),
    make("h3", { id: "timeline-heading" }, "Timeline"),
    make("ol", { class: "timeline", "aria-labelledby": "timeline-heading" }),
  );
  tick();
}

/** What moves on by itself: the time, and what is drawn to its scale. */
export function tick() {
  if (!shown) return;
  const { run, told } = shown;
  const begin = at(run.created_at);
  const end = run.finished_at ? at(run.finished_at) : Math.max(Date.now(), begin + 1);
  write(facts.querySelector(".total"), duration(end - begin));
  const list = facts.querySelector(".timeline");
  if (!told) {
    list.replaceChildren(make("li", { class: "note" }, "Loading…"));
    return;
  }
  const spans = spansOf(run, told, begin, end);
  arrange(list, spans.map((span, index) => row(list.children[index], span, begin, end)));
}

/** Who had the run when: the queue, then step after step. A step begins where the one before it ended. */
function spansOf(run, told, begin, end) {
  const claimed = run.started_at ? at(run.started_at) : end;
  const spans = [{ label: "Queue", about: "", from: begin, to: claimed, status: run.started_at ? "queue" : statusOf(run) }];
  let from = claimed;
  for (const step of stepsOf(told)) {
    const to = step.ended ? at(step.ended) : end;
    const tools = step.parts.filter((part) => part.type === "tool").map((part) => part.name);
    const about = [
      step.attempt > 1 ? `attempt ${step.attempt}` : "",
      tools.join(", "),
      step.state === "discarded" ? "not kept" : step.kind === "partial" ? "broken off" : "",
    ];
    const status = step.state === "live" ? statusOf(run) : step.state === "discarded" || step.kind === "partial" ? "aborted" : "succeeded";
    spans.push({ label: `Step ${step.n + 1}`, about: about.filter(Boolean).join(" · "), from, to, status });
    from = to;
  }
  return spans;
}

function row(found, span, begin, end) {
  const item = found?.querySelector(".bar") ? found : make("li", {}, make("span", { class: "what" }), make("span", { class: "took" }), make("span", { class: "about" }), make("span", { class: "track", "aria-hidden": "true" }, make("span", { class: "bar" })));
  const share = (ms) => `${((Math.max(0, ms) / Math.max(1, end - begin)) * 100).toFixed(2)}%`;
  write(item.querySelector(".what"), span.label);
  write(item.querySelector(".took"), duration(span.to - span.from));
  write(item.querySelector(".about"), span.about);
  const bar = item.querySelector(".bar");
  bar.dataset.status = span.status;
  bar.style.setProperty("left", share(span.from - begin));
  bar.style.setProperty("width", share(span.to - span.from));
  return item;
}

/** The runs of the chat, newest first; `pick(id)` when one is chosen. */
export function showRuns(runs, chosen, more, pick) {
  const create = ({ id, created_at: began }) => {
    const inner = [statusMark("pending"), make("span"), make("span", { class: "took" }), make("span", { class: "when" }, time(began))];
    return make("li", {}, make("button", { type: "button", class: "row", click: () => pick(id) }, ...inner));
  };
  keyed(byId("runs"), runs, create, (node, run) => {
    const [button] = node.children;
    const [dot, label, took] = button.children;
    const status = statusOf(run);
    mark(button, "aria-current", run.id === chosen ? "true" : null);
    mark(dot, "data-status", status);
    write(label, STATUS[status]);
    write(took, isOver(run) ? duration(at(run.finished_at) - at(run.created_at)) : "");
  });
  byId("runs-heading").hidden = runs.length === 0;
  byId("older-runs").hidden = !more;
}
