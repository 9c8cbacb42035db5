// Puts the keyframe timeline on its nodes. The value is the node's own input `timeline`, a line of JSON that is kept out of
// sight: saved with the workflow, copied, undone and sent with the prompt like any other. The widget here is its view only.

import { app } from "../../../../scripts/app.js";
import { chain } from "../handlers.js";
import { roomFor } from "../room.js";
import { follow as followRuns } from "./runs.js";
import { Timeline } from "./widget.js";

/** The nodes that have a timeline, and whether it has the two ends only. @type {Record<string, boolean>} */
const ENDS = { GengaWanFFLF: true, GengaArbitraryKeyframes: false };
const VALUE = "timeline";
const MARGIN = 8; // around the widget on the canvas
const ROW_GAP = 4; // the canvas puts this between widgets
const WIDE = 420; // a new node; a loaded workflow sets its own size after this

/** Hides the value in both renderers: the canvas reads widget.hidden, Vue nodes read widget.options.hidden.
 * @param {Host.Widget} widget */
function hide(widget) {
  widget.hidden = true;
  Object.assign(widget.options, { hidden: true }); // in place: Vue nodes of 1.47 do not see an exchanged options object
  widget.computeSize = () => [0, -ROW_GAP]; // the canvas would leave its row empty
}

/** @param {Host.Node} node @param {Host.Widget} value @param {boolean} ends */
function mount(node, value, ends) {
  const timeline = new Timeline(node, value, ends);
  const height = () => timeline.height + 2 * MARGIN;
  const view = node.addDOMWidget("timeline_view", "genga_timeline", timeline.element, {
    serialize: false, hideOnZoom: false, margin: MARGIN, getMinHeight: height, getMaxHeight: height,
  });
  view.serialize = false; // options.serialize keeps it out of the prompt, this out of the workflow
  timeline.onresize = roomFor(node);
  chain(value, "callback", () => timeline.look());
  chain(node, "onConfigure", () => timeline.load()); // loading, undo and paste: the value comes after the node is made
  chain(node, "onConnectionsChange", () => setTimeout(() => timeline.look()));
  chain(node, "onRemoved", () => timeline.destroy());
}

app.registerExtension({
  name: "Genga.Timeline",

  setup() {
    followRuns(Object.keys(ENDS));
  },

  nodeCreated(/** @type {Host.Node} */ node) {
    const ends = ENDS[node.comfyClass ?? ""];
    const value = node.widgets?.find(({ name }) => name === VALUE);
    if (ends === undefined || !value) return;
    hide(value);
    mount(node, value, ends);
    node.setSize([Math.max(WIDE, node.size[0]), node.computeSize()[1]]);
  },
});
