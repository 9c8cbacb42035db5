// What each window of a long video is made of: its own prompt and picture, or those that go on from before. No imports:
// Node reads this file, too.

/**
 * @typedef {object} Slot
 * @property {number} section that holds in the window, -1 before the first one
 * @property {boolean} own whether it begins with this window, so that a change here begins here
 */

/**
 * A slot for each window. Of sections that begin within the same window the last one holds: the others are never seen.
 * @param {number[]} inForce the section of each window, as sectionOf gives it
 * @returns {Slot[]}
 */
export function slotsOf(inForce) {
  return inForce.map((section, index) => ({ section, own: section >= 0 && section !== inForce[index - 1] }));
}

/**
 * Where a section must start to begin with a window: in seconds, as the Sections node rounds them.
 * @param {number} frame the first that the window adds @param {number} fps
 */
export function startOf(frame, fps) {
  return Math.round((1000 * frame) / fps) / 1000;
}

/**
 * The last value that a section up to `last` has: what one leaves out goes on as before it.
 * @template T
 * @param {(T | "")[]} values of the sections, in order of time; "" where one has none
 * @param {number} last
 * @returns {T | ""}
 */
export function held(values, last) {
  return values.slice(0, last + 1).findLast((value) => value !== "") ?? "";
}
