// The tab "Genga" of the side bar: the pack's modes, and which model files they still need.

import { app } from "../../../../scripts/app.js";
import { Presets } from "../presets/section.js";
import { sentences } from "../words.js";
import * as host from "./host.js";
import { offered } from "./list.js";
import { compare, neededModels } from "./models.js";
import { Panel } from "./panel.js";

const word = sentences("modes");

/** Models each workflow needs, by its name; the files do not change while the page is open. */
/** @type {Map<string, import("./models.js").Model[]>} */
const needs = new Map();

async function need(/** @type {string} */ name) {
  if (!needs.has(name)) needs.set(name, neededModels(await host.workflow(name)));
  return needs.get(name) ?? [];
}

/** Tells the panel of every workflow's models, and sums up. */
async function look(/** @type {Panel} */ panel, /** @type {string[]} */ names) {
  panel.say(word("looking"));
  const lists = await Promise.all(names.map(need));
  const folders = await host.modelFiles(lists.flat().map(({ directory }) => directory));
  const found = lists.map((models) => ({ ...compare(models, folders), count: models.length }));
  found.forEach((each, place) => panel.tell(names[place], each));
  const ready = found.filter(({ missing }) => !missing.length).length;
  panel.say(word("found", { count: names.length, ready }));
}

function render(/** @type {HTMLElement} */ place) {
  if (place.querySelector(":scope > .genga-modes")) return; // the page calls again whenever it draws the side bar
  /** @type {string[]} */
  let names = [];
  const guard = (/** @type {Promise<void>} */ work) => work.catch((error) => {
    panel.say(word("noAnswer"));
    host.complain("Genga", error);
  });
  const panel = new Panel(place, {
    thumbnail: host.thumbnail,
    again: () => guard(look(panel, names)),
    open: (name) => host.open(name).catch((error) => host.complain(word("cannotOpen", { name }), error)),
  });
  const presets = new Presets();
  panel.presets.replaceChildren(presets.view.element);
  presets.attempt(() => presets.look());
  guard(host.workflowNames().then((all) => {
    const families = offered(all, word("more"));
    names = families.flatMap(({ modes }) => modes.map(({ name }) => name));
    panel.show(families);
    return look(panel, names);
  }));
}

app.registerExtension({
  name: "Genga.Modes",

  setup() {
    app.extensionManager.registerSidebarTab({
      id: "genga-modes",
      icon: "pi pi-video",
      title: "Genga",
      tooltip: word("tooltip"),
      type: "custom",
      render,
    });
  },
});
