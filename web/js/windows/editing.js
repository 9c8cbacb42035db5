// Prompts and pictures per window: what a person does on the strip becomes Sections nodes, and those are shown there.

import { choose as chooseFile, isPicture, isReadable, upload } from "../timeline/files.js";
import { sentences } from "../words.js";
import { Editor, STYLE } from "./editor.js";
import { sectionOf } from "./plan.js";
import { canWrite, pictureOf, promptOf, putPicture, sectionNodes, takesSections, writePrompt } from "./sections.js";
import { held, slotsOf, startOf } from "./slots.js";

const word = sentences("windows");

export class Editing {
  /** @param {Host.Node} node a window node @param {import("./view.js").StripView} view @param {() => void} refresh */
  constructor(node, view, refresh) {
    this.node = node;
    this.view = view;
    this.refresh = refresh;
    this.selected = -1;
    /** @type {import("./setting.js").Shown | null} */
    this.shown = null;
    this.editor = new Editor({
      select: (index) => this.select(index), prompt: (text) => this.write(text), picture: (file) => this.put(file),
      choose: () => chooseFile(false, ([file]) => this.put(file)),
    });
    const style = Object.assign(document.createElement("style"), { textContent: STYLE });
    view.strip.after(style, this.editor.element);
    view.drawing.style.cursor = "pointer";
    view.drawing.addEventListener("pointerdown", (event) => event.stopPropagation());
    view.drawing.addEventListener("click", (event) => this.pick(view.frameAt(event)));
  }

  get height() {
    return this.editor.element.hidden ? 0 : this.editor.height;
  }

  get windows() {
    return this.shown?.plan?.windows ?? [];
  }

  /** @param {number | null} frame */
  pick(frame) {
    const found = frame === null ? -1 : this.windows.findIndex(({ stop }) => frame < stop);
    if (found >= 0) this.select(found);
  }

  /** @param {number} index */
  select(index) {
    this.selected = Math.min(index, this.windows.length - 1);
    this.refresh();
  }

  /** @param {import("./setting.js").Shown} shown */
  show(shown) {
    this.shown = shown;
    const can = takesSections(this.node) && this.windows.length > 0 && !shown.unread;
    this.editor.element.hidden = !can;
    this.selected = can ? Math.min(this.selected, this.windows.length - 1) : -1;
    this.view.mark(this.selected);
    const slot = this.slot();
    const count = this.windows.length;
    const sections = sectionNodes(this.node);
    const prompts = sections.map(promptOf);
    const pictures = sections.map(pictureOf);
    const { own, section } = slot;
    const mine = (/** @type {string[]} */ values) => (own ? values[section] : "");
    this.editor.show({
      index: this.selected, count, from: this.start(), prompt: mine(prompts), before: held(prompts, section),
      picture: mine(pictures), pictureBefore: held(pictures, section), writable: canWrite(this.node),
    });
  }

  slot() {
    const starts = (this.shown?.sections ?? []).map(({ start }) => start);
    const inForce = sectionOf(starts, this.windows, this.shown?.fps ?? 1);
    return slotsOf(inForce)[this.selected] ?? { section: -1, own: false };
  }

  /** Seconds at which the selected window begins. */
  start() {
    return startOf(this.windows[this.selected]?.start ?? 0, this.shown?.fps ?? 1);
  }

  /** The section that begins with the selected window. */
  section() {
    const { own, section } = this.slot();
    return own ? sectionNodes(this.node)[section] : undefined;
  }

  /** @param {string} text */
  write(text) {
    const section = this.section();
    if (!this.node.graph || (!section && !text.trim())) return; // there is nothing to change
    writePrompt(this.node, section, this.start(), text);
    this.refresh();
  }

  /** @param {File} file */
  async put(file) {
    const { selected } = this;
    try {
      const ref = isPicture(file) && await upload(file);
      if (!ref || !(await isReadable(ref))) {
        this.view.tell(word("notPicture", { name: file.name }));
        return;
      }
      if (this.selected === selected) putPicture(this.node, this.section(), this.start(), ref);
      this.refresh();
    } catch (error) {
      this.view.tell(word("notTaken", { name: file.name, reason: String(error instanceof Error ? error.message : error) }));
    }
  }
}
