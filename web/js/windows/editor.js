// The slots of one window as fields: its prompt and its picture. View only: what a person does is told to `on`.

import { sentences } from "../words.js";
import { clock } from "./ticks.js";

const word = sentences("windows");
const CLOSED = 28; // pixels
const OPEN = 104;

export const STYLE = `
  .editor { margin: 4px 4px 0; font: 12px/16px system-ui, sans-serif; color: var(--input-text, #ddd); }
  .editor .row { display: flex; align-items: center; gap: 6px; height: 22px; }
  .editor .row span { flex: 1; overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }
  .editor .slots { display: flex; gap: 6px; height: 66px; margin-top: 6px; }
  .editor button, .editor textarea { font: inherit; color: inherit; border-radius: 6px;
    border: 1px solid var(--border-color, #4e4e4e); background: var(--comfy-input-bg, #222); }
  .editor button { padding: 2px 8px; cursor: pointer; }
  .editor button:hover { border-color: currentColor; }
  .editor button:disabled { opacity: 0.5; cursor: default; }
  .editor textarea { flex: 1; min-width: 0; padding: 4px 6px; resize: none; }
  .editor textarea::placeholder { color: inherit; opacity: 0.75; }
  .editor .picture { width: 88px; flex: none; padding: 2px; background-size: cover; background-position: center; }
  .editor .picture.filled { color: transparent; }
  .editor .picture.held { opacity: 0.75; }
  .editor .over { outline: 2px dashed #5b93d6; outline-offset: -3px; }
  .editor :focus-visible { outline: 2px solid #5b93d6; outline-offset: 1px; }
  .editor [hidden] { display: none; }
`;

/**
 * @typedef {{select(index: number): void, prompt(text: string): void, picture(file: File): void, choose(): void}} Listener
 * @typedef {{index: number, count: number, from: number, prompt: string, before: string, picture: string,
 *   pictureBefore: string, writable: boolean}} Shown index -1: no window is selected; from: seconds; `before`: what
 *   goes on from earlier windows
 */

/** @param {string} text @param {() => void} run */
function button(text, run) {
  const made = Object.assign(document.createElement("button"), { type: "button", textContent: text });
  made.addEventListener("click", run);
  return made;
}

export class Editor {
  /** @param {Listener} on */
  constructor(on) {
    this.on = on;
    this.index = -1;
    this.filled = -1; // the window whose prompt is in the field
    this.element = document.createElement("div");
    this.element.className = "editor";
    this.head = document.createElement("div");
    this.head.className = "row";
    this.open = button(word("edit"), () => on.select(0));
    this.before = button("‹", () => on.select(this.index - 1));
    this.before.setAttribute("aria-label", word("windowBefore"));
    this.after = button("›", () => on.select(this.index + 1));
    this.after.setAttribute("aria-label", word("windowAfter"));
    this.title = document.createElement("span");
    this.title.setAttribute("role", "status");
    this.close = button(word("close"), () => on.select(-1));
    this.head.append(this.open, this.before, this.title, this.after, this.close);
    this.slots = document.createElement("div");
    this.slots.className = "slots";
    this.text = this.newText();
    this.picture = button("", () => on.choose());
    this.picture.className = "picture";
    this.slots.append(this.picture, this.text);
    this.element.append(this.head, this.slots);
    this.guard();
  }

  newText() {
    const made = document.createElement("textarea");
    made.addEventListener("change", () => this.on.prompt(made.value));
    made.addEventListener("blur", () => setTimeout(() => this.renew()));
    return made;
  }

  /** A field that was left forgets what was typed: else the browser's own undo would go on in it beside the host's. */
  renew() {
    const old = this.text;
    if (old.matches(":focus")) return;
    this.text = this.newText();
    const { value, placeholder, disabled, ariaLabel } = old;
    Object.assign(this.text, { value, placeholder, disabled, ariaLabel });
    old.replaceWith(this.text);
  }

  /** What happens in the fields stays in them, and pictures may be dropped or pasted anywhere on them. */
  guard() {
    const { element } = this;
    element.dataset.captureWheel = "true";
    for (const name of ["pointerdown", "mousedown", "dblclick"]) element.addEventListener(name, (event) => event.stopPropagation());
    element.addEventListener("keydown", (event) => {
      const typing = event.target === this.text;
      if (typing || !(event.ctrlKey || event.metaKey)) event.stopPropagation(); // Ctrl+Z elsewhere is the host's
    });
    element.addEventListener("dragover", (event) => {
      if (this.index < 0 || !event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      event.stopPropagation();
      this.picture.classList.add("over");
    });
    element.addEventListener("dragleave", () => this.picture.classList.remove("over"));
    element.addEventListener("drop", (event) => this.take(event, event.dataTransfer));
    element.addEventListener("paste", (event) => this.take(event, event.clipboardData));
  }

  /** @param {Event} event @param {DataTransfer | null} given */
  take(event, given) {
    this.picture.classList.remove("over");
    const [file] = given?.files ?? [];
    if (!file || this.index < 0) return;
    event.preventDefault();
    event.stopPropagation();
    this.on.picture(file);
  }

  get height() {
    return this.index < 0 ? CLOSED : OPEN;
  }

  /** @param {Shown} shown */
  show(shown) {
    const { index, count, from } = shown;
    this.index = index;
    this.element.style.height = `${this.height - 4}px`;
    this.open.hidden = index >= 0;
    for (const each of [this.before, this.title, this.after, this.close, this.slots]) each.hidden = index < 0;
    if (index < 0) return;
    this.before.disabled = index === 0;
    this.after.disabled = index === count - 1;
    const title = word("windowOf", { number: index + 1, count, time: clock(from, word("seconds")) });
    if (this.title.textContent !== title) this.title.textContent = title;
    this.fill(shown);
  }

  /** @param {Shown} shown */
  fill({ index, prompt, before, picture, pictureBefore, writable }) {
    const typing = this.text.matches(":focus") && this.filled === index;
    if (!typing) this.text.value = prompt;
    this.filled = index;
    this.text.disabled = !writable;
    this.text.placeholder = before || word(writable ? "promptHere" : "noEncoder");
    this.text.setAttribute("aria-label", word("promptOf", { number: index + 1 }));
    const url = picture || pictureBefore;
    this.picture.style.backgroundImage = url ? `url("${url}")` : "";
    this.picture.classList.toggle("filled", Boolean(url));
    this.picture.classList.toggle("held", !picture);
    const name = word("dropPicture");
    this.picture.textContent = name;
    this.picture.setAttribute("aria-label", word("pictureOf", { number: index + 1 }));
  }
}
