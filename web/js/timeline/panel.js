// The fields of the selected keyframe. Built once and filled anew, so that the focus stays where it is.

import { actualFrame } from "./state.js";
import { seconds, word } from "./words.js";

/** @typedef {{frame(value: number): void, change(values: object): void, replace(): void, duplicate(): void,
 *   remove(): void, paint(): void, maskFile(): void}} Listener */

/** @param {string} text @param {() => void} run */
export function button(text, run) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", run);
  return made;
}

/** @param {string} name @param {string} type @param {Record<string, string>} limits */
function input(name, type, limits) {
  const made = Object.assign(document.createElement("input"), { type, ...limits });
  made.setAttribute("aria-label", name);
  return made;
}

/** @param {string} text @param {...Element} inside */
function labelled(text, ...inside) {
  const made = document.createElement("label");
  const words = document.createElement("span");
  words.textContent = text;
  made.append(words, ...inside);
  return made;
}

/** @param {...Node} inside */
export function row(...inside) {
  const made = document.createElement("div");
  made.className = "row";
  made.append(...inside);
  return made;
}

/** A slider and a number for the same value, 0 to 1. @param {string} name @param {(value: number) => void} changed */
function share(name, changed) {
  const limits = { min: "0", max: "1", step: "0.01" };
  const [slider, number] = [input(name, "range", limits), input(name, "number", limits)];
  slider.addEventListener("input", () => (number.value = slider.value));
  for (const each of [slider, number]) {
    each.addEventListener("change", () => Number.isFinite(each.valueAsNumber) && changed(each.valueAsNumber));
  }
  const set = (/** @type {number} */ value) => {
    for (const each of [slider, number]) each.value = String(value);
  };
  const element = document.createElement("div");
  element.className = "pair";
  element.append(labelled(name, slider), number);
  return { element, set };
}

export class Panel {
  /** @param {Listener} on */
  constructor(on) {
    this.element = document.createElement("div");
    this.element.className = "panel";
    this.none = document.createElement("div");
    this.fields = document.createElement("div");
    this.fields.className = "panel";
    this.frame = input(word("frame"), "number", { step: "1" });
    this.frame.addEventListener("change", () => on.frame(this.frame.valueAsNumber));
    this.frameLabel = labelled(word("frame"), this.frame);
    this.used = document.createElement("span");
    this.strength = share(word("strength"), (strength) => on.change({ strength }));
    const names = /** @type {const} */ (["replace", "duplicate", "remove"]);
    const buttons = names.map((name) => button(word(name), () => on[name]()));
    this.split = input(word("split"), "checkbox", {});
    this.split.addEventListener("change", () => on.change({ strength_low: this.split.checked ? this.key?.strength : undefined }));
    this.low = share(word("strengthLow"), (strength_low) => on.change({ strength_low }));
    this.lowFields = row(this.low.element);
    this.masked = document.createElement("span");
    this.masked.textContent = word("masked");
    this.clearMask = button(word("clearMask"), () => on.change({ mask: undefined }));
    this.fields.append(
      row(this.frameLabel, this.used, this.strength.element),
      row(...buttons),
      this.more(on),
    );
    this.element.append(this.none, this.fields);
  }

  /** What few need: the strength of the low-noise expert, and the mask. @param {Listener} on */
  more(on) {
    const made = document.createElement("details");
    const title = document.createElement("summary");
    title.textContent = word("more");
    const paint = button(word("paint"), () => on.paint());
    const file = button(word("maskFile"), () => on.maskFile());
    made.append(title, row(labelled(word("split"), this.split)), this.lowFields,
      row(paint, file, this.clearMask, this.masked));
    return made;
  }

  /** @param {import("./strip.js").Shown} shown */
  show({ keys, selected, setting }) {
    const key = keys[selected];
    this.key = key;
    this.none.hidden = Boolean(key) || !keys.length;
    this.none.textContent = word("none");
    this.fields.hidden = !key;
    this.element.hidden = !keys.length;
    if (!key) return;
    const actual = actualFrame(key.frame, setting.rules);
    this.frame.value = String(key.frame);
    Object.assign(this.frame, { min: String(-setting.rules.length), max: String(setting.rules.length) });
    const values = { frame: actual ?? "", seconds: seconds(actual ?? 0, setting.fps) };
    const { ends } = setting.rules; // two slots: there is no other frame to choose
    this.frameLabel.hidden = ends;
    this.used.textContent = actual === null ? "" : word(ends ? "end" : actual === key.frame ? "at" : "used", values);
    this.strength.set(key.strength);
    this.split.checked = key.strength_low !== undefined;
    this.lowFields.hidden = key.strength_low === undefined;
    this.low.set(key.strength_low ?? key.strength);
    this.masked.hidden = this.clearMask.hidden = !key.mask;
  }
}
