// Room for a widget whose height changes with what it shows: the node grows and shrinks with it. What it has grown is not
// saved, for the host would take each change of size for an edit, and Ctrl+Z would first take back what nobody did.

import { chain } from "./handlers.js";

/** @param {Host.GraphNode} node @returns {() => void} to be called when the widget's height may have changed */
export function roomFor(node) {
  let grown = 0; // pixels
  let [tall, needed] = [NaN, 0]; // as they were last
  let measuring = false;
  chain(node, "onConfigure", () => ([grown, tall] = [0, NaN]));
  chain(node, "onSerialize", (data) => (data.size = [data.size[0], data.size[1] - grown]));

  /** @param {number} less that is needed than before */
  const resize = (less) => {
    const [width, height] = node.size;
    if (height > tall && height <= needed) grown += height - tall; // the canvas drew first, and gave it room
    const change = needed > height ? needed - height : -Math.min(less, grown, height - needed);
    tall = height + change;
    grown += change;
    if (change) node.setSize([width, tall]);
  };
  /** Vue nodes grow and shrink by themselves, in two pictures' time at most. */
  const measure = () => {
    measuring = true;
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => {
      measuring = false;
      grown += node.size[1] - tall;
      tall = node.size[1];
    })));
  };

  return () => {
    const before = needed;
    needed = node.computeSize()[1];
    if (needed !== before) node.setDirtyCanvas?.(true, true);
    if (!window.LiteGraph.vueNodesMode) resize(Math.max(0, before - needed));
    else if (!measuring && (needed === before || !tall)) tall = node.size[1];
    else if (!measuring) measure();
  };
}
