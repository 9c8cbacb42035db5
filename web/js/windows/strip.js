// Puts the strip on the window nodes and keeps it true: after every edit, every new wire, every run.

import { api } from "../../../../scripts/api.js";
import { app } from "../../../../scripts/app.js";
import { chain } from "../handlers.js";
import { roomFor } from "../room.js";
import { takePlaceSoon } from "../successor.js";
import { Editing } from "./editing.js";
import { settingsOf, shownOf } from "./setting.js";
import { takesSections } from "./sections.js";
import { StripView } from "./view.js";
import { KINDS } from "./wires.js";

const NAME = "windows_strip";

/** @type {Set<() => void>} of the strips on the page */
const strips = new Set();

/** `work` once before the next picture, however often it is asked for. */
function once(/** @type {() => void} */ work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      work();
    });
  };
}

function addStrip(/** @type {Host.Node} */ node) {
  const view = new StripView();
  /** @type {Editing | null} */
  let editing = null;
  const height = () => view.height + (editing?.height ?? 0);
  const widget = node.addDOMWidget(NAME, "genga_window_strip", view.element, {
    serialize: false, hideOnZoom: false, getMinHeight: height, getMaxHeight: height, margin: 4,
  });
  widget.serialize = false; // both: the first keeps it out of the prompt, the second out of the saved workflow
  const fit = roomFor(node);
  /** @type {import("./setting.js").LastRun | null} */
  let lastRun = null;
  const refresh = once(() => {
    if (!node.graph) return;
    const shown = shownOf(node, lastRun, refresh);
    view.show(shown);
    editing?.show(shown);
    view.element.style.minHeight = `${height()}px`;
    fit();
    node.setDirtyCanvas?.(true, true);
  });
  for (const each of node.widgets ?? []) if (each !== widget) chain(each, "callback", refresh);
  for (const name of ["onConnectionsChange", "onConfigure", "onAdded"]) chain(node, name, refresh);
  chain(node, "onExecuted", (output) => {
    const told = output?.genga_windows?.[0];
    if (told) lastRun = { ...told, settings: settingsOf(node) };
    refresh();
  });
  if (takesSections(node) && !KINDS[node.comfyClass ?? ""].cut) editing = new Editing(node, view, refresh);
  strips.add(refresh);
  /** @type {import("../successor.js").Shown} */
  const shown = { element: view.element };
  takePlaceSoon("windows", node, shown);
  chain(node, "onRemoved", () => {
    shown.gone = true;
    strips.delete(refresh);
  });
  refresh();
}

app.registerExtension({
  name: "Genga.WindowStrip",

  setup() {
    // Other nodes matter, too: the file in Load Audio, the start of a section.
    api.addEventListener("graphChanged", () => strips.forEach((refresh) => refresh()));
  },

  nodeCreated(/** @type {Host.Node} */ node) {
    if ((node.comfyClass ?? "") in KINDS) addStrip(node);
  },
});
