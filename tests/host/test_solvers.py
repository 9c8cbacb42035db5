"""Every sampler name through the host's own ways of sampling, with the tiny models; and the two nodes."""

from __future__ import annotations

import pytest
import torch
from genga.errors import InputError
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


@pytest.fixture(scope="module")
def rooms(models):
    from genga.nodes import solvers as nodes
    from genga.samplers import experts, noise, registry

    return type("Rooms", (), {"nodes": nodes, "experts": experts, "noise": noise, "registry": registry})


@pytest.fixture(scope="module")
def pair(load_model, tiny):
    from comfy_extras.nodes_model_advanced import ModelSamplingSD3

    names = (tiny.files.I2V_HIGH, tiny.files.I2V_LOW)
    return [ModelSamplingSD3().patch(load_model(name), 5.0)[0] for name in names]


@pytest.fixture(scope="module")
def exact(pair):
    """What the noise of seed 3 comes to: with the first expert alone, and with both and the change at a sigma."""
    noise = noise_of(torch.zeros(SHAPE))

    def with_change(sigma=0.0):
        middle = moved(noise, 1.0, sigma, *PLACES[0])
        end = moved(middle, sigma, 0.0, *PLACES[1]) if sigma else middle
        return pair[0].model.process_latent_out(end)

    return with_change


@pytest.fixture(scope="module")
def smooth(pair):
    return [believing(model, *place) for model, place in zip(pair, PLACES, strict=True)]


@pytest.mark.parametrize("name", NAMES)
def test_a_plain_guider_comes_to_the_exact_answer(rooms, smooth, prompts, exact, name):
    sigmas = schedule(smooth[0], enough(name, 16))
    kept = sigmas.clone()
    result = sample(guider_of(smooth[0], prompts), rooms.registry.sampler(name), sigmas)
    assert off(result, exact()) < 0.03
    assert torch.equal(sigmas, kept)


@pytest.mark.parametrize("name", NAMES)
def test_sampler_custom_advanced_takes_it(rooms, pair, smooth, prompts, exact, name):
    from comfy_extras.nodes_custom_sampler import SamplerCustomAdvanced

    sampler = rooms.nodes.Sampler.execute(name).args[0]
    for model in (pair[0], smooth[0]):  # the tiny model as it is, and with an answer that can be checked
        result = SamplerCustomAdvanced.execute(
            rooms.noise.BatchNoise(3),
            guider_of(model, prompts),
            sampler,
            schedule(model, enough(name, 8)),
            {"samples": torch.zeros(SHAPE)},
        ).args[0]["samples"]
        assert result.shape == SHAPE and torch.isfinite(result).all()
    assert off(result, exact()) < 0.05


@pytest.mark.parametrize("name", NAMES)
def test_both_experts_are_run(rooms, smooth, prompts, exact, name):
    guider = experts_of(*smooth, prompts)
    sigmas = schedule(smooth[0], enough(name, 16))
    change = float(sigmas[rooms.experts.split_at(sigmas, 0.9)])
    assert 0.8 < change < 0.9
    assert off(sample(guider, rooms.registry.sampler(name), sigmas), exact(change)) < 0.03


def test_the_hosts_names_are_the_hosts_samplers(rooms, pair, prompts):
    import comfy.samplers

    guider = guider_of(pair[0], prompts)
    for name in ("euler", "dpmpp_2m", "res_multistep", "uni_pc"):
        ours = sample(guider, rooms.registry.sampler(name), schedule(pair[0], 6))
        assert torch.equal(ours, sample(guider, comfy.samplers.sampler_object(name), schedule(pair[0], 6)))


def test_nothing_is_added_to_the_hosts_lists(rooms):
    import comfy.k_diffusion.sampling as k_diffusion
    import comfy.samplers

    assert not {"genga", "res_2s", "res_5s", "unipc", "wuxing-stable"} & set(comfy.samplers.SAMPLER_NAMES)
    assert not hasattr(k_diffusion, "sample_genga")


def test_the_noise_of_eta_follows_the_seed_and_the_hosts_own_formula(rooms, smooth, prompts):
    """With one slope a step, as res_2m has after added noise, it is the host's euler_ancestral for flow models."""
    import comfy.samplers

    def told_noise():
        generator = torch.Generator().manual_seed(8)
        return lambda *_: torch.randn(SHAPE, generator=generator)

    guider, sigmas = guider_of(smooth[0], prompts), schedule(smooth[0], 8)
    theirs = comfy.samplers.ksampler("euler_ancestral", {"eta": 0.4, "noise_sampler": told_noise()})
    ours = rooms.registry.sampler("res_2m", eta=0.4)
    seeded = sample(guider, ours, sigmas)
    assert torch.equal(seeded, sample(guider, ours, sigmas))
    assert (seeded - sample(guider, ours, sigmas, seed=4)).abs().max() > 1e-3
    ours.extra_options["noise_sampler"] = told_noise()
    assert torch.allclose(sample(guider, ours, sigmas), sample(guider, theirs, sigmas), atol=1e-5)


@pytest.mark.parametrize("name", [*NAMES, "euler", "heun", "dpmpp_2m"])
def test_model_calls_are_what_was_paid_for(rooms, smooth, prompts, exact, name):
    levels, shown = [], []
    guider = guider_of(counted(smooth[0], levels), prompts)
    sampler = rooms.registry.sampler(name, count="model calls")
    result = sample(guider, sampler, schedule(smooth[0], 30), callback=lambda i, x0, x, total: shown.append((i, total)))
    assert 20 < len(levels) <= 31
    assert all(0 <= i < total == 30 for i, total in shown) and shown == sorted(shown)
    assert off(result, exact()) < (0.12 if name in FIRST_ORDER_END else 0.03)


def test_every_name_of_the_host_can_be_built(rooms):
    for name in rooms.registry.host_names():
        for count in ("steps", "model calls"):
            assert callable(rooms.registry.sampler(name, count=count).sampler_function)


def test_the_sampler_node_says_what_a_name_means(rooms):
    def said(*args, **kwargs):
        return " ".join((rooms.nodes.Sampler.execute(*args, **kwargs).ui or {}).get("text", ()))

    assert "genga" in said("wuxing-stable") and "backwards" in said("wuxing-stable")
    assert "301 model calls" in said("gauss-legendre_5s")
    assert "6 steps" in said("res_5s", count="model calls")
    assert "eta is not used" in said("euler", eta=0.5)
    assert said("euler") == ""
    for wrong in ({"eta": 2.0}, {"eta": float("nan")}, {"sweeps": 0}, {"s_noise": -1.0}, {"count": "minutes"}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            rooms.nodes.Sampler.execute("genga", **wrong)
    with pytest.raises(InputError, match="sampler_name"):
        rooms.nodes.Sampler.execute("no such name")


def test_the_scheduler_node_gives_the_hosts_sigmas_and_a_picture(rooms, pair):
    for name in ("simple", "beta", "sgm_uniform", "karras"):
        out = rooms.nodes.Scheduler.execute(pair[0], name, 12)
        assert torch.equal(out.args[0], schedule(pair[0], 12, name))
        assert len(out.ui["images"]) == 1 and any("sigmas" in line for line in out.ui["text"])
    out = rooms.nodes.Scheduler.execute(pair[0], "simple", 8, boundary=0.9)
    assert "3 steps on the high-noise expert, 5 on the low-noise one." in out.ui["text"]
    part = rooms.nodes.Scheduler.execute(pair[0], "simple", 5, denoise=0.5).args[0]
    assert torch.equal(part, schedule(pair[0], 10)[-6:])


def test_the_scheduler_nodes_shift_is_the_models_shift(rooms, pair, load_model, tiny):
    from comfy_extras.nodes_model_advanced import ModelSamplingSD3

    before = schedule(pair[0], 9)
    eight = ModelSamplingSD3().patch(load_model(tiny.files.I2V_HIGH), 8.0)[0]
    for name in ("simple", "beta"):
        assert torch.equal(rooms.nodes.Scheduler.execute(pair[0], name, 9, shift=8.0).args[0], schedule(eight, 9, name))
    assert torch.equal(rooms.nodes.Scheduler.execute(pair[0], "wan", 9).args[0][-1:], torch.zeros(1))
    wan = [
        float(rooms.nodes.Scheduler.execute(model, "wan", 9, shift=s).args[0][3])
        for model, s in ((pair[0], 8), (eight, 0))
    ]
    assert wan[0] == wan[1]
    assert torch.equal(schedule(pair[0], 9), before)  # the model itself was not touched
    for wrong in ({"steps": 0}, {"denoise": 0.0}, {"shift": -1.0}, {"boundary": 1.5}, {"scheduler": "none such"}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            rooms.nodes.Scheduler.execute(**{"model": pair[0], "scheduler": "wan", "steps": 8, **wrong})


def test_the_pinned_ids_and_inputs(rooms):
    schemas = {node.GET_SCHEMA().node_id: node.GET_SCHEMA() for node in rooms.nodes.NODES}
    assert set(schemas) == {"GengaSampler", "GengaScheduler"}
    names = schemas["GengaSampler"].inputs[0].options
    assert {"res_2m", "res_2s", "res_3s", "res_5s", "unipc", "wuxing-stable", "euler", "dpmpp_2m"} <= set(names)
    assert {f"gauss-legendre_{stages}s" for stages in (2, 3, 4, 5)} <= set(names)
    assert len(names) == len(set(names))
    assert all(item.tooltip for schema in schemas.values() for item in schema.inputs)
