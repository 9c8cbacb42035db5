"""FramePack with too little memory for all of it: offloaded by the older way and by dynamic VRAM, and loaded once more."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from genga_tests.tiny import framepack as tiny
from genga_tests.tiny import gguf_files
from genga_tests.tools import dynamic_vram
from genga_tests.tools.dynamic_vram import CPU
from genga_tests.tools.framepack_calls import predict, scaled
from safetensors.torch import save_file

SMALL = 200_000  # bytes of a model of 9 MB in float32
KINDS = ("float32", "fp8", "fp8 scaled", "Q8_0")


@pytest.fixture(scope="module")
def rooms(host, models):
    import comfy.clip_vision
    import comfy.model_management
    import comfy.sd
    from genga.loaders import options
    from genga.loaders.framepack import files, model

    before = set(models.rglob("*"))
    yield SimpleNamespace(comfy=comfy, folder=models / "diffusion_models", files=files, model=model, options=options)
    comfy.model_management.unload_all_models()
    for made_here in set(models.rglob("*")) - before:
        made_here.unlink()


@pytest.fixture(scope="module")
def path_of(rooms):
    """path_of(kind) -> a file of the tiny model in this form."""

    def write(kind):
        path = rooms.folder / f"offload_{kind.replace(' ', '_')}.{'gguf' if kind == 'Q8_0' else 'safetensors'}"
        if kind == "Q8_0":
            gguf_files.write(path, tiny.weights(), kind, architecture="hyvid")
        elif kind == "fp8 scaled":
            save_file(scaled(tiny.weights(), (0.004,))[0], path)
        else:
            save_file(tiny.weights(), path)
        return path

    return write


@pytest.fixture
def load(rooms, path_of):
    def make(kind):
        path = path_of(kind)
        chosen = rooms.options.LoadOptions(weight_dtype="fp8_e4m3fn" if kind == "fp8" else "default")
        return rooms.files.load(path, chosen, rooms.files.inspect(path)).model

    return make


def with_lora(rooms, model):
    """By FramePack's host names: one layer of each kind of block."""
    generator = torch.Generator().manual_seed(5)
    lora = {}
    for name, rows in (("double_blocks.0.img_attn_qkv", 384), ("single_blocks.0.linear1", 896)):
        lora[f"transformer.{name}.lora_A.weight"] = torch.randn(2, 128, generator=generator)
        lora[f"transformer.{name}.lora_B.weight"] = torch.randn(rows, 2, generator=generator)
    return rooms.comfy.sd.load_lora_for_models(model, None, lora, 0.1, 0)[0]


def off(got, wanted) -> float:
    return ((got - wanted).abs().max() / wanted.abs().max()).item()


@pytest.fixture
def dynamic(rooms, monkeypatch):
    yield dynamic_vram.switch_on(monkeypatch)
    rooms.comfy.model_management.unload_all_models()


def near(got, wanted, other, kind) -> bool:
    """Equal but for rounding. The host rounds a weight in fp8 that a LoRA changes to fp8 again, or not, by where it
    lies: there, far nearer to what is wanted than to what it is without the LoRA."""
    return off(got, wanted) < (0.2 * off(other, wanted) if "fp8" in kind else 1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_partial_loading_changes_nothing(rooms, load, kind):
    """In every form of the weights; clean latents and image tokens have layers of their own."""
    plain = load(kind)
    bare = predict(rooms, plain)
    model = with_lora(rooms, plain)
    wanted = predict(rooms, model)
    rooms.comfy.model_management.unload_all_models()
    for each in (plain, model):
        each.patch_model(CPU, lowvram_model_memory=SMALL)
        assert each.model.model_lowvram and each.loaded_size() < 0.5 * each.model_size()
        first = predict(rooms, each, managed=False)
        assert torch.equal(first, bare) if each is plain else near(first, wanted, bare, kind)
        each.partially_load(CPU, 10**9)
        assert near(predict(rooms, each, managed=False), *((bare, wanted) if each is plain else (wanted, bare)), kind)
        assert each.partially_unload(CPU, SMALL) > 0
        assert near(predict(rooms, each, managed=False), *((bare, wanted) if each is plain else (wanted, bare)), kind)
        each.detach()


@pytest.mark.parametrize("kind", KINDS)
def test_dynamic_vram_gives_the_same_numbers(rooms, load, kind, dynamic):
    model = load(kind)
    assert model.is_dynamic()
    plain = model.clone(disable_dynamic=True)
    plain.patch_model(CPU)
    wanted = predict(rooms, plain, managed=False)
    plain.detach()
    for granted in (True, False):
        dynamic.granted = granted
        close = 0.02 if "fp8" in kind else 1e-5  # fp8 may be computed in 16 bits
        assert off(predict(rooms, model), wanted) < close
        assert off(predict(rooms, with_lora(rooms, model)), wanted) > 0.1
        assert off(predict(rooms, model.clone()), wanted) < close


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_is_loaded_once_more_from_its_file(rooms, load, kind, dynamic):
    """The host asks for it where dynamic VRAM will not do (hooks), and for a second GPU."""
    bare = load(kind)
    model = with_lora(rooms, bare)
    wanted, without = predict(rooms, model), predict(rooms, bare)
    plain = model.clone(disable_dynamic=True)
    assert not plain.is_dynamic() and plain.model is not model.model
    assert isinstance(plain.model, rooms.model.FramePackModel) and plain.patches.keys() == model.patches.keys()
    plain.patch_model(CPU)
    assert near(predict(rooms, plain, managed=False), wanted, without, kind)
    plain.detach()
