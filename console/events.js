// A run's progress: its events, added one after the other, become steps with parts.

/**
 * No events yet. `steps` by number: `{number, state, attempt, parts, endedAt, kind, usage}`, state live |
 * finished | discarded. `hasAnswers`: calls of an earlier step have got their results.
 */
export const newProgress = (run) => ({ run, steps: new Map(), hasAnswers: false });

/** The run, with what its finished steps have used so far if it is active. */
export function runOf({ run, steps }) {
  const finished = inOrder(steps).filter((step) => step.state === "finished");
  if (run.finished_at !== null || !finished.length) return run;
  return { ...run, step_count: finished.length, usage: finished.at(-1).usage ?? run.usage };
}

export const stepsOf = ({ steps }) => inOrder(steps);

const inOrder = (steps) => [...steps.values()].sort((a, b) => a.number - b.number);

const newStep = (number, attempt) => ({
  number,
  state: "live",
  attempt,
  parts: [],
  endedAt: null,
  kind: null,
});

function stepAt({ steps }, number) {
  if (!steps.has(number)) steps.set(number, newStep(number, null));
  return steps.get(number);
}

const toolIn = (parts, id) => parts.find((part) => part.type === "tool" && part.id === id);

/** The latest call with this id up to the step: the result of a call that was asked about comes in a later step. */
const toolUpTo = (progress, number, id) =>
  inOrder(progress.steps)
    .filter((step) => step.number <= number)
    .map((step) => toolIn(step.parts, id))
    .findLast(Boolean);

const HANDLERS = {
  run: (progress, event) => {
    progress.run = event.run;
  },
  // A step that starts again replaces what its earlier attempt showed.
  step: (progress, event) => {
    if (event.state === "started") {
      progress.steps.set(event.step, newStep(event.step, event.attempt ?? null));
      return;
    }
    const step = stepAt(progress, event.step);
    if (event.state === "discarded") step.parts = [];
    step.state = event.state;
    step.endedAt = event.at ?? null;
    step.kind = event.kind ?? null;
    step.usage = event.usage ?? null;
  },
  text: (progress, event) => {
    const { parts } = stepAt(progress, event.step);
    const last = parts.at(-1);
    if (last?.type === event.kind) last.text += event.text;
    else parts.push({ type: event.kind, text: event.text });
  },
  "tool-call": (progress, event) => {
    const { parts } = stepAt(progress, event.step);
    if (toolIn(parts, event.tool_call_id)) return;
    const { tool_call_id: id, tool_name: name, input } = event;
    parts.push({ type: "tool", id, name, input, state: "running" });
  },
  "tool-result": (progress, event) => {
    const { parts } = stepAt(progress, event.step);
    let tool = toolUpTo(progress, event.step, event.tool_call_id);
    if (!tool) {
      tool = { type: "tool", id: event.tool_call_id, name: event.tool_name };
      parts.push(tool);
    }
    progress.hasAnswers ||= !parts.includes(tool);
    const state = TOOL_STATES[event.state] ?? "running";
    Object.assign(tool, { state, output: event.output, error: event.error_text });
    if ("input" in event) tool.input = event.input;
  },
  // A call that was approved can be asked about again, with other arguments.
  "tool-approval": (progress, event) => {
    const tool = toolUpTo(progress, event.step, event.tool_call_id);
    if (tool && "input" in event) tool.input = event.input;
  },
  part: (progress, event) => {
    stepAt(progress, event.step).parts.push(otherOf(event.part));
  },
  settled: (progress, event) => {
    progress.run = event.run;
  },
};

const TOOL_STATES = { "output-available": "done", "output-error": "error", "output-denied": "denied" };

/** Adds the events in order. Types this page does not know are ignored. */
export function addEvents(progress, events) {
  for (const event of events) HANDLERS[event.type]?.(progress, event);
}

/** The steps of a stored message, in the same form. */
export function stepsOfMessage(message) {
  const steps = [];
  for (const part of message.parts) {
    if (part.type === "step-start" || !steps.length) steps.push({ ...newStep(steps.length, null), state: "finished" });
    const { parts } = steps.at(-1);
    if (part.type === "text" || part.type === "reasoning") parts.push({ type: part.type, text: part.text });
    else if (part.toolCallId) parts.push(toolOf(part));
    else if (part.type !== "step-start") parts.push(otherOf(part));
  }
  return steps;
}

const otherOf = (part) => (part.type === "data-output" ? { type: "output", data: part.data } : { type: "other", part });

function toolOf(part) {
  const state = TOOL_STATES[part.state] ?? "running";
  const name = part.toolName ?? part.type.replace(/^tool-/, "");
  return {
    type: "tool",
    id: part.toolCallId,
    name,
    input: part.input,
    state,
    output: part.output,
    error: part.errorText,
    approval: part.approval,
  };
}

/** Adds how calls were answered, as the stored message has it: with which arguments a call was approved, or why not. */
export function addAnswers(progress, message) {
  for (const { toolCallId, input, approval } of message.parts) {
    const tool = toolCallId && toolUpTo(progress, Number.POSITIVE_INFINITY, toolCallId);
    if (tool) Object.assign(tool, { input, approval });
  }
}
