"""A Real-ESRGAN of the true format (RRDB, four times larger) with one block of eight features.

It passes the picture on, each pixel as a square of four by four, with a small random change: so a test sees whether
the right frame came through the true network. Keys and sizes as in RealESRGAN_x4plus (BasicSR ``rrdbnet_arch.py``);
a dense block grows by 32 channels, which spandrel does not read off the file.
"""

from __future__ import annotations

import torch

from .weights import Shapes, fill

FEATURES, GROWTH, SCALE = 8, 32, 4
_CHANGE = 0.02  # of the random weights
_THROUGH = ("conv_first", "conv_up1", "conv_up2", "conv_hr", "conv_last")


def weights() -> dict[str, torch.Tensor]:
    """State dict as in RealESRGAN_x4plus.safetensors."""
    tensors = fill(shapes(), seed=50)
    for name, tensor in tensors.items():
        tensor *= _CHANGE
        if name.removesuffix(".weight") in _THROUGH:
            for channel in range(min(tensor.shape[:2])):
                tensor[channel, channel, 1, 1] += 1.0
    return tensors


def shapes() -> Shapes:
    shapes: Shapes = {}
    _conv(shapes, "conv_first", FEATURES, 3)
    for dense in (1, 2, 3):
        for number in range(1, 5):
            _conv(shapes, f"body.0.rdb{dense}.conv{number}", GROWTH, FEATURES + GROWTH * (number - 1))
        _conv(shapes, f"body.0.rdb{dense}.conv5", FEATURES, FEATURES + GROWTH * 4)
    for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
        _conv(shapes, name, FEATURES, FEATURES)
    _conv(shapes, "conv_last", 3, FEATURES)
    return shapes


def _conv(shapes: Shapes, name: str, out_channels: int, in_channels: int) -> None:
    shapes[f"{name}.weight"] = (out_channels, in_channels, 3, 3)
    shapes[f"{name}.bias"] = (out_channels,)
