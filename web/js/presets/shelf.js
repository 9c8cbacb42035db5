// Which presets there are, what was asked of one, and names and files of presets. Nothing of the page.

/**
 * @typedef {"prompts" | "parameters" | "lora_sets"} Kind
 * @typedef {Record<Kind, string[]>} Names
 * @typedef {{kind: Kind, name: string}} Preset
 */

/** @type {Kind[]} */
export const KINDS = ["prompts", "parameters", "lora_sets"];

/** @param {Preset} preset */
export const keyOf = ({ kind, name }) => `${kind}/${name}`;

export class Shelf {
  constructor() {
    /** @type {Names} */
    this.names = { prompts: [], parameters: [], lora_sets: [] };
    this.asked = ""; // what is done only when it is asked for once more
  }

  /** @param {Partial<Names>} names as the host lists them */
  take(names) {
    this.names = { prompts: names.prompts ?? [], parameters: names.parameters ?? [], lora_sets: names.lora_sets ?? [] };
    this.asked = "";
  }

  get count() {
    return KINDS.reduce((sum, kind) => sum + this.names[kind].length, 0);
  }

  /** @param {Preset} preset */
  has({ kind, name }) {
    return this.names[kind].some((each) => each.toLowerCase() === name.toLowerCase()); // file systems may not tell them apart
  }

  /** Whether this was asked for just before, too. What cannot be undone is done then. @param {string} doing @param {Preset} preset */
  again(doing, preset) {
    const key = `${doing} ${keyOf(preset)}`;
    const before = this.asked === key;
    this.asked = before ? "" : key;
    return before;
  }
}

/** What a preset's file is called. @param {string} kind @param {string} name */
export const fileName = (kind, name) => `genga-${kind}-${name}.json`;

/**
 * The document in a file of presets; null where it is none.
 * @param {string} text
 * @returns {Record<string, unknown> | null}
 */
export function documentIn(text) {
  try {
    const found = JSON.parse(text);
    return found && typeof found === "object" && ("presets" in found || ("kind" in found && "values" in found)) ? found : null;
  } catch {
    return null;
  }
}

/**
 * The values without the fields that a refusal points at; null where it points at none of them.
 * @param {Record<string, unknown>} values
 * @param {{pointer?: string}[]} errors as problem+json has them
 */
export function without(values, errors) {
  const faulty = errors.map(({ pointer }) => (pointer ?? "").split("/")[1]).filter((field) => field in values);
  if (!faulty.length) return null;
  return { values: Object.fromEntries(Object.entries(values).filter(([field]) => !faulty.includes(field))), faulty };
}

/**
 * A preset's values as lines to read: field and value; of a LoRA set, the expert and its files.
 * @param {Record<string, unknown>} values
 * @returns {[string, string][]}
 */
export function lines(values) {
  return Object.entries(values).map(([field, value]) => [field, Array.isArray(value) ? value.map(said).join(", ") : said(value)]);
}

/** @param {any} value */
function said(value) {
  if (value && typeof value === "object" && "file" in value) return `${value.file} ${value.strength}`;
  return value && typeof value === "object" ? JSON.stringify(value) : String(value);
}
