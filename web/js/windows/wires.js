// What the graph says of a window node before it runs: its numbers, the files wired to it, its sections.

import { api } from "../../../../scripts/api.js";

/**
 * How the two window nodes name things. `films`: inputs whose length the video takes where length is 0.
 * @typedef {{overlap: string, sounds: string[], films: string[], fps: number, follows: string}} Kind
 * @type {Record<string, Kind>}
 */
export const KINDS = {
  GengaInfiniteTalkWindow: {
    overlap: "motion_frames", sounds: ["audio", "audio_2"], films: [], fps: 25, follows: "the audio",
  },
  GengaWanAnimatePose: {
    overlap: "overlap", sounds: [], films: ["pose_video", "face_video", "background_video", "character_mask"],
    fps: 30, follows: "the driving video",
  },
};

const FILE_WIDGETS = { LoadAudio: "audio", LoadVideo: "file" };
const ROUTES = new Set(["Reroute"]);
const LONGEST_CHAIN = 500; // a loop in the wires must not hang the page

/**
 * The node wired to an input, reroutes passed over; null without one.
 * @param {any} node @param {string} name
 */
export function origin(node, name) {
  const slot = node.inputs?.findIndex((/** @type {any} */ input) => input.name === name) ?? -1;
  let found = slot < 0 ? null : node.getInputNode(slot);
  for (let steps = 0; found && ROUTES.has(found.type) && steps < LONGEST_CHAIN; steps++) found = found.getInputNode(0);
  return found;
}

/**
 * The value of a widget, or of the primitive wired in its place; undefined where only a run can tell.
 * @param {any} node @param {string} name
 */
export function valueOf(node, name) {
  const source = origin(node, name);
  const widgets = source ? source.widgets : node.widgets;
  const wanted = source ? "value" : name;
  return widgets?.find((/** @type {any} */ widget) => widget.name === wanted)?.value;
}

/**
 * The address of the file a loader shows; "" where nothing is wired, null where it is another node.
 * @param {any} node @param {string} name
 * @returns {string | null}
 */
export function fileOf(node, name) {
  const source = origin(node, name);
  if (!source) return "";
  const widget = /** @type {Record<string, string>} */ (FILE_WIDGETS)[source.type];
  const value = widget && source.widgets?.find((/** @type {any} */ each) => each.name === widget)?.value;
  return typeof value === "string" && value ? viewURL(value) : null;
}

/** @param {string} annotated as loaders write it: `sub/a.wav`, `a.wav [output]` */
function viewURL(annotated) {
  const [, path, type] = /^(.*?)(?: \[(input|output|temp)\])?$/.exec(annotated) ?? [];
  const parts = (path ?? "").replaceAll("\\", "/").split("/");
  const filename = parts.pop() ?? "";
  return api.apiURL(`/view?${new URLSearchParams({ filename, type: type ?? "input", subfolder: parts.join("/") })}`);
}

/**
 * The sections wired to a node, in order of time.
 * @param {any} node
 * @returns {{start: number, label: string}[] | null} null where one of them cannot be read before a run
 */
export function sectionsOf(node) {
  const found = [];
  let each = origin(node, "sections");
  for (let steps = 0; each && steps < LONGEST_CHAIN; steps++) {
    const start = each.type === "GengaSections" ? valueOf(each, "start") : undefined;
    if (typeof start !== "number") return null;
    found.push({ start, label: labelOf(each) });
    each = origin(each, "sections");
  }
  return found.sort((one, two) => one.start - two.start);
}

/** What a section changes, in few words: the beginning of its prompt, or that it brings a picture. */
function labelOf(/** @type {any} */ section) {
  const prompt = origin(section, "positive");
  const text = prompt?.widgets?.find((/** @type {any} */ widget) => typeof widget.value === "string")?.value;
  const words = typeof text === "string" ? text.trim().replace(/\s+/g, " ").slice(0, 80) : prompt ? "prompt" : "";
  const picture = origin(section, "image") ? "new picture" : "";
  return [words, picture].filter(Boolean).join(", ") || "section";
}

/** Whether the windows go on from a clip: wired into Continue Video. */
export function isContinued(/** @type {any} */ node) {
  const outputs = node.outputs?.length ?? 0;
  for (let slot = 0; slot < outputs; slot++) {
    const targets = node.getOutputNodes?.(slot) ?? [];
    if (targets.some((/** @type {any} */ target) => target.type === "GengaContinueVideo")) return true;
  }
  return false;
}
