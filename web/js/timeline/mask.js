// Painting a mask in the host's own mask editor. The editor works on a node that shows a picture, so it is given one that
// is in no graph; what it saves there is a picture whose painted part is transparent, which the node reads as a mask.

import { app } from "../../../../scripts/app.js";
import { viewURL } from "./files.js";

/** @typedef {import("./state.js").FileRef} FileRef */

const COMMAND = "Comfy.MaskEditor.OpenMaskEditor";

/** @returns {boolean} whether this host has the editor that this needs */
export function canPaint() {
  const { command, setting } = app.extensionManager;
  const known = command.commands.some(({ id }) => id === COMMAND);
  return known && setting.get("Comfy.MaskEditor.UseNewEditor") !== false; // the old one pastes into the graph
}

/** @param {FileRef} ref */
async function loaded(ref) {
  const image = new Image();
  image.src = viewURL(ref);
  await image.decode();
  return image;
}

/** @param {FileRef} shown @param {HTMLImageElement} image @param {(mask: FileRef) => void} saved */
function standIn(shown, image, saved) {
  const node = /** @type {any} */ (window.LiteGraph.createNode("PreviewImage"));
  let images = [{ filename: shown.name, subfolder: shown.subfolder, type: shown.type }];
  node.imgs = [image];
  Object.defineProperty(node, "images", {
    get: () => images,
    set: (given) => {
      images = given;
      const [{ filename, subfolder, type }] = given;
      saved({ name: filename, subfolder: subfolder ?? "", type: type ?? "input" });
    },
  });
  return node;
}

/** Opens the editor; `saved` is called when the person saves. @param {FileRef} image @param {FileRef | undefined} mask
 * @param {(mask: FileRef) => void} saved */
export async function paintMask(image, mask, saved) {
  const shown = mask ?? image; // a painted mask holds the picture too
  const node = standIn(shown, await loaded(shown), saved);
  const { canvas } = app;
  const selected = canvas.selected_nodes;
  canvas.selected_nodes = { [node.id]: node }; // the command asks which node is selected, at once
  const opened = app.extensionManager.command.execute(COMMAND);
  canvas.selected_nodes = selected;
  await opened;
}
