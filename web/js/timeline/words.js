// The timeline's sentences: english.js has them, locales/ in other languages.

import { sentences } from "../words.js";

/** @typedef {keyof typeof import("../english.js").ENGLISH.timeline} Name */

export const word = sentences("timeline");

/** @param {number} frame @param {number} fps @returns {string} */
export function seconds(frame, fps) {
  return (frame / fps).toFixed(frame / fps < 100 ? 2 : 1);
}
