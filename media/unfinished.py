"""What was killed while it was written leaves an empty file (or folder) that holds the name, and parts: whoever saves
next clears them.

A note in the pack's own folder says who holds which name. It is written before the name is taken, and dropped when
the video is there, so a kill at any moment leaves nothing that is not cleared. Only what a note names is touched: an
empty file of that name, and the parts beside it. Needs no host.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path

from .. import owners

_STEM = "saving"
_DAY = 86400.0


def parts(path: Path) -> tuple[Path, Path]:
    """Under which names the video ``path`` and the JSON beside it are written until they are whole."""
    return tuple(path.with_name(f"{path.stem}.part{suffix}") for suffix in (path.suffix, ".json"))


def note(folder: Path, path: Path) -> None:
    """Notes in ``folder`` that this process is about to write ``path``. A note that cannot be written is no error."""
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(str(path.absolute()))
        owners.Owner(folder).place(_STEM).write_text(text, encoding="utf-8")


def clear(folder: Path) -> None:
    """Clears what processes that ended left of the videos noted in ``folder``, and notes that are no longer needed.

    Of another machine's notes, which may share the folder, nothing is known: they are taken for dead after a day.
    """
    found = [(place, _read(place), _runs(place)) for place in folder.glob(f"{_STEM}-*")]
    busy = {path for _, path, alive in found if alive}
    for place, path, alive in found:
        if path is not None and not alive and path not in busy:
            _tidy(path)
        if path is None or not alive or not _held(path):
            _unlink(place)


def _runs(place: Path) -> bool:
    try:
        made = place.stat().st_mtime
    except OSError:
        return False  # another process has just taken it away
    alive = owners.runs(place.name, made)
    return time.time() - made < _DAY if alive is None else alive


def _read(place: Path) -> Path | None:
    """What a note names; None where it names no file."""
    try:
        path = Path(json.loads(place.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return path if path.is_absolute() and path.name and "\0" not in str(path) else None


def _held(path: Path) -> bool:
    """Whether a name is taken and its video not there yet."""
    with contextlib.suppress(OSError):
        return not any(path.iterdir()) if path.is_dir() else path.stat().st_size == 0
    return False


def _tidy(path: Path) -> None:
    for part in parts(path):
        _unlink(part)
    if _held(path):
        _unlink(path)


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
