"""Quantized layers under the newer host's dynamic VRAM, whose own code runs here with RAM in the place of a GPU's memory.

What stands in: the library that maps memory on the device (a buffer in RAM, always granted), pinned memory (none), and
the host's test for a CPU. The host's loading, its moving of bytes into the buffers, its casting and its copies are real.
"""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
import torch
from genga_tests.tiny import files, gguf_files
from safetensors.torch import load_file, save_file

CPU = torch.device("cpu")


class Vram:
    """A model's part of the device's memory. ``granted``: whether there is room for what is asked for."""

    granted = True

    def alloc(self, size):
        return torch.zeros(size, dtype=torch.uint8)

    def prioritize(self):
        pass

    def loaded_size(self):
        return 0

    def free_memory(self, size):
        return 0


@pytest.fixture
def dynamic(host, models, monkeypatch):
    """The pack's rooms, with the host set to dynamic VRAM."""
    import comfy.model_management as management
    import comfy.model_patcher as patchers

    if not hasattr(patchers, "ModelPatcherDynamic"):
        pytest.skip("this host has no dynamic VRAM")
    import comfy_aimdo.host_buffer
    import comfy_aimdo.model_vbar
    import comfy_aimdo.torch
    from genga.loaders import gguf_model, options, wan

    none = SimpleNamespace(size=0)
    vram = Vram()
    stand_ins = (
        (patchers, "CoreModelPatcher", patchers.ModelPatcherDynamic),
        (patchers.ModelPatcherDynamic, "_vbar_get", lambda self, create=False: vram),
        (patchers.ModelPatcherDynamic, "partially_unload", lambda self, *args: self.restore_loaded_backups()),
        (management, "is_device_cpu", lambda device: False),
        (comfy_aimdo.host_buffer, "HostBuffer", lambda *args: none),
        (comfy_aimdo.model_vbar, "vbar_fault", lambda place: (id(place),) if vram.granted else None),
        (comfy_aimdo.model_vbar, "vbar_signature_compare", lambda one, other: one == other and one is not None),
        (comfy_aimdo.model_vbar, "vbar_unpin", lambda place: None),
        (comfy_aimdo.torch, "aimdo_to_tensor", lambda place, device: place),
        (management.args, "disable_pinned_memory", True),
    )
    for where, name, value in stand_ins:
        monkeypatch.setattr(where, name, value)
    _move_as_to_a_device(monkeypatch)
    yield SimpleNamespace(wan=wan, options=options, gguf_model=gguf_model, vram=vram, models=models, patchers=patchers)
    management.unload_all_models()


def _move_as_to_a_device(monkeypatch):
    """The host moves weights where their device is another than the input's. Here both are the CPU: it is told so."""
    import comfy.ops

    plain = comfy.ops.cast_bias_weight

    def moved(layer, input=None, dtype=None, device=None, bias_dtype=None, **options):
        if not hasattr(layer, "_v"):
            return plain(layer, input, dtype=dtype, device=device, bias_dtype=bias_dtype, **options)
        dtype = dtype or input.dtype
        comfy.ops.cast_modules_with_vbar([layer], dtype, CPU, bias_dtype or dtype, False)
        weight, bias = comfy.ops.resolve_cast_module_with_vbar(layer, dtype, CPU, bias_dtype or dtype, None, False)
        del layer._prefetch
        return weight, bias, None

    monkeypatch.setattr(comfy.ops, "cast_bias_weight", moved)


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
