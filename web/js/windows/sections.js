// The Sections nodes of a window node, read and written: a prompt or a picture for a window is a section that begins
// with it, and lives in the graph's own nodes, where it is saved, queued and undone like everything else.

import { asOneStep, setWidget } from "../edit.js";
import { chainOf, fileRef, origin, valueOf } from "../graph.js";
import { viewURL } from "../timeline/files.js";

/** @typedef {import("../timeline/state.js").FileRef} FileRef */

const SECTIONS = "GengaSections";
const GAP = 40; // between new nodes

/** @param {Host.GraphNode} node a window node @returns {boolean} whether it takes sections */
export function takesSections(node) {
  return place(node, "sections") >= 0;
}

/** The sections wired to a window node, in order of time. @param {Host.GraphNode} node @returns {Host.GraphNode[]} */
export function sectionNodes(node) {
  const found = chainOf(node, "sections").filter((each) => typeof startOf(each) === "number");
  return found.sort((one, two) => startOf(one) - startOf(two));
}

/** @param {Host.GraphNode} node @returns {any} */
const startOf = (node) => (node.type === SECTIONS ? valueOf(node, "start") : undefined);

/** The text of the node wired to an input, such as a prompt. @param {Host.GraphNode} section */
function textWidget(section) {
  return origin(section, "positive")?.widgets?.find(({ value }) => typeof value === "string");
}

/** @param {Host.GraphNode} section @returns {string} "" without a prompt that is written here */
export function promptOf(section) {
  return String(textWidget(section)?.value ?? "");
}

/** The address of a section's picture; "" without one in a file. @param {Host.GraphNode} section */
export function pictureOf(section) {
  const value = origin(section, "image")?.widgets?.find(({ name }) => name === "image")?.value;
  return typeof value === "string" && value ? viewURL(fileRef(value), { preview: "webp;75" }) : "";
}

/** @param {Host.GraphNode} node @param {string} name */
function place(node, name) {
  return node.inputs?.findIndex((input) => input.name === name) ?? -1;
}

/** What is wired to an input, and by which output. @param {Host.GraphNode} node @param {string} name
 * @returns {[Host.GraphNode, number] | null} */
function wire(node, name) {
  const slot = place(node, name);
  const link = slot < 0 ? null : node.getInputLink(slot);
  const from = slot < 0 ? null : node.getInputNode(slot);
  return link && from ? [from, link.origin_slot] : null;
}

/** @param {[Host.GraphNode, number] | null} from @param {Host.GraphNode} to @param {string} name */
function join(from, to, name) {
  if (from) from[0].connect(from[1], to, place(to, name));
}

/** @typedef {(type: string, values: Record<string, string | number>) => Host.GraphNode} Make */

/** Makes nodes in a row below everything else. @param {Host.GraphNode} near @returns {Make} */
function maker(near) {
  const graph = near.graph;
  const bottom = Math.max(...(graph?._nodes ?? []).map(({ pos, size }) => pos[1] + size[1]));
  let left = near.pos[0] - 800;
  return (type, values) => {
    const made = window.LiteGraph.createNode(type);
    if (!made) throw new Error(type);
    // both before it is added: Vue nodes of 1.32 do not see it later
    made.pos = [left, bottom + 2 * GAP];
    for (const [name, value] of Object.entries(values)) fill(made, name, value);
    graph?.add(made);
    left += made.size[0] + GAP;
    return made;
  };
}

/** @param {Host.GraphNode} node @param {string} name @param {string | number} value one that a list may not have yet */
function fill(node, name, value) {
  const widget = node.widgets?.find((each) => each.name === name);
  const { values } = /** @type {{values?: unknown}} */ (widget?.options ?? {});
  if (Array.isArray(values) && !values.includes(value)) values.push(value);
  setWidget(widget, value);
}

/** Where new prompts get their text encoder: as the prompts that are there. @param {Host.GraphNode} node */
function clipOf(node) {
  const near = sectionNodes(node).map((section) => origin(section, "positive"));
  const all = [...near, ...(node.graph?._nodes ?? []).filter(({ type }) => type === "CLIPTextEncode")];
  return all.map((each) => each && wire(each, "clip")).find(Boolean) ?? null;
}

/** Whether a prompt can be made here. @param {Host.GraphNode} node */
export function canWrite(node) {
  return Boolean(clipOf(node));
}

/** A section that begins at a moment; made, with nothing in it yet, where there is none. @param {Host.GraphNode} node
 * @param {number} start seconds @param {Host.GraphNode | undefined} section @param {Make} make */
function ensured(node, start, section, make) {
  if (section) return section;
  const made = make(SECTIONS, { start });
  join(wire(node, "sections"), made, "sections");
  made.connect(0, node, place(node, "sections"));
  return made;
}

/** @param {Host.GraphNode} node a window node @param {Host.GraphNode | undefined} section one to change; else a new one
 * @param {number} start of a new one @param {string} text */
export function writePrompt(node, section, start, text) {
  asOneStep(() => {
    const written = section && textWidget(section);
    if (written) {
      setWidget(written, text);
      return;
    }
    const make = maker(node);
    const clip = clipOf(node);
    const prompt = make("CLIPTextEncode", { text });
    join(clip, prompt, "clip");
    join([prompt, 0], ensured(node, start, section, make), "positive");
  });
}

/** @param {Host.GraphNode} node @param {Host.GraphNode | undefined} section @param {number} start @param {FileRef} file */
export function putPicture(node, section, start, file) {
  const name = file.subfolder ? `${file.subfolder}/${file.name}` : file.name;
  asOneStep(() => {
    const loader = section && origin(section, "image");
    if (loader?.type === "LoadImage") {
      fill(loader, "image", name);
      return;
    }
    const make = maker(node);
    const made = make("LoadImage", { image: name });
    const target = ensured(node, start, section, make);
    join([made, 0], target, "image");
    seeAsStart(node, made, target, make);
  });
}

/** Where the start picture goes through CLIP vision, a section's does, too. @param {Host.GraphNode} node
 * @param {Host.GraphNode} loader @param {Host.GraphNode} section @param {Make} make */
function seeAsStart(node, loader, section, make) {
  const seer = origin(node, "clip_vision_output");
  if (seer?.type !== "CLIPVisionEncode") return;
  const made = make("CLIPVisionEncode", { crop: valueOf(seer, "crop") ?? "center" });
  join(wire(seer, "clip_vision"), made, "clip_vision");
  join([loader, 0], made, "image");
  join([made, 0], section, "clip_vision_output");
}
