"""The image modes through the host's HTTP API, and every saved file read back: the same prompt gives the same pixels."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from genga.media import readback
from genga_tests.tools import shipped
from genga_tests.tools.convert import to_prompt
from PIL import Image, ImageDraw

MODES = ("Pony T2I", "Pony I2I", "Flux T2I", "Flux I2I")
RECIPES = {  # from the specification: steps, CFG or guidance, sampler, clip skip
    "Pony": {"steps": 30, "cfg": 6.0, "sampler_name": "euler_ancestral", "clip_skip": 2},
    "Flux": {"steps": 25, "cfg": 1.0, "guidance": 3.5, "sampler_name": "euler"},
}
SMALL = {"width": 256, "height": 272}


@pytest.fixture(scope="module")
def info(server):
    picture = Image.new("RGB", (64, 48), (40, 120, 200))
    ImageDraw.Draw(picture).ellipse((8, 10, 40, 40), fill="white")
    picture.save(server.input / "modes.png")
    return server.get("/object_info")


def workflow_of(name: str) -> dict:
    return shipped.ready(name, {}, ["modes.png"])


def files_of(server, entry) -> list[Path]:
    return [path for path in server.files(entry) if path.suffix != ".json"]


def pixels_of(path: Path) -> np.ndarray:
    if path.suffix in (".png", ".jpg"):
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize("name", MODES)
def test_a_mode_makes_its_picture(server, info, name):
    """As shipped but for the size."""
    workflow = workflow_of(name)
    prompt = to_prompt(workflow, info)
    (numbers,) = [node for node in prompt.values() if node["class_type"] == "GengaImageSettings"]
    numbers["inputs"] |= SMALL
    (path,) = files_of(server, server.queue(prompt, {"extra_pnginfo": {"workflow": workflow}}))
    assert path.parent == server.output / name.split()[0].lower()
    assert path.name.startswith(name.lower().replace(" ", "_"))
    picture = pixels_of(path)
    assert picture.shape == (272, 256, 3) and picture.std() > 10
    said = readback.said(readback.read(path))
    assert {key: said[key] for key in RECIPES[name.split()[0]]} == RECIPES[name.split()[0]]
    assert said["denoise"] == (0.7 if name.endswith("I2I") else 1.0)
    beside = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    wanted = {model["name"] for node in workflow["nodes"] for model in node["properties"].get("models", [])}
    assert {model["name"] for model in beside["models"]} == wanted
    assert all(len(model["sha256"]) == 64 for model in beside["models"])
    with Image.open(path) as png:
        assert json.loads(png.text["workflow"]) == workflow and json.loads(png.text["prompt"]) == prompt
        assert f"Steps: {said['steps']}, Sampler: Euler" in png.text["parameters"]


def small_pony(info, seed: int) -> dict:
    """Pony T2I with a drawn seed: few steps, and the seed by wire from Noise."""
    prompt = to_prompt(workflow_of("Pony T2I"), info)
    for node in prompt.values():
        if node["class_type"] == "GengaImageSettings":
            node["inputs"] |= {"width": 256, "height": 256, "steps": 10}
        if node["class_type"] == "KSampler":
            node["inputs"]["seed"] = ["noise", 1]
    return prompt | {"noise": {"class_type": "GengaNoise", "inputs": {"seed": seed}}}


def decoded(prompt: dict) -> list:
    (save,) = [node for node in prompt.values() if node["class_type"] == "GengaSaveImage"]
    return save["inputs"]["images"]


@pytest.fixture(scope="module")
def saved(server, info):
    """The same picture of a drawn seed as PNG, JPG, MP4 and WebM, by ending."""
    prompt = small_pony(info, -1)
    images = decoded(prompt)
    prompt = {i: node for i, node in prompt.items() if node["class_type"] != "GengaSaveImage"}
    for number, kind in enumerate(("png", "jpg")):
        inputs = {"images": images, "filename_prefix": f"back/{kind}", "format": kind, "quality": 90}
        prompt[f"i{number}"] = {"class_type": "GengaSaveImage", "inputs": inputs}
    for number, kind in enumerate(("mp4", "webm")):
        inputs = {"images": images, "filename_prefix": f"back/{kind}", "format": kind, "crf": 16, "fps": 16.0}
        prompt[f"v{number}"] = {"class_type": "GengaSaveVideo", "inputs": inputs}
    return {path.suffix: path for path in files_of(server, server.queue(prompt))}


@pytest.mark.parametrize("ending", [".png", ".jpg", ".mp4", ".webm"])
def test_settings_read_back_give_the_same_pixels(server, info, saved, ending):
    found = readback.read(saved[ending])
    assert found.prompt["noise"]["inputs"]["seed"] == -1
    again = readback.rebuilt(found)
    seed = again["noise"]["inputs"]["seed"]
    assert 0 <= seed < 2**31 and readback.said(found)["seed"] == seed
    again = {i: node for i, node in again.items() if i[0] not in "iv" or node["inputs"].get("format") == ending[1:]}
    (path,) = files_of(server, server.queue(again))
    assert path != saved[ending] and path.suffix == ending
    assert np.array_equal(pixels_of(path), pixels_of(saved[ending]))
    assert pixels_of(path).std() > 10


def test_another_seed_gives_other_pixels(server, info, saved):
    """So that the test above can fail."""
    (path,) = files_of(server, server.queue(small_pony(info, 1)))
    assert not np.array_equal(pixels_of(path), pixels_of(saved[".png"]))


def test_the_node_reads_on_the_server(server, info, saved):
    """Its outputs fit the inputs of the host's sampler, and its JSON holds the prompt ready to be queued."""
    name = f"back/{saved['.jpg'].name} [output]"
    prompt = small_pony(info, 3)
    (sampler,) = [node for node in prompt.values() if node["class_type"] == "KSampler"]
    wires = {"seed": 2, "steps": 3, "cfg": 4, "sampler_name": 5, "scheduler": 6}
    sampler["inputs"] |= {key: ["read", slot] for key, slot in wires.items()}
    prompt["read"] = {"class_type": "GengaReadSettings", "inputs": {"file": name}}
    prompt["show"] = {"class_type": "PreviewAny", "inputs": {"source": ["read", 7]}}
    entry = server.queue(prompt)
    whole = json.loads(entry["outputs"]["show"]["text"][0])
    assert whole["prompt"] == readback.rebuilt(readback.read(saved[".jpg"]))
    (path,) = files_of(server, entry)
    assert np.array_equal(pixels_of(path), pixels_of(saved[".png"]))
    said = readback.said(readback.read(path))
    assert said["steps"] == 10


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"width": 500}, "width: 500 is no multiple of 16 from 256 to 2048. Use 496."),
        ({"model": "flux", "sampler_name": "euler", "cfg": 12.0}, "cfg: 12 is outside 1 to 10, which Flux takes"),
        ({"sampler_name": "euler"}, "sampler_name: euler is none that Pony is run with"),
    ],
)
def test_what_the_model_is_not_made_for_is_refused(server, info, inputs, message):
    prompt = small_pony(info, 1)
    (numbers,) = [node for node in prompt.values() if node["class_type"] == "GengaImageSettings"]
    numbers["inputs"] |= inputs
    assert message in json.dumps(server.refused(prompt))


@pytest.mark.parametrize("name", ["../secret.json [output]", "missing.png", "/etc/hostname.json"])
def test_no_other_file_is_read(server, info, name):
    prompt = {
        "1": {"class_type": "GengaReadSettings", "inputs": {"file": name}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 7]}},
    }
    (server.base / "secret.json").write_text('{"genga_version": "1"}')
    assert "file: " in json.dumps(server.refused(prompt))
