"""Saves a video with all that belongs to it: a name, tags inside, the JSON beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain

import av
import torch
from comfy_api.latest import Input, InputImpl

from ..errors import InputError
from . import metadata, naming, record
from .source import read_audio, read_frames
from .video import VideoWriter, check_fps, check_shape, chunks


@dataclass(frozen=True)
class Clip:
    """What is to be saved. ``frames``: batches [n,H,W,3]; ``size``: (width, height); ``count``: of frames."""

    frames: Iterable[torch.Tensor]
    size: tuple[int, int]
    fps: Fraction
    count: int
    audio: dict | None


@dataclass(frozen=True)
class Origin:
    """Where it came from, as the host tells an output node."""

    prompt: dict | None = None
    extra_pnginfo: dict | None = None
    node_id: str | None = None


@dataclass(frozen=True)
class Saved:
    """What was written. ``padded``: the size before padding to even, or None."""

    file: naming.Reserved
    size: tuple[int, int]
    padded: tuple[int, int] | None
    frames: int
    duration: float


def clip_of_images(images: torch.Tensor, fps: float, audio: dict | None) -> Clip:
    """A batch of pictures at ``fps``; every frame is checked here, before anything is written."""
    check_shape(images)
    for _ in chunks(images):
        pass
    return Clip([images], (images.shape[2], images.shape[1]), check_fps(fps), images.shape[0], audio)


def clip_of_video(video, audio: dict | None) -> Clip:
    """A host VIDEO at its own rate; ``audio``, where given, takes the place of its own sound.

    An untrimmed file is read as it is written, so its length does not matter; all else is held by the host.
    """
    if not isinstance(video, Input.Video):
        raise InputError("video", f"this is no video but {type(video).__name__}", "Wire a VIDEO.")
    try:
        if isinstance(video, InputImpl.VideoFromFile) and _whole_file(video):
            return _clip_of_file(video, audio)
        parts = video.get_components()
    except (av.FFmpegError, OSError) as error:  # the file is gone, or is no video
        raise InputError("video", f"it cannot be read ({error})", "Give a video that can be played.") from error
    return clip_of_images(parts.images, parts.frame_rate, parts.audio if audio is None else audio)


def _clip_of_file(video, audio: dict | None) -> Clip:
    path = video.get_stream_source()
    frames = read_frames(path)
    first = next(frames, None)
    if first is None:
        raise InputError("video", f"{path} holds no frame", "Give a video that can be played.")
    size, count = (first.shape[2], first.shape[1]), video.get_frame_count()
    sound = read_audio(path) if audio is None else audio
    return Clip(chain([first], frames), size, check_fps(video.get_frame_rate()), count, sound)


def save(clip: Clip, prefix: str, crf: int, origin: Origin, step: Callable[[int], None]) -> Saved:
    """Writes ``clip`` as MP4 under ``prefix`` in the output folder, with ``step(frames written)`` on the way.

    Raised from ``step``, an exception stops the work and leaves no file.
    """
    facts = record.facts_for(origin.prompt, origin.node_id)
    even = tuple(side + side % 2 for side in clip.size)
    with_metadata = metadata.enabled()
    file = naming.reserve(prefix, "mp4", even)

    def about(frames: int) -> dict:
        return metadata.about(
            facts,
            origin.prompt,
            file=file.filename,
            codec="h264",
            crf=crf,
            frames=frames,
            fps=float(clip.fps),
            width=even[0],
            height=even[1],
            duration=float(frames / clip.fps),
            padded_from=list(clip.size) if even != clip.size else None,
            audio=_describe(clip.audio),
        )

    tags = metadata.tags(origin.prompt, origin.extra_pnginfo, about(clip.count)) if with_metadata else {}
    with VideoWriter(file.path, clip.fps, crf=crf, audio=clip.audio, metadata=tags, claimed=True) as writer:
        for batch in clip.frames:
            for piece in chunks(batch):
                writer.write(piece)
                step(writer.frames)
    if with_metadata:
        content = metadata.sidecar(origin.prompt, origin.extra_pnginfo, about(writer.frames))
        metadata.write_sidecar(file.path.with_suffix(".json"), content)
    return Saved(file, writer.size, writer.padded, writer.frames, float(writer.duration))


def _whole_file(video) -> bool:
    """Whether it is a file on disk, all of it: trimming came to the host after 0.3.75."""
    trim = getattr(video, "get_active_trim_window", None)
    return isinstance(video.get_stream_source(), str) and (trim is None or not any(trim()))


def _describe(audio: dict | None) -> dict | None:
    if audio is None:
        return None
    return {"sample_rate": audio["sample_rate"], "channels": audio["waveform"].shape[1]}
