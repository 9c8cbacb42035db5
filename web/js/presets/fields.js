// Where the fields of a payload stand in a workflow: the tables of programs/build.py and programs/families.py, which
// tests/js_modes holds against them. No imports: Node reads this file, too.

/** The first name that the workflow has. @type {Record<string, string[]>} */
export const DIRECT = {
  steps: ["steps"],
  guidance_scale: ["guidance", "cfg"],
  cfg_scale: ["cfg"],
  lighting_variant: ["lighting_variant"],
  motion_score: ["motion_score"],
  num_frames: ["length"],
  first_strength: ["first_strength"],
  last_strength: ["last_strength"],
  denoising_strength: ["denoise"],
  output_format: ["format"],
  fps: ["fps"],
  width: ["width"],
  height: ["height"],
};

/** The image workflows have one node for their numbers, from which all others take them. */
export const NUMBERS = "GengaImageSettings";
/** @type {Record<string, string>} */
export const IN_NUMBERS = { guidance_scale: "cfg", cfg_scale: "cfg", steps: "steps", width: "width", height: "height" };

/** The host's names: sampler, and schedule where the name says one. @type {Record<string, [string, string | null]>} */
export const SAMPLERS = {
  "Euler": ["euler", null],
  "Euler a": ["euler_ancestral", null],
  "DPM++ 2M": ["dpmpp_2m", null],
  "DPM++ 2M Karras": ["dpmpp_2m", "karras"],
  "DPM++ SDE Karras": ["dpmpp_sde", "karras"],
};

/** Workflow by model and mode. @type {Record<string, Record<string, string>>} */
export const WORKFLOWS = {
  anisora: {
    t2v: "AniSora T2V", i2v: "AniSora I2V", first_last_frame: "AniSora FFLF", arbitrary_frame: "AniSora Keyframes",
  },
  phr00t: { t2v: "Phr00t T2V", i2v: "Phr00t I2V", first_last_frame: "Phr00t FFLF" },
  standard: { i2v: "Standard I2V" },
  pony: { t2i: "Pony T2I", i2i: "Pony I2I" },
  flux: { t2i: "Flux T2I", i2i: "Flux I2I" },
};

/** Loaders that a LoRA set goes behind, and how many models each gives. @type {Record<string, number>} */
export const LOADERS = { GengaAniSoraLoader: 2, GengaPhr00tLoader: 1, GengaWanModelLoader: 1 };
