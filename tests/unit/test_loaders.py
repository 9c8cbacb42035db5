"""Files told from their headers: what they are, whether they fit together, and errors that name the remedy."""

from __future__ import annotations

import json
import math
import struct
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from genga.errors import InputError
from genga.loaders import attention, experts, guard, inspect, names, options, phr00t
from genga.loaders.header import read_header
from genga.loaders.inspect import describe
from hypothesis import given
from hypothesis import strategies as st

WIDTHS = {"F16": 2, "BF16": 2, "F32": 4, "F8_E4M3": 1, "U8": 1}


def write(path: Path, shapes: dict, dtype: str = "F16", metadata: dict | None = None) -> Path:
    """A safetensors file of zeros by the format's own description, without the library."""
    table, end = {}, 0
    for name, shape in shapes.items():
        kind, shape = shape if isinstance(shape, tuple) and shape and isinstance(shape[0], str) else (dtype, shape)
        size = math.prod(shape) * WIDTHS[kind]
        table[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    if metadata is not None:
        table["__metadata__"] = metadata
    raw = json.dumps(table).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + bytes(end))
    return path


def wan(in_dim=36, out_dim=16, dim=128, layers=2, extra=(), prefix="") -> dict:
    shapes = {
        "patch_embedding.weight": (dim, in_dim, 1, 2, 2),
        "head.modulation": (1, 2, dim),
        "head.head.weight": (out_dim * 4, 8),
        **{f"blocks.{i}.self_attn.q.weight": (8, 8) for i in range(layers)},
        **{name: (4,) for name in extra},
    }
    return {prefix + name: shape for name, shape in shapes.items()}


UMT5 = {
    "shared.weight": (4, 4),
    **{f"encoder.block.{i}.layer.0.SelfAttention.q.weight": (4, 4) for i in range(2)},
    **{f"encoder.block.{i}.layer.0.SelfAttention.relative_attention_bias.weight": (4, 2) for i in range(2)},
}
SPIECE = {"spiece_model": ("U8", (9,))}
VAE = {"decoder.middle.0.residual.0.gamma": (4, 1, 1, 1), "encoder.conv1.weight": (4, 3, 3, 3, 3)}
IMG_EMB = ("img_emb.proj.0.bias",)
LORA = {"diffusion_model.blocks.0.self_attn.q.lora_A.weight": (4, 8)}
SDXL = {"model.diffusion_model.input_blocks.0.0.weight": (4, 4, 3, 3), "conditioner.embedders.0.x.weight": (2, 2)}


def all_in_one(**changes) -> dict:
    parts = {
        **wan(prefix="model.diffusion_model."),
        "text_encoders.spiece_model": ("U8", (9,)),
        **{"text_encoders.umt5xxl.transformer." + name: shape for name, shape in UMT5.items()},
        **{"vae." + name: shape for name, shape in VAE.items()},
    }
    return {**parts, **changes}


def message(excinfo) -> str:
    return str(excinfo.value)


# ---------------------------------------------------------------- broken files

NOT_SAFETENSORS = {
    "text": (b"these are notes about a model\nnothing else\n", "text file"),
    "json index": (b'{"metadata": {"total_size": 5}, "weight_map": {}}', "text file"),
    "html": (b"\n<!DOCTYPE html><html><head><title>Sign in</title>", "web page"),
    "html without doctype": (b"<html><body>404</body></html>", "web page"),
    "lfs pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 14\n", "git lfs pull"),
    "pytorch zip": (b"PK\x03\x04" + bytes(200), "safetensors version"),
    "old pickle": (b"\x80\x02}q\x00" + bytes(200), "safetensors version"),
    "gguf": (b"GGUF\x03\x00\x00\x00" + bytes(60), "GGUF"),
    "empty": (b"", "0 bytes"),
    "stub": (b"\x05\x00\x00\x00", "not a safetensors file"),
    "zeros": (bytes(4096), "not a safetensors file"),
    "noise": (bytes(range(128, 256)) * 8, "not a safetensors file"),
}


@pytest.mark.parametrize("case", NOT_SAFETENSORS)
def test_what_is_no_safetensors_file_is_named(tmp_path, case):
    content, expected = NOT_SAFETENSORS[case]
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_header(path, "high_noise_model")
    assert message(error).startswith("high_noise_model: model.safetensors")
    assert expected in message(error)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"model: there is no file nowhere\.safetensors"):
        read_header(tmp_path / "nowhere.safetensors")


@given(cut=st.integers(min_value=1))
def test_every_cut_is_noticed(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("cut")
    whole = write(folder / "whole.safetensors", wan()).read_bytes()
    path = folder / "model.safetensors"
    path.write_bytes(whole[: cut % len(whole)])
    with pytest.raises(InputError) as error:
        read_header(path, "checkpoint")
    assert message(error).startswith("checkpoint: ")
    assert "Download it again" in message(error)


def test_cut_in_the_data_says_how_much_is_missing(tmp_path):
    path = write(tmp_path / "model.safetensors", wan())
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(InputError, match=f"promises {len(whole):,} bytes, the file has {len(whole) - 1:,}"):
        read_header(path)


def test_cut_in_the_header(tmp_path):
    path = write(tmp_path / "model.safetensors", wan())
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match="its header alone takes"):
        read_header(path)


@pytest.mark.parametrize("table", [
    '{"a": 1}', '{"a": {"dtype": "F16"}}', '{"a": {"dtype": "F16", "shape": [2], "data_offsets": [4, 0]}}',
    '{"a": {"dtype": "F16", "shape": [2], "data_offsets": [0, 3]}}', "{}", '{"a": ', "{" * 90_000,
    '{"a": {"dtype": "F16", "shape": [-2], "data_offsets": [0, 4]}}',
    '{"a": {"dtype": "F16", "shape": [true], "data_offsets": [0, 2]}}',
    '{"__metadata__": [], "a": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}}',
])  # fmt: skip
def test_damaged_header(tmp_path, table):
    raw = table.encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + bytes(4))
    with pytest.raises(InputError, match=r"^vae: model\.safetensors (is damaged|holds no tensors)"):
        read_header(path, "vae")


def test_bytes_behind_the_end(tmp_path):
    path = write(tmp_path / "model.safetensors", wan())
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(InputError, match="4 bytes more"):
        read_header(path)


@given(junk=st.binary(max_size=300))
def test_random_bytes_give_clear_errors_only(tmp_path_factory, junk):
    path = tmp_path_factory.mktemp("junk") / "model.safetensors"
    path.write_bytes(junk)
    with pytest.raises(InputError, match="^model: "):
        read_header(path)


def test_a_good_file(tmp_path):
    header = read_header(write(tmp_path / "m.safetensors", wan(), metadata={"modelspec.title": "x"}))
    assert header.tensors["patch_embedding.weight"] == inspect.Tensor("F16", (128, 36, 1, 2, 2))
    assert dict(header.metadata) == {"modelspec.title": "x"}
    assert header.name == "m.safetensors"


# ---------------------------------------------------------------- kinds

KINDS = [
    (wan(36), "i2v", False), (wan(36, extra=IMG_EMB), "i2v", True), (wan(16), "t2v", False),
    (wan(16, extra=("vace_patch_embedding.weight",)), "vace", False),
    (wan(36, extra=("face_adapter.fuser_blocks.0.k_norm.weight", *IMG_EMB)), "animate", True),
    (wan(48, out_dim=48), "ti2v_5b", False), (wan(52), "wan_other", False),
    (wan(16, extra=("casual_audio_encoder.encoder.final_linear.weight",)), "s2v", False),
]  # fmt: skip


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model.", "diffusion_model.", "model."])
@pytest.mark.parametrize(("shapes", "kind", "image"), KINDS)
def test_wan_kinds(tmp_path, shapes, kind, image, prefix):
    path = write(tmp_path / "m.safetensors", {prefix + name: shape for name, shape in shapes.items()})
    facts = describe(read_header(path))
    assert (facts.family, facts.kind, facts.has_image_embedding, facts.prefix) == ("wan", kind, image, prefix)
    assert (facts.in_dim, facts.dim, facts.layers) == (shapes["patch_embedding.weight"][1], 128, 2)


def test_all_in_one_parts_and_types(tmp_path):
    facts = describe(read_header(write(tmp_path / "m.safetensors", all_in_one(), dtype="F8_E4M3")))
    assert facts.has_text_encoder and facts.has_vae
    assert (facts.dtype, facts.quantized) == ("F8_E4M3", "")


@pytest.mark.parametrize(("extra", "metadata", "scheme"), [
    ({"scaled_fp8": ("F8_E4M3", (2,))}, None, "fp8 scaled"),
    ({"blocks.0.self_attn.q.scale_weight": ("F32", (1,))}, None, "fp8 scaled"),
    ({}, {"_quantization_metadata": "{}"}, "quantized layers"),
    ({"blocks.0.self_attn.q.comfy_quant": ("U8", (3,))}, None, "quantized layers"),
])  # fmt: skip
def test_quantized_files(tmp_path, extra, metadata, scheme):
    path = write(tmp_path / "m.safetensors", {**wan(), **extra}, metadata=metadata)
    assert describe(read_header(path)).quantized == scheme


WRONG_IN_MODEL_SLOT = [
    (LORA, "is a LoRA", "LoraLoaderModelOnly"),
    (VAE, "Wan 2.1 VAE", "vae input"),
    ({**UMT5, **SPIECE}, "UMT5 text encoder", "text_encoder input"),
    (SDXL, "SDXL", "Choose a Wan"),
    ({"model.diffusion_model.double_blocks.0.img_attn.qkv.weight": (4, 4)}, "Flux", "Choose a Wan"),
    ({"vision_model.embeddings.class_embedding": (4,)}, "CLIP vision", "Choose a Wan"),
    ({"audio_proj.proj1.weight": (4, 4)}, "InfiniteTalk", "I2V model"),
    ({"blocks.7.self_attn.q.weight": (4, 4)}, "a part of a Wan model", "single-file"),
    ({"condition_embedder.text_embedder.linear_1.weight": (4, 4)}, "diffusers", "single-file"),
    ({"vace_blocks.0.after_proj.weight": (4, 4)}, "VACE module", "VACE model in one file"),
    (wan(48, out_dim=48), "Wan 2.2 5B", "14B"),
    ({"something": (4,)}, "not a model this node knows", "Choose a Wan"),
]


@pytest.mark.parametrize(("shapes", "what", "remedy"), WRONG_IN_MODEL_SLOT)
def test_wrong_file_in_a_model_slot(tmp_path, shapes, what, remedy):
    facts = describe(read_header(write(tmp_path / "x.safetensors", shapes)))
    with pytest.raises(InputError) as error:
        inspect.expect_wan(facts, "model")
    assert message(error).startswith("model: x.safetensors is ")
    assert what in message(error) and remedy in message(error)


@pytest.mark.parametrize(("shapes", "what"), [
    (wan(), "image-to-video"),
    ({**VAE, "decoder.upsamples.0.upsamples.0.residual.2.weight": (2, 2)}, "Wan 2.2 5B (48 channels)"),
    ({"decoder.middle.0.residual.0.gamma": (4, 1, 1, 1)}, "decoder half"),
    ({"decoder.conv_in.weight": (4, 4, 3, 3)}, "not Wan's"),
    ({**UMT5, **SPIECE}, "UMT5"),
])  # fmt: skip
def test_wrong_file_in_the_vae_slot(tmp_path, shapes, what):
    facts = describe(read_header(write(tmp_path / "x.safetensors", shapes)))
    with pytest.raises(InputError) as error:
        inspect.expect_vae(facts, "vae")
    assert message(error).startswith("vae: ") and what in message(error)
    assert "wan_2.1_vae.safetensors" in message(error)


@pytest.mark.parametrize(("shapes", "what"), [
    (UMT5, "without its tokenizer"),
    ({key: shape for key, shape in UMT5.items() if "block.1.layer.0.SelfAttention.rel" not in key}, "not UMT5"),
    ({"token_embedding.weight": (4, 4), "blocks.0.attn.q.weight": (4, 4)}, "WanVideoWrapper"),
    ({"text_model.encoder.layers.0.mlp.fc1.weight": (4, 4)}, "CLIP text encoder"),
    (wan(), "image-to-video"),
])  # fmt: skip
def test_wrong_file_in_the_text_encoder_slot(tmp_path, shapes, what):
    header = read_header(write(tmp_path / "x.safetensors", shapes))
    with pytest.raises(InputError) as error:
        inspect.expect_text_encoder(header, "text_encoder")
    assert message(error).startswith("text_encoder: ") and what in message(error)
    assert "umt5_xxl" in message(error)


def test_right_text_encoder_and_vae(tmp_path):
    header = read_header(write(tmp_path / "t.safetensors", {**UMT5, **SPIECE}))
    assert inspect.expect_text_encoder(header, "text_encoder").kind == "umt5"
    header = read_header(write(tmp_path / "v.safetensors", VAE))
    assert inspect.expect_vae(describe(header), "vae").kind == "wan21_vae"


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
