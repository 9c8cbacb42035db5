// The documented modes, in the order the panel shows them: the name of the shipped workflow and the sentence on what it is
// for. tests/js_modes holds the list against workflows/. No imports: Node reads this file, too.

/** @typedef {keyof typeof import("../english.js").ENGLISH.modes} Sentence */
/** @typedef {{name: string, about: Sentence | ""}} Mode */
/** @typedef {{title: string, about: Sentence | "", modes: Mode[]}} Family */

/** @type {Family[]} */
export const FAMILIES = [
  {
    title: "AniSora V3.2",
    about: "anisora",
    modes: [
      { name: "AniSora T2V", about: "fromPrompt" },
      { name: "AniSora I2V", about: "fromPictureStrictly" },
      { name: "AniSora FFLF", about: "firstToLast" },
      { name: "AniSora Keyframes", about: "keyframes" },
      { name: "AniSora Localized", about: "localized" },
    ],
  },
  {
    title: "Phr00t Rapid All-In-One",
    about: "rapid",
    modes: [
      { name: "Phr00t T2V", about: "fromPrompt" },
      { name: "Phr00t I2V", about: "fromPicture" },
      { name: "Phr00t FFLF", about: "firstToLast" },
    ],
  },
  {
    title: "Wan I2V",
    about: "anyModel",
    modes: [
      { name: "Standard I2V", about: "fromPictureQuickly" },
      { name: "Wan Sections", about: "pictureToPicture" },
    ],
  },
  {
    title: "InfiniteTalk",
    about: "talking",
    modes: [
      { name: "InfiniteTalk Single", about: "portrait" },
      { name: "InfiniteTalk Two Speakers", about: "twoSpeakers" },
      { name: "InfiniteTalk Sections", about: "minutes" },
    ],
  },
  {
    title: "WanAnimate",
    about: "driven",
    modes: [
      { name: "WanAnimate Animate", about: "character" },
      { name: "WanAnimate Replace", about: "replaced" },
      { name: "WanAnimate Long", about: "longDriven" },
    ],
  },
  {
    title: "FramePack",
    about: "framepack",
    modes: [
      { name: "FramePack Standard", about: "framepackKeys" },
      { name: "FramePack F1", about: "framepackForward" },
      { name: "FramePack Loop", about: "framepackLoop" },
      { name: "FramePack One Frame", about: "framepackFrame" },
    ],
  },
  {
    title: "Pony V6 XL",
    about: "pony",
    modes: [
      { name: "Pony T2I", about: "toPicture" },
      { name: "Pony I2I", about: "pictureAnew" },
    ],
  },
  {
    title: "Flux.1 dev",
    about: "flux",
    modes: [
      { name: "Flux T2I", about: "toPicture" },
      { name: "Flux I2I", about: "pictureAnew" },
    ],
  },
  {
    title: "Finishing",
    about: "finishing",
    modes: [{ name: "Finish Video", about: "finished" }],
  },
];

/**
 * The families with what is really there: modes whose workflow is missing are left out, workflows the list does not
 * know come last, under a title of their own.
 * @param {string[]} names of the workflows the host offers for the pack
 * @param {string} more that title
 * @returns {Family[]}
 */
export function offered(names, more) {
  const known = new Set(FAMILIES.flatMap(({ modes }) => modes.map(({ name }) => name)));
  /** @type {Mode[]} */
  const others = names.filter((name) => !known.has(name)).sort().map((name) => ({ name, about: "" }));
  const families = FAMILIES.map((family) => ({
    ...family, modes: family.modes.filter(({ name }) => names.includes(name)),
  }));
  /** @type {Family} */
  const rest = { title: more, about: "", modes: others };
  return [...families, rest].filter(({ modes }) => modes.length);
}

/**
 * A name for the new tab that no workflow has: opened under a taken one, it would take that one's place.
 * @param {string} name
 * @param {(name: string) => boolean} taken
 */
export function freeName(name, taken) {
  let free = name;
  for (let number = 2; taken(free); number++) free = `${name} (${number})`;
  return free;
}
