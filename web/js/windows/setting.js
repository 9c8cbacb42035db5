// What the strip is to show: the plan of a window node as its settings, its files and its last run tell it.

import { valueOf } from "../graph.js";
import { sentences } from "../words.js";
import { media } from "./media.js";
import { frameOf, groupBorder, makePlan, makeSectionPlan, roundUp } from "./plan.js";
import { KINDS, fileOf, isContinued, sectionsOf } from "./wires.js";

const word = sentences("windows");

/**
 * @typedef {object} Shown
 * @property {import("./plan.js").Plan | null} plan
 * @property {number} fps
 * @property {boolean} about the length is an estimate
 * @property {boolean} guessed fps is, so seconds are estimates
 * @property {string} problem why there is no plan, in words; "" with one
 * @property {{peaks: number[], seconds: number, at: number}[]} sounds `at`: the second of the video they begin at
 * @property {{start: number, label: string, picture: string}[]} sections
 * @property {boolean} unread a section cannot be read before a run
 *
 * @typedef {{length: number, window: number, overlap: number, fps: number, settings: string}} LastRun
 */

/**
 * @param {Host.GraphNode} node
 * @param {LastRun | null} lastRun what the host planned, and for which settings
 * @param {() => void} ready called when a file that is being read is known
 * @returns {Shown}
 */
export function shownOf(node, lastRun, ready) {
  const kind = KINDS[node.comfyClass ?? ""];
  const asked = { window: valueOf(node, "frame_window"), overlap: valueOf(node, kind.overlap) };
  const told = lastRun && lastRun.settings === settingsOf(node) ? lastRun : null;
  const rate = valueOf(node, "fps") || 0;
  const fps = told?.fps || rate || kind.fps;
  const sounds = soundsOf(node, kind, ready);
  const guessed = !told && !rate && kind.films.length > 0;
  const { length, about, problem } = told ? { length: told.length, about: false, problem: "" }
    : lengthOf(node, kind, sounds, fps, guessed, ready);
  const window = asked.window ?? told?.window;
  const overlap = asked.overlap ?? told?.overlap;
  const read = sectionsOf(node);
  const continued = isContinued(node);
  const sections = kind.cut ? begun(read, fps, continued) : read;
  const plan = problem ? null : kind.cut ? planOfSections(length, sections, fps, window, overlap, continued)
    : makePlan(length, window, overlap, continued);
  const heard = sounds.filter((sound) => sound.peaks.length);
  return {
    plan, fps, about, guessed, problem: problem || (plan ? "" : kind.cut && !read ? word("afterRun") : whyNot(kind, window, overlap)), sounds: heard,
    sections: sections ?? [], unread: !sections,
  };
}

/** Sections where the windows that are cut for them begin. @param {Shown["sections"] | null} sections @param {number} fps
 * @param {boolean} continued */
function begun(sections, fps, continued) {
  return sections?.map((each) => ({ ...each, start: groupBorder(frameOf(each.start, fps), continued) / fps })) ?? null;
}

/** @param {number} length @param {Shown["sections"] | null} sections null: they are not known before a run
 * @param {number} fps @param {number} window @param {number} overlap @param {boolean} continued */
function planOfSections(length, sections, fps, window, overlap, continued) {
  const starts = sections?.map(({ start }) => Math.round(start * fps));
  return starts ? makeSectionPlan(roundUp(length), starts, window, overlap, continued) : null;
}

/** All that the length depends on and the page can see: where it has changed, the last run says nothing any more. */
export function settingsOf(/** @type {Host.GraphNode} */ node) {
  const kind = KINDS[node.comfyClass ?? ""];
  const numbers = ["length", "fps", "driver_start", "two_speakers", "batch_fps"];
  const files = [...kind.sounds, ...kind.films].map((name) => fileOf(node, name));
  return JSON.stringify([numbers.map((name) => valueOf(node, name) ?? null), files]);
}

/** @param {Host.GraphNode} node @param {import("./wires.js").Kind} kind @param {() => void} ready */
function soundsOf(node, kind, ready) {
  const urls = kind.sounds.map((name) => fileOf(node, name)).filter((url) => url !== "");
  let at = 0;
  return urls.map((url) => {
    const heard = url === null ? null : media(url, true, ready);
    const sound = { state: heard?.state ?? "failed", seconds: heard?.seconds ?? 0, peaks: heard?.peaks ?? [], at };
    if (valueOf(node, "two_speakers") === "add") at += sound.seconds;
    return sound;
  });
}

/**
 * @param {Host.GraphNode} node
 * @param {import("./wires.js").Kind} kind
 * @param {{state: string, seconds: number, at: number}[]} sounds
 * @param {number} fps
 * @param {boolean} guessed whether fps is
 * @param {() => void} ready
 * @returns {{length: number, about: boolean, problem: string}}
 */
function lengthOf(node, kind, sounds, fps, guessed, ready) {
  const length = valueOf(node, "length");
  if (length > 0) return { length, about: false, problem: "" };
  const unknown = (/** @type {string} */ problem) => ({ length: 0, about: true, problem });
  const what = word(kind.follows);
  const later = word("unreadable", { what });
  if (length === undefined) return unknown(word("lengthWired"));
  const films = kind.films.map((name) => fileOf(node, name));
  const film = films.find((url) => url !== "");
  const media_ = film ? media(film, false, ready) : null;
  const sources = kind.films.length ? (media_ ? [{ ...media_, at: 0 }] : []) : sounds;
  if (!sources.length && film !== null) return unknown(word("nothingWired", { what }));
  if (sources.some(({ state }) => state === "reading")) return unknown(word("reading"));
  if (!sources.length || sources.some(({ state }) => state === "failed")) return unknown(later);
  const seconds = Math.max(...sources.map((each) => each.at + each.seconds)) - (valueOf(node, "driver_start") ?? 0);
  const frames = Math.floor(seconds * fps + 1e-6);
  return frames < 1 ? unknown(later) : { length: frames, about: guessed, problem: "" };
}

/** @param {import("./wires.js").Kind} kind @param {unknown} window @param {unknown} overlap */
function whyNot(kind, window, overlap) {
  if (typeof window !== "number" || typeof overlap !== "number") return word("afterRun");
  return overlap >= window ? word("overlapTooLarge", { overlap: kind.overlap }) : word("noWindows");
}
