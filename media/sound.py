"""Sound as a stream: blocks of samples that pass by, never all of them at once. Needs PyAV, not the host.

A block is float32 [channels, n] in numpy; the first sample belongs to the first frame of the picture.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch

from .soundtrack import check_audio

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
_BLOCK = 1 << 14  # samples at a time where they are all there
_HOLE = Fraction(1, 10)  # seconds; times in files are rounded, so a smaller gap between blocks is none


@dataclass(frozen=True, eq=False)
class Sound:
    """rate: Hz. channels: 1, 2 or 6. blocks: gives the samples from the first on, as often as it is called."""

    rate: int
    channels: int
    blocks: Callable[[], Iterator[np.ndarray]]

    def lasting(self, seconds: Fraction, start: Fraction = Fraction(0)) -> Sound:
        """What sounds from ``start`` on, for exactly ``seconds``; silence where there is no more."""
        first, count = round(start * self.rate), round(seconds * self.rate)
        return Sound(self.rate, self.channels, lambda: _stretch(self.blocks(), self.channels, first, count))

    def as_(self, rate: int, channels: int) -> Sound:
        """The same at another rate and with another number of channels."""
        if (rate, channels) == (self.rate, self.channels):
            return self
        return Sound(rate, channels, lambda: _resampled(self, rate, channels))


def joined(parts: Sequence[tuple[Sound | None, Fraction]]) -> Sound | None:
    """One after the other, each for exactly its seconds, silence for None; like the first sound. None: all silent."""
    like = next((sound for sound, _ in parts if sound is not None), None)
    if like is None:
        return None

    def blocks() -> Iterator[np.ndarray]:
        end, written = Fraction(0), 0
        for sound, seconds in parts:
            end += seconds
            count = round(end * like.rate) - written  # of the whole, so that roundings do not add up
            source = iter(()) if sound is None else sound.as_(like.rate, like.channels).blocks()
            yield from _stretch(source, like.channels, 0, count)
            written += count

    return Sound(like.rate, like.channels, blocks)


def of_audio(audio: dict | None) -> Sound | None:
    """A host AUDIO; InputError where it cannot be written."""
    if audio is None or getattr(audio.get("waveform"), "shape", (0,))[-1] == 0:
        return None
    samples, rate = check_audio(audio)

    def blocks() -> Iterator[np.ndarray]:
        for start in range(0, samples.shape[1], _BLOCK):
            yield samples[:, start : start + _BLOCK].to("cpu", torch.float32).contiguous().numpy()

    return Sound(rate, samples.shape[0], blocks)


def of_file(opened: Callable[[], str | Path | io.BytesIO], begin: Fraction) -> Sound | None:
    """The first sound of a file that can be decoded; ``begin``: the first frame's time in seconds."""
    with av.open(_named(opened())) as container:
        stream = _decodable(container)
        if stream is None or not stream.rate:
            return None
        rate, channels = stream.rate, stream.codec_context.channels
    channels = channels if channels in LAYOUTS else 2
    return Sound(rate, channels, lambda: _from_file(opened, begin, rate, channels))


def _decodable(container):
    """A stream FFmpeg has no decoder for has no codec context; decoding it would crash the process."""
    return next((each for each in container.streams.audio if each.codec_context is not None), None)


def _named(source: str | Path | io.BytesIO):
    return source if isinstance(source, io.BytesIO) else str(source)


def _from_file(opened, begin: Fraction, rate: int, channels: int) -> Iterator[np.ndarray]:
    """Blocks placed by their times: silence before a late start, the start cut where it came before the picture."""
    written = 0
    with av.open(_named(opened())) as container:
        stream = _decodable(container)
        resampler = av.AudioResampler(format="fltp", layout=LAYOUTS[channels], rate=rate)
        for frame in container.decode(stream):
            for part in resampler.resample(frame):
                block = part.to_ndarray()
                if part.pts is not None:
                    place = round((part.pts * (part.time_base or Fraction(1, rate)) - begin) * rate)
                    block = _placed(block, place - written, written == 0, rate)
                if block.shape[1]:
                    written += block.shape[1]
                    yield block


def _placed(block: np.ndarray, gap: int, first: bool, rate: int) -> np.ndarray:
    """``block`` with silence before it, or without its start. gap: samples between the last one and this."""
    if gap > 0 and (first or gap > _HOLE * rate):
        return np.pad(block, ((0, 0), (gap, 0)))
    return block[:, min(-gap, block.shape[1]) :] if gap < 0 and first else block


def _stretch(blocks: Iterator[np.ndarray], channels: int, first: int, count: int) -> Iterator[np.ndarray]:
    """``count`` samples from number ``first`` on, silence where there are no more."""
    passed, left = 0, count
    for block in blocks:
        part = block[:, max(0, first - passed) :][:, :left]
        passed += block.shape[1]
        if part.shape[1]:
            left -= part.shape[1]
            yield part
        if left == 0:
            return
    for start in range(0, left, _BLOCK):
        yield np.zeros((channels, min(_BLOCK, left - start)), np.float32)


def _resampled(sound: Sound, rate: int, channels: int) -> Iterator[np.ndarray]:
    resampler = av.AudioResampler(format="fltp", layout=LAYOUTS[channels], rate=rate)
    place = 0
    for block in sound.blocks():
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=LAYOUTS[sound.channels])
        frame.sample_rate, frame.time_base, frame.pts = sound.rate, Fraction(1, sound.rate), place
        place += block.shape[1]
        yield from (part.to_ndarray() for part in resampler.resample(frame))
    if place:
        yield from (part.to_ndarray() for part in resampler.resample(None))
