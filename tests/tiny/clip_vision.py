"""CLIP vision H of width 1280 (what Wan 2.1's image embedding takes) with two layers.

Two is the least: Wan reads the hidden states before the last layer. The host takes the sizes from a file of
its own; host_pack/clip_vision.json is what the tests put in its place.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from .weights import Shapes, fill, linear, norm

SIZES = json.loads((Path(__file__).resolve().parent / "host_pack" / "clip_vision.json").read_text(encoding="utf-8"))

# The host recognises CLIP vision H by this key. The tiny model has no layer 30, so the key may be empty.
MARKER = "vision_model.encoder.layers.30.layer_norm1.weight"


def weights() -> dict[str, torch.Tensor]:
    """State dict as in clip_vision_h.safetensors."""
    tensors = fill(shapes(), seed=30)
    tensors[MARKER] = torch.empty((0,), dtype=torch.float16)
    return tensors


def shapes() -> Shapes:
    """Name -> shape of the vision tower and its projection."""
    dim, patch, size = SIZES["hidden_size"], SIZES["patch_size"], SIZES["image_size"]
    table: Shapes = {
        "vision_model.embeddings.class_embedding": (dim,),
        "vision_model.embeddings.patch_embedding.weight": (dim, SIZES["num_channels"], patch, patch),
        "vision_model.embeddings.position_embedding.weight": ((size // patch) ** 2 + 1, dim),
        "visual_projection.weight": (SIZES["projection_dim"], dim),
    }
    norm(table, "vision_model.pre_layrnorm", dim)  # the misspelling is the format's own
    for i in range(SIZES["num_hidden_layers"]):
        layer = f"vision_model.encoder.layers.{i}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            linear(table, f"{layer}.self_attn.{part}", dim, dim)
        norm(table, f"{layer}.layer_norm1", dim)
        norm(table, f"{layer}.layer_norm2", dim)
        linear(table, f"{layer}.mlp.fc1", SIZES["intermediate_size"], dim)
        linear(table, f"{layer}.mlp.fc2", dim, SIZES["intermediate_size"])
    norm(table, "vision_model.post_layernorm", dim)
    return table
