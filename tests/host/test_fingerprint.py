"""Fingerprints of real guiders, models under patches, VAEs and samplers on tiny models."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import time

import pytest
import torch

SHAPE = (1, 16, 2, 4, 4)


@pytest.fixture(scope="module")
def finger(models):
    from genga.samplers.windows import fingerprint

    return fingerprint


@pytest.fixture(scope="module")
def model(load_model, tiny):
    return load_model(tiny.files.T2V)


def guided(model, prompts, cfg=3.0):
    import comfy.samplers

    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(*prompts)
    guider.set_cfg(cfg)
    return guider


def with_lora(model, strength=1.0, seed=0):
    """A LoRA on two layers, through the host's own loader."""
    import comfy.sd

    generator = torch.Generator().manual_seed(seed)
    lora = {}
    for layer in ("blocks.0.self_attn.q", "blocks.1.ffn.0"):
        out, into = model.model.state_dict()[f"diffusion_model.{layer}.weight"].shape
        lora[f"diffusion_model.{layer}.lora_up.weight"] = torch.randn(out, 4, generator=generator)
        lora[f"diffusion_model.{layer}.lora_down.weight"] = torch.randn(4, into, generator=generator)
    patched = comfy.sd.load_lora_for_models(model, None, lora, strength, 0)[0]
    assert len(patched.patches) == 2
    return patched


def with_shift(model, shift):
    from comfy_extras.nodes_model_advanced import ModelSamplingSD3

    return ModelSamplingSD3().patch(model, shift)[0]


def with_wrapper(model, scale):
    patched = model.clone()
    patched.set_model_unet_function_wrapper(
        lambda apply, args: apply(args["input"], args["timestep"], **args["c"]) * scale
    )
    return patched


def with_forward(model, scale):
    """An object patch around a module's own method, as our own strengths are."""
    patched = model.clone()
    name = "diffusion_model.blocks.0.ffn.forward"
    original = patched.get_model_object(name)

    def scaled(x):
        return original(x) * scale

    patched.add_object_patch(name, scaled)
    return patched


def with_module(model, scale):
    """An object patch that wraps a whole block, and so holds the weights itself."""

    class Scaled(torch.nn.Module):
        def __init__(self, inner, scale):
            super().__init__()
            self.inner, self.scale = inner, scale

        def forward(self, x):
            return self.inner(x) * self.scale

    patched = model.clone()
    name = "diffusion_model.blocks.0.ffn"
    patched.add_object_patch(name, Scaled(patched.get_model_object(name), scale))
    return patched


def with_extra(model, value):
    """A second model that is loaded along with this one."""
    import comfy.model_patcher

    patched = model.clone()
    layer = torch.nn.Linear(64, 64)
    torch.nn.init.constant_(layer.weight, value)
    torch.nn.init.zeros_(layer.bias)
    device = torch.device("cpu")
    patched.set_additional_models("extra", [comfy.model_patcher.ModelPatcher(layer, device, device)])
    return patched


def with_attention(model, scale):
    patched = model.clone()
    override = lambda function, *args, **kwargs: function(*args, **kwargs) * scale  # noqa: E731
    patched.model_options["transformer_options"]["optimized_attention_override"] = override
    return patched


PATCHES = [with_lora, with_shift, with_wrapper, with_forward, with_module, with_extra, with_attention]


WATCHED = {}


def watch(executor, *args, **kwargs):
    WATCHED["seen"].append(WATCHED["look"]())
    return executor(*args, **kwargs)


def run(guider, steps=2):
    import comfy.samplers

    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    sigmas = torch.linspace(1, 0, steps + 1)
    sampler = comfy.samplers.sampler_object("euler")
    return guider.sample(noise, torch.zeros(SHAPE), sampler, sigmas, disable_pbar=True, seed=1)


@pytest.mark.parametrize("patch", PATCHES)
def test_patches_count(finger, model, prompts, patch):
    plain = finger.of_guider(guided(model, prompts))
    one = finger.of_guider(guided(patch(model, 0.5), prompts))
    assert len({plain, one, finger.of_guider(guided(patch(model, 0.75), prompts))}) == 3
    assert one == finger.of_guider(guided(patch(model, 0.5), prompts))
    assert one == finger.of_guider(guided(patch(model, 0.5).clone(), prompts))
    assert plain == finger.of_guider(guided(model, prompts))


@pytest.mark.parametrize("patch", PATCHES)
def test_sampling_changes_nothing(finger, model, prompts, patch):
    """While a model is loaded its weights, modules and methods are the patched ones."""
    plain, patched = guided(model, prompts), guided(patch(model, 0.5), prompts)
    before = finger.of_guider(plain), finger.of_guider(patched)
    WATCHED.update(look=lambda: finger.of_guider(plain), seen=[])
    watched = guided(patched.model_patcher.clone(), prompts)
    watched.model_patcher.add_wrapper("apply_model", watch)
    with_watcher = finger.of_guider(watched)
    run(watched)
    assert set(WATCHED["seen"]) == {before[0]}
    assert finger.of_guider(watched) == with_watcher != before[1]
    assert (finger.of_guider(plain), finger.of_guider(patched)) == before
    run(patched)
    assert finger.of_guider(patched) == before[1]
    assert finger.of_guider(guided(patch(model, 0.5), prompts)) == before[1]
    assert finger.of_guider(plain) == before[0]
    run(plain)
    assert (finger.of_guider(plain), finger.of_guider(guided(patch(model, 0.5), prompts))) == before


def test_a_run_that_was_cut_short_changes_nothing(finger, model, prompts):
    class Stop(Exception):
        pass

    guider = guided(model, prompts)
    before = finger.of_guider(guider)

    def stop(*_):
        raise Stop

    import comfy.samplers

    with pytest.raises(Stop):
        guider.sample(
            torch.randn(SHAPE), torch.zeros(SHAPE), comfy.samplers.sampler_object("euler"), torch.tensor([1.0, 0.5, 0.0]),
            callback=stop, disable_pbar=True, seed=1,
        )  # fmt: skip
    assert finger.of_guider(guider) == before


def test_weights_count(finger, load_model, tiny, prompts):
    first = load_model(tiny.files.I2V_HIGH)
    found = {
        finger.of_guider(guided(first, prompts)),
        finger.of_guider(guided(load_model(tiny.files.I2V_LOW), prompts)),
    }
    assert finger.of_guider(guided(load_model(tiny.files.I2V_HIGH), prompts)) in found and len(found) == 2
    weight = first.model.diffusion_model.blocks[1].ffn[0].weight
    delta = torch.randn(weight.shape[0], 1) @ torch.randn(1, weight.shape[1]) * 0.01
    weight.data += delta.to(weight)  # a LoRA merged into the file
    assert finger.of_guider(guided(first, prompts)) not in found


def test_conditioning_and_cfg_count(finger, model, prompts):
    positive, negative = prompts
    louder = [[positive[0][0] * 1.0001, {}]]
    marked = [[positive[0][0], {"strength": 0.5}]]
    found = [
        finger.of_guider(guided(model, pair, cfg))
        for pair, cfg in (
            (prompts, 3.0),
            (prompts, 3.5),
            ((negative, positive), 3.0),
            ((louder, negative), 3.0),
            ((marked, negative), 3.0),
        )  # fmt: skip
    ]
    assert len(set(found)) == 5
    again = [[[entry[0].clone(), dict(entry[1])] for entry in cond] for cond in prompts]
    assert finger.of_guider(guided(model, again, 3)) == found[0]
    assert finger.of_guider(copy.copy(guided(model, prompts))) == found[0]


def test_the_class_of_the_guider_counts(finger, model, prompts):
    from comfy_extras.nodes_custom_sampler import Guider_Basic

    basic = Guider_Basic(model)
    basic.set_conds(prompts[0])
    plain = guided(model, prompts, 1.0)
    plain.original_conds = basic.original_conds
    assert finger.of_guider(basic) != finger.of_guider(plain)


def test_both_experts_and_the_boundary_count(finger, load_model, tiny, prompts):
    from genga.samplers.experts import ExpertGuider

    high, low = load_model(tiny.files.I2V_HIGH), load_model(tiny.files.I2V_LOW)

    def pair(first, second, boundary=0.9, cfg_low=1.0):
        guider = ExpertGuider(first, second, boundary)
        guider.set_conds(*prompts)
        guider.set_cfg(3.0, cfg_low)
        return finger.of_guider(guider)

    found = [
        pair(high, low), pair(low, high), pair(high, high), pair(high, low, 0.875), pair(high, low, cfg_low=2.0),
        pair(high, with_lora(low)), pair(with_lora(high), low), pair(high, with_lora(low, 0.5)),
    ]  # fmt: skip
    assert len(set(found)) == 8
    assert pair(high.clone(), low.clone()) == found[0]


def test_hooks_in_the_conditioning_count(finger, model, prompts):
    import comfy.hooks

    def hooked(strength):
        layer = "diffusion_model.blocks.0.self_attn.q"
        lora = {f"{layer}.lora_up.weight": torch.ones(128, 1), f"{layer}.lora_down.weight": torch.ones(1, 128)}
        hooks = comfy.hooks.create_hook_lora(lora, strength, strength)
        return guided(model, ([[prompts[0][0][0], {"hooks": hooks}]], prompts[1]))

    half = hooked(0.5)
    before = finger.of_guider(half)
    assert before == finger.of_guider(hooked(0.5)) != finger.of_guider(hooked(0.6))
    run(half)
    assert finger.of_guider(hooked(0.5)) == before


def test_samplers_count_by_function_and_options(finger):
    import comfy.samplers
    from genga.samplers import registry

    found = {
        "euler": comfy.samplers.sampler_object("euler"),
        "dpmpp_2m": comfy.samplers.sampler_object("dpmpp_2m"),
        "uni_pc": comfy.samplers.sampler_object("uni_pc"),
        "eta": comfy.samplers.ksampler("euler_ancestral", {"eta": 0.5}),
        "other eta": comfy.samplers.ksampler("euler_ancestral", {"eta": 0.6}),
        "inpaint": comfy.samplers.ksampler("euler", {}, {"random": True}),
        "ours": registry.sampler("res_2m"),
        "ours, eta": registry.sampler("res_2m", eta=0.5),
        "ours, budget": registry.sampler("res_2s", count="model calls"),
        "ours, no budget": registry.sampler("res_2s"),
    }
    prints = {name: finger.of_sampler(sampler) for name, sampler in found.items()}
    assert len(set(prints.values())) == len(prints)
    assert finger.of_sampler(registry.sampler("res_2s", count="model calls")) == prints["ours, budget"]
    assert finger.of_sampler(comfy.samplers.sampler_object("uni_pc")) == prints["uni_pc"]


def test_a_vae_counts_by_its_weights_and_not_by_its_use(finger, vae, models, tiny):
    import nodes

    before = finger.of_vae(vae)
    vae.decode(torch.zeros(1, 16, 1, 4, 4))
    vae.encode(torch.zeros(1, 32, 32, 3))
    assert finger.of_vae(vae) == before
    other = nodes.VAELoader().load_vae(tiny.files.VAE)[0]
    assert finger.of_vae(other) == before
    other.first_stage_model.decoder.conv1.weight.data += 0.01
    assert finger.of_vae(other) != before


def test_a_thousand_weights_take_less_than_a_second(finger, prompts):
    import comfy.model_patcher

    network = torch.nn.Sequential(*(torch.nn.Linear(512, 512) for _ in range(500)))
    device = torch.device("cpu")
    guider = guided(comfy.model_patcher.ModelPatcher(network, device, device), prompts)
    finger.of_guider(guider)
    start = time.perf_counter()
    finger.of_guider(guider)
    assert time.perf_counter() - start < 1.0


SCRIPT = """
import importlib.util
import sys
from pathlib import Path

def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]

load("boot", {pack!r}).alias_tests()
from genga_tests.tools import host, pack
host.aim(Path({host!r}), Path({base!r}))
pack.load_package("genga", pack.pack_folder())
host.boot(Path({host!r}), Path({base!r}))
sys.stdout.write("digests " + " ".join(load({name!r}, {here!r}).digests({model!r}, {vae!r})))
"""


def digests(model_name, vae_name):
    """Of a graph with everything in it; called here and in another process."""
    from genga.samplers import registry
    from genga.samplers.windows import fingerprint

    import nodes

    model = nodes.UNETLoader().load_unet(model_name, "default")[0]
    for patch in PATCHES:
        model = patch(model, 0.5)
    guider = guided(model, ([[torch.ones(1, 8, 4096), {"pooled_output": None}]], [[torch.zeros(1, 8, 4096), {}]]))
    samplers = (registry.sampler(name) for name in ("res_2s", "euler", "uni_pc", "dpmpp_2m_sde"))
    return [
        fingerprint.of_guider(guider),
        fingerprint.of_vae(nodes.VAELoader().load_vae(vae_name)[0]),
        *map(fingerprint.of_sampler, samplers),
    ]


def test_two_processes_agree(host, models, tiny):
    from genga_tests.tools import pack

    names = tiny.files.T2V, tiny.files.VAE
    script = SCRIPT.format(
        pack=str(pack.TESTS / "tools" / "pack.py"), host=str(host.path), base=str(host.base), name=__name__, here=__file__,
        model=names[0], vae=names[1],
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONHASHSEED": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    there, here = done.stdout.split("digests ")[-1].split(), digests(*names)
    assert there == here and len(set(here)) == 6
