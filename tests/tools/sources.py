"""Which files make up the pack, and what the gates read out of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

# What a person who installs the pack gets. A new top-level file or folder must be added here and, if it is
# not for users, to .comfyignore: the gate compares both with the registry's zip.
SHIPPED_FILES = (
    "__init__.py",
    "compat.py",
    "errors.py",
    "owners.py",
    "places.py",
    "tiles.py",
    "pyproject.toml",
    "requirements.txt",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
)
SHIPPED_FOLDERS = (
    "nodes",
    "loaders",
    "conditioning",
    "samplers",
    "media",
    "programs",
    "workflows",
    "web",
    "locales",
)
OPTIONAL_FILES = ("CHANGELOG.md",)  # comes with the first release
WORKSHOP = ("dev.py", "devtools", "tests", "benchmarks")


def shipped(folder: Path) -> list[Path]:
    """Every file of the pack below ``folder``, relative to it."""
    files = [Path(name) for name in SHIPPED_FILES if (folder / name).exists() or name not in OPTIONAL_FILES]
    for room in SHIPPED_FOLDERS:
        files += [path.relative_to(folder) for path in (folder / room).rglob("*") if path.is_file()]
    return sorted(path for path in files if "__pycache__" not in path.parts)


def python_files(folder: Path, names: tuple[str, ...] = ()) -> list[Path]:
    """The Python files of the pack, or of the named files and folders, as absolute paths."""
    if not names:
        return [folder / path for path in shipped(folder) if path.suffix == ".py"]
    found = []
    for name in names:
        path = folder / name
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return [path for path in found if not {"node_modules", "__pycache__"} & set(path.parts)]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and length in lines, decorators left out, of every function in a file."""
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.end_lineno - node.lineno + 1


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every imported module's full name, relative ones with their dots, and the line."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield module, node.lineno
            for alias in node.names:
                yield f"{module.rstrip('.') or '.'}.{alias.name}", node.lineno


def calls(path: Path) -> Iterator[tuple[str, int]]:
    """The dotted name of everything called, such as ``os.system``, and the line."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node.lineno
