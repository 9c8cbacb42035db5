// Draws the strip. Knows no page but the canvas it is given: everything it shows comes in one View.

import { framesOf, latentOf } from "./grid.js";
import { AXIS, HEIGHT, THUMB, TOP, scale, ticks } from "./layout.js";

/** @typedef {{text: string, dim: string, field: string, line: string, accent: string, error: string}} Colours */
/** @typedef {{x: number, size: number, frame: number | null, asked: number | null, picture: CanvasImageSource | null,
 *   missing: boolean, strength: number, low: number, masked: boolean, wrong: boolean, wired: boolean}} Mark */
/** @typedef {{width: number, length: number, hold: boolean, ends: boolean, marks: Mark[], selected: number,
 *   drop: number | null, colours: Colours}} View */
/** @typedef {{left: number, top: number, size: number}} Box where a mark's picture stands */

const FONT = "10px system-ui, sans-serif";
const CELL_PIXELS = 3; // below this the latent grid would be a grey smear

/** @param {CanvasRenderingContext2D} ctx @param {View} view @param {number} ratio device pixels per CSS pixel */
export function draw(ctx, view, ratio) {
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, view.width, HEIGHT);
  ctx.font = FONT;
  ctx.textBaseline = "middle";
  ctx.textAlign = "center";
  drawGrid(ctx, view);
  drawNumbers(ctx, view);
  view.marks.forEach((mark, i) => i !== view.selected && drawMark(ctx, view, mark, false));
  const chosen = view.marks[view.selected];
  if (chosen) drawMark(ctx, view, chosen, true);
  if (view.drop !== null) drawDrop(ctx, view, view.drop);
}

/**
 * One cell per latent frame: the frames a picture shares, and where snap "latent" puts it (the cell's end).
 * @param {CanvasRenderingContext2D} ctx @param {View} view
 */
function drawGrid(ctx, { width, length, colours, ends }) {
  const { x, each } = scale(width, length);
  const [left, right] = [x(0) - each / 2, x(length - 1) + each / 2];
  ctx.fillStyle = colours.field;
  ctx.fillRect(left, AXIS, right - left, 10);
  if (!ends && each * 4 >= CELL_PIXELS) {
    ctx.fillStyle = colours.line;
    for (let latent = 0; latent <= latentOf(length - 1); latent += 2) {
      const [first, last] = framesOf(latent);
      ctx.fillRect(x(first) - each / 2, AXIS, (last - first + 1) * each, 10);
    }
  }
  ctx.strokeStyle = colours.dim;
  ctx.lineWidth = 1;
  ctx.strokeRect(left + 0.5, AXIS + 0.5, right - left - 1, 9);
}

/** @param {CanvasRenderingContext2D} ctx @param {View} view */
function drawNumbers(ctx, { width, length, colours, ends }) {
  const { x } = scale(width, length);
  ctx.fillStyle = colours.dim;
  for (const frame of ends ? [0, length - 1] : ticks(width, length)) {
    ctx.fillRect(x(frame) - 0.5, AXIS + 10, 1, 3);
    ctx.fillText(String(frame), x(frame), AXIS + 21);
  }
}

/** @param {CanvasRenderingContext2D} ctx @param {View} view @param {Mark} mark @param {boolean} chosen */
function drawMark(ctx, view, mark, chosen) {
  const { colours } = view;
  const colour = mark.wrong ? colours.error : chosen ? colours.accent : mark.wired ? colours.dim : colours.text;
  const box = { left: mark.x - mark.size / 2, top: TOP + (THUMB - mark.size), size: mark.size };
  drawStem(ctx, view, mark, colour);
  ctx.globalAlpha = mark.wired ? 0.55 : 1;
  drawPicture(ctx, mark, box, colours);
  ctx.globalAlpha = 1;
  ctx.strokeStyle = colour;
  ctx.lineWidth = chosen ? 2.5 : 1;
  ctx.setLineDash(mark.wired ? [3, 2] : []);
  ctx.strokeRect(box.left, box.top, box.size, box.size);
  ctx.setLineDash([]);
  if (mark.masked && mark.size >= 20) drawMaskSign(ctx, box, colours);
  if (!mark.wired) drawStrength(ctx, mark, box, colours);
  if (mark.frame !== null && mark.size >= 20) drawFrame(ctx, mark.frame, box, chosen, colours);
}

/** @param {CanvasRenderingContext2D} ctx @param {View} view @param {Mark} mark @param {string} colour */
function drawStem(ctx, { width, length, hold, colours }, mark, colour) {
  if (mark.frame === null) return;
  const { x, each } = scale(width, length);
  const [first, last] = hold ? framesOf(latentOf(mark.frame)) : [mark.frame, mark.frame];
  const wide = Math.max(3, (last - first + 1) * each);
  ctx.fillStyle = colour;
  ctx.fillRect((x(first) + x(last)) / 2 - wide / 2, AXIS + 1, wide, 8); // the frames it fills
  ctx.fillRect(mark.x - 0.5, TOP + THUMB, 1, AXIS - TOP - THUMB);
  if (mark.asked === null || mark.asked === mark.frame) return;
  ctx.strokeStyle = colours.dim; // from the frame asked for to the one used
  ctx.beginPath();
  ctx.moveTo(x(mark.asked), AXIS - 1);
  ctx.lineTo(mark.x, AXIS - 6);
  ctx.stroke();
}

/** @param {CanvasRenderingContext2D} ctx @param {Mark} mark @param {Box} box @param {Colours} colours */
function drawPicture(ctx, mark, { left, top, size }, colours) {
  ctx.fillStyle = colours.field;
  ctx.fillRect(left, top, size, size);
  if (mark.picture) {
    ctx.drawImage(mark.picture, left, top, size, size);
    return;
  }
  if (!mark.missing) return;
  ctx.strokeStyle = colours.error;
  ctx.beginPath();
  ctx.moveTo(left, top);
  ctx.lineTo(left + size, top + size);
  ctx.moveTo(left + size, top);
  ctx.lineTo(left, top + size);
  ctx.stroke();
}

/**
 * A bar per expert below the picture, as long as its strength; one bar where they agree.
 * @param {CanvasRenderingContext2D} ctx @param {Mark} mark @param {Box} box @param {Colours} colours
 */
function drawStrength(ctx, { strength, low }, { left, size }, colours) {
  const bars = strength === low ? [strength] : [strength, low];
  bars.forEach((share, i) => {
    const top = TOP + THUMB + 2 + i * 4;
    ctx.fillStyle = colours.field;
    ctx.fillRect(left, top, size, 3);
    ctx.fillStyle = colours.accent;
    ctx.fillRect(left, top, size * share, 3);
  });
}

/** @param {CanvasRenderingContext2D} ctx @param {number} frame @param {Box} box @param {boolean} chosen
 * @param {Colours} colours */
function drawFrame(ctx, frame, { left, top, size }, chosen, colours) {
  const text = String(frame);
  const wide = Math.min(size, ctx.measureText(text).width + 6);
  ctx.fillStyle = chosen ? colours.accent : "rgba(0, 0, 0, 0.7)";
  ctx.fillRect(left + (size - wide) / 2, top + size - 12, wide, 12);
  ctx.fillStyle = chosen ? "#000" : "#fff";
  ctx.fillText(text, left + size / 2, top + size - 5.5, size);
}

/** @param {CanvasRenderingContext2D} ctx @param {Box} box @param {Colours} colours */
function drawMaskSign(ctx, { left, top, size }, colours) {
  const [x, y] = [left + size - 7, top + 7];
  ctx.fillStyle = "#000";
  ctx.beginPath();
  ctx.arc(x, y, 5, 0, 7);
  ctx.fill();
  ctx.fillStyle = colours.accent;
  ctx.beginPath();
  ctx.arc(x, y, 4, Math.PI / 2, Math.PI * 1.5);
  ctx.fill();
}

/** @param {CanvasRenderingContext2D} ctx @param {View} view @param {number} frame where a file would fall */
function drawDrop(ctx, { width, length, colours }, frame) {
  const x = scale(width, length).x(frame);
  ctx.fillStyle = colours.accent;
  ctx.fillRect(x - 1, 0, 2, AXIS + 12);
}
