"""Hashes of models: each file is read once, kept by path, size and time, and nobody waits longer than told."""

from __future__ import annotations

import hashlib
import os
import threading
import time

from genga.media.hashes import Hashes, ModelFile, sha256


def model(tmp_path, content=b"weights", name="a.safetensors"):
    path = tmp_path / name
    path.write_bytes(content)
    return ModelFile("checkpoints", name, path)


class Reader:
    """Counts what is read; may be held."""

    def __init__(self, held=None):
        self.paths, self.held = [], held

    def __call__(self, path):
        self.paths.append(path.name)
        if self.held is not None:
            self.held.wait(20)
        return sha256(path)


def test_a_file_is_hashed_once_in_all_processes(tmp_path):
    file, reader = model(tmp_path), Reader()
    first = Hashes(tmp_path / "store.json", reader)
    assert first.wait([file, file], 10)
    assert first.known(file) == hashlib.sha256(b"weights").hexdigest()
    again = Hashes(tmp_path / "store.json", reader)
    assert again.known(file) == first.known(file)
    assert reader.paths == ["a.safetensors"]


def test_a_changed_file_is_hashed_anew(tmp_path):
    file, reader = model(tmp_path), Reader()
    hashes = Hashes(tmp_path / "store.json", reader)
    hashes.wait([file], 10)
    file.path.write_bytes(b"others!")
    os.utime(file.path, ns=(1, 10**18))
    assert hashes.known(file) is None and hashes.wait([file], 10)
    assert hashes.known(file) == hashlib.sha256(b"others!").hexdigest()
    assert len(reader.paths) == 2


def test_nobody_waits_longer_than_told(tmp_path):
    held = threading.Event()
    hashes = Hashes(tmp_path / "store.json", Reader(held))
    file = model(tmp_path)
    begun = time.monotonic()
    assert hashes.known(file) is None and not hashes.wait([file], 0.1)
    assert time.monotonic() - begun < 2
    held.set()
    assert hashes.wait([file], 10) and hashes.known(file)


def test_a_file_that_is_gone_or_changes_meanwhile_has_no_hash(tmp_path):
    gone = ModelFile("checkpoints", "b", tmp_path / "b")
    file = model(tmp_path)

    def changing(path):
        path.write_bytes(b"longer than before")
        return "0" * 64

    hashes = Hashes(tmp_path / "store.json", changing)
    assert hashes.wait([gone, file], 10)
    assert hashes.known(gone) is None and not (tmp_path / "store.json").read_text().count("0" * 64)


def test_a_spoiled_store_is_made_anew(tmp_path):
    (tmp_path / "store.json").write_text("[1")
    hashes = Hashes(tmp_path / "store.json", Reader())
    assert hashes.wait([model(tmp_path)], 10)
    assert (
        "weights" not in (tmp_path / "store.json").read_text()
        and "a.safetensors" in (tmp_path / "store.json").read_text()
    )
