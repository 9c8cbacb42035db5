// Pictures to and from the host: uploads by its own endpoint, thumbnails by its own view.

import { api } from "../../../../scripts/api.js";
import { THUMB } from "./layout.js";

/** @typedef {import("./state.js").FileRef} FileRef */
/** @typedef {{picture: ImageBitmap | null, missing: boolean}} Thumb */

const SUBFOLDER = "genga";
const PIXELS = THUMB * 2; // sharp at 200 %
const KEPT = 400;
const PREVIEW = { preview: "webp;75" };
/** @type {Map<string, Thumb>} */
const thumbs = new Map();

/** @param {File} file @returns {boolean} whether the node can read it, as far as its type tells */
export function isPicture(file) {
  return /^image\/(?!svg)/.test(file.type);
}

/** @param {File} file @returns {Promise<FileRef>} what the host made of it: it renames rather than overwrites */
export async function upload(file) {
  const body = new FormData();
  body.append("image", file);
  body.append("subfolder", SUBFOLDER);
  body.append("type", "input");
  const answer = await api.fetchApi("/upload/image", { method: "POST", body });
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  const { name, subfolder, type } = await answer.json();
  return { name, subfolder: subfolder ?? "", type: type ?? "input" };
}

/** @param {FileRef} ref @returns {Promise<boolean>} whether the host can read it as a picture, whatever it is called */
export async function isReadable(ref) {
  return (await fetch(viewURL(ref, PREVIEW))).ok;
}

/** @param {FileRef} ref @param {Record<string, string>} [more] */
export function viewURL({ name, subfolder, type }, more = {}) {
  return api.apiURL(`/view?${new URLSearchParams({ filename: name, subfolder, type, ...more })}`);
}

/** The picture's middle square, small, once it is here. @param {FileRef} ref @param {() => void} ready @returns {Thumb} */
export function thumb(ref, ready) {
  const url = viewURL(ref, PREVIEW);
  const known = thumbs.get(url);
  if (known) return known;
  /** @type {Thumb} */
  const made = { picture: null, missing: false };
  thumbs.set(url, made);
  if (thumbs.size > KEPT) thumbs.delete(String(thumbs.keys().next().value));
  load(url).then((picture) => (made.picture = picture), () => (made.missing = true)).then(ready);
  return made;
}

/** @param {string} url */
async function load(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  const side = Math.min(image.naturalWidth, image.naturalHeight);
  const [left, top] = [(image.naturalWidth - side) / 2, (image.naturalHeight - side) / 2];
  return createImageBitmap(image, left, top, side, side, { resizeWidth: PIXELS, resizeHeight: PIXELS });
}

/** Asks for files. @param {boolean} several @param {(files: File[]) => void} then */
export function choose(several, then) {
  const input = document.createElement("input");
  input.type = "file";
  input.accept = "image/*";
  input.multiple = several;
  input.addEventListener("change", () => then([...(input.files ?? [])]));
  input.click();
}
