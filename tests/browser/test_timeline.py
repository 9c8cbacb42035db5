"""The keyframe timeline in the host's real page: pictures dropped, moved, weighed, run, and found again."""

from __future__ import annotations

import json
import subprocess

import pytest
from genga_tests.tools import shipped
from PIL import Image, ImageDraw

SIZE = (64, 48)


@pytest.fixture(scope="module", params=["canvas", "vue"])
def used(request, chromium, server, tiny, tmp_path_factory):
    """What happened when the timeline was used: the notes of timeline.mjs."""
    folder = tmp_path_factory.mktemp("timeline")
    job = {
        "template": "AniSora Keyframes",
        "stand_ins": shipped.stand_ins(tiny.files),
        "loads": [picture(server.input / f"wired{i}.png", i).name for i in range(5)],
        "pictures": [str(picture(folder / f"dropped {i}.png", i)) for i in range(3)],
        "vue": request.param == "vue",
    }
    path = folder / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    command = [chromium.node, "timeline.mjs", server.url, chromium.chromium, str(path)]
    done = subprocess.run(command, cwd=chromium.folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def picture(path, number):
    made = Image.new("RGB", SIZE, (60 * number, 120, 255 - 60 * number))
    ImageDraw.Draw(made).ellipse((8 * number, 10, 8 * number + 16, 30), fill="white")
    made.save(path)
    return path


def test_dropped_pictures_are_spread_over_the_video(used):
    assert used["dropped"] == [0, 40, 80]


def test_a_drag_moves_the_picture_and_not_the_node(used):
    assert used["dragged"] == [0, 56, 80]
    assert used["still"]


def test_keys_move_and_remove_and_the_host_undoes(used):
    assert used["stepped"] == [0, 48, 80]
    assert used["removed"] == [0, 80]
    assert used["undone"] == [0, 48, 80]
    assert used["redone"] == [0, 56, 80]


def test_the_value_refers_to_uploaded_files(used, server):
    keys = json.loads(used["value"])["keyframes"]
    assert [(key["frame"], key["strength"]) for key in keys] == [(0, 1), (56, 0.5), (80, 1)]
    for key in keys:
        assert (server.input / key["image"]["subfolder"] / key["image"]["name"]).is_file()
    assert len(used["value"]) < 1000, "files are references, never pixels"


def test_the_video_is_made_of_them(used, server):
    assert used["prompt_id"], used["refused"]
    entry = server.finished(used["prompt_id"])
    assert entry["status"]["status_str"] == "success", entry["status"]
    (path,) = [path for path in server.files(entry) if path.suffix == ".mp4"]
    beside = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    facts = [fact for fact in beside["facts"].values() if fact["class_type"] == "GengaArbitraryKeyframes"]
    assert [fact["keyframes"] for fact in facts] == [[0, 56, 80]]


def test_a_reload_finds_everything_as_it_was(used):
    assert used["reloaded"] == used["value"]
    assert [text.split(",")[0] for text in used["shown"]] == ["frame 0", "frame 56", "frame 80"]
    assert used["shown"][1].endswith("strength 0.5")


def test_axe_finds_no_serious_fault(used):
    assert [fault for fault in used["axe"] if fault["impact"] in ("serious", "critical")] == []


def test_the_console_is_clean(used):
    assert used["errors"] == []
