// What a saved file says of how it was made, where the host's page does not read it itself: GIF, JPG and MKV, the JSON
// beside, and a PNG of ours. No imports: Node reads this file, too.

/** @typedef {{workflow: any, prompt: any}} Made */

const ENDINGS = /\.(gif|jpe?g|mkv|png|json)$/i;
/** Texts stand in a file's head; the host reads no more than this of a video either. */
export const HEAD = 64 << 20;
const XMP = "http://ns.adobe.com/xmp/extension/\0";

/** @param {string} name of a file @returns {boolean} whether it may be one that has to be read here */
export function mayHold(name) {
  return ENDINGS.test(name);
}

/**
 * The workflow and the API prompt in a file's first bytes; null where it has neither, or the host reads it as well.
 * @param {ArrayLike<number>} head
 * @returns {Made | null}
 */
export function madeFrom(head) {
  const bytes = head instanceof Uint8Array ? head : Uint8Array.from(head);
  const read = KINDS.find(({ magic }) => magic.every((value, place) => bytes[place] === value))?.read;
  const texts = read ? read(bytes) : null;
  const [workflow, prompt] = [object(texts?.workflow), object(texts?.prompt)];
  return workflow || prompt ? { workflow, prompt } : null;
}

const KINDS = [
  { magic: [0x47, 0x49, 0x46, 0x38], read: fromGif },
  { magic: [0xff, 0xd8, 0xff], read: fromJpg },
  { magic: [0x1a, 0x45, 0xdf, 0xa3], read: fromMatroska },
  { magic: [0x89, 0x50, 0x4e, 0x47], read: fromPng },
  { magic: [0x7b], read: fromJson },
];

/** @param {Uint8Array} bytes */
const text = (bytes) => new TextDecoder().decode(bytes);

/** @param {Uint8Array} bytes @param {number} start @param {number} length */
const ascii = (bytes, start, length) => String.fromCharCode(...bytes.subarray(start, start + length));

/** An object, or the one a JSON text holds; null for anything else. @param {unknown} value @returns {any} */
function object(value) {
  let found = value;
  if (typeof value === "string") {
    try {
      found = JSON.parse(value);
    } catch {
      return null;
    }
  }
  return found && typeof found === "object" && !Array.isArray(found) ? found : null;
}

/** The JSON beside a file; any other JSON is the host's. @param {Uint8Array} bytes */
function fromJson(bytes) {
  const content = object(text(bytes));
  return content && "genga_version" in content ? content : null;
}

/** The comment behind the header (GIF89a, sections 17 to 24). @param {Uint8Array} bytes */
function fromGif(bytes) {
  let place = 13 + (bytes[10] & 0x80 ? 3 << ((bytes[10] & 7) + 1) : 0);
  while (bytes[place] === 0x21) {
    const comment = bytes[place + 1] === 0xfe;
    const said = [];
    place += 2;
    while (bytes[place]) {
      said.push(bytes.subarray(place + 1, place + 1 + bytes[place]));
      place += bytes[place] + 1;
    }
    place += 1;
    const found = comment ? object(text(joined(said))) : null;
    if (found) return found;
  }
  return null;
}

/** Extended XMP (Adobe, part 3, 1.1.3.1) in APP1 segments. @param {Uint8Array} bytes */
function fromJpg(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  /** @type {{place: number, piece: Uint8Array}[]} */
  const pieces = [];
  for (let place = 2; place + 4 <= bytes.length && bytes[place] === 0xff && bytes[place + 1] !== 0xda;) {
    const end = place + 2 + view.getUint16(place + 2);
    const start = place + 4 + XMP.length + 40;
    if (bytes[place + 1] === 0xe1 && start <= end && end <= bytes.length && ascii(bytes, place + 4, XMP.length) === XMP) {
      pieces.push({ place: view.getUint32(start - 4), piece: bytes.subarray(start, end) });
    }
    place = end;
  }
  const packet = text(joined(pieces.sort((a, b) => a.place - b.place).map(({ piece }) => piece)));
  return { workflow: element(packet, "workflow"), prompt: element(packet, "prompt") };
}

/** @param {string} packet @param {string} name */
function element(packet, name) {
  const said = packet.split(`<genga:${name}>`)[1]?.split(`</genga:${name}>`)[0];
  return said?.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

/**
 * Text chunks. Of a PNG with the common `parameters` beside the workflow, older pages take the parameters; other PNGs
 * are the host's.
 * @param {Uint8Array} bytes
 */
function fromPng(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  /** @type {Record<string, string>} */
  const texts = {};
  for (let place = 8; place + 12 <= bytes.length;) {
    const [length, kind] = [view.getUint32(place), ascii(bytes, place + 4, 4)];
    if (kind === "tEXt") {
      const [name, ...said] = text(bytes.subarray(place + 8, place + 8 + length)).split("\0");
      texts[name] = said.join("\0");
    }
    if (kind === "IEND") break;
    place += 12 + length;
  }
  return "genga" in texts ? texts : null;
}

// Element ids of Matroska (RFC 9559).
const [SEGMENT, TAGS, TAG, SIMPLE, NAME, STRING] = [0x18538067, 0x1254c367, 0x7373, 0x67c8, 0x45a3, 0x4487];

/** Tags of an MKV; those of a WebM the host reads. @param {Uint8Array} bytes */
function fromMatroska(bytes) {
  if (text(bytes.subarray(0, 64)).includes("webm")) return null;
  /** @type {Record<string, string>} */
  const texts = {};
  for (const simple of inside(bytes, [SEGMENT, TAGS, TAG, SIMPLE], 0, bytes.length)) {
    const parts = [...elements(bytes, simple.start, simple.end)];
    const [name, said] = [NAME, STRING].map((id) => parts.find((part) => part.id === id));
    if (name && said) texts[text(bytes.subarray(name.start, name.end)).toLowerCase()] = text(bytes.subarray(said.start, said.end));
  }
  return texts;
}

/**
 * The elements at the end of a path of ids.
 * @param {Uint8Array} bytes @param {number[]} path @param {number} start @param {number} end
 * @returns {Generator<{start: number, end: number}>}
 */
function* inside(bytes, [id, ...rest], start, end) {
  for (const found of elements(bytes, start, end)) {
    if (found.id !== id) continue;
    if (rest.length) yield* inside(bytes, rest, found.start, found.end);
    else yield found;
  }
}

/** @param {Uint8Array} bytes @param {number} start @param {number} end */
function* elements(bytes, start, end) {
  for (let place = start; place < end;) {
    const id = number(bytes, place, true);
    const size = number(bytes, place + id.length, false);
    const begin = place + id.length + size.length;
    if (!id.length || !size.length || begin > end) return;
    place = begin + size.value;
    yield { id: id.value, start: begin, end: Math.min(place, end) };
  }
}

/** A number of EBML (RFC 8794): as many bytes as its first one tells. @param {Uint8Array} bytes @param {number} place @param {boolean} whole */
function number(bytes, place, whole) {
  const length = Math.clz32(bytes[place] ?? 0) - 23;
  if (length > 8) return { value: 0, length: 0 };
  let value = whole ? bytes[place] : bytes[place] & (0xff >> length);
  for (let more = 1; more < length; more++) value = value * 256 + (bytes[place + more] ?? 0);
  return { value, length };
}

/** @param {Uint8Array[]} pieces */
function joined(pieces) {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let place = 0;
  for (const piece of pieces) {
    all.set(piece, place);
    place += piece.length;
  }
  return all;
}
