"""SaveVideo in the host: files, tags, JSON, refusals."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import pytest
import torch
from genga.errors import InputError
from genga.media import record
from genga.media.source import read_audio, read_frames

PROMPT = {
    "1": {"class_type": "GengaNoise", "inputs": {"seed": -1}, "_meta": {"title": "Noise"}},
    "2": {"class_type": "Decode", "inputs": {"noise": ["1", 0], "length": 80}},
    "3": {"class_type": "GengaSaveVideo", "inputs": {"images": ["2", 0], "filename_prefix": "i2v/i2v_standard"}},
    "4": {"class_type": "GengaNoise", "inputs": {"seed": 3}},
}
WORKFLOW = {"nodes": [{"id": 3, "type": "GengaSaveVideo"}], "version": 0.4, "extra": {"ü": "日本"}}


@pytest.fixture(scope="module")
def node(host):
    """The class as the host calls it: a clone with the hidden values of one run."""
    from genga.nodes.output import SaveVideo

    hidden = SimpleNamespace(prompt=PROMPT, extra_pnginfo={"workflow": WORKFLOW}, unique_id="3")
    return type("SaveVideo", (SaveVideo,), {"hidden": hidden})


@pytest.fixture
def output(host, tmp_path, monkeypatch):
    import folder_paths

    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path))
    return tmp_path


@pytest.fixture
def no_metadata(host, monkeypatch):
    from comfy.cli_args import args

    monkeypatch.setattr(args, "disable_metadata", True)


def frames(count=9, height=48, width=64):
    moving = torch.linspace(0.1, 0.9, count).view(-1, 1, 1, 1).repeat(1, height, width, 3)
    moving[..., 1] = 0.3
    return moving


def tone(seconds, rate=16000):
    return {"waveform": 0.4 * torch.sin(torch.arange(seconds * rate) * 0.2)[None, None], "sample_rate": rate}


def saved(result, output) -> Path:
    shown = result.ui["images"][0]
    return output / shown["subfolder"] / shown["filename"]


def left(output):
    return sorted(p.name for p in output.rglob("*") if p.is_file())


def test_images_become_a_video_with_everything_in_it(node, output):
    record.note(PROMPT, "1", seed=123456789)
    record.note(PROMPT, "2", length=81)
    record.note(PROMPT, "4", seed=3)
    result = node.execute("i2v/i2v_standard", "mp4", 16, 16.0, images=frames(), audio=tone(2))
    path = saved(result, output)
    assert re.fullmatch(r"i2v_standard_\d{8}_\d{6}\.mp4", path.name) and path.parent == output / "i2v"
    assert left(output) == [path.stem + ".json", path.name]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.frames, stream.width, stream.height, stream.average_rate) == (9, 64, 48, 16)
        tags = container.metadata
    assert json.loads(tags["prompt"]) == PROMPT
    assert json.loads(tags["workflow"]) == WORKFLOW
    about = json.loads(tags["genga"])
    assert about["facts"] == {
        "1": {"class_type": "GengaNoise", "seed": 123456789},
        "2": {"class_type": "Decode", "length": 81},
    }
    assert (about["frames"], about["fps"], about["width"], about["height"]) == (9, 16.0, 64, 48)
    back = torch.cat(list(read_frames(path)))
    assert (back - frames()).abs().max() < 0.03
    assert read_audio(path)["waveform"].shape[2] == pytest.approx(9000, abs=1100)


def test_the_json_beside_it_reproduces_the_run(node, output, host):
    path = saved(node.execute("a", images=frames(), fps=24), output)
    beside = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert beside["prompt"] == PROMPT and beside["workflow"] == WORKFLOW
    assert beside["comfyui_version"] == host.version and beside["genga_version"].count(".") == 2
    assert beside["file"] == path.name and beside["crf"] == 16 and beside["audio"] is None
    assert (beside["frames"], beside["fps"], beside["duration"]) == (9, 24.0, 0.375)


def test_the_page_shows_the_video(node, output):
    result = node.execute("sub/a", images=frames(height=47, width=63))
    shown = result.ui["images"][0]
    assert result.ui["animated"] == (True,)
    assert shown["type"] == "output" and shown["subfolder"] == "sub" and shown["filename"].endswith(".mp4")
    said = "\n".join(result.ui["text"])
    assert shown["filename"] in said and "9 frames of 64x48 at 16 fps" in said
    assert "The frames are 63x47" in said
    assert result.args[0].get_dimensions() == (64, 48)
    assert result.args[0].get_stream_source() == str(saved(result, output))


def test_names_are_never_used_twice(node, output):
    paths = [saved(node.execute("a", images=frames(2)), output) for _ in range(3)]
    assert len(set(paths)) == 3 and len(left(output)) == 6


def test_the_hosts_tokens(node, output):
    path = saved(node.execute("%width%x%height%/%year%", images=frames(2)), output)
    assert path.parent.name == "64x48" and re.match(r"20\d\d_\d{8}_", path.name)


@pytest.mark.parametrize("prefix", ["../a", "a/../../../b", "C:\\a", "", "a:b"])
def test_paths_are_refused_before_anything_runs(node, output, prefix):
    assert node.validate_inputs(filename_prefix=prefix, images=None).startswith("filename_prefix: ")
    with pytest.raises(InputError, match="^filename_prefix: "):
        node.execute(prefix, images=frames(2))
    assert left(output) == []


def test_an_absolute_path_is_refused_even_inside_the_output_folder(node, output):
    with pytest.raises(InputError, match="absolute"):
        node.execute(str(output / "a"), images=frames(2))


def test_a_link_out_of_the_output_folder(node, output, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    try:
        (output / "link").symlink_to(outside, target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no symbolic links")
    with pytest.raises(InputError, match="leads out of the output folder"):
        node.execute("link/a", images=frames(2))
    assert list(outside.iterdir()) == []


def test_a_name_no_disk_takes(node, output):
    """Also of a disk that takes less than others, or a path that is long in all."""
    assert "takes 300 bytes" in node.validate_inputs(filename_prefix="a" * 300, images=None)
    with pytest.raises(InputError, match="^filename_prefix: .* cannot be written"):
        node.execute("/".join(["a" * 200] * 30), images=frames(2))


def test_exactly_one_source(node, output):
    assert node.validate_inputs(filename_prefix="a", images=None) is True
    assert node.validate_inputs(filename_prefix=None, video=None) is True
    assert "both are wired" in node.validate_inputs(filename_prefix="a", images=None, video=None)
    assert "neither is wired" in node.validate_inputs(filename_prefix="a")
    with pytest.raises(InputError, match="images, video: neither"):
        node.execute("a")


def test_the_host_asks_before_it_runs(node, host):
    """The signature is what the host reads to know which inputs to check, wired or not."""
    import asyncio

    import execution

    import nodes

    class Pictures:
        RETURN_TYPES = ("IMAGE",)
        FUNCTION = "run"
        INPUT_TYPES = classmethod(lambda cls: {"required": {}})

    class Videos(Pictures):
        RETURN_TYPES = ("VIDEO",)

    def validate(inputs):
        prompt = {
            "1": {"class_type": "TestPictures", "inputs": {}},
            "2": {"class_type": "TestVideos", "inputs": {}},
            "3": {
                "class_type": "TestSave",
                "inputs": {"filename_prefix": "a", "format": "mp4", "crf": 16, "fps": 16.0, **inputs},
            },
        }
        return asyncio.run(execution.validate_inputs("test", prompt, "3", {}))

    known = {"TestPictures": Pictures, "TestVideos": Videos, "TestSave": node}
    nodes.NODE_CLASS_MAPPINGS.update(known)
    try:
        good, _, _ = validate({"images": ["1", 0]})
        both, errors, _ = validate({"images": ["1", 0], "video": ["2", 0]})
        none, _, _ = validate({})
        out, messages, _ = validate({"images": ["1", 0], "filename_prefix": "../a"})
        rate, _, _ = validate({"images": ["1", 0], "crf": 101})
    finally:
        for name in known:
            del nodes.NODE_CLASS_MAPPINGS[name]
    assert good is True
    assert both is False and "both are wired" in errors[0]["details"]
    assert none is False and out is False and rate is False
    assert "leads upwards" in messages[0]["details"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": torch.rand(2, 16, 16, 4)}, "images: has an alpha channel"),
        ({"images": torch.rand(0, 16, 16, 3)}, "images: is an empty batch"),
        ({"images": torch.rand(2, 0, 0, 3)}, "images: has pictures of 0x0"),
        ({"images": torch.full((20, 16, 16, 3), float("nan"))}, "images: frame 0 holds NaN"),
        ({"images": frames(2), "fps": 0}, "fps: 0 is not a frame rate"),
        ({"images": frames(2), "fps": float("nan")}, "fps: nan is not a frame rate"),
        ({"images": frames(2), "crf": 101}, "crf: 101 is not"),
        ({"images": frames(2), "format": "mov"}, "format: 'mov' is not known"),
        ({"images": frames(2), "audio": {"waveform": torch.zeros(1, 9)}}, "audio: is not an AUDIO"),
        ({"images": frames(2), "audio": {"waveform": torch.zeros(2, 1, 9), "sample_rate": 9}}, "audio: holds a batch"),
    ],
)
def test_bad_input_is_named_and_leaves_nothing(node, output, options, message):
    with pytest.raises(InputError, match="^" + re.escape(message)):
        node.execute("a", **options)
    assert left(output) == []


def test_a_video_keeps_its_rate_and_sound(node, output):
    first = node.execute("first", images=frames(24), fps=23.976, audio=tone(1))
    second = saved(node.execute("second", video=first.args[0], fps=8), output)
    with av.open(str(second)) as container:
        assert container.streams.video[0].average_rate == Fraction(2997, 125)
        assert container.streams.video[0].frames == 24
    assert read_audio(second)["waveform"].abs().max() > 0.2
    assert (torch.cat(list(read_frames(second))) - frames(24)).abs().max() < 0.03


def test_wired_sound_takes_the_place_of_the_videos_own(node, output):
    first = node.execute("first", images=frames(24), audio=tone(1))
    silent = {"waveform": torch.zeros(1, 1, 24000), "sample_rate": 16000}
    second = saved(node.execute("second", video=first.args[0], audio=silent), output)
    assert read_audio(second)["waveform"].abs().max() < 0.01


def test_a_video_of_components(node, output):
    from comfy_api.latest import InputImpl, Types

    parts = Types.VideoComponents(images=frames(5), audio=tone(1), frame_rate=Fraction(25, 2))
    path = saved(node.execute("a", video=InputImpl.VideoFromComponents(parts)), output)
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == Fraction(25, 2)
        assert container.streams.video[0].frames == 5 and len(container.streams.audio) == 1


def test_a_trimmed_video_is_saved_trimmed(node, output):
    whole = node.execute("whole", images=frames(32)).args[0]
    if not hasattr(whole, "as_trimmed"):
        pytest.skip("this host does not trim videos")
    path = saved(node.execute("part", video=whole.as_trimmed(0.5, 1.0)), output)
    back = torch.cat(list(read_frames(path)))
    assert back.shape[0] == 16 and (back - frames(32)[8:24]).abs().max() < 0.04


def test_the_host_reads_the_colours_back(node, output):
    """Its decoder obeys the tags, so a saved video used again keeps its colours."""
    for color in ((1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0), (0.87, 0.67, 0.55)):
        picture = torch.tensor(color).expand(2, 64, 64, 3)
        back = node.execute("a", images=picture, crf=4).args[0].get_components().images
        assert back[..., :3].float().mean((0, 1, 2)).tolist() == pytest.approx(color, abs=0.016)


def test_without_metadata_nothing_is_told(node, output, no_metadata):
    path = saved(node.execute("a", images=frames(2)), output)
    assert left(output) == [path.name]
    with av.open(str(path)) as container:
        assert not {"prompt", "workflow", "genga"} & set(container.metadata)
    assert b"GengaNoise" not in path.read_bytes()


def test_an_interruption_leaves_nothing(node, output):
    import comfy.model_management as management

    management.interrupt_current_processing(True)
    try:
        with pytest.raises(management.InterruptProcessingException):
            node.execute("a", images=frames(40))
    finally:
        management.interrupt_current_processing(False)
    assert left(output) == []


def test_progress_counts_the_frames(node, output, monkeypatch):
    import comfy.utils

    told = []
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda value, total, *_, **__: told.append((value, total)))
    node.execute("a", images=frames(20))
    assert told == sorted(told) and told[-1] == (20, 20)
    assert told[0] == (8, 20)  # the rest may be thinned out: newer hosts send a few a second


def test_called_from_code_it_needs_no_prompt(host, output):
    from genga.nodes.output import SaveVideo

    path = saved(SaveVideo.execute("a", images=frames(2)), output)
    assert json.loads(path.with_suffix(".json").read_text())["prompt"] is None
