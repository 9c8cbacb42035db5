"""Wan 2.1 / 2.2 transformers of the smallest width the host accepts.

The host reads dim, ffn_dim, layers and in_dim from the shapes; num_heads is dim // 128, so 128 is the least.
The text width (4096), the time embedding (256) and the image embedding (1280) are fixed there.
"""

from __future__ import annotations

import torch

from . import flow
from .weights import Shapes, fill, linear, norm

DIM = 128
FFN = 128
LAYERS = 2
TEXT_DIM, FREQ_DIM, CLIP_DIM = 4096, 256, 1280
LATENT = 16
VACE_DIM = 96  # 32 latent channels (inactive, reactive) and the 8x8 pixels of the mask

# Wan 2.2 I2V takes noise, a 4-channel mask and an encoded clip; 2.1 I2V also takes CLIP vision embeddings.
IN_DIM = {"t2v": 16, "vace": 16, "i2v": 36, "i2v_clip": 36}


def weights(kind: str, seed: int) -> dict[str, torch.Tensor]:
    """State dict of one kind of IN_DIM, keys without prefix as in a diffusion-model file."""
    return flow.teach(fill(shapes(kind), seed), kind)


def shapes(kind: str, layers: int = LAYERS) -> Shapes:
    """Name -> shape of one kind of IN_DIM."""
    table: Shapes = {}
    _patch(table, "patch_embedding", IN_DIM[kind])
    linear(table, "text_embedding.0", DIM, TEXT_DIM)
    linear(table, "text_embedding.2", DIM, DIM)
    linear(table, "time_embedding.0", DIM, FREQ_DIM)
    linear(table, "time_embedding.2", DIM, DIM)
    linear(table, "time_projection.1", DIM * 6, DIM)
    for i in range(layers):
        _block(table, f"blocks.{i}", clip=kind == "i2v_clip")
    linear(table, "head.head", LATENT * 4, DIM)
    table["head.modulation"] = (1, 2, DIM)
    if kind == "i2v_clip":
        _image_embedding(table)
    if kind == "vace":
        _vace(table)
    return table


def _patch(table: Shapes, name: str, in_dim: int) -> None:
    table[f"{name}.weight"] = (DIM, in_dim, 1, 2, 2)
    table[f"{name}.bias"] = (DIM,)


def _block(table: Shapes, name: str, clip: bool) -> None:
    table[f"{name}.modulation"] = (1, 6, DIM)
    for attention in ("self_attn", "cross_attn"):
        for part in "qkvo":
            linear(table, f"{name}.{attention}.{part}", DIM, DIM)
        for part in ("norm_q", "norm_k"):
            norm(table, f"{name}.{attention}.{part}", DIM, bias=False)
    if clip:
        linear(table, f"{name}.cross_attn.k_img", DIM, DIM)
        linear(table, f"{name}.cross_attn.v_img", DIM, DIM)
        norm(table, f"{name}.cross_attn.norm_k_img", DIM, bias=False)
    norm(table, f"{name}.norm3", DIM)
    linear(table, f"{name}.ffn.0", FFN, DIM)
    linear(table, f"{name}.ffn.2", DIM, FFN)


def _image_embedding(table: Shapes) -> None:
    norm(table, "img_emb.proj.0", CLIP_DIM)
    linear(table, "img_emb.proj.1", CLIP_DIM, CLIP_DIM)
    linear(table, "img_emb.proj.3", DIM, CLIP_DIM)
    norm(table, "img_emb.proj.4", DIM)


def _vace(table: Shapes) -> None:
    # One VACE block: the host divides the layers by the VACE blocks and needs a whole number.
    _patch(table, "vace_patch_embedding", VACE_DIM)
    _block(table, "vace_blocks.0", clip=False)
    linear(table, "vace_blocks.0.before_proj", DIM, DIM)
    linear(table, "vace_blocks.0.after_proj", DIM, DIM)
