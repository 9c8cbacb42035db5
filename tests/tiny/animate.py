"""WanAnimate of the smallest size: a tiny Wan 2.1 I2V transformer of five layers, and the face and motion encoders,
whose widths are fixed (38 million weights, 78 MB).

Like the other tiny models it paints the clip it is conditioned on; the pose shows through it, faintly, and so does
the motion of the face, which the random layers turn into noise.
"""

from __future__ import annotations

import torch

from . import flow, wan
from .weights import Shapes, fill, linear

LAYERS = 5  # a face adapter for every fifth
POSE_SAY, FACE_SAY = 0.25, 0.15
_CHANNELS = (32, 64, 128, 256, 512, 512, 512, 512)
_MOTION = "motion_encoder."


def weights(seed: int) -> dict[str, torch.Tensor]:
    """State dict as in a diffusion-model file."""
    table = shapes()
    tensors = flow.teach(fill(table, seed), "i2v_clip")
    generator = torch.Generator().manual_seed(seed + 1)
    for name, shape in table.items():
        if name.endswith(".kernel"):
            side = torch.tensor([1.0, 3.0, 3.0, 1.0])
            tensors[name] = (torch.outer(side, side) / side.sum() ** 2).half()
        elif name.startswith(_MOTION) and name.endswith("weight"):  # these layers scale their weights themselves
            tensors[name] = torch.randn(shape, generator=generator).half()
    _teach(tensors, generator)
    return tensors


def shapes() -> Shapes:
    """Name -> shape."""
    table = wan.shapes("i2v_clip", LAYERS)
    dim = wan.DIM
    table["pose_patch_embedding.weight"] = (dim, wan.LATENT, 1, 2, 2)
    table["pose_patch_embedding.bias"] = (dim,)
    for k in range(LAYERS // 5):
        name = f"face_adapter.fuser_blocks.{k}"
        linear(table, f"{name}.linear1_kv", 2 * dim, dim)
        linear(table, f"{name}.linear1_q", dim, dim)
        linear(table, f"{name}.linear2", dim, dim)
        table[f"{name}.q_norm.weight"] = table[f"{name}.k_norm.weight"] = (128,)
    _face_encoder(table, dim)
    _motion_encoder(table)
    return table


def _face_encoder(table: Shapes, dim: int) -> None:
    for name, shape in (("conv1_local", (4096, 512, 3)), ("conv2", (1024, 1024, 3)), ("conv3", (1024, 1024, 3))):
        table[f"face_encoder.{name}.conv.weight"] = shape
        table[f"face_encoder.{name}.conv.bias"] = shape[:1]
    linear(table, "face_encoder.out_proj", dim, 1024)
    table["face_encoder.padding_tokens"] = (1, 1, 1, dim)


def _motion_encoder(table: Shapes) -> None:
    name = f"{_MOTION}enc.net_app.convs"
    table[f"{name}.0.0.weight"] = (_CHANNELS[0], 3, 1, 1)
    table[f"{name}.0.1.bias"] = (1, _CHANNELS[0], 1, 1)
    for i, (inner, outer) in enumerate(zip(_CHANNELS, _CHANNELS[1:], strict=False), 1):
        table[f"{name}.{i}.conv1.0.weight"] = (inner, inner, 3, 3)
        table[f"{name}.{i}.conv1.1.bias"] = (1, inner, 1, 1)
        table[f"{name}.{i}.conv2.0.kernel"] = table[f"{name}.{i}.skip.0.kernel"] = (4, 4)
        table[f"{name}.{i}.conv2.1.weight"] = (outer, inner, 3, 3)
        table[f"{name}.{i}.conv2.2.bias"] = (1, outer, 1, 1)
        table[f"{name}.{i}.skip.1.weight"] = (outer, inner, 1, 1)
    table[f"{name}.8.weight"] = (512, 512, 4, 4)
    for i in range(4):
        linear(table, f"{_MOTION}enc.fc.{i}", 512, 512)
    linear(table, f"{_MOTION}enc.fc.4", 20, 512)
    table[f"{_MOTION}dec.direction.weight"] = (512, 20)


def _teach(t: dict[str, torch.Tensor], generator: torch.Generator) -> None:
    """The flow model's layout (flow.py) goes for pose and face, too: they may not touch what fixes the norms. Both add
    something even where their input is zero, as trained ones do."""
    pose = t["pose_patch_embedding.weight"]
    pose[flow.DIFFERENCE : flow.FEATURES] = 0
    pose[: flow.DIFFERENCE] = 0
    for row in range(flow.DIFFERENCE):
        position, channel = divmod(row, flow.LATENT)
        pose[row, channel, 0, position // 2, position % 2] = -POSE_SAY
    for name in [name for name in t if name.startswith("face_adapter.") and name.endswith("linear2.weight")]:
        t[name][: flow.DIFFERENCE] *= FACE_SAY
        t[name][flow.DIFFERENCE : flow.FEATURES] = 0
    for name in [name for name in t if name.endswith(("linear2.bias", "pose_patch_embedding.bias"))]:
        t[name][flow.FEATURES :] = (torch.randn(wan.DIM - flow.FEATURES, generator=generator) * 0.3).half()
