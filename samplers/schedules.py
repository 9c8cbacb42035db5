"""Noise schedules: the reference's grid, and a given grid with fewer steps. Arithmetic only."""

from __future__ import annotations

import math

import torch

from ..errors import InputError

TOP = 0.999  # of 1000 training steps the reference's UniPC knows no noise level above this, before the shift
CLOSING = 1.5


def shifted(level: float, shift: float) -> float:
    """Noise level ``level`` (0 to 1) after the time shift: s t / (1 + (s - 1) t)."""
    return shift * level / (1 + (shift - 1) * level)


def wan(steps: int, shift: float, denoise: float = 1.0) -> torch.Tensor:
    """Sigmas [steps + 1] of Wan's FlowUniPC: evenly from 0.999 to 0, then shifted; float32, the last exactly 0.

    8 steps at shift 5: 0.9998 0.972 0.937 0.893 0.833 0.750 0.625 0.416 0. With ``denoise`` below 1 the last
    ``steps`` of as many more, as the host does it.
    """
    total = steps_in_all(steps, denoise)
    return _sigmas([TOP * (total - i) / total for i in range(total + 1)], steps, shift)


def genga(steps: int, shift: float, denoise: float = 1.0) -> torch.Tensor:
    """Sigmas [steps + 1] from 1 to 0 that close up towards 0: t^1.5 for even t, then shifted; float32.

    The exponent is from a search over mixtures of Gaussians at 8 to 30 model calls and shifts 3 to 12: there most of
    the error is made in the last, longest steps. At shift 3 it gains nothing, at shift 1 even steps are better.
    """
    total = steps_in_all(steps, denoise)
    return _sigmas([((total - i) / total) ** CLOSING for i in range(total + 1)], steps, shift)


def _sigmas(levels: list[float], steps: int, shift: float) -> torch.Tensor:
    return torch.tensor([shifted(level, shift) for level in levels[-(steps + 1) :]], dtype=torch.float32)


def steps_in_all(steps: int, denoise: float) -> int:
    """Steps of the whole schedule of which ``steps`` are taken at this ``denoise``, as the host counts."""
    if steps < 1:
        raise InputError("steps", f"{steps} steps are none", "Use 1 or more.")
    if not 0 < denoise <= 1:
        raise InputError("denoise", f"{denoise} is not above 0 and at most 1", "Use 1 to start from noise.")
    return steps if denoise > 0.9999 else max(steps, int(steps / denoise))


def thinned(sigmas: torch.Tensor, steps: int) -> torch.Tensor:
    """``sigmas`` with ``steps`` steps: same ends, new points at even positions along the given ones.

    Position p between two given points is their linear mix, so that the spacing stays the schedule's own.
    """
    given = len(sigmas) - 1
    if steps >= given:
        return sigmas
    places = [given * k / steps for k in range(steps + 1)]
    low = [min(int(math.floor(place)), given - 1) for place in places]
    part = torch.tensor([place - k for place, k in zip(places, low, strict=True)], dtype=sigmas.dtype)
    index = torch.tensor(low, device=sigmas.device)
    return torch.lerp(sigmas[index], sigmas[index + 1], part.to(sigmas.device))
