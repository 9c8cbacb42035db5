// The keyframes of a timeline and everything that can be done to them. Pure: no page, no host, nothing is changed in place.
//
// Every edit takes the keys and returns {keys, selected, say?}. An edit that cannot be made returns the same keys and says
// why: `say` is a sentence's name and its values, put into words by words.js.

import { framesOf, gridFrames, latentOf, nearest, resolveIndex, snapFrame } from "./grid.js";

/** @typedef {{name: string, subfolder: string, type: string}} FileRef */
/** @typedef {{frame: number, image: FileRef, strength: number, strength_low?: number, mask?: FileRef}} Key */
/** @typedef {[name: import("./words.js").Name, values?: Record<string, string | number>]} Say */
/** @typedef {{keys: Key[], selected: number, say?: Say}} Edit */
/**
 * What the node around the keys asks for. length: rounded to 4n + 1. hold: a picture owns its whole latent frame.
 * ends: only first and last frame exist. wired: frames (as used) that come by wire.
 * @typedef {{length: number, snap: import("./grid.js").Snap, hold: boolean, ends: boolean, wired: number[]}} Rules
 */

export const EMPTY = '{"version": 1, "keyframes": []}';
const VERSION = 1;

/** @param {any} ref of a saved value @returns {FileRef | null} */
function reference(ref) {
  if (!ref || typeof ref !== "object" || typeof ref.name !== "string" || !ref.name.trim()) return null;
  return { name: ref.name, subfolder: String(ref.subfolder ?? ""), type: String(ref.type ?? "input") };
}

/** @param {unknown} value @param {number} other */
function share(value, other) {
  return typeof value === "number" && value >= 0 && value <= 1 ? value : other;
}

/** @param {any} entry @returns {Key | null} */
function readKey(entry) {
  const image = reference(entry?.image);
  if (!image || !Number.isInteger(entry.frame)) return null;
  /** @type {Key} */
  const key = { frame: entry.frame, image, strength: share(entry.strength, 1) };
  if (entry.strength_low !== undefined) key.strength_low = share(entry.strength_low, key.strength);
  const mask = reference(entry.mask);
  if (mask) key.mask = mask;
  return key;
}

/**
 * The keys of a saved value. What cannot be read is named in `say`, and then must not be written over unasked.
 * @param {unknown} text @returns {{keys: Key[], say?: Say}}
 */
export function parse(text) {
  if (typeof text !== "string" || !text.trim()) return { keys: [] };
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return { keys: [], say: ["unreadable"] };
  }
  if (!value || !Array.isArray(value.keyframes)) return { keys: [], say: ["unreadable"] };
  if (value.version !== VERSION) return { keys: [], say: ["newer", { version: String(value.version) }] };
  const keys = value.keyframes.map(readKey);
  return keys.includes(null) ? { keys: [], say: ["unreadable"] } : { keys };
}

/** @param {Key[]} keys @returns {string} the value to save */
export function serialise(keys) {
  return keys.length ? JSON.stringify({ version: VERSION, keyframes: keys }) : EMPTY;
}

/** @param {number} frame @param {Rules} rules @returns {number | null} where the node puts it; null: outside the video */
export function actualFrame(frame, rules) {
  const resolved = resolveIndex(frame, rules.length);
  return resolved === null ? null : snapFrame(resolved, rules.length, rules.ends ? "none" : rules.snap);
}

/** @param {number} one @param {number} other @param {Rules} rules */
function same(one, other, rules) {
  return one === other || (rules.hold && latentOf(one) === latentOf(other));
}

/** @param {Key[]} keys @param {Rules} rules @param {number} [but] @returns {number[]} frames in use, wired ones too */
function taken(keys, rules, but = -1) {
  const own = keys.filter((_, i) => i !== but).map((key) => actualFrame(key.frame, rules));
  return [...own.filter((frame) => frame !== null), ...rules.wired];
}

/** @param {number} frame @param {Key[]} keys @param {Rules} rules @param {number} [but] */
export function isFree(frame, keys, rules, but = -1) {
  return !taken(keys, rules, but).some((other) => same(frame, other, rules));
}

/** @param {number} frame @param {Rules} rules @returns {Say} */
function collision(frame, rules) {
  const [first, last] = framesOf(latentOf(frame));
  return rules.hold && last > first ? ["heldTaken", { first, last }] : ["taken", { frame }];
}

/**
 * What is wrong with each key, by its index: outside the video, not an end, or on another's frame.
 * @param {Key[]} keys @param {Rules} rules @returns {Map<number, Say>}
 */
export function problems(keys, rules) {
  const found = new Map();
  keys.forEach((key, i) => {
    const frame = actualFrame(key.frame, rules);
    if (frame === null) found.set(i, ["outside", { frame: key.frame, last: rules.length - 1 }]);
    else if (rules.ends && frame !== 0 && frame !== rules.length - 1) found.set(i, ["notAnEnd", { frame }]);
    else if (!isFree(frame, keys, rules, i)) found.set(i, collision(frame, rules));
  });
  return found;
}

/** In order of time; the selection goes along. @param {Key[]} keys @param {Key | undefined} chosen @param {Rules} rules */
function ordered(keys, chosen, rules) {
  const place = (/** @type {Key} */ key) => actualFrame(key.frame, rules) ?? rules.length + Math.abs(key.frame);
  const sorted = [...keys].sort((a, b) => place(a) - place(b));
  return { keys: sorted, selected: chosen ? sorted.indexOf(chosen) : -1 };
}

/** @param {Key[]} keys @param {number} index @param {Key} key @param {Rules} rules @returns {Edit} */
function exchanged(keys, index, key, rules) {
  return ordered(keys.map((old, i) => (i === index ? key : old)), key, rules);
}

/**
 * A grid frame for one more picture: near `wish` if given, else the free end, else the middle of the widest gap.
 * @param {Key[]} keys @param {Rules} rules @param {number} [wish] @returns {number | null} null: all are taken
 */
export function freeFrame(keys, rules, wish) {
  const free = gridFrames(rules).filter((frame) => isFree(frame, keys, rules));
  if (!free.length) return null;
  if (wish !== undefined) return free[nearest(free, wish)];
  const last = rules.length - 1;
  if (free[0] === 0) return 0;
  if (free.at(-1) === last) return last;
  const used = taken(keys, rules);
  const room = (/** @type {number} */ frame) => Math.min(...used.map((other) => Math.abs(other - frame)));
  return free.reduce((best, frame) => (room(frame) > room(best) ? frame : best));
}

/** The last frame of a two-slot node is -1, so that it stays the last. @param {number} frame @param {Rules} rules */
function stored(frame, rules, negative = rules.ends) {
  return negative && frame === rules.length - 1 && frame > 0 ? -1 : frame;
}

/** @param {Key[]} keys @param {FileRef} image @param {Rules} rules @param {number} [wish] @returns {Edit} */
export function add(keys, image, rules, wish) {
  const frame = freeFrame(keys, rules, wish);
  if (frame === null) return { keys, selected: -1, say: ["full"] };
  const key = { frame: stored(frame, rules), image, strength: 1 };
  return ordered([...keys, key], key, rules);
}

/**
 * Several pictures at once: on an empty strip they are spread from the first frame to the last, else the first lands
 * where it was dropped and the others in the widest gaps.
 * @param {Key[]} keys @param {FileRef[]} images @param {Rules} rules @param {number} [wish] @returns {Edit}
 */
export function addAll(keys, images, rules, wish) {
  const spread = images.length > 1 && !keys.length && !rules.wired.length;
  let edit = { keys, selected: -1 };
  images.forEach((image, i) => {
    const even = Math.round((i * (rules.length - 1)) / (images.length - 1));
    const next = add(edit.keys, image, rules, spread ? even : i ? undefined : wish);
    if (!next.say) edit = next;
  });
  const left = images.length - (edit.keys.length - keys.length);
  return left ? { ...edit, say: ["notAllFit", { left, count: images.length }] } : edit;
}

/** Keys made elsewhere, put in their places. @param {Key[]} keys @param {Key[]} more @param {Rules} rules @returns {Edit} */
export function join(keys, more, rules) {
  return ordered([...keys, ...more], more[0], rules);
}

/** Exactly this frame, as typed: kept as written (-1 too), refused on another's. @param {Key[]} keys @param {number} index
 * @param {number} frame @param {Rules} rules @returns {Edit} */
export function setFrame(keys, index, frame, rules) {
  const actual = actualFrame(frame, rules);
  const refuse = (/** @type {Say} */ say) => ({ keys, selected: index, say });
  if (actual === null) return refuse(["outside", { frame, last: rules.length - 1 }]);
  if (rules.ends && actual !== 0 && actual !== rules.length - 1) return refuse(["notAnEnd", { frame }]);
  if (!isFree(actual, keys, rules, index)) return refuse(collision(actual, rules));
  const edit = exchanged(keys, index, { ...keys[index], frame: stored(frame, rules) }, rules);
  const asked = resolveIndex(frame, rules.length) ?? actual;
  return asked === actual ? edit : { ...edit, say: ["snapped", { frame: asked, actual }] };
}

/** To the grid frame nearest to `frame`, as a drag does; stays where another one is. @param {Key[]} keys
 * @param {number} index @param {number} frame @param {Rules} rules @returns {Edit} */
export function move(keys, index, frame, rules) {
  const grid = gridFrames(rules);
  const target = grid[nearest(grid, frame)];
  if (!isFree(target, keys, rules, index)) return { keys, selected: index, say: collision(target, rules) };
  return exchanged(keys, index, { ...keys[index], frame: stored(target, rules, keys[index].frame < 0 || rules.ends) }, rules);
}

/** By grid steps, over frames that are taken. @param {Key[]} keys @param {number} index @param {number} steps
 * @param {Rules} rules @returns {Edit} */
export function step(keys, index, steps, rules) {
  const grid = gridFrames(rules);
  const direction = Math.sign(steps);
  const here = actualFrame(keys[index].frame, rules) ?? rules.length - 1;
  let at = Math.min(grid.length - 1, Math.max(0, nearest(grid, here) + steps));
  while (at in grid && !isFree(grid[at], keys, rules, index)) at += direction;
  return at in grid ? move(keys, index, grid[at], rules) : { keys, selected: index, say: ["noRoom"] };
}

/** @param {Key[]} keys @param {number} index @returns {Edit} */
export function remove(keys, index) {
  const left = keys.filter((_, i) => i !== index);
  return { keys: left, selected: Math.min(index, left.length - 1) };
}

/** A copy on the next free frame. @param {Key[]} keys @param {number} index @param {Rules} rules @returns {Edit} */
export function duplicate(keys, index, rules) {
  const here = actualFrame(keys[index].frame, rules) ?? 0;
  const free = gridFrames(rules).filter((frame) => isFree(frame, keys, rules));
  const frame = free.find((other) => other > here) ?? free.at(-1);
  if (frame === undefined) return { keys, selected: index, say: ["full"] };
  const key = { ...keys[index], frame: stored(frame, rules) };
  return ordered([...keys, key], key, rules);
}

/**
 * Other values for one key: image, strength, strength_low, mask; undefined removes one.
 * @param {Key[]} keys @param {number} index @param {Partial<Key>} values @returns {Edit}
 */
export function change(keys, index, values) {
  const key = { ...keys[index], ...values };
  const rounded = (/** @type {number} */ share) => Math.round(Math.min(1, Math.max(0, share)) * 100) / 100;
  key.strength = rounded(key.strength);
  if (key.strength_low === undefined) delete key.strength_low;
  else key.strength_low = rounded(key.strength_low);
  if (key.mask === undefined) delete key.mask;
  return { keys: keys.map((old, i) => (i === index ? key : old)), selected: index };
}

/**
 * The same moments of a longer or shorter video. Refused where two pictures would meet. Frames counted from the end stay.
 * @param {Key[]} keys @param {number} from the length they were made for @param {Rules} rules @returns {Edit}
 */
export function rescale(keys, from, rules) {
  const ratio = (rules.length - 1) / Math.max(1, from - 1);
  const moved = keys.map((key) => (key.frame < 0 ? key : { ...key, frame: Math.round(key.frame * ratio) }));
  const wrong = problems(moved, rules).values().next().value;
  if (wrong) return { keys, selected: -1, say: ["noRescale", { length: rules.length }] };
  return { ...ordered(moved, undefined, rules), say: ["rescaled", { from, length: rules.length }] };
}

/** Without those beyond the end. @param {Key[]} keys @param {Rules} rules @returns {Edit} */
export function clip(keys, rules) {
  const kept = keys.filter((key) => actualFrame(key.frame, rules) !== null);
  return { keys: kept, selected: -1, say: ["clipped", { count: keys.length - kept.length, last: rules.length - 1 }] };
}
