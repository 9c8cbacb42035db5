"""The pack's Sections, given in seconds of the video, as FramePack's sections, given by number."""

from __future__ import annotations

import math
from fractions import Fraction

import comfy.utils
import torch

from ... import tiles
from ...errors import InputError
from ..sections import Chain, Section, first_frame, in_force
from . import plan
from .section import check_vae

FPS = Fraction(plan.FPS)


def held(chain: Chain, direction: str, sections: int, window: int) -> list[Section]:
    """What is in force for each section, in the order they are drawn: that at its first frame in time."""
    starts = [4 * window * plan.time_of(direction, number, sections) for number in range(sections)]
    return [in_force(chain, start, FPS) for start in starts]


def numbers(chain: Chain, direction: str, sections: int, window: int) -> dict[int, Section]:
    """The sections with a picture, by the number of the section they begin with; those behind the end are left out."""
    found = {}
    for each in chain:
        time = math.ceil(first_frame(each, FPS) / (4 * window))
        if each.image is not None and time < sections:
            found[plan.time_of(direction, time, sections)] = each
    return found


def encode(image: torch.Tensor, vae, start: torch.Tensor) -> torch.Tensor:
    """A picture [1, H, W, 3] as a latent of the size of ``start``: scaled, and cut in the middle."""
    if vae is None:
        raise InputError("vae", "the sections have pictures, and no VAE is wired", "Wire the HunyuanVideo VAE.")
    check_vae(vae)
    height, width = (side * 8 for side in start.shape[-2:])
    pixels = comfy.utils.common_upscale(image[:1, ..., :3].movedim(-1, 1), width, height, "bicubic", "center")
    return tiles.encode(vae, pixels.movedim(1, -1).clamp(0, 1))
