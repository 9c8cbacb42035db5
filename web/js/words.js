// Sentences of the pack's parts of the page, by their names, in the language of the page. No page, no host: language.js
// tells it which language that is.

import { ENGLISH } from "./english.js";

/** @typedef {Record<string, string | number>} Values */

/** @type {Record<string, Record<string, unknown> | undefined>} */
let translated = {};

/** @param {unknown} texts "genga" of a language's main.json; what is not in it is said in English */
export function teach(texts) {
  translated = texts && typeof texts === "object" ? /** @type {typeof translated} */ (texts) : {};
}

/**
 * What says the sentences of one part of the page, with values in the places of their names.
 * @template {keyof typeof ENGLISH} Part
 * @param {Part} part
 * @returns {(name: keyof typeof ENGLISH[Part] & string, values?: Values) => string}
 */
export function sentences(part) {
  return (name, values = {}) => {
    const text = translated[part]?.[name];
    const said = typeof text === "string" ? text : String(ENGLISH[part][name]);
    return said.replace(/\{(\w+)\}/g, (place, key) => String(values[key] ?? place));
  };
}
