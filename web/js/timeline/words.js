// Every sentence of the timeline, in one place. {name} stands for a value.

import { LANGUAGES } from "./languages.js";

export const WORDS = {
  label: "Keyframe timeline",
  add: "Add pictures",
  empty: "Drop pictures here, paste them, or press Add pictures.",
  emptyEnds: "Drop a first and a last picture here, paste them, or press Add pictures.",
  none: "Select a picture on the strip to edit it.",
  about: "{length} frames · {seconds} s at {fps} fps",
  wiredUnknown: "some wired keyframes are known only when it runs",
  lengthWired: "the length comes by wire and may differ",
  key: "Keyframe {number} of {count}",
  value: "frame {frame}, {seconds} seconds, strength {strength}",
  frame: "Frame",
  used: "→ {frame} · {seconds} s",
  at: "{seconds} s",
  end: "Frame {frame} · {seconds} s",
  strength: "Strength",
  strengthLow: "Low-noise strength",
  split: "A strength of its own for the low-noise expert (detail)",
  more: "Experts and mask",
  replace: "Replace",
  duplicate: "Duplicate",
  remove: "Remove",
  paint: "Paint mask",
  maskFile: "Mask from file",
  clearMask: "Clear mask",
  masked: "applies inside its mask only",
  rescaleTo: "Rescale to {length} frames",
  clipOff: "Remove those outside",
  clear: "Clear",
  keep: "Keep frames",
  uploading: "Uploading {count}…",
  uploadFailed: "{name} was not taken by the server: {reason}",
  notPicture: "{name} is no picture. Use PNG, JPEG or WebP.",
  unreadable: "The saved timeline cannot be read. It is kept as it is until you clear it.",
  newer: "The saved timeline is of version {version}: update the pack. It is kept as it is.",
  taken: "Frame {frame} already has a picture.",
  heldTaken: "Frames {first} to {last} already have a picture, which is held over all four.",
  outside: "Frame {frame} lies outside the video, which ends at {last}.",
  notAnEnd: "This node has only the first and the last frame, not {frame}.",
  full: "There is no free frame left.",
  notAllFit: "No free frame for {left} of {count} pictures. A longer video or a finer snap has more.",
  noRoom: "There is no free frame on that side.",
  snapped: "Frame {frame} asked, {actual} used: snap moves it.",
  lengthChanged: "Length {from} → {length}: the pictures kept their frames.",
  lengthOutside: "Length {from} → {length}: pictures beyond the end are red and would stop the run ({count}).",
  noRescale: "At {length} frames pictures would meet. Move or remove some first.",
  rescaled: "Rescaled from {from} to {length} frames.",
  clipped: "Removed beyond frame {last}: {count}.",
};

let chosen = WORDS;

/** @param {string} locale as the host names it; one without words here is English */
export function speak(locale) {
  chosen = LANGUAGES[locale] ?? WORDS;
}

/** @param {keyof typeof WORDS} name @param {Record<string, string | number>} [values] @returns {string} */
export function word(name, values = {}) {
  return (chosen[name] ?? name).replace(/\{(\w+)\}/g, (_, key) => String(values[key] ?? ""));
}

/** @param {number} frame @param {number} fps @returns {string} */
export function seconds(frame, fps) {
  return (frame / fps).toFixed(frame / fps < 100 ? 2 : 1);
}
