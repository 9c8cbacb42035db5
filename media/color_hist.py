"""Histogram matching: a channel takes on the reference's distribution of values, whatever their order was.

The definition is color-matcher's ``hm``: per channel, y(x) = interp(F(x); G(v), v), with F and G the share of
pixels at or below a value (right-edge CDFs), v the distinct values of the reference, and straight lines between.

Two ways, one definition. A frame matched by its own statistics is sorted: exact. Statistics pooled over many
frames, or taken from another frame, are counted on a grid of 2^-18 over -1..2, which needs the same memory for
a clip of any length; such a map is a table.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch

_LOW, _HIGH, _STEPS = -1.0, 2.0, 1 << 18  # the grid: its ends, and its steps per unit
_BINS = int((_HIGH - _LOW) * _STEPS) + 1
_BLOCK = 1 << 19  # pixels at a time where temporaries are many
_WIDEST = 8.0  # float64 pixels beyond this are counted as this


@dataclass(frozen=True)
class Distribution:
    """Per channel the distinct values, ascending, and the share of pixels at or below each (ends with 1)."""

    values: tuple[np.ndarray, ...]
    shares: tuple[np.ndarray, ...]
    _tables: dict[int, np.ndarray] = field(default_factory=dict, compare=False, repr=False)

    def by_rank(self, count: int) -> np.ndarray:
        """[3, count] float64: the value for the pixel of rank k of ``count``, k from 0. The last table is kept."""
        if count not in self._tables:
            self._tables.clear()
            ranks = np.arange(1, count + 1, dtype=np.float64) / count
            self._tables[count] = np.stack([self.at(channel, ranks) for channel in range(3)])
        return self._tables[count]

    def at(self, channel: int, shares: np.ndarray) -> np.ndarray:
        """float64: a channel's values at ``shares``."""
        return np.interp(shares, self.shares[channel], self.values[channel])


def distribution(pixels: torch.Tensor) -> Distribution:
    """The exact distribution of ``pixels`` [N, 3]."""
    found = _per_channel(lambda channel: _distinct(pixels[:, channel].cpu().numpy()))
    return Distribution(tuple(values for values, _ in found), tuple(shares for _, shares in found))


def _distinct(column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ordered = np.sort(column)
    ends = np.flatnonzero(_last_of_its_kind(ordered))
    return ordered[ends], (ends + 1) / ordered.size


class Counts:
    """Pixels counted on the grid, frame after frame: 19 MB for a clip of any length."""

    def __init__(self):
        self.counts = np.zeros((3, _BINS), dtype=np.int64)

    def add(self, pixels: torch.Tensor) -> Counts:
        """Counts ``pixels`` [N, 3]."""
        for start in range(0, len(pixels), _BLOCK):
            for channel, column in enumerate(_bin(pixels[start : start + _BLOCK]).T):
                self.counts[channel] += torch.bincount(column, minlength=_BINS).cpu().numpy()
        return self

    def shares(self, channel: int) -> np.ndarray:
        """[bins]: the share of pixels at or below each step of the grid."""
        running = self.counts[channel].cumsum()
        return running / running[-1]

    def distribution(self) -> Distribution:
        present = [np.flatnonzero(row) for row in self.counts]
        values = tuple(_LOW + steps / _STEPS for steps in present)
        return Distribution(values, tuple(self.shares(channel)[steps] for channel, steps in enumerate(present)))


def table(source: Counts, reference: Distribution, kind: torch.dtype = torch.float32) -> torch.Tensor:
    """[3, bins] of type ``kind``: what each step of the grid becomes."""
    rows = [reference.at(channel, source.shares(channel)) for channel in range(3)]
    return torch.from_numpy(np.stack(rows)).to(kind)


def look_up(pixels: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """[N, 3] of the table's type: ``pixels`` [N, 3] through the table."""
    out = torch.empty(pixels.shape, dtype=rows.dtype, device=pixels.device)
    for start in range(0, len(pixels), _BLOCK):
        bins = _bin(pixels[start : start + _BLOCK])
        for channel in range(3):
            out[start : start + _BLOCK, channel] = rows[channel][bins[:, channel]]
    return out


def _bin(pixels: torch.Tensor) -> torch.Tensor:
    return ((pixels - _LOW) * _STEPS).round_().clamp_(0, _BINS - 1).long()


def match(pixels: torch.Tensor, reference: Distribution, kind: torch.dtype = torch.float32) -> torch.Tensor:
    """[N, 3] of type ``kind``: ``pixels`` (float32 or float64) matched by their own ranks, equal pixels alike."""
    values = reference.by_rank(len(pixels))
    if pixels.device.type != "cpu":
        return match_on_device(pixels, torch.from_numpy(values).to(pixels.device, kind))
    source = pixels.numpy()
    out = torch.empty(source.shape, dtype=kind)
    result = out.numpy()
    _per_channel(lambda channel: _match_channel(source[:, channel], values[channel], result[:, channel]))
    return out


def _match_channel(column: np.ndarray, values: np.ndarray, out: np.ndarray) -> None:
    """Sorts value and place as one integer: numpy has vector instructions for that, torch on a CPU has not."""
    bits = _place_bits(column.size)
    keys = _as_integers(column, bits)
    keys <<= bits
    keys |= np.arange(column.size)
    keys.sort()
    places = keys & ((1 << bits) - 1)
    keys >>= bits
    out[places] = _by_last(values, _last_of_its_kind(keys))


def _by_last(values: np.ndarray, last: np.ndarray) -> np.ndarray:
    """For each rank the value at the last rank of its kind."""
    ends = np.flatnonzero(last)
    if ends.size < 0.8 * last.size:
        return np.repeat(values[ends], np.diff(ends, prepend=-1))
    tied = np.flatnonzero(~last)
    values = values.copy()
    values[tied] = values[ends[np.searchsorted(ends, tied)]]
    return values


def _as_integers(column: np.ndarray, bits: int) -> np.ndarray:
    """int64 in the order of the values: float32 by its bits (exact), float64 in steps of about 1e-12."""
    if column.dtype == np.float32:
        whole = (column + np.float32(0.0)).view(np.int32)  # -0.0 becomes 0.0
        return (whole ^ ((whole >> 31) & 0x7FFFFFFF)).astype(np.int64)
    return np.rint(np.clip(column, -_WIDEST, _WIDEST) * float(1 << (59 - bits))).astype(np.int64)


def match_on_device(pixels: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """``match`` in torch alone, for a GPU; ``values`` [3, N] as ``Distribution.by_rank`` gives them."""
    count = len(pixels)
    ordered, places = torch.sort(pixels.T.contiguous(), dim=1)
    last = torch.ones_like(ordered, dtype=torch.bool)
    after, before = ordered[:, 1:], ordered[:, :-1]
    last[:, :-1] = after != before if pixels.dtype == torch.float32 else after - before > 1e-12
    ends = torch.where(last, torch.arange(count, device=pixels.device), count - 1)
    ends = ends.flip(1).cummin(dim=1).values.flip(1)
    out = torch.empty_like(ordered, dtype=values.dtype)
    return out.scatter_(1, places, values.gather(1, ends)).T


def _last_of_its_kind(ordered: np.ndarray) -> np.ndarray:
    last = np.ones(ordered.size, dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=last[:-1])
    return last


def _place_bits(count: int) -> int:
    return max(1, (count - 1).bit_length())


def _per_channel(work) -> list:
    """The three channels at once: numpy lets other threads run while it sorts."""
    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(work, range(3)))
