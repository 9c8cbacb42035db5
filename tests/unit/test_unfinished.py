"""What killed runs leave where videos are saved, and who clears it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import datetime

import pytest
from genga import owners
from genga.media import naming, unfinished

pytest.importorskip("psutil")
NOW = datetime(2026, 8, 1, 12, 0, 0)


@pytest.fixture
def notes(tmp_path):
    return tmp_path / "notes"


@pytest.fixture
def output(tmp_path):
    folder = tmp_path / "output"
    folder.mkdir()
    return folder


def take(output, notes):
    return naming.claim(output, "a", "mp4", NOW, lambda path: unfinished.note(notes, path))


def left(*folders):
    return sorted(path.name for folder in folders for path in folder.iterdir())


@pytest.fixture(scope="session")
def gone():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def hand_over(notes, machine=owners._MACHINE, process=0, days=0.0):
    """All notes become another process's."""
    for number, note in enumerate(list(notes.iterdir())):
        given = note.rename(notes / f"saving-{number}.{machine}.{process}.00000000")
        then = time.time() - days * 86400
        os.utime(given, (then, then))


def test_a_killed_runs_name_and_parts_are_cleared(output, notes, gone):
    path = take(output, notes)
    for part in unfinished.parts(path):
        part.write_bytes(b"half")
    (output / "another.part.mp4").write_bytes(b"not ours")
    hand_over(notes, process=gone)
    unfinished.clear(notes)
    assert left(output) == ["another.part.mp4"] and left(notes) == []


def test_what_a_running_process_writes_stays(output, notes):
    path = take(output, notes)
    for part in unfinished.parts(path):
        part.write_bytes(b"half")
    unfinished.clear(notes)
    assert len(left(output)) == 3 and len(left(notes)) == 1
    hand_over(notes, process=os.getppid())
    then = time.time() + 60  # the parent's, written since it began
    os.utime(next(notes.iterdir()), (then, then))
    unfinished.clear(notes)
    assert len(left(output)) == 3 and len(left(notes)) == 1


@pytest.mark.parametrize("mine", [True, False])
def test_a_finished_video_stays_and_its_note_goes(output, notes, gone, mine):
    path = take(output, notes)
    path.write_bytes(b"video")
    if not mine:
        hand_over(notes, process=gone)
    unfinished.clear(notes)
    assert left(output) == [path.name] and left(notes) == []


def test_a_name_given_up_leaves_no_note(output, notes):
    take(output, notes).unlink()
    unfinished.clear(notes)
    assert left(output, notes) == []


@pytest.mark.parametrize(("days", "stays"), [(0.5, True), (2, False)])
def test_another_machines_notes_are_waited_for(output, notes, days, stays):
    path = take(output, notes)
    hand_over(notes, machine="00000000", days=days)
    unfinished.clear(notes)
    assert path.exists() == stays and len(left(notes)) == stays


def test_a_name_that_somebody_else_holds_now_is_let_be(output, notes, gone):
    path = take(output, notes)
    hand_over(notes, process=gone)
    unfinished.note(notes, path)
    unfinished.clear(notes)
    assert path.exists() and len(left(notes)) == 1


@pytest.mark.parametrize("text", ["", "{", "7", '"/"', '"a.mp4"', '"/a\\u0000b.mp4"'])
def test_a_damaged_note_is_dropped(output, notes, gone, text):
    take(output, notes)
    next(notes.iterdir()).write_text(text)
    hand_over(notes, process=gone)
    unfinished.clear(notes)
    assert left(notes) == []


def test_a_folder_that_cannot_be_written_is_no_error(output, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    take(output, blocked / "notes")
    unfinished.clear(blocked / "notes")
    assert len(left(output)) == 1
