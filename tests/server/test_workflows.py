"""Every shipped workflow through the host's HTTP API: a playable video with the right numbers in and beside it."""

from __future__ import annotations

import json
from pathlib import Path

import av
import pytest
from genga_tests.tools import shipped
from genga_tests.tools.convert import to_prompt
from PIL import Image, ImageDraw

# test_long_workflows.py, test_finish_workflow.py, test_image_modes.py, test_framepack_workflows.py
OTHERS = ("InfiniteTalk", "Wan", "Finish", "Pony", "Flux", "FramePack")
NAMES = [name for name in shipped.NAMES if not name.startswith(OTHERS)]
PICTURE = (64, 48)
# Where no picture makes the video small, these two numbers are changed as well; test_full_size.py has the size
# shipped.
SMALL = {"width": 64, "height": 48}


def test_every_documented_mode_has_a_workflow():
    families = {"AniSora": ("T2V", "I2V", "FFLF", "Keyframes", "Localized"), "Phr00t": ("T2V", "I2V", "FFLF")}
    expected = {f"{family} {mode}" for family, modes in families.items() for mode in modes} | {"Standard I2V"}
    assert set(NAMES) == expected


@pytest.fixture(scope="module")
def info(server):
    return server.get("/object_info")


@pytest.fixture(scope="module")
def models(tiny):
    return shipped.stand_ins(tiny.files)


@pytest.fixture(scope="module")
def pictures(server):
    """Six small pictures; the LoadImage nodes of a workflow get one each, masks a black and white one."""
    names = []
    for number in range(6):
        picture = Image.new("RGB", PICTURE, (40 * number, 120, 255 - 40 * number))
        ImageDraw.Draw(picture).ellipse((8 * number, 10, 8 * number + 16, 30), fill="white")
        names.append(f"key{number}.png")
        picture.save(server.input / names[-1])
    mask = Image.new("RGB", PICTURE)
    ImageDraw.Draw(mask).rectangle((0, 0, 31, 47), fill="white")
    mask.save(server.input / "mask.png")
    return names


@pytest.fixture(scope="module")
def run(server, info, models, pictures):
    def queue(name: str):
        workflow = shipped.ready(name, models, pictures)
        prompt = to_prompt(workflow, info)
        (node,) = [n for n in prompt.values() if n["class_type"] in ("GengaWanFFLF", "GengaArbitraryKeyframes")]
        if isinstance(node["inputs"]["width"], int):
            node["inputs"] |= SMALL
        entry = server.queue(prompt, {"extra_pnginfo": {"workflow": workflow}})
        return workflow, prompt, entry

    return queue


def saved(server, entry) -> Path:
    (file,) = [item for output in entry["outputs"].values() for item in output.get("images", [])]
    return server.output / file["subfolder"] / file["filename"]


def said(entry) -> str:
    return " ".join(line for output in entry["outputs"].values() for line in output.get("text", []))


@pytest.mark.parametrize("name", NAMES)
def test_a_workflow_makes_its_video(server, run, name):
    workflow, prompt, entry = run(name)
    path = saved(server, entry)
    (direction,) = [n for n in prompt.values() if n["class_type"] in ("GengaWanFFLF", "GengaArbitraryKeyframes")]
    sizes = (direction["inputs"]["width"], direction["inputs"]["height"])
    width, height = sizes if isinstance(sizes[0], int) else PICTURE  # by wire: as large as the picture
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = sum(1 for _ in container.decode(stream))
        assert (frames, stream.width, stream.height) == (81, width, height)
        assert stream.average_rate == 16
        assert json.loads(container.metadata["workflow"]) == workflow
        assert json.loads(container.metadata["prompt"]) == prompt
    beside = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert beside["frames"] == 81
    assert beside["fps"] == 16
    assert (beside["width"], beside["height"]) == (width, height)
    assert beside["prompt"] == prompt
    seeds = [node["inputs"]["seed"] for node in prompt.values() if "seed" in node["inputs"]]
    assert len(seeds) == 1
    assert "CFG is 1" in said(entry) or "ExpertSampler" not in json.dumps(prompt)


def test_a_drawn_seed_is_in_the_file_and_draws_again(server, info, models, pictures):
    prompt = to_prompt(shipped.ready("AniSora I2V", models, pictures), info)
    (sampler,) = [(i, n) for i, n in prompt.items() if n["class_type"] == "GengaExpertSampler"]
    (direction,) = [n for n in prompt.values() if n["class_type"] == "GengaWanFFLF"]
    sampler[1]["inputs"] |= {"seed": -1, "steps": 1}
    direction["inputs"]["length"] = 4
    drawn = []
    for _ in range(2):
        entry = server.queue(prompt)
        beside = json.loads(saved(server, entry).with_suffix(".json").read_text(encoding="utf-8"))
        drawn.append(beside["facts"][sampler[0]]["seed"])
        assert 0 <= drawn[-1] < 2**31
        assert f"seed {drawn[-1]}" in said(entry)
        assert beside["frames"] == 5
        assert beside["prompt"][sampler[0]]["inputs"]["seed"] == -1
    assert drawn[0] != drawn[1]


def test_a_batch_that_becomes_one_file_is_said(server, info, models, pictures):
    prompt = to_prompt(shipped.ready("AniSora I2V", models, pictures), info)
    for node in prompt.values():
        if node["class_type"] == "GengaExpertSampler":
            node["inputs"]["steps"] = 1
        if node["class_type"] == "GengaWanFFLF":
            node["inputs"] |= {"length": 5, "batch_size": 2}
    assert "2 videos of 5 frames, one after the other" in said(server.queue(prompt))


def test_the_page_can_hold_film_rates(info):
    options = info["GengaSaveVideo"]["input"]["required"]["fps"][1]
    assert options["step"] <= 0.001
    assert options["round"] <= 0.001


def test_the_template_browser_lists_them_with_thumbnails(server):
    listed = server.get("/workflow_templates")
    (ours,) = [names for pack, names in listed.items() if "Genga" in pack]
    assert sorted(ours) == shipped.NAMES
    (pack,) = [pack for pack in listed if "Genga" in pack]
    for name in shipped.NAMES:
        picture = server.read(f"/api/workflow_templates/{pack}/{name.replace(' ', '%20')}.jpg")
        assert picture[:2] == b"\xff\xd8"
