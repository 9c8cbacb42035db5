// What the presets ask the host: programs/routes.py.

import { api } from "../../../../scripts/api.js";

/** @typedef {import("./shelf.js").Preset} Preset */

/** The host's problem+json: what is wrong, and where. */
export class Refused extends Error {
  /** @param {{detail?: string, errors?: {pointer?: string}[]}} problem */
  constructor({ detail, errors }) {
    super(detail ?? "");
    this.errors = errors ?? [];
  }
}

/** @param {string} path below /genga/presets @param {string} method @param {unknown} body */
async function ask(path, method = "GET", body = undefined) {
  const options = body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const answer = await api.fetchApi(`/genga/presets${path}`, { method, ...options });
  const told = await answer.json().catch(() => ({ detail: String(answer.status) }));
  if (!answer.ok) throw new Refused(told);
  return told;
}

/** @param {Preset} preset */
const path = ({ kind, name }) => `/${kind}/${encodeURIComponent(name)}`;

export const names = () => ask("");
export const exported = () => ask("/export");
/** @param {Preset} preset */
export const read = (preset) => ask(path(preset));
/** @param {Preset} preset */
export const remove = (preset) => ask(path(preset), "DELETE");
/** @param {Preset} preset @param {Record<string, unknown>} values */
export const save = (preset, values) => ask(path(preset), "PUT", values);
/** @param {Record<string, unknown>} document */
export const bring = (document) => ask("/import", "POST", document);

/** Gives a person a JSON file. @param {string} name @param {unknown} content */
export function download(name, content) {
  const blob = new Blob([JSON.stringify(content, null, 1)], { type: "application/json" });
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
