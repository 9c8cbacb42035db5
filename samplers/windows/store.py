"""Finished windows on disk: each a folder under the key of all that its result depends on.

``<root>/<key>/`` holds a window's files, ``manifest.json`` (their sizes and sha256, and the facts) and ``used``, a
small file whose time is that of the last use. An entry is made in ``<root>/drafts``, written out to the disk, and
renamed when it is complete: a process killed at any moment leaves a whole entry or none. Needs no host.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch

from ... import owners

SEGMENT, STATE, MANIFEST, USED = "segment.mp4", "state.safetensors", "manifest.json", "used"
DAY = 86400.0
_DRAFTS = "drafts"
_FORMAT = 1
_KEY = re.compile(r"[0-9a-f]{16,128}")
_PIECE = 1 << 20
_PATIENCE = (0.05, 0.1, 0.2, 0.4, 0.8)  # seconds: Windows refuses to rename what a virus scanner is reading


class Corrupt(Exception):
    """An entry whose files are not what its manifest says."""


@dataclass(frozen=True)
class Entry:
    """A finished window. ``facts``: what ``Draft.commit`` was given."""

    key: str
    folder: Path
    facts: dict

    @property
    def segment(self) -> Path:
        return self.folder / SEGMENT

    def tensors(self) -> dict[str, torch.Tensor]:
        """The state kept beside the segment, exact, on the CPU; {} where none was kept."""
        path = self.folder / STATE
        return load_state(path) if path.exists() else {}


class Draft:
    """An entry in the making: write ``segment`` (and other files) into ``folder``, ``keep`` the state, ``commit``."""

    def __init__(self, store: Store, key: str, folder: Path):
        self.store, self.key, self.folder = store, key, folder
        self.committed = False

    @property
    def segment(self) -> Path:
        return self.folder / SEGMENT

    def keep(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Stores the state: tensors by name, whatever their device, bit for bit."""
        save_state(self.folder / STATE, tensors)

    def commit(self, facts: dict) -> Entry:
        """Seals the entry; ``facts``: anything JSON can hold.

        Another process may have made the same entry meanwhile. The first one stays, so that nobody's files change
        under him: go on from what is returned, not from what was written here.
        """
        files = {path.name: _facts_of(path) for path in sorted(self.folder.iterdir()) if path.is_file()}
        (self.folder / USED).touch()
        manifest = {"format": _FORMAT, "key": self.key, "files": files, "facts": facts}
        _write_out(self.folder / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1).encode())
        _flush_folder(self.folder)
        entry = self.store._publish(self, json.loads(json.dumps(facts)))
        self.committed = True
        return entry


class Store:
    """Entries under ``root``, at most ``max_bytes`` and ``max_days`` old after a ``sweep``; None is without limit.

    ``notes`` collects, in plain words, what a person should know: entries that were damaged and are gone. Several
    processes may share one root; ``close`` (or the end of the process) tells the others that this one is done.
    """

    def __init__(self, root: Path, max_bytes: int | None = None, max_days: float | None = None):
        self.root = Path(root)
        self.max_bytes, self.max_days = max_bytes, max_days
        self.notes: list[str] = []
        self._owner = owners.Owner(self.root / _DRAFTS)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_error) -> None:
        self.close()

    def close(self) -> None:
        """What this store took and made is no longer spared from the sweeps of other processes."""
        self._owner.leave()

    def take(self, key: str) -> Entry | None:
        """The entry under ``key``, every byte checked, or None. One that is damaged is removed and noted."""
        folder = self._folder(key)
        self._owner.enter()
        try:
            facts = _verified(folder, key)
        except FileNotFoundError:
            return None  # never made, or swept by another process a moment ago
        except Corrupt as damage:
            self._note(f"A stored window was damaged ({damage}); it is made anew.")
            self._remove(folder)
            return None
        except OSError as error:
            self._note(f"A stored window cannot be read ({error}); it is made anew.")
            return None
        _touch(folder)
        return Entry(key, folder, facts)

    @contextlib.contextmanager
    def draft(self, key: str) -> Iterator[Draft]:
        """A folder to write a new entry in; without a ``commit`` nothing of it stays."""
        self._folder(key)
        self._owner.enter()
        draft = Draft(self, key, self._owner.place(key[:16]))
        draft.folder.mkdir(parents=True)
        try:
            yield draft
        finally:
            if not draft.committed:
                shutil.rmtree(draft.folder, ignore_errors=True)

    def drop(self, key: str) -> None:
        """Forgets one entry, so that it is made anew."""
        folder = self._folder(key)
        if folder.exists():
            self._remove(folder)

    def used(self) -> int:
        """Bytes on disk, drafts included."""
        return _size(self.root)

    def sweep(self, keep: Collection[str] = ()) -> int:
        """Enforces the limits, longest unused first, and clears what killed processes left; returns bytes freed.

        Spared are the keys in ``keep`` and what other running processes have used since they began.
        """
        before = self.used()
        owners.clear(self.root / _DRAFTS)
        busy = owners.since(self.root / _DRAFTS, self._owner)
        entries = sorted(self._entries(), key=lambda entry: entry[1])
        total = sum(size for _, _, size in entries)
        now = time.time()
        for folder, last, size in entries:
            if folder.name in keep or last >= busy:
                continue
            old = self.max_days is not None and now - last > self.max_days * DAY
            full = self.max_bytes is not None and total > self.max_bytes
            if old or full or not (folder / MANIFEST).exists():
                self._remove(folder)
                total -= size
        return before - self.used()

    def _entries(self) -> Iterator[tuple[Path, float, int]]:
        """Folder, time of the last use, and bytes of every entry."""
        for folder in self.root.iterdir() if self.root.is_dir() else ():
            if _KEY.fullmatch(folder.name):
                with contextlib.suppress(OSError):
                    mark = folder / USED
                    last = (mark if mark.exists() else folder).stat().st_mtime
                    yield folder, last, _size(folder)

    def _folder(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key: give 16 to 128 hexadecimal digits")
        return self.root / key

    def _publish(self, draft: Draft, facts: dict) -> Entry:
        """Renames a sealed draft to its place, unless a good entry is there already.

        A place that cannot be cleared (Windows, while somebody reads in it) is no reason to lose the work.
        """
        folder = self._folder(draft.key)
        problem = None
        for _ in range(3):
            if folder.exists():
                entry = self.take(draft.key)
                if entry is not None:
                    shutil.rmtree(draft.folder, ignore_errors=True)
                    return entry
                self._remove(folder)
            try:
                _rename(draft.folder, folder)
            except OSError as error:  # another process was quicker by a moment, perhaps
                problem = error
            else:
                _flush_folder(self.root)
                return Entry(draft.key, folder, facts)
        self._note(f"A finished window could not be put in its place ({problem}): it serves this run only.")
        return Entry(draft.key, draft.folder, facts)

    def _remove(self, folder: Path) -> None:
        """Out of the way first, in one step, then deleted; what Windows still holds open goes at a later sweep."""
        grave = self._owner.place("removed")
        try:
            grave.parent.mkdir(parents=True, exist_ok=True)
            os.replace(folder, grave)
        except OSError:
            grave = folder
            with contextlib.suppress(OSError):
                (folder / MANIFEST).unlink()
        shutil.rmtree(grave, ignore_errors=True)

    def _note(self, text: str) -> None:
        logging.warning("Genga: %s", text)
        self.notes.append(text)


def save_state(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Tensors by name as safetensors, exact; shared or strided memory is written out in full."""
    safetensors.torch.save_file({name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
                                 for name, tensor in tensors.items()}, path)  # fmt: skip


def load_state(path: Path) -> dict[str, torch.Tensor]:
    """What ``save_state`` wrote. Read, not mapped: Windows cannot delete a file that is mapped."""
    return safetensors.torch.load(path.read_bytes())


def _facts_of(path: Path) -> dict:
    """Size and sha256 of a file, after it is on the disk."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
    return {"size": path.stat().st_size, "sha256": _sha256(path)}


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _verified(folder: Path, key: str) -> dict:
    """The facts of an entry. FileNotFoundError where there is no such entry, Corrupt where it is not whole."""
    folder.stat()
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        files, facts = dict(manifest["files"]), manifest["facts"]
        if (manifest["format"], manifest["key"]) != (_FORMAT, key):
            raise Corrupt("its manifest is of another window")
        for name, wanted in files.items():
            _check_file(folder / name, wanted["size"], wanted["sha256"])
    except FileNotFoundError as error:
        folder.stat()  # gone altogether is not damage
        raise Corrupt(f"{Path(error.filename or MANIFEST).name} is missing") from error
    except (ValueError, TypeError, KeyError) as error:
        raise Corrupt("its manifest cannot be read") from error
    return facts


def _check_file(path: Path, size: int, sha256: str) -> None:
    found = path.stat().st_size
    if found != size:
        raise Corrupt(f"{path.name} has {found} bytes and not {size}")
    if _sha256(path) != sha256:
        raise Corrupt(f"{path.name} has changed")


def _touch(folder: Path) -> None:
    with contextlib.suppress(OSError):
        (folder / USED).touch()


def _size(folder: Path) -> int:
    """Bytes of all files below; files that vanish meanwhile do not count."""
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(base, name)).st_size
    return total


def _write_out(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Names, too, must reach the disk; Windows cannot open a folder, and does it by itself."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _rename(source: Path, target: Path) -> None:
    for pause in _PATIENCE:
        try:
            return os.replace(source, target)
        except PermissionError:
            time.sleep(pause)
    return os.replace(source, target)
