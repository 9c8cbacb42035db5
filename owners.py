"""Which process a file in a shared folder belongs to, and whether that process still runs. Needs no host.

A name of ours ends in ``.<machine>.<process id>.<token>``. The token tells this process from an earlier one with
the same number, which a container gives out at every start.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import time
import uuid
import weakref
from pathlib import Path

_MACHINE = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
_TOKEN = uuid.uuid4().hex[:8]
_RUNNING = "running"
_DAY = 86400.0
_SLACK = 2.0  # seconds: some file systems keep times no finer


class Owner:
    """One user of a shared folder: while it is in, a file there says so, and since when."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.mark = self.place(_RUNNING)
        self._leave = lambda: None

    def place(self, stem: str) -> Path:
        """A new path in the folder that bears this process's name."""
        return self.folder / f"{stem}-{uuid.uuid4().hex[:8]}.{_MACHINE}.{os.getpid()}.{_TOKEN}"

    def enter(self) -> None:
        if not self.mark.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self.mark.touch()
            self._leave = weakref.finalize(self, _unlink, self.mark)

    def leave(self) -> None:
        self._leave()


def since(folder: Path, but: Owner) -> float:
    """When the first of the others that still run came in, in seconds of the epoch; infinity without any."""
    times = [float("inf")]
    for mark in folder.glob(f"{_RUNNING}-*"):
        if mark.name != but.mark.name:
            with contextlib.suppress(OSError):
                times.append(mark.stat().st_mtime)
    return min(times)


def clear(folder: Path) -> None:
    """Removes what belongs to processes that ended, and what is older than a day and no running process's mark."""
    for path in folder.iterdir() if folder.is_dir() else ():
        try:
            made = path.stat().st_mtime
        except OSError:
            continue  # another process has just taken it away
        alive = runs(path.name, made)
        mark = path.name.startswith(_RUNNING)
        if alive is False or (time.time() - made > _DAY and not (alive and mark)):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else _unlink(path)


def runs(name: str, made: float) -> bool | None:
    """Whether the process that ``name`` names still runs; None where that cannot be known (another machine).

    ``made``: when its file was written; a process that began later has only inherited the number.
    """
    machine, process, token = (["", "", "", *name.split(".")])[-3:]
    if machine != _MACHINE or not process.isdigit():
        return None
    if int(process) == os.getpid():
        return token == _TOKEN
    try:
        import psutil  # the host brings it
    except ImportError:
        return None
    try:
        other = psutil.Process(int(process))
        return other.status() != psutil.STATUS_ZOMBIE and other.create_time() <= made + _SLACK
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return None


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
