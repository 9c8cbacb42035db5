// The open workflow: its nodes described, and what a preset changes in them, as one step of undo.

import { app } from "../../../../scripts/app.js";
import { asOneStep, setWidget } from "../edit.js";
import { origin } from "../graph.js";
import { LOADERS } from "./fields.js";

const LORA_SET = "GengaLoraSet";
const MODELS = ["high", "low"]; // its inputs and outputs
const GAP = 60; // pixels below the loader

const graph = () => /** @type {any} */ (app.canvas.graph ?? app.graph);
/** Those that run. @returns {Host.GraphNode[]} */
const nodes = () => graph()._nodes.filter((/** @type {Host.GraphNode} */ node) => node.mode === 0);

/** @param {Host.GraphNode} node @returns {import("./fill.js").Described} */
function described(node) {
  const wired = (node.inputs ?? []).map(({ name }) => ({ name, source: origin(node, name) })).filter(({ source }) => source);
  const from = Object.fromEntries(wired.map(({ name, source }) => [name, source?.id ?? ""]));
  const free = (node.widgets ?? []).filter(({ name }) => !(name in from));
  const widgets = free.map(({ name, value, options }) => {
    const { values, min, max } = /** @type {any} */ (options ?? {});
    return [name, { value, values: Array.isArray(values) ? values : undefined, min, max }];
  });
  return { id: node.id, type: node.type, widgets: Object.fromEntries(widgets), from };
}

export const describe = () => nodes().map(described);

/** What the open workflow is called. @returns {string} */
export function title() {
  const open = /** @type {any} */ (app.extensionManager.workflow.activeWorkflow);
  return String(open?.filename ?? "");
}

/** @param {import("./fill.js").Setting[]} sets */
export function put(sets) {
  asOneStep(() => {
    for (const { id, widget, value } of sets) {
      const node = nodes().find((each) => each.id === id);
      setWidget(node?.widgets?.find(({ name }) => name === widget), /** @type {string | number} */ (value));
    }
  });
  app.canvas.setDirty(true, true);
}

/** Chooses a set in a LoRA Set node; it may be newer than the node's list. @param {Host.GraphNode} node @param {string} name */
function choose(node, name) {
  const widget = /** @type {any} */ (node.widgets?.find((each) => each.name === "lora_set"));
  if (Array.isArray(widget?.options.values) && !widget.options.values.includes(name)) widget.options.values.push(name);
  setWidget(widget, name);
}

/** A LoRA Set between a loader and all that read its models. @param {any} loader @param {string} name @param {number} count of models */
function insert(loader, name, count) {
  const added = /** @type {any} */ (window.LiteGraph.createNode(LORA_SET));
  added.pos = [loader.pos[0], loader.pos[1] + loader.size[1] + GAP];
  graph().add(added);
  MODELS.slice(0, count).forEach((model, slot) => {
    const readers = [...(loader.outputs[slot].links ?? [])].map((id) => graph().getLink(id)).filter(Boolean)
      .map(({ target_id, target_slot }) => ({ reader: graph().getNodeById(target_id), at: target_slot }));
    for (const { reader, at } of readers) added.connect(slot, reader, at);
    loader.connect(slot, added, added.findInputSlot(model));
  });
  choose(added, name);
}

/**
 * Puts a set on the models: into the LoRA Set node where there is just one, else into a new one behind each loader.
 * @param {string} name
 * @returns {boolean} whether there was a place
 */
export function putLoras(name) {
  const there = nodes().filter(({ type }) => type === LORA_SET);
  const loaders = nodes().filter(({ type }) => type in LOADERS);
  if (there.length !== 1 && !loaders.length) return false;
  asOneStep(() => {
    if (there.length === 1) choose(there[0], name);
    else for (const loader of loaders) insert(loader, name, LOADERS[loader.type]);
  });
  app.canvas.setDirty(true, true);
  return true;
}
