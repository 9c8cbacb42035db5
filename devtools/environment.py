"""Virtual environments under ``.dev/``: one per host, one for the registry's tool; rebuilt when stale.

An environment is good when the stamp in it equals the hash of what was asked for. The stamp is written
last, so an install that was cut off is found and done again from the start.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .shell import Failure, lock, must, say

ROOT = Path(__file__).resolve().parent.parent
DEV = ROOT / ".dev"
STAMP = "genga-stamp.txt"
TORCH = ["torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0"]
# requests: 0.3.75 imports it, and newer releases of transformers no longer bring it
HOST_EXTRAS = ["requests"]
# color-matcher: what Color Match is compared with; tests skip that without it
# distributed: Dask, which spreads a batch over several hosts; the pack itself never installs it
TEST_TOOLS = ["pytest>=8", "pytest-xdist>=3.7", "hypothesis", "ruff", "color-matcher==0.6.0", "distributed"]
REGISTRY_TOOLS = ["comfy-cli>=1.23", "ruff"]


def for_host(host: Path) -> Path:
    """The python of the environment that runs ``host``; made on first use."""
    files = [host / "requirements.txt", ROOT / "requirements.txt"]
    packages = [*TORCH, *HOST_EXTRAS, *TEST_TOOLS]
    return _ready(DEV / f"venv-{_name(host)}", packages, files)


def for_tools() -> Path:
    """The ``comfy`` program, in an environment of its own so that it never changes the host's packages."""
    return script(_ready(DEV / "venv-tools", REGISTRY_TOOLS, []), "comfy")


def script(python: Path, name: str) -> Path:
    """A program that lies beside ``python``."""
    return python.parent / (name + (".exe" if os.name == "nt" else ""))


def with_pip() -> Path:
    """A python that has pip: the running one, or else one made for this."""
    asked = [sys.executable, "-m", "pip", "--version"]
    if subprocess.run(asked, capture_output=True, check=False).returncode == 0:
        return Path(sys.executable)
    return _ready(DEV / "venv-pip", ["pip"], [])


def _name(host: Path) -> str:
    """A folder's name that two different hosts never share."""
    if host.parent == DEV:
        return host.name
    return f"{host.name}-{hashlib.sha256(str(host).encode()).hexdigest()[:8]}"


def _ready(folder: Path, packages: list[str], files: list[Path]) -> Path:
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = _stamp(packages, files)
    if _good(folder, python, stamp):
        return python
    with lock(DEV / "locks" / folder.name):
        if not _good(folder, python, stamp):  # another run may have built it meanwhile
            _build(folder, python, packages, files)
            (folder / STAMP).write_text(stamp, encoding="utf-8")
    return python


def _stamp(packages: list[str], files: list[Path]) -> str:
    parts = [sys.version, sys.platform, *packages, *(file.read_text(encoding="utf-8") for file in files)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _good(folder: Path, python: Path, stamp: str) -> bool:
    """Whether the stamp fits and the interpreter still starts (its base may have been uninstalled)."""
    file = folder / STAMP
    if not file.exists() or file.read_text(encoding="utf-8") != stamp:
        return False
    try:
        return subprocess.run([str(python), "-c", ""], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _build(folder: Path, python: Path, packages: list[str], files: list[Path]) -> None:
    if folder.exists():
        say(f"{folder.name} is stale or unfinished: making it anew")
        shutil.rmtree(folder)
    uv = shutil.which("uv")
    say(f"making {folder.relative_to(ROOT)} with {'uv' if uv else 'venv'}")
    _create(folder, uv)
    wanted = [*packages, *(part for file in files for part in ("-r", file))]
    names = ", ".join([*packages, *(str(file) for file in files)])
    say(f"installing {names} (minutes, once)")
    if uv:
        must([uv, "pip", "install", "--quiet", "--python", python, *wanted], f"install into {folder.name}")
    else:
        must(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted],
            f"install into {folder.name}",
        )


def _create(folder: Path, uv: str | None) -> None:
    if uv:
        must([uv, "venv", "--quiet", "--seed", "--python", sys.executable, folder], f"make {folder.name}")
        return
    try:
        import ensurepip  # noqa: F401  (some Linux distributions take it out of Python)
    except ImportError:
        raise Failure(
            "this Python has no ensurepip, so no virtual environment can be made. "
            "Install it (Debian, Ubuntu: apt install python3-venv) or install uv, then run the command again."
        ) from None
    must([sys.executable, "-m", "venv", folder], f"make {folder.name}")
