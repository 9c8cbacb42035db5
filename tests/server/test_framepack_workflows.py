"""The shipped FramePack workflows through the host's HTTP API, with few steps: 36 n + 1 frames, pictures that count."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from genga_tests.tools import shipped
from genga_tests.tools.convert import to_prompt
from genga_tests.tools.long_videos import frames_of, only, said
from PIL import Image, ImageDraw
from safetensors.torch import load_file

PICTURE = (48, 32)
SECTIONS = {"FramePack Standard": 4, "FramePack F1": 8, "FramePack Loop": 3}  # 5, 10 and 4 s by 1.2 s
PREFIX = {"FramePack Standard": "framepack", "FramePack F1": "framepack_f1", "FramePack Loop": "framepack_loop"}


@pytest.fixture(scope="module")
def pictures(server) -> list[str]:
    """Four pictures, and a mask whose left half is white."""
    names = []
    for number in range(4):
        picture = Image.new("RGB", PICTURE, (60 * number, 90, 220 - 50 * number))
        ImageDraw.Draw(picture).ellipse((6 * number, 4, 6 * number + 16, 20), fill="white")
        names.append(f"framepack{number}.png")
        picture.save(server.input / names[-1])
    for name, box in (("half.png", (0, 0, 23, 31)), ("none.png", None)):
        mask = Image.new("RGB", PICTURE)
        if box:
            ImageDraw.Draw(mask).rectangle(box, fill="white")
        mask.save(server.input / name)
    return names


@pytest.fixture(scope="module")
def prompt_of(server, tiny, pictures):
    """prompt_of(name, masks) -> workflow and prompt, with two steps a section."""
    info, models = server.get("/object_info"), shipped.stand_ins(tiny.files)

    def build(name: str, masks=("half.png", "half.png"), files=pictures):
        workflow = shipped.ready(name, models, list(files), masks)
        prompt = to_prompt(workflow, info)
        for node in prompt.values():
            if "steps" in node["inputs"]:
                assert node["inputs"]["steps"] == 25, "as the reference has it"
                node["inputs"]["steps"] = 2
        return workflow, prompt

    return build


def made(server, entry, suffix=".mp4") -> Path:
    (path,) = [path for path in server.files(entry) if path.suffix == suffix and path.is_relative_to(server.output)]
    return path


@pytest.mark.parametrize("name", list(SECTIONS))
def test_a_workflow_makes_its_video(server, prompt_of, name):
    workflow, prompt = prompt_of(name)
    entry = server.queue(prompt, {"extra_pnginfo": {"workflow": workflow}})
    path, count = made(server, entry), SECTIONS[name]
    assert path.parent.name == "framepack" and path.name.startswith(PREFIX[name] + "_")
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        assert sum(1 for _ in container.decode(video)) == 36 * count + 1
        assert (video.width, video.height, video.average_rate) == (*PICTURE, 30)
        assert json.loads(container.metadata["workflow"]) == workflow
    beside = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert (beside["frames"], beside["fps"], beside["prompt"]) == (36 * count + 1, 30, prompt)
    (facts,) = [each for each in beside["facts"].values() if "sections" in each]
    wanted = {"sections": count, "direction": "f1" if name.endswith("F1") else "standard", "window": 9}
    assert wanted.items() <= facts.items()
    stated = {model["name"] for node in shipped.load(name)["nodes"] for model in node["properties"].get("models", [])}
    assert len(stated) == 5 and len(beside["models"]) == 5
    assert len(stated & {model["name"] for model in beside["models"]}) == 4  # the tiny LLaMA has a name of its own
    assert f"{count} sections, {36 * count + 1} frames" in said(entry)


def test_another_prompt_for_one_keyframe_makes_only_what_is_drawn_after_it(server, prompt_of):
    """That of 2.4 s holds for the second section that is drawn."""
    _, prompt = prompt_of("FramePack Standard")
    before = made(server, server.queue(prompt))
    (section,) = [n for n in prompt.values() if n["class_type"] == "GengaSections" and n["inputs"]["start"] == 2.4]
    prompt[section["inputs"]["positive"][0]]["inputs"]["text"] = "She kneels down."
    entry = server.queue(prompt)
    assert "1 of 4 sections came from the store" in said(entry)
    assert frames_of(made(server, entry)) != frames_of(before)


def test_a_longer_f1_video_keeps_its_sections(server, prompt_of):
    _, prompt = prompt_of("FramePack F1")
    sampler = only(prompt, "GengaFramePackSampler")["inputs"]
    assert sampler["seconds"] == 10
    sampler |= {"seconds": 2.4, "seed": 5}
    server.queue(prompt)
    sampler["seconds"] = 3.6
    entry = server.queue(prompt)
    assert "3 sections, 109 frames" in said(entry) and "2 of 3 sections came from the store" in said(entry)


def test_the_loop_is_more_than_its_start(server, prompt_of):
    _, prompt = prompt_of("FramePack Loop")
    looped = frames_of(made(server, server.queue(prompt)))
    only(prompt, "GengaFramePackSampler")["inputs"]["loop"] = False
    assert frames_of(made(server, server.queue(prompt)))[-1] != looped[-1]


def picture(server, prompt) -> np.ndarray:
    with Image.open(made(server, server.queue(prompt), ".png")) as made_picture:
        return np.asarray(made_picture.convert("RGB"))


def test_one_frame_takes_what_the_masks_show(server, prompt_of, pictures):
    """With another reference another picture, but not where its mask is black."""
    name, others = "FramePack One Frame", [pictures[0], pictures[2]]
    workflow, prompt = prompt_of(name)
    entry = server.queue(prompt, {"extra_pnginfo": {"workflow": workflow}})
    path = made(server, entry, ".png")
    assert path.parent.name == "framepack" and path.name.startswith("framepack_one_frame")
    assert "one frame at time 1" in said(entry)
    with Image.open(path) as png:
        shown = np.asarray(png.convert("RGB"))
        assert json.loads(png.text["workflow"]) == workflow
    assert shown.shape == (*PICTURE[::-1], 3) and shown.std() > 5
    assert not np.array_equal(shown, picture(server, prompt_of(name, files=others)[1]))
    hidden = [picture(server, prompt_of(name, ("half.png", "none.png"), files)[1]) for files in (pictures, others)]
    assert np.array_equal(*hidden) and not np.array_equal(hidden[0], shown)


def test_one_section_goes_through_the_hosts_own_sampler(server, prompt_of):
    _, prompt = prompt_of("FramePack Standard")
    sampler = only(prompt, "GengaFramePackSampler")["inputs"]
    wires = {name: sampler[name] for name in ("positive", "negative", "start_latent")}
    drawn = {"seed": 1, "steps": 2, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
    kept = {key: node for key, node in prompt.items() if not node["class_type"].startswith("GengaSaveVideo")}
    entry = server.queue({
        **kept,
        "section": {"class_type": "GengaFramePackSection", "inputs": {
            **wires, "direction": "standard", "window": 9, "padding": 1.0}},
        "drawn": {"class_type": "KSampler", "inputs": {
            "model": sampler["model"], "positive": ["section", 0], "negative": ["section", 1],
            "latent_image": ["section", 2], **drawn}},
        "kept": {"class_type": "SaveLatent", "inputs": {"samples": ["drawn", 0], "filename_prefix": "framepack_section"}},
    })  # fmt: skip
    assert "36 frames (1.20 s) at times 10 to 18" in said(entry)
    samples = load_file(made(server, entry, ".latent"))["latent_tensor"]
    assert samples.shape[:3] == (1, 16, 9) and samples.isfinite().all() and samples.std() > 0


def test_a_model_named_for_the_other_direction_is_told(server, prompt_of):
    _, prompt = prompt_of("FramePack F1")
    only(prompt, "GengaFramePackSampler")["inputs"] |= {"seconds": 1.0, "direction": "standard"}
    assert "by its name it is for f1" in said(server.queue(prompt))


def test_a_section_that_is_no_number_is_an_error_and_is_not_kept(server, prompt_of):
    _, prompt = prompt_of("FramePack Loop")
    sampler = only(prompt, "GengaFramePackSampler")["inputs"]
    sampler |= {"seconds": 1.0, "cfg": 1.0}
    prompt["wrong"] = {
        "class_type": "FluxGuidance",
        "inputs": {"conditioning": sampler["positive"], "guidance": float("nan")},
    }
    sampler["positive"] = ["wrong", 0]
    for _ in range(2):
        assert "NaN or infinite values" in server.failure(prompt)
