"""Where a saved file goes: a name of its own in the output folder, held from the moment it is chosen."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

from .. import places
from ..errors import InputError
from . import unfinished

_REMEDY = "Give a name inside ComfyUI's output folder, like i2v/my_video."
# Windows refuses these in names, and "a:b" would write into a hidden stream of the file "a".
_DATE = re.compile(r"%date:([^%]*)%")
_DATE_PARTS = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "hh": "%H", "mm": "%M", "ss": "%S"}
_TOKEN = re.compile(r"%[^%/\\]+%")
# What the host itself fills in (folder_paths.get_save_image_path).
_HOST_TOKENS = {f"%{name}%" for name in ("width", "height", "year", "month", "day", "hour", "minute", "second")}
_FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f]')
_LONGEST = 200  # bytes of each part of the path; file systems end at 255, and date, number and ending are added


class Reserved(NamedTuple):
    """A name that is held by an empty file (or folder) until the real one takes its place."""

    path: Path
    subfolder: str
    filename: str

    def beside(self) -> Path:
        """The JSON of the same name."""
        return self.path.with_name(f"{self.filename if self.path.is_dir() else self.path.stem}.json")


def reserve(prefix: str, extension: str, size: tuple[int, int] = (0, 0)) -> Reserved:
    """Holds ``<prefix>_<YYYYMMDD>_<HHMMSS>.<extension>`` in the output folder; ``_2``, ``_3`` where taken. Without an
    extension a folder of that name holds it.

    ``size`` is (width, height), for the host's %width% and %height%. Raises InputError for a prefix that
    leads out of the output folder or cannot be written. Clears, on the way, what killed runs left of theirs.
    """
    import folder_paths  # here, so that all else in this module works without the host

    output = folder_paths.get_output_directory()
    clean = check_prefix(dated(prefix, datetime.now()))
    check_inside(Path(output), clean)
    notes = places.private("saving")
    unfinished.clear(notes)
    try:
        folder, stem, _, subfolder, _ = folder_paths.get_save_image_path(clean, output, *size)
        path = claim(Path(folder), stem, extension, datetime.now(), lambda path: unfinished.note(notes, path))
    except OSError as error:
        raise InputError("filename_prefix", f"{prefix!r} cannot be written ({error})", _REMEDY) from error
    return Reserved(path, subfolder, path.name)


def dated(prefix: str, now: datetime) -> str:
    """``%date:yyyy-MM-dd%`` filled in, as the page does for the host's own nodes; letters as there."""

    def fill(match: re.Match) -> str:
        return re.sub("yyyy|yy|MM|dd|hh|mm|ss", lambda part: now.strftime(_DATE_PARTS[part.group()]), match.group(1))

    return _DATE.sub(fill, prefix)


def check_prefix(prefix: str) -> str:
    """The prefix with forward slashes; raises InputError for one that is no relative path inside a folder."""
    clean = dated(prefix, datetime.now()).strip().replace("\\", "/")
    unknown = sorted(set(_TOKEN.findall(clean)) - _HOST_TOKENS)
    if unknown:
        known = ", ".join(sorted(_HOST_TOKENS))
        raise InputError("filename_prefix", f"{unknown[0]} is unknown", f"Use %date:yyyy-MM-dd%, {known}.")
    if not clean.strip("/. "):
        raise InputError("filename_prefix", f"{prefix!r} names no file", _REMEDY)
    windows = PureWindowsPath(clean)
    if windows.drive or windows.root:
        raise InputError("filename_prefix", f"{prefix!r} is an absolute path", _REMEDY)
    if ".." in windows.parts:
        raise InputError("filename_prefix", f"{prefix!r} leads upwards with '..'", _REMEDY)
    bad = _FORBIDDEN.search(clean)
    if bad:
        raise InputError(
            "filename_prefix",
            f"{prefix!r} holds {bad.group()!r}, which file names cannot have everywhere",
            "Leave it out.",
        )
    *folders, name = clean.split("/")
    for folder in folders:
        _check_part(prefix, folder, last=False)
    _check_part(prefix, name, last=True)
    return clean


def _check_part(prefix: str, part: str, last: bool) -> None:
    """One folder of a prefix, or its ``last`` part, to which date and time are added: what every system can store."""
    try:
        size = len(part.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise InputError("filename_prefix", f"{prefix!r} holds half a character", "Leave it out.") from error
    if size > _LONGEST:
        problem = f"{part[:20]!r}... takes {size} bytes, more than file names have room for"
        raise InputError("filename_prefix", problem, f"Shorten it to {_LONGEST}.")
    head, dot, _ = part.partition(".")
    if head.strip().lower() in places.RESERVED and (dot or not last):
        raise InputError("filename_prefix", f"{part!r} is the name of a device on Windows", "Choose another one.")
    if not last and part != "." and part.endswith((".", " ")):
        raise InputError(
            "filename_prefix", f"the folder {part!r} ends in a dot or a space", "Windows drops it: leave it out."
        )


def check_inside(output: Path, prefix: str) -> None:
    """Raises InputError where a link in the output folder leads the prefix out of it."""
    root = output.resolve()
    folder = (root / prefix).resolve().parent
    if folder != root and root not in folder.parents:
        raise InputError("filename_prefix", f"{prefix!r} leads out of the output folder, to {folder}", _REMEDY)


def claim(
    folder: Path, stem: str, extension: str, now: datetime, before: Callable[[Path], None] = lambda path: None
) -> Path:
    """Makes an empty file (without an extension: a folder) under the first free name: none of that stem exists.

    Created exclusively, so of two processes only one gets a name. ``before(path)`` is called just before.
    """
    stamped = f"{stem}_{now:%Y%m%d_%H%M%S}"
    number = 1
    while True:
        name = stamped if number == 1 else f"{stamped}_{number}"
        number += 1
        if any(name in (other.stem, other.name) for other in folder.iterdir()):
            continue
        path = folder / (f"{name}.{extension}" if extension else name)
        before(path)
        try:
            path.open("xb").close() if extension else path.mkdir()
        except FileExistsError:
            continue
        return path
