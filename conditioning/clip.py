"""The grey clip with key pictures in it, and the mask that says which frames are given.

This is what the image-to-video models of the Wan family are shown: one VAE encode of a whole clip that is
mid-grey except for the key pictures, and four mask rows per latent frame. Reference: Wan2.2 ``image2video.py``,
Wan2.1 ``first_last_frame2video.py``, AniSora V3.2 ``image2video.py``. The host's polarity is used: 1 = generate,
0 = given (its model code inverts it).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..errors import InputError
from . import latent_time
from .fit import fit_picture
from .keyframes import Keyframe

MASK_MODES = ("exact", "hold")
GREY = 0.5


@dataclass(frozen=True)
class Frame:
    """The size of the clip in pixels, how pictures are fitted into it, and the VAE's shrink factor."""

    width: int
    height: int
    length: int
    fit: str = "crop"
    shrink: int = 8


@dataclass(frozen=True)
class Picture:
    """A fitted key picture: pixels [H, W, 3], and where it applies in pixels [H, W] (None: everywhere)."""

    frame: int
    pixels: torch.Tensor
    where: torch.Tensor | None


def fit_key(key: Keyframe, size: Frame) -> Picture:
    """Fits picture and mask to the clip, adds the noise asked for, greys out what the mask leaves free."""
    pixels, where = fit_picture(key.image.float().cpu(), size.width, size.height, size.fit)
    if key.noise_aug > 0.0:
        generator = torch.Generator().manual_seed(key.noise_seed)
        # In -1..1 pixels, hence the half; Wan wrappers call the same amount "noise_aug_strength".
        pixels = pixels + torch.randn(pixels.shape, generator=generator) * (key.noise_aug * 0.5)
    if key.mask is not None:
        mask, inside = fit_picture(key.mask[..., None].float().cpu(), size.width, size.height, size.fit)
        mask = mask[..., 0].clamp(0.0, 1.0)
        where = mask if inside is None else mask * inside
    if where is not None and where.max() == 0:
        remedy = "Widen the mask, or use another fit: the crop around the centre may have cut it off."
        raise InputError(f"{key.name} mask", f"nothing of it is left at {size.width}x{size.height}", remedy)
    if where is not None:
        pixels = (pixels - GREY) * where[..., None] + GREY
    return Picture(key.frame, pixels[0], None if where is None else where[0])


def pixel_clip(pictures: list[Picture], size: Frame, hold: bool) -> torch.Tensor:
    """[length, H, W, 3]: grey, each picture at its frame, or held over all pixel frames of its latent frame."""
    clip = torch.ones((size.length, size.height, size.width, 3)) * GREY
    for picture in pictures:
        for frame in held_frames(picture.frame, hold):
            clip[frame] = picture.pixels
    return clip


def held_frames(frame: int, hold: bool) -> range:
    """The pixel frames a key picture fills."""
    return latent_time.frames_of(latent_time.latent_of(frame)) if hold else range(frame, frame + 1)


def concat_mask(pictures: list[Picture], strengths: list[float], size: Frame, hold: bool) -> torch.Tensor:
    """[1, 4, T, h, w], 1 = generate, ``1 - strength`` where a key picture is given."""
    latents = latent_time.latent_length(size.length)
    height, width = size.height // size.shrink, size.width // size.shrink
    mask = torch.ones((1, 1, latents * latent_time.STRIDE, height, width))
    for picture, strength in zip(pictures, strengths, strict=True):
        known = strength * _latent_where(picture.where, height, width)
        for frame in held_frames(picture.frame, hold):
            for row in latent_time.mask_rows(frame):
                mask[:, :, row] = 1.0 - known
    return mask.view(1, latents, latent_time.STRIDE, height, width).transpose(1, 2)


def _latent_where(where: torch.Tensor | None, height: int, width: int) -> torch.Tensor:
    """Share of each latent cell the picture covers: exactly 1 inside, exactly 0 outside, between on the rim."""
    if where is None:
        return torch.ones((height, width))
    return torch.nn.functional.adaptive_avg_pool2d(where[None, None], (height, width))[0, 0]
