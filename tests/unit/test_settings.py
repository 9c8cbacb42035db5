"""Settings read off a queued prompt, the common text of them, and files read back. No host."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from genga.errors import InputError
from genga.media import formats, parameters, readback, settings, stills
from genga.media.gif import GifWriter, palette_of
from genga.media.video import VideoWriter
from hypothesis import given
from hypothesis import strategies as st

EXPERTS = {
    "1": {"class_type": "GengaAniSoraPrompt", "inputs": {"prompt": "she turns", "clip": ["9", 2]}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": ["8", 0]}},
    "3": {"class_type": "GengaWanFFLF", "inputs": {"positive": ["1", 0], "negative": ["2", 0], "width": 64}},
    "4": {
        "class_type": "GengaExpertSampler",
        "inputs": {"positive": ["3", 0], "negative": ["3", 1], "latent_image": ["3", 2], "seed": -1, "steps": 8,
                   "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple"},
    },
    "5": {"class_type": "VAEDecode", "inputs": {"samples": ["4", 0]}},
    "6": {"class_type": "GengaSaveVideo", "inputs": {"images": ["5", 0]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "of another branch"}},
    "8": {"class_type": "PrimitiveString", "inputs": {"value": "blurry"}},
    "9": {"class_type": "GengaAniSoraLoader", "inputs": {}},
}  # fmt: skip
CUSTOM = {
    "1": {"class_type": "RandomNoise", "inputs": {"noise_seed": 5}},
    "2": {"class_type": "FluxGuidance", "inputs": {"conditioning": ["3", 0], "guidance": 3.5}},
    "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "a fox"}},
    "4": {"class_type": "BasicGuider", "inputs": {"model": ["9", 0], "conditioning": ["2", 0]}},
    "5": {"class_type": "BasicScheduler", "inputs": {"scheduler": "simple", "steps": 25, "denoise": 0.7}},
    "6": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
    "7": {
        "class_type": "SamplerCustomAdvanced",
        "inputs": {"noise": ["1", 0], "guider": ["4", 0], "sampler": ["6", 0], "sigmas": ["5", 0]},
    },
    "8": {"class_type": "GengaSaveImage", "inputs": {"images": ["7", 0]}},
    "9": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux.safetensors"}},
}
MODELS = [
    {"folder": "vae", "name": "v.safetensors", "sha256": "a" * 64},
    {"folder": "checkpoints", "name": "sdxl/pony.v6.safetensors", "sha256": "67ab2fd8ec" + "0" * 54},
]


def test_an_expert_run_in_peoples_words():
    assert settings.of_prompt(EXPERTS, "6", {"4": {"seed": 99}}) == {
        "prompt": "she turns", "negative_prompt": "blurry", "seed": 99, "steps": 8, "cfg": 1.0,
        "sampler_name": "euler", "scheduler": "simple",
    }  # fmt: skip
    assert settings.of_prompt(EXPERTS, "6")["seed"] == -1
    assert settings.of_prompt(EXPERTS, "42") == settings.of_prompt(None, "6") == {}


def test_a_custom_sampler_in_peoples_words():
    assert settings.of_prompt(CUSTOM, "8") == {
        "prompt": "a fox", "seed": 5, "steps": 25, "guidance": 3.5, "sampler_name": "euler", "scheduler": "simple",
        "denoise": 0.7,
    }  # fmt: skip


def test_a_drawn_seed_that_comes_by_wire():
    noise = {"class_type": "GengaNoise", "inputs": {"seed": -1}}
    prompt = {**EXPERTS, "10": noise}
    prompt["4"] = {"class_type": "KSampler", "inputs": {**EXPERTS["4"]["inputs"], "seed": ["10", 1]}}
    assert settings.of_prompt(prompt, "6", {"10": {"seed": 77}})["seed"] == 77


def test_a_negative_that_is_zeroed_is_none():
    prompt = {**EXPERTS, "2": {"class_type": "ConditioningZeroOut", "inputs": {"conditioning": ["1", 0]}}}
    said = settings.of_prompt(prompt, "6")
    assert said["prompt"] == "she turns" and "negative_prompt" not in said


def test_what_a_settings_node_hands_on_is_its_own():
    """Its cfg is Flux's guidance; the scheduler it chose is a fact."""
    numbers = {"steps": 25, "cfg": 3.5, "sampler_name": "euler", "clip_skip": 1}
    prompt = {
        "1": {"class_type": "GengaImageSettings", "inputs": numbers},
        "2": {"class_type": "FluxGuidance", "inputs": {"guidance": ["1", 3]}},
        "3": {"class_type": "KSampler", "inputs": {"positive": ["2", 0], "cfg": 1.0, "steps": ["1", 2], "seed": 3,
                                                   "sampler_name": ["1", 4], "scheduler": ["1", 5]}},
    }  # fmt: skip
    said = settings.of_prompt(prompt, "3", {"1": {"scheduler": "simple"}})
    assert said == {"seed": 3, "steps": 25, "cfg": 1.0, "guidance": 3.5, "sampler_name": "euler", "scheduler": "simple"}


def test_wires_in_a_circle_end():
    looped = {"1": {"inputs": {"text": ["2", 0], "positive": ["2", 0]}}, "2": {"inputs": {"text": ["1", 0]}}}
    assert settings.of_prompt(looped, "1") == {}


def test_the_common_text_is_as_other_programs_write_it():
    said = settings.of_prompt(EXPERTS, "6", {"4": {"seed": 99}}) | {
        "sampler_name": "euler_ancestral", "cfg": 6.0, "clip_skip": 2,
    }  # fmt: skip
    assert parameters.text(said, (832, 1216), MODELS, "ComfyUI 0.3.75") == (
        "she turns\nNegative prompt: blurry\nSteps: 8, Sampler: Euler a, Schedule type: Simple, CFG scale: 6, Seed: 99, "
        "Size: 832x1216, Model hash: 67ab2fd8ec, Model: pony.v6, Clip skip: 2, Version: ComfyUI 0.3.75"
    )


@given(
    st.fixed_dictionaries(
        {
            "prompt": st.from_regex(r"[a-zé,:() \"]{0,40}", fullmatch=True).map(str.strip),
            "negative_prompt": st.from_regex(r"[a-z, ]{0,20}", fullmatch=True).map(str.strip),
            "seed": st.integers(0, 2**63),
            "steps": st.integers(1, 100),
            "cfg": st.floats(0, 30).map(lambda value: round(value, 2)),
            "sampler_name": st.sampled_from(["euler", "euler_ancestral", "dpmpp_2m", "genga, own"]),
            "scheduler": st.sampled_from(["karras", "simple"]),
        }
    )
)
def test_the_common_text_is_read_back(said):
    assert parameters.parse(parameters.text(said, (64, 48), [], "x")) == said


def test_older_texts_name_sampler_and_schedule_in_one():
    said = parameters.parse("cat\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 1, Size: 512x512")
    assert (said["sampler_name"], said["scheduler"], said["cfg"]) == ("dpmpp_2m", "karras", 7.0)


@given(st.text())
def test_any_text_can_be_parsed(text):
    assert {"prompt", "negative_prompt"} <= parameters.parse(text).keys()


ABOUT = {
    "genga_version": "1.2.3",
    "facts": {"4": {"class_type": "x", "seed": 99}},
    "settings": {"seed": 99, "steps": 8},
}
WORKFLOW = {"nodes": [], "extra": {"ü": "日本"}}
TAGS = {"prompt": json.dumps(EXPERTS), "workflow": json.dumps(WORKFLOW), "genga": json.dumps(ABOUT)}


def written(folder, ending):
    """A file of each kind as the pack writes it."""
    path, pixels = folder / f"a{ending}", torch.rand(3, 48, 64, 3)
    if ending == ".png":
        stills.write_png(path, np.zeros((8, 8, 3), np.uint8), {**TAGS, "parameters": "a\nSteps: 8"})
    elif ending == ".jpg":
        stills.write_jpg(path, np.zeros((8, 8, 3), np.uint8), {**TAGS, "parameters": "a\nSteps: 8"}, 90)
    elif ending == ".json":
        path.write_text(json.dumps({**ABOUT, "prompt": EXPERTS, "workflow": WORKFLOW}), encoding="utf-8")
    elif ending == ".gif":
        comment = "{" + ",".join(f'"{name}": {text}' for name, text in TAGS.items()) + "}"
        with GifWriter(path, 16, palette_of([pixels]), comment=comment) as writer:
            writer.write(pixels)
    else:
        form = next(form for form in formats.FORMATS.values() if form.extension == ending[1:])
        with VideoWriter(path, 16, metadata=TAGS, form=form) as writer:
            writer.write(pixels)
    return path


@pytest.mark.parametrize("ending", [".mp4", ".webm", ".mkv", ".gif", ".png", ".jpg", ".json"])
def test_every_file_says_how_it_was_made(tmp_path, ending):
    found = readback.read(written(tmp_path, ending))
    assert (found.prompt, found.workflow, found.about) == (EXPERTS, WORKFLOW, ABOUT)
    assert found.parameters == ("a\nSteps: 8" if ending in (".png", ".jpg") else "")
    assert readback.said(found) == {"seed": 99, "steps": 8}
    again = readback.rebuilt(found)
    assert again["4"]["inputs"]["seed"] == 99 and EXPERTS["4"]["inputs"]["seed"] == -1
    assert readback.whole(found)["prompt"] == again


def test_files_of_the_host_and_of_other_programs(tmp_path):
    stills.write_png(tmp_path / "host.png", np.zeros((8, 8, 3), np.uint8), {"prompt": json.dumps(CUSTOM)})
    assert readback.said(readback.read(tmp_path / "host.png"))["steps"] == 25
    stills.write_png(tmp_path / "other.png", np.zeros((8, 8, 3), np.uint8), {"parameters": "cat\nSteps: 9, Seed: 4"})
    said = readback.said(readback.read(tmp_path / "other.png"))
    assert (said["prompt"], said["steps"], said["seed"]) == ("cat", 9, 4)
    (tmp_path / "w.json").write_text(json.dumps(WORKFLOW))
    assert readback.read(tmp_path / "w.json").workflow == WORKFLOW


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.png", b"no picture"), ("a.mp4", b"no video"), ("a.gif", b"GIF89a"), ("a.json", b"[1]"), ("a.json", b"{"),
     ("a.txt", b""), ("a.jpg", b"\xff\xd8\xff"), ("a.json", b"[" * 100_000), ("a.json", b"\xed\xa0\x80")],
)  # fmt: skip
def test_what_cannot_be_read_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"^file: {name} cannot be read"):
        readback.read(tmp_path / name)


def test_a_file_that_says_nothing(tmp_path):
    stills.write_png(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8), {})
    with pytest.raises(InputError, match="^file: a.png says nothing of how it was made"):
        readback.read(tmp_path / "a.png")


@pytest.mark.parametrize("text", ['{"1": 3}', '{"1": null}', '{"1": {"inputs": 3}}', '{"name": "somebody"}'])
def test_the_json_of_another_program_is_no_prompt(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match="^file: a.json says nothing of how it was made"):
        readback.read(tmp_path / "a.json")


def test_a_setting_is_what_a_setting_can_be(tmp_path):
    noted = {"seed": "4", "steps": 8, "cfg": float("inf"), "prompt": 3, "sampler_name": ["a"], "scheduler": "simple"}
    (tmp_path / "a.json").write_text(json.dumps({"genga_version": "1", "settings": noted}))
    assert readback.said(readback.read(tmp_path / "a.json")) == {"steps": 8, "scheduler": "simple"}


KEYS = st.sampled_from(["facts", "1", "seed", "inputs", "settings", "text", "positive", "stop_at_clip_layer"])
LEAVES = st.none() | st.integers() | st.text(max_size=3) | st.just(["1", 0])


CONTENTS = st.recursive(LEAVES, lambda each: st.lists(each, max_size=2) | st.dictionaries(KEYS, each, max_size=3))
NODES = st.dictionaries(
    KEYS, st.fixed_dictionaries({"inputs": st.dictionaries(KEYS, CONTENTS, max_size=3)}), max_size=2
)


@given(CONTENTS, NODES | CONTENTS)
def test_no_json_breaks_the_reading(tmp_path_factory, content, graph):
    path = tmp_path_factory.mktemp("json") / "a.json"
    prompt = {"0": {"inputs": {"seed": -1}}, **graph} if isinstance(graph, dict) else graph
    path.write_text(json.dumps({"genga_version": "1", "facts": content, "settings": content, "prompt": prompt}))
    readback.whole(readback.read(path))
    readback.said(readback.read(path))
