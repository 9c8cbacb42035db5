"""A workflow in the front end's own format (version 0.4), written down from code instead of by mouse.

The node definitions come from a host's ``/object_info``, so that slots and widgets are in the order the front
end has them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

VERSION = 0.4
PACK = "genga"  # the registry id, by which the Manager offers a missing pack
PACK_VERSION = "0.1.0"
CORE_VERSION = "0.3.75"
# Pixels that the page adds below the widgets: web/js/windows and web/js/timeline.
STRIPS = {
    "GengaInfiniteTalkWindow": 130,
    "GengaWanAnimatePose": 60,
    "GengaArbitraryKeyframes": 240,
    "GengaWanFFLF": 220,
}
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")


def is_widget(spec: list) -> bool:
    """Whether an input of ``/object_info`` is a field on the node rather than a socket."""
    kind, options = spec[0], spec[1] if len(spec) > 1 else {}
    return (isinstance(kind, list) or kind in WIDGETS) and not options.get("forceInput")


def inputs_of(definition: dict) -> dict[str, list]:
    """Name -> spec, required before optional, as the front end lays them out."""
    groups = definition["input"]
    return {**groups.get("required", {}), **groups.get("optional", {})}


def control_widget(spec: list) -> list:
    """What the front end adds behind a seed: the rule for the next one."""
    options = spec[1] if len(spec) > 1 else {}
    return ["fixed"] if options.get("control_after_generate") else []


def upload_widget(definition: dict) -> list:
    """What the front end adds behind the required widgets of a node that takes files: the button."""
    specs = definition["input"].get("required", {}).values()
    return ["image"] if any(len(spec) > 1 and spec[1].get("image_upload") for spec in specs) else []


@dataclass
class Node:
    """A placed node; ``node.out(0)`` is what links start from."""

    data: dict
    definition: dict

    def out(self, slot: int = 0) -> tuple[Node, int]:
        return self, slot


class Graph:
    """Nodes, links, groups and notes; ``json()`` gives the file."""

    def __init__(self, object_info: dict, description: str):
        self.info = object_info
        self.nodes: list[Node] = []
        self.links: list[list] = []
        self.groups: list[dict] = []
        self.notes: list[dict] = []
        self.description = description

    def add(self, kind: str, at: tuple[int, int], wide: int = 320, title: str = "", models=(), **values) -> Node:
        """Places a node. ``values`` are widget values, or ``node.out(slot)`` for links."""
        definition = self.info[kind]
        specs = inputs_of(definition)
        unknown = set(values) - set(specs)
        if unknown:
            raise KeyError(f"{kind} has no input {', '.join(sorted(unknown))}")
        links = {name: value for name, value in values.items() if isinstance(value, tuple)}
        data = {
            "id": self._next_id(),
            "type": kind,
            "pos": list(at),
            "size": [wide, 0],
            "flags": {},
            "order": len(self.nodes),
            "mode": 0,
            "inputs": [],
            "outputs": _outputs(definition),
            "properties": _properties(kind, models),
            "widgets_values": [],
        }
        if title:
            data["title"] = title
        node = Node(data, definition)
        for name, spec in specs.items():
            widget = is_widget(spec)
            if widget:
                chosen = values.get(name) if name not in links else None
                data["widgets_values"] += [_default(spec) if chosen is None else chosen, *control_widget(spec)]
            if not widget or name in links:
                self._socket(node, name, spec, links.get(name), widget)
        data["widgets_values"] += upload_widget(definition)
        data["size"][1] = _height(data, specs)
        self.nodes.append(node)
        return node

    def _socket(self, node: Node, name: str, spec: list, source, widget: bool) -> None:
        kind = "COMBO" if isinstance(spec[0], list) else spec[0]
        socket = {"name": name, "type": kind, "link": None}
        if widget:
            socket["widget"] = {"name": name}
        node.data["inputs"].append(socket)
        if source is None:
            return
        start, slot = source
        link = len(self.links) + 1
        output = start.data["outputs"][slot]
        output["links"] = [*(output["links"] or []), link]
        socket["link"] = link
        target = len(node.data["inputs"]) - 1
        self.links.append([link, start.data["id"], slot, node.data["id"], target, output["type"]])

    def note(self, text: str, at: tuple[int, int], size: tuple[int, int], title: str = "Note") -> None:
        self.notes.append(
            {
                "id": self._next_id(),
                "type": "MarkdownNote",
                "pos": list(at),
                "size": list(size),
                "flags": {},
                "order": 0,
                "mode": 0,
                "inputs": [],
                "outputs": [],
                "title": title,
                "properties": {},
                "widgets_values": [text],
                "color": "#432",
                "bgcolor": "#653",
            }
        )

    def group(self, title: str, nodes: list[Node], color: str = "#3f789e") -> None:
        """A frame around nodes."""
        left = min(n.data["pos"][0] for n in nodes) - 20
        top = min(n.data["pos"][1] for n in nodes) - 80
        right = max(n.data["pos"][0] + n.data["size"][0] for n in nodes) + 20
        bottom = max(n.data["pos"][1] + n.data["size"][1] for n in nodes) + 20
        self.groups.append(
            {
                "id": len(self.groups) + 1,
                "title": title,
                "bounding": [left, top, right - left, bottom - top],
                "color": color,
                "font_size": 24,
                "flags": {},
            }
        )

    def json(self) -> dict:
        nodes = [node.data for node in self.nodes] + self.notes
        return {
            "id": "",
            "revision": 0,
            "last_node_id": max(n["id"] for n in nodes),
            "last_link_id": len(self.links),
            "nodes": nodes,
            "links": self.links,
            "groups": self.groups,
            "config": {},
            "extra": {"description": self.description},
            "version": VERSION,
        }

    def _next_id(self) -> int:
        return len(self.nodes) + len(self.notes) + 1


def _outputs(definition: dict) -> list[dict]:
    names, kinds = definition["output_name"], definition["output"]
    kinds = ["COMBO" if isinstance(kind, list) else kind for kind in kinds]
    return [
        {"name": n, "type": k, "links": None, "slot_index": i}
        for i, (n, k) in enumerate(zip(names, kinds, strict=True))
    ]


def _properties(kind: str, models) -> dict:
    ours = kind.startswith("Genga")
    properties = {
        "Node name for S&R": kind,
        "cnr_id": PACK if ours else "comfy-core",
        "ver": PACK_VERSION if ours else CORE_VERSION,
    }
    return properties | ({"models": [model.entry() for model in models]} if models else {})


def _default(spec: list):
    options = spec[1] if len(spec) > 1 else {}
    if "default" in options:
        return options["default"]
    if isinstance(spec[0], list):
        return spec[0][0] if spec[0] else ""
    choices = options.get("options")
    return choices[0] if choices else ""


def _height(data: dict, specs: dict) -> int:
    """Roughly what the front end needs: a row per slot and widget, more for pictures and texts."""
    sockets = sum(1 for socket in data["inputs"] if "widget" not in socket)
    texts = sum(1 for spec in specs.values() if len(spec) > 1 and spec[1].get("multiline"))
    rows = max(sockets, len(data["outputs"])) * 20 + len(data["widgets_values"]) * 24
    pictures = 240 if data["type"] in ("LoadImage", "LoadImageMask") else 0
    strip = STRIPS.get(data["type"], 0)
    return int(math.ceil((40 + rows + texts * 120 + pictures + strip) / 10) * 10)
