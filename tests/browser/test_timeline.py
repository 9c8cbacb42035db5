"""The keyframe timeline in the host's real page: pictures dropped, moved, weighed, run, and found again.

Once on the canvas in English, once with Vue nodes in Japanese.
"""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from genga_tests.tools import pack, shipped
from PIL import Image, ImageDraw

from devtools import words

SIZE = (64, 48)


@pytest.fixture(scope="module", params=[("canvas", "en"), ("vue", "ja")], ids="-".join)
def setting(request) -> tuple[str, str]:
    """How nodes are drawn, and the page's language."""
    return request.param


@pytest.fixture(scope="module")
def texts(setting) -> dict[str, str]:
    return words.read(setting[1], "main.json", pack.pack_folder() / "locales")["genga"]["timeline"]


@pytest.fixture(scope="module")
def used(setting, texts, chromium, server, tiny, tmp_path_factory):
    """What happened when the timeline was used: the notes of timeline.mjs."""
    drawn, language = setting
    folder = tmp_path_factory.mktemp("timeline")
    put_models(server, shipped.stand_ins(tiny.files))
    job = {
        "template": "AniSora Keyframes",
        "numbers": {"width": 64, "height": 48, "steps": 2},
        "pictures": [str(picture(folder / f"dropped {i}.png", i)) for i in range(3)],
        "vue": drawn == "vue",
        "language": language,
        "words": texts,
        "chain": "AniSora Localized",
        "files": {
            "LoadImage": [picture(server.input / f"wired{i}.png", i).name for i in range(2)],
            "LoadImageMask": [half_mask(server.input / "wired mask.png").name],
        },
    }
    path = folder / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    command = [chromium.node, "timeline.mjs", server.url, chromium.chromium, str(path)]
    try:
        done = subprocess.run(
            command, cwd=chromium.folder, capture_output=True, text=True, encoding="utf-8", timeout=900, check=False
        )
    finally:
        server.post("/settings", {"Comfy.Locale": "en"})  # the tests that follow on this server read English
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def put_models(server, stand_ins):
    """The tiny models under the names that the template has, so that it runs as it opens."""
    for shipped_name, tiny_name in stand_ins.items():
        for path in server.models.rglob(tiny_name):
            if not path.with_name(shipped_name).exists():
                shutil.copyfile(path, path.with_name(shipped_name))


def picture(path, number):
    made = Image.new("RGB", SIZE, (60 * number, 120, 255 - 60 * number))
    ImageDraw.Draw(made).ellipse((8 * number, 10, 8 * number + 16, 30), fill="white")
    made.save(path)
    return path


def half_mask(path):
    """Grey, as Load Image (as Mask) reads it by its red channel: white on the left."""
    made = Image.new("RGB", SIZE)
    ImageDraw.Draw(made).rectangle((0, 0, SIZE[0] // 2, SIZE[1]), fill="white")
    made.save(path)
    return path


def test_a_file_that_only_calls_itself_a_picture_is_not_taken(used, texts):
    """Nor does it keep others from being taken."""
    assert used["broken"] == texts["notPicture"].format(name="broken.png")


def test_dropped_pictures_are_spread_over_the_video(used):
    assert used["dropped"] == [0, 40, 80]


def test_dropping_is_one_step_of_undo(used):
    """Though the node has grown since, and the host has looked for changes."""
    assert used["taken"] == []
    assert used["brought"] == [0, 40, 80]


def test_a_drag_moves_the_picture_and_not_the_node(used):
    assert used["dragged"] == [0, 56, 80]
    assert used["still"]


def test_keys_move_and_remove_and_the_host_undoes(used):
    assert used["stepped"] == [0, 48, 80]
    assert used["removed"] == [0, 80]
    assert used["undone"] == [0, 48, 80]
    assert used["redone"] == [0, 56, 80]


def test_a_mask_is_painted_in_the_hosts_editor(used, server):
    from genga.conditioning.timeline import _read_mask

    masked = [key for key in used["painted"] if "mask" in key]
    assert [key["frame"] for key in masked] == [56]
    ref = masked[0]["mask"]
    mask = _read_mask(server.input / ref["subfolder"] / ref["name"], "mask")
    assert mask.shape == (1, SIZE[1], SIZE[0])
    assert mask[0, SIZE[1] // 2, SIZE[0] // 4] > 0.3, "painted: here the picture applies"
    assert mask[0, :, SIZE[0] // 2 :].max() == 0, "not painted"


def test_the_mask_reaches_the_run(used, server):
    """The node got it: the prompt in the video has the reference, and the node reads it before anything is drawn."""
    (path,) = [path for path in server.files(server.finished(used["prompt_id"])) if path.suffix == ".mp4"]
    beside = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    (node,) = [n for n in beside["prompt"].values() if n["class_type"] == "GengaArbitraryKeyframes"]
    assert json.loads(node["inputs"]["timeline"])["keyframes"] == used["painted"]


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


def test_the_last_run_is_seen(used, texts):
    """It begins with the first picture, which is blue; between its key pictures the tiny model draws greyish noise."""
    assert used["film"]["says"] == texts["lastRun"] and not used["film"]["old"]
    first, *others = used["film"]["colours"]
    assert first[2] > first[0] + 60
    assert all(first[2] > other[2] + 30 and other[0] > first[0] + 30 for other in others)


def test_what_changed_since_is_said_and_taken_back(used, texts):
    assert used["changed"]["old"] and used["changed"]["says"] == texts["lastRunOld"]
    assert not used["back"]["old"]


def test_a_reload_finds_everything_as_it_was(used, texts):
    assert used["reloaded"] == used["value"]
    keys = [(0, "0.00", 1), (56, "3.50", 0.5), (80, "5.00", 1)]
    shown = [texts["value"].format(frame=frame, seconds=time, strength=share) for frame, time, share in keys]
    assert [text.split(". ")[0] for text in used["shown"]] == shown


def test_wired_keyframes_are_taken_over_with_all_they_have(used, texts):
    chain = used["chain"]
    assert chain["offer"] == texts["takeOver"].format(count=2) and sorted(chain["before"]) == [0, 40]
    first, second = chain["value"]["keyframes"]
    assert (first["frame"], first["image"]["name"], first["strength"]) == (0, "wired0.png", 1)
    assert (second["frame"], second["image"]["name"], second["mask"]["name"]) == (40, "wired1.png", "wired mask.png")
    assert "mask" not in first
    assert chain["after"] == [] and not chain["offered"]
    assert chain["said"].startswith(texts["tookOver"].format(count=2))


def test_taking_over_is_one_step_of_undo(used):
    assert used["chain"]["undone"] == []
    assert used["chain"]["rewired"] == used["chain"]["before"]


def test_what_is_computed_stays_wired_and_says_why(used, texts):
    assert used["chain"]["some"] == [40] and used["chain"]["left"] == [0]
    why = texts["leftWired"].format(count=1, reasons=texts["leftImage"].format(frame=0))
    assert why in used["chain"]["why"]


def test_axe_finds_no_serious_fault(used):
    assert [fault for fault in used["axe"] if fault["impact"] in ("serious", "critical")] == []


def test_the_console_is_clean(used):
    assert used["errors"] == []
