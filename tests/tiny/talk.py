"""InfiniteTalk weights for the tiny Wan 2.1 I2V model, and a wider pair for comparisons with the host.

The host's class reads width and projection from the shapes and fixes 40 heads, so a model it can run is a multiple
of 40 and, for Wan's own heads, of 128 wide: 640. The wide pair is for memory, not for files.
"""

from __future__ import annotations

import torch

from . import wan
from .weights import Shapes, fill, linear, norm

AUDIO_ROW = 12 * 768  # layers of the audio encoder, and their width
WIDTH, TOKENS, HIDDEN = 768, 32, 8
WIDE = 640


def weights(seed: int, dim: int = wan.DIM, layers: int = wan.LAYERS) -> dict[str, torch.Tensor]:
    """State dict as in wan2.1_infiniteTalk_single_fp16.safetensors; Multi has the same tensors."""
    tensors = fill(shapes(dim, layers), seed)
    generator = torch.Generator().manual_seed(seed + 1000)
    for name, tensor in tensors.items():
        if name.endswith("bias"):
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.1)
    return tensors


def shapes(dim: int, layers: int) -> Shapes:
    """Name -> shape."""
    table: Shapes = {}
    linear(table, "audio_proj.proj1", HIDDEN, 5 * AUDIO_ROW)
    linear(table, "audio_proj.proj1_vf", HIDDEN, 8 * AUDIO_ROW)
    linear(table, "audio_proj.proj2", HIDDEN, HIDDEN)
    linear(table, "audio_proj.proj3", TOKENS * WIDTH, HIDDEN)
    norm(table, "audio_proj.norm", WIDTH)
    for i in range(layers):
        linear(table, f"blocks.{i}.audio_cross_attn.q_linear", dim, dim)
        linear(table, f"blocks.{i}.audio_cross_attn.kv_linear", 2 * dim, WIDTH)
        linear(table, f"blocks.{i}.audio_cross_attn.proj", dim, dim)
        norm(table, f"blocks.{i}.norm_x", dim)
    return table


def wide_base(seed: int) -> dict[str, torch.Tensor]:
    """State dict of a random Wan 2.1 I2V model, WIDE wide; it predicts noise of no meaning."""
    sizes = {wan.DIM: WIDE, 6 * wan.DIM: 6 * WIDE}
    narrow = wan.shapes("i2v_clip")
    return fill({name: tuple(sizes.get(size, size) for size in shape) for name, shape in narrow.items()}, seed)
