"""The shipped long workflows through the host's HTTP API: length from the sound, resume, edit and continue."""

from __future__ import annotations

import json

import av
import pytest
from genga_tests.tools import shipped
from genga_tests.tools.long_videos import (
    DRIVEN,
    DRIVER_RATE,
    FPS,
    PICTURE,
    SECONDS,
    frames_of,
    only,
    prompt_of,
    said,
    saved,
    write_material,
)

FRAMES = int(SECONDS * FPS)
NAMES = ("InfiniteTalk Single", "InfiniteTalk Two Speakers", "InfiniteTalk Sections")


@pytest.fixture(scope="module")
def material(server, tiny):
    """Pictures, speeches and films in the host's input folder; which tiny file stands for which model."""
    write_material(server.input)
    return shipped.stand_ins(tiny.files)


@pytest.mark.parametrize("name", NAMES)
def test_a_talking_video_is_as_long_as_its_speech(server, material, name, request):
    steps = None if request.config.getoption("--full") else 2
    workflow, prompt = prompt_of(server, material, name, steps)
    entry = server.queue(prompt, {"extra_pnginfo": {"workflow": workflow}}, timeout=1200)
    path = saved(server, entry)
    assert path.name.startswith("i2v_infinitetalk_") and path.parent.name == "i2v"
    with av.open(str(path)) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        assert sum(1 for _ in container.decode(video)) == FRAMES
        assert (video.width, video.height, video.average_rate) == (*PICTURE, FPS)
        assert abs(float(sound.duration * sound.time_base) - FRAMES / FPS) < 1 / FPS
        assert json.loads(container.metadata["workflow"]) == workflow
    beside = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert beside["frames"] == FRAMES and beside["prompt"] == prompt
    assert f"2 windows, {FRAMES} frames" in said(entry)


def test_another_prompt_in_the_last_section_makes_only_its_window_anew(server, material):
    _, prompt = prompt_of(server, material, "InfiniteTalk Sections", 2)
    first, second = [node for node in prompt.values() if node["class_type"] == "GengaSections"]
    first["inputs"]["start"], second["inputs"]["start"] = 0.5, 3.0
    window = only(prompt, "GengaInfiniteTalkWindow")["inputs"]
    window["frame_window"], window["motion_frames"] = 33, 9  # 92 frames: four windows, the last from 3.24 s
    before = server.queue(prompt)
    assert "4 windows" in said(before) and "from the store" not in said(before)
    text = prompt[second["inputs"]["positive"][0]]["inputs"]
    text["text"] = "She sings."
    after = server.queue(prompt)
    assert f"4 windows, {FRAMES} frames, 3 of them from the store" in said(after)
    old, new = frames_of(saved(server, before)), frames_of(saved(server, after))
    assert old[:81] == new[:81] and old[81:] != new[81:]


@pytest.mark.parametrize(("name", "frames"), [("Animate", 24), ("Replace", 24), ("Long", DRIVEN)])
def test_a_character_follows_its_drivers(server, material, name, frames):
    """The face encoder takes minutes on a CPU, so the faces are left out here; tests/host/test_animate.py has them."""
    workflow, prompt = prompt_of(server, material, f"WanAnimate {name}", 2)
    pose = only(prompt, "GengaWanAnimatePose")["inputs"]
    pose["face_strength"] = 0.0
    if frames != DRIVEN:
        pose["length"] = frames
    entry = server.queue(prompt, {"extra_pnginfo": {"workflow": workflow}}, timeout=600)
    path = saved(server, entry)
    assert path.name.startswith("i2v_wananimate_") and path.parent.name == "i2v"
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        assert sum(1 for _ in container.decode(video)) == frames
        assert (video.width, video.height, video.average_rate) == (*PICTURE, DRIVER_RATE)
    count = 2 if frames == DRIVEN else 1
    assert f"{count} window{'s' * (count > 1)}, {frames} frames" in said(entry)


def test_a_wan_chain_goes_from_picture_to_picture(server, material):
    """Three sections of a window each; another picture in the second makes it and the third anew."""
    workflow, prompt = prompt_of(server, material, "Wan Sections", 2)
    window = only(prompt, "GengaWanI2VWindow")["inputs"]
    window["length"], window["frame_window"] = 41, 33
    sections = sorted((n["inputs"] for n in prompt.values() if n["class_type"] == "GengaSections"),
                      key=lambda inputs: inputs["start"])  # fmt: skip
    for inputs, start in zip(sections, (0.0, 0.8, 1.6), strict=True):
        inputs["start"] = start
    entry = server.queue(prompt, {"extra_pnginfo": {"workflow": workflow}}, timeout=600)
    path = saved(server, entry)
    assert path.name.startswith("i2v_sections_") and path.parent.name == "i2v"
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        assert (video.width, video.height, video.average_rate) == (*PICTURE, 16)
        assert json.loads(container.metadata["workflow"]) == workflow
    before = frames_of(path)
    assert len(before) == 41 and "3 windows, 41 frames" in said(entry)
    prompt[sections[1]["image"][0]]["inputs"]["image"] = "left.png"
    after = server.queue(prompt)
    assert "3 windows, 41 frames, 1 of them from the store" in said(after)
    new = frames_of(saved(server, after))
    assert before[:13] == new[:13] and before[13:25] != new[13:25]
