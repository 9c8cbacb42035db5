"""Where the features of a sound lie: in a file of a cache folder, or in memory. [layers, frames, width] float32.

A file is written layer by layer with plain writes and mapped only while rows are read, so the process holds none of
it. It is an ordinary .npy, complete or absent: written under another name, then renamed.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np

KEPT_FILES = 8
KEPT_BYTES = 8 * 10**9
_UNFINISHED_SECONDS = 24 * 3600.0


class InMemory:
    """Features in an array of this process."""

    def __init__(self, shape: tuple[int, int, int]):
        self.values = np.zeros(shape, np.float32)

    def __deepcopy__(self, memo) -> InMemory:
        return self  # hundreds of megabytes that nobody changes

    def put(self, layer: int, first: int, rows: np.ndarray) -> None:
        self.values[layer, first : first + len(rows)] = rows

    def gather(self, frames: np.ndarray) -> np.ndarray:
        """[layers, n, width] for n frame numbers."""
        return self.values[:, frames]


class InFile:
    """Features in a file, which stays open: a cache that is swept meanwhile does not take them away."""

    def __init__(self, path: Path):
        self.path = path
        self._handle = path.open("rb")
        self._finish = weakref.finalize(self, self._handle.close)
        np.lib.format.read_magic(self._handle)
        self.shape, _, self._dtype = np.lib.format.read_array_header_1_0(self._handle)
        self._offset = self._handle.tell()

    def __deepcopy__(self, memo) -> InFile:
        return self

    def close(self) -> None:
        self._finish()

    def is_whole(self, shape: tuple[int, int, int]) -> bool:
        wanted = self._offset + int(np.prod(shape)) * 4
        size = os.fstat(self._handle.fileno()).st_size
        return self.shape == shape and self._dtype == np.float32 and size == wanted

    def gather(self, frames: np.ndarray) -> np.ndarray:
        """[layers, n, width] for n frame numbers."""
        mapped = np.memmap(self._handle, self._dtype, "r", self._offset, self.shape)
        return np.array(mapped[:, frames])


def find(folder: Path, digest: str, shape: tuple[int, int, int]) -> InFile | None:
    """The features if they are there and whole; a damaged file is taken away."""
    path = folder / f"{digest}.npy"
    if not path.is_file():
        return None
    try:
        found = InFile(path)
    except (OSError, ValueError):
        found = None
    if found is not None and found.is_whole(shape):
        with contextlib.suppress(OSError):  # the time of the last use, for `sweep`
            os.utime(path)
        return found
    if found is not None:
        found.close()
    with contextlib.suppress(OSError):
        path.unlink()
    return None


class _Part:
    """A file that is being written."""

    def __init__(self, path: Path, shape: tuple[int, int, int]):
        self.path, self.shape = path, shape
        self.handle = path.open("wb")
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self.handle, header)
        self.offset = self.handle.tell()

    def put(self, layer: int, first: int, rows: np.ndarray) -> None:
        _, frames, width = self.shape
        self.handle.seek(self.offset + (layer * frames + first) * width * 4)
        self.handle.write(np.ascontiguousarray(rows, "<f4").data)

    def publish(self, path: Path) -> None:
        self.handle.flush()
        os.fsync(self.handle.fileno())
        self.handle.close()
        try:
            os.replace(self.path, path)
        except PermissionError:  # Windows: another process has the same features open already
            if not path.is_file():
                raise


@contextlib.contextmanager
def writing(folder: Path, digest: str, shape: tuple[int, int, int]) -> Iterator[_Part]:
    """``put`` rows in any order; at the end the file appears as ``digest.npy``, after an error nothing does."""
    folder.mkdir(parents=True, exist_ok=True)
    part = _Part(folder / f".{digest}.{uuid.uuid4().hex[:8]}.part", shape)
    try:
        yield part
        part.publish(folder / f"{digest}.npy")
    finally:
        part.handle.close()
        with contextlib.suppress(OSError):
            part.path.unlink(missing_ok=True)


def sweep(folder: Path, files: int = KEPT_FILES, size: int = KEPT_BYTES) -> None:
    """Keeps the files used last, at most ``files`` of them and ``size`` bytes, and always the newest."""
    found = []
    for path in folder.iterdir():
        with contextlib.suppress(OSError):  # gone meanwhile
            facts = path.stat()
            if path.suffix == ".npy":
                found.append((facts.st_mtime, facts.st_size, path))
            elif path.suffix == ".part" and time.time() - facts.st_mtime > _UNFINISHED_SECONDS:
                path.unlink()
    total = 0
    for rank, (_, length, path) in enumerate(sorted(found, key=lambda item: item[0], reverse=True)):
        total += length
        if rank and (rank >= files or total > size):
            with contextlib.suppress(OSError):  # Windows: in use
                path.unlink()
