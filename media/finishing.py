"""What is done to a whole video while it passes by: cut, joined, given another frame rate, size or colours.

Each step takes reels and gives a Strip, which nothing has been computed of until it is written (between.write).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice

import torch

from ..errors import InputError
from . import sound
from .color import ColorTransfer
from .reel import Reel, batches
from .resizing import Resizing
from .video import check_fps

MOTIONS = ("nearest", "blend")
UNITS = ("frames", "seconds")


@dataclass(frozen=True, eq=False)
class Strip:
    """Frames to be written: batches [n,H,W,3], 0..1; ``count``: how many; ``size``: (width, height)."""

    frames: Iterable[torch.Tensor]
    size: tuple[int, int]
    rate: Fraction
    count: int
    sound: sound.Sound | None


def changed(reel: Reel, frames: Iterable[torch.Tensor], size: tuple[int, int]) -> Strip:
    """A step that makes of each frame another; time and sound stay."""
    return Strip(frames, size, reel.rate, reel.count, reel.sound)


def resized(reel: Reel, resizing: Resizing) -> Strip:
    return changed(reel, map(resizing, reel.frames()), resizing.size)


def matched(reel: Reel, transfer: ColorTransfer, strength: float, device: torch.device | None) -> Strip:
    frames = (transfer.apply(batch, strength, device=device) for batch in reel.frames())
    return changed(reel, frames, reel.size)


@dataclass(frozen=True)
class Cut:
    """Frames ``first`` to ``first + count - 1``."""

    first: int
    count: int


def cut_of(reel: Reel, unit: str, start: float, length: float) -> Cut:
    """Which frames a trim takes. A negative start counts from the end; length 0 is to the end.

    Seconds are rounded to whole frames. InputError for what lies outside the video.
    """
    first, count = _frames(reel, unit, start, "start"), _frames(reel, unit, length, "length")
    if first < 0:
        first += reel.count
    if not 0 <= first < reel.count:
        remedy = f"It has {reel.count} frames, {float(reel.seconds):g} s. Negative numbers count from the end."
        raise InputError("start", f"{start:g} {unit} lies outside the video", remedy)
    left = reel.count - first
    if count < 0 or count > left or (length and not count):
        problem = f"{length:g} {unit} are not there from {start:g} on"
        raise InputError("length", problem, f"At most {left} frames ({float(left / reel.rate):g} s); 0 is to the end.")
    return Cut(first, count or left)


def _frames(reel: Reel, unit: str, value: float, name: str) -> int:
    if unit not in UNITS:
        raise InputError("unit", f"{unit!r} is unknown", f"Use one of {', '.join(UNITS)}.")
    if not math.isfinite(value):
        raise InputError(name, f"{value} is no place in a video", "Give a number.")
    if unit == "seconds":
        return round(Fraction(value) * reel.rate)
    if value != int(value):
        raise InputError(name, f"{value:g} is no whole number of frames", "Give a whole number, or choose seconds.")
    return int(value)


def trimmed(reel: Reel, cut: Cut) -> Strip:
    """The frames of ``cut`` and the sound over them."""
    single = islice((frame for _, frame in reel.timed()), cut.first, cut.first + cut.count)
    heard = reel.sound and reel.sound.lasting(cut.count / reel.rate, cut.first / reel.rate)
    return Strip(batches(single, reel.size), reel.size, reel.rate, cut.count, heard)


def joined(reels: Sequence[Reel]) -> Strip:
    """One after the other. InputError unless all have the size and the frame rate of the first.

    Each one's sound is cut or followed by silence where its picture ends, so that the next one's begins with its own.
    """
    first = reels[0]
    for reel in reels[1:]:
        if reel.size != first.size:
            problem = f"it is {_by(reel.size)}, {first.name} {_by(first.size)}"
            raise InputError(reel.name, problem, f"Put Resize Video before it, to {_by(first.size)}.")
        if reel.rate != first.rate:
            problem = f"it has {float(reel.rate):g} frames per second, {first.name} {float(first.rate):g}"
            raise InputError(reel.name, problem, f"Put Change FPS before it, to {float(first.rate):g}.")
    frames = chain.from_iterable(reel.frames() for reel in reels)
    heard = sound.joined([(reel.sound, reel.count / reel.rate) for reel in reels])
    return Strip(frames, first.size, first.rate, sum(reel.count for reel in reels), heard)


def retimed(reel: Reel, fps: float, motion: str) -> Strip:
    """The same time in ``fps`` frames per second: to half a frame as long as it was, its sound untouched."""
    if motion not in MOTIONS:
        raise InputError("motion", f"{motion!r} is unknown", f"Use one of {', '.join(MOTIONS)}.")
    rate = check_fps(fps)
    count = max(1, round(reel.seconds * rate))
    moments = (number / rate for number in range(count))
    frames = at_moments(reel.timed(), moments, motion == "blend")
    return Strip(batches(frames, reel.size), reel.size, rate, count, reel.sound)


def at_moments(
    timed: Iterator[tuple[Fraction, torch.Tensor]], moments: Iterable[Fraction], blend: bool
) -> Iterator[torch.Tensor]:
    """The frame nearest to each moment (rising), the earlier of two as near; or its two neighbours mixed by distance.

    ``timed``: frames with the seconds at which they begin, rising. After the last frame, the last.
    """
    time, frame = next(timed)
    later = next(timed, None)
    for moment in moments:
        while later is not None and later[0] <= moment:
            (time, frame), later = later, next(timed, None)
        if later is None or moment <= time:
            yield frame
        elif blend:
            yield torch.lerp(frame, later[1], float((moment - time) / (later[0] - time)))
        else:
            yield frame if moment - time <= later[0] - moment else later[1]


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
