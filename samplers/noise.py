"""Seeds: one per batch item, and -1 for a drawn one."""

from __future__ import annotations

import secrets

import comfy.sample
import torch

from ..errors import InputError

RANDOM = -1
MAX_SEED = 0xFFFFFFFFFFFFFFFF
_DRAWN_BELOW = 2**31  # what the spec's programs accept


def resolve_seed(seed: int) -> int:
    """The seed itself, or a fresh one from 0 to 2147483647 for -1."""
    if not RANDOM <= seed <= MAX_SEED:
        raise InputError("seed", f"{seed} is outside the range", f"Use -1 (draw one) or 0 to {MAX_SEED}.")
    return secrets.randbelow(_DRAWN_BELOW) if seed == RANDOM else seed


class BatchNoise:
    """A NOISE whose item i is what the host draws for seed + i alone, so that every item can be made again."""

    def __init__(self, seed: int):
        self.seed = seed

    def generate_noise(self, input_latent: dict) -> torch.Tensor:
        """Noise of the latent's shape; respects ``batch_index`` (a chosen part of an earlier batch)."""
        samples = input_latent["samples"]
        indices = input_latent.get("batch_index") or range(samples.shape[0])
        seeds = [(self.seed + int(index)) & MAX_SEED for index in indices]
        return torch.cat([comfy.sample.prepare_noise(samples[:1], seed) for seed in seeds])
