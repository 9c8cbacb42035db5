"""The store of finished windows: whole entries or none, whatever happens."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from genga import owners
from genga.samplers.windows import store
from genga.samplers.windows.store import MANIFEST, SEGMENT, STATE, USED, Store

KEYS = [f"{number:064x}" for number in range(16)]
BOOT = Path(__file__).resolve().parents[1] / "tools" / "pack.py"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


def make(target, key, size=1000, **facts):
    with target.draft(key) as draft:
        draft.segment.write_bytes(bytes([int(key, 16) % 251]) * size)
        draft.keep({"tail": torch.full((2, 3), float(int(key, 16)))})
        return draft.commit({"frames": 8, **facts})


def age(root, key, days):
    then = time.time() - days * store.DAY
    os.utime(root / key / USED, (then, then))


def kept(root):
    return {path.name for path in root.iterdir()} - {"drafts"}


def drafts(root):
    """What lies in the drafts' folder, but the marks of stores in use."""
    folder = root / "drafts"
    return [path for path in folder.iterdir() if not path.name.startswith("running")] if folder.exists() else []


def test_what_was_put_in_comes_out(root):
    state = {
        "tail": torch.rand(9, 4, 4, 3), "z": torch.randn(1, 16, 3, 2, 2).to(torch.bfloat16),
        "turned": torch.rand(3, 4).t(), "half": torch.rand(10)[::2], "none": torch.empty(0, 3), "one": torch.tensor(1 / 3),
    }  # fmt: skip
    state["shared"] = state["tail"][1:]
    with Store(root) as target:
        with target.draft(KEYS[1]) as draft:
            draft.segment.write_bytes(b"video")
            draft.keep(state)
            draft.commit({"first": -9, "notes": ["Größe 日本"], "fps": [25, 1]})
        entry = target.take(KEYS[1])
    assert entry.segment.read_bytes() == b"video"
    assert entry.facts == {"first": -9, "notes": ["Größe 日本"], "fps": [25, 1]}
    back = entry.tensors()
    assert set(back) == set(state)
    assert all(torch.equal(back[name], state[name]) and back[name].dtype == state[name].dtype for name in state)
    assert target.notes == [] and drafts(root) == []


def test_an_entry_without_state_has_no_tensors(root):
    target = Store(root)
    with target.draft(KEYS[0]) as draft:
        draft.segment.write_bytes(b"v")
        entry = draft.commit({})
    assert entry.tensors() == {}


def test_loaded_state_does_not_hold_its_file(root):
    """Windows could not delete a mapped file, and a swept one would crash the process."""
    entry = make(Store(root), KEYS[2])
    state = entry.tensors()
    with (entry.folder / STATE).open("r+b") as file:
        file.truncate(0)
    assert state["tail"].tolist() == [[2.0] * 3] * 2


def test_nothing_there(root):
    target = Store(root)
    assert target.take(KEYS[0]) is None and target.notes == []
    assert target.used() == 0 and target.sweep() == 0


@pytest.mark.parametrize("key", ["", "abc", "../" + "a" * 20, "A" * 32, "a" * 200, "x" * 32])
def test_keys_are_hexadecimal(root, key):
    with pytest.raises(ValueError, match="no key"):
        Store(root).take(key)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, None])
def test_without_a_commit_nothing_stays(root, error):
    target = Store(root)
    try:
        with target.draft(KEYS[0]) as draft:
            draft.segment.write_bytes(b"half")
            if error:
                raise error
    except (ValueError, KeyboardInterrupt):
        pass
    assert drafts(root) == [] and kept(root) == set()


def test_facts_that_json_cannot_hold_leave_nothing(root):
    target = Store(root)
    with pytest.raises(TypeError), target.draft(KEYS[0]) as draft:
        draft.commit({"tensor": torch.ones(1)})
    assert drafts(root) == [] and target.take(KEYS[0]) is None


def truncate(path):
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE = [
    *((act, name) for act in (truncate, flip, Path.unlink, lambda path: path.write_bytes(b"")) for name in (SEGMENT, STATE)),
    (truncate, MANIFEST), (Path.unlink, MANIFEST), (lambda path: path.write_bytes(b"[]"), MANIFEST),
    (lambda path: path.write_bytes(b"\xff\x00"), MANIFEST),
    (lambda path: path.write_text(path.read_text().replace(KEYS[3], KEYS[4])), MANIFEST),
]  # fmt: skip


@pytest.mark.parametrize(("act", "name"), DAMAGE)
def test_a_damaged_entry_is_removed_and_noted(root, act, name):
    target = Store(root)
    act(make(target, KEYS[3]).folder / name)
    assert target.take(KEYS[3]) is None
    assert len(target.notes) == 1 and "damaged" in target.notes[0]
    assert kept(root) == set() and drafts(root) == []
    assert make(target, KEYS[3]).facts == {"frames": 8}
    assert target.take(KEYS[3]) is not None and len(target.notes) == 1


def test_a_damaged_entry_can_be_made_anew_without_being_taken_first(root):
    target = Store(root)
    truncate(make(target, KEYS[3]).segment)
    entry = make(target, KEYS[3], size=7)
    assert entry.segment.stat().st_size == 7 and target.take(KEYS[3]) is not None


def test_the_first_of_two_equal_entries_stays(root):
    """Another process may be reading it."""
    one, two = Store(root), Store(root)
    with one.draft(KEYS[0]) as mine, two.draft(KEYS[0]) as other:
        mine.segment.write_bytes(b"mine")
        other.segment.write_bytes(b"other")
        assert other.commit({"by": 2}).facts == {"by": 2}
        entry = mine.commit({"by": 1})
    assert entry.facts == {"by": 2} and entry.segment.read_bytes() == b"other"
    assert drafts(root) == []


def test_a_forgotten_entry_is_gone(root):
    target = Store(root)
    make(target, KEYS[0])
    target.drop(KEYS[0])
    target.drop(KEYS[1])
    assert target.take(KEYS[0]) is None and target.notes == [] and kept(root) == set()


def test_the_longest_unused_goes_first(root):
    target = Store(root, max_bytes=0)
    sizes = {key: sum(p.stat().st_size for p in make(target, key).folder.iterdir()) for key in KEYS[:5]}
    for days, key in enumerate(KEYS[:5], start=1):
        age(root, key, days)
    target.max_bytes = sum(sizes.values()) - 1
    assert target.sweep() == sizes[KEYS[4]]
    assert target.take(KEYS[3]) is not None  # now the last used
    target.max_bytes = sizes[KEYS[0]] * 2
    target.sweep()
    assert kept(root) == {KEYS[0], KEYS[3]}
    assert target.used() == sum(sizes[key] for key in kept(root))


def test_what_is_kept_stays_whatever_the_limits(root):
    target = Store(root, max_bytes=0, max_days=0.5)
    for key in KEYS[:4]:
        make(target, key)
        age(root, key, 3)
    target.sweep({KEYS[0], KEYS[2]})
    assert kept(root) == {KEYS[0], KEYS[2]}
    target.sweep()
    assert kept(root) == set()


def test_old_entries_go_and_without_limits_none_goes(root):
    target = Store(root)
    for days, key in enumerate(KEYS[:5], start=1):
        make(target, key)
        age(root, key, days)
    assert target.sweep() == 0
    target.max_days = 3.5
    target.sweep()
    assert kept(root) == set(KEYS[:3])


def test_what_is_not_ours_stays(root):
    target = Store(root, max_bytes=0, max_days=0)
    make(target, KEYS[0])
    (root / "my notes").mkdir()
    (root / "my notes" / "a.txt").write_text("x")
    (root / KEYS[1]).mkdir()  # what is left of an entry that Windows would not let go
    (root / KEYS[1] / SEGMENT).write_bytes(b"x")
    target.sweep()
    assert kept(root) == {"my notes"}


def test_what_a_running_process_uses_is_spared(root):
    mine = Store(root, max_bytes=0)
    make(mine, KEYS[0])
    age(root, KEYS[0], 1)
    other = Store(root)
    make(other, KEYS[1])
    assert other.take(KEYS[2]) is None
    mine.sweep()
    assert kept(root) == {KEYS[1]}
    other.close()
    mine.sweep()
    assert kept(root) == set()


def test_a_store_that_is_dropped_is_closed(root):
    other = Store(root)
    make(other, KEYS[1])
    del other
    Store(root, max_bytes=0).sweep()
    assert kept(root) == set()


@pytest.mark.parametrize(
    ("name", "days", "stays"),
    [
        ("{machine}.{me}.{token}", 0, True),
        ("{machine}.{me}.{token}", 2, False),
        ("{machine}.{me}.00000000", 0, False),  # an earlier process of this number
        ("{machine}.{gone}.00000000", 0, False),
        ("{machine}.{parent}.00000000", 0, True),
        ("{machine}.{parent}.00000000", 900, False),  # the number was given out again
        ("ffffffff.{gone}.00000000", 0, True),  # another machine: only its age tells
        ("ffffffff.{gone}.00000000", 2, False),
        ("{machine}.{gone}.{token}", 0, False),  # forked from this process
        ("what is this", 0, True),
        ("what is this", 2, False),
    ],
)
def test_leftovers_are_cleared(root, name, days, stays):
    pytest.importorskip("psutil")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = {
        "machine": owners._MACHINE,
        "token": owners._TOKEN,
        "me": os.getpid(),
        "gone": gone.pid,
        "parent": os.getppid(),
    }
    left = root / "drafts" / ("0123-abc." + name.format(**names))
    left.mkdir(parents=True)
    (left / SEGMENT).write_bytes(b"x")
    then = time.time() - days * store.DAY
    os.utime(left, (then, then))
    Store(root).sweep()
    assert left.exists() == stays


def test_a_mark_of_a_long_run_stays(root):
    pytest.importorskip("psutil")
    other = Store(root)
    make(other, KEYS[0])
    then = time.time() - 3 * store.DAY
    os.utime(other._owner.mark, (then, then))
    Store(root, max_bytes=0).sweep()
    assert kept(root) == {KEYS[0]}


def test_files_that_cannot_be_moved_are_left_for_later(root, monkeypatch):
    """As Windows has it while a file is open: neither moved nor deleted."""
    target = Store(root, max_bytes=0)
    make(target, KEYS[0])

    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "in use")

    with monkeypatch.context() as patch:
        patch.setattr(store.os, "replace", refuse)
        patch.setattr(store.shutil, "rmtree", lambda path, ignore_errors: None if ignore_errors else refuse())
        assert target.sweep() > 0  # its manifest
        assert target.take(KEYS[0]) is None
    target.sweep()
    assert kept(root) == set()


def test_a_finished_window_is_not_lost_where_its_place_is_blocked(root, monkeypatch):
    target = Store(root)
    truncate(make(target, KEYS[0]).segment)

    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "in use")

    monkeypatch.setattr(store, "_PATIENCE", ())
    monkeypatch.setattr(store.os, "replace", refuse)
    entry = make(target, KEYS[0], size=77)
    assert entry.segment.stat().st_size == 77 and entry.facts == {"frames": 8} and "tail" in entry.tensors()
    assert "this run only" in target.notes[-1]


def test_a_scanner_that_holds_a_file_for_a_moment(root, monkeypatch):
    replace, refused = os.replace, []

    def busy(source, target):
        if len(refused) < 2:
            refused.append(source)
            raise PermissionError(13, "in use")
        return replace(source, target)

    monkeypatch.setattr(store.os, "replace", busy)
    monkeypatch.setattr(store, "_PATIENCE", (0.001,) * 3)
    target = Store(root)
    make(target, KEYS[0])
    assert len(refused) == 2 and target.take(KEYS[0]) is not None


def test_an_entry_that_vanishes_while_it_is_checked_is_no_damage(root, monkeypatch):
    target = Store(root)
    make(target, KEYS[0])
    check = store._check_file

    def swept(path, *wanted):
        for inner in list(path.parent.iterdir()):
            inner.unlink()
        path.parent.rmdir()
        check(path, *wanted)

    monkeypatch.setattr(store, "_check_file", swept)
    assert target.take(KEYS[0]) is None and target.notes == []


def test_an_unreadable_entry_is_noted_and_left(root, monkeypatch):
    target = Store(root)
    make(target, KEYS[0])

    def fails(*_):
        raise OSError(5, "input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(store, "_check_file", fails)
        assert target.take(KEYS[0]) is None
    assert "cannot be read" in target.notes[0] and target.take(KEYS[0]) is not None


WORKER = """
import sys
import importlib.util
spec = importlib.util.spec_from_file_location("boot", {boot!r})
boot = importlib.util.module_from_spec(spec)
spec.loader.exec_module(boot)
boot.load_package("genga", boot.pack_folder())
import torch
from pathlib import Path
from genga.samplers.windows.store import Store
store, keys = Store(Path({root!r}), max_bytes={limit!r}), {keys!r}
sys.stdout.write("ready\\n")
sys.stdout.flush()
for turn in range({turns!r}):
    for key in keys:
        if store.take(key) is None:
            with store.draft(key) as draft:
                draft.segment.write_bytes(bytes(range(256)) * 800)
                draft.keep({{"tail": torch.full((64, 64), 1.5)}})
                entry = draft.commit({{"key": key}})
            try:
                assert entry.tensors()["tail"][0, 0] == 1.5
            except (FileNotFoundError, KeyError):
                assert not entry.folder.exists() or turn  # the other has dropped it, and may have made it again
        if turn % 2:
            store.drop(key)
    store.sweep(set(keys[:2]))
sys.stdout.write("notes " + repr(store.notes) + "\\n")
"""


def worker(root, turns, limit=None):
    """Another process that makes, takes and drops entries in turns."""
    script = WORKER.format(boot=str(BOOT), root=str(root), keys=KEYS[:6], turns=turns, limit=limit)
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_killed_at_any_moment_every_entry_is_whole(root):
    pytest.importorskip("psutil")
    random.seed(5)
    for _ in range(3):
        process = worker(root, 10_000)
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        time.sleep(random.uniform(0.01, 0.4))
        process.kill()
        process.communicate()
        target = Store(root)
        for key in KEYS[:6]:
            entry = target.take(key)
            assert entry is None or json.loads((entry.folder / MANIFEST).read_bytes())["facts"] == {"key": key}
        assert target.notes == []
        target.sweep()
        assert drafts(root) == []
        target.close()


@pytest.mark.slow
def test_two_processes_on_one_store(root):
    """Each makes, drops and sweeps what the other uses; none fails, nothing is taken for damaged."""
    workers = [worker(root, 12, limit) for limit in (None, 500_000)]
    for process in workers:
        out, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
        assert out == "ready\nnotes []\n"
