// What a finished run says of a timeline: from the host's own record of it, /history. Pure: Node runs this as well.

/** @typedef {import("./state.js").FileRef} FileRef */
/** @typedef {Record<string, {class_type: string, inputs: Record<string, any>}>} Prompt */
/** @typedef {{graph: string, node: string, asked: Record<string, any>, files: FileRef[], film: boolean}} Result */

const FILM = /\.(mp4|m4v|webm|mov|mkv)$/i;
const PICTURE = /\.(png|jpe?g|webp)$/i;

/** The node that a value of a prompt is wired to; "" where it is a value. @param {unknown} value */
function source(value) {
  return Array.isArray(value) && value.length === 2 && typeof value[1] === "number" ? String(value[0]) : "";
}

/**
 * All nodes that get something of `id`'s, however far down, nearest first.
 * @param {Prompt} prompt @param {string} id @returns {string[]}
 */
export function downstream(prompt, id) {
  const found = [id];
  for (const each of found) {
    for (const [other, { inputs }] of Object.entries(prompt)) {
      if (!found.includes(other) && Object.values(inputs).some((value) => source(value) === each)) found.push(other);
    }
  }
  return found.slice(1);
}

/** @param {any} output what a node gave out for the page: lists, some of them of files @returns {FileRef[]} */
function filesOf(output) {
  const items = Object.values(output ?? {}).filter(Array.isArray).flat();
  return items.filter((item) => typeof item?.filename === "string")
    .map(({ filename, subfolder, type }) => ({ name: filename, subfolder: subfolder ?? "", type: type ?? "output" }));
}

/**
 * What came out below a node: a video, else pictures that are its frames; null without either.
 * @param {Record<string, any>} outputs by node @param {string[]} nodes nearest first
 * @returns {{files: FileRef[], film: boolean} | null}
 */
export function filmBelow(outputs, nodes) {
  const given = nodes.map((id) => filesOf(outputs[id]));
  const film = given.flat().find(({ name }) => FILM.test(name));
  if (film) return { files: [film], film: true };
  const frames = given.map((files) => files.filter(({ name }) => PICTURE.test(name))).find((files) => files.length > 1);
  return frames ? { files: frames, film: false } : null;
}

/**
 * The id of the graph that holds the node of an execution id: `17`, or `2:17` inside the subgraph node 2.
 * @param {any} workflow @param {string} id @returns {string | null}
 */
function graphOf(workflow, id) {
  let graph = workflow;
  for (const each of id.split(":").slice(0, -1)) {
    const type = graph?.nodes?.find((/** @type {any} */ node) => String(node.id) === each)?.type;
    graph = workflow.definitions?.subgraphs?.find((/** @type {any} */ one) => one.id === type);
  }
  return graph ? String(graph.id ?? "") : null;
}

/** @param {Record<string, any>} inputs @returns {Record<string, any>} those that were set on the node itself */
function ownValues(inputs) {
  return Object.fromEntries(Object.entries(inputs).filter(([, value]) => !source(value)));
}

/**
 * Of every timeline in a run: where it stands, what it asked for, and what came out.
 * @param {any} entry of the host's history @param {string[]} types of the nodes that have a timeline
 * @returns {Result[]}
 */
export function resultsOf(entry, types) {
  const [, , prompt, extra] = entry?.prompt ?? [];
  const workflow = extra?.extra_pnginfo?.workflow;
  if (!prompt || !workflow) return []; // queued by a program
  const found = [];
  for (const [id, { class_type, inputs }] of Object.entries(/** @type {Prompt} */ (prompt))) {
    const graph = types.includes(class_type) ? graphOf(workflow, id) : null;
    const made = graph === null ? null : filmBelow(entry.outputs ?? {}, downstream(prompt, id));
    if (graph !== null && made) found.push({ graph, node: id.split(":").at(-1) ?? "", asked: ownValues(inputs), ...made });
  }
  return found;
}

/**
 * Whether a node still asks for what a run was asked. Values that came by wire are not known here.
 * @param {Record<string, any>} asked @param {(name: string) => unknown} value of the node now; undefined: not known
 */
export function stillAsks(asked, value) {
  return Object.entries(asked).every(([name, was]) => {
    const now = value(name);
    return now === undefined || now === was;
  });
}

/**
 * Moments of a video as shares of it, 0 to 1: of `count` pictures, evenly from the first frame to the last.
 * @param {number} count @param {number} length frames @returns {number[]} the middle of a frame each, so that none is missed
 */
export function moments(count, length) {
  const some = Math.max(1, Math.min(count, length));
  const step = some > 1 ? (length - 1) / (some - 1) : 0;
  return Array.from({ length: some }, (_, i) => (Math.round(i * step) + 0.5) / length);
}
