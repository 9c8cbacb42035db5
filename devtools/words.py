"""Writes the words of nodes and page into locales/: ``python devtools/words.py``, in the environment of a host.

English is read off the schemas and off web/js/english.js, so it never drifts from what they say. Other languages are
kept as they are, but for a text whose English has changed, which goes (git shows what it was); a text that another node
has already is taken from there. What is missing then is listed, to be written by a person:
tests/gates/test_locales.py fails without it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "locales"
PAGE = ROOT / "web" / "js" / "english.js"
ENGLISH, OTHERS = "en", ("ja", "zh", "zh-TW", "ru")
# The host has words for these categories, and they are everybody's: ours would change the menus of other packs.
HOST_CATEGORIES = ("loaders", "conditioning", "sampling", "color", "audio", "image", "video")

Texts = dict[tuple[str, ...], str]  # the text of every key, such as ("GengaKeyframe", "inputs", "mask", "tooltip")


def of_nodes(schemas: list) -> dict:
    """nodeDefs.json in English. Values of combos are not in it: no host translates them."""
    return {schema.node_id: _of_node(schema) for schema in schemas}


def _of_node(schema) -> dict:
    words = {"display_name": schema.display_name, "description": schema.description, "inputs": {}}
    for item in schema.inputs:
        words["inputs"][item.id] = _named(item.display_name or item.id, item.tooltip)
        if getattr(item, "control_after_generate", None):  # a widget that the page adds by itself
            words["inputs"]["control_after_generate"] = {"name": "control after generate"}
    outputs = {str(index): _of_output(item) for index, item in enumerate(schema.outputs)}
    return words | {"outputs": {index: texts for index, texts in outputs.items() if texts}}


def _of_output(item) -> dict:
    """Where an output is called by its type, the page takes the host's word for the type."""
    name = item.display_name
    return _named(None if name == item.get_io_type() else name, item.tooltip)


def _named(name: str | None, tooltip: str | None) -> dict:
    return {key: text for key, text in (("name", name), ("tooltip", tooltip)) if text}


def of_menus(schemas: list) -> dict:
    """main.json in English: the categories that are ours alone."""
    parts = [part for schema in schemas for part in schema.category.split("/")]
    return {"nodeCategories": {part: part for part in dict.fromkeys(parts) if part not in HOST_CATEGORIES}}


def of_page(script: Path = PAGE) -> dict:
    """The sentences of the page's own parts; the script is JSON from the first brace to the last."""
    text = script.read_text(encoding="utf-8")
    start = text.index("{", text.index("export const"))
    return {"genga": json.loads(text[start : text.rindex("}") + 1])}


def english(schemas: list) -> dict[str, dict]:
    """Every file of a language, in English."""
    return {"main.json": of_menus(schemas) | of_page(), "nodeDefs.json": of_nodes(schemas)}


def flat(tree: dict, above: tuple[str, ...] = ()) -> Texts:
    texts: Texts = {}
    for key, value in tree.items():
        texts |= flat(value, (*above, key)) if isinstance(value, dict) else {(*above, key): value}
    return texts


def _nested(texts: Texts) -> dict:
    tree: dict = {}
    for path, text in texts.items():
        place = tree
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = text
    return tree


def carried(before: Texts, now: Texts, known: Texts) -> Texts:
    """The translations ``known`` of the English texts ``before``, as far as they hold for the English of ``now``."""
    same = {(path[-1], before[path]): text for path, text in known.items() if path in before}
    held = {}
    for path, text in now.items():
        if before.get(path) == text and path in known:
            held[path] = known[path]
        elif (path[-1], text) in same:
            held[path] = same[path[-1], text]
    return held


def read(language: str, name: str, folder: Path = FOLDER) -> dict:
    file = folder / language / name
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def _write(language: str, name: str, tree: dict) -> None:
    file = FOLDER / language / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(tree, ensure_ascii=False, indent=2) + "\n", encoding="utf-8", newline="\n")


def update(schemas: list) -> list[str]:
    """Brings every language up to the schemas; returns the keys that a person has to write."""
    missing = []
    for name, tree in english(schemas).items():
        before, now = flat(read(ENGLISH, name)), flat(tree)
        for language in OTHERS:
            held = carried(before, now, flat(read(language, name)))
            _write(language, name, _nested(held))
            missing += [f"{language}/{name}: {'.'.join(path)}" for path in now if path not in held]
        _write(ENGLISH, name, tree)
    return missing


def schemas_of(host: Path, base: Path) -> list:
    """What the nodes declare, asked of them in this process."""
    sys.path[0] = str(ROOT / "tests")  # not the pack's root: its folder nodes/ has the name of the host's module
    from tools import host as host_tools
    from tools import pack

    host_tools.aim(host, base)
    pack.load_package("genga", ROOT)
    importlib.import_module("nodes")  # the host's, before ours ask it for folders and samplers
    return [node.GET_SCHEMA() for node in importlib.import_module("genga.nodes").node_list()]


def main() -> int:
    default = os.environ.get("GENGA_COMFYUI") or ROOT / ".dev" / "comfyui-0.3.75"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comfyui", metavar="PATH", type=Path, default=Path(default), help="a ComfyUI checkout")
    host = parser.parse_args().comfyui.resolve()
    with tempfile.TemporaryDirectory() as base:
        missing = update(schemas_of(host, Path(base)))
    print("\n".join(missing) or "every language is complete")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
