"""Rules of the house that can be read off the source files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from genga_tests.tools import pack, sources

FOLDER = pack.pack_folder()
FUNCTION_LINES, EXECUTE_LINES, MODULE_LINES = 80, 60, 400
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "subprocess", "pip", "ensurepip", "ctypes", "pty"}
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "print",
    "input",
    "os.system",
    "os.popen",
    "os.startfile",
    "torch.load",
}
HOST_FREE = (  # arithmetic that must import without a host
    "errors.py",
    "conditioning/latent_time.py",
    "media/color.py",
    "media/color_hist.py",
    "media/color_linear.py",
)
HOST_MODULES = {"comfy", "comfy_api", "comfy_extras", "comfy_execution", "folder_paths", "node_helpers", "server"}


def where(path: Path, line: int | str) -> str:
    return f"{path.relative_to(FOLDER).as_posix()}:{line}"


def project_table(name: str) -> str:
    """The text of one table of pyproject.toml (Python 3.10 has no reader for it)."""
    text = (FOLDER / "pyproject.toml").read_text(encoding="utf-8")
    return re.search(rf"^\[{re.escape(name)}\]\n(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL).group(1)


def test_requirements_equal_the_dependencies_of_pyproject():
    lines = (FOLDER / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]
    listed = re.search(r"^dependencies = \[(.*?)\]", project_table("project"), re.MULTILINE | re.DOTALL).group(1)
    assert re.findall(r'"([^"]+)"', listed) == wanted
    assert not [line for line in wanted if line.startswith("-")], "the Manager installs plain lines only"
    assert not [line for line in wanted if re.search(r"<|==|~=", line)], "no upper bounds"


def test_nothing_is_required_that_the_host_brings(request):
    host_folder = os.environ.get("GENGA_COMFYUI")
    if not host_folder:
        pytest.skip("no host named")
    theirs = (Path(host_folder) / "requirements.txt").read_text(encoding="utf-8").lower()
    ours = (FOLDER / "requirements.txt").read_text(encoding="utf-8").lower().splitlines()
    name = re.compile(r"^[a-z0-9._-]+")
    have = {name.match(line).group() for line in theirs.splitlines() if name.match(line)}
    assert not have & {name.match(line).group() for line in ours if name.match(line)}


def test_ruff_finds_nothing():
    program = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--output-format", "concise", "."],
        cwd=pack.ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert program.returncode == 0, program.stdout + program.stderr


def test_functions_are_short():
    files = sources.python_files(FOLDER)
    if pack.ROOT == FOLDER:
        files += sources.python_files(pack.ROOT, sources.WORKSHOP)
    long = []
    for path in files:
        for name, lines in sources.functions(path):
            in_node = name == "execute" and "nodes" in path.relative_to(FOLDER).parts
            if lines > (EXECUTE_LINES if in_node else FUNCTION_LINES):
                long.append(f"{where(path, name)} has {lines} lines")
    assert not long, "\n".join(long)


def test_modules_are_short():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources.python_files(FOLDER)}
    assert not [f"{where(path, lines)}" for path, lines in lengths.items() if lines > MODULE_LINES]


def test_nothing_in_the_pack_runs_other_code():
    found = []
    for path in sources.python_files(FOLDER):
        found += [
            f"{where(path, line)} imports {name}"
            for name, line in sources.imports(path)
            if name.split(".")[0] in FORBIDDEN_MODULES
        ]
        found += [f"{where(path, line)} calls {name}" for name, line in sources.calls(path) if name in FORBIDDEN_CALLS]
    assert not found, "\n".join(found)


def test_the_front_end_runs_no_text_as_code():
    scripts = [FOLDER / path for path in sources.shipped(FOLDER) if path.suffix in (".js", ".mjs")]
    pattern = re.compile(r"\beval\s*\(|new\s+Function\s*\(|document\.write\s*\(")
    assert not [path.name for path in scripts if pattern.search(path.read_text(encoding="utf-8"))]


def test_the_pack_imports_itself_by_relative_names_only():
    own = {Path(name).stem for name in (*sources.SHIPPED_FOLDERS, "compat", "errors", "genga")} - {"nodes"}
    found = [
        f"{where(path, line)} imports {name}"
        for path in sources.python_files(FOLDER)
        for name, line in sources.imports(path)
        if name.split(".")[0] in own
    ]
    assert not found, "\n".join(found)


def test_no_room_imports_upwards():
    """nodes and programs sit on top; conditioning and media know nothing of samplers; loaders of none of them."""
    barred = {
        "conditioning": ("nodes", "programs", "samplers", "loaders"),
        "media": ("nodes", "programs", "samplers", "loaders"),
        "loaders": ("nodes", "programs", "samplers"),
        "samplers": ("nodes", "programs"),
        "programs": ("nodes", "samplers"),
    }
    found = []
    for room, others in barred.items():
        for path in sources.python_files(FOLDER, (room,)):
            found += [
                f"{where(path, line)} imports {name}"
                for name, line in sources.imports(path)
                if any(name.startswith(f"..{other}") for other in others)
            ]
    assert not found, "\n".join(found)


def test_arithmetic_needs_no_host():
    found = [
        f"{where(FOLDER / name, line)} imports {module}"
        for name in HOST_FREE
        for module, line in sources.imports(FOLDER / name)
        if module.split(".")[0] in HOST_MODULES
    ]
    assert not found, "\n".join(found)


def test_every_module_postpones_annotations():
    files = [path for path in sources.python_files(FOLDER) if path.read_text(encoding="utf-8").strip()]
    assert not [
        path.name
        for path in files
        if "from __future__ import annotations" not in path.read_text(encoding="utf-8") and sources.tree(path).body[1:]
    ]
