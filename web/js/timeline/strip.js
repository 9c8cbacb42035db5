// The strip as an element: a canvas that is drawn on, and over it one slider per keyframe for pointer, keyboard and
// screen readers. View only: what a person does is told to `on`, which decides.

import { draw } from "./draw.js";
import { thumb } from "./files.js";
import { HEIGHT, places, scale } from "./layout.js";
import { actualFrame } from "./state.js";
import { resolveIndex } from "./grid.js";
import { seconds, word } from "./words.js";

/** @typedef {{keys: import("./state.js").Key[], selected: number, setting: import("./host.js").Setting,
 *   problems: Map<number, import("./state.js").Say>}} Shown */
/** @typedef {{select(index: number): void, drag(frame: number): void, release(cancelled: boolean): void,
 *   key(event: KeyboardEvent, index: number): void, drop(files: File[], frame: number): void}} Listener */
/** @typedef {{x: number, size: number}} Place */

const SHARPNESS = 2; // pixels per CSS pixel at least, for pages zoomed in by the canvas
const START = 3; // pixels a pointer moves before a press becomes a drag

/** @param {Element} element the colours of the page, where the element hangs @returns {import("./draw.js").Colours} */
function colours(element) {
  const style = getComputedStyle(element);
  const read = (/** @type {string} */ name, /** @type {string} */ other) => style.getPropertyValue(name).trim() || other;
  return {
    text: read("--input-text", "#ddd"), dim: read("--descrip-text", "#999"), field: read("--comfy-input-bg", "#222"),
    line: read("--border-color", "#4e4e4e"), accent: read("--genga-accent", "#5b93d6"),
    error: read("--error-text", "#ff4444"),
  };
}

export class Strip {
  /** @param {Listener} on */
  constructor(on) {
    this.on = on;
    this.element = document.createElement("div");
    this.element.className = "strip";
    this.canvas = document.createElement("canvas");
    this.hint = document.createElement("div");
    this.hint.className = "hint";
    /** @type {HTMLElement[]} */
    this.handles = [];
    /** @type {Shown | null} */
    this.shown = null;
    /** @type {{id: number, x: number, offset: number, moving: boolean} | null} */
    this.press = null;
    /** @type {number | null} */
    this.dropFrame = null;
    /** @type {number[]} */
    this.centres = [];
    this.asked = 0;
    this.ratio = SHARPNESS;
    this.element.append(this.canvas, this.hint);
    this.listen();
  }

  listen() {
    const { element } = this;
    element.addEventListener("pointerdown", (event) => this.down(event));
    element.addEventListener("pointermove", (event) => this.moved(event));
    element.addEventListener("pointerup", () => this.up(false));
    element.addEventListener("pointercancel", () => this.up(true));
    element.addEventListener("focusin", (event) => this.on.select(this.indexOf(event)));
    element.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.press) this.up(true);
      else if (this.indexOf(event) >= 0) this.on.key(event, this.indexOf(event));
    });
    element.addEventListener("dragover", (event) => this.over(event));
    element.addEventListener("dragleave", () => this.hover(null));
    element.addEventListener("drop", (event) => this.dropped(event));
  }

  /** The keyframe that an event is about; -1 for none. @param {Event} event */
  indexOf(event) {
    return this.handles.findIndex((handle) => handle === event.target);
  }

  /** CSS pixels of the strip itself, whatever the zoom around it. @param {MouseEvent} event */
  pixel(event) {
    const box = this.element.getBoundingClientRect();
    return ((event.clientX - box.left) * this.width) / Math.max(1, box.width);
  }

  get width() {
    return this.element.clientWidth;
  }

  /** The frame that stands at a pixel of the strip. @param {number} x */
  frameAt(x) {
    return scale(this.width, this.shown?.setting.rules.length ?? 1).frame(x);
  }

  /** @param {PointerEvent} event */
  down(event) {
    const index = this.indexOf(event);
    if (index < 0 || event.button !== 0) return;
    event.preventDefault();
    this.handles[index].focus({ preventScroll: true });
    const x = this.pixel(event);
    this.press = { id: event.pointerId, x, offset: x - this.centres[index], moving: false };
    this.element.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  moved(event) {
    if (!this.press) return;
    const x = this.pixel(event);
    if (!this.press.moving && Math.abs(x - this.press.x) < START) return;
    this.press.moving = true;
    this.element.classList.add("dragging");
    this.on.drag(this.frameAt(x - this.press.offset));
  }

  /** @param {boolean} cancelled */
  up(cancelled) {
    const { press } = this;
    if (!press) return;
    this.press = null;
    this.element.classList.remove("dragging");
    if (this.element.hasPointerCapture(press.id)) this.element.releasePointerCapture(press.id);
    if (press.moving) this.on.release(cancelled);
  }

  /** @param {DragEvent} event */
  over(event) {
    const files = Boolean(event.dataTransfer?.types.includes("Files"));
    if (files) event.preventDefault();
    this.hover(files ? this.frameAt(this.pixel(event)) : null);
  }

  /** @param {number | null} frame where files would fall; null: none are held over the strip */
  hover(frame) {
    this.dropFrame = frame;
    this.element.classList.toggle("over", frame !== null);
    this.redraw();
  }

  /** @param {DragEvent} event */
  dropped(event) {
    const files = [...(event.dataTransfer?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    this.hover(null);
    this.on.drop(files, this.frameAt(this.pixel(event)));
  }

  /** @param {Shown} shown */
  show(shown) {
    this.shown = shown;
    const { keys, setting } = shown;
    this.hint.textContent = keys.length || setting.wired.length ? "" : word(setting.rules.ends ? "emptyEnds" : "empty");
    this.handles.splice(keys.length).forEach((handle) => handle.remove());
    while (this.handles.length < keys.length) this.handles.push(this.newHandle());
    this.redraw();
  }

  newHandle() {
    const handle = document.createElement("div");
    handle.className = "handle";
    handle.tabIndex = 0;
    handle.setAttribute("role", "slider");
    handle.setAttribute("aria-orientation", "horizontal");
    this.element.append(handle);
    return handle;
  }

  /** @param {number} index */
  focus(index) {
    this.handles[index]?.focus({ preventScroll: true });
  }

  redraw() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      if (this.shown && this.width) this.paint(this.shown);
    });
  }

  /** @param {Shown} shown */
  paint(shown) {
    const { width } = this;
    const { keys, selected, setting } = shown;
    const { length } = setting.rules;
    const frames = keys.map((key) => actualFrame(key.frame, setting.rules));
    const boxes = places(frames, setting.rules.wired, selected, width, length);
    this.centres = boxes.own.map(({ x }) => x);
    this.handles.forEach((handle, i) => this.place(shown, handle, i, frames[i], boxes.own[i]));
    const own = keys.map((_, i) => this.mark(shown, i, frames[i], boxes.own[i]));
    const wired = setting.wired.map((key, i) => this.wiredMark(key, boxes.wired[i]));
    const { hold, ends } = setting.rules;
    // wired marks last, so that `selected` counts our own
    const view = { width, length, hold, ends, marks: [...own, ...wired], selected, drop: this.dropFrame,
      colours: colours(this.element) };
    const context = this.context(width);
    if (context) draw(context, view, this.ratio);
  }

  /** The canvas, as large and as sharp as it is to be. @param {number} width */
  context(width) {
    this.ratio = Math.max(SHARPNESS, window.devicePixelRatio || 1);
    const [wide, high] = [Math.round(width * this.ratio), Math.round(HEIGHT * this.ratio)];
    if (this.canvas.width !== wide || this.canvas.height !== high) Object.assign(this.canvas, { width: wide, height: high });
    return this.canvas.getContext("2d");
  }

  /** Puts a handle over its picture. @param {Shown} shown @param {HTMLElement} handle @param {number} i
   * @param {number | null} frame as used @param {Place} place */
  place({ keys, selected, setting, problems }, handle, i, frame, { x, size }) {
    const { length } = setting.rules;
    handle.style.width = `${size}px`;
    handle.style.transform = `translateX(${x - size / 2}px)`;
    handle.style.zIndex = i === selected ? "2" : "1";
    const problem = problems.get(i);
    const values = { frame: frame ?? keys[i].frame, seconds: seconds(frame ?? 0, setting.fps), strength: keys[i].strength };
    const text = word("value", values) + (problem ? `. ${word(...problem)}` : "");
    const attributes = {
      label: word("key", { number: i + 1, count: keys.length }), valuemin: "0", valuemax: String(length - 1),
      valuenow: String(frame ?? length - 1), valuetext: text,
    };
    for (const [name, value] of Object.entries(attributes)) {
      if (handle.getAttribute(`aria-${name}`) !== value) handle.setAttribute(`aria-${name}`, value);
    }
    if (handle.title !== text) handle.title = text;
  }

  /** @param {Shown} shown @param {number} i @param {number | null} frame as used @param {Place} place
   * @returns {import("./draw.js").Mark} */
  mark({ keys, setting, problems }, i, frame, { x, size }) {
    const key = keys[i];
    const { picture, missing } = thumb(key.image, () => this.redraw());
    const asked = resolveIndex(key.frame, setting.rules.length);
    return { x, size, frame, asked, picture, missing, strength: key.strength, low: key.strength_low ?? key.strength,
      masked: Boolean(key.mask), wrong: problems.has(i), wired: false };
  }

  /** @param {import("./host.js").Wired} wired @param {Place} place @returns {import("./draw.js").Mark} */
  wiredMark({ frame, image }, { x, size }) {
    const { picture } = image ? thumb(image, () => this.redraw()) : { picture: null };
    return { x, size, frame, asked: null, picture, missing: false, strength: 1, low: 1, masked: false, wrong: false,
      wired: true };
  }
}
