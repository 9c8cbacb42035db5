// What the graph around the node says, and the host's own undo.

import { app } from "../../../../scripts/app.js";
import { chainOf, fileRef, origin, valueOf } from "../graph.js";
import { resolveIndex, roundLength, snapFrame } from "./grid.js";

/** @typedef {{frame: number, image: import("./state.js").FileRef | null}} Wired */
/** @typedef {{rules: import("./state.js").Rules, fps: number, wired: Wired[], unknown: boolean, lengthWired: boolean}} Setting */

const FPS = 16; // Wan's own, where no node downstream says another
const FPS_NODES = ["GengaSaveVideo", "CreateVideo"];
export const BYPASSED = 4;

/** @typedef {[index: number, image: import("./state.js").FileRef | null]} Found a frame as written, and its picture */

/** @param {Host.GraphNode} node @param {string} name @returns {import("./state.js").FileRef | null} a Load Image node's file */
function pictureOf(node, name) {
  const value = origin(node, name)?.widgets?.find((widget) => widget.name === "image")?.value;
  return typeof value === "string" ? fileRef(value) : null;
}

/** The Keyframe nodes chained before this one. @param {Host.GraphNode} node */
function chain(node) {
  /** @type {Found[]} */
  const frames = [];
  for (const each of chainOf(node, "keyframes")) {
    const index = each.type === "GengaKeyframe" ? valueOf(each, "frame_index") : undefined;
    if (index === undefined) return { frames, unknown: true };
    if (each.mode !== BYPASSED) frames.push([index, pictureOf(each, "image")]);
  }
  return { frames, unknown: false };
}

/** First and last image of the two-slot node. @param {Host.GraphNode} node */
function endImages(node) {
  const ends = Object.entries({ first_image: 0, last_image: -1 }).filter(([name]) => origin(node, name));
  return { frames: ends.map(([name, frame]) => /** @type {Found} */ ([frame, pictureOf(node, name)])), unknown: false };
}

/** @param {Host.GraphNode} node */
function fpsOf(node) {
  for (const each of node.graph?._nodes ?? []) {
    const value = FPS_NODES.includes(each.type) ? valueOf(each, "fps") : undefined;
    if (value > 0) return value;
  }
  return FPS;
}

/** @param {Host.GraphNode} node @param {boolean} ends whether it is the two-slot node @returns {Setting} */
export function readSetting(node, ends) {
  const asked = valueOf(node, "length");
  const own = node.widgets?.find((widget) => widget.name === "length")?.value;
  const length = roundLength(Number(asked ?? own ?? 81));
  const snap = ends ? "none" : (valueOf(node, "snap") ?? "latent");
  const { frames, unknown } = ends ? endImages(node) : chain(node);
  const wired = frames.flatMap(([index, image]) => {
    const frame = resolveIndex(index, length);
    return frame === null ? [] : [{ frame: snapFrame(frame, length, snap), image }];
  }).sort((a, b) => a.frame - b.frame);
  const hold = valueOf(node, "mask_mode") === "hold" || valueOf(node, "control") === "vace";
  const rules = { length, snap, hold, ends, wired: wired.map(({ frame }) => frame) };
  return { rules, fps: fpsOf(node), wired, unknown, lengthWired: asked === undefined };
}

/** Sets the saved value as the host's own widgets do: then Ctrl+Z undoes it. @param {Host.Widget} widget
 * @param {string} value */
export function save(widget, value) {
  widget.value = value;
  widget.callback?.(value);
  const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
  // 1.47 has captureCanvasState, 1.32 checkState
  if (tracker?.captureCanvasState) tracker.captureCanvasState();
  else tracker?.checkState?.();
  app.graph?.setDirtyCanvas?.(true, true);
}
