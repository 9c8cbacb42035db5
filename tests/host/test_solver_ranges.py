"""Every sampler name on parts of a schedule: two experts, SplitSigmas, denoise, masks, batches, one step, other ends."""

from __future__ import annotations

import pytest
import torch
from genga.samplers import solvers
from genga_tests.tools.guided import (
    FIRST_ORDER_END,
    PLACES,
    SHAPE,
    believing,
    counted,
    enough,
    experts_of,
    guider_of,
    moved,
    noise_of,
    off,
    sample,
    schedule,
)

NAMES = solvers.NAMES
REMEMBERING = ["genga", "unipc", "res_2m", "gauss-legendre_2s"]


@pytest.fixture(scope="module")
def rooms(models):
    from genga.samplers import experts, noise, registry

    return type("Rooms", (), {"experts": experts, "noise": noise, "registry": registry})


@pytest.fixture(scope="module")
def pair(load_model, tiny):
    from comfy_extras.nodes_model_advanced import ModelSamplingSD3

    names = (tiny.files.I2V_HIGH, tiny.files.I2V_LOW)
    return [ModelSamplingSD3().patch(load_model(name), 5.0)[0] for name in names]


@pytest.fixture(scope="module")
def smooth(pair):
    return [believing(model, *place) for model, place in zip(pair, PLACES, strict=True)]


def watched(sampler, seen: list):
    """The sampler, noting the schedule of each run of its function."""
    inner = sampler.sampler_function

    def watch(model, x, sigmas, **options):
        seen.append(sigmas.tolist())
        return inner(model, x, sigmas, **options)

    sampler.sampler_function = watch
    return sampler


# ---------------------------------------------------------------- two experts


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", ["steps", "model calls"])
def test_one_model_on_both_sides_is_one_run_with_one_memory(rooms, pair, prompts, name, count):
    sigmas = schedule(pair[0], 7)
    seen = []
    both = sample(
        experts_of(pair[0], pair[0], prompts), watched(rooms.registry.sampler(name, count=count), seen), sigmas
    )
    assert seen == [sigmas.tolist()]
    assert torch.equal(both, sample(guider_of(pair[0], prompts), rooms.registry.sampler(name, count=count), sigmas))


@pytest.mark.parametrize("name", REMEMBERING)
def test_each_expert_begins_anew_and_remembers_within_its_part(rooms, pair, prompts, name):
    """As two runs of the host's plain guider, one for each model; nothing of the first is carried into the second."""
    sigmas = schedule(pair[0], 9)
    switch = rooms.experts.split_at(sigmas, 0.9)
    seen = []
    mine = sample(experts_of(*pair, prompts), watched(rooms.registry.sampler(name), seen), sigmas)
    assert 2 < switch < 7 and seen == [sigmas[: switch + 1].tolist(), sigmas[switch:].tolist()]
    first = sample(guider_of(pair[0], prompts), rooms.registry.sampler(name), sigmas[: switch + 1])
    carried = rooms.experts.carried_noise(pair[0], first, torch.zeros(SHAPE), sigmas[switch])
    second = sample(guider_of(pair[1], prompts), rooms.registry.sampler(name), sigmas[switch:], noise=carried)
    assert (mine - second).abs().max() < 1e-5


@pytest.mark.parametrize("steps", [2, 8, 30])
@pytest.mark.parametrize("name", [*NAMES, "heun", "euler"])
def test_two_experts_make_the_model_calls_that_were_paid_for(rooms, pair, prompts, name, steps):
    """A step of each is made in any case; a solver that is called once a run is so for each expert."""
    levels = [], []
    models = [counted(model, calls) for model, calls in zip(pair, levels, strict=True)]
    sample(experts_of(*models, prompts), rooms.registry.sampler(name, count="model calls"), schedule(pair[0], steps))
    made = sum(map(len, levels))
    once = 2 * solvers.SOLVERS[name].once if name in solvers.SOLVERS else 0
    single = solvers.calls_of(name, 1, to_zero=False)
    least = single + solvers.calls_of(name, 1)
    assert all(levels)
    assert made <= max(steps + once, least)
    assert made >= steps - (single - once // 2) + 1


@pytest.fixture(scope="module")
def expert_sampler(rooms, pair, prompts):
    from genga.nodes import sampling

    def execute(name, steps=4, models=pair, **more):
        latent = {"samples": torch.zeros(SHAPE)}
        more = {"seed": 3, "cfg": 1.0, **more}
        return sampling.ExpertSampler.execute(
            *models, *prompts, latent_image=latent, steps=steps, sampler_name=name, **more
        )

    return execute


@pytest.mark.parametrize("name", NAMES)
def test_the_expert_sampler_has_our_names(rooms, pair, prompts, expert_sampler, name):
    mine = expert_sampler(name).args[0]["samples"]
    guider = experts_of(*pair, prompts)
    assert torch.equal(mine, sample(guider, rooms.registry.sampler(name), schedule(pair[0], 4)))


def test_the_expert_sampler_says_what_a_name_costs_and_means(pair, expert_sampler):
    def said(*args, **kwargs):
        return " ".join(expert_sampler(*args, **kwargs).ui["text"])

    assert "res_5s: 2 + 3 steps are 10 + 13 model calls." in said("res_5s", 5)
    assert "res_5s: 5 steps are 23 model calls." in said("res_5s", 5, models=(pair[0], pair[0]))
    assert "heun: 5 steps are 9 model calls." in said("heun", 5, boundary=0.0)
    assert "backwards" in said("wuxing-stable", 1)
    assert "model calls" not in said("euler") + said("unipc") + said("uni_pc")


def test_the_expert_samplers_list_is_the_hosts_and_then_ours(rooms, host):
    import comfy.samplers
    from genga.nodes import sampling

    schema = sampling.ExpertSampler.GET_SCHEMA()
    (names,) = [item for item in schema.inputs if item.id == "sampler_name"]
    hosts = list(comfy.samplers.KSampler.SAMPLERS)
    assert names.options[: len(hosts)] == hosts and names.default == "uni_pc"
    assert set(names.options[len(hosts) :]) == set(NAMES) - set(hosts)


def test_a_name_that_another_pack_gave_the_host_means_that_packs_sampler(rooms, monkeypatch, expert_sampler):
    """As RES4LYF does with res_2s. In Sampler (solvers) the name goes on meaning ours."""
    import comfy.k_diffusion.sampling as k_diffusion
    import comfy.samplers
    from genga.nodes import sampling

    ran = []

    def theirs(model, x, sigmas, extra_args=None, callback=None, disable=None):
        ran.append(len(sigmas) - 1)
        return k_diffusion.sample_euler(model, x, sigmas, extra_args, callback, disable)

    monkeypatch.setattr(k_diffusion, "sample_res_2s", theirs, raising=False)
    longer = [*comfy.samplers.SAMPLER_NAMES, "res_2s"]
    monkeypatch.setattr(comfy.samplers, "SAMPLER_NAMES", longer)
    monkeypatch.setattr(comfy.samplers.KSampler, "SAMPLERS", longer)
    out = expert_sampler("res_2s")
    assert sum(ran) == 4
    assert torch.equal(out.args[0]["samples"], expert_sampler("euler").args[0]["samples"])
    assert "another pack" in " ".join(out.ui["text"])
    (names,) = [item for item in sampling.ExpertSampler.define_schema().inputs if item.id == "sampler_name"]
    assert names.options.count("res_2s") == 1
    assert rooms.registry.sampler("res_2s").sampler_function is solvers.SOLVERS["res_2s"].function


# ---------------------------------------------------------------- SplitSigmas


@pytest.mark.parametrize("name", NAMES)
def test_a_run_in_two_by_split_sigmas_is_as_near_as_the_whole(rooms, smooth, prompts, name):
    """The host's way of start and end steps. The second part begins without a memory: a first order start, no more."""
    from comfy_extras import nodes_custom_sampler as host

    guider, sampler = guider_of(smooth[0], prompts), rooms.registry.sampler(name)
    sigmas = schedule(smooth[0], 12)
    exact = smooth[0].model.process_latent_out(moved(noise_of(torch.zeros(SHAPE)), 1.0, 0.0, *PLACES[0]))

    def part(noise_node, levels, latent):
        return host.SamplerCustomAdvanced.execute(noise_node, guider, sampler, levels, latent).args[0]

    empty = {"samples": torch.zeros(SHAPE)}
    whole = part(rooms.noise.BatchNoise(3), sigmas, empty)
    first, second = host.SplitSigmas.execute(sigmas, len(sigmas) // 3).args
    half = part(rooms.noise.BatchNoise(3), first, empty)
    rest = part(host.DisableNoise.execute().args[0], second, half)
    assert off(rest["samples"], exact) < max(2 * off(whole["samples"], exact), 1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_schedule_that_does_not_end_in_0_ends_at_its_level(rooms, smooth, prompts, name):
    """The host divides by what is left of the picture; what remains is noise of that level."""
    sigmas = torch.linspace(1.0, 0.3, 21)
    result = sample(guider_of(smooth[0], prompts), rooms.registry.sampler(name), sigmas)
    exact = moved(noise_of(torch.zeros(SHAPE)), 1.0, 0.3, *PLACES[0]) / 0.7
    assert off(result, smooth[0].model.process_latent_out(exact)) < 0.01


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_one_step_and_two_are_enough(rooms, pair, smooth, prompts, name, steps):
    levels = []
    sigmas = schedule(pair[0], steps)
    model = counted(pair[0], levels)
    assert torch.isfinite(sample(guider_of(model, prompts), rooms.registry.sampler(name), sigmas)).all()
    assert len(levels) == solvers.calls_of(name, steps)
    one = believing(pair[0], PLACES[0][0], 0.0)  # a single picture: any solver is exact at once
    result = sample(guider_of(one, prompts), rooms.registry.sampler(name), sigmas)
    clean = smooth[0].model.process_latent_out(torch.full(SHAPE, PLACES[0][0]))
    assert (result - clean).abs().max() < 1e-4


# ---------------------------------------------------------------- start videos, masks, batches


def start_video(items: int = 1) -> torch.Tensor:
    return torch.randn(items, *SHAPE[1:], generator=torch.Generator().manual_seed(9)) * 0.5


@pytest.mark.parametrize("name", NAMES)
def test_a_denoise_below_1_goes_on_from_the_start_video(rooms, smooth, prompts, name):
    """sigma_max is not where the run starts."""
    steps = enough(name, 16)
    sigmas = schedule(smooth[0], 2 * steps)[-(steps + 1) :]
    start = float(sigmas[0])
    assert 0.6 < start < 0.9
    latent = start_video()
    result = sample(guider_of(smooth[0], prompts), rooms.registry.sampler(name), sigmas, latent)
    model = smooth[0].model
    x = (1 - start) * model.process_latent_in(latent) + start * noise_of(latent)
    assert off(result, model.process_latent_out(moved(x, start, 0.0, *PLACES[0]))) < 0.03


@pytest.mark.parametrize("eta", [0.0, 0.6])
@pytest.mark.parametrize("name", NAMES)
def test_the_known_area_under_a_mask_stays(rooms, pair, prompts, name, eta):
    """By noise_mask, through the host's sampling node, for one model and for two, a mask for each item of the batch."""
    from comfy_extras.nodes_custom_sampler import SamplerCustomAdvanced

    latent = start_video(2)
    mask = torch.ones(2, 1, 3, 4, 4)
    mask[0, ..., :2], mask[1, ..., 2:] = 0.0, 0.0
    for guider in (guider_of(pair[0], prompts), experts_of(*pair, prompts)):
        out = SamplerCustomAdvanced.execute(
            rooms.noise.BatchNoise(3),
            guider,
            rooms.registry.sampler(name, eta=eta),
            schedule(pair[0], 8),
            {"samples": latent, "noise_mask": mask},
        ).args[0]["samples"]
        known = (mask == 0).expand(latent.shape)
        assert (out - latent)[known].abs().max() < 1e-4
        assert (out - latent)[~known].abs().mean() > 0.05


@pytest.mark.parametrize("name", NAMES)
def test_items_of_a_batch_do_not_touch_each_other(rooms, pair, prompts, name):
    sigmas = schedule(pair[0], 6)
    latent = torch.zeros(2, *SHAPE[1:])
    drawn = torch.cat([noise_of(latent[:1], seed) for seed in (3, 4)])
    both = sample(experts_of(*pair, prompts), rooms.registry.sampler(name), sigmas, latent, noise=drawn)
    for item in range(2):
        alone = sample(
            experts_of(*pair, prompts), rooms.registry.sampler(name), sigmas, latent[:1], noise=drawn[item : item + 1]
        )
        assert (both[item : item + 1] - alone).abs().max() < 2e-4


@pytest.mark.parametrize("name", sorted(FIRST_ORDER_END & set(NAMES)) + ["genga", "res_5s"])
def test_half_precision_latents_are_kept_in_their_type(rooms, pair, prompts, name):
    """The host's own nodes give float32; what another pack hands over may not be."""
    guider, sigmas = guider_of(pair[0], prompts), schedule(pair[0], 6)
    sampler = rooms.registry.sampler(name)
    x = noise_of(torch.zeros(SHAPE)).to(torch.float16)
    result = sampler.sampler_function(lambda at, s, **_: (at * 0.5).to(at.dtype), x, sigmas, disable=True)
    assert result.dtype == torch.float16 and torch.isfinite(result).all()
    assert torch.isfinite(sample(guider, sampler, sigmas.to(torch.float64))).all()
