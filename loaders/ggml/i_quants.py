"""The formats whose 4-bit codes stand for uneven steps: IQ4_NL and IQ4_XS. Called as those in ``simple``."""

from __future__ import annotations

from functools import lru_cache

import torch

from .simple import scale_times
from .words import halves, packed

STEPS = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)


@lru_cache(maxsize=16)
def _tables(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """The steps of a byte's low and high half, float32 [256] each."""
    steps = torch.tensor(STEPS, dtype=torch.float32, device=device)
    return steps.repeat(16), steps.repeat_interleave(16)


def iq4_nl(blocks, scale, target, floats) -> None:
    """A float and 16 bytes of codes: weight i in the low half, i + 16 in the high half."""
    _scaled(blocks[:, 2:].reshape(-1, 16), scale, target)


def scales_of_iq4_xs(blocks) -> tuple[torch.Tensor, None]:
    """A float, and eight scales of 6 bits: 2 high bits of each in two bytes, low bits in four."""
    shifts = torch.arange(8, dtype=torch.int32, device=blocks.device)
    high = packed(blocks, 2, 4, torch.int16).to(torch.int32)
    low = packed(blocks, 4, 8, torch.int32)
    codes = ((low >> 4 * shifts) & 0x0F) | (((high >> 2 * shifts) & 0x03) << 4)
    return (codes - 32) * halves(blocks, 0), None


def iq4_xs(blocks, scale, target, floats) -> None:
    """128 bytes of codes, as in IQ4_NL for each scale."""
    _scaled(blocks[:, 8:].reshape(-1, 16), scale, target)


def _scaled(pairs: torch.Tensor, scale: torch.Tensor, target: torch.Tensor) -> None:
    """Bytes [groups, 16] and a scale for each group to the weights [groups, 2, 16]."""
    index, scale, weights = pairs.flatten().to(torch.int32), scale.reshape(-1, 1), target.view(-1, 2, 16)
    for half, table in enumerate(_tables(pairs.device)):
        torch.mul(table.index_select(0, index).view(-1, 16), scale, out=weights[:, half])


FORMATS = {"IQ4_NL": (scale_times(1), iq4_nl), "IQ4_XS": (scales_of_iq4_xs, iq4_xs)}
