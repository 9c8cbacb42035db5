// The presets as elements. What they show comes in, what a person wants goes out; text only ever as text.

import { sentences } from "../words.js";
import { KINDS, keyOf, lines } from "./shelf.js";

const word = sentences("presets");

export const STYLE = `
  .presets { margin-top: 12px; border: 1px solid var(--border-color, #4e4e4e); border-radius: 8px; padding: 6px 8px; }
  .presets h3 { margin-top: 10px; }
  .presets summary { overflow-wrap: anywhere; border-radius: 4px; }
  .presets > summary { font-weight: bold; }
  .presets li { margin-top: 4px; }
  .presets dl { margin: 4px 0; display: grid; grid-template-columns: auto 1fr; gap: 2px 8px; }
  .presets dt { color: var(--descrip-text, #aaa); }
  .presets dd { margin: 0; overflow-wrap: anywhere; white-space: pre-wrap; }
  .presets .row { display: flex; flex-wrap: wrap; gap: 6px; margin: 6px 0; }
  .presets .row > input { flex: 1; min-width: 8em; }
  .presets button, .presets input, .presets select { font: inherit; color: inherit; border-radius: 6px; padding: 3px 8px;
    border: 1px solid var(--border-color, #4e4e4e); background: var(--comfy-input-bg, #222); }
  .presets button:hover { border-color: currentColor; }
  .presets .over { outline: 2px dashed #5b93d6; outline-offset: 2px; }
  .presets [hidden] { display: none; }
`;

/**
 * @typedef {import("./shelf.js").Preset} Preset
 * @typedef {import("./shelf.js").Kind} Kind
 * @typedef {object} Listener what a person does; of one preset, or of all
 * @property {(preset: Preset) => void} read
 * @property {(preset: Preset) => void} apply
 * @property {(preset: Preset) => void} open its workflow
 * @property {(preset: Preset, to: string) => void} rename
 * @property {(preset: Preset) => void} remove
 * @property {(preset: Preset) => void} exportOne
 * @property {() => void} exportAll
 * @property {(file: File) => void} bring
 * @property {(preset: Preset) => void} keep from the open workflow
 * @property {() => void} look at what there is, again
 */

/** @param {string} tag @param {Record<string, any>} properties @param {(Node | string)[]} children */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** @param {string} text @param {() => void} onclick */
const button = (text, onclick) => make("button", { type: "button", onclick }, text);

/** A field for a name. @param {string} label */
const field = (label) => /** @type {HTMLInputElement} */ (make("input", { type: "text", maxLength: 64, ariaLabel: label }));

export class PresetsView {
  /** @param {Listener} on */
  constructor(on) {
    this.on = on;
    /** @type {Map<string, HTMLElement>} the item of each preset */
    this.items = new Map();
    this.title = make("summary", {}, word("title"));
    this.said = make("p", { className: "small" });
    this.said.setAttribute("role", "alert"); // the panel has a status of its own
    this.lists = make("div");
    this.element = /** @type {HTMLDetailsElement} */ (make(
      "details", { className: "presets", ontoggle: () => this.element.open && on.look() },
      this.title, this.lists, this.keeping(), this.files(), this.said,
    ));
    this.guard();
  }

  /** What happens in here stays here: the page takes single letters for shortcuts, and dropped files for workflows. */
  guard() {
    const { element } = this;
    element.addEventListener("keydown", (event) => {
      if (event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement) event.stopPropagation();
    });
    element.addEventListener("dragover", (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      event.stopPropagation();
      element.classList.add("over");
    });
    element.addEventListener("dragleave", () => element.classList.remove("over"));
    element.addEventListener("drop", (event) => {
      element.classList.remove("over");
      const [file] = event.dataTransfer?.files ?? [];
      if (!file) return;
      event.preventDefault();
      event.stopPropagation();
      this.on.bring(file);
    });
  }

  keeping() {
    const name = field(word("name"));
    name.placeholder = word("name");
    const kinds = KINDS.filter((kind) => kind !== "lora_sets"); // those are kept by Save LoRA Set
    const kind = /** @type {HTMLSelectElement} */ (make(
      "select", { ariaLabel: word("kind") }, ...kinds.map((value) => make("option", { value }, word(value))),
    ));
    const form = make("form", { className: "row" }, name, kind, make("button", { type: "submit" }, word("keep")));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.on.keep({ kind: /** @type {Kind} */ (kind.value), name: name.value.trim() });
    });
    return make("div", {}, make("h3", {}, word("fromWorkflow")), form);
  }

  files() {
    const input = /** @type {HTMLInputElement} */ (make("input", { type: "file", accept: ".json,application/json", hidden: true }));
    input.addEventListener("change", () => {
      const [file] = input.files ?? [];
      if (file) this.on.bring(file);
      input.value = ""; // the same file may come again
    });
    this.all = button(word("exportAll"), () => this.on.exportAll());
    return make("div", { className: "row" }, button(word("bring"), () => input.click()), this.all, input);
  }

  /** @param {import("./shelf.js").Shelf} shelf @param {boolean} changed whether what is open has to be read anew */
  show(shelf, changed) {
    this.title.textContent = word("count", { count: shelf.count });
    if (this.all) this.all.hidden = !shelf.count;
    const before = changed ? new Map() : this.items;
    this.ask(null);
    this.items = new Map();
    const parts = KINDS.filter((kind) => shelf.names[kind].length).map((kind) => {
      const items = shelf.names[kind].map((name) => {
        const preset = { kind, name };
        const item = before.get(keyOf(preset)) ?? this.item(preset);
        this.items.set(keyOf(preset), item);
        return item;
      });
      return make("div", {}, make("h3", {}, word(kind)), make("ul", {}, ...items));
    });
    this.lists.replaceChildren(...(parts.length ? parts : [make("p", { className: "small" }, word("none"))]));
  }

  /** @param {Preset} preset */
  item(preset) {
    const body = make("div", { className: "body" });
    const details = /** @type {HTMLDetailsElement} */ (make("details", {}, make("summary", {}, preset.name), body));
    details.addEventListener("toggle", () => details.open && this.on.read(preset));
    const item = make("li", {}, details);
    item.dataset.preset = keyOf(preset);
    return item;
  }

  /**
   * What is in a preset, and what may be done with it.
   * @param {Preset} preset @param {Record<string, unknown> | null} values null: it cannot be read
   * @param {string} workflow the shipped one it is for, or ""
   */
  tell(preset, values, workflow) {
    const body = this.items.get(keyOf(preset))?.querySelector(".body");
    if (!body) return;
    const { on } = this;
    const rename = this.renaming(preset);
    const used = preset.kind === "lora_sets" ? word("putOn") : word("fill");
    const usable = values ? [
      button(used, () => on.apply(preset)),
      ...(workflow ? [button(word("open", { workflow }), () => on.open(preset))] : []),
      button(word("rename"), () => { rename.hidden = !rename.hidden; rename.querySelector("input")?.focus(); }),
      button(word("exportOne"), () => on.exportOne(preset)),
    ] : [];
    const remove = make("button", { type: "button", className: "remove", onclick: () => on.remove(preset) }, word("remove"));
    const told = lines(values ?? {}).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
    body.replaceChildren(make("dl", {}, ...told), make("div", { className: "row" }, ...usable, remove), rename);
  }

  /** @param {Preset} preset */
  renaming(preset) {
    const input = field(word("newName", { name: preset.name }));
    input.value = preset.name;
    const form = make("form", { className: "row", hidden: true }, input, make("button", { type: "submit" }, word("rename")));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.on.rename(preset, input.value.trim());
    });
    form.addEventListener("keydown", (event) => { if (event.key === "Escape") form.hidden = true; });
    return form;
  }

  /** The one whose button asks to be pressed once more. @param {Preset | null} preset */
  ask(preset) {
    for (const [key, item] of this.items) {
      const button = item.querySelector(".remove");
      if (button) button.textContent = word(preset && key === keyOf(preset) ? "really" : "remove");
    }
  }

  /** Where the keyboard goes on when what it was on is gone: to a preset, or to the head of all. @param {Preset} [preset] */
  focus(preset) {
    const item = preset && this.items.get(keyOf(preset));
    const summary = item ? item.querySelector("summary") : this.title;
    /** @type {HTMLElement | null} */ (summary)?.focus();
  }

  /** @param {string} text */
  say(text) {
    this.said.textContent = text;
  }
}
