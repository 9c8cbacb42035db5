"""The noise a window starts from: of a seed of its own, or the next of one generator.

Both are a function of the seed and the window's place alone, so a window can be computed without those before it.
"""

from __future__ import annotations

import comfy.sample
import torch

from ..noise import MAX_SEED
from .plan import Plan, Window

POLICIES = ("window", "generator")


def seed_of(seed: int, window: Window) -> int:
    """The seed of one window: seed + k for the k-th in time."""
    return (seed + window.index) & MAX_SEED


class PerWindow:
    """Window k's noise is the host's own for seed + k, however many windows there are before or after."""

    def __init__(self, plan: Plan, seed: int):
        self.seed = seed

    def noise(self, window: Window, latent: torch.Tensor) -> torch.Tensor:
        """Noise of the shape of ``latent`` [1, C, T, h, w], on the CPU."""
        return comfy.sample.prepare_noise(latent, seed_of(self.seed, window))

    def identity(self, window: Window) -> tuple:
        """What the noise depends on."""
        return ("window", seed_of(self.seed, window))


class OneGenerator:
    """The noise of all windows, in the order of computing, drawn from one generator, as FramePack does.

    Where the run starts in the middle, what the windows before would have drawn is drawn and dropped. They are taken
    to be as large as this one, but for their own number of latents.
    """

    def __init__(self, plan: Plan, seed: int):
        self.order, self.seed = plan.order, seed
        self.generator, self.drawn = torch.Generator("cpu").manual_seed(seed), 0

    def noise(self, window: Window, latent: torch.Tensor) -> torch.Tensor:
        """Noise of the shape of ``latent`` [1, C, T, h, w], on the CPU."""
        place = self.order.index(window)
        if place < self.drawn:
            self.generator, self.drawn = torch.Generator("cpu").manual_seed(self.seed), 0
        for earlier in self.order[self.drawn : place]:
            shape = list(latent.shape)
            shape[2] += earlier.latents - window.latents
            self._draw(shape)
        self.drawn = place + 1
        torch.manual_seed(seed_of(self.seed, window))  # for samplers that draw without asking for a generator
        return self._draw(latent.shape)

    def identity(self, window: Window) -> tuple:
        """What the noise depends on."""
        place = self.order.index(window)
        return ("generator", self.seed, tuple(w.latents for w in self.order[: place + 1]))

    def _draw(self, shape) -> torch.Tensor:
        return torch.randn(tuple(shape), dtype=torch.float32, generator=self.generator, device="cpu")


def of(policy: str, plan: Plan, seed: int) -> PerWindow | OneGenerator:
    """The noise of a plan by one of POLICIES."""
    return {"window": PerWindow, "generator": OneGenerator}[policy](plan, seed)
