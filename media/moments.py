"""One frame of a video at a moment in time, found by seeking: nothing else of the film is held. Needs PyAV."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import torch

from ..errors import InputError
from .source import picture

# Times in files are rounded to the tick of the stream, so a moment asked for may lie a hair before its frame.
_SLACK = Fraction(1, 2000)


def frame_at(source: str | Path | io.BytesIO, seconds: Fraction | float, name: str = "video") -> torch.Tensor:
    """The frame [1,H,W,3], float32, 0..1, that is on screen ``seconds`` after the first; past the end, the last.

    ``source``: a file, or its bytes. Decodes from the key frame before that moment only. InputError for what is no
    video; its input is ``name``.
    """
    if isinstance(source, io.BytesIO):
        source.seek(0)
    try:
        with av.open(source if isinstance(source, io.BytesIO) else str(source)) as container:
            stream = next((s for s in container.streams.video if s.codec_context is not None), None)
            found = None if stream is None else _seek(container, stream, Fraction(seconds))
            if found is not None:
                return picture(found)[None]
    except (av.FFmpegError, OSError) as error:
        raise InputError(name, f"it cannot be read ({error})", "Give a video that can be played.") from error
    raise InputError(name, "it holds no frame", "Give a video that can be played.")


def _seek(container, stream, seconds: Fraction) -> av.VideoFrame | None:
    begin = stream.start_time or 0
    wanted = begin + (max(seconds, Fraction(0)) + _SLACK) / stream.time_base
    if wanted > begin:
        container.seek(int(wanted), stream=stream, backward=True)
    found = _last_before(container, stream, wanted)
    if found is None and wanted > begin:  # a seek past the last key frame of some formats lands on nothing
        container.seek(begin, stream=stream, backward=True)
        found = _last_before(container, stream, wanted)
    return found


def _last_before(container, stream, wanted: Fraction) -> av.VideoFrame | None:
    found = None
    for frame in container.decode(stream):
        if frame.pts is not None and frame.pts > wanted and found is not None:
            break
        found = frame
    return found
