"""Files dropped on the real page open the workflow they hold; what holds none goes back to the host."""

from __future__ import annotations

import base64
import json
import subprocess

import numpy as np
import pytest
import torch
from genga.media import formats, stills
from genga.media.gif import GifWriter, palette_of
from genga.media.video import VideoWriter
from genga_tests.tools import shipped

TYPES = {
    ".gif": "image/gif", ".jpg": "image/jpeg", ".png": "image/png", ".mkv": "video/x-matroska", ".json": "application/json",
    ".mp4": "video/mp4", ".webm": "video/webm",
}  # fmt: skip
PICTURE = np.zeros((16, 16, 3), np.uint8)


def write(folder, ending, workflow) -> None:
    tags = {"workflow": json.dumps(workflow), "genga": "{}"}
    path, frames = folder / f"a{ending}", torch.rand(2, 48, 64, 3)
    if ending == ".png":
        stills.write_png(
            path, PICTURE, {**tags, "parameters": "a cat\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1"}
        )
    elif ending == ".jpg":
        stills.write_jpg(path, PICTURE, {**tags, "parameters": "a cat"}, 90)
    elif ending == ".json":
        path.write_text(json.dumps({"genga_version": "1", "prompt": None, "workflow": workflow}))
    elif ending == ".gif":
        with GifWriter(path, 16, palette_of([frames]), comment=f'{{"workflow": {tags["workflow"]}}}') as writer:
            writer.write(frames)
    else:
        form = next(form for form in formats.FORMATS.values() if form.extension == ending[1:])
        with VideoWriter(path, 16, metadata=tags, form=form) as writer:
            writer.write(frames)


@pytest.fixture(scope="module", params=["canvas", "vue"])
def page(request, chromium, server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for ending in TYPES:
        write(folder, ending, shipped.load("Standard I2V"))
    stills.write_jpg(folder / "plain.jpg", PICTURE, {}, 90)
    stills.write_jpg(folder / "open.jpg", PICTURE, {"workflow": json.dumps(shipped.load("Pony T2I"))}, 90)
    files = {
        path.name: {
            "type": TYPES[path.suffix], "bytes": base64.b64encode(path.read_bytes()).decode(),
            "open": path.stem == "open",
        }
        for path in sorted(folder.iterdir())
    }  # fmt: skip
    job = folder / "job.json"
    job.write_text(json.dumps({"vue": request.param == "vue", "files": files, "give": "a.jpg"}), encoding="utf-8")
    command = [chromium.node, "files.mjs", server.url, chromium.chromium, str(job)]
    done = subprocess.run(command, cwd=chromium.folder, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def kinds(name: str) -> list[str]:
    return sorted(node["type"] for node in shipped.load(name)["nodes"])


@pytest.mark.parametrize("ending", TYPES)
def test_a_dropped_file_opens_its_workflow(page, ending):
    """A PNG, too: the page of 0.3.75 alone would take its parameters and forget the workflow."""
    assert page["opened"][f"a{ending}"] == kinds("Standard I2V")


def test_a_file_chosen_with_open_does_as_well(page):
    assert page["opened"]["open.jpg"] == kinds("Pony T2I")


def test_a_picture_without_a_workflow_goes_back_to_the_host(page):
    """Newer hosts make a Load Image of it, older ones say that it holds no workflow."""
    newer = tuple(map(int, page["version"].split(".")[:2])) >= (1, 40)
    assert page["opened"]["plain.jpg"] == (["LoadImage"] if newer else [])


def test_a_file_dropped_on_read_settings_is_brought_to_the_host(page, server):
    given = page["given"]
    assert given["takes"] == [True, True]
    assert given["value"].startswith("genga/a") and given["saved"] == [given["value"]]
    assert (server.input / given["value"]).is_file()
