"""A host VIDEO that passes by frame by frame: measured by its packets, decoded in small batches, never held.

A video that the host itself holds in memory (CreateVideo) is taken from there in batches as well.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import torch
from comfy_api.latest import Input, InputImpl

from ..errors import InputError
from . import sound
from .source import picture
from .video import check_fps

_UNREADABLE = "Give a video that can be played."
_BATCH, _BATCH_BYTES = 8, 1 << 25  # frames at once, and their bytes as float32


@dataclass(frozen=True, eq=False)
class Reel:
    """size: (width, height). rate: frames per second. count: of frames. seconds: how long it is shown.

    even: whether its frames are 1/rate apart. timed: gives each frame [H,W,3], float32, 0..1, with its seconds after
    the first, as often as it is called. sound: from the first frame on, or None. name: the input it came from.
    """

    name: str
    size: tuple[int, int]
    rate: Fraction
    count: int
    seconds: Fraction
    even: bool
    timed: Callable[[], Iterator[tuple[Fraction, torch.Tensor]]]
    sound: sound.Sound | None

    def frames(self) -> Iterator[torch.Tensor]:
        """Every frame, in batches [n,H,W,3] that take 32 MB at most."""
        return batches((frame for _, frame in self.timed()), self.size)


def batches(frames: Iterator[torch.Tensor], size: tuple[int, int]) -> Iterator[torch.Tensor]:
    """Single frames [H,W,3] as batches [n,H,W,3]."""
    most = max(1, min(_BATCH, _BATCH_BYTES // (size[0] * size[1] * 12)))
    held = []
    for frame in frames:
        held.append(frame)
        if len(held) == most:
            yield torch.stack(held)
            held = []
    if held:
        yield torch.stack(held)


def open_reel(video, name: str = "video") -> Reel:
    """The reel of a host VIDEO; InputError, naming the input, for what is none or cannot be read."""
    if not isinstance(video, Input.Video):
        raise InputError(name, f"this is no video but {type(video).__name__}", "Wire a VIDEO.")
    if isinstance(video, InputImpl.VideoFromFile):
        return _of_file(video, name)
    try:
        parts = video.get_components()
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(name, f"it cannot be read ({error})", _UNREADABLE) from error
    return _of_parts(parts, name)


def _of_parts(parts, name: str) -> Reel:
    images = parts.images
    if images.ndim != 4 or 0 in images.shape:
        raise InputError(name, "it holds no frame", _UNREADABLE)
    rate, count = check_fps(parts.frame_rate), images.shape[0]
    size = (images.shape[2], images.shape[1])

    def timed() -> Iterator[tuple[Fraction, torch.Tensor]]:
        yield from ((number / rate, frame[..., :3].float().cpu()) for number, frame in enumerate(images))

    return Reel(name, size, rate, count, count / rate, True, timed, sound.of_audio(parts.audio))


@dataclass(frozen=True)
class _Survey:
    """What the packets tell. times: of the frames in order, in ticks; None where the file has none. end: tick."""

    times: tuple[int, ...] | None
    count: int
    base: Fraction
    rate: Fraction
    end: int


def _of_file(video, name: str) -> Reel:
    """Frames of a file, those of its trimmed stretch only (trimming came to the host after 0.3.75)."""
    opened = _source(video)
    trim = getattr(video, "get_active_trim_window", None)
    start, duration = trim() if trim else (0.0, 0.0)
    with _opened(opened(), name) as (container, stream):
        survey = _survey(container, stream, start, duration)
    if survey.count == 0:
        raise InputError(name, "it holds no frame", _UNREADABLE)
    rate, seconds, even = _measured(survey)

    def timed() -> Iterator[tuple[Fraction, torch.Tensor]]:
        for number, (tick, frame) in enumerate(_decoded(opened(), name, survey)):
            exact = number / rate if even or tick is None else (tick - survey.times[0]) * survey.base
            yield exact, picture(frame)

    first = next(timed(), None)
    if first is None:
        raise InputError(name, "it holds no frame that can be decoded", _UNREADABLE)
    size = (first[1].shape[1], first[1].shape[0])
    begin = Fraction(0) if survey.times is None else survey.times[0] * survey.base
    return Reel(name, size, rate, survey.count, seconds, even, timed, sound.of_file(opened, begin))


def _source(video) -> Callable[[], str | Path | io.BytesIO]:
    """Gives the file, or its bytes as a stream of its own: picture and sound are read at the same time."""
    source = video.get_stream_source()
    if isinstance(source, io.BytesIO):
        return lambda: io.BytesIO(source.getvalue())  # shares the bytes, but not the place
    return lambda: source


def _survey(container, stream, start: float, duration: float) -> _Survey:
    """Packets inside the trimmed stretch, as the host cuts it: by ticks, the end left out."""
    base = stream.time_base
    low, high = int(start / base), int((start + duration) / base)
    packets = [(p.pts, p.duration or 0) for p in container.demux(stream) if p.size and not getattr(p, "is_discard", 0)]
    rate = check_fps(stream.average_rate or stream.guessed_rate or 30)
    if any(pts is None for pts, _ in packets):
        return _Survey(None, len(packets), base, rate, 0)
    kept = sorted(
        (pts, long) for pts, long in packets if pts >= (low if start else pts) and (not duration or pts < high)
    )
    end = kept[-1][0] + kept[-1][1] if kept else 0
    return _Survey(tuple(pts for pts, _ in kept), len(kept), base, rate, end)


def _measured(survey: _Survey) -> tuple[Fraction, Fraction, bool]:
    """Frames per second, seconds in all, and whether the frames are evenly spaced."""
    count, times = survey.count, survey.times
    if times is None or count == 1:
        return survey.rate, count / survey.rate, True
    step = Fraction(times[-1] - times[0], count - 1)
    slack = max(step / 4, 1)
    even = step > 0 and all(abs(tick - times[0] - place * step) <= slack for place, tick in enumerate(times))
    if even and abs(step * survey.base * survey.rate - 1) < Fraction(1, 100):
        return survey.rate, count / survey.rate, True
    # What a file says of the last frame may be nothing, or a tick: it is on screen at least as long as any other.
    last = max(survey.end - times[-1], min(later - tick for tick, later in zip(times, times[1:], strict=False)))
    seconds = (times[-1] - times[0] + last) * survey.base
    return check_fps(count / seconds) if seconds else survey.rate, seconds, False


def _decoded(source, name: str, survey: _Survey) -> Iterator[tuple[int | None, av.VideoFrame]]:
    """The frames that were surveyed, each with its tick. Read from the start: not every format can be jumped into."""
    with _opened(source, name) as (container, stream):
        stream.thread_type = "AUTO"
        times = survey.times
        for frame in container.decode(stream):
            if times is None or frame.pts is None:
                yield None, frame
            elif times[0] <= frame.pts <= times[-1]:
                yield frame.pts, frame


@contextmanager
def _opened(source, name: str):
    """Container and video stream; what PyAV has to say comes out as an InputError."""
    try:
        with av.open(source if isinstance(source, io.BytesIO) else str(source)) as container:
            stream = next((each for each in container.streams.video if each.codec_context is not None), None)
            if stream is None:
                raise InputError(name, "it holds no picture", _UNREADABLE)
            yield container, stream
    except (av.FFmpegError, OSError) as error:
        raise InputError(name, f"it cannot be read ({error})", _UNREADABLE) from error
