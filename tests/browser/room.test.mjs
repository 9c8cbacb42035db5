// web/js/room.js on a node that answers as the front end's do.

import { beforeEach, expect, test, vi } from "vitest";
import { roomFor } from "../../web/js/room.js";

const REST = 300; // pixels of the node without the widget

let widget, node, fit;

/** Heights of the node: on the page, and as it is saved. */
function heights() {
  const data = { size: [...node.size] };
  node.onSerialize(data);
  return [node.size[1] - REST, data.size[1] - REST];
}

beforeEach(() => {
  vi.stubGlobal("window", { LiteGraph: {} });
  widget = { height: 100 };
  node = {
    size: [400, REST + 100],
    computeSize: () => [400, REST + widget.height],
    setSize: (size) => (node.size = size),
  };
  fit = roomFor(node);
  fit();
});

test("the node grows and shrinks with its widget, and is saved as it was", () => {
  for (const height of [170, 120]) {
    widget.height = height;
    fit();
    expect(heights()).toEqual([height, 100]);
  }
});

test("room that a person gave is kept", () => {
  node.size = [400, REST + 140];
  fit();
  widget.height = 170;
  fit();
  expect(heights()).toEqual([170, 140]);
  widget.height = 100;
  fit();
  expect(heights()).toEqual([140, 140]);
});

test("what the canvas gave it before is not saved either", () => {
  widget.height = 170;
  node.size = [400, REST + 160];
  fit();
  expect(heights()).toEqual([170, 100]);
});

test("a loaded size counts as it is", () => {
  widget.height = 170;
  fit();
  node.size = [400, REST + 150];
  node.onConfigure();
  expect(heights()).toEqual([150, 150]);
  fit();
  expect(heights()).toEqual([170, 150]);
});

test("Vue nodes grow by themselves", async () => {
  vi.stubGlobal("window", { LiteGraph: { vueNodesMode: true } });
  vi.stubGlobal("requestAnimationFrame", (run) => setTimeout(run));
  fit();
  widget.height = 170;
  fit();
  node.size = [400, REST + 172.5]; // as they measure it
  await vi.waitFor(() => expect(heights()).toEqual([172.5, 100]));
});
