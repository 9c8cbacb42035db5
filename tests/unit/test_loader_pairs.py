"""Files that belong together: names, expert pairs, all-in-one files."""

from __future__ import annotations

import pytest
from genga.errors import InputError
from genga.loaders import experts, names, phr00t
from genga.loaders.header import read_header
from genga.loaders.inspect import describe
from genga_tests.tools.headers import IMG_EMB, LORA, SDXL, SPIECE, UMT5, VAE, all_in_one, message, wan, write
from hypothesis import given
from hypothesis import strategies as st

# ---------------------------------------------------------------- names


@pytest.mark.parametrize(("name", "side", "other"), [
    ("wan2.2_i2v_high_noise_14B_fp16.safetensors", "high", "wan2.2_i2v_low_noise_14B_fp16.safetensors"),
    ("Wan2_2-I2V_AniSoraV3_2_HIGH_14B.safetensors", "high", "Wan2_2-I2V_AniSoraV3_2_LOW_14B.safetensors"),
    ("merge_LowNoise_v2.safetensors", "low", "merge_HighNoise_v2.safetensors"),
    ("smoothMixHighV2.safetensors", "high", "smoothMixLowV2.safetensors"),
    ("sub/wan low lighting.safetensors", "low", "sub/wan high lighting.safetensors"),
    ("high-quality_low_noise.safetensors", "low", "high-quality_high_noise.safetensors"),
    ("wan2.2-i2v-rapid-aio-v10.safetensors", None, None),
    ("SlowMotion_highres.safetensors", None, None),
    ("AniSora\\low_noise_model\\part.safetensors", "low", None),
])  # fmt: skip
def test_names(name, side, other):
    assert names.noise_side(name) == side
    assert names.sibling(name) == other


@given(st.text(alphabet="abHLowhighnse_-. /", max_size=30))
def test_sibling_is_its_own_inverse(name):
    other = names.sibling(name)
    if other is not None:
        assert names.noise_token(other) is not None
        assert names.sibling(other).lower() == name.lower()


PAIR = ("merge_high_noise.safetensors", "merge_low_noise.safetensors")


@pytest.mark.parametrize(("chosen", "variant", "expected"), [
    (0, "low noise", 1), (1, "low noise", 1), (0, "high noise", 0), (1, "high noise", 0),
])  # fmt: skip
def test_lighting_variant_picks_the_sibling(chosen, variant, expected):
    name, notes = phr00t.pick(PAIR[chosen], variant, PAIR)
    assert name == PAIR[expected]
    assert variant in notes[0]


def test_lighting_variant_has_nothing_to_pick_in_a_one_file_merge():
    name, notes = phr00t.pick("wan2.2-rapid-mega-aio-v12.safetensors", "high noise", [])
    assert name == "wan2.2-rapid-mega-aio-v12.safetensors"
    assert "one-file merge" in notes[0]


def test_unknown_lighting_variant():
    with pytest.raises(InputError, match="^lighting_variant: 'bright' is unknown. Use one of low noise, high noise"):
        phr00t.pick(PAIR[0], "bright", PAIR)


def test_missing_sibling_names_both_files():
    with pytest.raises(InputError) as error:
        phr00t.pick(PAIR[0], "low noise", [PAIR[0], "sub/" + PAIR[1]])
    assert message(error).startswith("lighting_variant: ")
    assert PAIR[0] in message(error) and PAIR[1] in message(error) and "'high noise'" in message(error)


# ---------------------------------------------------------------- expert pairs


def facts(tmp_path, name, **changes):
    return describe(read_header(write(tmp_path / name, wan(**changes))))


def test_a_pair_that_fits(tmp_path):
    high, low = facts(tmp_path, PAIR[0]), facts(tmp_path, PAIR[1])
    assert experts.check_pair(PAIR[0], high, PAIR[1], low) == []


@pytest.mark.parametrize(("low", "what"), [
    ({"dim": 256}, "width 256 against 128"), ({"layers": 3}, "number of layers 3 against 2"),
    ({"extra": IMG_EMB}, "image embedding (CLIP vision) yes against no"),
    ({"in_dim": 16}, "text-to-video"), ({"extra": ("vace_patch_embedding.weight",)}, "VACE"),
])  # fmt: skip
def test_a_pair_that_does_not_fit(tmp_path, low, what):
    with pytest.raises(InputError) as error:
        experts.check_pair(PAIR[0], facts(tmp_path, PAIR[0]), PAIR[1], facts(tmp_path, PAIR[1], **low))
    assert message(error).startswith("low_noise_model: ") and what in message(error)
    assert "Choose" in message(error)


@pytest.mark.parametrize(("high_name", "low_name", "input_name", "remedy"), [
    (PAIR[1], PAIR[0], "high_noise_model", "Swap the two files"),
    (PAIR[1], "other.safetensors", "high_noise_model", "Choose the high-noise file"),
    ("other.safetensors", PAIR[0], "low_noise_model", "Choose the low-noise file"),
])  # fmt: skip
def test_exchanged_experts(tmp_path, high_name, low_name, input_name, remedy):
    with pytest.raises(InputError) as error:
        experts.check_pair(high_name, facts(tmp_path, high_name), low_name, facts(tmp_path, low_name))
    assert message(error).startswith(input_name + ": ") and remedy in message(error)


def test_t2v_as_high_expert(tmp_path):
    with pytest.raises(InputError, match=r"^high_noise_model: .*text-to-video.*Wan Model Loader"):
        experts.check_pair("a.safetensors", facts(tmp_path, "a.safetensors", in_dim=16), None, None)


def test_single_experts(tmp_path):
    clip = facts(tmp_path, "anisoraV3.safetensors", extra=IMG_EMB)
    assert len(experts.check_pair("anisoraV3.safetensors", clip, None, None)) == 1
    half = experts.check_pair(PAIR[0], facts(tmp_path, PAIR[0]), None, None)
    assert "one half of a two-expert version" in half[1]
    same = experts.check_pair(PAIR[1], facts(tmp_path, PAIR[1]), PAIR[1], facts(tmp_path, PAIR[1]))
    assert "single expert" in same[0]


# ---------------------------------------------------------------- all-in-one files


@pytest.mark.parametrize(("shapes", "what"), [
    (wan(prefix="model.diffusion_model."), "without text encoder and VAE inside"),
    ({k: s for k, s in all_in_one().items() if not k.startswith("vae.")}, "without VAE inside"),
    ({k: s for k, s in all_in_one().items() if k != "text_encoders.spiece_model"}, "without its tokenizer"),
    (all_in_one(**{"vae.decoder.upsamples.0.upsamples.0.residual.2.weight": (2, 2)}), "48 channels"),
    (SDXL, "SDXL"), (LORA, "LoRA"), ({**UMT5, **SPIECE}, "UMT5"), (VAE, "VAE"),
    (all_in_one(**{"model.diffusion_model.face_adapter.fuser_blocks.0.k_norm.weight": (4,)}), "Animate"),
])  # fmt: skip
def test_not_an_all_in_one_file(tmp_path, shapes, what):
    path = write(tmp_path / "x.safetensors", shapes)
    with pytest.raises(InputError) as error:
        phr00t.inspect_all_in_one(path)
    assert message(error).startswith("checkpoint: ") and what in message(error)


@pytest.mark.parametrize(("kind", "changes"), [
    ("i2v", {}), ("t2v", {"model.diffusion_model.patch_embedding.weight": (128, 16, 1, 2, 2)}),
    ("vace", {"model.diffusion_model.patch_embedding.weight": (128, 16, 1, 2, 2),
              "model.diffusion_model.vace_patch_embedding.weight": (128, 96, 1, 2, 2)}),
])  # fmt: skip
def test_kind_comes_from_the_weights_not_the_name(tmp_path, kind, changes):
    path = write(tmp_path / "wan2.2-rapid-mega-i2v-t2v.safetensors", all_in_one(**changes))
    assert phr00t.inspect_all_in_one(path).kind == kind
