"""The host in this process: told to use the CPU and a base directory of its own, imported on demand."""

from __future__ import annotations

import importlib
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace

from . import pack
from .server import make_base


def folder() -> Path | None:
    """The host's checkout as ``dev.py test`` names it."""
    named = os.environ.get("GENGA_COMFYUI")
    return Path(named).resolve() if named else None


def version(host: Path) -> str:
    text = (host / "comfyui_version.py").read_text(encoding="utf-8")
    return re.search(r'__version__\s*=\s*"([^"]+)"', text).group(1)


def aim(host: Path, base: Path, options: tuple[str, ...] = ("--cpu",)) -> None:
    """Makes the host importable and has it read its options now: cheap, nothing heavy is imported.

    After this any ``import nodes`` or ``import comfy.sd``, early or late, is in ``base``, and on the CPU unless
    other ``options`` are given.
    """
    make_base(base)
    sys.path.insert(0, str(host))
    kept = sys.argv
    sys.argv = [str(host / "main.py"), *options, "--disable-api-nodes", "--base-directory", str(base)]
    try:
        importlib.import_module("comfy.options").enable_args_parsing()
        importlib.import_module("comfy.cli_args")
        # First, as main.py does: nodes.py puts a folder on sys.path whose utils.py hides the package utils.
        importlib.import_module("utils.extra_config")
    finally:
        sys.argv = kept


def boot(host: Path, base: Path) -> SimpleNamespace:
    """Imports the host's modules (10 to 20 s) and the tests' adaptation of it for tiny models."""
    importlib.import_module("nodes")
    tiny_host_pack = pack.TESTS / "tiny" / "host_pack"
    if tiny_host_pack.exists():
        pack.load_package("genga_tiny_host", tiny_host_pack)
    return SimpleNamespace(
        path=host,
        base=base,
        version=version(host),
        models=base / "models",
        input=base / "input",
        output=base / "output",
    )
