// What the panel asks the host: which workflows the pack ships, what is in them, which model files are there.

import { api } from "../../../../scripts/api.js";
import { app } from "../../../../scripts/app.js";
import { freeName } from "./list.js";

// The host serves this file from /extensions/<the pack's folder>/js/modes/host.js, and templates under that folder.
const PACK = decodeURIComponent(/\/extensions\/([^/]+)\//.exec(new URL(import.meta.url).pathname)?.[1] ?? "");

/** @param {string} path below /api */
async function getJSON(path) {
  const answer = await api.fetchApi(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

/** @param {string} name @param {string} ending */
const template = (name, ending) =>
  `/workflow_templates/${encodeURIComponent(PACK)}/${encodeURIComponent(name)}.${ending}`;

/** @returns {Promise<string[]>} names of the pack's workflows */
export async function workflowNames() {
  return (await getJSON("/workflow_templates"))[PACK] ?? [];
}

/** @param {string} name */
export const workflow = (name) => getJSON(template(name, "json"));

/** @param {string} name */
export const thumbnail = (name) => api.apiURL(template(name, "jpg"));

/**
 * @param {Iterable<string>} directories
 * @returns {Promise<Map<string, string[]>>} the files in each; a folder the host does not know is empty
 */
export async function modelFiles(directories) {
  const wanted = [...new Set(directories)];
  const lists = await Promise.all(wanted.map((each) => getJSON(`/models/${encodeURIComponent(each)}`).catch(() => [])));
  return new Map(wanted.map((each, place) => [each, lists[place]]));
}

/**
 * Opens a workflow as the template browser does: in a tab of its own, so that what is open stays as it is.
 * @param {string} name
 */
export async function open(name) {
  const data = await workflow(name);
  const opened = app.extensionManager.workflow;
  const taken = (/** @type {string} */ each) => Boolean(opened.getWorkflowByPath(`workflows/${each}.json`));
  await app.loadGraphData(data, true, true, freeName(name, taken), { openSource: "template" });
}

/** @param {string} summary @param {unknown} error */
export function complain(summary, error) {
  const detail = String(error instanceof Error ? error.message : error);
  app.extensionManager.toast.add({ severity: "error", summary, detail, life: 8000 });
}
