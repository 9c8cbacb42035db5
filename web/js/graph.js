// Reading the graph around a node: what is wired to its inputs, and values known before a run. No imports: Node reads
// this file, too.

const LONGEST_CHAIN = 1000; // a loop in the wires must not hang the page

/**
 * The node wired to an input, reroutes passed over; null without one.
 * @param {Host.GraphNode} node @param {string} name
 */
export function origin(node, name) {
  const slot = node.inputs?.findIndex((input) => input.name === name) ?? -1;
  let found = slot < 0 ? null : node.getInputNode(slot);
  for (let steps = 0; found?.type === "Reroute" && steps < LONGEST_CHAIN; steps++) found = found.getInputNode(0);
  return found;
}

/**
 * The nodes of a chain by `name`, nearest first: the one wired to this node's input, the one wired to that one's, ...
 * @param {Host.GraphNode} node @param {string} name
 */
export function chainOf(node, name) {
  const found = [];
  for (let each = origin(node, name); each && found.length < LONGEST_CHAIN; each = origin(each, name)) found.push(each);
  return found;
}

/**
 * The value of a widget, or of the primitive wired in its place; undefined where only a run can tell.
 * @param {Host.GraphNode} node @param {string} name
 * @returns {any}
 */
export function valueOf(node, name) {
  const source = origin(node, name);
  const wanted = source ? "value" : name;
  return (source ?? node).widgets?.find((widget) => widget.name === wanted)?.value;
}

/**
 * A file as loaders write it, `sub/a.png` or `a.png [output]`, in parts.
 * @param {string} annotated
 * @returns {{name: string, subfolder: string, type: string}}
 */
export function fileRef(annotated) {
  const [, path, type] = /^(.*?)(?: \[(input|output|temp)\])?$/.exec(annotated) ?? [];
  const parts = (path ?? "").replaceAll("\\", "/").split("/");
  const name = parts.pop() ?? "";
  return { name, subfolder: parts.join("/"), type: type ?? "input" };
}
