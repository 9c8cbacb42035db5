"""Files of zeros with the headers of real ones, for what is told from a header alone."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

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
    """Shapes of a Wan model; ``extra`` names more tensors."""
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
    """Shapes of a Wan model with text encoder and VAE in the same file."""
    parts = {
        **wan(prefix="model.diffusion_model."),
        "text_encoders.spiece_model": ("U8", (9,)),
        **{"text_encoders.umt5xxl.transformer." + name: shape for name, shape in UMT5.items()},
        **{"vae." + name: shape for name, shape in VAE.items()},
    }
    return {**parts, **changes}


def message(excinfo) -> str:
    return str(excinfo.value)
