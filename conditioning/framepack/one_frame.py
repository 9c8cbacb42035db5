"""One picture out of FramePack: a frame at a chosen time, drawn from a picture and another one that it takes from.

FramePack-eichi calls it kisekaeichi (a change of clothes): the input stands at time 0, every reference at a time of its
own, and no coarser groups are shown. (There, the target's time is written into a view of all positions, and the last 4x
frame moves with it; here positions are numbers of their own.) Masks keep a part of each: where they are black, the latent
is 0.
"""

from __future__ import annotations

import torch

from ...errors import InputError
from . import indices
from .section import KEY, same_size


def masked(latent: torch.Tensor, mask: torch.Tensor | None, name: str) -> torch.Tensor:
    """The first frame of ``latent`` [1, 16, T, h, w], times a mask [1, H, W] (or [H, W]) scaled to it."""
    frame = latent[:, :, :1]
    if mask is None:
        return frame
    if not isinstance(mask, torch.Tensor) or mask.ndim not in (2, 3) or mask.numel() == 0:
        raise InputError(name, "this is no mask", "Wire a MASK.")
    first = mask.reshape(-1, *mask.shape[-2:])[:1, None].to(frame)
    small = torch.nn.functional.interpolate(first, size=frame.shape[-2:], mode="bilinear", align_corners=False)
    return frame * small.clamp(0.0, 1.0)[:, :, None]


def with_reference(conditioning, frame: torch.Tensor, index: int, name: str) -> list:
    """What One Frame made, with a further clean ``frame`` [1, 16, 1, h, w] at the time ``index``. name: of the input.

    New lists and tensors all through: what was made for fewer references stays as it is.
    """
    if not isinstance(conditioning, list) or not all(_is_one_frame(values) for _, values in conditioning):
        raise InputError(name, "it was not made by FramePack One Frame", "Wire that node's positive and negative.")
    return [[embedding, _more(values, frame, index)] for embedding, values in conditioning]


def _is_one_frame(values: dict) -> bool:
    shown = values.get(KEY)
    return shown is not None and len(shown["target"]) == 1 and list(shown["clean"]) == [1]


def _more(values: dict, frame: torch.Tensor, index: int) -> dict:
    shown = values[KEY]
    latents, times = shown["clean"][1]
    same_size(latents, "input_latent", reference_latent=frame)
    if index in times:
        problem = f"something stands at the time {index} already ({', '.join(map(str, times))} are taken)"
        raise InputError("history_index", problem, "Give every reference a time of its own.")
    target = shown["target"]
    near = indices.one_frame(target[0], (*times, index)).near
    together = torch.cat([latents, frame.to(latents)], 2)
    return {**values, KEY: {"target": target, "clean": {1: (together, near)}}}
