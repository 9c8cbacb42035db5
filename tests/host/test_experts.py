"""Two experts in one run, against the host's plain guider and samplers."""

from __future__ import annotations

import copy

import pytest
import torch
from genga.errors import InputError

SHAPE = (1, 16, 3, 4, 4)


@pytest.fixture(scope="module")
def rooms(models):
    from genga.nodes import sampling
    from genga.samplers import experts, noise

    return type("Rooms", (), {"nodes": sampling, "experts": experts, "noise": noise})


@pytest.fixture(scope="module")
def pair(load_model, tiny):
    from comfy_extras.nodes_model_advanced import ModelSamplingSD3

    names = (tiny.files.I2V_HIGH, tiny.files.I2V_LOW)
    return [ModelSamplingSD3().patch(load_model(name), 5.0)[0] for name in names]


def sigmas_of(model, steps=8, scheduler="simple", sampler="euler", denoise=1.0):
    import comfy.samplers

    return comfy.samplers.KSampler(model, steps, "cpu", sampler, scheduler, denoise, model.model_options).sigmas


def sample(guider, sigmas, sampler="euler", latent=None, mask=None, seed=3, callback=None):
    import comfy.sample
    import comfy.samplers

    latent = torch.zeros(SHAPE) if latent is None else latent
    noise = comfy.sample.prepare_noise(latent, seed)
    chosen = comfy.samplers.sampler_object(sampler)
    return guider.sample(
        noise, latent, chosen, sigmas, denoise_mask=mask, callback=callback, disable_pbar=True, seed=seed
    )


def plain(model, prompts, cfg=1.0):
    import comfy.samplers

    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(*prompts)
    guider.set_cfg(cfg)
    return guider


def ours(rooms, high, low, prompts, cfg=1.0, cfg_low=None, boundary=0.9):
    guider = rooms.experts.ExpertGuider(high, low, boundary)
    guider.set_conds(*prompts)
    guider.set_cfg(cfg, cfg_low)
    return guider


@pytest.mark.parametrize("boundary", [0.9, 0.875, 0.5])
@pytest.mark.parametrize("cfg", [1.0, 3.0])
def test_the_same_model_on_both_sides_is_the_plain_guider(rooms, pair, prompts, boundary, cfg):
    high = pair[0]
    sigmas = sigmas_of(high)
    assert 0 < rooms.experts.split_at(sigmas, boundary) < 8
    split = sample(ours(rooms, high, high.clone(), prompts, cfg, boundary=boundary), sigmas)
    whole = sample(plain(high, prompts, cfg), sigmas)
    assert (split - whole).abs().max() < 1e-5


def test_the_same_under_an_inpaint_mask_with_a_start_video(rooms, pair, prompts):
    """Where two KSamplers with leftover noise go wrong: the known area stays the original latent."""
    high = pair[0]
    latent = torch.randn(SHAPE, generator=torch.Generator().manual_seed(9)) * 0.5
    mask = torch.ones(1, 1, 3, 4, 4)
    mask[..., :2] = 0.0
    sigmas = sigmas_of(high)
    split = sample(ours(rooms, high, high.clone(), prompts), sigmas, latent=latent, mask=mask)
    whole = sample(plain(high, prompts), sigmas, latent=latent, mask=mask)
    assert (split - whole).abs().max() < 1e-5
    assert (split[..., :2] - latent[..., :2]).abs().max() < 1e-4


def test_two_models_are_the_hosts_two_samplers(rooms, pair, prompts):
    """As two KSamplerAdvanced with leftover noise, which is what official workflows do; no mask, so both are right."""
    import comfy.sample

    sigmas = sigmas_of(pair[0])
    switch = rooms.experts.split_at(sigmas, 0.9)
    latent = torch.zeros(SHAPE)
    noise = comfy.sample.prepare_noise(latent, 3)
    common = {"steps": 8, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple"}
    half = comfy.sample.sample(
        pair[0], noise, positive=prompts[0], negative=prompts[1], latent_image=latent, start_step=0, last_step=switch,
        force_full_denoise=False, disable_pbar=True, seed=3, **common,
    )  # fmt: skip
    whole = comfy.sample.sample(
        pair[1], torch.zeros_like(noise), positive=prompts[0], negative=prompts[1], latent_image=half,
        disable_noise=True, start_step=switch, last_step=8, disable_pbar=True, seed=3, **common,
    )  # fmt: skip
    mine = sample(ours(rooms, *pair, prompts), sigmas)
    assert (mine - whole).abs().max() < 1e-4
    assert (mine - sample(plain(pair[0], prompts), sigmas)).abs().max() > 1e-3  # the second model did take over


def counted(model, calls, name):
    """The model with a wrapper that notes the noise level of each call."""
    import comfy.patcher_extension as extension

    model = model.clone()

    def note(executor, x, t, *args, **kwargs):
        calls.append((name, float(t[0])))
        return executor(x, t, *args, **kwargs)

    model.add_wrapper_with_key(extension.WrappersMP.APPLY_MODEL, "count", note)
    return model


@pytest.mark.parametrize(("sampler", "expected"), [("euler", (3, 5)), ("uni_pc", (4, 4))])
def test_the_switch_is_by_noise_level_not_by_step(rooms, pair, prompts, sampler, expected):
    """8 steps at shift 5: euler has 3 steps at sigma >= 0.9, the host's uni_pc, which drops a sigma, has 4."""
    calls = []
    guider = ours(rooms, counted(pair[0], calls, "high"), counted(pair[1], calls, "low"), prompts)
    sigmas = sigmas_of(pair[0], sampler=sampler)
    assert rooms.experts.split_at(sigmas, 0.9) == expected[0]
    assert len(sigmas) - 1 == sum(expected)
    result = sample(guider, sigmas, sampler)
    assert torch.isfinite(result).all()
    names = [name for name, _ in calls]
    assert names == sorted(names)  # all of high, then all of low
    assert {"high", "low"} == set(names)
    if sampler == "euler":
        assert (names.count("high"), names.count("low")) == expected
        assert all((level >= 0.9) == (name == "high") for name, level in calls)


@pytest.mark.parametrize("denoise", [0.5, 1.0])
def test_an_empty_half_is_not_run(rooms, pair, prompts, denoise):
    calls = []
    guider = ours(
        rooms, counted(pair[0], calls, "high"), counted(pair[1], calls, "low"), prompts,
        boundary=0.9 if denoise < 1 else 0.0,
    )  # fmt: skip
    sample(guider, sigmas_of(pair[0], denoise=denoise), latent=torch.ones(SHAPE))
    assert {name for name, _ in calls} == ({"low"} if denoise < 1 else {"high"})


def test_each_expert_has_its_own_cfg(rooms, pair, prompts):
    rows = []

    def watch(model, name):
        import comfy.patcher_extension as extension

        model = model.clone()

        def note(executor, x, *args, **kwargs):
            rows.append((name, x.shape[0]))
            return executor(x, *args, **kwargs)

        model.add_wrapper_with_key(extension.WrappersMP.APPLY_MODEL, "rows", note)
        return model

    guider = ours(rooms, watch(pair[0], "high"), watch(pair[1], "low"), prompts, cfg=3.0, cfg_low=1.0)
    sample(guider, sigmas_of(pair[0]))
    passes = {name: sum(n for who, n in rows if who == name) for name in ("high", "low")}
    assert passes == {"high": 6, "low": 5}  # 3 steps with both prompts, 5 with one


def test_conditioning_per_expert_is_obeyed(rooms, pair, prompts):
    from genga.conditioning import attach

    latents = [torch.full((1, 16, 3, 4, 4), value) for value in (1.0, -1.0)]
    split = attach.set_per_expert(
        prompts[0], {"concat_latent_image": latents[0]}, {"concat_latent_image": latents[1]}, 0.9, "positive"
    )
    sigmas = sigmas_of(pair[0])
    switch = rooms.experts.split_at(sigmas, 0.9)
    mine = sample(ours(rooms, *pair, (split, prompts[1])), sigmas)
    singles = [attach.set_values(prompts[0], {"concat_latent_image": latent}) for latent in latents]
    half = sample(plain(pair[0], (singles[0], prompts[1])), sigmas[: switch + 1])
    noise = rooms.experts.carried_noise(pair[0], half, torch.zeros(SHAPE), sigmas[switch])
    guider = plain(pair[1], (singles[1], prompts[1]))
    import comfy.samplers

    whole = guider.sample(
        noise, torch.zeros(SHAPE), comfy.samplers.sampler_object("euler"), sigmas[switch:], disable_pbar=True, seed=3
    )
    assert (mine - whole).abs().max() < 1e-6


def test_a_shallow_copy_may_be_given_other_conds(rooms, pair, prompts):
    guider = ours(rooms, *pair, prompts)
    twin = copy.copy(guider)
    twin.set_conds(prompts[1], prompts[0])
    assert twin.model_patchers == tuple(pair)
    assert torch.equal(guider.original_conds["positive"][0]["cross_attn"], prompts[0][0][0])
    assert torch.equal(twin.original_conds["positive"][0]["cross_attn"], prompts[1][0][0])


def test_steps_are_told_as_one_run(rooms, pair, prompts):
    seen = []
    guider = ours(rooms, *pair, prompts)
    sample(guider, sigmas_of(pair[0]), callback=lambda step, x0, x, total: seen.append((step, total)))
    assert seen == [(step, 8) for step in range(8)]


def test_added_noise_is_not_repeated_in_the_second_half(rooms, pair, prompts):
    """With one seed for both halves an ancestral sampler would draw the first half's noise again."""
    import comfy.k_diffusion.sampling as kd

    drawn, original = [], kd.default_noise_sampler

    def recording(x, seed=None):
        inner = original(x, seed=seed)

        def draw(*args):
            drawn.append(inner(*args))
            return drawn[-1]

        return draw

    kd.default_noise_sampler = recording
    try:
        sample(ours(rooms, *pair, prompts), sigmas_of(pair[0]), "euler_ancestral")
    finally:
        kd.default_noise_sampler = original
    assert len(drawn) >= 6
    assert all(not torch.equal(a, b) for i, a in enumerate(drawn) for b in drawn[:i])


def test_expert_sampler_is_guider_and_custom_sampler(rooms, pair, prompts):
    latent = {"samples": torch.zeros(2, *SHAPE[1:])}
    out = rooms.nodes.ExpertSampler.execute(
        *pair, prompts[0], prompts[1], latent, seed=11, steps=8, cfg=1.0, sampler_name="euler"
    )
    assert "ignores the negative" in " ".join(out.ui["text"])
    each = []
    for item in range(2):
        single = {"samples": torch.zeros(SHAPE)}
        again = rooms.nodes.ExpertSampler.execute(
            *pair, prompts[0], prompts[1], single, seed=11 + item, steps=8, cfg=1.0, sampler_name="euler"
        )
        each.append(again.args[0]["samples"])
    assert (out.args[0]["samples"] - torch.cat(each)).abs().max() < 1e-4  # item i is seed + i alone


def test_noise_item_i_is_the_hosts_noise_of_seed_plus_i(rooms, host):
    import comfy.sample

    latent = {"samples": torch.zeros(3, *SHAPE[1:])}
    mine = rooms.noise.BatchNoise(40).generate_noise(latent)
    for item in range(3):
        assert torch.equal(mine[item : item + 1], comfy.sample.prepare_noise(torch.zeros(SHAPE), 40 + item))


def test_seed_minus_one_draws_and_reports(rooms, host):
    outs = [rooms.nodes.Noise.execute(-1) for _ in range(2)]
    seeds = [out.args[1] for out in outs]
    assert seeds[0] != seeds[1]
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert outs[0].ui["text"] == (f"seed {seeds[0]}",)
    assert rooms.nodes.Noise.fingerprint_inputs(seed=-1) != rooms.nodes.Noise.fingerprint_inputs(seed=-1)
    assert rooms.nodes.Noise.fingerprint_inputs(seed=5) == rooms.nodes.Noise.fingerprint_inputs(seed=5)


def test_models_that_are_no_pair_are_refused(rooms, pair, load_model, tiny, prompts):
    with pytest.raises(InputError, match="low: its number of input channels is 16.*36"):
        rooms.nodes.ExpertGuider.execute(pair[0], load_model(tiny.files.T2V), prompts[0])


def test_cfg_without_negative_is_refused(rooms, pair, prompts):
    with pytest.raises(InputError, match="negative.*CFG is 3"):
        rooms.nodes.ExpertGuider.execute(*pair, prompts[0], cfg_high=1.0, cfg_low=3.0)


def test_denoise_without_a_start_video_is_refused(rooms, pair, prompts):
    with pytest.raises(InputError, match="denoise: 0.7 needs a start video"):
        rooms.nodes.ExpertSampler.execute(
            *pair, prompts[0], None, {"samples": torch.zeros(SHAPE)}, seed=1, steps=8, cfg=1.0, denoise=0.7
        )
