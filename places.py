"""Where the pack keeps what is its own: a folder of ours inside the host's user folder."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import InputError

LONGEST_NAME = 64  # characters
_LONGEST_FILE_NAME = 200  # bytes; file systems end at 255, and an ending is added
_FORBIDDEN = frozenset('/\\:*?"<>|')
# Devices of Windows: no file can have these names there, whatever ending follows.
_PORTS = (f"{name}{number}" for name in ("com", "lpt") for number in "123456789¹²³")
RESERVED = {"con", "prn", "aux", "nul", "conin$", "conout$", *_PORTS}


def private(name: str) -> Path:
    """``<user folder>/genga/<name>``, made if it is missing. The host clears its temp folder at every start; this stays."""
    import folder_paths  # here, so that importing the pack costs nothing

    folder = Path(folder_paths.get_user_directory()) / "genga" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def temp() -> Path:
    """The host's folder for what may be gone tomorrow, made if it is missing; the page can read it."""
    import folder_paths

    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def file_name(name: str, input_name: str, what: str) -> str:
    """``name`` if it is one plain file name on every system; else InputError. what: what bears it, "a set"."""
    plain = isinstance(name, str) and name == name.strip(" .") and 0 < len(name) <= LONGEST_NAME
    short = plain and len(name.encode("utf-8", "replace")) <= _LONGEST_FILE_NAME
    if not short or not name.isprintable() or _FORBIDDEN & set(name) or name.split(".")[0].lower() in RESERVED:
        problem = f"{str(name)[:80]!r} cannot be the name of {what}"
        remedy = f"Use up to {LONGEST_NAME} letters, digits, spaces, - and _; not {' '.join(sorted(_FORBIDDEN))}."
        raise InputError(input_name, problem, remedy)
    return name


def write(path: Path, text: str) -> None:
    """The whole file or nothing: a reader never sees half of it."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
