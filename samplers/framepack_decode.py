"""FramePack's latent into frames: in windows of two sections with a cross-fade, or all at once.

The VAE's memory grows with the clip, and its norms look at all of it, so the reference never decodes more than two
sections: while it draws, each new section is decoded together with the one before it, and fades over ``4 * window - 3``
frames into what was there (soft_append_bcthw in diffusers_helper/utils.py, and its callers in demo_gradio.py and
demo_gradio_f1.py, of lllyasviel/FramePack). Every frame lies in at most two of these windows, so the order of decoding
does not matter: here they come in order of time, and a few seconds are all that is in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from .. import tiles
from ..conditioning.framepack import plan
from ..errors import InputError

WINDOWED, WHOLE = "windowed", "whole"
MODES = (WINDOWED, WHOLE)

Decode = Callable[[torch.Tensor], torch.Tensor]  # [1, 16, T, h, w] -> [4 T - 3, H, W, 3], float32, 0..1


def decoder(vae, tiled: str = "auto") -> Decode:
    """``vae.decode`` of one clip. tiled: one of tiles.MODES."""

    def decode(latent: torch.Tensor) -> torch.Tensor:
        pixels = tiles.decode(vae, latent, tiled)
        pixels = pixels.reshape(-1, *pixels.shape[-3:])
        wanted = 4 * latent.shape[2] - 3
        if pixels.shape[0] != wanted:
            problem = f"it makes {pixels.shape[0]} frames of {latent.shape[2]} latents, and {wanted} belong to them"
            raise InputError("vae", problem, "Load the HunyuanVideo VAE (hunyuan_video_vae_bf16.safetensors).")
        return pixels.float().clamp(0.0, 1.0)

    return decode


def overlap(window: int) -> int:
    """Frames over which two windows fade into each other."""
    return 4 * window - 3


def sections_in(latent_frames: int, window: int) -> int:
    """Sections of a video of so many latent frames; raises InputError unless these are a start and whole sections."""
    plan.check_window(window)
    sections, rest = divmod(latent_frames - 1, window)
    if sections < 1 or rest:
        problem = f"{latent_frames} latent frames are no start and whole sections of {window}"
        raise InputError("window", problem, "Give the window the video was drawn with, or set mode to whole.")
    return sections


def windows(direction: str, sections: int, window: int) -> list[slice]:
    """The latent frames that are decoded together, in order of time.

    standard: each section with the one after it, and the first with the start in front. f1: the start with the first
    section, then each section with the one before it.
    """
    plan.check_direction(direction)
    last = plan.latent_frames(sections, window)
    if direction == plan.F1:
        return [slice(0 if k == 0 else 1 + (k - 1) * window, 1 + (k + 1) * window) for k in range(sections)]
    return [slice(0 if k == 0 else 1 + k * window, min(1 + (k + 2) * window, last)) for k in range(sections)]


def mixed(earlier: torch.Tensor, later: torch.Tensor) -> torch.Tensor:
    """A linear fade from ``earlier`` to ``later``, both [n, H, W, 3]; the first frame is all earlier, the last all later."""
    weights = torch.linspace(1, 0, len(earlier), device=later.device, dtype=later.dtype).reshape(-1, 1, 1, 1)
    return weights * earlier.to(later) + (1 - weights) * later


@dataclass
class Fade:
    """What is decoded, window by window, in one direction of time; ``held`` waits for the next window."""

    frames: int
    backward: bool = False
    held: torch.Tensor | None = None

    def add(self, decoded: torch.Tensor, last: bool) -> torch.Tensor:
        """The frames that are final once ``decoded`` [n, H, W, 3] is there; ``last``: nothing follows."""
        count = self.frames
        if self.held is not None:
            decoded = self._joined(decoded)
        if last:
            self.held = None
            return decoded
        self.held = (decoded[:count] if self.backward else decoded[-count:]).clone()
        return decoded[count:] if self.backward else decoded[:-count]

    def _joined(self, decoded: torch.Tensor) -> torch.Tensor:
        count = self.frames
        if self.backward:
            return torch.cat([decoded[:-count], mixed(decoded[-count:], self.held)])
        return torch.cat([mixed(self.held, decoded[:count]), decoded[count:]])


def frames(latent: torch.Tensor, decode: Decode, direction: str, window: int, how: str) -> Iterator[torch.Tensor]:
    """The video of ``latent`` [1, 16, T, h, w] in order of time, in pieces [n, H, W, 3]; 4 T - 3 frames in all."""
    if how == WHOLE:
        yield decode(latent)
        return
    parts = windows(direction, sections_in(latent.shape[2], window), window)
    fade = Fade(overlap(window))
    for place, part in enumerate(parts):
        yield fade.add(decode(latent[:, :, part]), place == len(parts) - 1)
