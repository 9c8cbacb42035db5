"""The same key pictures for VACE models (Phr00t MEGA): a control video, split by its mask, and the mask itself.

Reference: ``vace_encode_frames`` and ``vace_encode_masks`` of ali-vilab/VACE, and the host's WanVaceToVideo. VACE
has no mask rows inside a latent frame, and the reference samples the mask in time with nearest neighbours, which
for 81 frames never reads frames 0 and 80: a picture on one of them would be "generate" in the mask. Here a key
picture fills its whole latent frame and the mask is taken at that latent frame, so that it is really locked.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from . import latent_time
from .clip import GREY, Frame, Picture, held_frames, pixel_clip


def pixel_mask(pictures: list[Picture], strengths: list[float], size: Frame) -> torch.Tensor:
    """[length, H, W, 1], 1 = generate, ``1 - strength`` where a key picture is held."""
    mask = torch.ones((size.length, size.height, size.width, 1))
    for picture, strength in zip(pictures, strengths, strict=True):
        where = torch.ones((size.height, size.width)) if picture.where is None else picture.where
        for frame in held_frames(picture.frame, hold=True):
            mask[frame] = (1.0 - strength * where)[..., None]
    return mask


def latent_mask(mask: torch.Tensor, shrink: int) -> torch.Tensor:
    """Pixel mask [F, H, W, 1] -> [1, shrink * shrink, T, h, w]: the pixels of a cell become channels."""
    length, height, width, _ = mask.shape
    cells = mask.view(length, height // shrink, shrink, width // shrink, shrink)
    channels = cells.permute(2, 4, 0, 1, 3).reshape(shrink * shrink, length, height // shrink, width // shrink)
    # Frame 4k is the last of latent frame k; key pictures are held, so all frames of it agree.
    return channels[:, :: latent_time.STRIDE].unsqueeze(0)


def vace_values(
    pictures: list[Picture], strengths: list[float], size: Frame, encode: Callable[[torch.Tensor], torch.Tensor]
) -> dict[str, list]:
    """The conditioning values ``vace_frames``, ``vace_mask`` and ``vace_strength`` of the host's VACE models.

    Without pictures the strength is 0, as the author of Phr00t MEGA sets it for text to video.
    """
    video = pixel_clip(pictures, size, hold=True) - GREY
    mask = pixel_mask(pictures, strengths, size)
    kept, made = encode(video * (1 - mask) + GREY), encode(video * mask + GREY)
    return {
        "vace_frames": [torch.cat((kept, made), dim=1)],
        "vace_mask": [latent_mask(mask, size.shrink)],
        "vace_strength": [1.0 if pictures else 0.0],
    }
