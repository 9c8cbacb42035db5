// Which model files a workflow needs, and which of them are not there. No imports: Node reads this file, too.

/** @typedef {{name: string, directory: string, page: string}} Model */

/**
 * The models a workflow's nodes name in their properties, each once; those inside subgraphs, too.
 * @param {any} workflow
 * @returns {Model[]}
 */
export function neededModels(workflow) {
  const inner = (workflow?.definitions?.subgraphs ?? []).flatMap((/** @type {any} */ graph) => graph.nodes ?? []);
  /** @type {Map<string, Model>} */
  const found = new Map();
  for (const node of [...(workflow?.nodes ?? []), ...inner]) {
    for (const { name, directory, url } of node.properties?.models ?? []) {
      if (typeof name !== "string" || typeof directory !== "string") continue;
      found.set(`${directory}/${name}`, { name, directory, page: pageOf(url) });
    }
  }
  return [...found.values()];
}

/**
 * The page of a file, where its size and licence stand, in place of the file itself; "" where it is no web address.
 * @param {unknown} url
 */
export function pageOf(url) {
  if (typeof url !== "string" || !/^https:\/\//i.test(url)) return "";
  return url.replace(/^(https:\/\/huggingface\.co\/[^/]+\/[^/]+)\/resolve\//i, "$1/blob/");
}

/**
 * Where a model stands in the host's list of its folder: "here", "" where it is not, or, where it lies in a folder
 * below, its name there, which has to be chosen in the node.
 * @param {Model} model
 * @param {string[]} files
 */
export function placeOf(model, files) {
  if (files.includes(model.name)) return "here";
  return files.find((file) => file.split(/[\\/]/).pop() === model.name) ?? "";
}

/**
 * @param {Model[]} models
 * @param {Map<string, string[]>} folders what the host lists, by folder
 * @returns {{missing: Model[], elsewhere: {model: Model, place: string}[]}}
 */
export function compare(models, folders) {
  const places = models.map((model) => ({ model, place: placeOf(model, folders.get(model.directory) ?? []) }));
  return {
    missing: places.filter(({ place }) => place === "").map(({ model }) => model),
    elsewhere: places.filter(({ place }) => place !== "" && place !== "here"),
  };
}
