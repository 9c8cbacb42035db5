// Numbers on the strip: where the time axis has its marks, and how loud a sound is along it. Pure arithmetic.

const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500]; // frames, for videos of a few seconds
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200];

/**
 * Marks of the axis, at most `most` of them and the end of the video left free.
 * @param {number} length frames
 * @param {number} fps
 * @param {number} most
 * @param {string} [unit] how seconds are written
 * @returns {{frame: number, text: string}[]}
 */
export function ticks(length, fps, most, unit) {
  const wanted = length / Math.max(most, 1);
  const bySeconds = SECONDS.map((seconds) => seconds * fps).find((step) => step >= wanted);
  const step = length / fps < 2 ? STEPS.find((each) => each >= wanted) : bySeconds;
  const size = step ?? Math.ceil(wanted / fps) * fps;
  const marks = [];
  for (let frame = 0; frame < length - size / 3; frame += size) {
    marks.push({ frame, text: length / fps < 2 ? String(Math.round(frame)) : clock(frame / fps, unit) });
  }
  return marks;
}

/**
 * 8 s, 1:05, 1:02:05; parts of a second only below a minute.
 * @param {number} seconds
 * @param {string} [unit] how seconds are written
 */
export function clock(seconds, unit = "{seconds} s") {
  if (seconds < 60) return unit.replace("{seconds}", String(Number(seconds.toFixed(2))));
  const whole = Math.floor(seconds + 1e-9);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/**
 * The loudest sample of each of `count` equal parts, over all channels, 0 to 1.
 * @param {Float32Array[]} channels
 * @param {number} count
 * @returns {number[]}
 */
export function peaks(channels, count) {
  const samples = channels[0]?.length ?? 0;
  const found = new Array(count).fill(0);
  for (const channel of channels) {
    for (let place = 0; place < samples; place++) {
      const part = Math.min(count - 1, Math.floor((place * count) / samples));
      const loud = Math.abs(channel[place]);
      if (loud > found[part]) found[part] = loud;
    }
  }
  return found.map((loud) => Math.min(1, loud));
}

/**
 * Peaks as the outline of an SVG path, mirrored about the middle, in a box of `peaks.length` by 100.
 * @param {number[]} values
 * @returns {string}
 */
export function outline(values) {
  if (!values.length) return "";
  const point = (/** @type {number} */ x, /** @type {number} */ y) => `${x} ${y.toFixed(1)}`;
  const height = (/** @type {number} */ loud) => Math.max(1.5, loud * 48); // silence is a thin line, not nothing
  const above = values.map((loud, x) => point(x, 50 - height(loud)));
  const below = values.map((loud, x) => point(x, 50 + height(loud))).reverse();
  return `M${above.join("L")}L${below.join("L")}Z`;
}
