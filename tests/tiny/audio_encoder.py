"""wav2vec2-base with 12 layers of width 768 (what InfiniteTalk reads), thin inside: 16 channels, and two layers' weights.

The host takes the sizes from its own code, not from the weights; host_pack builds the thin model in its place and
gives layers 2 to 11 the weights of layers 0 and 1.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from .weights import Shapes, fill, linear, norm

SIZES = json.loads((Path(__file__).resolve().parent / "host_pack" / "wav2vec2.json").read_text(encoding="utf-8"))
KERNELS = (10, 3, 3, 3, 3, 2, 2)
POSITIONS = 128


def weights() -> dict[str, torch.Tensor]:
    """State dict as in wav2vec2-chinese-base_fp16.safetensors, layers 0 and 1 only."""
    tensors = fill(shapes(), seed=40)
    for name, weight in tensors.items():
        if name.endswith(("out_proj.weight", "output_dense.weight")):
            weight.mul_(0.3)  # else attention makes the rows of the last layers all the same
    direction = tensors["encoder.pos_conv_embed.conv.weight_v"].float()
    # Weight norm keeps a length for each place of the kernel: these leave the direction as it is.
    tensors["encoder.pos_conv_embed.conv.weight_g"] = direction.pow(2).sum((0, 1), keepdim=True).sqrt().half()
    return tensors


def shapes() -> Shapes:
    """Name -> shape."""
    dim, channels = SIZES["embed_dim"], SIZES["conv_dim"]
    table: Shapes = {"masked_spec_embed": (dim,)}
    for i, kernel in enumerate(KERNELS):
        table[f"feature_extractor.conv_layers.{i}.conv.weight"] = (channels, channels if i else 1, kernel)
    norm(table, "feature_extractor.conv_layers.0.layer_norm", channels)
    norm(table, "feature_projection.layer_norm", channels)
    linear(table, "feature_projection.projection", dim, channels)
    table["encoder.pos_conv_embed.conv.bias"] = (dim,)
    table["encoder.pos_conv_embed.conv.weight_v"] = (dim, dim // SIZES["groups"], POSITIONS)
    norm(table, "encoder.layer_norm", dim)
    for i in range(SIZES["weighted_layers"]):
        layer = f"encoder.layers.{i}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            linear(table, f"{layer}.attention.{part}", dim, dim)
        norm(table, f"{layer}.layer_norm", dim)
        norm(table, f"{layer}.final_layer_norm", dim)
        linear(table, f"{layer}.feed_forward.intermediate_dense", SIZES["ffn_dim"], dim)
        linear(table, f"{layer}.feed_forward.output_dense", dim, SIZES["ffn_dim"])
    return table
