"""Which file stands in for one that is not there: the same kind and noise half, or none."""

from __future__ import annotations

import pytest

pytest.importorskip("aiohttp")

from genga.programs.files import nearest  # noqa: E402

HIGH = "Wan2_2-I2V_AniSoraV3_2_HIGH_14B_fp8_e4m3fn_scaled_KJ.safetensors"
LOW = HIGH.replace("HIGH", "LOW")
PAIR = ["wan2.2_i2v_high_noise_14B_fp16.safetensors", "wan2.2_i2v_low_noise_14B_fp16.safetensors"]
OTHERS = ["wan2.2_t2v_high_noise_14B_fp16.safetensors", "wan2.1_i2v_480p_14B_fp16.safetensors", "flux1-dev.safetensors"]


def test_the_half_and_the_kind_stay():
    assert nearest(HIGH, [*OTHERS, *PAIR]) == PAIR[0]
    assert nearest(LOW, [*OTHERS, *PAIR]) == PAIR[1]
    assert nearest(HIGH, OTHERS) is None
    assert nearest("wan2.1_i2v_480p_14B_fp16.safetensors", PAIR) is None


def test_the_same_model_comes_before_a_relative():
    assert nearest(HIGH, [*PAIR, "AniSora-V3.2-high-Q4_K_M.gguf"]) == "AniSora-V3.2-high-Q4_K_M.gguf"
    assert (
        nearest(HIGH, ["AniSora-V3.2-high-Q4_K_M.gguf", "AniSora-V3.2-low-Q4_K_M.gguf"])
        == "AniSora-V3.2-high-Q4_K_M.gguf"
    )


def test_another_kind_is_no_stand_in():
    assert nearest("wan_2.1_vae.safetensors", ["ae.safetensors", "notes.txt"]) is None
    assert (
        nearest("wan_2.1_vae.safetensors", ["ae.safetensors", "Wan2_1_VAE_bf16.safetensors"])
        == "Wan2_1_VAE_bf16.safetensors"
    )
    assert (
        nearest("umt5_xxl_fp8_e4m3fn_scaled.safetensors", ["umt5-xxl-encoder-Q4_K_M.gguf", "t5xxl_fp16.safetensors"])
        == "umt5-xxl-encoder-Q4_K_M.gguf"
    )
    assert nearest("wan2.2-rapid-mega-aio-v12.safetensors", ["ponyDiffusionV6XL.safetensors"]) is None
    assert nearest("a.safetensors", []) is None
