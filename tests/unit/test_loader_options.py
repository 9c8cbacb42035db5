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
    attention.find_kernel("sageattn_3_fp8", "cuda")(1, 2, 3, tensor_layout="NHD")
    assert calls == [{"tensor_layout": "NHD", **given}]


def test_sage_refuses_float32(monkeypatch):
    _sage(monkeypatch, sageattn=print)
    with pytest.raises(InputError, match=r"^attention: sageattn works in float16.*base_precision"):
        attention.override("sageattn", "cuda", torch.float32)


def test_auto_leaves_the_host_alone():
    assert attention.override("auto", "cpu", torch.float32) is None


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
