// Which frames each window of a long video covers: samplers/windows/plan.py once more, so that the page can show it
// before anything runs. tests/js_modes holds the two against each other. No imports: Node reads this file, too.

/**
 * @typedef {object} Window One window; frames are counted from the video's first, 0.
 * @property {number} index
 * @property {number} first its first decoded frame (negative in a continued plan)
 * @property {number} frames how many are decoded, 4n + 1
 * @property {number} overlap how many of them it shares with the window before
 * @property {number} start the first frame it adds
 * @property {number} stop the frame after the last one it adds
 *
 * @typedef {object} Plan
 * @property {number} length
 * @property {number} window
 * @property {number} overlap
 * @property {Window[]} windows
 */

/** @param {number} frames @returns {number} the next 4n + 1: 4 becomes 5, 77 stays */
export function roundUp(frames) {
  return Math.floor((frames + 2) / 4) * 4 + 1;
}

/**
 * The plan of a video of `length` frames, or null for numbers no plan can be made of.
 * @param {number} length
 * @param {number} window
 * @param {number} overlap
 * @param {boolean} [continued] a clip lies before frame 0
 * @returns {Plan | null}
 */
export function makePlan(length, window, overlap, continued = false) {
  if (![length, window, overlap].every(Number.isSafeInteger) || length < 1 || window < 1 || overlap < 0) return null;
  const whole = roundUp(window);
  const shared = overlap === 0 ? 0 : roundUp(overlap);
  if (shared >= whole) return null;
  const windows = continued ? following(length, whole, shared) : fresh(length, whole, shared);
  return { length, window: whole, overlap: shared, windows };
}

/** @param {number} length @param {number} window @param {number} overlap @returns {Window[]} */
function fresh(length, window, overlap) {
  const stride = window - overlap;
  const count = length <= window ? 1 : Math.ceil((length - window) / stride) + 1;
  return Array.from({ length: count }, (_, index) => {
    const first = index * stride;
    const shared = index ? overlap : 0;
    const stop = Math.min(first + window, length);
    return { index, first, frames: window, overlap: shared, start: first + shared, stop };
  });
}

/** @param {number} length @param {number} window @param {number} overlap @returns {Window[]} */
function following(length, window, overlap) {
  const stride = window - overlap;
  return Array.from({ length: Math.ceil(length / stride) }, (_, index) => {
    const start = index * stride;
    const stop = Math.min(start + stride, length);
    return { index, first: start - overlap, frames: window, overlap, start, stop };
  });
}

/**
 * The frame before which a clip can be cut that is nearest to `frame`: conditioning/latent_time.py's group_border.
 * @param {number} frame
 * @param {boolean} [continued]
 * @returns {number}
 */
export function groupBorder(frame, continued = false) {
  const first = continued ? 0 : 1;
  const border = first + Math.floor((frame - first + 1) / 4) * 4;
  return border > first ? border : 0;
}

/**
 * The plan of a video whose windows are cut where sections begin (by_sections), or null where there is none.
 * @param {number} length
 * @param {number[]} starts frames
 * @param {number} window
 * @param {number} overlap
 * @param {boolean} [continued] a clip lies before frame 0
 * @returns {Plan | null}
 */
export function makeSectionPlan(length, starts, window, overlap, continued = false) {
  const usual = makePlan(length, window, overlap, continued);
  if (!usual || usual.overlap < 1) return null;
  const borders = starts.map((start) => groupBorder(start, continued)).filter((border) => border < length);
  if (new Set(borders).size < borders.length) return null;
  const all = [...new Set([0, ...borders, length])].sort((one, two) => one - two);
  if (all.length > 2 && !continued && all[1] < usual.overlap) return null;
  /** @type {Window[]} */
  const windows = [];
  all.slice(1).forEach((end, index) => windows.push(
    ...evenly(all[index], end, usual.window, usual.overlap, windows.length, all[index] === 0 && !continued)));
  return { ...usual, windows };
}

/**
 * The windows of one section, as even as groups of four frames allow.
 * @param {number} begin @param {number} end @param {number} window @param {number} overlap
 * @param {number} index of its first window
 * @param {boolean} lone nothing lies before it
 * @returns {Window[]}
 */
function evenly(begin, end, window, overlap, index, lone) {
  const added = end - begin;
  const stride = window - overlap;
  const count = lone ? Math.max(1, Math.ceil((added - overlap) / stride)) : Math.ceil(added / stride);
  const shared = overlap * (count - Number(lone));
  const groups = Math.ceil((added + shared - count) / 4);
  let start = begin;
  return Array.from({ length: count }, (_, k) => {
    const frames = 4 * (Math.floor(groups / count) + Number(k < groups % count)) + 1;
    const head = lone && k === 0 ? 0 : overlap;
    const stop = Math.min(start + frames - head, end);
    const made = { index: index + k, first: start - head, frames, overlap: head, start, stop };
    start = stop;
    return made;
  });
}

/**
 * The frame nearest to a moment, as Python's round(Fraction(seconds) * fps) finds it: a half goes to the even frame,
 * and what only looks like a half because the product was rounded (2.02 * 25) goes where it belongs.
 * @param {number} seconds
 * @param {number} fps
 * @returns {number}
 */
export function frameOf(seconds, fps) {
  const product = seconds * fps;
  const below = Math.floor(product);
  const rest = product - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  const split = seconds * 134217729; // Dekker: two halves whose products with a small number are exact
  const high = split - (split - seconds);
  const error = high * fps - product + (seconds - high) * fps;
  if (error !== 0) return error < 0 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

/**
 * Which section each window keeps to: conditioning/sections.py's in_force. -1 before the first section.
 * @param {number[]} starts the sections' starts in seconds, in order of time
 * @param {Window[]} windows
 * @param {number} fps
 * @returns {number[]}
 */
export function sectionOf(starts, windows, fps) {
  const frames = starts.map((start) => frameOf(start, fps));
  return windows.map((window) => frames.filter((frame) => frame <= window.start).length - 1);
}

/**
 * Stretches of the video that keep to one section each; those before the first section are left out.
 * @param {number[]} starts
 * @param {Window[]} windows
 * @param {number} fps
 * @returns {{section: number, from: number, to: number}[]} frames; `to` is the frame after the last one
 */
export function sectionSpans(starts, windows, fps) {
  /** @type {{section: number, from: number, to: number}[]} */
  const spans = [];
  sectionOf(starts, windows, fps).forEach((section, index) => {
    const last = spans[spans.length - 1];
    const { start, stop } = windows[index];
    if (last && last.section === section) last.to = stop;
    else spans.push({ section, from: index ? start : 0, to: stop });
  });
  return spans.filter(({ section }) => section >= 0);
}
