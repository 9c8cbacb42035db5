"""A video made in pieces: saved as one file with all that belongs to it; and the ends of a video, to go on from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import torch
from comfy_api.latest import Input, InputImpl

from ..errors import InputError
from . import metadata, naming
from .save import Origin, Saved
from .segments import join, read_tail
from .source import read_frames


@dataclass(frozen=True)
class Pieces:
    """Closed files of one video, in time order. size: (width, height); count: of frames; crf: how they were encoded."""

    segments: tuple[Path, ...]
    size: tuple[int, int]
    fps: Fraction
    count: int
    crf: int
    audio: dict | None = None


@dataclass(frozen=True)
class Ends:
    """first: [1, H, W, 3]; last: [n, H, W, 3], float32, 0..1; count: of all frames."""

    first: torch.Tensor
    last: torch.Tensor
    fps: Fraction
    count: int


def save_pieces(
    pieces: Pieces, prefix: str, origin: Origin, step: Callable[[int], None]
) -> tuple[Saved, tuple[str, ...]]:
    """Joins ``pieces`` under ``prefix`` in the output folder, without encoding them again, with sound, tags and JSON.

    Returns what was written, and what a person should know of it. ``step(frames)`` is called on the way; raised from
    it, an exception stops the work and leaves no file.
    """
    story = metadata.story(origin)
    with_metadata = metadata.enabled()
    file = naming.reserve(prefix, "mp4", pieces.size)
    about = metadata.about(story, file=file.filename, **_describe(pieces))
    tags = metadata.tags(origin.prompt, origin.extra_pnginfo, about) if with_metadata else {}
    joined = join(pieces.segments, file.path, pieces.fps, pieces.audio, tags, step)
    if with_metadata:
        metadata.settle(file.beside(), story, about)
    notes = ("The stored windows were encoded in different ways; the file was encoded anew.",) if joined.encoded else ()
    return Saved(file, joined.size, None, joined.frames, float(joined.frames / pieces.fps)), notes


def _describe(pieces: Pieces) -> dict:
    audio = pieces.audio
    return {
        "format": "mp4",
        "codec": "h264",
        "crf": pieces.crf,
        "frames": pieces.count,
        "fps": float(pieces.fps),
        "width": pieces.size[0],
        "height": pieces.size[1],
        "duration": float(pieces.count / pieces.fps),
        "audio": audio and {"sample_rate": audio["sample_rate"], "channels": audio["waveform"].shape[1]},
    }


def ends_of(video, count: int) -> Ends:
    """The first frame of a host VIDEO and its last ``count`` (fewer where there are not so many).

    A whole file on disk is read in bounded memory; any other video is held by the host for the moment.
    """
    if not isinstance(video, Input.Video):
        raise InputError("video", f"this is no video but {type(video).__name__}", "Wire a VIDEO.")
    try:
        if isinstance(video, InputImpl.VideoFromFile) and _on_disk(video):
            return _ends_of_file(video, count)
        parts = video.get_components()
    except InputError:
        raise
    except (av.FFmpegError, OSError, ValueError) as error:  # the file is gone, or holds no video
        raise InputError("video", f"it cannot be read ({error})", "Give a video that can be played.") from error
    if parts.images.shape[0] == 0:
        raise InputError("video", "it holds no frame", "Give a video that can be played.")
    pixels = parts.images[..., :3]
    first, last = (pixels[part].float().clone() for part in (slice(0, 1), slice(-count, None)))
    return Ends(first, last, Fraction(parts.frame_rate), pixels.shape[0])


def _ends_of_file(video, count: int) -> Ends:
    path = Path(video.get_stream_source())
    frames = read_frames(path)
    first = next(frames, None)
    frames.close()
    if first is None:
        raise InputError("video", f"{path.name} holds no frame", "Give a video that can be played.")
    return Ends(first[:1].clone(), read_tail(path, count), Fraction(video.get_frame_rate()), video.get_frame_count())


def _on_disk(video) -> bool:
    """Whether it is a file on disk, all of it: trimming came to the host after 0.3.75."""
    trim = getattr(video, "get_active_trim_window", None)
    return isinstance(video.get_stream_source(), str) and (trim is None or not any(trim()))
