// How long a wired file is, and how loud: read in the browser from the host's own /view, kept for the page's life.

import { peaks } from "./ticks.js";

const PARTS = 400; // of the waveform: more than a node is wide
const RATE = 8000; // read at this rate, an hour of speech takes a tenth of the memory
const MOST_SECONDS = 1800;
const MOST_BYTES = 60e6;
const KEPT = 16;
const AGAIN = 3000; // milliseconds after which a file that was not there is looked for again: it may be uploaded by now

/**
 * @typedef {{state: "reading" | "read" | "failed", seconds: number, peaks: number[], at: number}} Heard `at`: when it was read
 * @type {Map<string, Heard>}
 */
const known = new Map();

/**
 * What is known of a file now; `ready` is called once more is.
 * @param {string} url
 * @param {boolean} loud whether the waveform is wanted, too
 * @param {() => void} ready
 * @returns {Heard}
 */
export function media(url, loud, ready) {
  const found = known.get(url);
  if (found && !(found.state === "failed" && Date.now() - found.at > AGAIN)) return found;
  /** @type {Heard} */
  const heard = { state: "reading", seconds: 0, peaks: [], at: 0 };
  known.set(url, heard);
  if (known.size > KEPT) known.delete(/** @type {string} */ (known.keys().next().value));
  read(url, loud, heard).finally(ready);
  return heard;
}

/** @param {string} url @param {boolean} loud @param {Heard} heard */
async function read(url, loud, heard) {
  try {
    heard.seconds = await duration(url);
    if (loud && heard.seconds <= MOST_SECONDS) await listen(url, heard);
    heard.state = heard.seconds > 0 ? "read" : "failed";
  } catch {
    heard.state = heard.seconds > 0 ? "read" : "failed"; // a format the browser does not know; the host may
  }
  heard.at = Date.now();
}

/** @param {string} url @returns {Promise<number>} seconds, by the file's own head */
function duration(url) {
  return new Promise((resolve, reject) => {
    const player = document.createElement("video"); // plays sound, too
    player.preload = "metadata";
    player.muted = true;
    const done = () => {
      const seconds = player.duration;
      player.removeAttribute("src");
      player.load(); // closes the connection
      resolve(Number.isFinite(seconds) ? seconds : 0);
    };
    player.addEventListener("loadedmetadata", done, { once: true });
    player.addEventListener("error", () => reject(player.error), { once: true });
    player.src = url;
  });
}

/** @param {string} url @param {Heard} heard */
async function listen(url, heard) {
  const answer = await fetch(url);
  if (!answer.ok || Number(answer.headers.get("content-length")) > MOST_BYTES) return;
  const sound = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await answer.arrayBuffer());
  const channels = Array.from({ length: sound.numberOfChannels }, (_, index) => sound.getChannelData(index));
  heard.peaks = peaks(channels, PARTS);
  heard.seconds = sound.duration; // counted, where the head of an MP3 only estimates
}
