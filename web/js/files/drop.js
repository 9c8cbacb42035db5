// Files of ours that the host's page cannot open by itself, dropped on the canvas or chosen with Open, open the workflow
// they hold. The host is asked first whether a node takes the drop, and gets back whatever holds no workflow.

import { app } from "../../../../scripts/app.js";
import { complain } from "../modes/host.js";
import { upload } from "../timeline/files.js";
import { sentences } from "../words.js";
import { HEAD, madeFrom, mayHold } from "./texts.js";

const OPEN_DIALOG = "comfy-file-input"; // the host's hidden input behind Open
const READER = "GengaReadSettings";
/** Events that went through here once: the host's now. @type {WeakSet<Event>} */
const handedBack = new WeakSet();
const word = sentences("files");
const host = /** @type {any} */ (app);

/** @param {File} file @returns {Promise<boolean>} whether it held a workflow, which is open now */
async function open(file) {
  const made = await file.slice(0, HEAD).arrayBuffer().then((data) => madeFrom(new Uint8Array(data))).catch(() => null);
  if (!made) return false;
  const name = file.name.replace(/\.\w+$/, "");
  try {
    if (made.workflow) await host.loadGraphData(made.workflow, true, true, name, { openSource: "file_drop" });
    else await host.loadApiJson(made.prompt, name);
  } catch (error) {
    complain(word("cannotOpen", { file: file.name }), error);
  }
  return true;
}

/** @param {FileList | null | undefined} files @returns {File | null} the only one, where it may be ours */
function candidate(files) {
  return files?.length === 1 && mayHold(files[0].name) ? files[0] : null;
}

/** @param {Event} event */
function hold(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
}

/** @param {DragEvent} event */
async function dropped(event) {
  const [target, file] = [event.target, candidate(event.dataTransfer?.files)];
  if (!file || !target || handedBack.has(event) || host.dragOverNode) return;
  if (target !== document && target !== host.canvas?.canvas) return; // a node, a panel or a dialog
  hold(event);
  const { clientX, clientY } = event;
  if (await open(file)) return;
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(file);
  const again = new DragEvent("drop", { dataTransfer, clientX, clientY, bubbles: true, cancelable: true });
  handedBack.add(again);
  target.dispatchEvent(again);
}

/** @param {Event} event */
async function chosen(event) {
  const input = /** @type {HTMLInputElement} */ (event.target);
  if (input?.id !== OPEN_DIALOG || handedBack.has(event)) return;
  const file = candidate(input.files);
  if (!file) return;
  hold(event);
  if (await open(file)) {
    input.value = "";
    return;
  }
  const again = new Event("change", { bubbles: true });
  handedBack.add(again);
  input.dispatchEvent(again);
}

/** Brings a file into the input folder and chooses it. @param {any} node @param {File} file */
async function give(node, file) {
  try {
    const { name, subfolder } = await upload(file);
    const widget = node.widgets.find((/** @type {any} */ each) => each.name === "file");
    const value = subfolder ? `${subfolder}/${name}` : name;
    if (!widget.options.values.includes(value)) widget.options.values.push(value);
    widget.value = value;
    widget.callback?.(value);
    node.setDirtyCanvas?.(true, true);
  } catch (error) {
    complain(word("cannotBring", { file: file.name }), error);
  }
}

/** @param {any} node */
function takeFiles(node) {
  node.onDragOver = (/** @type {DragEvent} */ event) => Boolean(event.dataTransfer?.types?.includes("Files"));
  node.onDragDrop = (/** @type {DragEvent} */ event) => {
    const file = event.dataTransfer?.files[0];
    if (file) give(node, file);
    return Boolean(file);
  };
  const button = node.addWidget("button", word("choose"), null, () => {
    const input = document.createElement("input");
    input.type = "file";
    input.addEventListener("change", () => input.files?.[0] && give(node, input.files[0]));
    input.click();
  }, { serialize: false });
  button.serialize = false;
}

app.registerExtension({
  name: "Genga.Files",

  setup() {
    document.addEventListener("drop", dropped, { capture: true });
    document.addEventListener("change", chosen, { capture: true });
  },

  nodeCreated(/** @type {any} */ node) {
    if (node.comfyClass === READER) takeFiles(node);
  },
});
