"""A bridge between two FramePack videos: what it sees, and the node as a whole."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from genga.conditioning.latent_place import place_of
from genga.errors import InputError
from genga_tests.tiny import framepack as tiny
from safetensors.torch import load_file, save_file


@pytest.fixture(scope="module")
def rooms(host, models):
    import comfy.model_management
    from genga.loaders import latents, options
    from genga.loaders.framepack import files
    from genga.nodes import framepack, framepack_bridge
    from genga.samplers import framepack_bridge as bridge

    path = models / "diffusion_models" / "FramePackI2V_HY_bridge.safetensors"
    save_file(tiny.weights(), path)
    model = files.load(path, options.LoadOptions(), files.inspect(path)).model
    yield SimpleNamespace(node=framepack_bridge.FramePackBridge, atom=framepack.FramePackSection, bridge=bridge,
                          latents=latents, model=model)  # fmt: skip
    comfy.model_management.unload_all_models()
    path.unlink()


def prompt():
    given = tiny.inputs("section")
    return [[given["text"], {"pooled_output": given["pooled"]}]]


def video(seed: int, frames: int) -> dict:
    return {"samples": torch.randn(1, 16, frames, 4, 4, generator=torch.Generator().manual_seed(seed))}


FIRST, SECOND = video(1, 5), video(2, 24)


def joined(rooms, first=FIRST, second=SECOND, bridge=3, trim_end=1, trim_start=2, seed=7, model=None):
    return rooms.node.execute(rooms.model if model is None else model, prompt(), prompt(), first, second, bridge, trim_end,
                              trim_start, seed, 3, 1.0, "euler", "framepack")  # fmt: skip


def test_it_is_a_section_from_the_last_frame_to_the_second_video(rooms):
    """By FramePack Section and the host's own sampling, its history the second video."""
    import comfy.sample
    import comfy.samplers
    from genga.samplers import framepack

    answer = joined(rooms)
    latent, frames = answer.args
    samples = latent["samples"]
    first, second = FIRST["samples"][:, :, :4], SECOND["samples"][:, :, 2:]
    assert torch.equal(samples[:, :, :4], first) and torch.equal(samples[:, :, 7:], second)
    assert samples.shape[2] == 4 + 3 + 22 and frames == 4 * 28 + 1
    assert place_of(latent).fps == 30 and "4 + 3 + 22 latent frames: 113 frames" in " ".join(answer.ui["text"])
    positive, negative, empty, _ = rooms.atom.execute(
        prompt(), prompt(), {"samples": first[:, :, -1:]}, "standard", 3, 0.0, {"samples": second}
    ).args
    noise = torch.randn(empty["samples"].shape, generator=torch.Generator("cpu").manual_seed(7))
    sigmas = framepack.noise_levels(rooms.model, 3, "framepack", (3, 4, 4))
    wanted = comfy.sample.sample_custom(
        rooms.model,
        noise,
        1.0,
        comfy.samplers.sampler_object("euler"),
        sigmas,
        positive,
        negative,
        empty["samples"],
        seed=7,
    )
    assert torch.equal(samples[:, :, 4:7], wanted)
    assert not torch.equal(joined(rooms, seed=8).args[0]["samples"][:, :, 4:7], wanted)


@pytest.mark.parametrize("frames", [1, 7, 19, 30])
def test_a_short_second_video_is_stretched_over_what_is_seen(rooms, frames):
    """Frame i of 19 is frame i * n / 19 of the video, as the original stretches it; a long one is cut."""
    given = video(3, frames)["samples"]
    seen = rooms.bridge.nineteen(given)
    places = [i if frames >= 19 else i * frames // 19 for i in range(19)]
    assert torch.equal(seen, given[:, :, places])


def test_files_of_the_original_are_bridged_and_written_back(rooms, tmp_path):
    for name, made in (("a", FIRST), ("b", SECOND)):
        tensor = made["samples"] * 0.476986
        save_file({"history_latents": tensor, "metadata": torch.tensor([32, 32, tensor.shape[2]], dtype=torch.int32)},
                  tmp_path / name)  # fmt: skip
    loaded = [rooms.latents.read(tmp_path / name) for name in "ab"]
    latent = joined(rooms, *loaded).args[0]
    rooms.latents.write(tmp_path / "c", latent, place_of(latent), {}, rooms.latents.EICHI)
    stored = load_file(tmp_path / "c")
    assert stored["metadata"].tolist() == [32, 32, 29]
    assert (stored["history_latents"][:, :, 7:] - SECOND["samples"][:, :, 2:] * 0.476986).abs().max() < 1e-6


def test_without_a_bridge_one_follows_the_other(rooms):
    samples = joined(rooms, bridge=0, trim_end=0, trim_start=0, model=object()).args[0]["samples"]
    assert torch.equal(samples, torch.cat([FIRST["samples"], SECOND["samples"]], 2))


@pytest.mark.parametrize(
    ("change", "match"),
    [({"trim_end": 5}, "trim_end: 5 latent frames cannot be cut from a video of 5"), ({"bridge": 13}, "bridge: 13"),
     ({"second": {"samples": torch.zeros(1, 16, 2, 6, 4)}}, "second_latent: its frames are 32 x 48, those of first_latent")],
)  # fmt: skip
def test_what_cannot_be_joined_is_told(rooms, change, match):
    with pytest.raises(InputError, match=match):
        joined(rooms, **change)


def test_another_model_is_told_before_it_runs(rooms, load_model, tiny):
    with pytest.raises(InputError, match="not a FramePack model, but FramePack Bridge"):
        joined(rooms, model=load_model(tiny.files.I2V_HIGH))


def test_one_step_of_uni_pc_and_an_f1_model_are_said(rooms):
    from genga.samplers import framepack

    class Named:
        def __init__(self, kind):
            self.kind = kind

        def get_attachment(self, _name):
            return {"kind": self.kind}

    assert framepack.doubts(Named("standard"), "standard", "uni_pc", 2) == []
    (step,) = framepack.doubts(Named("standard"), "standard", "uni_pc_bh2", 1)
    assert "uni_pc_bh2 changes nothing in one step" in step
    (kind,) = framepack.doubts(Named("f1"), "standard", "euler", 1)
    assert "for f1" in kind
    assert framepack.doubts(Named("i2v"), "f1", "euler", 1) == []
