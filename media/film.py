"""A video file read by time: the pictures on screen at given moments, and nothing else of the film in memory.

Needs PyAV, not the host.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import torch

from ..errors import InputError
from .source import picture

_UNREADABLE = "Give a video that can be played."
# Files round times to the tick of their stream, so a moment asked for may lie a hair before its frame.
_SLACK = Fraction(1, 2000)


@dataclass(frozen=True, eq=False)
class Film:
    """A stretch of a video file: from ``start`` seconds after its first frame, ``seconds`` long.

    source: a path, or the file's bytes. rate: its own frames per second, on average. name: the input it came from.
    begin: the first frame's time in ticks; None where the file has no times, and pictures are counted.
    """

    source: str | Path | io.BytesIO
    name: str
    rate: Fraction
    seconds: Fraction
    begin: int | None
    start: Fraction = Fraction(0)

    def pictures(self, moments: Sequence[Fraction]) -> Iterator[torch.Tensor]:
        """The pictures [H,W,3], float32, 0..1, on screen at ``moments`` (seconds, rising): past the end the last.

        Decodes on from the key frame before the first moment; for moments far apart, ask one by one.
        """
        wanted = [self.start + max(Fraction(0), moment) + _SLACK for moment in moments]
        with _opened(self.source, self.name) as (container, stream):
            yield from map(picture, self._shown(container, stream, wanted))

    def _shown(self, container, stream, wanted: list[Fraction]) -> Iterator[av.VideoFrame]:
        frames = self._timed(container, stream, wanted[0])
        time, last = next(frames, (None, None))
        if last is None or time > wanted[0]:  # the jump landed on nothing, or behind: some formats cannot jump well
            frames = self._timed(container, stream, None)
            time, last = next(frames, (None, None))
        if last is None:
            raise InputError(self.name, "it holds no frame", _UNREADABLE)
        place = 0
        for time, frame in frames:
            while place < len(wanted) and time > wanted[place]:
                yield last
                place += 1
            if place == len(wanted):
                return
            last = frame
        for _ in wanted[place:]:
            yield last

    def _timed(self, container, stream, seconds: Fraction | None) -> Iterator[tuple[Fraction, av.VideoFrame]]:
        """Frames with their seconds after the first, from the key frame before ``seconds`` on, or from the start."""
        if self.begin is None:
            if seconds is None:
                container.seek(0)
            yield from ((count / self.rate, frame) for count, frame in enumerate(container.decode(stream)))
            return
        ticks = self.begin if seconds is None else self.begin + int(seconds / stream.time_base)
        if seconds is None or ticks > self.begin:
            container.seek(ticks, stream=stream, backward=True)
        time = Fraction(0)
        for frame in container.decode(stream):
            time = time + 1 / self.rate if frame.pts is None else (frame.pts - self.begin) * stream.time_base
            yield time, frame


def open_film(
    source: str | Path | io.BytesIO, name: str, start: Fraction = Fraction(0), duration: Fraction | None = None
) -> Film:
    """The film in a file, measured without decoding it. ``start``, ``duration``: what of it is used, in seconds; None
    is to its end. Raises InputError for what is no video."""
    with _opened(source, name) as (container, stream):
        rate = stream.average_rate or stream.guessed_rate
        times, count = _times(container, stream)
    if count == 0:
        raise InputError(name, "it holds no frame", _UNREADABLE)
    rate = Fraction(rate) if rate else Fraction(30)
    if times is None:
        begin, whole = None, count / rate
    else:
        begin, whole = times[0], times[1]
    left = whole - start
    if left <= 0:
        raise InputError(name, f"it is cut to begin at {float(start):g} s, and ends before", "Cut less of it away.")
    return Film(source, name, rate, left if duration is None else min(left, duration), begin, start)


def _times(container, stream) -> tuple[tuple[int, Fraction] | None, int]:
    """The first tick and the whole length in seconds, by the packets' times (None if they have none); how many."""
    first = end = None
    count, timeless = 0, False
    for packet in container.demux(stream):
        if packet.size == 0 or getattr(packet, "is_discard", False):
            continue
        count += 1
        if packet.pts is None:
            timeless = True
            continue
        first = packet.pts if first is None else min(first, packet.pts)
        if end is None or packet.pts >= end[0]:
            end = packet.pts, packet.duration or 0
    if timeless or first is None:
        return None, count
    rate = stream.average_rate or stream.guessed_rate
    last = end[1] * stream.time_base or (1 / Fraction(rate) if rate else Fraction(0))
    return (first, (end[0] - first) * stream.time_base + last), count


@contextmanager
def _opened(source: str | Path | io.BytesIO, name: str):
    """Container and video stream; what PyAV has to say comes out as an InputError."""
    if isinstance(source, io.BytesIO):
        source.seek(0)
    try:
        with av.open(source if isinstance(source, io.BytesIO) else str(source)) as container:
            stream = next((each for each in container.streams.video if each.codec_context is not None), None)
            if stream is None:
                raise InputError(name, "it holds no picture", _UNREADABLE)
            stream.thread_type = "AUTO"
            yield container, stream
    except (av.FFmpegError, OSError) as error:
        raise InputError(name, f"it cannot be read ({error})", _UNREADABLE) from error
