// The panel as elements. What it shows comes in, what a person wants goes out; text only ever as text.

import { STYLE as PRESETS } from "../presets/view.js";
import { sentences } from "../words.js";
import { STYLE } from "./style.js";

const word = sentences("modes");

/**
 * @param {string} tag
 * @param {Record<string, any>} properties of the element
 * @param {(Node | string)[]} children
 */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/**
 * @typedef {import("./models.js").Model} Model
 * @typedef {{missing: Model[], elsewhere: {model: Model, place: string}[], count: number}} Found
 * @typedef {object} Doings
 * @property {(name: string) => Promise<void>} open
 * @property {(name: string) => string} thumbnail
 * @property {() => void} again looks for the model files once more
 */

export class Panel {
  /** @param {HTMLElement} place @param {Doings} doings */
  constructor(place, doings) {
    this.doings = doings;
    const box = make("div", { className: "genga-modes" });
    box.style.height = "100%";
    const root = box.attachShadow({ mode: "open" }); // not on the place itself: the page lends it to other tabs, too
    place.replaceChildren(box);
    this.again = make("button", { type: "button", className: "again", onclick: () => doings.again() }, word("again"));
    this.again.title = word("againHint");
    this.total = make("p", { className: "small" }, word("loading"));
    this.total.setAttribute("role", "status");
    this.presets = make("div"); // for others to fill
    this.modes = make("div");
    const head = make("div", { className: "head" }, make("h2", {}, "Genga"), this.again);
    root.replaceChildren(
      make("style", { textContent: STYLE + PRESETS }),
      make("div", { className: "panel" }, head, this.total, this.presets, this.modes),
    );
    /** @type {Map<string, HTMLElement>} what is told of a mode's models, by its name */
    this.states = new Map();
  }

  /** @param {import("./list.js").Family[]} families */
  show(families) {
    this.modes.replaceChildren(...families.flatMap(({ title, about, modes }) => [
      make("h3", {}, title),
      ...(about ? [make("p", { className: "small" }, word(about))] : []),
      make("ul", {}, ...modes.map((mode) => this.card(mode))),
    ]));
  }

  /** @param {import("./list.js").Mode} mode */
  card({ name, about }) {
    const picture = make("img", { src: this.doings.thumbnail(name), alt: "", loading: "lazy" });
    const words = make("span", {}, make("b", {}, name), make("span", { className: "small" }, about && word(about)));
    const button = /** @type {HTMLButtonElement} */ (make("button", { type: "button", className: "open" }, picture, words));
    button.title = word("opens", { name });
    button.onclick = async () => {
      button.disabled = true; // a second click would open it twice
      await this.doings.open(name).finally(() => { button.disabled = false; });
    };
    const state = make("div", { className: "state small" });
    this.states.set(name, state);
    const card = make("li", { className: "mode" }, button, state);
    card.dataset.mode = name;
    return card;
  }

  /** @param {string} text */
  say(text) {
    this.total.textContent = text;
  }

  /** @param {string} name @param {Found} found */
  tell(name, { missing, elsewhere, count }) {
    const state = this.states.get(name);
    if (!state) return;
    const open = state.querySelector("details")?.open ?? false;
    const notes = elsewhere.map(({ model: { name: file }, place }) => (
      make("p", { className: "file" }, word("elsewhere", { name: file, place }))));
    if (!missing.length) {
      const all = word(count === 1 ? "oneThere" : "allThere", { count });
      state.replaceChildren(...(count ? [make("p", {}, all)] : []), ...notes);
      return;
    }
    const text = word("missing", { missing: missing.length, count });
    const list = make("ul", {}, ...missing.map(line));
    const details = make("details", { className: "missing", open }, make("summary", {}, text), list);
    state.replaceChildren(details, ...notes);
  }
}

/** @param {Model} model */
function line({ name, directory, page }) {
  const into = make("div", {}, word("into", { folder: `ComfyUI/models/${directory}` }));
  const item = make("li", {}, make("div", { className: "file" }, name), into);
  if (page) {
    const link = make("a", { href: page, target: "_blank", rel: "noopener noreferrer" }, word("page"));
    link.setAttribute("aria-label", word("pageOf", { name }));
    into.append(" · ", link);
  }
  return item;
}
