"""What lies between the conditioning nodes, which know what a window shows, and the engine, which knows how to run it.

Conditioning implements ``Provider`` without importing this module: only the attributes count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import torch

from .plan import Plan, Window


@dataclass(frozen=True)
class Carried:
    """What passes from one window to the next, on the CPU.

    frames: [n, H, W, 3] float32, the true last frames before the window, after colour and before any cross-fade (in a
    backward plan: the first ones after it); n is the plan's overlap, and 1 where that is 0. latent: the latent of the
    window computed before, [1, 16, T, h, w], or None. anchor: [1, H, W, 3], the first frame of the video (in a
    backward plan: of its last window), the reference of colour.
    """

    frames: torch.Tensor
    latent: torch.Tensor | None
    anchor: torch.Tensor


class Shown(Protocol):
    """One window as the model is to see it.

    edit(name, conds) -> conds: the guider's conditioning of this name (a list of dicts, as the host keeps them in
    ``original_conds``) with the window's own put in; new dicts, the given ones are never changed. latent_shape:
    [1, 16, T, h, w]. head: raw VAE latents [1, 16, k, h, w] that stay clean while sampling and stand in the result,
    or None. skip: leading latents that are no video (a reference) and are cut before decoding.
    """

    edit: Callable[[str, list[dict]], list[dict]]
    latent_shape: tuple[int, ...]
    head: torch.Tensor | None
    skip: int


class Provider(Protocol):
    """Shows windows. width, height: of the frames."""

    width: int
    height: int

    def digest(self, window: Window) -> str:
        """A hash of all that shapes this window beside guider, VAE and what is carried over."""

    def show(self, window: Window, carried: Carried | None) -> Shown:
        """The window; ``carried`` is None for the first of a video."""


@dataclass(frozen=True)
class Windows:
    """What travels on GENGA_WINDOWS. audio: the original sound (host AUDIO). carried: in a continued plan only.

    notes: what a person should know, said by the node that samples. fits(model): raises InputError for a model of the
    guider that could not follow these windows. told(plan): what to say of another plan of them (Continue Video).
    """

    plan: Plan
    provider: Provider
    fps: Fraction
    audio: dict | None = None
    carried: Carried | None = None
    notes: tuple[str, ...] = ()
    fits: Callable[[object], None] | None = None
    told: Callable[[Plan], list[str]] | None = None
