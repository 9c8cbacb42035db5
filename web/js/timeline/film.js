// The film of the last run: what came out, below the strip and on the same axis of time. View only.

import { scale } from "./layout.js";
import { word } from "./words.js";

export const HEIGHT = 36; // CSS pixels
export const PIXELS = HEIGHT * 2; // sharp at 200 %

/** @typedef {{run: import("./runs.js").Run, length: number, old: boolean, frames: number[], selected: number,
 *   accent: string}} Shown `length`: the strip's, in frames; `frames`: where the keyframes are */

export class Film {
  constructor() {
    this.element = document.createElement("div");
    this.element.className = "film";
    this.element.setAttribute("role", "img");
    this.element.hidden = true;
    this.canvas = document.createElement("canvas");
    this.caption = document.createElement("span");
    this.element.append(this.canvas, this.caption);
  }

  /** @param {Shown | null} shown */
  show(shown) {
    this.element.hidden = !shown?.run.pictures.length;
    if (!shown || this.element.hidden) return;
    const text = word(shown.old ? "lastRunOld" : "lastRun");
    if (this.caption.textContent !== text) this.caption.textContent = text;
    this.element.setAttribute("aria-label", text);
    this.element.setAttribute("aria-busy", String(shown.run.pictures.length < shown.run.count));
    this.element.classList.toggle("old", shown.old);
    const width = this.element.clientWidth;
    if (width) this.paint(shown, width);
  }

  /** @param {Shown} shown @param {number} width */
  paint({ run, length, frames, selected, accent }, width) {
    const ratio = Math.max(2, window.devicePixelRatio || 1);
    Object.assign(this.canvas, { width: Math.round(width * ratio), height: Math.round(HEIGHT * ratio) });
    const ctx = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    ctx.scale(ratio, ratio);
    drawCells(ctx, run, span(width, length, run.length || length));
    const { x } = scale(width, length);
    ctx.fillStyle = accent;
    frames.forEach((frame, i) => {
      ctx.globalAlpha = i === selected ? 1 : 0.5;
      ctx.fillRect(x(frame) - (i === selected ? 1 : 0.5), 0, i === selected ? 2 : 1, HEIGHT);
    });
  }
}

/** Where a run of `frames` lies on a strip of `length`. @param {number} width @param {number} length @param {number} frames */
function span(width, length, frames) {
  const { x, each } = scale(width, length);
  const first = x(0);
  return { left: first - each / 2, right: first + (frames - 0.5) * each };
}

/**
 * Cells side by side, each with the picture of its moment, cut to the cell.
 * @param {CanvasRenderingContext2D} ctx @param {import("./runs.js").Run} run @param {{left: number, right: number}} place
 */
function drawCells(ctx, { pictures, count: all }, { left, right }) {
  const [{ width, height }] = pictures;
  const wanted = Math.min(HEIGHT, (HEIGHT * width) / height);
  const count = Math.max(1, Math.round((right - left) / wanted));
  const wide = (right - left) / count;
  for (let i = 0; i < count; i += 1) {
    const share = count > 1 ? i / (count - 1) : 0; // the ends show the first and the last frame
    const picture = pictures[Math.round(share * (all - 1))];
    if (!picture) return; // not here yet
    const cut = Math.min(width, (height * wide) / HEIGHT);
    const high = (cut * HEIGHT) / wide;
    ctx.drawImage(picture, (width - cut) / 2, (height - high) / 2, cut, high, left + i * wide, 0, wide, HEIGHT);
  }
}
