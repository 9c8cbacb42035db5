"""The video so far: pieces joined for looking at, and nothing that goes wrong with it stops a run."""

from __future__ import annotations

import av
import pytest
import torch
from genga.media.growing import GrowingVideo, recent
from genga.media.segments import SegmentWriter


def piece(path, frames):
    with SegmentWriter(path, 25) as writer:
        writer.write(torch.rand(frames, 32, 48, 3))
    return path


def frames_in(path):
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.fixture
def pieces(tmp_path):
    return {index: piece(tmp_path / f"piece{index}.mp4", frames) for index, frames in enumerate((9, 5, 4))}


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "temp"
    folder.mkdir()
    return folder


def test_it_grows_and_only_the_latest_file_stays(pieces, out):
    told = []
    video = GrowingVideo(out, 25, lambda path, first, last: told.append((frames_in(path), first, last)))
    video({})
    video({0: pieces[0]})
    video({0: pieces[0], 1: pieces[1]})
    video(pieces)
    assert told == [(9, 0, 0), (14, 0, 1), (18, 0, 2)]
    assert len(list(out.iterdir())) == 1


def test_pieces_made_backward_are_shown_in_the_order_of_time(pieces, out):
    told = []
    GrowingVideo(out, 25, lambda *what: told.append(what[1:]))({2: pieces[2], 1: pieces[1]})
    assert told == [(1, 2)]


def test_of_very_much_the_part_made_last_is_shown(pieces):
    sizes = {index: path.stat().st_size for index, path in pieces.items()}
    assert recent(pieces, sizes[1] + sizes[2]) == [1, 2]
    assert recent(dict(reversed(pieces.items())), sizes[0] + sizes[1]) == [0, 1]
    assert recent(pieces, 0) == [2]


def test_what_cannot_be_joined_is_only_not_shown(pieces, out):
    told = []
    video = GrowingVideo(out, 25, lambda *what: told.append(what))
    (out.parent / "broken.mp4").write_bytes(b"no video")
    video({0: out.parent / "broken.mp4"})
    video({0: out.parent / "gone.mp4"})
    assert told == []
    video({0: pieces[0]})
    assert len(told) == 1 and len(list(out.iterdir())) == 1
