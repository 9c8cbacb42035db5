"""The host's real page in Chromium: the shipped workflows open and convert, a saved video brings its workflow back."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import torch
from genga_tests.tools import shipped
from genga_tests.tools.convert import to_prompt

NAMES = shipped.NAMES
PLAYERS = {"audioUI"}  # the page sends the state of Load Audio's player along; no input of the node


@pytest.fixture(scope="module")
def workflows() -> dict:
    return {name: shipped.load(name) for name in NAMES}


@pytest.fixture(scope="module", params=["canvas", "vue"])
def page(request, chromium, server, workflows, tmp_path_factory):
    """What the page made of every workflow, and of a video dropped on it."""
    folder = tmp_path_factory.mktemp("page")
    job = {"workflows": workflows, "drop": str(video(folder, workflows["AniSora FFLF"])), "vue": request.param == "vue"}
    path = folder / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    command = [chromium.node, "drive.mjs", server.url, chromium.chromium, str(path)]
    done = subprocess.run(command, cwd=chromium.folder, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def video(folder: Path, workflow: dict) -> Path:
    """An MP4 as SaveVideo writes it, with the workflow inside."""
    from genga.media.video import VideoWriter

    path = folder / "video.mp4"
    tags = {"workflow": json.dumps(workflow), "prompt": json.dumps({})}
    with VideoWriter(path, 16, metadata=tags) as writer:
        writer.write(torch.rand(5, 48, 64, 3))
    return path


@pytest.mark.parametrize("name", NAMES)
def test_a_workflow_opens_and_converts_as_the_tests_convert_it(page, server, workflows, name):
    found = page["workflows"][name]
    assert found["unknown"] == []
    expected = to_prompt(workflows[name], server.get("/object_info"))
    assert {i: n["class_type"] for i, n in found["prompt"].items()} == {i: n["class_type"] for i, n in expected.items()}
    for identity, node in expected.items():
        mine = found["prompt"][identity]["inputs"]
        differing = {k: (mine.get(k), node["inputs"].get(k)) for k in (mine | node["inputs"]).keys() - PLAYERS}
        assert {k: v for k, v in differing.items() if v[0] != v[1]} == {}, node["class_type"]


def test_the_timeline_value_is_hidden_and_kept(page, workflows):
    for name in NAMES:
        found = page["workflows"][name]
        for identity, node in found["prompt"].items():
            if node["class_type"] in ("GengaWanFFLF", "GengaArbitraryKeyframes"):
                assert found["widgets"][identity]["timeline"] is True
                assert json.loads(node["inputs"]["timeline"]) == {"version": 1, "keyframes": []}


def test_a_video_dropped_on_the_page_opens_its_workflow(page, workflows):
    expected = sorted(node["type"] for node in workflows["AniSora FFLF"]["nodes"])
    assert page["drop"]["types"] == expected
    assert page["drop"]["prompt"] == page["workflows"]["AniSora FFLF"]["prompt"]


def test_the_console_is_clean(page):
    assert page["errors"] == []
