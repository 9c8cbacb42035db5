// What the graph says of a window node before it runs: its numbers, the files wired to it, its sections.

import { api } from "../../../../scripts/api.js";
import { chainOf, fileRef, origin, valueOf } from "../graph.js";
import { sentences } from "../words.js";
import { pictureOf } from "./sections.js";

const word = sentences("windows");

/**
 * How the window nodes name things. `films`: inputs whose length the video takes where length is 0. `cut`: windows are
 * cut where sections begin, and a section's picture is what it ends with.
 * @typedef {object} Kind
 * @property {string} overlap
 * @property {string[]} sounds
 * @property {string[]} films
 * @property {number} fps
 * @property {"audio" | "drivingVideo"} follows
 * @property {boolean} [cut]
 */

/** @type {Record<string, Kind>} */
export const KINDS = {
  GengaInfiniteTalkWindow: {
    overlap: "motion_frames", sounds: ["audio", "audio_2"], films: [], fps: 25, follows: "audio",
  },
  GengaWanAnimatePose: {
    overlap: "overlap", sounds: [], films: ["pose_video", "face_video", "background_video", "character_mask"],
    fps: 30, follows: "drivingVideo",
  },
  GengaWanI2VWindow: {
    overlap: "motion_frames", sounds: [], films: [], fps: 16, follows: "audio", cut: true,
  },
};

const FILE_WIDGETS = { LoadAudio: "audio", LoadVideo: "file" };

/**
 * The address of the file a loader shows; "" where nothing is wired, null where it is another node.
 * @param {Host.GraphNode} node @param {string} name
 * @returns {string | null}
 */
export function fileOf(node, name) {
  const source = origin(node, name);
  if (!source) return "";
  const widget = /** @type {Record<string, string>} */ (FILE_WIDGETS)[source.type];
  const value = widget && source.widgets?.find((each) => each.name === widget)?.value;
  return typeof value === "string" && value ? viewURL(value) : null;
}

/** @param {string} annotated as loaders write it */
function viewURL(annotated) {
  const { name, subfolder, type } = fileRef(annotated);
  return api.apiURL(`/view?${new URLSearchParams({ filename: name, type, subfolder })}`);
}

/**
 * The sections wired to a node, in order of time.
 * @param {Host.GraphNode} node
 * @returns {{start: number, label: string, picture: string}[] | null} `picture`: its address, "" without one; null where one of them cannot be read before a run
 */
export function sectionsOf(node) {
  const found = [];
  for (const each of chainOf(node, "sections")) {
    const start = each.type === "GengaSections" ? valueOf(each, "start") : undefined;
    if (typeof start !== "number") return null;
    found.push({ start, label: labelOf(each), picture: pictureOf(each) });
  }
  return found.sort((one, two) => one.start - two.start);
}

/** What a section changes, in few words: the beginning of its prompt, or that it brings a picture. */
function labelOf(/** @type {Host.GraphNode} */ section) {
  const prompt = origin(section, "positive");
  const text = prompt?.widgets?.find((widget) => typeof widget.value === "string")?.value;
  const words = typeof text === "string" ? text.trim().replace(/\s+/g, " ").slice(0, 80) : prompt ? word("prompt") : "";
  const picture = origin(section, "image") ? word("newPicture") : "";
  return [words, picture].filter(Boolean).join(", ") || word("section");
}

/** Whether the windows go on from a clip: wired into Continue Video. */
export function isContinued(/** @type {Host.GraphNode} */ node) {
  const outputs = node.outputs?.length ?? 0;
  for (let slot = 0; slot < outputs; slot++) {
    const targets = node.getOutputNodes(slot) ?? [];
    if (targets.some((target) => target.type === "GengaContinueVideo")) return true;
  }
  return false;
}
