"""Options, attention kernels, and what a model can obey."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from genga.errors import InputError
from genga.loaders import attention, guard, inspect, options
from genga_tests.tools.headers import message

# ---------------------------------------------------------------- options and attention


def _facts(quantized="") -> inspect.ModelFacts:
    return inspect.ModelFacts("wan", "i2v", "a model", "m.safetensors", quantized=quantized)


@pytest.mark.parametrize(("base", "weights", "expected"), [
    ("auto", "default", {}), ("bf16", "default", {"dtype": torch.bfloat16}),
    ("fp16", "default", {"dtype": torch.float16}), ("bf16", "fp8_e5m2", {"dtype": torch.float8_e5m2}),
    ("auto", "fp8_e4m3fn", {"dtype": torch.float8_e4m3fn}),
    ("auto", "fp8_e4m3fn_fast", {"dtype": torch.float8_e4m3fn, "fp8_optimizations": True}),
])  # fmt: skip
def test_host_options(base, weights, expected):
    assert options.host_options(options.LoadOptions(base, weights), _facts()) == (expected, [])


@pytest.mark.parametrize("name", ["base_precision", "weight_dtype", "attention"])
def test_unknown_options(name):
    with pytest.raises(InputError, match=f"^{name}: 'fp4' is unknown. Use one of "):
        options.LoadOptions(**{name: "fp4"})


def test_a_quantized_file_keeps_its_types():
    chosen, notes = options.host_options(options.LoadOptions("bf16", "fp8_e5m2"), _facts("fp8 scaled"))
    assert chosen == {"dtype": torch.bfloat16}
    assert "quantized already (fp8 scaled)" in notes[0]


@pytest.mark.parametrize(("quantized", "fast"), [("", True), ("fp8 scaled", True), ("GGUF Q4_K", False)])
def test_fp8_products_are_asked_of_fp8_weights_only(quantized, fast):
    chosen, _ = options.host_options(options.LoadOptions(weight_dtype="fp8_e4m3fn_fast"), _facts(quantized))
    assert chosen.get("fp8_optimizations", False) is fast
    assert ("dtype" in chosen) == (quantized == "")


def _sage(monkeypatch, capability=(8, 9), **kernels):
    module = ModuleType("sageattention")
    module.__dict__.update(kernels)
    monkeypatch.setitem(sys.modules, "sageattention", module)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    return module


@pytest.mark.parametrize("name", ["sageattn", "sageattn_3_fp8"])
def test_sage_missing(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "sageattention", None)
    with pytest.raises(InputError) as error:
        attention.find_kernel(name, torch.device("cuda"))
    assert message(error).startswith(f"attention: {name} needs the package sageattention")
    assert "Install it" in message(error) and "sdpa" in message(error)


def test_sage_without_a_gpu():
    with pytest.raises(InputError, match=r"^attention: sageattn needs an NVIDIA GPU.*auto or sdpa"):
        attention.find_kernel("sageattn", torch.device("cpu"))


def test_sage_fp8_on_an_older_gpu_and_an_older_package(monkeypatch):
    _sage(monkeypatch, (8, 6))
    with pytest.raises(InputError, match=r"compute capability 8\.9.*8\.6\. Set attention to sageattn"):
        attention.find_kernel("sageattn_3_fp8", "cuda")
    _sage(monkeypatch, (8, 9))
    with pytest.raises(InputError, match=r"version 1 has none.*Install SageAttention 2"):
        attention.find_kernel("sageattn_3_fp8", "cuda")


@pytest.mark.parametrize(("capability", "kernel", "given"), [
    ((8, 9), "sageattn_qk_int8_pv_fp8_cuda", {}), ((9, 0), "sageattn_qk_int8_pv_fp8_cuda_sm90", {}),
    ((12, 0), "sageattn_qk_int8_pv_fp8_cuda", {"qk_quant_gran": "per_warp"}),
])  # fmt: skip
def test_sage_fp8_kernel_by_gpu(monkeypatch, capability, kernel, given):
    calls = []
    _sage(monkeypatch, capability, **{kernel: lambda q, k, v, **keywords: calls.append(keywords)})
    attention.find_kernel("sageattn_3_fp8", "cuda").call(1, 2, 3, tensor_layout="NHD")
    assert calls == [{"tensor_layout": "NHD", **given}]


def test_sage_refuses_float32(monkeypatch):
    _sage(monkeypatch, sageattn=print)
    with pytest.raises(InputError, match=r"^attention: sageattn works in float16.*base_precision"):
        attention.override("sageattn", "cuda", torch.float32)


def test_auto_leaves_the_host_alone():
    assert attention.override("auto", "cpu", torch.float32) is None


def _package(monkeypatch, module, capability=(8, 6), **kernels):
    package = ModuleType(module)
    package.__dict__.update(kernels)
    monkeypatch.setitem(sys.modules, module, package)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)


def _heads_second(q, k, v, **_):
    """A kernel of [B, L, H, D]."""
    turned = (t.transpose(1, 2) for t in (q, k, v))
    return torch.nn.functional.scaled_dot_product_attention(*turned).transpose(1, 2)


def _heads_first(q, k, v, **_):
    """A kernel of [B, H, L, D]."""
    return torch.nn.functional.scaled_dot_product_attention(q, k, v)


@pytest.mark.parametrize(("name", "module", "capability", "kernel"), [
    ("flash", "flash_attn", (8, 0), {"flash_attn_func": _heads_second}),
    ("sage3", "sageattn3", (12, 0), {"sageattn3_blackwell": _heads_first}),
])  # fmt: skip
@pytest.mark.parametrize("layout", ["NHD", "HND"])
def test_kernels_keep_the_layout_they_are_given(monkeypatch, name, module, capability, kernel, layout):
    _package(monkeypatch, module, capability, **kernel)
    q, k, v = torch.randn(3, 2, 5, 4, 8, generator=torch.Generator().manual_seed(2))
    true = (_heads_second if layout == "NHD" else _heads_first)(q, k, v)
    torch.testing.assert_close(attention.find_kernel(name, "cuda").call(q, k, v, tensor_layout=layout), true)


@pytest.mark.parametrize(("name", "capability", "says"), [
    ("flash", (7, 5), r"flash needs compute capability 8\.0.*7\.5\. Set attention to auto or sdpa"),
    ("sage3", (8, 9), r"sage3 needs 4 bit arithmetic.*8\.9\. Set attention to sageattn, or"),
    ("flash", (8, 0), r"flash needs the package flash-attn.*Install it .*sdpa"),
    ("sage3", (12, 0), r"sage3 needs the package sageattn3.*Install it .*sdpa"),
])  # fmt: skip
def test_what_is_missing_is_named_with_its_remedy(monkeypatch, name, capability, says):
    for module in ("flash_attn", "sageattn3"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    with pytest.raises(InputError, match=f"^attention: {says}"):
        attention.find_kernel(name, "cuda")


def test_an_unknown_name_is_not_looked_for():
    with pytest.raises(InputError, match="^attention: 'fastest' is unknown. Use one of auto, sdpa"):
        attention.find_kernel("fastest", "cpu")


def test_sageattn_3_fp8_says_what_it_is():
    assert "SageAttention 2" in attention.note("sageattn_3_fp8")
    assert attention.note("sageattn") is None


# ---------------------------------------------------------------- guard rules

I2V, T2V = guard.ModelTraits(True, 36), guard.ModelTraits(True, 16)
VACE = guard.ModelTraits(True, 16, vace=True)
SMALL = guard.ModelTraits(True, 48, 48)


def _phr00t(traits):
    return guard.ModelTraits(traits.wan, traits.in_dim, traits.out_dim, traits.vace, True)


def mark(control="inpaint", pictures=1, arbitrary=False):
    node = "ArbitraryKeyframes" if arbitrary else "WanFFLF"
    return {"control": control, "pictures": pictures, "arbitrary": arbitrary, "node": node}


@pytest.mark.parametrize(("traits", "given"), [
    (I2V, mark()), (I2V, mark(pictures=5, arbitrary=True)), (I2V, mark(pictures=0)), (_phr00t(I2V), mark()),
    (T2V, mark(pictures=0)), (VACE, mark("vace", 2)), (_phr00t(VACE), mark("vace", 0)), (VACE, mark(pictures=0)),
    (guard.ModelTraits(True, 36, vace=True), mark()), (I2V, {}),
])  # fmt: skip
def test_what_a_model_can_obey(traits, given):
    assert guard.complaint(traits, given) is None


@pytest.mark.parametrize(("traits", "given", "name", "words"), [
    (VACE, mark(), "control", "Set control to vace in WanFFLF"),
    (T2V, mark(), "model", "text-to-video model: it cannot see"),
    (VACE, mark(arbitrary=True), "model", "Connect an image-to-video"),
    (SMALL, mark(), "model", "Wan 2.2 5B"),
    (guard.ModelTraits(True, 52), mark(), "model", "52 channels"),
    (I2V, mark("vace"), "control", "Set control to inpaint"),
    (T2V, mark("vace", 0), "control", "Set control to inpaint"),
    (_phr00t(I2V), mark(arbitrary=True), "keyframes", "AniSora V3.2"),
    (_phr00t(VACE), mark("vace", arbitrary=True), "keyframes", "Use First + Last Frame"),
    (guard.ModelTraits(False), mark(), "model", "not a Wan model"),
])  # fmt: skip
def test_what_a_model_cannot_obey(traits, given, name, words):
    text = guard.complaint(traits, given)
    assert text.startswith(name + ": ") and words in text


def test_check_model_reads_both_forms_of_conditioning():
    network = SimpleNamespace(patch_embedding=SimpleNamespace(in_channels=16), out_dim=16, blocks=1, text_embedding=1)
    model = SimpleNamespace(model=SimpleNamespace(diffusion_model=network), get_attachment=lambda key: None)
    plain, marked = {"area": 1}, {"genga": mark()}
    guard.check_model(model, [[torch.zeros(1), plain]])
    guard.check_model(model, {"positive": [plain], "negative": None})
    for conds in ([[torch.zeros(1), plain], [torch.zeros(1), marked]], {"positive": [plain], "negative": [marked]}):
        with pytest.raises(InputError, match="cannot see the pictures of WanFFLF"):
            guard.check_model(model, conds)
