"""Key frames in time: what a person asked for, and where it lands."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from ..errors import InputError
from . import latent_time


@dataclass(frozen=True)
class Keyframe:
    """One picture at one moment.

    image: [1, H, W, 3], 0..1. mask: [1, h, w], 1 where the picture applies, or None for everywhere.
    strength, strength_low: 0 (absent) to 1 (exact) for the high- and the low-noise expert.
    noise_aug: standard deviation of the noise added to the picture in -1..1 pixels, drawn from noise_seed.
    name: how errors call it.
    """

    image: torch.Tensor
    frame: int
    strength: float = 1.0
    strength_low: float = 1.0
    mask: torch.Tensor | None = None
    noise_aug: float = 0.0
    noise_seed: int = 0
    name: str = "keyframe"

    def for_expert(self, low: bool) -> float:
        return self.strength_low if low else self.strength


def check(key: Keyframe) -> Keyframe:
    """The key frame itself, or an InputError that says which value cannot be used and what to do."""
    check_picture(key.image, key.name)
    for label, value in (("strength", key.strength), ("strength_low", key.strength_low)):
        if not (math.isfinite(value) and 0.0 <= value <= 1.0):
            remedy = "Use 0 (absent) to 1 (exact); 0.4 to 0.7 follows loosely."
            # first_image has its strength in first_strength
            name = key.name.replace("_image", f"_{label}") if "_image" in key.name else f"{key.name} {label}"
            raise InputError(name, f"{value} is outside 0 to 1", remedy)
    if not (math.isfinite(key.noise_aug) and key.noise_aug >= 0.0):
        remedy = "Use 0 for none; 0.02 to 0.1 is usual."
        raise InputError(f"{key.name} noise_aug", f"{key.noise_aug} is no amount of noise", remedy)
    if key.mask is not None:
        check_mask(key.mask, f"{key.name} mask")
    return key


def check_picture(image: torch.Tensor, name: str) -> None:
    """Raises unless ``image`` is one RGB picture [1, H, W, 3], values about 0..1, at least one pixel."""
    if not isinstance(image, torch.Tensor):
        raise InputError(name, f"this is no picture but {type(image).__name__}", "Wire an IMAGE.")
    if image.ndim != 4 or image.numel() == 0:
        shape = tuple(image.shape)
        raise InputError(name, f"the picture is empty, its shape is {shape}", "Wire a picture of at least 1x1 pixel.")
    if image.shape[0] != 1:
        remedy = "Pick one with ImageFromBatch, or wire each picture to a keyframe of its own."
        raise InputError(name, f"{image.shape[0]} pictures in one batch where one is expected", remedy)
    if image.shape[-1] != 3:
        kind = "an alpha channel" if image.shape[-1] == 4 else f"{image.shape[-1]} channels"
        remedy = "Remove it with Split Image with Alpha, or place the picture on a background first."
        raise InputError(name, f"the picture has {kind}, RGB is expected", remedy)
    check_values(image, name)


def check_values(image: torch.Tensor, name: str) -> None:
    """Raises unless all values are numbers of about 0..1, as the host's IMAGE has them (resampling may overshoot)."""
    if not image.is_floating_point():
        raise InputError(name, f"the values are {image.dtype}, not 0 to 1", "Divide them by 255 into floats.")
    if not torch.isfinite(image).all():
        remedy = "Its source failed (a black or broken decode); look at the picture before this node."
        raise InputError(name, "the picture has values that are not numbers (NaN or infinite)", remedy)
    low, high = float(image.min()), float(image.max())
    if low < -0.5 or high > 1.5:
        remedy = "Pictures run from 0 to 1: convert them from 0..255 or -1..1 before this node."
        raise InputError(name, f"the values run from {low:g} to {high:g}", remedy)


def check_mask(mask: torch.Tensor, name: str) -> None:
    """Raises unless ``mask`` is one mask [1, h, w] in 0..1 that is not all zero."""
    if not isinstance(mask, torch.Tensor):
        raise InputError(name, f"this is no mask but {type(mask).__name__}", "Wire a MASK.")
    if mask.ndim != 3 or mask.numel() == 0:
        raise InputError(
            name, f"the mask is empty, its shape is {tuple(mask.shape)}", "Wire a mask of a picture's size."
        )
    if mask.shape[0] != 1:
        raise InputError(name, f"{mask.shape[0]} masks in one batch where one is expected", "Wire one mask.")
    if not torch.isfinite(mask).all() or mask.min() < 0 or mask.max() > 1:
        raise InputError(name, "the mask has values outside 0 to 1", "Use 1 where the picture applies, 0 elsewhere.")
    if mask.max() == 0:
        remedy = "Paint where the picture shall apply, invert the mask, or remove the keyframe."
        raise InputError(name, "the mask is all black, so the keyframe would apply nowhere", remedy)


def place(keys: list[Keyframe], length: int, snap: str, hold: bool = False) -> tuple[list[Keyframe], list[str]]:
    """Key frames with frames resolved and snapped, in order of time, and what to tell the person.

    hold: key frames own their whole latent frame, so two in one latent frame collide too.
    """
    placed, notes = [], []
    for key in keys:
        check(key)
        frame, warning = latent_time.resolve_index(key.frame, length, f"{key.name} frame_index")
        actual = latent_time.snap_frame(frame, length, snap)
        if warning:
            notes.append(warning)
        if actual != frame:
            notes.append(f"{key.name}: frame {frame} asked, {actual} used (snap {snap}).")
        placed.append(replace(key, frame=actual))
    placed.sort(key=lambda key: key.frame)
    _refuse_collisions(placed, snap, hold)
    return placed, notes


def _refuse_collisions(placed: list[Keyframe], snap: str, hold: bool) -> None:
    for first, second in zip(placed, placed[1:], strict=False):
        if first.frame == second.frame:
            remedy = "Move one of them" + ("." if snap == "none" else f", or choose a finer snap than {snap}.")
            raise InputError("keyframes", f"{first.name} and {second.name} both land on frame {first.frame}", remedy)
        if hold and latent_time.latent_of(first.frame) == latent_time.latent_of(second.frame):
            held = latent_time.frames_of(latent_time.latent_of(first.frame))
            problem = f"{first.name} (frame {first.frame}) and {second.name} (frame {second.frame})"
            problem += f" share frames {held[0]} to {held[-1]}, which one picture fills when it is held"
            remedy = "Move one by four frames or more, or use mask_mode exact with control inpaint."
            raise InputError("keyframes", problem, remedy)
