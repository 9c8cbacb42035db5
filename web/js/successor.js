// Vue nodes of 1.32 go on showing the element of a node that undo has made anew: then the new one takes its place.

const SETTLED = 400; // milliseconds until undo has made its nodes and the page has drawn them

/** @typedef {{element: HTMLElement, gone?: boolean}} Shown `gone`: its node is no longer in the graph */
/** @type {Map<string, Shown>} what was made last, by what it is and the node's id */
const latest = new Map();

/** @param {string} key @param {Shown} mine */
export function takePlace(key, mine) {
  const old = latest.get(key);
  if (old === mine) return;
  latest.set(key, mine);
  if (old?.gone && old.element.isConnected) old.element.replaceWith(mine.element);
}

/**
 * The same for an element that is not looked at all the time: once, a moment after its node was made.
 * @param {string} kind @param {Host.GraphNode} node @param {Shown} mine
 */
export function takePlaceSoon(kind, node, mine) {
  setTimeout(() => mine.gone || takePlace(`${kind}/${node.id}`, mine), SETTLED);
}
