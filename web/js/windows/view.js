// The strip as an element: words on top, the drawing below. View only; it holds no state that is saved.

import { sentences } from "../words.js";
import { STYLE, paint } from "./paint.js";
import { clock } from "./ticks.js";

const word = sentences("windows");
const WORDS = 20; // pixels: the line of words and the padding
const ALONE = 34; // without a drawing: two lines

/**
 * What the strip says where the pointer is not on it.
 * @param {import("./setting.js").Shown} shown
 */
export function summary({ plan, fps, about, guessed, problem, sections }) {
  if (!plan) return problem;
  const { windows, window, overlap, length } = plan;
  const text = word(windows.length > 1 ? "several" : "one", { count: windows.length, window, overlap });
  const late = sections.filter(({ start }) => start * fps >= length).length;
  const lasts = clock(length / fps, word("seconds"));
  const time = guessed && !about ? word("about", { text: lasts }) : lasts;
  const parts = [about ? word("about", { text }) : text, word("lasts", { length, time })];
  if (late) parts.push(word(late > 1 ? "lateSections" : "lateSection", { count: late }));
  return parts.join(" · ");
}

/**
 * What lies at a frame.
 * @param {import("./setting.js").Shown} shown
 * @param {number} frame
 */
export function wordsAt({ plan, fps }, frame) {
  if (!plan) return "";
  const inside = plan.windows.filter(({ first, frames }) => first <= frame && frame < first + frames);
  const numbers = inside.map(({ index }) => index + 1);
  const values = { frame, time: clock(frame / fps, word("seconds")), number: numbers[0], numbers: numbers.join(", ") };
  return word(numbers.length > 1 ? "atShared" : "at", values);
}

export class StripView {
  constructor() {
    this.element = document.createElement("div");
    this.element.setAttribute("role", "group"); // one picture with one description, for a screen reader
    this.element.className = "genga-window-strip";
    const root = this.element.attachShadow({ mode: "open" });
    const style = document.createElement("style");
    style.textContent = STYLE;
    this.strip = document.createElement("div");
    this.strip.className = "strip";
    this.words = document.createElement("div");
    this.words.className = "words";
    this.drawing = document.createElement("div");
    this.strip.append(this.words, this.drawing);
    root.append(style, this.strip);
    /** @type {import("./setting.js").Shown | null} */
    this.shown = null;
    this.height = WORDS;
    this.drawing.addEventListener("pointermove", (event) => this.point(event));
    this.drawing.addEventListener("pointerleave", () => this.say());
  }

  /** @param {import("./setting.js").Shown} shown */
  show(shown) {
    this.shown = shown;
    const painted = shown.plan ? paint(shown) : null;
    this.height = painted ? WORDS + painted.height : ALONE;
    this.words.classList.toggle("alone", !painted);
    this.element.style.minHeight = `${this.height}px`;
    this.drawing.replaceChildren(...(painted ? [painted.element] : []));
    this.say();
  }

  say() {
    const text = this.shown ? summary(this.shown) : "";
    this.words.textContent = text;
    this.words.title = text;
    this.element.setAttribute("aria-label", text);
    this.element.dataset.windows = String(this.shown?.plan?.windows.length ?? "");
  }

  /** Something to read until the next change. @param {string} text */
  tell(text) {
    this.words.textContent = text;
    this.words.title = text;
  }

  /** Sets off one window. @param {number} index -1: none */
  mark(index) {
    const windows = this.drawing.querySelectorAll(".window");
    windows.forEach((each, place) => each.classList.toggle("chosen", place === index));
  }

  /** @param {MouseEvent} event @returns {number | null} the frame it is over */
  frameAt(event) {
    const box = this.drawing.getBoundingClientRect();
    if (!this.shown?.plan || !box.width) return null;
    const share = Math.min(0.999999, Math.max(0, (event.clientX - box.left) / box.width));
    return Math.floor(share * this.shown.plan.length);
  }

  /** @param {PointerEvent} event */
  point(event) {
    const frame = this.frameAt(event);
    if (this.shown && frame !== null) this.words.textContent = wordsAt(this.shown, frame);
  }
}
