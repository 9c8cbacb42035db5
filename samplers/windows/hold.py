"""Latents at the head of a window that stay clean while the rest is drawn.

The host's noise mask protects an area, but noises it anew for every step, as an inpainting model wants it.
InfiniteTalk was trained with the carried latents clean at every noise level (its generate loop puts them back before
each call of the model), so the one function that noises them is replaced, on a clone of the model.
"""

from __future__ import annotations

import torch

_NOISED = "scale_latent_inpaint"  # host: comfy/model_base.py, asked by KSamplerX0Inpaint for the masked area


def holding(patcher):
    """A clone of a MODEL under whose noise mask the given latents are shown to the model as they are."""
    clone = patcher.clone()
    clone.add_object_patch(_NOISED, clean)
    return clone


def clean(latent_image: torch.Tensor, **_others) -> torch.Tensor:
    """What the model sees under the mask, at every noise level: the latent itself."""
    return latent_image


def start(patcher, shape: tuple[int, ...], head: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The latent to start from, of ``shape`` [1, 16, T, h, w], and the noise mask [1, 1, T, h, w], or None.

    Without a head it is the empty latent. With one, the rest is what the model takes for zero, because the host
    shifts any latent that is not empty, and a schedule that starts below full noise would show the shift.
    """
    if head is None:
        return torch.zeros(shape), None
    latent = patcher.model.process_latent_out(torch.zeros(shape))
    count = head.shape[2]
    latent[:, :, :count] = head.to(latent)
    mask = torch.ones(1, 1, *shape[2:])
    mask[:, :, :count] = 0.0
    return latent, mask


def paste(latent: torch.Tensor, head: torch.Tensor | None) -> torch.Tensor:
    """``latent`` with ``head`` at its head to the last bit: sampling leaves it equal but for rounding."""
    if head is None:
        return latent
    pasted = latent.clone()
    pasted[:, :, : head.shape[2]] = head.to(latent)
    return pasted
