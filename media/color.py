"""Colour transfer: frames take on the colours of a reference, by the definitions of the library color-matcher.

Statistics first, then frames in chunks of any size::

    transfer = ColorTransfer.fit(reference, "mkl")     # each frame by its own statistics, or
    transfer = transfer.with_source(frames)            # every frame by the statistics of these
    frames = transfer.apply(frames, strength=0.8)

Frames are [F, H, W, 3] in 0..1. They are matched one after the other, in float32 with float64 statistics, so
beside the result this needs the memory of a few frames, not of a clip.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import torch

from ..errors import InputError
from . import color_hist, color_linear

# A transfer's map: pixels [N, 3], and where to write the result if it may choose.
Map = Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]
Pair = tuple[torch.Tensor, object]  # pixels of a frame, and the stage's statistics of its reference


class Linear:
    """A stage that fits an affine map to the means and covariances of pixels."""

    def __init__(self, solve: Callable):
        self.solve = solve

    def target(self, frames: Iterable[torch.Tensor], count: int) -> object:
        """Statistics of the reference: ``count`` frames, each [N, 3], pooled."""
        return reduce(add, (color_linear.moments(pixels) for pixels in frames))

    def pooled(self, pairs: Iterable[Pair], target) -> Map:
        """The map of all source frames in ``pairs`` together to ``target``."""
        return self.solve(self.target((pixels for pixels, _ in pairs), 0), target)

    def own(self, pixels: torch.Tensor, target, into: torch.Tensor | None = None) -> torch.Tensor:
        """``pixels`` mapped by their own statistics."""
        return self.pooled([(pixels, target)], target)(pixels, into)


class Logarithmic(Linear):
    """Linear on the logarithms of cone responses."""

    def target(self, frames, count):
        return super().target((color_linear.log_lms(pixels) for pixels in frames), count)

    def own(self, pixels, target, into=None):
        logarithms = color_linear.log_lms(pixels, into)
        return self.solve(color_linear.moments(logarithms), target).back(logarithms)


class Precise(Linear):
    """Linear with float64 pixels out, for a stage whose result is sorted: rounding must not change the order."""

    def pooled(self, pairs, target):
        affine = super().pooled(pairs, target)
        return lambda pixels, into=None: affine.precise(pixels)


class Aligned(Linear):
    """Least squares against the reference's pixel at the same place: the statistics are the pixels themselves."""

    def target(self, frames, count):
        return next(iter(frames))

    def pooled(self, pairs, target):
        joined = (torch.cat([pixels, at.to(pixels.device)], dim=1) for pixels, at in pairs)
        return self.solve(reduce(add, (color_linear.moments(both) for both in joined)))


class Histogram:
    """A stage that gives each channel the reference's distribution of values, as numbers of type ``kind``."""

    def __init__(self, kind: torch.dtype = torch.float32):
        self.kind = kind

    def target(self, frames, count):
        if count == 1:
            return color_hist.distribution(next(iter(frames)))
        return self._count(frames).distribution()

    def pooled(self, pairs, target):
        rows = color_hist.table(self._count(pixels for pixels, _ in pairs), target, self.kind)
        return lambda pixels, into=None: color_hist.look_up(pixels, rows.to(pixels.device))

    def own(self, pixels, target, into=None):
        return color_hist.match(pixels, target, self.kind)

    @staticmethod
    def _count(frames) -> color_hist.Counts:
        return reduce(color_hist.Counts.add, frames, color_hist.Counts())


_HM, _MKL = Histogram(), Linear(color_linear.mkl)
_COMPOUND = (Histogram(torch.float64), Precise(color_linear.mkl), _HM)
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
        maps: list[Map] = []
        for stage, target in zip(METHODS[self.method], self.targets, strict=True):
            maps.append(stage.pooled(self._pairs(chunks, tuple(maps), device), target))
        return replace(self, maps=tuple(maps))

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
        frame, for chunks of a clip with a paired reference. device: where to work. progress: called per frame.
        """
        self._check(frames)
        if not 0.0 <= strength <= 1.0:
            raise InputError("strength", f"{strength} is outside 0 to 1", "0 changes nothing, 1 matches fully.")
        if strength == 0:
            return frames
        out = torch.empty_like(frames, memory_format=torch.contiguous_format)
        with torch.no_grad():
            for number, frame in enumerate(frames):
                self._match(_pixels(frame, device), first + number, strength, out[number].view(-1, 3))
                if progress is not None:
                    progress()
        return out

    def _match(self, pixels: torch.Tensor, index: int, strength: float, out: torch.Tensor) -> None:
        into = out if out.dtype == pixels.dtype and out.device == pixels.device else None
        matched = pixels
        if self.maps is None:
            for stage, target in zip(METHODS[self.method], self._targets_of(index), strict=True):
                matched = stage.own(matched, target, into)
        else:
            for mapped in self.maps:
                matched = mapped(matched, into)
        for part in color_linear.blocks(pixels):
            blend = matched[part] if strength == 1 else torch.lerp(pixels[part], matched[part], strength)
            out[part] = blend.clamp(0.0, 1.0)

    def _targets(self, indices: Sequence[int]) -> tuple:
        """By stage, the statistics of these frames of the reference together."""
        found: dict[type, object] = {}  # both hm stages of hm-mkl-hm share one
        stages = METHODS[self.method]
        for stage in stages:
            if type(stage) not in found:
                found[type(stage)] = stage.target((_pixels(self.reference[i]) for i in indices), len(indices))
        return tuple(found[type(stage)] for stage in stages)

    def _targets_of(self, index: int) -> tuple:
        """By stage, the statistics that frame ``index`` is matched to."""
        if not self.paired:
            return self.targets
        if not 0 <= index < len(self.reference):
            problem = f"it has {len(self.reference)} frames, frame {index} was asked for"
            raise InputError("reference", problem, "Give as many reference frames as images, or one.")
        return self._targets([index])

    def _pairs(self, chunks: Sequence[torch.Tensor], maps: tuple[Map, ...], device) -> Iterator[Pair]:
        """Every source frame after the stages fitted so far, with what it is matched to if that is by frame."""
        aligned = self.paired and self.method == "mvgd-aligned"
        with torch.no_grad():
            for index, frame in enumerate(frame for chunk in chunks for frame in chunk):
                pixels = _pixels(frame, device)
                for mapped in maps:
                    pixels = mapped(pixels, None)
                yield pixels, (self._targets_of(index) if aligned else self.targets)[0]

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


def _pixels(frame: torch.Tensor, device: torch.device | None = None) -> torch.Tensor:
    """[N, 3] float32 on ``device``: a view of ``frame`` [H, W, 3] where it can be one, so never to be written to."""
    return frame.detach().to(device=device, dtype=torch.float32).reshape(-1, 3)
