"""Which settings suit which device."""

from __future__ import annotations

import pytest
from genga.errors import InputError
from genga.loaders import hardware
from genga.loaders.hardware import ADA, AMPERE, GIB, SMALL, Device

ADA_SETTINGS = ("bf16", "fp8_e4m3fn_fast", "sageattn_3_fp8")
AMPERE_SETTINGS = ("bf16", "fp8_e5m2", "sageattn")
SMALL_SETTINGS = ("fp16", "default", "sdpa")
HOSTS_OWN = ("auto", "default", "auto")


def nvidia(name, capability, gib):
    return Device("cuda", f"NVIDIA {name}", int(gib * GIB), 64 * GIB, capability)


def settings(preset):
    return preset.base_precision, preset.weight_dtype, preset.attention


def choose(device, gpu="auto", missing=()):
    return hardware.choose(device, gpu, lambda name: f"{name} is missing" if name in missing else "")


@pytest.mark.parametrize(("name", "capability", "gib", "expected", "tiled"), [
    ("GeForce RTX 4090", (8, 9), 24, ADA_SETTINGS, "auto"),
    ("GeForce RTX 4080 SUPER", (8, 9), 16, ADA_SETTINGS, "auto"),
    ("GeForce RTX 4090 Laptop GPU", (8, 9), 16, ADA_SETTINGS, "auto"),
    ("GeForce RTX 4060", (8, 9), 8, ADA_SETTINGS, "on"),
    ("GeForce RTX 5090", (12, 0), 32, ADA_SETTINGS, "auto"),
    ("GeForce RTX 3090", (8, 6), 24, AMPERE_SETTINGS, "auto"),
    ("GeForce RTX 3080 Ti", (8, 6), 12, AMPERE_SETTINGS, "auto"),
    ("RTX A4000", (8, 6), 16, AMPERE_SETTINGS, "auto"),
    ("GeForce RTX 3070 Ti", (8, 6), 8, SMALL_SETTINGS, "on"),
    ("GeForce RTX 3060", (8, 6), 12, SMALL_SETTINGS, "auto"),
    ("GeForce RTX 3050", (8, 6), 6, SMALL_SETTINGS, "on"),
    ("GeForce RTX 2080 Ti", (7, 5), 11, SMALL_SETTINGS, "auto"),
    ("GeForce GTX 1080", (6, 1), 8, HOSTS_OWN, "on"),
    ("H200", (9, 0), 140, ("bf16", "default", "sageattn_3_fp8"), "auto"),
    ("RTX A6000", (8, 6), 48, ("bf16", "default", "sageattn"), "auto"),
])  # fmt: skip
def test_by_device(name, capability, gib, expected, tiled):
    preset = choose(nvidia(name, capability, gib))
    assert settings(preset) == expected
    assert preset.tiled_vae == tiled
    assert preset.why


@pytest.mark.parametrize("kind", ["cpu", "mps", "rocm", "xpu", "npu"])
def test_without_cuda_the_host_chooses(kind):
    preset = choose(Device(kind, "a device", 16 * GIB, 32 * GIB))
    assert settings(preset) == HOSTS_OWN
    assert preset.tiled_vae == "auto" and preset.why


@pytest.mark.parametrize(("gpu", "expected"), [(ADA, ADA_SETTINGS), (AMPERE, AMPERE_SETTINGS), (SMALL, SMALL_SETTINGS)])
def test_a_class_overrides_the_device(gpu, expected):
    preset = choose(Device("cpu", "the CPU", 32 * GIB, 32 * GIB), gpu)
    assert settings(preset) == expected
    assert gpu in preset.why[0]


def test_attention_that_is_missing_is_replaced_and_named():
    device = nvidia("GeForce RTX 4090", (8, 9), 24)
    old = choose(device, missing=("sageattn_3_fp8",))
    assert old.attention == "sageattn" and "sageattn_3_fp8 is missing" in " ".join(old.why)
    bare = choose(device, missing=("sageattn_3_fp8", "sageattn"))
    assert bare.attention == "sdpa"
    assert "sageattn is missing" in bare.why[-2] and "sdpa" in bare.why[-1]
    assert settings(bare)[:2] == ADA_SETTINGS[:2]


def test_an_unknown_class():
    with pytest.raises(InputError, match="^gpu: 'RTX 9090' is unknown. Use one of auto, RTX 4090/4080"):
        choose(nvidia("GeForce RTX 4090", (8, 9), 24), "RTX 9090")


@pytest.mark.parametrize(("device", "words"), [
    (nvidia("GeForce RTX 4090", (8, 9), 24), "NVIDIA GeForce RTX 4090, 24 GB, compute capability 8.9, 64 GB RAM"),
    (Device("rocm", "AMD Radeon RX 7900 XTX", 24 * GIB, 32 * GIB),
     "AMD Radeon RX 7900 XTX, 24 GB, ROCm, 32 GB RAM"),
    (Device("cpu", "the CPU", 32 * GIB, 32 * GIB), "the CPU, 32 GB RAM"),
])  # fmt: skip
def test_a_device_in_words(device, words):
    assert device.words == words


def test_presets_are_values_the_loaders_take():
    from genga.loaders.options import LoadOptions

    for gpu in (ADA, AMPERE, SMALL):
        LoadOptions(*settings(choose(nvidia("x", (8, 9), 24), gpu)))
