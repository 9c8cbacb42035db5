"""Rows of the bad-input table over HTTP: what a person reads on the page, and that the host had sampled nothing."""

from __future__ import annotations

import copy
import json

import pytest
from genga_tests.tiny import files
from genga_tests.tools.server import Failed, Refused
from PIL import Image

LOAD = {"base_precision": "auto", "weight_dtype": "default", "attention": "auto"}
SAMPLED = "Requested to load WAN"  # the host's log, when a sampler asks for a diffusion model


def graph() -> dict:
    """Image to video at 32x32 with one step: right as it is."""
    return {
        "load": {
            "class_type": "GengaAniSoraLoader",
            "inputs": {
                "high_noise_model": files.I2V_HIGH, "low_noise_model": files.I2V_LOW, "text_encoder": files.TEXT,
                "vae": files.VAE, "shift": 5.0, **LOAD,
            },
        },
        "text": {
            "class_type": "GengaAniSoraPrompt",
            "inputs": {"clip": ["load", 2], "prompt": "A cat jumps.", "motion_score": 3.0},
        },
        "picture": {"class_type": "EmptyImage", "inputs": {"width": 32, "height": 32, "batch_size": 1, "color": 255}},
        "direct": {
            "class_type": "GengaWanFFLF",
            "inputs": {
                "positive": ["text", 0], "negative": ["text", 0], "vae": ["load", 3], "width": 32, "height": 32,
                "length": 5, "batch_size": 1, "first_image": ["picture", 0],
            },
        },
        "sample": {
            "class_type": "GengaExpertSampler",
            "inputs": {
                "high": ["load", 0], "low": ["load", 1], "positive": ["direct", 0], "latent_image": ["direct", 2],
                "seed": 1, "steps": 1, "cfg": 1.0, "sampler_name": "euler",
            },
        },
        "decode": {"class_type": "VAEDecode", "inputs": {"samples": ["sample", 0], "vae": ["load", 3]}},
        "save": {
            "class_type": "GengaSaveVideo",
            "inputs": {"images": ["decode", 0], "filename_prefix": "bad/video", "format": "mp4", "crf": 16, "fps": 16},
        },
    }  # fmt: skip


def keyframes(prompt: dict, *frames: int) -> None:
    """Arbitrary Keyframes in the place of First + Last Frame."""
    prompt["direct"]["class_type"] = "GengaArbitraryKeyframes"
    del prompt["direct"]["inputs"]["first_image"]
    before = None
    for number, frame in enumerate(frames):
        inputs = {"image": ["picture", 0], "frame_index": frame, "strength": 1.0}
        if before is not None:
            inputs["keyframes"] = before
        prompt[f"key{number}"] = {"class_type": "GengaKeyframe", "inputs": inputs}
        before = [f"key{number}", 0]
    if before is not None:
        prompt["direct"]["inputs"]["keyframes"] = before


def phr00t(prompt: dict, name: str) -> None:
    prompt["load"] = {
        "class_type": "GengaPhr00tLoader", "inputs": {"checkpoint": name, "lighting_variant": "low noise", **LOAD},
    }  # fmt: skip
    prompt["text"]["inputs"]["clip"] = ["load", 1]
    prompt["direct"]["inputs"]["vae"] = prompt["decode"]["inputs"]["vae"] = ["load", 2]
    prompt["sample"]["inputs"]["low"] = ["load", 0]


def both(name: str, *frames: int):
    def change(prompt: dict) -> None:
        keyframes(prompt, *frames)
        phr00t(prompt, name)

    return change


def put(node: str, **values):
    return lambda prompt: prompt[node]["inputs"].update(values)


def timeline(**entry) -> str:
    return json.dumps({"version": 1, "keyframes": [{"frame": 0, **entry}]})


GONE = timeline(image={"name": "gone.png", "subfolder": "", "type": "input"})
OUTSIDE = timeline(image={"name": "../outside.png", "subfolder": "", "type": "input"})
EXCHANGED = put("load", high_noise_model=files.I2V_LOW, low_noise_model=files.I2V_HIGH)

# What is wrong, how the right graph is changed, the node that says so, the input it names, the remedy it offers.
REFUSED = [
    ("width", put("direct", width=500), "direct", "width: 500", "Use 496 or 512."),
    ("huge width", put("direct", width=160000), "direct", "width: 160000 is larger than 16384", "up to about 1280"),
    ("timeline", put("direct", timeline="{"), "direct", "timeline: it is no JSON", "Clear it"),
    ("missing picture", put("direct", timeline=GONE), "direct", "timeline: 'gone.png'", "choose the picture again"),
    ("picture outside", put("direct", timeline=OUTSIDE), "direct", "timeline: '../outside.png'", "Put the file into"),
    ("name outside", put("save", filename_prefix="../video"), "save", "filename_prefix: '../video'", "i2v/my_video"),
    ("no frames", lambda prompt: prompt["save"]["inputs"].pop("images"), "save", "images, video:", "Wire either"),
]
FAILED = [
    ("two pictures", put("picture", batch_size=2), "direct", "first_image: 2 pictures", "ImageFromBatch"),
    ("same frame", lambda prompt: keyframes(prompt, 4, -1), "direct", "keyframes: keyframe 1", "Move one of them"),
    ("frame outside", lambda prompt: keyframes(prompt, 40), "direct", "frame_index: 40", "Frames run from 0 to 4"),
    ("no keyframes", keyframes, "direct", "keyframes: there are none", "Wire a Keyframe node"),
    ("empty prompt", put("text", prompt=" "), "text", "prompt: there is no description", "Describe the scene"),
    ("exchanged pair", EXCHANGED, "load", "high_noise_model: high and low are exchanged", "Swap the two files."),
    ("text file", put("load", high_noise_model="words.safetensors"), "load", "high_noise_model: words", "Choose the"),
    (
        "half a file",
        put("load", low_noise_model="half.safetensors"),
        "load",
        "low_noise_model: half",
        "Download it again",
    ),
    ("wrong kind", put("load", high_noise_model=files.T2V), "load", "high_noise_model: wan2.1_t2v", "Wan Model Loader"),
    ("keyframes on Phr00t", both(files.AIO_I2V, 0, 4), "direct", "vae: this is Phr00t's", "First + Last Frame"),
    ("inpaint on MEGA", lambda p: phr00t(p, files.AIO_MEGA), "sample", "control: inpaint", "Set control to vace"),
    (
        "pictures on T2V",
        lambda p: phr00t(p, files.AIO_T2V),
        "sample",
        "model: this is a text-to-video",
        "image-to-video",
    ),
    ("denoise", put("sample", denoise=0.7), "sample", "denoise: 0.7 needs a start video", "set denoise to 1"),
    ("cfg", put("sample", cfg=3.5), "sample", "negative: nothing is wired", "Wire a negative prompt"),
]


def changed(change) -> dict:
    prompt = copy.deepcopy(graph())
    change(prompt)
    return prompt


@pytest.fixture(scope="module")
def ready(server):
    """The server with the files that the rows name."""
    models = server.models / "diffusion_models"
    made = [models / "words.safetensors", models / "half.safetensors", server.base / "outside.png"]
    made[0].write_text("not a model\n", encoding="utf-8")
    whole = (models / files.I2V_LOW).read_bytes()
    made[1].write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (32, 32)).save(made[2])
    yield server
    for path in made:
        path.unlink()


def sampled(server) -> int:
    return server.log_text().count(SAMPLED)


def videos(server) -> list:
    return list((server.output / "bad").glob("*"))


@pytest.mark.parametrize(
    ("change", "node", "says", "remedy"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_the_host_refuses_it_before_anything_runs(ready, change, node, says, remedy):
    before = sampled(ready), videos(ready)
    with pytest.raises(Refused) as refusal:
        ready.queue(changed(change))
    details = " ".join(error["details"] for error in refusal.value.answer["node_errors"][node]["errors"])
    assert says in details
    assert remedy in details
    assert (sampled(ready), videos(ready)) == before


@pytest.mark.parametrize(("change", "node", "says", "remedy"), [row[1:] for row in FAILED], ids=[r[0] for r in FAILED])
def test_its_node_says_what_is_wrong_before_anything_is_sampled(ready, change, node, says, remedy):
    before = sampled(ready), videos(ready)
    with pytest.raises(Failed) as failure:
        ready.queue(changed(change))
    messages = dict(failure.value.history["status"]["messages"])
    error = messages["execution_error"]
    assert error["node_id"] == node
    assert error["exception_type"].endswith("InputError")
    assert says in error["exception_message"]
    assert remedy in error["exception_message"]
    assert not {"sample", "decode", "save"} & set(error["executed"])
    assert (sampled(ready), videos(ready)) == before


@pytest.mark.parametrize("change", [put("sample", scheduler="linear"), put("direct", fit="cover")])
def test_an_unknown_choice_is_never_replaced_in_silence(ready, change):
    """Newer hosts refuse it themselves; 0.3.75 hands it to the node."""
    before = sampled(ready), videos(ready)
    with pytest.raises((Refused, Failed), match=r"scheduler: 'linear'|fit: 'cover'"):
        ready.queue(changed(change))
    assert (sampled(ready), videos(ready)) == before


def test_the_graph_the_rows_change_is_right(ready):
    """Else the counts above would prove nothing: this one samples and leaves a video."""
    before = sampled(ready), len(videos(ready))
    ready.queue(graph())
    assert sampled(ready) > before[0]
    assert len(videos(ready)) > before[1]
