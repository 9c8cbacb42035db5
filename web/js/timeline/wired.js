// Which wired keyframes a timeline can hold itself. Pure: what the graph says of each comes in, see takeover.js.

/** @typedef {import("./state.js").FileRef} FileRef */
/** @typedef {import("./state.js").Key} Key */
/** @typedef {import("./state.js").Say} Say */
/**
 * What is known of a Keyframe node before a run; a number that comes by wire is undefined. image: null where it is
 * computed. mask: "" without one, else the file, or "other" where it is none that the timeline reads the same way.
 * @typedef {{index: number | undefined, strength: number | undefined, low: number | undefined, noise: number | undefined,
 *   image: FileRef | null, mask: FileRef | "" | "other", shared: boolean}} Facts
 */

const SAME = -1; // strength_low: "as strength"

/**
 * The keyframe a timeline would have in a wired one's place, or why it cannot.
 * @param {Facts} facts @param {(frame: number) => Say | undefined} problem what is wrong with a frame on the timeline
 * @returns {{key: Key} | {why: Say}}
 */
export function judge({ index, strength, low, noise, image, mask, shared }, problem) {
  const at = { frame: index ?? "?" };
  if (index === undefined || strength === undefined || low === undefined) return { why: ["leftValue", at] };
  if (shared) return { why: ["leftShared", at] };
  if (!image) return { why: ["leftImage", at] };
  if (noise !== 0) return { why: ["leftNoise", at] };
  if (mask === "other") return { why: ["leftMask", at] };
  const wrong = problem(index);
  if (wrong) return { why: wrong };
  /** @type {Key} */
  const key = { frame: index, image, strength };
  if (low !== SAME && low !== strength) key.strength_low = low;
  if (mask) key.mask = mask;
  return { key };
}

/**
 * Whether the timeline reads a mask file as Load Image (Mask) does: painted where it is transparent, else as grey.
 * @param {string} channel of the node @param {boolean} alpha whether the file has transparency @param {boolean} grey
 */
export function readsSame(channel, alpha, grey) {
  return channel === "alpha" ? alpha : !alpha && grey;
}

/**
 * Whether a PNG or JPEG file holds transparency; null: another kind of file, which is not known.
 * @param {Uint8Array} bytes its beginning
 */
export function hasAlpha(bytes) {
  const text = String.fromCharCode(...bytes.slice(0, 4));
  if (text === "\x89PNG") return bytes[25] === 3 ? null : bytes[25] === 4 || bytes[25] === 6; // 3: by palette
  return text.startsWith("\xff\xd8") ? false : null;
}
