"""Colour transfer: frames take on the colours of a reference, by the definitions of the library color-matcher.

Statistics first, then frames in chunks of any size::

    transfer = ColorTransfer.fit(reference, "mkl")     # each frame by its own statistics, or
    transfer = transfer.with_source(frames)            # every frame by the statistics of these
    frames = transfer.apply(frames, strength=0.8)

Frames are [F, H, W, 3] in 0..1. They are matched in float32 with float64 statistics: on a GPU one after the other,
on a CPU a few at a time, each by one thread. So beside the result this needs the memory of a few frames, not of a
clip.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import numpy as np
import torch

from ..errors import InputError
from . import color_hist, color_linear
from .color_linear import Pixels

# A transfer's map: pixels [N, 3], and where to write the result if it may choose.
Map = Callable[[Pixels, "Pixels | None"], Pixels]

_CPU = torch.device("cpu")
_MOST_WORKERS = 4  # threads; with more, memory sets the pace
_MEMORY = 1 << 27  # bytes, in all threads together


class Linear:
    """A stage that fits an affine map to the means and covariances of pixels.

    room: bytes it needs for each pixel of a frame beside the result, about.
    """

    room = 1

    def __init__(self, solve: Callable):
        self.solve = solve

    def target(self, frames: Iterable[Pixels], count: int) -> object:
        """Statistics of the reference: ``count`` frames, each [N, 3], pooled."""
        return reduce(add, (self.measure(pixels, None) for pixels in frames))

    def measure(self, pixels: Pixels, target) -> object:
        """Statistics of a source frame; those of several frames can be added."""
        return color_linear.moments(pixels)

    def map(self, source, target) -> Map:
        """The map to ``target`` for pixels whose statistics are ``source``."""
        return self.solve(source, target)

    def own(self, pixels: Pixels, target, into: Pixels | None = None) -> Pixels:
        """``pixels`` mapped by their own statistics."""
        return self.map(self.measure(pixels, target), target)(pixels, into)


class Logarithmic(Linear):
    """Linear on the logarithms of cone responses."""

    def measure(self, pixels, target):
        return color_linear.moments(color_linear.log_lms(pixels))

    def own(self, pixels, target, into=None):
        logarithms = color_linear.log_lms(pixels, into)
        return self.map(color_linear.moments(logarithms), target).back(logarithms)


class Precise(Linear):
    """Linear with float64 pixels out, for a stage whose result is sorted: rounding must not change the order."""

    room = 50

    def map(self, source, target):
        affine = super().map(source, target)
        return lambda pixels, into=None: affine.precise(pixels)


class Aligned(Linear):
    """Least squares against the reference's pixel at the same place: the statistics are the pixels themselves."""

    room = 25

    def target(self, frames, count):
        return next(iter(frames))

    def measure(self, pixels, target):
        return color_linear.moments(color_linear.side_by_side(pixels, target))

    def map(self, source, target):
        return self.solve(source)


class Histogram:
    """A stage that gives each channel the reference's distribution of values, as numbers of type ``kind``.

    tolerance: how far a value may be from the definition's where a frame is matched by its own statistics.
    """

    room = 50

    def __init__(self, kind: type = np.float32, tolerance: float = color_hist.TOLERANCE):
        self.kind, self.tolerance = kind, tolerance

    def target(self, frames, count):
        if count == 1:
            return color_hist.distribution(next(iter(frames)))
        return reduce(add, (color_hist.Counts.of(pixels) for pixels in frames)).distribution()

    def measure(self, pixels, target):
        return color_hist.Counts.of(pixels)

    def map(self, source, target):
        return color_hist.table(source, target, self.kind)

    def own(self, pixels, target, into=None):
        return color_hist.match(pixels, target, self.kind, self.tolerance, into if self.kind is np.float32 else None)


_HM, _MKL = Histogram(), Linear(color_linear.mkl)
_COMPOUND = (Histogram(np.float64, 0.0), Precise(color_linear.mkl), _HM)
METHODS = {
    "mkl": (_MKL,),
    "hm": (_HM,),
    "reinhard": (Logarithmic(color_linear.reinhard),),
    "mvgd": (_MKL,),  # what every node built on ColorMatcher() has returned for this name
    "hm-mvgd-hm": _COMPOUND,
    "hm-mkl-hm": _COMPOUND,
    "mvgd-aligned": (Aligned(color_linear.least_squares),),
}


@dataclass(frozen=True)
class ColorTransfer:
    """A method, the statistics of its reference, and, once fitted to a source, the maps of its stages.

    reference: [R, H, W, 3]. paired: frame i is matched to reference i; otherwise every frame to all of them
    pooled (mvgd-aligned: to the first). targets: the reference's statistics by stage. maps: by stage, the same
    for every frame; None when each frame is matched by its own statistics.
    """

    method: str
    reference: torch.Tensor
    paired: bool = False
    targets: tuple = ()
    maps: tuple[Map, ...] | None = None

    @classmethod
    def fit(cls, reference: torch.Tensor, method: str = "mkl", paired: bool = False) -> ColorTransfer:
        """Takes the statistics of ``reference``. InputError for what is no RGB picture or no method."""
        if method not in METHODS:
            raise InputError("method", f"{method!r} is unknown", f"Use one of {', '.join(METHODS)}.")
        check_frames(reference, "reference")
        fresh = cls(method, reference, paired)
        return replace(fresh, targets=fresh._targets(range(len(reference))))

    def with_source(self, *chunks: torch.Tensor, device: torch.device | None = None) -> ColorTransfer:
        """The same transfer with one map for every frame, from the pooled statistics of ``chunks`` [F, H, W, 3].

        The chunks are read once for each stage, three times for hm-mkl-hm.
        """
        for chunk in chunks:
            self._check(chunk)
        frames = [frame for chunk in chunks for frame in chunk]
        maps: tuple[Map, ...] = ()
        for stage, target in zip(METHODS[self.method], self.targets, strict=True):
            maps = (*maps, stage.map(self._pooled(frames, maps, device), target))
        return replace(self, maps=maps)

    def with_film(
        self, chunks: Callable[[], Iterable[torch.Tensor]], device: torch.device | None = None
    ) -> ColorTransfer:
        """As with_source, for more frames than are to be held: ``chunks()`` gives them anew for each stage."""
        maps: tuple[Map, ...] = ()
        for stage, target in zip(METHODS[self.method], self.targets, strict=True):
            found = None
            for chunk in chunks():
                self._check(chunk)
                pooled = self._pooled(chunk, maps, device)
                found = pooled if found is None else found + pooled
            maps = (*maps, stage.map(found, target))
        return replace(self, maps=maps)

    @property
    def passes(self) -> int:
        """How often with_film reads the frames."""
        return len(METHODS[self.method])

    def apply(
        self,
        frames: torch.Tensor,
        strength: float = 1.0,
        first: int = 0,
        device: torch.device | None = None,
        progress: Callable[[], None] | None = None,
    ) -> torch.Tensor:
        """``frames`` [F, H, W, 3] matched and clamped to 0..1, of the same type and on the same device.

        strength: 0 returns ``frames`` themselves, 1 the match, between a blend. first: the index of the first
        frame, for chunks of a clip with a paired reference. device: where to work. progress: called after each
        frame by the thread that called this; what it raises ends the work.
        """
        self._check(frames)
        if not 0.0 <= strength <= 1.0:
            raise InputError("strength", f"{strength} is outside 0 to 1", "0 changes nothing, 1 matches fully.")
        if strength == 0:
            return frames
        out = _room_for(frames)

        def work(number: int) -> None:
            self._match(frames[number], first + number, strength, out[number], device)

        with closing(in_turn(work, len(frames), self._workers(frames[0], device))) as done:
            for _ in done:
                if progress is not None:
                    progress()
        return out

    def _match(self, frame: torch.Tensor, index: int, strength: float, out: torch.Tensor, device) -> None:
        pixels = _pixels(frame, device)
        direct = out.dtype == torch.float32 and out.device == (device or frame.device)
        into = _pixels(out) if direct else color_linear.empty(pixels)
        matched = pixels
        if self.maps is None:
            for stage, target in zip(METHODS[self.method], self._targets_of(index), strict=True):
                matched = stage.own(matched, target, into)
        else:
            for mapped in self.maps:
                matched = mapped(matched, into)
        color_linear.blend(pixels, matched, strength, into)
        if not direct:
            out.copy_(torch.as_tensor(into).view_as(out))

    def _pooled(self, frames: Sequence[torch.Tensor], maps: tuple[Map, ...], device) -> object:
        """Statistics of all ``frames`` after ``maps``, for the stage that follows these."""
        number = len(maps)
        stage = METHODS[self.method][number]
        by_frame = self.paired and isinstance(stage, Aligned)

        def measure(index: int):
            pixels = _pixels(frames[index], device)
            for mapped in maps:
                pixels = mapped(pixels, None)
            return stage.measure(pixels, (self._targets_of(index) if by_frame else self.targets)[number])

        with closing(in_turn(measure, len(frames), self._workers(frames[0], device))) as found:
            return reduce(add, found)

    def _targets(self, indices: Sequence[int]) -> tuple:
        """By stage, the statistics of these frames of the reference together."""
        found: dict[type, object] = {}  # both hm stages of hm-mkl-hm share one
        stages = METHODS[self.method]
        for stage in stages:
            if type(stage) not in found:
                found[type(stage)] = stage.target((_pixels(self.reference[i], _CPU) for i in indices), len(indices))
        return tuple(found[type(stage)] for stage in stages)

    def _targets_of(self, index: int) -> tuple:
        """By stage, the statistics that frame ``index`` is matched to."""
        if not self.paired:
            return self.targets
        if not 0 <= index < len(self.reference):
            problem = f"it has {len(self.reference)} frames, frame {index} was asked for"
            raise InputError("reference", problem, "Give as many reference frames as images, or one.")
        return self._targets([index])

    def _workers(self, frame: torch.Tensor, device: torch.device | None) -> int:
        """How many threads share the frames: on a CPU as many as torch may use, a GPU is kept busy by the caller."""
        if (device or frame.device).type != "cpu":
            return 0
        room = frame.numel() // 3 * sum(stage.room for stage in METHODS[self.method])
        return max(1, min(torch.get_num_threads(), _MOST_WORKERS, _MEMORY // room))

    def _check(self, frames: torch.Tensor) -> None:
        check_frames(frames, "image")
        if self.method == "mvgd-aligned" and frames.shape[1:] != self.reference.shape[1:]:
            sizes = [f"{shape[2]}x{shape[1]}" for shape in (self.reference.shape, frames.shape)]
            problem = f"it is {sizes[0]}, the image {sizes[1]}, and mvgd-aligned compares pixels at the same place"
            raise InputError("reference", problem, "Give both the same size, or use mkl.")


def check_frames(frames: torch.Tensor, name: str) -> None:
    """Raises unless ``frames`` is [F, H, W, 3], at least one pixel, numbers of about 0..1 (resampling may overshoot)."""
    if not isinstance(frames, torch.Tensor):
        raise InputError(name, f"this is no picture but {type(frames).__name__}", "Wire an IMAGE.")
    if frames.ndim != 4 or frames.numel() == 0:
        problem = f"the picture is empty or no batch, its shape is {tuple(frames.shape)}"
        raise InputError(name, problem, "Wire an IMAGE of at least 1x1 pixel.")
    if frames.shape[-1] != 3:
        kind = "an alpha channel" if frames.shape[-1] == 4 else f"{frames.shape[-1]} channels"
        remedy = "Remove it with Split Image with Alpha, or place the picture on a background first."
        raise InputError(name, f"the picture has {kind}, RGB is expected", remedy)
    if not frames.is_floating_point():
        raise InputError(name, f"the values are {frames.dtype}, not 0 to 1", "Divide them by 255 into floats.")
    low, high = (float(value) for value in frames.detach().aminmax())  # NaN where any value is
    if not (math.isfinite(low) and math.isfinite(high)):
        remedy = "Its source failed (a black or broken decode); look at the picture before this node."
        raise InputError(name, "the picture has values that are not numbers (NaN or infinite)", remedy)
    if low < -0.5 or high > 1.5:
        remedy = "Pictures run from 0 to 1: convert them from 0..255 or -1..1 before this node."
        raise InputError(name, f"the values run from {low:g} to {high:g}", remedy)


def in_turn(work: Callable, count: int, workers: int) -> Iterator:
    """Yields work(0) .. work(count - 1) in this order, done by ``workers`` threads that are hardly ahead of the caller.

    0 threads: done by the caller. Close it to end the work early: what has begun is waited for, nothing else begins.
    """
    work = torch.inference_mode()(work)  # which tensors of a host may be written to is a matter of the thread
    if workers == 0:
        yield from map(work, range(count))
        return
    pool, begun = ThreadPoolExecutor(workers), deque()
    try:
        for index in range(count):
            begun.append(pool.submit(work, index))
            if len(begun) > workers:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _room_for(frames: torch.Tensor) -> torch.Tensor:
    """Contiguous memory for a result like ``frames``."""
    if frames.dtype == torch.float32 and frames.device.type == "cpu":
        return torch.from_numpy(np.empty(frames.shape, np.float32))  # numpy asks the system for large pages
    return torch.empty_like(frames, memory_format=torch.contiguous_format)


def _pixels(frame: torch.Tensor, device: torch.device | None = None) -> Pixels:
    """[N, 3] float32 where ``device`` is: a view of ``frame`` [H, W, 3] where it can be one, so not to be written to."""
    pixels = frame.detach().to(device=device, dtype=torch.float32).reshape(-1, 3)
    return pixels.numpy() if pixels.device.type == "cpu" else pixels
