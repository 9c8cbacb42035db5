// Draws the strip: sections, windows, waveform and axis, as SVG, so that it is sharp at every zoom and follows the
// page's colours by itself. Knows nothing of nodes.

import { sentences } from "../words.js";
import { sectionSpans } from "./plan.js";
import { clock, outline, ticks } from "./ticks.js";

const word = sentences("windows");
const SPACE = "http://www.w3.org/2000/svg";
const MOST_DRAWN = 120; // windows; more are narrower than their borders
const NUMBERED = 24; // windows that have room for a number
const LANE = 11;
const ROWS = { sections: 15, windows: 2 * LANE + 2, sound: 26, axis: 13 };

export const STYLE = `
  :host { display: block; }
  .strip { box-sizing: border-box; width: 100%; padding: 2px 4px; color: var(--input-text, #ddd);
    font: 10px/14px system-ui, sans-serif; user-select: none; }
  .words { height: 14px; margin-bottom: 2px; overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }
  .words.alone { height: 28px; white-space: normal; }
  svg { display: block; width: 100%; overflow: visible; }
  text { fill: currentColor; font-size: 9px; }
  .dim { opacity: 0.75; }
  .window { fill: #5b93d6; fill-opacity: 0.55; stroke: #5b93d6; stroke-width: 1; }
  .window.chosen { stroke: currentColor; stroke-width: 2; fill-opacity: 0.9; }
  .window.odd { fill: #4fa98f; stroke: #4fa98f; }
  .number { text-anchor: middle; font-size: 8px; }
  .shared { fill: currentColor; opacity: 0.2; }
  .section { fill: currentColor; fill-opacity: 0.1; stroke: currentColor; stroke-opacity: 0.45; }
  .sound { fill: currentColor; opacity: 0.6; }
  .second { fill: #c7833d; opacity: 0.75; }
  .tick { stroke: currentColor; opacity: 0.4; }
`;

/** @param {string} name @param {Record<string, string | number>} attributes @param {(Node | string)[]} children */
function svg(name, attributes, ...children) {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

/** @param {number} part @param {number} whole */
const percent = (part, whole) => `${((100 * part) / whole).toFixed(3)}%`;

/**
 * @param {import("./setting.js").Shown} shown with a plan
 * @returns {{element: SVGElement, height: number}}
 */
export function paint(shown) {
  const labels = shown.sections.length ? sections(shown) : [];
  const rows = { sections: labels.length ? ROWS.sections : 0, sound: shown.sounds.length ? ROWS.sound : 0 };
  const height = rows.sections + ROWS.windows + rows.sound + ROWS.axis;
  const parts = [
    ...labels,
    ...windows(shown, rows.sections),
    ...(rows.sound ? sounds(shown, rows.sections + ROWS.windows) : []),
    ...axis(shown, height),
  ];
  const element = /** @type {SVGElement} */ (svg("svg", { height, "aria-hidden": "true" }, ...parts));
  return { element, height };
}

/** @param {import("./setting.js").Shown} shown */
function sections(shown) {
  const { length, windows } = /** @type {import("./plan.js").Plan} */ (shown.plan);
  const spans = sectionSpans(shown.sections.map(({ start }) => start), windows, shown.fps);
  return spans.map(({ section, from, to }) => {
    const box = { x: percent(from, length), width: percent(to - from, length) };
    const { start, label, picture } = shown.sections[section];
    const side = picture ? ROWS.sections - 3 : 0;
    // A nested svg cuts the words where the section ends.
    return svg("svg", { ...box, y: 0, height: ROWS.sections - 2, overflow: "hidden", style: "overflow: hidden" },
      svg("title", {}, word("from", { time: clock(start, word("seconds")), label })),
      svg("rect", { class: "section", x: 0.5, y: 0.5, width: "100%", height: ROWS.sections - 3 }),
      ...(picture ? [svg("image", { href: picture, x: 0.5, y: 0.5, width: side, height: side, preserveAspectRatio: "xMidYMid slice" })] : []),
      svg("text", { x: side + 4, y: 10 }, label));
  });
}

/** @param {import("./setting.js").Shown} shown @param {number} top */
function windows(shown, top) {
  const plan = /** @type {import("./plan.js").Plan} */ (shown.plan);
  const { length } = plan;
  if (plan.windows.length > MOST_DRAWN) {
    return [svg("rect", { class: "window", x: 0, y: top, width: "100%", height: 2 * LANE })];
  }
  return plan.windows.flatMap(({ index, first, frames, start, overlap }) => {
    const from = Math.max(first, 0);
    const to = Math.min(first + frames, length);
    const y = top + (index % 2) * LANE;
    const box = svg("rect", { class: index % 2 ? "window odd" : "window", x: percent(from, length), y: y + 0.5, width: percent(to - from, length), height: LANE - 1, rx: 2 });
    const shared = svg("rect", { class: "shared", x: percent(from, length), y: top, width: percent(Math.max(0, Math.min(start, length) - from), length), height: 2 * LANE });
    const middle = percent((Math.min(start, to) + to) / 2, length);
    const number = svg("text", { class: "number", x: middle, y: y + LANE - 2.5 }, String(index + 1));
    return [box, ...(overlap ? [shared] : []), ...(plan.windows.length <= NUMBERED ? [number] : [])];
  });
}

/** @param {import("./setting.js").Shown} shown @param {number} top */
function sounds(shown, top) {
  const { length } = /** @type {import("./plan.js").Plan} */ (shown.plan);
  const seconds = length / shown.fps;
  const inner = shown.sounds.map(({ peaks, seconds: lasts, at }, index) => svg(
    "svg",
    { x: percent(at, seconds), width: percent(lasts, seconds), viewBox: `0 0 ${peaks.length - 1} 100`,
      height: "100%", preserveAspectRatio: "none" },
    svg("path", { class: index ? "sound second" : "sound", d: outline(peaks) }),
  ));
  // Sound that goes on after the video ends is cut, as the video's is.
  return [svg("svg", { x: 0, y: top, width: "100%", height: ROWS.sound - 2, style: "overflow: hidden" }, ...inner)];
}

/** @param {import("./setting.js").Shown} shown @param {number} height */
function axis(shown, height) {
  const { length } = /** @type {import("./plan.js").Plan} */ (shown.plan);
  const top = height - ROWS.axis;
  return ticks(length, shown.fps, 5, word("seconds")).flatMap(({ frame, text }) => {
    const x = percent(frame, length);
    return [svg("line", { class: "tick", x1: x, x2: x, y1: top, y2: top + 3 }),
      svg("text", { class: "dim", x, y: top + 12, "text-anchor": frame ? "middle" : "start" }, text)];
  });
}
