"""WindowSampler and ContinueVideo as the host calls them."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import av
import pytest
import torch
from genga.errors import InputError
from genga.media.source import read_audio, read_frames
from genga_tests.tools.windowed import SIDE, Provider

PROMPT = {
    "1": {"class_type": "CFGGuider", "inputs": {"cfg": 3.0}},
    "2": {"class_type": "Fake", "inputs": {}},
    "3": {
        "class_type": "GengaWindowSampler",
        "inputs": {"guider": ["1", 0], "windows": ["2", 0], "seed": 5, "filename_prefix": "i2v/i2v_infinitetalk"},
    },
}
WORKFLOW = {"nodes": [{"id": 3, "type": "GengaWindowSampler"}], "version": 0.4}
SIGMAS = torch.tensor([1.0, 0.7, 0.0])
TONE = {"waveform": 0.4 * torch.sin(torch.arange(32000) * 0.2)[None, None], "sample_rate": 16000}


@pytest.fixture(scope="module")
def rooms(models):
    from genga.nodes import windows as nodes
    from genga.samplers.windows import plan, provider

    return SimpleNamespace(nodes=nodes, plan=plan, provider=provider)


@pytest.fixture(scope="module")
def node(rooms):
    hidden = SimpleNamespace(prompt=PROMPT, extra_pnginfo={"workflow": WORKFLOW}, unique_id="3")
    return type("WindowSampler", (rooms.nodes.WindowSampler,), {"hidden": hidden})


@pytest.fixture
def folders(host, tmp_path, monkeypatch):
    """Output and user folder of this test alone."""
    import folder_paths

    found = SimpleNamespace(output=tmp_path / "output", user=tmp_path / "user")
    monkeypatch.setattr(folder_paths, "output_directory", str(found.output))
    monkeypatch.setattr(folder_paths, "user_directory", str(found.user))
    found.output.mkdir()
    return found


@pytest.fixture(scope="module")
def model(load_model, tiny):
    return load_model(tiny.files.I2V_HIGH)


@pytest.fixture(scope="module")
def parts(rooms, vae, model, prompts):
    """Right inputs; a test changes what it wants."""
    import comfy.samplers

    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(*prompts)
    guider.set_cfg(3.0)
    return {
        "guider": guider,
        "sampler": comfy.samplers.sampler_object("euler"),
        "sigmas": SIGMAS,
        "vae": vae,
        "windows": windows_of(rooms, vae, 13),
        "seed": 5,
    }


def windows_of(rooms, vae, length, window=9, overlap=5, **more):
    plan = rooms.plan.make(length, window, overlap)
    return rooms.provider.Windows(plan, Provider(vae), Fraction(25), **more)


def file_of(out, folders):
    shown = out.ui["images"][0]
    return folders.output / shown["subfolder"] / shown["filename"]


def said(out):
    return "\n".join(out.ui["text"])


def test_a_video_with_sound_tags_and_json(node, parts, rooms, vae, folders):
    windows = windows_of(rooms, vae, 13, audio=TONE, notes=("motion_frames 4 becomes 5.",))
    out = node.execute(**(parts | {"windows": windows}))
    path = file_of(out, folders)
    video, last, latent, count = out.args
    assert path.parent.name == "i2v" and path.name.startswith("i2v_infinitetalk_")
    assert video.get_stream_source() == str(path) and video.get_dimensions() == (SIDE, SIDE)
    assert count == 13 and last.shape == (5, SIDE, SIDE, 3) and latent["samples"].shape == (1, 16, 3, 4, 4)
    frames = torch.cat(list(read_frames(path)))
    assert frames.shape == (13, SIDE, SIDE, 3)
    assert (frames[-5:] - last).abs().mean() < 0.05
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == 25
        tags = container.metadata
    assert json.loads(tags["prompt"]) == PROMPT and json.loads(tags["workflow"]) == WORKFLOW
    facts = json.loads(tags["genga"])["facts"]["3"]
    assert (facts["seed"], facts["windows"], facts["frames"], facts["crf"]) == (5, 2, 13, 16)
    assert (facts["color_match"], facts["color_strength"]) == ("overlap", 1.0) and facts["fps"] == 25
    beside = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert (beside["frames"], beside["duration"], beside["audio"]["sample_rate"]) == (13, 0.52, 16000)
    assert abs(read_audio(path)["waveform"].shape[2] / 16000 - 13 / 25) < 0.08
    assert "motion_frames 4 becomes 5." in said(out) and "2 windows, 13 frames." in said(out)
    assert "Stored windows: 0.0 of 20 GB." in said(out) and path.name in said(out)
    assert out.ui["animated"] == (True,)


@pytest.fixture
def page(monkeypatch, tmp_path):
    """A page that follows the run: the events sent to it."""
    import folder_paths

    class Server:
        client_id, events = "page", []

        def send_sync(self, event, data, client):
            self.events.append((event, data, client))

        def send_progress_text(self, text, node_id):
            self.events.append(("text", text, node_id))

    server = Server()
    monkeypatch.setitem(sys.modules, "server", SimpleNamespace(PromptServer=SimpleNamespace(instance=server)))
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path / "temp"))
    return server


def test_the_page_sees_the_windows_that_are_done(node, parts, rooms, vae, folders, page, tmp_path):
    node.execute(**(parts | {"windows": windows_of(rooms, vae, 16)}))  # three windows
    seen = [(data, client) for event, data, client in page.events if event == "genga.windows"]
    assert [(data["from"], data["to"], data["of"], data["node"]) for data, _ in seen] == [
        (1, 1, 3, "3"),
        (1, 2, 3, "3"),
    ]
    assert {client for _, client in seen} == {"page"} and {data["type"] for data, _ in seen} == {"temp"}
    (latest,) = (tmp_path / "temp").iterdir()
    assert latest.name == seen[-1][0]["filename"]
    assert sum(len(batch) for batch in read_frames(latest)) == 13
    lines = [data for event, data, _ in page.events if event == "text"]
    assert any("window 2 of 3, 50 %" in line for line in lines)


def test_without_a_page_nothing_is_joined_for_it(node, parts, folders, page, tmp_path):
    page.client_id = None
    node.execute(**parts)
    assert not (tmp_path / "temp").exists()
    assert "genga.windows" not in [event for event, *_ in page.events]


def test_again_it_takes_the_stored_windows_and_writes_the_same_frames(node, parts, folders):
    one = node.execute(**parts)
    two = node.execute(**parts)
    assert "2 windows, 13 frames, 2 of them from the store." in said(two)
    paths = [file_of(out, folders) for out in (one, two)]
    assert paths[0] != paths[1]
    assert torch.equal(*(torch.cat(list(read_frames(path))) for path in paths))
    assert torch.equal(one.args[1], two.args[1])
    three = node.execute(**parts, resume=False)
    assert "from the store" not in said(three)
    assert (folders.user / "genga" / "windows").is_dir()


def test_a_store_without_room_keeps_nothing_of_other_runs(node, parts, folders):
    node.execute(**parts, store_gb=0.0)
    out = node.execute(**(parts | {"seed": 6}), store_gb=0.0)
    assert "from the store" not in said(out)
    again = node.execute(**parts, store_gb=0.0)
    assert "from the store" not in said(again)


def test_wired_sound_takes_the_place_of_the_windows_own(node, parts, rooms, vae, folders):
    other = {"waveform": torch.zeros(1, 2, 8000), "sample_rate": 8000}
    windows = windows_of(rooms, vae, 9, audio=TONE)
    path = file_of(node.execute(**(parts | {"windows": windows}), audio=other), folders)
    assert read_audio(path)["sample_rate"] == 8000


def test_a_drawn_seed_is_told_and_differs(node, parts, folders):
    out = node.execute(**(parts | {"seed": -1}))
    assert out.ui["text"][0].startswith("seed ") and "cut short" in said(out)
    assert node.fingerprint_inputs(seed=-1) != node.fingerprint_inputs(seed=-1)
    assert node.fingerprint_inputs(seed=4) == node.fingerprint_inputs(seed=4)


def test_cancelled_it_leaves_no_file_and_goes_on(node, parts, rooms, vae, folders, monkeypatch):
    import comfy.model_management as management

    calls = []

    def cancel():
        calls.append(1)
        if len(calls) == limit:
            raise management.InterruptProcessingException

    monkeypatch.setattr(management, "throw_exception_if_processing_interrupted", cancel)
    limit = 10**9
    long = parts | {"windows": windows_of(rooms, vae, 21), "seed": 77}
    node.execute(**(long | {"seed": 78}))
    limit, calls[:] = len(calls) * 2 // 3, []
    with pytest.raises(management.InterruptProcessingException):
        node.execute(**long, filename_prefix="cut")
    assert not list(folders.output.glob("cut*"))
    limit = 10**9
    assert "of them from the store" in said(node.execute(**long, filename_prefix="cut"))


def test_cancelled_while_joining_it_leaves_no_file(node, parts, rooms, folders, monkeypatch):
    import comfy.model_management as management
    from genga.media import pieces

    def cancelled(_frames):
        raise management.InterruptProcessingException

    join = pieces.join
    monkeypatch.setattr(pieces, "join", lambda *given: join(*given[:-1], cancelled))
    with pytest.raises(management.InterruptProcessingException):
        node.execute(**parts, filename_prefix="cut")
    assert not list(folders.output.glob("cut*"))


def bad(name):
    """A change that makes right inputs wrong."""
    import comfy.samplers

    def other_guider(parts):
        return comfy.samplers.CFGGuider(parts["guider"].model_patcher)

    def windows(parts, **changes):
        return replace(parts["windows"], **changes)

    def sized(parts):
        provider = Provider(parts["vae"])
        provider.width = 40
        return windows(parts, provider=provider)

    table = {
        "guider is a text": lambda p: ("guider", "x", "guider"),
        "guider without prompt": lambda p: ("guider", other_guider(p), "guider"),
        "sampler is a name": lambda p: ("sampler", "euler", "sampler"),
        "no step": lambda p: ("sigmas", torch.tensor([1.0]), "sigmas"),
        "empty schedule": lambda p: ("sigmas", torch.tensor([]), "sigmas"),
        "schedule of NaN": lambda p: ("sigmas", torch.tensor([1.0, float("nan"), 0.0]), "sigmas"),
        "denoise below 1": lambda p: ("sigmas", torch.tensor([0.6, 0.3, 0.0]), "sigmas"),
        "another VAE": lambda p: ("vae", SimpleNamespace(latent_channels=4, latent_dim=2), "vae"),
        "no VAE": lambda p: ("vae", None, "vae"),
        "windows is a latent": lambda p: ("windows", {"samples": 1}, "windows"),
        "odd size": lambda p: ("windows", sized(p), "windows"),
        "continued without a clip": lambda p: (
            "windows",
            windows(p, plan=replace(p["windows"].plan, continued=True)),
            "windows",
        ),
        "no seed": lambda p: ("seed", -2, "seed"),
        "unknown colour match": lambda p: ("color_match", "magic", "color_match"),
        "pixels at the same place": lambda p: ("color_match", "mvgd-aligned", "color_match"),
        "strength 2": lambda p: ("color_strength", 2.0, "color_strength"),
        "strength NaN": lambda p: ("color_strength", float("nan"), "color_strength"),
        "seam beyond the overlap": lambda p: ("seam_blend", 5, "seam_blend"),
        "negative seam": lambda p: ("seam_blend", -1, "seam_blend"),
        "path upwards": lambda p: ("filename_prefix", "../x", "filename_prefix"),
        "crf 101": lambda p: ("crf", 101, "crf"),
        "store of NaN": lambda p: ("store_gb", float("nan"), "store_gb"),
        "negative days": lambda p: ("store_days", -1.0, "store_days"),
        "empty sound": lambda p: ("audio", {"waveform": torch.zeros(1, 1, 0), "sample_rate": 8000}, "audio"),
    }
    return table[name]


@pytest.mark.parametrize("name", [
    "guider is a text", "guider without prompt", "sampler is a name", "no step", "empty schedule", "schedule of NaN",
    "denoise below 1", "another VAE", "no VAE", "windows is a latent", "odd size", "continued without a clip", "no seed",
    "unknown colour match", "pixels at the same place", "strength 2", "strength NaN", "seam beyond the overlap",
    "negative seam", "path upwards", "crf 101", "store of NaN", "negative days", "empty sound",
])  # fmt: skip
def test_bad_input_is_refused_before_anything_is_encoded(node, parts, folders, monkeypatch, name):
    from comfy.sd import VAE

    monkeypatch.setattr(VAE, "encode", lambda *_: pytest.fail("something was encoded"))
    monkeypatch.setattr(VAE, "decode", lambda *_: pytest.fail("something was decoded"))
    key, value, named = bad(name)(parts)
    with pytest.raises(InputError, match=f"^{named}: "):
        node.execute(**(parts | {key: value}))
    assert not list(folders.output.rglob("*.mp4"))


def test_a_model_that_cannot_obey_the_prompts_is_refused(
    node, parts, load_model, tiny, prompts, vae, pictures, folders
):
    import comfy.samplers
    from genga.nodes import keyframes

    shown = keyframes.WanFFLF.execute(
        *prompts, vae, first_image=pictures[0], width=32, height=32, length=9, batch_size=1
    )
    guider = comfy.samplers.CFGGuider(load_model(tiny.files.T2V))
    guider.set_conds(*shown.args[:2])
    with pytest.raises(InputError, match="text-to-video"):
        node.execute(**(parts | {"guider": guider}))


def test_a_bad_prefix_is_refused_before_the_run(node):
    assert node.validate_inputs(filename_prefix="../a").startswith("filename_prefix: ")
    assert node.validate_inputs(filename_prefix="i2v/a") is True


@pytest.mark.parametrize("shape", [(1, 16, 2, 4, 4), (2, 16, 3, 4, 4), (1, 16, 3)])
def test_a_provider_that_shows_another_window_is_found(node, parts, rooms, vae, folders, shape):
    class Wrong(Provider):
        def show(self, window, carried):
            shown = super().show(window, carried)
            shown.latent_shape = shape
            return shown

    windows = replace(parts["windows"], provider=Wrong(vae))
    with pytest.raises(InputError, match="^windows: "):
        node.execute(**(parts | {"windows": windows}))


# ---------------------------------------------------------------- ContinueVideo


@pytest.fixture
def clip(node, parts, folders):
    return node.execute(**parts).args


def test_windows_go_on_from_a_clip(node, parts, rooms, vae, clip, folders):
    more = windows_of(rooms, vae, 11)
    out = rooms.nodes.ContinueVideo.execute(more, clip[0])
    continued = out.args[0]
    assert continued.plan.continued and continued.plan.length == 11 and not more.plan.continued
    frames = torch.cat(list(read_frames(clip[0].get_stream_source())))
    assert torch.equal(continued.carried.frames, frames[-5:]) and torch.equal(continued.carried.anchor, frames[:1])
    assert "after 13 frames" in said(out) and "11 new ones in 3 windows" in said(out)
    new = node.execute(**(parts | {"windows": continued}), color_match="overlap")
    assert new.args[3] == 11 and torch.cat(list(read_frames(file_of(new, folders)))).shape[0] == 11
    shown = continued.provider.shown
    assert [window.first for window, _ in shown] == [-5, -1, 3]
    assert torch.equal(shown[0][1].frames, frames[-5:])


def test_a_video_in_memory_can_be_gone_on_from(rooms, vae):
    from comfy_api.latest import InputImpl, Types

    images = torch.rand(9, SIDE, SIDE, 3, generator=torch.Generator().manual_seed(3))
    video = InputImpl.VideoFromComponents(Types.VideoComponents(images=images, audio=None, frame_rate=Fraction(25)))
    carried = rooms.nodes.ContinueVideo.execute(windows_of(rooms, vae, 11), video).args[0].carried
    assert torch.equal(carried.frames, images[-5:]) and torch.equal(carried.anchor, images[:1])


@pytest.mark.parametrize(
    ("shape", "fps", "text"),
    [
        ((9, SIDE, 2 * SIDE, 3), 25, "64x32, the windows are 32x32"),
        ((9, SIDE, SIDE, 3), 24, "24 frames per second, the windows 25"),
        ((4, SIDE, SIDE, 3), 25, "it has 4 frames, and 5 are carried over"),
    ],
)
def test_a_clip_that_does_not_fit_is_refused(rooms, vae, shape, fps, text):
    from comfy_api.latest import InputImpl, Types

    parts = Types.VideoComponents(images=torch.rand(shape), audio=None, frame_rate=Fraction(fps))
    with pytest.raises(InputError, match=f"^video: .*{text}"):
        rooms.nodes.ContinueVideo.execute(windows_of(rooms, vae, 11), InputImpl.VideoFromComponents(parts))


def test_a_file_that_is_no_video_is_refused(rooms, vae, tmp_path):
    from comfy_api.latest import InputImpl

    path = tmp_path / "a.mp4"
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="^video: it cannot be read"):
        rooms.nodes.ContinueVideo.execute(windows_of(rooms, vae, 11), InputImpl.VideoFromFile(str(path)))
    with pytest.raises(InputError, match="^video: this is no video"):
        rooms.nodes.ContinueVideo.execute(windows_of(rooms, vae, 11), "a.mp4")


# ---------------------------------------------------------------- a talking person


class Speech:
    """What analysing a speech gives, without one."""

    frames, seconds, digest, notes = 13, 13 / 25, "speech", ()

    def rows(self, indices):
        return indices.float()[..., None, None].expand(*indices.shape, 12, 768)


def test_a_talking_person_with_both_strengths_of_guidance(node, parts, rooms, vae, model, prompts, pictures, folders):
    from genga.conditioning.talk import Talk
    from genga.conditioning.talk_pictures import Still
    from genga.samplers.audio_guider import AudioGuider

    plan = rooms.plan.make(13, 9, 5)
    person = Talk(vae=vae, picture=Still(pictures[0]), speeches=(Speech(),), width=SIDE, height=SIDE)
    guider = AudioGuider(model, *prompts, 5.0, 4.0)
    given = parts | {"guider": guider, "windows": rooms.provider.Windows(plan, person, Fraction(25), TONE)}
    out = node.execute(**given)
    assert out.args[3] == 13
    first = node.execute(**(given | {"windows": replace(given["windows"], plan=rooms.plan.make(9, 9, 5))}))
    assert "1 of them from the store" in said(first)
    assert torch.equal(out.args[2]["samples"][:, :, :2], vae.encode(first.args[1]))
    assert not any("genga_audio" in cond["model_conds"] for conds in guider.original_conds.values() for cond in conds)
