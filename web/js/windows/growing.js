// The video so far: while windows or sections are made, their sampler shows those that are done, as a video that grows.
// The host tells after each window where the joined file lies (media/growing.py); it is in its temp folder.

import { api } from "../../../../scripts/api.js";
import { app } from "../../../../scripts/app.js";
import { takePlaceSoon } from "../successor.js";
import { sentences } from "../words.js";

const word = sentences("windows");
const EVENT = "genga.windows";
const NAME = "windows_so_far";
const HEIGHT = 220;
const SAMPLERS = ["GengaWindowSampler", "GengaFramePackSampler"];
const LATENT_PREVIEWS = ["$$canvas-image-preview", "$$comfy_animation_preview"];

/**
 * @typedef {{node: string, filename: string, subfolder: string, type: string, from: number, to: number, of: number,
 *   part?: string}} Told
 */

/**
 * @typedef {{widget: Host.Widget, box: HTMLElement, video: HTMLVideoElement, words: HTMLElement}} Player
 * @type {Map<Host.GraphNode, Player>} by node
 */
const players = new Map();

/** The node of an execution id: `17`, or `2:17` inside the subgraph node 2. */
function nodeOf(/** @type {string} */ id) {
  /** @type {any} */
  let graph = app.rootGraph;
  const path = String(id).split(":");
  const last = path.pop();
  for (const each of path) graph = find(graph, each)?.subgraph;
  return find(graph, last);
}

function find(/** @type {any} */ graph, /** @type {string | undefined} */ id) {
  const nodes = graph?.nodes ?? graph?._nodes ?? [];
  return nodes.find((/** @type {any} */ node) => String(node.id) === id);
}

/** The player is there from the beginning, out of sight: Vue nodes of 1.32 do not see widgets that come later. */
function makePlayer(/** @type {Host.Node} */ node) {
  const box = document.createElement("div");
  box.style.cssText = `display: none; flex-direction: column; gap: 2px; width: 100%; height: ${HEIGHT}px;`;
  const video = document.createElement("video");
  video.style.cssText = "flex: 1 1 0; min-height: 0; width: 100%; object-fit: contain; background: #000;";
  Object.assign(video, { controls: true, loop: true, muted: true, autoplay: true, playsInline: true });
  const words = document.createElement("div");
  words.style.cssText = "font: 10px/14px system-ui, sans-serif; color: var(--input-text, #ddd); text-align: center;";
  box.append(video, words);
  const height = () => (players.get(node)?.widget.hidden === false ? HEIGHT : 0);
  const widget = node.addDOMWidget(NAME, "genga_video", box, {
    serialize: false, hideOnZoom: false, getMinHeight: height, getMaxHeight: height,
  });
  widget.serialize = false;
  widget.hidden = true; // for the canvas alone: Vue nodes would never show a widget whose options say so
  players.set(node, { widget, box, video, words });
}

/** Shows or hides a player; a hidden one holds no file. */
function reveal(/** @type {Host.GraphNode} */ node, /** @type {boolean} */ shown) {
  const player = players.get(node);
  if (!player || player.widget.hidden === !shown) return;
  player.widget.hidden = !shown;
  player.box.style.display = shown ? "flex" : "none";
  if (!shown) {
    player.video.removeAttribute("src");
    player.video.load();
  }
  const needed = node.computeSize()[1]; // hidden, it leaves its room: the host's own video takes it a moment later
  if (shown && node.size[1] < needed) node.setSize([node.size[0], needed]);
  node.setDirtyCanvas?.(true, true);
}

function show(/** @type {Told} */ told) {
  const node = nodeOf(told.node);
  const player = players.get(node);
  if (!player) return; // another workflow is open
  reveal(node, true);
  const { video, words } = player;
  const { filename, subfolder, type, from, to, of } = told;
  const at = video.currentTime;
  video.addEventListener("loadedmetadata", () => { video.currentTime = Math.min(at, video.duration); }, { once: true });
  video.src = api.apiURL(`/view?${new URLSearchParams({ filename, subfolder, type })}`);
  const several = told.part === "section" ? "sectionsSoFar" : "soFar";
  const one = told.part === "section" ? "oneSectionSoFar" : "oneSoFar";
  words.textContent = word(to > from ? several : one, { from, to, of });
  video.setAttribute("aria-label", words.textContent);
}

/**
 * The canvas takes the last latent preview for the video a node gives out, and the video is not shown: other nodes that
 * sample give out none. So the preview goes before the canvas draws what the node gave out.
 */
function clearLatentPreview(/** @type {Host.GraphNode} */ node) {
  if (window.LiteGraph.vueNodesMode) return; // they hold previews and videos apart
  const previews = app.nodePreviewImages;
  delete previews[String(node.id)];
  delete previews[`${node.graph?.id}:${node.id}`]; // inside a subgraph
  Object.assign(node, { imgs: undefined });
  for (const name of LATENT_PREVIEWS) {
    /** @type {Host.Widget | undefined} */
    const widget = node.widgets?.find((each) => each.name === name);
    if (!widget) continue;
    widget.onRemove?.();
    node.widgets?.splice(node.widgets.indexOf(widget), 1);
  }
}

function finish(/** @type {Host.GraphNode} */ node) {
  if (!players.has(node)) return;
  reveal(node, false);
  clearLatentPreview(node);
}

app.registerExtension({
  name: "Genga.GrowingVideo",

  setup() {
    api.addEventListener(EVENT, (/** @type {any} */ { detail }) => show(detail));
    // The finished video stands on the node by itself; what a cancelled run leaves stays until the next one.
    api.addEventListener("executed", (/** @type {any} */ { detail }) => finish(nodeOf(detail.node)));
    api.addEventListener("execution_start", () => [...players.keys()].forEach((node) => reveal(node, false)));
  },

  nodeCreated(/** @type {Host.Node} */ node) {
    if (!SAMPLERS.includes(node.comfyClass ?? "")) return;
    makePlayer(node);
    /** @type {import("../successor.js").Shown} */
    const shown = { element: /** @type {Player} */ (players.get(node)).box };
    takePlaceSoon("growing", node, shown);
    const removed = node.onRemoved;
    node.onRemoved = function () {
      shown.gone = true;
      players.delete(node);
      removed?.call(this);
    };
  },
});
