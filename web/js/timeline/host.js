// What the graph around the node says, and the host's own undo.

import { app } from "../../../../scripts/app.js";
import { resolveIndex, roundLength, snapFrame } from "./grid.js";

/** @typedef {{frame: number, image: import("./state.js").FileRef | null}} Wired */
/** @typedef {{rules: import("./state.js").Rules, fps: number, wired: Wired[], unknown: boolean, lengthWired: boolean}} Setting */

const FPS = 16; // Wan's own, where no node downstream says another
const FPS_NODES = ["GengaSaveVideo", "CreateVideo"];
const BYPASSED = 4;
const LONGEST_CHAIN = 1000; // a loop in the wires must not hang the page

/** @returns {any} the node wired to an input, reroutes passed over; null without one */
function origin(node, name) {
  const slot = node.inputs?.findIndex((input) => input.name === name) ?? -1;
  let found = slot < 0 ? null : node.getInputNode(slot);
  for (let steps = 0; found?.type === "Reroute" && steps < LONGEST_CHAIN; steps += 1) found = found.getInputNode(0);
  return found;
}

/** @returns {any} the value of a widget, or of a primitive wired in its place; undefined where only a run can tell */
function valueOf(node, name) {
  const source = origin(node, name);
  return (source ?? node).widgets?.find((widget) => widget.name === (source ? "value" : name))?.value;
}

/** @returns {import("./state.js").FileRef | null} the file of a Load Image node, as it writes it: `sub/a.png [input]` */
function pictureOf(node, name) {
  const source = origin(node, name);
  const value = source?.widgets?.find((widget) => widget.name === "image")?.value;
  if (typeof value !== "string") return null;
  const [, path, type] = /^(.*?)(?: \[(input|output|temp)\])?$/.exec(value) ?? [];
  const parts = path.replaceAll("\\", "/").split("/");
  return { name: parts.pop(), subfolder: parts.join("/"), type: type ?? "input" };
}

/** The Keyframe nodes chained before this one. @returns {{frames: [number, any][], unknown: boolean}} */
function chain(node) {
  const frames = [];
  let each = origin(node, "keyframes");
  for (let steps = 0; each && steps < LONGEST_CHAIN; steps += 1) {
    const index = each.type === "GengaKeyframe" ? valueOf(each, "frame_index") : undefined;
    if (index === undefined) return { frames, unknown: true };
    if (each.mode !== BYPASSED) frames.push([index, pictureOf(each, "image")]);
    each = origin(each, "keyframes");
  }
  return { frames, unknown: false };
}

/** First and last image of the two-slot node. */
function endImages(node) {
  const ends = [[0, "first_image"], [-1, "last_image"]].filter(([, name]) => origin(node, name));
  return { frames: ends.map(([frame, name]) => [frame, pictureOf(node, name)]), unknown: false };
}

function fpsOf(node) {
  for (const each of node.graph?._nodes ?? []) {
    const value = FPS_NODES.includes(each.type) ? valueOf(each, "fps") : undefined;
    if (value > 0) return value;
  }
  return FPS;
}

/** @param {any} node @param {boolean} ends whether it is the two-slot node @returns {Setting} */
export function readSetting(node, ends) {
  const asked = valueOf(node, "length");
  const own = node.widgets?.find((widget) => widget.name === "length")?.value;
  const length = roundLength(Number(asked ?? own ?? 81));
  const snap = ends ? "none" : (valueOf(node, "snap") ?? "latent");
  const { frames, unknown } = ends ? endImages(node) : chain(node);
  const wired = frames
    .map(([index, image]) => ({ frame: resolveIndex(index, length), image }))
    .filter(({ frame }) => frame !== null)
    .map(({ frame, image }) => ({ frame: snapFrame(frame, length, snap), image }))
    .sort((a, b) => a.frame - b.frame);
  const hold = valueOf(node, "mask_mode") === "hold" || valueOf(node, "control") === "vace";
  const rules = { length, snap, hold, ends, wired: wired.map(({ frame }) => frame) };
  return { rules, fps: fpsOf(node), wired, unknown, lengthWired: asked === undefined };
}

/** Sets the saved value as the host's own widgets do: then Ctrl+Z undoes it. @param {any} widget @param {string} value */
export function save(widget, value) {
  widget.value = value;
  widget.callback?.(value);
  const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
  // 1.47 has captureCanvasState, 1.32 checkState
  if (tracker?.captureCanvasState) tracker.captureCanvasState();
  else tracker?.checkState?.();
  app.graph?.setDirtyCanvas?.(true, true);
}
