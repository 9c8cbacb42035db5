"""The page reads what the pack writes: the workflow in a GIF, JPG, MKV, PNG and the JSON beside, in Node."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from genga.media import formats, stills
from genga.media.gif import GifWriter, palette_of
from genga.media.video import VideoWriter

from .test_arithmetic import call, pytestmark  # noqa: F401 - Node is needed here, too

WORKFLOW = {"nodes": [{"id": 1, "text": "<a & b> 日本 " + "long " * 30_000}], "version": 0.4}
PROMPT = {"1": {"class_type": "A", "inputs": {"text": "日本"}}}
TAGS = {"prompt": json.dumps(PROMPT), "workflow": json.dumps(WORKFLOW), "genga": "{}"}
PIXELS = np.zeros((8, 8, 3), np.uint8)


def written(folder, name, tags=TAGS):
    path, frames = folder / name, torch.rand(3, 48, 64, 3)
    if name.endswith(".png"):
        stills.write_png(path, PIXELS, {**tags, "parameters": "a\nSteps: 8"})
    elif name.endswith(".jpg"):
        stills.write_jpg(path, PIXELS, {**tags, "parameters": "a\nSteps: 8"}, 90)
    elif name.endswith(".json"):
        path.write_text(json.dumps({"genga_version": "1", **{k: json.loads(v) for k, v in tags.items()}}))
    elif name.endswith(".gif"):
        comment = "{" + ",".join(f'"{name}": {text}' for name, text in tags.items()) + "}"
        with GifWriter(path, 16, palette_of([frames]), comment=comment if tags else "") as writer:
            writer.write(frames)
    else:
        form = next(form for form in formats.FORMATS.values() if form.extension == path.suffix[1:])
        with VideoWriter(path, 16, metadata=tags, form=form) as writer:
            writer.write(frames)
    return list(path.read_bytes())


KINDS = ("a.gif", "a.jpg", "a.mkv", "a.png", "a.json")


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """What the page finds in each kind of file: whole, without texts, and cut short in the middle."""
    folder, bare = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("bare")
    whole = {name: written(folder, name) for name in (*KINDS, "a.webm", "a.mp4")}
    empty = {name: written(bare, name, {}) for name in KINDS}
    cut = {name: whole[name][: min(len(whole[name]) // 2, 60_000)] for name in KINDS}
    files = [
        *whole.values(),
        *empty.values(),
        *cut.values(),
        [],
        [0x7B],
        list(b'{"nodes": []}'),
        [0x1A, 0x45, 0xDF, 0xA3],
    ]
    found = call("files/texts.js", *(("madeFrom", data) for data in files))
    names = [*whole, *(f"bare {name}" for name in empty), *(f"cut {name}" for name in cut), "", "{", "workflow", "ebml"]
    return dict(zip(names, found, strict=True))


@pytest.mark.parametrize("name", KINDS)
def test_the_workflow_is_found(read, name):
    assert read[name] == {"workflow": WORKFLOW, "prompt": PROMPT}


def test_what_the_host_reads_itself_or_says_nothing_is_left_to_it(read):
    others = {name: made for name, made in read.items() if name not in KINDS}
    assert len(others) == 16
    cut = {name: made for name, made in others.items() if name.startswith("cut")}  # a prompt may stand before the cut
    assert not [name for name, made in cut.items() if made and made["workflow"]]
    assert not [name for name, made in others.items() if made and name not in cut]


def test_names_that_may_be_ours():
    names = ["a.GIF", "b.jpeg", "c.mkv", "d.json", "e.png", "f.mp4", "g.webm", "h.txt", "png"]
    assert call("files/texts.js", *(("mayHold", name) for name in names)) == [True] * 5 + [False] * 4
