// The timeline input of the keyframe nodes is a line of JSON for programs, not for reading: it is kept out of sight.
// Hidden only: its value is saved with the workflow, loaded with it, and sent with the prompt like any other.

import { app } from "../../../scripts/app.js";

const NODES = new Set(["GengaWanFFLF", "GengaArbitraryKeyframes"]);
const WIDGET = "timeline";

/** Hides the widget in both renderers: the canvas reads widget.hidden, Vue nodes read widget.options.hidden. */
function hide(widget) {
  widget.hidden = true;
  widget.options.hidden = true; // set in place: Vue nodes of 1.47 do not see an exchanged options object
}

app.registerExtension({
  name: "Genga.HideTimeline",

  nodeCreated(node) {
    if (!NODES.has(node.comfyClass)) return;
    const widget = node.widgets?.find(({ name }) => name === WIDGET);
    if (!widget) return;
    hide(widget);
    // The node was measured with the row it no longer shows. A loaded workflow sets its own size after this.
    node.setSize([node.size[0], node.computeSize()[1]]);
  },
});
