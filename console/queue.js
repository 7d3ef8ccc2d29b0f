// The messages that wait for the active run, above the prompt: each can be taken back, sent now, or instead of the run.

import { button, byId, keyed, make, write } from "./dom.js";

const ACTIONS = [
  ["take-back", "Take back", "Take this message back into the prompt"],
  ["steer", "Send now", "Send it after the step under way; the answer so far is kept"],
  ["supersede", "Instead", "End the run at work and send this in its place"],
];

/** Shows the waiting messages, `{run, prompt}` each, the next one first. `isChanging` is the id of one under way. */
export function showQueue(queue, isChanging) {
  const list = byId("queue");
  list.hidden = queue.length === 0;
  const items = queue.map(({ run, prompt }, index) => ({ id: run.id, prompt, place: index + 1 }));
  keyed(list, items, newItem, (node, { id, prompt, place }) => {
    write(node.querySelector(".place"), place === 1 ? "Next" : `${place}.`);
    write(node.querySelector(".words"), prompt);
    node.toggleAttribute("aria-busy", isChanging === id);
  });
}

const newItem = ({ id }) =>
  make(
    "li",
    { "data-run": id },
    make("span", { class: "place" }),
    make("span", { class: "words" }),
    make(
      "span",
      { class: "actions" },
      ...ACTIONS.map(([act, label, title]) => button({ "data-act": act, title }, label)),
    ),
  );
