// A script as the pack's are, with faults at the places that say so: else a check that finds nothing would prove nothing.

import { app } from "../../../../scripts/app.js";
import { valueOf } from "../../../web/js/graph.js";

/** @param {Host.Node} node */
function wrong(node) {
  node.size.push("wide"); // wrong
  node.addDOMWidget("strip"); // wrong
  valueOf(node, 3); // wrong
  app.extensionManager.registerSidebarTab("genga"); // wrong
  app.extensionManager.toast.add({ severity: "loud" }); // wrong
  return valueOf(node, "length");
}

app.registerExtension({ name: 1 }); // wrong
app.registerExtension({ name: "Genga.Wrong", nodeCreated: (/** @type {Host.Node} */ node) => wrong(node) });
app.registerExtension({ name: "Genga.Wrong", nodeCreated: (node) => wrong(node.widgets) }); // wrong
