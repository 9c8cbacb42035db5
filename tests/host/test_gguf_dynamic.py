"""Quantized layers under the newer host's dynamic VRAM, whose own code runs here: tests/tools/dynamic_vram.py."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
import torch
from genga_tests.tiny import files, gguf_files
from genga_tests.tools import dynamic_vram
from genga_tests.tools.dynamic_vram import CPU
from safetensors.torch import load_file, save_file


@pytest.fixture
def dynamic(host, models, monkeypatch):
    """The pack's rooms, with the host set to dynamic VRAM."""
    vram = dynamic_vram.switch_on(monkeypatch)
    import comfy.model_management
    import comfy.model_patcher as patchers
    from genga.loaders import gguf_model, options, wan

    yield SimpleNamespace(wan=wan, options=options, gguf_model=gguf_model, vram=vram, models=models, patchers=patchers)
    comfy.model_management.unload_all_models()


@pytest.fixture
def original(dynamic):
    return load_file(dynamic.models / "diffusion_models" / files.T2V)


@pytest.fixture
def load(dynamic, original):
    """load(kind) -> MODEL from a .gguf file of that kind."""
    made = []

    def make(kind):
        path = dynamic.models / "diffusion_models" / f"dynamic_{kind}.gguf"
        gguf_files.write(path, original, kind)
        made.append(path)
        facts = dynamic.wan.inspect_diffusion(path, "model")
        return dynamic.wan.load_diffusion(path, dynamic.options.LoadOptions(), facts).model

    yield make
    for path in made:
        path.unlink()


def predict(model):
    import comfy.model_management

    comfy.model_management.load_models_gpu([model])
    return run(model)


def run(model):
    """As it is now."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(1, 16, 3, 8, 8, generator=generator)
    context = torch.randn(1, 8, 4096, generator=generator) * 0.1
    return model.model.apply_model(x, torch.tensor([0.7]), c_crossattn=context)


def off(got, wanted) -> float:
    return ((got - wanted).abs().max() / wanted.abs().max()).item()


def with_loras(model, original, ranks=(4, 2)):
    import comfy.sd

    for lora in gguf_files.loras(original, ranks):
        model = comfy.sd.load_lora_for_models(model, None, lora, 0.8, 0)[0]
    return model


@pytest.mark.parametrize("granted", [True, False])
@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q6_K"])
def test_blocks_travel_and_become_the_same_numbers(dynamic, load, original, kind, granted):
    dynamic.vram.granted = granted
    model = load(kind)
    assert model.is_dynamic()
    network = model.model.diffusion_model
    layer, small = network.text_embedding[0], network.blocks[0].ffn[0]
    bare, first = predict(model), layer.weight
    assert layer.weight.nbytes <= layer._v.numel() < 1.1 * layer.weight.nbytes
    assert hasattr(small, "_v") == (kind != "Q4_0")  # below 16 kB the host moves a layer once and for all
    assert torch.equal(run(model), bare)  # what is on the device is used as it is
    patched = with_loras(model, original)
    changed = predict(patched)
    assert off(changed, bare) > 1e-3
    assert torch.equal(predict(model.clone()), bare)
    assert torch.equal(predict(patched.clone()), changed)
    assert layer.weight is first
    assert all(layer.weight.dtype == torch.uint8 for _, layer in model._layers())


def test_the_numbers_are_those_without_dynamic_vram(dynamic, load, original, monkeypatch):
    model = with_loras(load("Q8_0"), original)
    got = predict(model)
    plain = model.clone(disable_dynamic=True)
    assert not plain.is_dynamic() and isinstance(plain, dynamic.patchers.ModelPatcher)
    assert plain.model is not model.model
    plain.patch_model(CPU)
    assert off(run(plain), got) < 1e-5
    plain.detach()


def test_loras_by_hook_take_the_hosts_way_out(dynamic, load, original):
    """Dynamic VRAM knows no hooks: the host goes on with a copy that is not dynamic."""
    model = load("Q8_0")
    assert not model.get_non_dynamic_delegate().is_dynamic()


def test_a_file_with_a_prefix_of_its_own_has_that_copy_too(dynamic, original):
    path = dynamic.models / "diffusion_models" / "dynamic_prefixed.safetensors"
    save_file({f"diffusion_model.{key}": value for key, value in original.items()}, path)
    try:
        facts = dynamic.wan.inspect_diffusion(path, "model")
        model = dynamic.wan.load_diffusion(path, dynamic.options.LoadOptions(), facts).model
        assert model.is_dynamic() and not model.get_non_dynamic_delegate().is_dynamic()
    finally:
        path.unlink()


def test_no_layer_is_forced_into_float(dynamic, load, caplog):
    with caplog.at_level(logging.INFO):
        model = load("Q4_0")
        predict(model)
    quantized = [layer for _, layer in model._layers()]
    assert quantized and all(layer.weight.dtype == torch.uint8 for layer in quantized)
    assert "resizing Lora" not in caplog.text


def test_a_text_encoder_can_be_copied_for_hooks(dynamic):
    """The host's hook nodes copy a CLIP without dynamic VRAM, for which it has to be loaded once more."""
    path = dynamic.models / "text_encoders" / "dynamic_umt5.gguf"
    weights = load_file(dynamic.models / "text_encoders" / files.TEXT)
    gguf_files.write_encoder(path, weights, "Q8_0", gguf_files.unigram())
    try:
        clip = dynamic.wan.load_text_encoder(dynamic.wan.check_text_encoder(path.name))
        assert clip.patcher.is_dynamic()
        copy = clip.clone(disable_dynamic=True)
        assert not copy.patcher.is_dynamic()
        layers = [layer for _, layer in copy.patcher._layers()]
        assert layers and all(layer.weight.dtype == torch.uint8 for layer in layers)
    finally:
        path.unlink()
