// A preset into the nodes of a workflow, and out of them again. Nothing of the page: nodes come as plain descriptions.

import { DIRECT, IN_NUMBERS, NUMBERS, SAMPLERS, WORKFLOWS } from "./fields.js";

/**
 * @typedef {string | number} Id
 * @typedef {{value: unknown, values?: unknown[], min?: number, max?: number}} Widget values: those of a combo
 * @typedef {{id: Id, type: string, widgets: Record<string, Widget>, from: Record<string, Id>}} Described widgets: those
 *   without a wire; from: the node wired to each input
 * @typedef {Record<string, unknown>} Values fields of a payload
 * @typedef {{id: Id, widget: string, value: unknown}} Setting
 */

const TEXTS = ["prompt", "negative_prompt"];
/** What says which workflow is meant, and is no setting in it. */
const ABOUT = ["model", "mode"];

/** The nodes above a node's input, nearest first. @param {Described[]} nodes @param {Described} start @param {string} through */
function above(nodes, start, through) {
  const waiting = through in start.from ? [start.from[through]] : [];
  const seen = new Set();
  const found = [];
  for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
    const node = nodes.find((each) => each.id === id);
    if (!node || seen.has(id)) continue;
    seen.add(id);
    found.push(node);
    waiting.push(...Object.values(node.from));
  }
  return found;
}

/** The widget that holds a text. @param {Described[]} nodes @param {string} through positive or negative */
function textPlace(nodes, through) {
  for (const start of nodes) {
    for (const node of above(nodes, start, through)) {
      const widget = ["prompt", "text"].find((name) => name in node.widgets);
      if (widget) return { id: node.id, widget };
    }
  }
  return null;
}

/** Flux has a zeroed prompt for its negative one: there is one place for both. @param {Described[]} nodes @param {string} field */
function placeOfText(nodes, field) {
  const positive = textPlace(nodes, "positive");
  if (field === "prompt") return positive;
  const negative = textPlace(nodes, "negative");
  return negative && negative.id === positive?.id ? null : negative;
}

/** Every widget of the first of these names that any node has. @param {Described[]} nodes @param {string[]} names */
function having(nodes, names) {
  for (const widget of names) {
    const found = nodes.filter((node) => widget in node.widgets).map(({ id }) => ({ id, widget }));
    if (found.length) return found;
  }
  return [];
}

/** Where a field of a payload stands. @param {Described[]} nodes @param {string} field @returns {{id: Id, widget: string}[]} */
function placesOf(nodes, field) {
  const text = TEXTS.includes(field) && placeOfText(nodes, field);
  if (text) return [text];
  const numbers = nodes.find(({ type }) => type === NUMBERS);
  const inNumbers = numbers && IN_NUMBERS[field];
  if (numbers && inNumbers && inNumbers in numbers.widgets) return [{ id: numbers.id, widget: inNumbers }];
  if (field === "seed") return having(nodes, ["seed", "noise_seed"]);
  return having(nodes, DIRECT[field] ?? []);
}

/** @param {Described[]} nodes @param {string} field @param {unknown} value @returns {Setting[]} */
function settings(nodes, field, value) {
  if (field === "sampler") {
    const [sampler, schedule] = Object.entries(SAMPLERS).find(([name]) => name === value)?.[1] ?? [];
    const numbers = nodes.some(({ type }) => type === NUMBERS); // it chooses the schedule by the sampler
    const named = having(nodes, ["sampler_name"]).map((place) => ({ ...place, value: sampler }));
    return schedule && !numbers ? [...named, ...having(nodes, ["scheduler"]).map((place) => ({ ...place, value: schedule }))] : named;
  }
  if (field === "clip_skip") {
    return having(nodes, ["clip_skip", "stop_at_clip_layer"])
      .map((place) => ({ ...place, value: place.widget === "clip_skip" ? value : -Number(value) }));
  }
  if (field === "reference_strength") return having(nodes, ["first_strength"]).map((place) => ({ ...place, value }));
  return placesOf(nodes, field).map((place) => ({ ...place, value }));
}

/** Whether a widget takes a value. @param {Widget | undefined} widget @param {unknown} value */
function takes(widget, value) {
  if (!widget) return false;
  if (widget.values) return widget.values.includes(value);
  return typeof value !== "number" || (value >= (widget.min ?? -Infinity) && value <= (widget.max ?? Infinity));
}

/**
 * What to set for these fields, and the fields that have no place here: no node has them, or a wire decides them.
 * @param {Values} values
 * @param {Described[]} nodes
 * @returns {{sets: Setting[], filled: string[], left: string[]}}
 */
export function fill(values, nodes) {
  const [sets, filled, left] = [/** @type {Setting[]} */ ([]), /** @type {string[]} */ ([]), /** @type {string[]} */ ([])];
  for (const [field, value] of Object.entries(values)) {
    if (ABOUT.includes(field) || value === null) continue;
    const fitting = settings(nodes, field, value)
      .filter(({ id, widget, value: wanted }) => takes(nodes.find((node) => node.id === id)?.widgets[widget], wanted));
    sets.push(...fitting);
    (fitting.length ? filled : left).push(field);
  }
  return { sets, filled, left };
}

/** @param {Described[]} nodes @param {string} field */
function valueOf(nodes, field) {
  const [place] = placesOf(nodes, field);
  return nodes.find(({ id }) => id === place?.id)?.widgets[place?.widget ?? ""]?.value;
}

/** What the image models have beside: the payload's name of the sampler, and the layers of CLIP that are skipped. @param {Described[]} nodes */
function ofPictures(nodes) {
  const numbers = nodes.find(({ type }) => type === NUMBERS);
  if (!numbers) return {};
  const value = (/** @type {string} */ name) => numbers.widgets[name]?.value;
  const pony = value("model") === "pony"; // its schedule is Karras' where the sampler's name may say so
  const names = Object.keys(SAMPLERS).filter((name) => SAMPLERS[name][0] === value("sampler_name"));
  return { sampler: names.at(pony ? -1 : 0), clip_skip: pony ? value("clip_skip") : undefined };
}

/**
 * The texts of a workflow, or its numbers, as fields of a payload; a seed is none of them.
 * @param {"prompts" | "parameters"} kind
 * @param {Described[]} nodes
 * @param {string} name of the workflow
 * @returns {Values}
 */
export function gather(kind, nodes, name) {
  const pony = nodes.some(({ type, widgets }) => type === NUMBERS && widgets.model?.value === "pony");
  const alias = pony ? "guidance_scale" : "cfg_scale"; // both are the widget cfg
  const fields = kind === "prompts" ? TEXTS : Object.keys(DIRECT).filter((field) => field !== alias);
  const found = Object.fromEntries(fields.map((field) => [field, valueOf(nodes, field)]));
  const all = kind === "prompts" ? found : { ...aboutOf(name), ...found, ...ofPictures(nodes) };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined && value !== ""));
}

/** Model and mode of a shipped workflow, also of its second copy; else nothing. @param {string} name */
export function aboutOf(name) {
  const plain = name.replace(/ \(\d+\)$/, "");
  for (const [model, modes] of Object.entries(WORKFLOWS)) {
    for (const [mode, workflow] of Object.entries(modes)) if (workflow === plain) return { model, mode };
  }
  return {};
}

/** The shipped workflow that these values are for; "" where they do not say. @param {Values} values */
export function workflowOf({ model, mode }) {
  const modes = Object.entries(WORKFLOWS).find(([name]) => name === model)?.[1] ?? {};
  return Object.entries(modes).find(([name]) => name === mode)?.[1] ?? "";
}
