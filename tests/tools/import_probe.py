"""Run as a program: starts the host's modules, then loads node packs, and tells what each brought in.

``import_probe.py HOST BASE FILE...`` prints, as JSON on its last line, one entry per FILE:
``{"modules": {name: file}, "nodes": [ids], "seconds": float}``.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import sys
import time
from pathlib import Path


def start_host(host: str, base: str) -> None:
    """Everything a host has imported when custom nodes are about to load: its own nodes and the extra ones."""
    sys.path.insert(0, host)
    sys.argv = ["main.py", "--cpu", "--disable-api-nodes", "--base-directory", base]
    importlib.import_module("comfy.options").enable_args_parsing()
    importlib.import_module("utils.extra_config")  # first, as main.py does: nodes.py hides the package utils
    nodes = importlib.import_module("nodes")
    importlib.import_module("server")
    asyncio.run(nodes.init_extra_nodes(init_custom_nodes=False, init_api_nodes=False))


def load(file: Path, name: str) -> list[str]:
    """Loads a file with a ``comfy_entrypoint`` as the host does; the ids of its nodes."""
    places = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=places)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)

    async def node_list():
        extension = await module.comfy_entrypoint()
        await extension.on_load()
        return await extension.get_node_list()

    return [node.GET_SCHEMA().node_id for node in asyncio.run(node_list())]


def probe(file: Path, name: str) -> dict:
    before = set(sys.modules)
    started = time.perf_counter()
    ids = load(file, name)
    seconds = time.perf_counter() - started
    new = {key: getattr(sys.modules[key], "__file__", None) for key in set(sys.modules) - before}
    return {"modules": new, "nodes": ids, "seconds": seconds}


def main() -> None:
    host, base, *files = sys.argv[1:]
    start_host(host, base)
    found = [probe(Path(file), f"probed_{number}") for number, file in enumerate(files)]
    sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
