// The keyframe timeline: what a person does becomes an edit of the state, and the state one hidden JSON value.

import { asOneStep } from "../edit.js";
import { takePlace } from "../successor.js";
import { choose, isPicture, isReadable, upload } from "./files.js";
import { Film } from "./film.js";
import { readSetting, save } from "./host.js";
import { canPaint, paintMask } from "./mask.js";
import { Panel, button, row } from "./panel.js";
import { stillAsks } from "./result.js";
import { lastRun } from "./runs.js";
import * as state from "./state.js";
import { Strip } from "./strip.js";
import { STYLE } from "./style.js";
import { rewire, weigh } from "./takeover.js";
import { seconds, word } from "./words.js";

const LOOK = 400; // milliseconds between looks at the graph: the host tells no node of another node's widgets
const FAST = 4; // grid steps with Shift
/** A button beside what is said. @typedef {[name: import("./words.js").Name, run: () => void, values?: Record<string, number>]} Offer */
/** @type {Record<string, number>} */
const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };

export class Timeline {
  /** @param {Host.Node} node @param {Host.Widget} widget the hidden widget with the JSON @param {boolean} ends */
  constructor(node, widget, ends) {
    this.node = node;
    this.widget = widget;
    this.ends = ends;
    /** @type {state.Key[]} */
    this.keys = [];
    this.selected = -1;
    /** @type {state.Say | undefined} why the saved value cannot be read; until cleared it is not written over */
    this.locked = undefined;
    /** @type {{keys: state.Key[], selected: number} | null} as they were when a drag began */
    this.before = null;
    /** @type {(() => void) | undefined} */
    this.onresize = undefined;
    this.sign = ""; // of what was shown last
    this.fault = ""; // the one in the status
    this.gone = false;
    this.tall = 150; // pixels, until it is shown
    this.element = document.createElement("div");
    this.strip = this.newStrip();
    this.panel = this.newPanel();
    this.film = new Film();
    this.about = Object.assign(document.createElement("span"), { className: "about" });
    this.add = button(word("add"), () => choose(true, (files) => this.addFiles(files)));
    this.take = button("", () => this.takeOver());
    this.status = Object.assign(document.createElement("div"), { className: "row status" });
    this.body = Object.assign(document.createElement("div"), { className: "body" });
    this.watcher = new ResizeObserver(() => {
      this.strip.redraw();
      this.showFilm();
      this.onresize?.();
    });
    this.build();
    this.setting = readSetting(node, ends);
    this.load();
    this.clock = setInterval(() => this.look(), LOOK);
  }

  newStrip() {
    return new Strip({
      select: (index) => this.select(index), drag: (frame) => this.drag(frame), key: (event, i) => this.key(event, i),
      release: (cancelled) => this.release(cancelled), drop: (files, frame) => this.addFiles(files, frame),
    });
  }

  newPanel() {
    return new Panel({
      frame: (value) => this.edit(state.setFrame(this.keys, this.selected, value, this.setting.rules)),
      change: (values) => this.edit(state.change(this.keys, this.selected, values)),
      replace: () => choose(false, ([file]) => this.useFile(file, "image")),
      duplicate: () => this.edit(state.duplicate(this.keys, this.selected, this.setting.rules)),
      remove: () => this.edit(state.remove(this.keys, this.selected)),
      paint: () => this.paint(), maskFile: () => choose(false, ([file]) => this.useFile(file, "mask")),
    });
  }

  build() {
    this.element.className = "genga-timeline";
    this.element.dataset.captureWheel = "true"; // Vue nodes: wheel over the fields is theirs
    this.element.style.setProperty("--genga-accent", "var(--p-primary-color, #5b93d6)");
    const root = this.element.attachShadow({ mode: "open" });
    const style = document.createElement("style");
    style.textContent = STYLE;
    this.status.setAttribute("role", "status");
    this.body.setAttribute("role", "group");
    this.body.setAttribute("aria-label", word("label"));
    this.body.append(row(this.add, this.take, this.about), this.strip.element, this.film.element, this.status,
      this.panel.element);
    root.append(style, this.body);
    this.guard();
  }

  /** What happens in the widget stays in it: else the host would move, delete or paste nodes. */
  guard() {
    const stop = (/** @type {Event} */ event) => event.stopPropagation();
    for (const name of ["pointerdown", "mousedown", "dblclick", "dragover", "drop"]) this.body.addEventListener(name, stop);
    this.body.addEventListener("keydown", (event) => {
      const field = event.target instanceof HTMLInputElement;
      if (field || !(event.ctrlKey || event.metaKey)) event.stopPropagation(); // Ctrl+Z and the like are the host's
    });
    this.body.addEventListener("paste", (event) => this.paste(event));
    this.watcher.observe(this.body);
  }

  /** The last one known: out of sight it has none. */
  get height() {
    this.tall = Math.ceil(this.body.offsetHeight) || this.tall;
    return this.tall;
  }

  destroy() {
    this.gone = true;
    clearInterval(this.clock);
    this.watcher.disconnect();
  }

  /** Takes the saved value, as after loading, undo and paste. */
  load() {
    const { keys, say } = state.parse(this.widget.value);
    this.keys = keys;
    this.locked = say;
    this.selected = Math.min(this.selected, keys.length - 1);
    this.saved = this.widget.value;
    this.setting = readSetting(this.node, this.ends);
    this.say(say, say ? [["clear", () => this.clear()]] : []);
    this.render();
  }

  /** The graph may have changed around the node, and programs may set the value. */
  look() {
    takePlace(`timeline/${this.node.id}`, this);
    if (!this.element.isConnected || this.before) return;
    this.onresize?.();
    if (this.widget.value !== this.saved) this.load();
    const setting = readSetting(this.node, this.ends);
    const from = this.setting.rules.length;
    const shown = this.lastRun(setting);
    const sign = JSON.stringify([setting, getComputedStyle(this.element).color, shown?.run.files, shown?.run.pictures.length, shown?.old]);
    if (sign === this.sign) return;
    this.sign = sign;
    this.setting = setting;
    if (from !== setting.rules.length && this.keys.length) this.lengthChanged(from);
    this.render();
  }

  /** The last run and whether the node would ask for another by now. @param {import("./host.js").Setting} setting */
  lastRun(setting = this.setting) {
    const run = lastRun(this.node);
    if (!run) return null;
    const value = (/** @type {string} */ name) => this.node.widgets?.find((each) => each.name === name)?.value;
    const wired = JSON.stringify(setting.wired);
    const asks = stillAsks(run.asked, value);
    if (asks) run.wired ??= wired;
    return { run, old: !asks || run.wired !== wired };
  }

  showFilm() {
    const last = this.lastRun();
    const { rules } = this.setting;
    const frames = this.keys.map((key) => state.actualFrame(key.frame, rules) ?? -1);
    const accent = getComputedStyle(this.element).getPropertyValue("--genga-accent");
    this.film.show(last && { ...last, length: rules.length, frames, selected: this.selected, accent });
  }

  /** @param {number} from the length before */
  lengthChanged(from) {
    const { length } = this.setting.rules;
    const out = this.keys.filter((key) => state.actualFrame(key.frame, this.setting.rules) === null).length;
    const act = (/** @type {state.Edit} */ edit) => this.edit(edit);
    /** @type {Offer[]} */
    const offers = [["rescaleTo", () => act(state.rescale(this.keys, from, this.setting.rules)), { length }]];
    if (out) offers.push(["clipOff", () => act(state.clip(this.keys, this.setting.rules))]);
    else offers.push(["keep", () => this.say()]);
    if (this.ends) return;
    this.say([out ? "lengthOutside" : "lengthChanged", { from, length, count: out }], offers);
  }

  /** @param {state.Edit} edit */
  edit(edit) {
    const focused = this.strip.handles.some((handle) => handle === this.element.shadowRoot?.activeElement);
    const changed = edit.keys !== this.keys;
    this.keys = edit.keys;
    this.selected = edit.selected;
    this.say(edit.say);
    if (changed) this.store();
    this.render();
    if (focused) this.strip.focus(this.selected);
  }

  store() {
    this.saved = state.serialise(this.keys);
    save(this.widget, this.saved);
  }

  clear() {
    this.locked = undefined;
    this.edit({ keys: [], selected: -1 });
  }

  /** @param {number} index */
  select(index) {
    if (index < 0 || index === this.selected) return;
    this.selected = index;
    this.render();
  }

  /** @param {number} frame */
  drag(frame) {
    this.before ??= { keys: this.keys, selected: this.selected };
    const edit = state.move(this.before.keys, this.before.selected, frame, this.setting.rules);
    this.say(edit.say);
    if (edit.say) return; // another picture is there: this one waits where it was last
    this.keys = edit.keys;
    this.selected = edit.selected;
    this.render();
  }

  /** @param {boolean} cancelled */
  release(cancelled) {
    const { before } = this;
    this.before = null;
    if (!before) return;
    const moved = { keys: this.keys, selected: this.selected };
    this.keys = before.keys; // so that the edit is seen as one, and saved once
    this.edit(cancelled ? before : moved);
    this.strip.focus(this.selected);
  }

  /** @param {KeyboardEvent} event @param {number} index */
  key(event, index) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { keys, setting: { rules } } = this;
    const steps = (STEPS[event.key] ?? 0) * (event.shiftKey ? FAST : 1);
    if (steps) this.edit(state.step(keys, index, steps, rules));
    else if (event.key === "Delete" || event.key === "Backspace") this.edit(state.remove(keys, index));
    else if (event.key.toLowerCase() === "d") this.edit(state.duplicate(keys, index, rules));
    else if (event.key === "Home" || event.key === "End") this.strip.focus(event.key === "Home" ? 0 : keys.length - 1);
    else return;
    event.preventDefault();
  }

  /** @param {ClipboardEvent} event */
  paste(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    event.stopPropagation();
    this.addFiles(files);
  }

  /** @param {File[]} files @param {number} [frame] where they were dropped */
  async addFiles(files, frame) {
    if (this.locked) return;
    const { refs, trouble } = await this.uploaded(files);
    if (!refs.length) return;
    const edit = state.addAll(this.keys, refs, this.setting.rules, frame);
    this.edit({ ...edit, say: edit.say ?? trouble });
  }

  /** @param {File} file @param {"image" | "mask"} name */
  async useFile(file, name) {
    const key = this.keys[this.selected];
    const { refs: [ref] } = await this.uploaded([file]);
    this.put(key, name, ref);
  }

  /** Values for a key that may have moved, or gone, since they were asked for. @param {state.Key} key
   * @param {"image" | "mask"} name @param {state.FileRef | undefined} ref */
  put(key, name, ref) {
    const index = this.keys.indexOf(key);
    if (ref && index >= 0) this.edit(state.change(this.keys, index, { [name]: ref }));
  }

  /** @param {File[]} files @returns {Promise<{refs: state.FileRef[], trouble?: state.Say}>} `trouble`: said by then */
  async uploaded(files) {
    /** @type {state.FileRef[]} */
    const refs = [];
    this.say(["uploading", { count: files.length }]);
    /** @type {state.Say | undefined} */
    let trouble;
    for (const file of files) {
      const { name } = file;
      try {
        const ref = isPicture(file) && await upload(file);
        if (ref && await isReadable(ref)) refs.push(ref);
        else trouble = ["notPicture", { name }];
      } catch (error) {
        trouble = ["uploadFailed", { name, reason: String(error instanceof Error ? error.message : error) }];
      }
    }
    this.say(trouble);
    return { refs, trouble };
  }

  /** Wired keyframes become the timeline's own, as far as it can hold them. */
  async takeOver() {
    const { rules } = this.setting;
    const image = { name: "", subfolder: "", type: "" };
    const { taken, left } = await weigh(this.node, (frame, others) => {
      const keys = [...this.keys, ...others, { frame, image, strength: 1 }];
      return state.problems(keys, { ...rules, wired: [] }).get(keys.length - 1);
    });
    const reasons = left.map(({ why }) => word(...why)).join(" ");
    const say = /** @type {state.Say} */ (left.length ? ["leftWired", { count: taken.length, reasons }] : ["tookOver", { count: taken.length }]);
    if (!taken.length) {
      this.say(say);
      return;
    }
    asOneStep(() => {
      rewire(this.node, left);
      this.setting = readSetting(this.node, this.ends);
      this.edit({ ...state.join(this.keys, taken, this.setting.rules), say });
    });
  }

  async paint() {
    const key = this.keys[this.selected];
    if (!canPaint()) choose(false, ([file]) => this.useFile(file, "mask"));
    else await paintMask(key.image, key.mask, (mask) => this.put(key, "mask", mask));
  }

  /** @param {state.Say} [say] @param {Offer[]} [offers] */
  say(say, offers = []) {
    const text = say ? word(...say) : "";
    if (this.status.dataset.text === text) return;
    this.status.dataset.text = text;
    const words = Object.assign(document.createElement("span"), { textContent: text });
    this.status.replaceChildren(words, ...offers.map(([name, run, values]) => button(word(name, values), run)));
  }

  render() {
    const { keys, selected, setting } = this;
    const { rules, fps } = setting;
    const problems = state.problems(keys, rules);
    const shown = { keys, selected, setting, problems };
    this.strip.show(shown);
    this.panel.show(shown);
    this.showFilm();
    this.add.disabled = this.take.disabled = Boolean(this.locked);
    this.take.hidden = this.ends || !setting.wired.length;
    this.take.textContent = word("takeOver", { count: setting.wired.length });
    const notes = [word("about", { length: rules.length, seconds: seconds(rules.length, fps), fps })];
    if (setting.unknown) notes.push(word("wiredUnknown"));
    if (setting.lengthWired) notes.push(word("lengthWired"));
    this.about.textContent = notes.join(" · ");
    const problem = problems.get(selected) ?? [...problems.values()][0];
    this.status.classList.toggle("wrong", Boolean(problem || this.locked));
    // what is wrong stands there until it is mended, unless something newer is said
    const text = this.status.dataset.text ?? "";
    if (!text || text === this.fault) this.say(problem);
    this.fault = problem ? word(...problem) : "";
    this.onresize?.(); // before the host draws
  }
}
