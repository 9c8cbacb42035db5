"""Writes the payload's JSON Schema into programs/: ``python devtools/schema.py`` in a host's environment."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def pack():
    """The pack as a package, without its folder on sys.path."""
    spec = importlib.util.spec_from_file_location("genga", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    module = importlib.util.module_from_spec(spec)
    sys.modules["genga"] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() not in (ROOT, ROOT / "devtools")]
    pack()
    schema = importlib.import_module("genga.programs.schema")
    schema.FILE.write_text(schema.written(), encoding="utf-8")
