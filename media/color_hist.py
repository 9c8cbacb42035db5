"""Histogram matching: a channel takes on the reference's distribution of values, whatever their order was.

The definition is color-matcher's ``hm``: per channel, y(x) = interp(F(x); G(v), v), with F and G the share of
pixels at or below a value (right-edge CDFs), v the distinct values of the reference, and straight lines between.

A frame matched by its own statistics is sorted on a GPU. On a CPU sorting is slow, so its pixels are counted in
fine bins; a bin whose pixels would get values more than a tolerance apart, as where the reference has few pixels,
is sorted. Equal pixels stay equal and the order of pixels is kept either way.

Statistics pooled over many frames, or taken from another frame, are counted on a grid of 2^-18 over -1..2, which
needs the same memory for a clip of any length; such a map is a table.

Pixels are [N, 3]: a numpy array on a CPU, a tensor on a GPU.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch

from .color_linear import Pixels, scratch

TOLERANCE = 2e-5  # of values in 0..1, so a fiftieth of a step of ten bits
_LOW, _HIGH, _STEPS = -1.0, 2.0, 1 << 18  # the grid: its ends, and its steps per unit
_LAST = int((_HIGH - _LOW) * _STEPS)
_FINE = 1 << 18  # bins between the least and the greatest value of a frame
_FEW = 1 << 14  # pixels that are sorted sooner than counted
_BLOCK = 1 << 15  # pixels at a time where temporaries are many
_WIDEST = 8.0  # float64 pixels beyond this are counted as this


@dataclass(frozen=True)
class Distribution:
    """Per channel the distinct values, ascending, and the share of pixels at or below each (ends with 1)."""

    values: tuple[np.ndarray, ...]
    shares: tuple[np.ndarray, ...]
    _tables: dict = field(default_factory=dict, compare=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    def by_rank(self, count: int, kind: type = np.float64) -> np.ndarray:
        """[3, count]: the value for the pixel of rank k of ``count``, k from 0. The last table of a type is kept."""
        with self._lock:  # frames matched at once share it
            found = self._tables.get(kind)
            if found is None or found.shape[1] != count:
                ranks = np.arange(1, count + 1, dtype=np.float64) / count
                rows = _per_channel(lambda channel: self.at(channel, ranks).astype(kind))
                self._tables[kind] = found = np.stack(rows)
            return found

    def at(self, channel: int, shares: np.ndarray) -> np.ndarray:
        """float64: a channel's values at ``shares``."""
        return np.interp(shares, self.shares[channel], self.values[channel])


def distribution(pixels: np.ndarray) -> Distribution:
    """The exact distribution of ``pixels`` [N, 3]."""
    found = _per_channel(lambda channel: _distinct(pixels[:, channel]))
    return Distribution(tuple(values for values, _ in found), tuple(shares for _, shares in found))


def _distinct(column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ordered = np.sort(column)
    ends = np.flatnonzero(_last_of_its_kind(ordered))
    return ordered[ends], (ends + 1) / ordered.size


@dataclass(frozen=True)
class Counts:
    """Pixels counted on the grid, [3, steps] from the step ``first``: 6 MB for a clip of any length."""

    first: int
    counts: np.ndarray

    @classmethod
    def of(cls, pixels: Pixels) -> Counts:
        """Counts ``pixels`` [N, 3]."""
        steps = _steps(pixels)
        first, size = int(steps.min()), int(steps.max() - steps.min()) + 1
        steps -= first
        if isinstance(steps, np.ndarray):
            found = [np.bincount(column, minlength=size) for column in steps.T]
        else:
            found = [torch.bincount(column, minlength=size).cpu().numpy() for column in steps.T]
        return cls(first, np.stack(found))

    def __add__(self, other: Counts) -> Counts:
        """Both sets of pixels together."""
        first = min(self.first, other.first)
        after = max(part.first + part.counts.shape[1] for part in (self, other))
        counts = np.zeros((3, after - first), dtype=np.int64)
        for part in (self, other):
            start = part.first - first
            counts[:, start : start + part.counts.shape[1]] += part.counts
        return Counts(first, counts)

    def shares(self, channel: int) -> np.ndarray:
        """[steps]: the share of pixels at or below each step."""
        running = self.counts[channel].cumsum()
        return running / running[-1]

    def distribution(self) -> Distribution:
        present = [np.flatnonzero(row) for row in self.counts]
        values = tuple(_LOW + (self.first + steps) / _STEPS for steps in present)
        return Distribution(values, tuple(self.shares(channel)[steps] for channel, steps in enumerate(present)))


@dataclass(frozen=True)
class Table:
    """What each step of the grid becomes, [3, steps + 1]; the first stands for all below, the last for all above."""

    before: int
    rows: np.ndarray

    def __call__(self, pixels: Pixels, into: Pixels | None = None) -> Pixels:
        """[N, 3] of the rows' type: ``pixels`` [N, 3] through the table."""
        if isinstance(pixels, np.ndarray):
            rows, out = self.rows, np.empty(pixels.shape, dtype=self.rows.dtype)
        else:
            rows = torch.from_numpy(self.rows).to(pixels.device)
            out = torch.empty(pixels.shape, dtype=rows.dtype, device=pixels.device)
        for channel in range(3):
            steps = _steps(pixels[:, channel]) - self.before
            out[:, channel] = rows[channel][steps.clip(0, self.rows.shape[1] - 1)]
        return out


def table(source: Counts, reference: Distribution, kind: type = np.float32) -> Table:
    """The match of pixels counted in ``source`` to ``reference``, as numbers of type ``kind``."""
    rows = [reference.at(channel, np.append(0.0, source.shares(channel))).astype(kind) for channel in range(3)]
    return Table(source.first - 1, np.stack(rows))


def _steps(values: Pixels) -> Pixels:
    """int64: the step of the grid nearest to each value."""
    steps = (values - _LOW) * _STEPS
    if isinstance(steps, np.ndarray):
        return np.clip(np.rint(steps, out=steps), 0, _LAST, out=steps).astype(np.int64)
    return steps.round_().clamp_(0, _LAST).long()


def match(
    pixels: Pixels,
    reference: Distribution,
    kind: type = np.float32,
    tolerance: float = TOLERANCE,
    into: np.ndarray | None = None,
) -> Pixels:
    """[N, 3] of type ``kind``: ``pixels`` (float32 or float64) matched by their own ranks, equal pixels alike.

    tolerance: how far a value may be from the definition's; 0 is exact. into: where a CPU writes, if given.
    """
    values = reference.by_rank(len(pixels), kind)
    if not isinstance(pixels, np.ndarray):
        return match_on_device(pixels, torch.from_numpy(values).to(pixels.device))
    out = np.empty(pixels.shape, dtype=kind) if into is None else into
    for channel in range(3):
        column = scratch("column", len(pixels), pixels.dtype)
        column[:] = pixels[:, channel]
        if tolerance == 0 or len(column) <= _FEW:
            out[:, channel] = values[channel][_ranks(column)]
        else:
            _match_by_bins(column, values[channel], tolerance, out[:, channel])
    return out


def _match_by_bins(column: np.ndarray, values: np.ndarray, tolerance: float, out: np.ndarray) -> None:
    """``column`` [N] through ``values`` by rank [N]: bins are taken for single values where that is near enough."""
    bins = _fine_bins(column)
    counts = np.bincount(bins, minlength=_FINE)
    ends = counts.cumsum(out=scratch("ends", _FINE, np.int64))  # the rank after a bin's last
    ranks = np.subtract(ends, counts, out=scratch("ranks", _FINE, np.int64))
    lowest = values.take(ranks, mode="clip", out=scratch("lowest", _FINE, values.dtype))
    np.subtract(ends, 1, out=ranks)
    highest = values.take(ranks, mode="clip", out=scratch("highest", _FINE, values.dtype))
    out[:] = highest.take(bins, mode="clip", out=scratch("out", column.size, values.dtype))
    mixed = _of_several_values(column, bins, np.subtract(highest, lowest, out=lowest) > tolerance)
    if mixed.any():
        places = np.flatnonzero(mixed[bins])
        ahead = ends - np.where(mixed, counts, 0).cumsum()  # pixels below a bin that are not at these places
        out[places] = values[_ranks(column[places], column.size) + ahead[bins[places]]]


def _fine_bins(column: np.ndarray) -> np.ndarray:
    """int64 below _FINE, never falling as values rise."""
    low, high = column.min(), column.max()
    steps = np.subtract(column, low, out=scratch("steps", column.size, column.dtype))
    steps *= (_FINE - 1) / max(float(high) - float(low), 1e-30)
    bins = scratch("bins", column.size, np.int64)
    np.copyto(bins, steps, casting="unsafe")
    return bins


def _of_several_values(column: np.ndarray, bins: np.ndarray, among: np.ndarray) -> np.ndarray:
    """[bins] bool: which of the bins ``among`` hold pixels of several values. In a picture of eight bits none does."""
    any_of, mixed = np.empty(_FINE, dtype=column.dtype), np.zeros(_FINE, dtype=bool)
    parts = [slice(start, start + _BLOCK) for start in range(0, column.size, _BLOCK)]
    for part in parts:
        inside = among[bins[part]]
        any_of[bins[part][inside]] = column[part][inside]
    for part in parts:
        inside = among[bins[part]]
        held = bins[part][inside]
        mixed[held[column[part][inside] != any_of[held]]] = True
    return mixed


def _ranks(column: np.ndarray, of: int = 0) -> np.ndarray:
    """[N]: the last rank, from 0, of the pixels equal to each.

    of: the size of the column these are a part of, so that the same values count as equal in both. Sorts value and
    place as one integer: numpy has vector instructions for that, torch on a CPU has not.
    """
    bits = max(1, (max(of, column.size) - 1).bit_length())
    keys = _as_integers(column, bits)
    keys <<= bits
    keys |= np.arange(column.size)
    keys.sort()
    places = keys & ((1 << bits) - 1)
    keys >>= bits
    ends = np.flatnonzero(_last_of_its_kind(keys))
    del keys
    ranks = np.empty(column.size, dtype=np.int64)
    ranks[places] = np.repeat(ends, np.diff(ends, prepend=-1))
    return ranks


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


def _per_channel(work) -> list:
    """The three channels at once: numpy lets other threads run while it sorts."""
    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(work, range(3)))
