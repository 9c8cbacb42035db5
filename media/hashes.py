"""SHA-256 of the model files a prompt uses: each file is read once, by a thread of its own, and remembered.

A 14 GB file takes seconds to a minute. So hashing runs beside encoding, whoever saves waits a short while at most, and
what is not known by then is null in the file; the JSON beside it is completed when the thread is done. A file counts
as the same while path, size and time of change are.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .. import places

PATIENCE = 5.0  # seconds a save waits for hashes, once for each model
_ENDINGS = (".safetensors", ".sft", ".gguf", ".ckpt", ".pt", ".pth", ".bin")
_NUMBERED = "*-of-*.safetensors"
_LONGEST_NAME = 200
_READ = 1 << 23
_KEPT = 1000
# Folders of the host that hold no weights, or the same ones under an old name.
_OTHER_FOLDERS = ("custom_nodes", "configs", "unet", "clip")


@dataclass(frozen=True)
class ModelFile:
    """A file as a node names it: ``name`` below the models folder ``folder``."""

    folder: str
    name: str
    path: Path

    def key(self) -> str:
        """What the file is known by; OSError where it is gone."""
        state = self.path.stat()
        return f"{self.path.resolve()}|{state.st_size}|{state.st_mtime_ns}"


class Hashes:
    """The known hashes, kept in ``store`` (JSON), and the thread that finds more."""

    def __init__(self, store: Path, read: Callable[[Path], str] | None = None):
        self.store, self.read = store, read or sha256
        # By key; None where the file could not be read, or was changed meanwhile.
        self._known: dict[str, str | None] = dict(_load(store))
        self._asked: set[str] = set()
        self._wanted: queue.SimpleQueue[tuple[str, ModelFile]] = queue.SimpleQueue()
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None

    def known(self, file: ModelFile) -> str | None:
        """The hash, if it was found before; else it is asked for, and None until it is there."""
        return self._known.get(self._ask(file))

    def wait(self, files: Iterable[ModelFile], seconds: float) -> bool:
        """Asks for all; True as soon as the thread is done with them, False after ``seconds``."""
        keys = {self._ask(file) for file in files}
        with self._news:
            return self._news.wait_for(lambda: keys <= self._known.keys(), seconds)

    def _ask(self, file: ModelFile) -> str:
        try:
            key = file.key()
        except OSError:
            key = f"{file.path}|gone"
        with self._news:
            if key not in self._known and key not in self._asked:
                self._asked.add(key)
                self._wanted.put((key, file))
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="genga-hashes", daemon=True)
                    self._thread.start()
        return key

    def _work(self) -> None:
        while True:
            key, file = self._wanted.get()
            found = None
            with contextlib.suppress(OSError):
                found = self.read(file.path)
                found = found if file.key() == key else None
            with self._news:
                self._known[key] = found
                _save(self.store, {known: value for known, value in self._known.items() if value})
                self._news.notify_all()


def sha256(path: Path) -> str:
    """The digest in lower case; the lock of the interpreter is free meanwhile."""
    digest, block = hashlib.sha256(), bytearray(_READ)
    with path.open("rb", buffering=0) as file:
        while length := file.readinto(block):
            digest.update(memoryview(block)[:length])
    return digest.hexdigest()


_shared: Hashes | None = None


def shared() -> Hashes:
    """The one of this process, with its store in the user's folder."""
    global _shared
    if _shared is None:
        _shared = Hashes(places.private("hashes") / "sha256.json")
    return _shared


def files_of(prompt: dict | None, node_ids: Iterable[str]) -> list[ModelFile]:
    """The model files that these nodes of an API prompt name, each once, in the order of the nodes."""
    import folder_paths

    folders = [name for name in folder_paths.folder_names_and_paths if name not in _OTHER_FOLDERS]
    found: dict[Path, ModelFile] = {}
    for node_id in node_ids:
        for name in (prompt or {})[node_id].get("inputs", {}).values():
            if isinstance(name, str) and name.lower().endswith(_ENDINGS):
                paths = [(folder, folder_paths.get_full_path(folder, name)) for folder in folders]
                files = [ModelFile(folder, name, Path(path)) for folder, path in paths if path is not None]
            else:
                files = _shards(name)
            for file in files:
                found.setdefault(file.path, file)
    return list(found.values())


def _shards(name) -> list[ModelFile]:
    """The numbered files, where ``name`` is a folder of them below diffusion_models."""
    import folder_paths

    if not isinstance(name, str) or len(name) > _LONGEST_NAME or ".." in name or not name.strip("./\\ "):
        return []
    roots = [Path(root) / name for root in folder_paths.get_folder_paths("diffusion_models")]
    folders = [folder for folder in roots if "\0" not in name and folder.is_dir()]
    parts = [part for folder in folders for part in sorted(folder.glob(_NUMBERED))]
    return [ModelFile("diffusion_models", f"{name}/{part.name}", part) for part in parts]


def described(files: Iterable[ModelFile], hashes: Hashes) -> list[dict]:
    """What metadata says of them: sha256 is null while it is not known."""
    told = []
    for file in files:
        size = file.path.stat().st_size if file.path.exists() else None
        told.append({"folder": file.folder, "name": file.name, "bytes": size, "sha256": hashes.known(file)})
    return told


def _load(store: Path) -> dict[str, str]:
    try:
        content = json.loads(store.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {}


def _save(store: Path, known: dict[str, str]) -> None:
    """The latest of them; a store that cannot be written costs hashing again, no more."""
    part = store.with_name(f"{store.name}.{os.getpid()}.part")
    with contextlib.suppress(OSError):
        store.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(dict(list(known.items())[-_KEPT:]), indent=1), encoding="utf-8")
        os.replace(part, store)
