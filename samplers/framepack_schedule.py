"""FramePack's noise levels: the shift grows with the tokens that are drawn, up to 7. Torch only.

The reference: diffusers_helper/pipelines/k_diffusion_hunyuan.py of lllyasviel/FramePack.
"""

from __future__ import annotations

import math

import torch

_FEW, _MANY = (256, 0.5), (4096, 1.15)  # tokens, and the logarithm of the shift there; a line through both
MOST = 7.0
_PATCH = 4  # latent pixels of a token


def shift(frames: int, height: int, width: int) -> float:
    """The shift for ``frames`` latent frames of ``height`` x ``width`` latent pixels (8 pixels of the video each)."""
    tokens = frames * height * width // _PATCH
    slope = (_MANY[1] - _FEW[1]) / (_MANY[0] - _FEW[0])
    logarithm = slope * tokens + (_FEW[1] - slope * _FEW[0])  # in this order: equal to the last bit
    return math.exp(min(logarithm, math.log(MOST)))


def sigmas(steps: int, shift: float) -> torch.Tensor:
    """[steps + 1] float32 from 1 to 0: even steps of time, shifted."""
    time = torch.linspace(1, 0, steps + 1)
    return shift / (shift + (1.0 / time - 1.0))  # the last is shift / infinity
