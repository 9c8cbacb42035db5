"""Files told from their headers: what they are, and errors that name the remedy."""

from __future__ import annotations

import struct

import pytest
from genga.errors import InputError
from genga.loaders import inspect
from genga.loaders.header import read_header
from genga.loaders.inspect import describe
from genga_tests.tools.headers import IMG_EMB, LORA, SDXL, SPIECE, UMT5, VAE, all_in_one, message, wan, write
from hypothesis import given
from hypothesis import strategies as st

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
    (LORA, "is a LoRA", "LoRA (high + low) behind"),
    (VAE, "Wan 2.1 VAE", "vae input"),
    ({**UMT5, **SPIECE}, "UMT5 text encoder", "text_encoder input"),
    (SDXL, "SDXL", "Choose a Wan"),
    ({"model.diffusion_model.double_blocks.0.img_attn.qkv.weight": (4, 4)}, "Flux", "Choose a Wan"),
    ({"vision_model.embeddings.class_embedding": (4,)}, "CLIP vision", "Choose a Wan"),
    ({"audio_proj.proj1.weight": (4, 4)}, "InfiniteTalk", "I2V model"),
    ({"blocks.7.self_attn.q.weight": (4, 4)}, "a part of a Wan model", "folder of their own"),
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
