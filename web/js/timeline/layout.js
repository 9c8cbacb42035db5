// Where things stand on the strip, in CSS pixels. Pure.

export const HEIGHT = 96;
export const THUMB = 46; // the largest a picture is shown
export const TOP = 4;
export const AXIS = 66;
const SMALLEST = 14;
const MARGIN = THUMB / 2 + 4; // a picture on the first or last frame is shown whole
const STEPS = [1, 4, 8, 16, 20, 40, 80, 160, 400, 800, 1600, 4000, 8000];
const LABEL = 30; // pixels a frame number needs

/** @param {number} width @param {number} length */
export function scale(width, length) {
  const span = Math.max(1, width - 2 * MARGIN);
  const each = span / Math.max(1, length - 1);
  return {
    each,
    x: (/** @type {number} */ frame) => (length > 1 ? MARGIN + frame * each : width / 2),
    frame: (/** @type {number} */ x) => Math.min(length - 1, Math.max(0, Math.round((x - MARGIN) / each))),
  };
}

/**
 * Centre and size of each picture: as large as its neighbours let it be, the selected one always large.
 * @param {(number | null)[]} frames as used; null: outside the video, shown at the right edge
 * @param {number[]} wired @param {number} selected @param {number} width @param {number} length
 */
export function places(frames, wired, selected, width, length) {
  const { x } = scale(width, length);
  const centres = frames.map((frame) => (frame === null ? width - SMALLEST / 2 - 2 : x(frame)));
  const all = [...centres, ...wired.map(x)].sort((a, b) => a - b);
  const size = (/** @type {number} */ centre) => {
    const at = all.indexOf(centre);
    const room = Math.min(centre - (all[at - 1] ?? -THUMB), (all[at + 1] ?? width + THUMB) - centre);
    return Math.min(THUMB, Math.max(SMALLEST, Math.floor(room) - 2));
  };
  const own = centres.map((centre, i) => {
    if (frames[i] === null) return { x: centre, size: SMALLEST };
    return { x: centre, size: i === selected ? THUMB : size(centre) };
  });
  return { own, wired: wired.map((frame) => ({ x: x(frame), size: size(x(frame)) })) };
}

/** The frames that get a number below the axis. @param {number} width @param {number} length @returns {number[]} */
export function ticks(width, length) {
  const { each } = scale(width, length);
  const step = STEPS.find((one) => one * each >= LABEL) ?? STEPS[STEPS.length - 1];
  const found = [];
  for (let frame = 0; frame < length - 1; frame += step) if ((length - 1 - frame) * each >= LABEL) found.push(frame);
  return [...found, length - 1];
}
