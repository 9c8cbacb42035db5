// web/js/graph.js on a few nodes that answer as the front end's do.

import { expect, test } from "vitest";
import { chainOf, fileRef, origin, valueOf } from "../../web/js/graph.js";

/** A node whose inputs are wired as `wires` says: {name: node}. */
function node(type, wires = {}, values = {}) {
  const names = Object.keys(wires);
  return {
    type,
    wires,
    inputs: names.map((name) => ({ name })),
    getInputNode: (slot) => wires[names[slot]] ?? null,
    widgets: Object.entries(values).map(([name, value]) => ({ name, value })),
  };
}

test("what is wired to an input, reroutes passed over", () => {
  const source = node("LoadImage");
  const wired = node("A", { image: node("Reroute", { "": node("Reroute", { "": source }) }) });
  expect(origin(wired, "image")).toBe(source);
  expect(origin(wired, "mask")).toBe(null);
});

test("a value is the widget's, or that of the primitive wired in its place", () => {
  expect(valueOf(node("A", {}, { length: 81 }), "length")).toBe(81);
  expect(valueOf(node("A", { length: node("P", {}, { value: 49 }) }, { length: 81 }), "length")).toBe(49);
  expect(valueOf(node("A", { length: node("Math") }, { length: 81 }), "length")).toBe(undefined);
});

test("a chain is read from the nearest on, and a loop ends", () => {
  const far = node("K"), near = node("K", { keyframes: far });
  expect(chainOf(node("A", { keyframes: near }), "keyframes")).toEqual([near, far]);
  const loop = node("K", { keyframes: null });
  loop.wires.keyframes = loop;
  expect(chainOf(loop, "keyframes").length).toBe(1000);
});

test("a file in parts", () => {
  expect(fileRef("a.png")).toEqual({ name: "a.png", subfolder: "", type: "input" });
  expect(fileRef("sub\\deep/a b.wav [output]")).toEqual({ name: "a b.wav", subfolder: "sub/deep", type: "output" });
});
