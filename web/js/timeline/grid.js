// Frames and the grids they snap to: what conditioning/latent_time.py does, so that the strip shows where the node puts
// a picture. No page, no host: this runs in Node as well.

/** @typedef {"none"|"latent"|"anisora"} Snap */

const STRIDE = 4;
/** @type {Record<Snap, number>} */
const STEP = { none: 1, latent: STRIDE, anisora: 8 };

/** @param {number} length @returns {number} the next length of the form 4n + 1 */
export function roundLength(length) {
  return Math.floor((Math.max(1, Math.trunc(length) || 1) + 2) / STRIDE) * STRIDE + 1;
}

/** @param {number} frame @returns {number} the latent frame that holds it: 0 -> 0, 1..4 -> 1 */
export function latentOf(frame) {
  return Math.floor((frame + 3) / STRIDE);
}

/** @param {number} latent @returns {[number, number]} its first and last pixel frame */
export function framesOf(latent) {
  return latent === 0 ? [0, 0] : [STRIDE * latent - 3, STRIDE * latent];
}

/** Rounds half to even, as Python does. @param {number} value */
function roundEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** @param {number} frame @param {number} length @param {Snap} snap @returns {number} the frame the node will use */
export function snapFrame(frame, length, snap) {
  if (frame === length - 1) return frame;
  const step = STEP[snap] ?? 1;
  return roundEven(frame / step) * step;
}

/**
 * A frame as people write it -> 0 .. length - 1, or null outside. -1 is the last; the length itself is taken as the last.
 * @param {number} index @param {number} length
 */
export function resolveIndex(index, length) {
  if (!Number.isInteger(index)) return null;
  if (index === length) return length - 1;
  if (index < -length || index > length) return null;
  return index < 0 ? index + length : index;
}

/**
 * Every frame a picture can land on, in order. The last frame is one of them, on the grid or not.
 * @param {{length: number, snap: Snap, ends?: boolean}} rules
 */
export function gridFrames({ length, snap, ends }) {
  const last = length - 1;
  if (ends) return last ? [0, last] : [0];
  const frames = [];
  for (let frame = 0; frame < last; frame += STEP[snap] ?? 1) frames.push(frame);
  return [...frames, last];
}

/** @param {number[]} grid @param {number} frame @returns {number} the index of the grid's frame nearest to it */
export function nearest(grid, frame) {
  let best = 0;
  for (let i = 1; i < grid.length; i += 1) {
    if (Math.abs(grid[i] - frame) < Math.abs(grid[best] - frame)) best = i;
  }
  return best;
}
