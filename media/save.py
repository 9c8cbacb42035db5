"""Saves a video with all that belongs to it: a name, tags inside, the JSON beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import torch
from comfy_api.latest import Input, InputImpl

from ..errors import InputError
from . import metadata, naming
from .formats import FORMATS, MP4, Format
from .gif import GifWriter, palette_of
from .metadata import Origin as Origin
from .sequence import SequenceWriter
from .source import read_audio, read_frames
from .stills import PARAMETERS
from .video import FrameWriter, VideoWriter, check_fps, check_shape, chunks


@dataclass(frozen=True)
class Clip:
    """What is to be saved. ``frames``: batches [n,H,W,3], to be read as often as needed; ``size``: (width, height);
    ``count``: of frames."""

    frames: Iterable[torch.Tensor]
    size: tuple[int, int]
    fps: Fraction
    count: int
    audio: dict | None


class FileFrames:
    """The frames of a file in batches, read anew at each pass."""

    def __init__(self, path: str):
        self.path = path

    def __iter__(self) -> Iterator[torch.Tensor]:
        return read_frames(self.path)


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
    frames = FileFrames(path)
    first = next(iter(frames), None)
    if first is None:
        raise InputError("video", f"{path} holds no frame", "Give a video that can be played.")
    size, count = (first.shape[2], first.shape[1]), video.get_frame_count()
    sound = read_audio(path) if audio is None else audio
    return Clip(frames, size, check_fps(video.get_frame_rate()), count, sound)


def save(clip: Clip, prefix: str, crf: int, origin: Origin, step: Callable[[int], None], form: Format = MP4) -> Saved:
    """Writes ``clip`` in ``form`` under ``prefix`` in the output folder, with ``step(frames written)`` on the way.

    Raised from ``step``, an exception stops the work and leaves no file.
    """
    story = metadata.story(origin)
    form.check_rate(clip.fps)
    size = tuple(side + side % 2 for side in clip.size) if form.even else clip.size
    form.check_size(size)
    codec, with_metadata = form.encoder(), metadata.enabled()
    palette = palette_of(_watched(clip.frames, step)) if form is FORMATS["gif"] else None
    file = naming.reserve(prefix, form.extension, size)

    def about(frames: int) -> dict:
        return metadata.about(
            story,
            file=file.filename,
            format=form.name,
            codec=codec if codec != "libx264" else "h264",
            crf=form.rate_factor(crf),
            frames=frames,
            fps=float(clip.fps),
            width=size[0],
            height=size[1],
            duration=float(frames / clip.fps),
            padded_from=list(clip.size) if size != clip.size else None,
            audio=_describe(clip.audio) if form.sound else None,
        )

    tags = {}
    if with_metadata:
        told = about(clip.count)
        tags = metadata.tags(origin.prompt, origin.extra_pnginfo, told)
        if not form.extension:
            tags[PARAMETERS] = metadata.common(story, told, size)
    with _writer(file, clip, crf, form, tags, palette) as writer:
        for batch in clip.frames:
            for piece in chunks(batch):
                writer.write(piece)
                step(writer.frames)
    if with_metadata:
        metadata.settle(file.beside(), story, about(writer.frames))
    return Saved(file, writer.size, writer.padded, writer.frames, float(writer.duration))


def _writer(file, clip: Clip, crf: int, form: Format, tags: dict[str, str], palette) -> FrameWriter:
    if palette is not None:
        comment = "{" + ", ".join(f"{metadata.dump(name)}: {text}" for name, text in tags.items()) + "}"
        return GifWriter(file.path, clip.fps, palette, comment=comment if tags else "", claimed=True)
    if form is FORMATS["png-sequence"]:
        return SequenceWriter(file.path, clip.fps, texts=tags, claimed=True)
    return VideoWriter(file.path, clip.fps, crf=crf, audio=clip.audio, metadata=tags, claimed=True, form=form)


def _watched(batches: Iterable[torch.Tensor], step: Callable[[int], None]) -> Iterator[torch.Tensor]:
    """The batches of a pass that writes nothing yet; it can be stopped all the same."""
    for batch in batches:
        step(0)
        yield batch


def _whole_file(video) -> bool:
    """Whether it is a file on disk, all of it: trimming came to the host after 0.3.75."""
    trim = getattr(video, "get_active_trim_window", None)
    return isinstance(video.get_stream_source(), str) and (trim is None or not any(trim()))


def _describe(audio: dict | None) -> dict | None:
    if audio is None:
        return None
    return {"sample_rate": audio["sample_rate"], "channels": audio["waveform"].shape[1]}
