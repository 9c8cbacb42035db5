"""Wirings that look right and are not: each is an error or is said, never a silently other video."""

from __future__ import annotations

import pytest
import torch
from genga.errors import InputError

SIZE = {"width": 32, "height": 32, "length": 9, "batch_size": 1}


@pytest.fixture(scope="module")
def rooms(models):
    from genga.nodes import keyframes, sampling

    return type("Rooms", (), {"keyframes": keyframes, "sampling": sampling})


@pytest.fixture(scope="module")
def pair(load_model, tiny):
    return [load_model(name) for name in (tiny.files.I2V_HIGH, tiny.files.I2V_LOW)]


@pytest.fixture(scope="module")
def directed(rooms, vae, prompts, pictures):
    def make(**changes):
        return rooms.keyframes.WanFFLF.execute(*prompts, vae, first_image=pictures[0], **(SIZE | changes)).args

    return make


def sample(rooms, pair, positive, negative, latent, **changes):
    settings = {"seed": 1, "steps": 2, "cfg": 1.0, "sampler_name": "euler"} | changes
    return rooms.sampling.ExpertSampler.execute(*pair, positive, negative, latent, **settings)


def test_a_range_set_after_strengths_per_expert_would_overrule_them(rooms, pair, directed):
    import nodes

    positive, negative, latent = directed(first_strength_low=0.0)
    ranged = nodes.ConditioningSetTimestepRange().set_range(positive, 0.0, 1.0)[0]
    with pytest.raises(InputError, match="timestep range was set after.*Set the same strength"):
        sample(rooms, pair, ranged, negative, latent)
    equal, negative, latent = directed()
    ranged = nodes.ConditioningSetTimestepRange().set_range(equal, 0.0, 1.0)[0]
    assert torch.isfinite(sample(rooms, pair, ranged, negative, latent).args[0]["samples"]).all()


def test_two_nodes_with_two_boundaries_are_an_error(rooms, pair, directed):
    positive, negative, latent = directed(first_strength_low=0.0, boundary=0.5)
    with pytest.raises(InputError, match="boundary: 0.9 here.*0.5.*Set the same boundary"):
        sample(rooms, pair, positive, negative, latent)
    sample(rooms, pair, positive, negative, latent, boundary=0.5)
    sample(rooms, pair, *directed(boundary=0.5))  # equal strengths: the boundary there has no meaning


def test_a_partial_schedule_on_an_empty_latent_is_an_error_in_the_guider_too(rooms, pair, prompts):
    import comfy.samplers

    guider = rooms.sampling.ExpertGuider.execute(*pair, prompts[0]).args[0]
    latent = torch.zeros(1, 16, 3, 4, 4)
    sigmas = torch.tensor([0.7, 0.3, 0.0])
    euler = comfy.samplers.sampler_object("euler")
    with pytest.raises(InputError, match="starts at 0.7.*start video"):
        guider.sample(torch.randn(latent.shape), latent, euler, sigmas, disable_pbar=True, seed=1)
    started = guider.sample(torch.randn(latent.shape), latent + 1.0, euler, sigmas, disable_pbar=True, seed=1)
    assert torch.isfinite(started).all()


def test_a_start_video_at_denoise_1_is_said(rooms, pair, directed):
    video = torch.rand(9, 32, 32, 3, generator=torch.Generator().manual_seed(7))
    out = sample(rooms, pair, *directed(start_video=video))
    assert "nothing of the start video is left" in " ".join(out.ui["text"])
    out = sample(rooms, pair, *directed())
    assert "start video" not in " ".join(out.ui["text"])


def test_the_drawn_seed_is_the_first_thing_the_node_says(rooms, pair, directed):
    out = sample(rooms, pair, *directed(), seed=-1)
    assert out.ui["text"][0].startswith("seed ")


def test_a_keyframe_of_strength_0_is_not_among_the_frames_used(rooms, vae, prompts, pictures):
    from genga.conditioning.direct import Plan, direct
    from genga.conditioning.keyframes import Keyframe

    keys = [Keyframe(pictures[0], 0), Keyframe(pictures[0], 8, strength=0.0, strength_low=0.0)]
    assert direct(*prompts, vae, keys, Plan(32, 32, 9)).frames == (0,)
