// Taking wired keyframes over: reads the Keyframe nodes of a chain, and joins what stays wired anew.

import { chainOf, fileRef, origin, valueOf } from "../graph.js";
import { viewURL } from "./files.js";
import { BYPASSED } from "./host.js";
import { hasAlpha, judge, readsSame } from "./wired.js";

/** @typedef {import("./state.js").FileRef} FileRef */
/** @typedef {import("./state.js").Key} Key */
/** @typedef {import("./state.js").Say} Say */
/** @typedef {{taken: Key[], left: {node: Host.GraphNode, slot: number, why: Say}[]}} Weighed `slot`: its output in the chain */

const CHAIN = "keyframes";
const KEYFRAME = "GengaKeyframe";
const LOADERS = ["LoadImage", "LoadImageOutput"];
const GREY = 2; // levels that two channels of a grey JPEG may differ by

/** @param {Host.GraphNode} node @param {string} name of an input */
function link(node, name) {
  const slot = node.inputs?.findIndex((input) => input.name === name) ?? -1;
  return slot < 0 ? null : node.getInputLink(slot);
}

/** @param {Host.GraphNode | null} loader @returns {FileRef | null} */
function fileOf(loader) {
  const value = loader?.widgets?.find(({ name }) => name === "image")?.value;
  return typeof value === "string" && value ? fileRef(value) : null;
}

/** Whether a file is transparent somewhere, and whether it is grey. @param {FileRef} ref */
async function look(ref) {
  const blob = await (await fetch(viewURL(ref))).blob();
  const alpha = hasAlpha(new Uint8Array(await blob.slice(0, 32).arrayBuffer()));
  const picture = await createImageBitmap(blob);
  const ctx = /** @type {OffscreenCanvasRenderingContext2D} */ (new OffscreenCanvas(picture.width, picture.height).getContext("2d"));
  ctx.drawImage(picture, 0, 0);
  const { data } = ctx.getImageData(0, 0, picture.width, picture.height);
  let grey = true;
  for (let i = 0; grey && i < data.length; i += 4) {
    grey = Math.abs(data[i] - data[i + 1]) <= GREY && Math.abs(data[i] - data[i + 2]) <= GREY;
  }
  return { alpha, grey };
}

/** @param {Host.GraphNode} node a Keyframe node @returns {Promise<FileRef | "" | "other">} */
async function maskOf(node) {
  const source = origin(node, "mask");
  if (!source) return "";
  const painted = LOADERS.includes(source.type); // its MASK output
  const ref = painted || source.type === "LoadImageMask" ? fileOf(source) : null;
  if (!ref) return "other";
  const { alpha, grey } = await look(ref).catch(() => ({ alpha: null, grey: false }));
  const channel = painted ? "alpha" : String(valueOf(source, "channel"));
  return alpha !== null && readsSame(channel, alpha, grey) ? ref : "other";
}

/** @param {Host.GraphNode} node @param {boolean} shared @returns {Promise<import("./wired.js").Facts>} */
async function factsOf(node, shared) {
  const loader = origin(node, "image");
  return {
    index: valueOf(node, "frame_index"), strength: valueOf(node, "strength"), low: valueOf(node, "strength_low"),
    noise: valueOf(node, "noise_aug"),
    image: loader && LOADERS.includes(loader.type) ? fileOf(loader) : null, mask: await maskOf(node), shared,
  };
}

/**
 * What of a node's chain its timeline can hold itself; changes nothing yet.
 * @param {Host.GraphNode} node @param {(frame: number, taken: Key[]) => Say | undefined} problem with a frame
 * @returns {Promise<Weighed>}
 */
export async function weigh(node, problem) {
  /** @type {Weighed} */
  const weighed = { taken: [], left: [] };
  let below = node;
  let shared = false; // behind a node that stays and gives its keyframes to others as well
  for (const each of chainOf(node, CHAIN)) {
    const from = link(below, CHAIN);
    const slot = from?.origin_id === each.id ? from.origin_slot : 0;
    below = each;
    if (each.type !== KEYFRAME) {
      weighed.left.push({ node: each, slot, why: ["leftOther", { node: each.title }] });
      break;
    }
    if (each.mode === BYPASSED) continue;
    const found = judge(await factsOf(each, shared), (frame) => problem(frame, weighed.taken));
    if ("key" in found) weighed.taken.push(found.key);
    else weighed.left.push({ node: each, slot, why: found.why });
    if ("why" in found) shared ||= (each.outputs[slot]?.links?.length ?? 0) > 1;
  }
  return weighed;
}

/** Wires only what is left; the nodes of the others stay where they are. @param {Host.GraphNode} node
 * @param {Weighed["left"]} left */
export function rewire(node, left) {
  let below = node;
  for (const { node: each, slot } of left) {
    if (origin(below, CHAIN) !== each) each.connect(slot, below, place(below));
    below = each;
  }
  // what is behind the last of them is taken; but what another kind of node gets is its own affair
  if (origin(below, CHAIN) && (below === node || below.type === KEYFRAME)) below.disconnectInput(place(below));
}

/** @param {Host.GraphNode} node */
function place(node) {
  return node.inputs.findIndex(({ name }) => name === CHAIN);
}
