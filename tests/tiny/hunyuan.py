"""What FramePack is used with, tiny: the text encoder LLaVA-Llama-3, SigLIP, and the HunyuanVideo VAE.

Names are those of the files that users have. Widths that the host has written into its code are those of
host_pack/framepack.json, which host_pack/framepack.py puts in their place.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from .weights import Shapes, fill, linear, norm

SIZES = json.loads((Path(__file__).resolve().parent / "host_pack" / "framepack.json").read_text(encoding="utf-8"))
LLAMA, SIGLIP, VAE = SIZES["llama"], SIZES["siglip"], SIZES["vae"]
VOCABULARY, HEAD = 128320, 128
LATENT = 16
MARKER = "vision_model.encoder.layers.22.layer_norm1.weight"  # by which the host knows a vision model of this depth


def llama(seed: int) -> dict[str, torch.Tensor]:
    """State dict as in llava_llama3_fp16.safetensors."""
    return fill(_llama(), seed)


def siglip(seed: int) -> dict[str, torch.Tensor]:
    """State dict as in sigclip_vision_patch14_384.safetensors."""
    return fill(_siglip(), seed) | {MARKER: torch.empty((0,), dtype=torch.float16)}


def vae(seed: int) -> dict[str, torch.Tensor]:
    """State dict as in hunyuan_video_vae_bf16.safetensors."""
    return fill(_autoencoder(), seed)


def _llama() -> Shapes:
    width, inner = LLAMA["hidden_size"], HEAD * LLAMA["num_attention_heads"]
    table: Shapes = {"model.embed_tokens.weight": (VOCABULARY, width)}
    for number in range(LLAMA["num_hidden_layers"]):
        layer = f"model.layers.{number}"
        norm(table, f"{layer}.input_layernorm", width, bias=False)
        norm(table, f"{layer}.post_attention_layernorm", width, bias=False)
        for part in "qkv":
            table[f"{layer}.self_attn.{part}_proj.weight"] = (inner, width)
        table[f"{layer}.self_attn.o_proj.weight"] = (width, inner)
        for part in ("gate", "up"):
            table[f"{layer}.mlp.{part}_proj.weight"] = (LLAMA["intermediate_size"], width)
        table[f"{layer}.mlp.down_proj.weight"] = (width, LLAMA["intermediate_size"])
    norm(table, "model.norm", width, bias=False)
    return table


def _siglip() -> Shapes:
    width, patch = SIGLIP["hidden_size"], SIGLIP["patch_size"]
    table: Shapes = {
        "vision_model.embeddings.patch_embedding.weight": (width, SIGLIP["num_channels"], patch, patch),
        "vision_model.embeddings.patch_embedding.bias": (width,),
        "vision_model.embeddings.position_embedding.weight": ((SIGLIP["image_size"] // patch) ** 2, width),
    }
    for number in range(SIGLIP["num_hidden_layers"]):
        layer = f"vision_model.encoder.layers.{number}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            linear(table, f"{layer}.self_attn.{part}", width, width)
        norm(table, f"{layer}.layer_norm1", width)
        norm(table, f"{layer}.layer_norm2", width)
        linear(table, f"{layer}.mlp.fc1", SIGLIP["intermediate_size"], width)
        linear(table, f"{layer}.mlp.fc2", width, SIGLIP["intermediate_size"])
    norm(table, "vision_model.post_layernorm", width)
    return table


def _autoencoder() -> Shapes:
    """Encoder and decoder in the layout of images.autoencoder, with a kernel in time, too; of one width."""
    table: Shapes = {}
    width, blocks = VAE["ch"], VAE["num_res_blocks"]
    _conv(table, "encoder.conv_in", width, 3)
    for level in range(4):
        for step in range(blocks):
            _block(table, f"encoder.down.{level}.block.{step}", width)
        if level < 3:
            _conv(table, f"encoder.down.{level}.downsample.conv", width, width)
    _ends(table, "encoder", width, 2 * LATENT)
    _conv(table, "decoder.conv_in", width, LATENT)
    for level in range(4):
        for step in range(blocks + 1):
            _block(table, f"decoder.up.{level}.block.{step}", width)
        if level:
            _conv(table, f"decoder.up.{level}.upsample.conv", width, width)
    _ends(table, "decoder", width, 3)
    _plain(table, "quant_conv", 2 * LATENT, 2 * LATENT)
    _plain(table, "post_quant_conv", LATENT, LATENT)
    return table


def _conv(table: Shapes, name: str, out: int, width: int) -> None:
    """The host's causal convolution keeps its layer under ``conv``."""
    table[f"{name}.conv.weight"], table[f"{name}.conv.bias"] = (out, width, 3, 3, 3), (out,)


def _plain(table: Shapes, name: str, out: int, width: int) -> None:
    table[f"{name}.weight"], table[f"{name}.bias"] = (out, width, 1, 1, 1), (out,)


def _block(table: Shapes, name: str, width: int) -> None:
    for part in (1, 2):
        norm(table, f"{name}.norm{part}", width)
        _conv(table, f"{name}.conv{part}", width, width)


def _ends(table: Shapes, name: str, width: int, out: int) -> None:
    for part in (1, 2):
        _block(table, f"{name}.mid.block_{part}", width)
    norm(table, f"{name}.mid.attn_1.norm", width)
    for part in ("q", "k", "v", "proj_out"):
        _plain(table, f"{name}.mid.attn_1.{part}", width, width)
    norm(table, f"{name}.norm_out", width)
    _conv(table, f"{name}.conv_out", out, width)
