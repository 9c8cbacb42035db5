// The last run of each timeline, as small pictures of its video. The host tells when a run is done and keeps a record of
// it: what was asked and which files came out. Kept for the page's life, so that undo and a change of tab lose nothing.

import { api } from "../../../../scripts/api.js";
import { viewURL } from "./files.js";
import { PIXELS } from "./film.js";
import { moments, resultsOf } from "./result.js";

/** @typedef {import("./result.js").Result} Result */
/** @typedef {Result & {length: number, pictures: ImageBitmap[], count: number, wired?: string}} Run `pictures` come one by one,
 *   up to `count`; `wired`: the keyframes wired then */

const PICTURES = 32; // of a run
const KEPT = 8; // runs
const TRIES = 40; // the record is written a moment after the run is told to be done
const WAIT = 500; // milliseconds
const SLOWEST = 60000; // milliseconds a video may take to show a picture, where the machine is busy

/** @type {Map<string, Run>} by graph and node */
const runs = new Map();

/** @param {Host.GraphNode} node @returns {Run | undefined} */
export function lastRun(node) {
  return runs.get(`${node.graph?.id ?? ""}/${node.id}`);
}

/** @param {string} id of a prompt @returns {Promise<any>} */
async function record(id) {
  for (let i = 0; i < TRIES; i += 1) {
    const answer = await api.fetchApi(`/history/${id}`);
    const entry = answer.ok ? (await answer.json())[id] : null;
    if (entry) return entry;
    await new Promise((done) => setTimeout(done, WAIT));
  }
  return null;
}

/** @param {string} id of a prompt that has run @param {string[]} types of the nodes that have a timeline */
async function remember(id, types) {
  for (const result of resultsOf(await record(id), types)) {
    const length = Number(result.asked.length) || 0;
    /** @type {Run} */
    const run = { ...result, length, pictures: [], count: 0 };
    const key = `${result.graph}/${result.node}`;
    runs.delete(key); // so that the latest is last
    runs.set(key, run);
    if (runs.size > KEPT) runs.delete(runs.keys().next().value ?? "");
    await (result.film ? fromFilm(run) : fromFiles(run));
  }
}

/** @param {HTMLVideoElement} player @param {string} name of an event */
function once(player, name) {
  return new Promise((done, failed) => {
    const timer = setTimeout(() => failed(new Error(name)), SLOWEST);
    const end = (/** @type {Function} */ then) => () => (clearTimeout(timer), then());
    player.addEventListener(name, end(done), { once: true });
    player.addEventListener("error", end(() => failed(player.error)), { once: true });
  });
}

/** @param {HTMLVideoElement | HTMLImageElement} image @param {number} width @param {number} height its size */
function small(image, width, height) {
  return createImageBitmap(image, { resizeHeight: PIXELS, resizeWidth: Math.max(1, Math.round((PIXELS * width) / height)) });
}

/** @param {Run} run */
async function fromFilm(run) {
  const player = document.createElement("video");
  Object.assign(player, { muted: true, preload: "auto", src: viewURL(run.files[0]) });
  try {
    await once(player, "loadeddata");
    const shares = moments(PICTURES, run.length || PICTURES);
    run.count = shares.length;
    for (const share of shares) {
      player.currentTime = share * player.duration;
      await once(player, "seeked");
      run.pictures.push(await small(player, player.videoWidth, player.videoHeight));
    }
  } finally {
    player.removeAttribute("src");
    player.load(); // closes the connection
  }
}

/** @param {Run} run */
async function fromFiles(run) {
  const { files } = run;
  const chosen = moments(PICTURES, files.length).map((share) => files[Math.floor(share * files.length)]);
  run.count = chosen.length;
  for (const file of chosen) {
    const image = new Image();
    image.src = viewURL(file, { preview: "webp;75" });
    await image.decode();
    run.pictures.push(await small(image, image.naturalWidth, image.naturalHeight));
  }
}

/** Begins to look at runs. @param {string[]} types of the nodes that have a timeline */
export function follow(types) {
  api.addEventListener("execution_success", (/** @type {any} */ { detail }) => {
    // a video the browser cannot read leaves the strip as it was
    remember(detail.prompt_id, types).catch((error) => console.info("[Genga] the last run cannot be shown:", error));
  });
}
