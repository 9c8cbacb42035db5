"""A shipped workflow as the host's API wants it, and the few ways in which a payload changes one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "workflows"
_WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
Definition = Callable[[str], dict]


def shipped(name: str) -> dict | None:
    """The workflow's file; None where this release has none of that name."""
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def definition(kind: str) -> dict | None:
    """A node class's inputs as the host tells them to the page: {"required": {...}, "optional": {...}}."""
    import nodes  # the host's

    known = nodes.NODE_CLASS_MAPPINGS.get(kind)
    return None if known is None else known.INPUT_TYPES()


class Graph:
    """An API prompt that can be changed by the names of inputs. It remembers which payload field filled which input."""

    def __init__(self, nodes: dict[str, dict], describe: Definition = definition):
        self.nodes, self.describe = nodes, describe
        self.origin: dict[tuple[str, str], str] = {}

    @classmethod
    def of_workflow(cls, workflow: dict, describe: Definition = definition) -> Graph:
        """As the front end's graphToPrompt: active nodes with their widgets by name and their links."""
        sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
        nodes = {}
        for node in workflow["nodes"]:
            known = describe(node["type"])
            if known is None or node["mode"] != 0:
                continue
            inputs = _widgets(node["widgets_values"], known)
            inputs |= {slot["name"]: sources[slot["link"]] for slot in node["inputs"] if slot["link"] is not None}
            nodes[str(node["id"])] = {
                "class_type": node["type"],
                "inputs": inputs,
                "_meta": {"title": node.get("title") or node["type"]},
            }
        return cls(nodes, describe)

    def having(self, *names: str) -> list[tuple[str, str]]:
        """(node, input) of every input of the first of these names that any node has."""
        for name in names:
            found = [(identity, name) for identity, node in self.nodes.items() if name in node["inputs"]]
            if found:
                return found
        return []

    def of_kind(self, kind: str) -> list[str]:
        return [identity for identity, node in self.nodes.items() if node["class_type"] == kind]

    def set(self, place: tuple[str, str], value, field: str) -> None:
        """``field``: JSON pointer of what in the payload says so."""
        self.nodes[place[0]]["inputs"][place[1]] = value
        self.origin[place] = field

    def fill(self, names: tuple[str, ...], value, field: str) -> bool:
        """Sets every input of the first name that occurs; whether there was one."""
        places = self.having(*names)
        for place in places:
            self.set(place, value, field)
        return bool(places)

    def above(self, identity: str, through: str | None = None) -> Iterator[str]:
        """The nodes that ``identity`` (only its input ``through``, if named) depends on, nearest first."""
        values = self.nodes[identity]["inputs"]
        waiting = [value[0] for name, value in values.items() if _is_link(value) and through in (None, name)]
        seen = set()
        while waiting:
            found = waiting.pop(0)
            if found in seen or found not in self.nodes:
                continue
            seen.add(found)
            yield found
            waiting += [value[0] for value in self.nodes[found]["inputs"].values() if _is_link(value)]

    def first_above(self, through: str, *names: str) -> tuple[str, str] | None:
        """The nearest (node, input) with an unlinked input of one of these names, above any node's input ``through``."""
        for identity, _ in self.having(through):
            for above in self.above(identity, through):
                inputs = self.nodes[above]["inputs"]
                for name in names:
                    if name in inputs and not _is_link(inputs[name]):
                        return above, name
        return None

    def insert(self, kind: str, inputs: dict, outputs: dict[tuple[str, int], int]) -> str:
        """A new node that takes the place of other outputs: (node, slot) -> its own slot, for all that read them."""
        identity = str(max(map(int, self.nodes)) + 1)
        for node in self.nodes.values():
            for name, value in node["inputs"].items():
                slot = outputs.get((value[0], value[1])) if _is_link(value) else None
                if slot is not None:
                    node["inputs"][name] = [identity, slot]
        self.nodes[identity] = {"class_type": kind, "inputs": inputs, "_meta": {"title": kind}}
        return identity

    def outputs(self) -> list[str]:
        """The nodes that save: those with a name for files."""
        return [identity for identity, _ in self.having("filename_prefix")]

    def prune(self) -> None:
        """Leaves out what no saved file depends on."""
        wanted = {above for identity in self.outputs() for above in (identity, *self.above(identity))}
        self.nodes = {identity: node for identity, node in self.nodes.items() if identity in wanted}

    def options(self, identity: str, name: str) -> list | None:
        """The values of a combo; None for any other input."""
        known = self.describe(self.nodes[identity]["class_type"]) or {}
        spec = {**known.get("required", {}), **known.get("optional", {})}.get(name)
        return None if spec is None else options_of(spec)


def options_of(spec) -> list | None:
    if isinstance(spec[0], list):
        return spec[0]
    return (spec[1] if len(spec) > 1 else {}).get("options") if spec[0] == "COMBO" else None


def _is_link(value) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def _widgets(values: list, known: dict) -> dict:
    """Widget values are positional; behind some the front end keeps one of its own, uploads last in their group."""
    left, named = iter(values), {}
    for group in ("required", "optional"):
        uploads = 0
        for name, spec in known.get(group, {}).items():
            options = spec[1] if len(spec) > 1 else {}
            if (isinstance(spec[0], list) or spec[0] in _WIDGETS) and not options.get("forceInput"):
                named |= dict(zip([name], left, strict=False))
                uploads += bool(options.get("image_upload"))
                if options.get("control_after_generate"):
                    next(left, None)
        for _ in range(uploads):
            next(left, None)
    return named
