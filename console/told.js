// What is known of one run: events are added one after the other, and each is told exactly once.

/** `steps` by number: `{n, state, attempt, parts, began, ended, kind}`, state live | finished | discarded. */
export const nothing = (run) => ({ run, steps: new Map(), over: false });

/** The run as far as it is told: one under way shows what its finished steps have used. */
export function runOf(told) {
  const steps = stepsOf(told).filter((step) => step.state === "finished");
  if (told.run.finished_at !== null || !steps.length) return told.run;
  return { ...told.run, step_count: steps.length, usage: steps.at(-1).usage ?? told.run.usage };
}

const step = (told, n) => {
  if (!told.steps.has(n)) told.steps.set(n, begun(n, null));
  return told.steps.get(n);
};
const begun = (n, attempt) => ({ n, state: "live", attempt, parts: [], began: null, ended: null, kind: null });

const ADD = {
  run: (told, event) => {
    told.run = event.run;
  },
  // Also for a step that is done again: what was shown of it is void.
  step: (told, event) => {
    if (event.state === "started") {
      told.steps.set(event.step, { ...begun(event.step, event.attempt ?? null), began: event.at ?? null });
      return;
    }
    const one = step(told, event.step);
    if (event.state === "discarded") one.parts = [];
    one.state = event.state;
    one.ended = event.at ?? null;
    one.kind = event.kind ?? null;
    one.usage = event.usage ?? null;
  },
  text: (told, event) => {
    const { parts } = step(told, event.step);
    const last = parts.at(-1);
    if (last?.type === event.kind) last.text += event.text;
    else parts.push({ type: event.kind, text: event.text });
  },
  "tool-call": (told, event) => {
    const { parts } = step(told, event.step);
    if (toolIn(parts, event.tool_call_id)) return;
    const { tool_call_id: id, tool_name: name, input, at } = event;
    parts.push({ type: "tool", id, name, input, state: "running", began: at ?? null });
  },
  "tool-result": (told, event) => {
    const { parts } = step(told, event.step);
    let tool = toolIn(parts, event.tool_call_id);
    if (!tool) parts.push((tool = { type: "tool", id: event.tool_call_id, name: event.tool_name }));
    if (event.state === "output-error") Object.assign(tool, { state: "error", error: event.error_text ?? "" });
    else Object.assign(tool, { state: "done", output: event.output });
  },
  part: (told, event) => {
    step(told, event.step).parts.push({ type: "other", part: event.part });
  },
  settled: (told, event) => {
    told.run = event.run;
    told.over = true;
  },
};

const toolIn = (parts, id) => parts.find((part) => part.type === "tool" && part.id === id);

/** Kinds of events that came after this page was written are passed over. */
export function add(told, event) {
  ADD[event.type]?.(told, event);
}

export const stepsOf = (told) => [...told.steps.values()].sort((a, b) => a.n - b.n);

/** A stored message in the same form, for one that nobody needs to watch any more. */
export function fromMessage(message) {
  const steps = [];
  for (const part of message.parts) {
    if (part.type === "step-start" || !steps.length) steps.push({ ...begun(steps.length, null), state: "finished" });
    const { parts } = steps.at(-1);
    if (part.type === "text" || part.type === "reasoning") parts.push({ type: part.type, text: part.text });
    else if (part.toolCallId) parts.push(toolFrom(part));
    else if (part.type !== "step-start") parts.push({ type: "other", part });
  }
  return steps;
}

function toolFrom(part) {
  const state = { "output-available": "done", "output-error": "error" }[part.state] ?? "running";
  const name = part.toolName ?? part.type.replace(/^tool-/, "");
  return { type: "tool", id: part.toolCallId, name, input: part.input, state, output: part.output, error: part.errorText };
}
