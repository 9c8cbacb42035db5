"""SaveVideo and SaveImage in the host: every format, its name, texts, JSON, preview, and the hashes of models."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch
from genga.errors import InputError
from genga.media import formats, hashes
from genga.media.source import read_frames
from PIL import Image

PROMPT = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "hashed/tiny.safetensors"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "a cat, 日本"}},
    "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "blurry"}},
    "4": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "seed": 7, "steps": 30, "cfg": 6.0,
            "sampler_name": "dpmpp_2m", "scheduler": "karras", "denoise": 1.0,
        },
    },
    "5": {"class_type": "VAEDecode", "inputs": {"samples": ["4", 0], "vae": ["1", 2]}},
    "6": {"class_type": "GengaSaveVideo", "inputs": {"images": ["5", 0]}},
}  # fmt: skip
WORKFLOW = {"nodes": [{"id": 3, "type": "GengaSaveVideo"}], "version": 0.4, "extra": {"ü": "日本"}}
EXTENSIONS = {"mp4": ".mp4", "webm": ".webm", "webm-av1": ".webm", "gif": ".gif", "mkv-lossless": ".mkv"}


def clone(of):
    hidden = SimpleNamespace(prompt=PROMPT, extra_pnginfo={"workflow": WORKFLOW}, unique_id="6")
    return type(of.__name__, (of,), {"hidden": hidden})


@pytest.fixture(scope="module")
def video(host):
    from genga.nodes.output import SaveVideo

    return clone(SaveVideo)


@pytest.fixture
def output(host, tmp_path, monkeypatch):
    import folder_paths

    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path / "output"))
    monkeypatch.setattr(hashes, "_shared", hashes.Hashes(tmp_path / "store" / "sha256.json"))
    return tmp_path / "output"


@pytest.fixture
def model(host):
    path = host.models / "checkpoints" / "hashed" / "tiny.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"abc")
    yield path
    path.unlink()


def frames(count=9, height=48, width=64):
    moving = torch.linspace(0.1, 0.9, count).view(-1, 1, 1, 1).repeat(1, height, width, 3)
    moving[..., 1] = 0.2
    return (moving * 255).round() / 255


def files(output) -> list[Path]:
    return sorted(path for path in output.rglob("*") if path.is_file())


def test_the_node_offers_every_format(video):
    (given,) = [item for item in video.GET_SCHEMA().inputs if item.id == "format"]
    assert set(given.options) == {*EXTENSIONS, "png-sequence"}
    assert given.options[0] == given.default == "mp4"


@pytest.mark.parametrize("name", EXTENSIONS)
def test_a_format_is_saved_with_its_name_texts_and_json(video, output, name):
    audio = {"waveform": torch.zeros(1, 1, 16000), "sample_rate": 16000}
    result = video.execute("i2v/i2v_standard", name, 16, 16.0, images=frames(), audio=audio)
    beside, path = sorted(files(output), key=lambda path: path.suffix != ".json")
    assert re.fullmatch(r"i2v_standard_\d{8}_\d{6}", path.stem) and path.parent == output / "i2v"
    assert path.suffix == EXTENSIONS[name] and beside == path.with_suffix(".json")
    told = json.loads(beside.read_text(encoding="utf-8"))
    assert (told["format"], told["frames"], told["prompt"], told["workflow"]) == (name, 9, PROMPT, WORKFLOW)
    assert (told["width"], told["height"], told["duration"]) == (64, 48, 0.5625)
    back = torch.cat(list(read_frames(path)))
    assert (back - frames()).abs().mean() < 0.02
    listed = [each["filename"] for key in ("images", "files") for each in result.ui.get(key, [])]
    assert listed == [path.name]
    assert result.ui.get("animated") == {"gif": (False,), "mkv-lossless": None}.get(name, (True,))
    said = "\n".join(result.ui["text"])
    assert ("has no sound" in said) == (name == "gif") and ("Browsers do not play" in said) == (name == "mkv-lossless")
    assert result.args[0].get_dimensions() == (64, 48)


def test_a_sequence_is_a_folder_with_its_json_beside_it(video, output):
    result = video.execute("a", "png-sequence", images=frames(30, 15, 17), fps=8)
    (folder,) = [path for path in output.iterdir() if path.is_dir()]
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 30 and names[7] == f"{folder.name}_00007.png"
    told = json.loads((output / f"{folder.name}.json").read_text(encoding="utf-8"))
    assert (told["frames"], told["width"], told["height"], told["codec"]) == (30, 17, 15, "png")
    with Image.open(folder / names[3]) as picture:
        assert json.loads(picture.text["workflow"]) == WORKFLOW
        assert picture.text["parameters"].startswith(
            "a cat, 日本\nNegative prompt: blurry\nSteps: 30, Sampler: DPM++ 2M"
        )
    assert [each["filename"] for each in result.ui["files"]] == names
    assert [each["filename"] for each in result.ui["images"]] == names[::3]
    assert {each["subfolder"] for each in result.ui["images"]} == {folder.name}
    parts = result.args[0].get_components()
    assert torch.equal(parts.images, frames(30, 15, 17)) and float(parts.frame_rate) == 8


def test_a_video_from_a_file_becomes_a_gif_in_two_passes(video, output):
    first = video.execute("first", images=frames(12)).args[0]
    path = output / video.execute("second", "gif", video=first).ui["images"][0]["filename"]
    assert (torch.cat(list(read_frames(path))) - frames(12)).abs().mean() < 0.03


def test_a_large_gif_is_warned_of(video, output, monkeypatch):
    from genga.nodes import output as node

    assert "GIF of about" not in "\n".join(video.execute("a", "gif", images=frames()).ui["text"])
    monkeypatch.setattr(node, "_BIG_GIF", 10_000)
    said = "\n".join(video.execute("a", "gif", images=frames()).ui["text"])
    assert "9 frames of 64x48 make a GIF of about 0.0 MB: webm is about a tenth" in said


@pytest.mark.parametrize("name", ["gif", "png-sequence", "webm"])
def test_an_interruption_leaves_nothing(video, output, name):
    import comfy.model_management as management

    management.interrupt_current_processing(True)
    try:
        with pytest.raises(management.InterruptProcessingException):
            video.execute("a", name, images=frames(40))
    finally:
        management.interrupt_current_processing(False)
    assert list(output.rglob("a*")) == []


def test_what_this_pyav_lacks_is_told_before_anything_runs(video, output, monkeypatch):
    monkeypatch.setattr(av, "codecs_available", {"libx264"})
    refused = video.validate_inputs(filename_prefix="a", format="webm", images=None)
    assert refused.startswith("format: webm needs libvpx-vp9") and "pip install" in refused
    assert video.validate_inputs(filename_prefix="a", format="mp4", images=None) is True
    with pytest.raises(InputError, match="^format: gif needs"):
        video.execute("a", "gif", images=frames())
    assert files(output) == []


def test_models_are_in_the_json_with_their_hashes(video, output, model):
    video.execute("a", images=frames(2))
    told = json.loads(next(output.glob("*.json")).read_text(encoding="utf-8"))
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert told["models"] == [{"folder": "checkpoints", "name": "hashed/tiny.safetensors", "bytes": 3, "sha256": known}]
    assert told["settings"] == {
        "prompt": "a cat, 日本", "negative_prompt": "blurry", "seed": 7, "steps": 30, "cfg": 6.0,
        "sampler_name": "dpmpp_2m", "scheduler": "karras", "denoise": 1.0,
    }  # fmt: skip
    assert told["torch_version"] == torch.__version__


def test_a_slow_hash_stops_no_save_and_comes_later(video, output, model, monkeypatch):
    import threading
    import time

    held = threading.Event()
    slow = hashes.Hashes(output / "store.json", read=lambda path: held.wait(30) and "f" * 64)
    monkeypatch.setattr(hashes, "_shared", slow)
    monkeypatch.setattr(hashes, "PATIENCE", 0.05)
    video.execute("a", images=frames(2))
    beside = next(output.glob("a*.json"))
    assert json.loads(beside.read_text(encoding="utf-8"))["models"][0]["sha256"] is None
    held.set()
    end = time.monotonic() + 20
    while json.loads(beside.read_text(encoding="utf-8"))["models"][0]["sha256"] != "f" * 64:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_formats_are_only_ever_added():
    """Values of a combo are saved in workflows."""
    assert list(formats.FORMATS)[:6] == ["mp4", "webm", "webm-av1", "gif", "png-sequence", "mkv-lossless"]


@pytest.fixture(scope="module")
def image(host):
    from genga.nodes.pictures import SaveImage

    return clone(SaveImage)


def test_each_picture_of_a_batch_is_a_png_of_its_own(image, output, model):
    result = image.execute(frames(2, 15, 17), "pony/pony_t2i", "png", 95)
    listed = [output / each["subfolder"] / each["filename"] for each in result.ui["images"]]
    assert len(set(listed)) == 2 and files(output) == sorted([*listed, *(path.with_suffix(".json") for path in listed)])
    for number, path in enumerate(listed):
        assert re.fullmatch(r"pony_t2i_\d{8}_\d{6}(_2)?\.png", path.name)
        told = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        assert (told["batch_index"], told["batch_size"], told["file"]) == (number, 2, path.name)
        assert told["models"][0]["sha256"].startswith("ba7816bf")
        with Image.open(path) as picture:
            pixels = torch.from_numpy(np.array(picture)) / 255
            assert torch.equal(pixels, frames(2, 15, 17)[number])
            assert picture.text["parameters"].endswith(
                "Model hash: ba7816bf8f, Model: tiny, Version: ComfyUI " + version()
            )
            assert json.loads(picture.text["prompt"]) == PROMPT


def version() -> str:
    import comfyui_version

    return comfyui_version.__version__


def test_a_worse_jpg_is_smaller(image, output):
    sizes = []
    for quality in (100, 60):
        shown = image.execute(torch.rand(1, 64, 64, 3), "a", "jpg", quality).ui["images"][0]
        sizes.append((output / shown["filename"]).stat().st_size)
        assert json.loads((output / shown["filename"]).with_suffix(".json").read_text())["quality"] == quality
    assert sizes[0] > 1.5 * sizes[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": torch.rand(1, 8, 8, 4)}, "images: has an alpha channel"),
        ({"images": torch.rand(1, 8, 8, 3), "format": "webp"}, "format: 'webp' is not known"),
        ({"images": torch.rand(1, 8, 8, 3), "quality": 0}, "quality: 0 is no quality"),
        ({"images": torch.rand(1, 8, 8, 3), "filename_prefix": "../a"}, "filename_prefix: "),
    ],
)
def test_a_picture_that_cannot_be_saved_leaves_nothing(image, output, options, message):
    with pytest.raises(InputError, match="^" + re.escape(message)):
        image.execute(**{"filename_prefix": "a", **options})
    assert not output.exists() or files(output) == []


def test_without_metadata_a_picture_tells_nothing(image, output, monkeypatch):
    from comfy.cli_args import args

    monkeypatch.setattr(args, "disable_metadata", True)
    for kind in ("png", "jpg"):
        image.execute(frames(1), "a", kind)
    assert {path.suffix for path in files(output)} == {".png", ".jpg"}
    assert not any(b"KSampler" in path.read_bytes() for path in files(output))
