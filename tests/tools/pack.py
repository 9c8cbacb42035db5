"""The pack as the tests see it: which folder, under which name, and how it gets into a host."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
NOT_COPIED = (".dev", ".git", "node_modules", "__pycache__", ".*_cache", ".hypothesis")


def pack_folder() -> Path:
    """The folder under test: this checkout, or the unpacked release that ``GENGA_PACK`` names."""
    return Path(os.environ.get("GENGA_PACK") or ROOT).resolve()


def load_package(name: str, folder: Path):
    """Imports ``folder/__init__.py`` as package ``name`` without putting its parent on ``sys.path``."""
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def alias_tests() -> None:
    """Makes shared test code importable as ``genga_tests.…``: a host may have a ``tests`` of its own."""
    package = types.ModuleType("genga_tests")
    package.__path__ = [str(TESTS)]
    sys.modules["genga_tests"] = package


def remove(target: Path) -> None:
    """Takes away what an earlier install left: the link (never what it leads to), or the copy."""
    if target.is_symlink() or target.is_file():
        target.unlink()
    elif target.is_dir():
        shutil.rmtree(target)


def install(source: Path, target: Path) -> None:
    """``source`` as ``target`` in a host's custom_nodes, anew: a link, or a copy where links are not allowed."""
    remove(target)
    try:
        target.symlink_to(source, target_is_directory=True)
    except OSError:  # Windows without developer mode
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(*NOT_COPIED))
