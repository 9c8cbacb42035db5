"""A bridge between two FramePack videos: latent frames drawn between them, seen from both sides.

To the standard model it is a section of its own length whose start is the last latent frame of the first video and
whose history is the second video, as FramePack-eichi joins tensor data.
"""

from __future__ import annotations

from dataclasses import dataclass

import comfy.model_management
import comfy.sample
import comfy.utils
import torch

from ..conditioning.framepack import indices, plan, section
from ..errors import InputError
from .framepack import finite

NODE = "FramePack Bridge"
MOST_FRAMES, MOST_TRIM_END, MOST_TRIM_START = 12, 3, 5


@dataclass(frozen=True)
class Bridge:
    """What a bridge is drawn from. first, second: latents [1, 16, T, h, w], the VAE's own. frames: latent frames."""

    model: object
    positive: list
    negative: list
    first: torch.Tensor
    second: torch.Tensor
    frames: int
    seed: int
    cfg: float
    sampler: object
    sigmas: torch.Tensor
    vision: object = None

    @property
    def steps(self) -> int:
        return max(len(self.sigmas) - 1, 1)


def trimmed(first: torch.Tensor, second: torch.Tensor, end: int, start: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The first video without its last ``end`` latent frames, the second without its first ``start``."""
    for name, video, cut in (("trim_end", first, end), ("trim_start", second, start)):
        if not 0 <= cut < video.shape[2]:
            problem = f"{cut} latent frames cannot be cut from a video of {video.shape[2]}"
            raise InputError(name, problem, "Cut fewer, or wire a longer video.")
    return first[:, :, : first.shape[2] - end], second[:, :, start:]


def conds(bridge: Bridge) -> tuple[list, list]:
    """Positive and negative conditioning of the bridge."""
    positions = indices.positions(plan.STANDARD, bridge.frames)
    seen = section.Seen(bridge.first[:, :, -1:], nineteen(bridge.second))
    clean = section.clean(plan.STANDARD, seen)
    positive, negative = (
        section.attach(each, positions, clean, NODE, bridge.vision) for each in (bridge.positive, bridge.negative)
    )
    return positive, negative


def nineteen(video: torch.Tensor) -> torch.Tensor:
    """The first 19 latent frames of a video; a shorter one is stretched to as many, each frame as long as the others."""
    if video.shape[2] >= indices.HISTORY:
        return video[:, :, : indices.HISTORY]
    return torch.nn.functional.interpolate(video, size=(indices.HISTORY, *video.shape[-2:]), mode="nearest")


def draw(bridge: Bridge, tell) -> torch.Tensor:
    """Latent frames [1, 16, frames, h, w] between the two. tell: a progress.Progress, or the like."""
    tell.check()
    shape = (1, section.CHANNELS, bridge.frames, *bridge.first.shape[-2:])
    noise = torch.randn(shape, generator=torch.Generator("cpu").manual_seed(bridge.seed))
    tell.begin(0)
    latent = comfy.sample.sample_custom(
        bridge.model, noise, bridge.cfg, bridge.sampler, bridge.sigmas, *conds(bridge), torch.zeros(shape),
        seed=bridge.seed, callback=tell.callback(bridge.model, 0), disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
    )  # fmt: skip
    tell.check()
    return finite(latent)


def joined(first: torch.Tensor, drawn: torch.Tensor | None, second: torch.Tensor) -> torch.Tensor:
    """All of it in order of time, on the host's device for results."""
    parts = [first, second] if drawn is None else [first, drawn, second]
    return torch.cat([part.cpu().float() for part in parts], 2).to(comfy.model_management.intermediate_device())
