// The documented modes, in the order the panel shows them: the name of the shipped workflow and one line on what it is
// for. tests/js_modes holds the list against workflows/. No imports: Node reads this file, too.

/** @typedef {{name: string, about: string}} Mode */

/** @type {{title: string, about: string, modes: Mode[]}[]} */
export const FAMILIES = [
  {
    title: "AniSora V3.2",
    about: "Animation. 8 steps, CFG 1.",
    modes: [
      { name: "AniSora T2V", about: "A prompt becomes a video." },
      { name: "AniSora I2V", about: "A picture starts the video; a strength says how strictly." },
      { name: "AniSora FFLF", about: "From a first picture to a last one." },
      { name: "AniSora Keyframes", about: "Pictures at any moments; the model draws what lies between." },
      { name: "AniSora Localized", about: "A picture that applies only inside a mask." },
    ],
  },
  {
    title: "Phr00t Rapid All-In-One",
    about: "One file, 4 steps, CFG 1.",
    modes: [
      { name: "Phr00t T2V", about: "A prompt becomes a video." },
      { name: "Phr00t I2V", about: "A picture starts the video." },
      { name: "Phr00t FFLF", about: "From a first picture to a last one." },
    ],
  },
  {
    title: "Wan I2V",
    about: "Any image to video model of Wan.",
    modes: [{ name: "Standard I2V", about: "A picture starts the video; for quick tests." }],
  },
  {
    title: "InfiniteTalk",
    about: "Talking people, as long as the speech.",
    modes: [
      { name: "InfiniteTalk Single", about: "A portrait says what a sound file says." },
      { name: "InfiniteTalk Two Speakers", about: "Two people in one picture, each with a voice." },
      { name: "InfiniteTalk Sections", about: "Minutes, with another prompt from a moment on." },
    ],
  },
  {
    title: "WanAnimate",
    about: "A character follows a driving video.",
    modes: [
      { name: "WanAnimate Animate", about: "The character moves as the pose and the face do." },
      { name: "WanAnimate Replace", about: "The character takes another's place in a scene." },
      { name: "WanAnimate Long", about: "As long as the driving video." },
    ],
  },
];

/**
 * The families with what is really there: modes whose workflow is missing are left out, workflows the list does not
 * know come last.
 * @param {string[]} names of the workflows the host offers for the pack
 */
export function offered(names) {
  const known = new Set(FAMILIES.flatMap(({ modes }) => modes.map(({ name }) => name)));
  const others = names.filter((name) => !known.has(name)).sort().map((name) => ({ name, about: "" }));
  const families = FAMILIES.map((family) => ({
    ...family, modes: family.modes.filter(({ name }) => names.includes(name)),
  }));
  return [...families, { title: "More", about: "", modes: others }].filter(({ modes }) => modes.length);
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
