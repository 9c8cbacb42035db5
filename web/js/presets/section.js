// The presets in the tab: what a person does on the view, done at the host and in the open workflow.

import { open as openWorkflow } from "../modes/host.js";
import { sentences } from "../words.js";
import { fill, gather, workflowOf } from "./fill.js";
import * as host from "./host.js";
import { Shelf, documentIn, fileName, keyOf, without } from "./shelf.js";
import { PresetsView } from "./view.js";
import { describe, put, putLoras, title } from "./workflow.js";

/** @typedef {import("./shelf.js").Preset} Preset */
/** @typedef {Record<string, unknown>} Values */

const word = sentences("presets");

export class Presets {
  constructor() {
    this.shelf = new Shelf();
    /** @type {Map<string, Values>} of the presets that were opened */
    this.values = new Map();
    const tried = (/** @type {(...given: any[]) => Promise<void> | void} */ work) => (/** @type {any[]} */ ...given) => this.attempt(() => work(...given));
    this.view = new PresetsView({
      look: tried(() => this.look()), read: tried((preset) => this.read(preset)), apply: tried((preset) => this.apply(preset)),
      open: tried((preset) => this.open(preset)), rename: tried((preset, to) => this.rename(preset, to)),
      remove: tried((preset) => this.remove(preset)), keep: tried((preset) => this.keep(preset)),
      bring: tried((file) => this.bring(file)), exportAll: tried(async () => host.download("genga-presets.json", await host.exported())),
      exportOne: tried(async (preset) => host.download(fileName(preset.kind, preset.name), await host.read(preset))),
    });
  }

  /** What goes wrong is said where it was done. @param {() => Promise<void> | void} work */
  async attempt(work) {
    try {
      await work();
    } catch (error) {
      this.view.say(error instanceof Error && error.message ? error.message : word("noAnswer"));
    }
  }

  /** @param {boolean} changed whether presets may hold other values than those shown */
  async look(changed = false) {
    this.shelf.take(await host.names());
    this.view.show(this.shelf, changed);
  }

  /** @param {Preset} preset */
  async read(preset) {
    try {
      const { values } = await host.read(preset);
      this.values.set(keyOf(preset), values);
      this.view.tell(preset, values, preset.kind === "parameters" ? workflowOf(values) : "");
    } catch (error) {
      if (error instanceof host.Refused) this.view.tell(preset, null, ""); // it can still be deleted
      throw error;
    }
  }

  /** @param {Preset} preset */
  apply(preset) {
    if (preset.kind === "lora_sets") {
      this.view.say(putLoras(preset.name) ? word("isOn", { name: preset.name }) : word("noLoader"));
      return;
    }
    const { lora_set: loras, ...values } = this.values.get(keyOf(preset)) ?? {};
    const { sets, filled, left } = fill(values, describe());
    put(sets);
    if (typeof loras === "string") (putLoras(loras) ? filled : left).push("lora_set");
    const told = [filled.length ? word("filled", { fields: filled.join(", ") }) : "", left.length ? word("left", { fields: left.join(", ") }) : ""];
    this.view.say(told.filter(Boolean).join(" "));
  }

  /** Its workflow in a tab of its own, filled in. @param {Preset} preset */
  async open(preset) {
    await openWorkflow(workflowOf(this.values.get(keyOf(preset)) ?? {}));
    this.apply(preset);
  }

  /** @param {Preset} preset @param {string} to */
  async rename(preset, to) {
    const renamed = { ...preset, name: to };
    if (to === preset.name) return;
    if (this.shelf.has(renamed) && to.toLowerCase() !== preset.name.toLowerCase()) {
      this.view.say(word("taken", { name: to }));
      return;
    }
    await host.save(renamed, (await host.read(preset)).values);
    const there = (await host.names())[preset.kind];
    if (there.includes(to) && there.includes(preset.name)) await host.remove(preset); // else both names are one file
    await this.look(true);
    this.view.say(word("renamed", { name: preset.name, to }));
    this.view.focus(renamed);
  }

  /** @param {Preset} preset */
  async remove(preset) {
    const sure = this.shelf.again("remove", preset);
    this.view.ask(sure ? null : preset);
    if (!sure) return;
    await host.remove(preset);
    await this.look();
    this.view.say(word("removed", { name: preset.name }));
    this.view.focus();
  }

  /** @param {Preset} preset */
  async keep(preset) {
    const values = preset.name ? gather(preset.kind === "prompts" ? "prompts" : "parameters", describe(), title()) : {};
    if (!preset.name || !Object.keys(values).length) {
      this.view.say(word(preset.name ? "nothing" : "nameless"));
    } else if (this.shelf.has(preset) && !this.shelf.again("keep", preset)) {
      this.view.say(word("sure", { name: preset.name }));
    } else {
      await this.saved(preset, values);
    }
  }

  /** Keeps it; fields of the workflow that a payload cannot have are left out, and said. @param {Preset} preset @param {Values} values */
  async saved(preset, values) {
    let left = "";
    try {
      await host.save(preset, values);
    } catch (error) {
      const rest = error instanceof host.Refused ? without(values, error.errors) : null;
      if (!rest || !Object.keys(rest.values).length) throw error;
      await host.save(preset, rest.values);
      left = word("notKept", { fields: rest.faulty.join(", ") });
    }
    await this.look(true);
    this.view.say([word("kept", { name: preset.name }), left].filter(Boolean).join(" "));
  }

  /** @param {File} file */
  async bring(file) {
    const document = documentIn(await file.text());
    if (!document) {
      this.view.say(word("notPresets", { file: file.name }));
      return;
    }
    const { added, replaced } = await host.bring(document);
    await this.look(true);
    this.view.say(word("brought", { added: added.length, replaced: replaced.length }));
  }
}
