"""Three windows of the engine against three runs of the host's own InfiniteTalk nodes, one behind the other."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import pytest
import torch
from genga_tests.tiny import talk as tiny_talk
from genga_tests.tools.windowed import Silent, exact, frames_of
from safetensors.torch import save_file

SIDE, WINDOW, OVERLAP, COUNT = 64, 13, 5, 3
LENGTH = WINDOW + (COUNT - 1) * (WINDOW - OVERLAP)
SEED, SCALE = 7, 0.8


@pytest.fixture(scope="module")
def wide(models, tmp_path_factory):
    """A model wide enough for the host's class, with audio layers as ours and as the host's."""
    import comfy.ops
    import comfy.sd
    from comfy_extras import nodes_model_patch
    from genga.loaders import talk, talk_file

    if not hasattr(nodes_model_patch, "MultiTalkModelPatch"):
        pytest.skip("this host has no InfiniteTalk of its own")
    model = comfy.sd.load_diffusion_model_state_dict(tiny_talk.wide_base(seed=50))
    tensors = tiny_talk.weights(seed=51, dim=tiny_talk.WIDE)
    path = tmp_path_factory.mktemp("wide") / "wide_InfiniteTalk.safetensors"
    save_file(tensors, path)
    ours = talk.attach(model, talk._read(path, talk_file.inspect(path), model), talk_file.inspect(path))
    for net in (patcher.model for patchers in ours.additional_models.values() for patcher in patchers):
        for block in net.blocks:
            block.norm_x.eps = 1e-5  # the host's; the reference has 1e-6
    theirs = nodes_model_patch.MultiTalkModelPatch(
        in_dim=tiny_talk.WIDE, intermediate_dim=tiny_talk.HIDDEN, num_layers=2, operations=comfy.ops.manual_cast
    )
    theirs.load_state_dict(tensors)
    patcher = comfy.model_patcher.CoreModelPatcher(theirs, model.load_device, model.offload_device)
    return SimpleNamespace(model=model, ours=ours, theirs=patcher)


@pytest.fixture(scope="module")
def states():
    """Thirteen layers of an encoder for two seconds, 50 a second: longer than the video, so that nothing is padded."""
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(1, 100, 768, generator=generator) for _ in range(13)]


class Speech:
    """The host's own features at 25 a second."""

    seconds, digest, notes = 2.0, "speech", ()

    def __init__(self, states):
        from comfy_extras.nodes_wan import linear_interpolation

        stacked = torch.stack(states).squeeze(1)[1:]
        self.features = linear_interpolation(stacked, 50, 25).movedim(0, 1)
        self.frames = len(self.features)

    def rows(self, indices):
        return self.features[indices.clamp(0, self.frames - 1)]


def sampled(model, positive, latent, seed):
    import comfy.samplers
    from comfy_extras.nodes_custom_sampler import Guider_Basic, Noise_RandomNoise, SamplerCustomAdvanced

    guider = Guider_Basic(model)
    guider.set_conds(positive)
    sampler = comfy.samplers.sampler_object("euler")
    return SamplerCustomAdvanced.execute(Noise_RandomNoise(seed), guider, sampler, SIGMAS, latent).args[0]["samples"]


SIGMAS = torch.tensor([1.0, 0.6, 0.0])


def chained(wide, vae, prompts, picture, states) -> torch.Tensor:
    """The video as the host's nodes make it, each given all frames so far.

    One thing is set right on the way: the host leaves what the model drew in the first window's first latent, where
    the reference puts the encoded portrait back.
    """
    from comfy_extras.nodes_wan import WanInfiniteTalkToVideo

    film = None
    for k in range(COUNT):
        model, positive, _, latent, trim = WanInfiniteTalkToVideo.execute(
            {"mode": "single_speaker"}, wide.model, wide.theirs, *prompts, vae, SIDE, SIDE, WINDOW,
            {"encoded_audio_all_layers": states}, OVERLAP, start_image=picture, previous_frames=film,
            audio_scale=SCALE,
        ).args  # fmt: skip
        samples = sampled(model, positive, latent, SEED + k)
        if film is None:
            samples[:, :, :1] = positive[0][1]["concat_latent_image"][:, :, :1]
        frames = vae.decode(samples).reshape(-1, SIDE, SIDE, 3).clamp(0, 1)
        film = frames if film is None else torch.cat([film, frames[trim:]])
    return film


def test_three_windows_are_three_runs_of_the_hosts_nodes(wide, vae, prompts, pictures, states, tmp_path):
    import comfy.samplers
    from comfy_extras.nodes_custom_sampler import Guider_Basic
    from genga.conditioning.talk import Talk
    from genga.conditioning.talk_pictures import Still
    from genga.samplers.windows import engine, plan, provider, store

    wanted = chained(wide, vae, prompts, pictures[0], states)
    person = Talk(vae=vae, picture=Still(pictures[0]), speeches=(Speech(states),), width=SIDE, height=SIDE,
                  audio_scale=SCALE)  # fmt: skip
    guider = Guider_Basic(wide.ours)
    guider.set_conds(prompts[0])
    windows = provider.Windows(plan.make(LENGTH, WINDOW, OVERLAP), person, Fraction(25))
    job = engine.Job(guider, comfy.samplers.sampler_object("euler"), SIGMAS, vae, windows, SEED)
    with store.Store(tmp_path / "windows") as opened:
        ours = frames_of(engine.run(job, opened, Silent(), exact))
    assert ours.shape == wanted.shape == (LENGTH, SIDE, SIDE, 3)
    assert (ours - wanted).abs().max() < 1e-3
    deaf = chained(SimpleNamespace(model=wide.model, theirs=wide.theirs), vae, prompts, pictures[0],
                   [torch.zeros_like(state) for state in states])  # fmt: skip
    assert (deaf - wanted).abs().max() > 1e-2, "the sound must matter for this to mean anything"
