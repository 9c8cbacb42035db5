"""One picture out of FramePack: a frame at a chosen time, drawn from a picture and another one that it takes from.

FramePack-eichi calls it kisekaeichi (a change of clothes): the input stands at time 0, the reference at a time of its
own, and no coarser groups are shown. Masks keep a part of either: where they are black, the latent is 0.
"""

from __future__ import annotations

import torch

from ...errors import InputError


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
