"""The file between two finishing steps: nothing of the picture or the sound is lost in it.

Frames are stored as RGB of 8 bits, H.264 at quantizer 0, which decodes to the very numbers; the sound as 32-bit floats.
So a chain of steps costs one rounding to 1/255 where a step computes new pixels, and nothing where it only picks
frames. A delivery format would halve the colours' resolution and quantize at every step. It takes about 1.3 bytes per
pixel of a photographed scene. The file lies in the host's temp folder and goes when nobody holds the video any more.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import math
import os
import uuid
import weakref
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from comfy_api.latest import InputImpl

from .. import places
from ..errors import InputError
from .sound import LAYOUTS, Sound
from .source import read_audio, read_frames
from .video import MAX_SIDE, VideoWriter, check_fps

_X264 = {
    "preset": "ultrafast",
    "qp": "0",
}  # lossless anyway: slower presets save an eighth and take three times as long
_PLAYABLE_CRF = 16
_SOUND_CODEC = "pcm_f32le"


class _Held(str):
    """The path of a file that lasts as long as somebody has the path. Plain strings made from it do not count."""


class Between(InputImpl.VideoFromFile):
    """A VIDEO in a file of ours. To the host's own Save Video it gives an MP4 that every player shows."""

    def save_to(self, path, format="auto", codec="auto", metadata=None, **more) -> None:
        """As the host's, but encoded for players; streamed. Formats other than H.264 in MP4 are left to the host."""
        if _plain(format) not in ("auto", "mp4") or _plain(codec) not in ("auto", "h264"):
            super().save_to(path, format=format, codec=codec, metadata=metadata, **more)
            return
        if isinstance(path, io.BytesIO):
            with _temporary("sent", ".mp4") as copy:
                self._encode(copy, metadata)
                path.write(copy.read_bytes())
            path.seek(0)
            return
        self._encode(Path(path), metadata)

    def _encode(self, path: Path, metadata: dict | None) -> None:
        tags = {key: value if isinstance(value, str) else json.dumps(value) for key, value in (metadata or {}).items()}
        source = Path(self.get_stream_source())
        rate, audio = self.get_frame_rate(), read_audio(source)
        with VideoWriter(path, rate, crf=_PLAYABLE_CRF, audio=audio, metadata=tags, claimed=True) as writer:
            for frames in read_frames(source):
                writer.write(frames)


def write(
    frames: Iterable[torch.Tensor], rate: Fraction, sound: Sound | None, step: Callable[[int], None], name: str
) -> Between:
    """Frames [n,H,W,3], 0..1, and their sound as a file in the host's temp folder; the VIDEO that reads it.

    ``step(frames written)`` is called on the way; after anything it raises, or any other error, no file is left.
    """
    path = places.temp() / f"genga_{name}_{uuid.uuid4().hex}.mov"
    part = path.with_suffix(".part.mov")
    try:
        with Writer(part, rate, sound) as writer:
            for batch in frames:
                writer.write(batch)
                step(writer.frames)
        os.replace(part, path)
    except OSError as error:
        _unlink(part)
        if error.errno != errno.ENOSPC:
            raise
        remedy = "Free some, or start ComfyUI with --temp-directory on a larger disk; a smaller or shorter video helps."
        raise InputError("video", f"no space is left for the lossless video in {path.parent}", remedy) from error
    except BaseException:
        _unlink(part)
        raise
    finally:
        getattr(frames, "close", lambda: None)()  # an interrupted generator lets its model go now, not some time later
    held = _Held(str(path))
    weakref.finalize(held, _unlink, path)
    return Between(held)


class Writer:
    """One open file; ``frames``: how many are written. All frames have one size; values are rounded to 1/255."""

    def __init__(self, path: Path, rate: Fraction, sound: Sound | None):
        self.path, self.rate, self.sound = path, check_fps(rate), sound
        self.frames, self.size = 0, None
        self._container = self._video = self._track = None

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind, error, trace) -> None:
        if self._container is None:
            if kind is None:
                raise InputError("video", "not one frame came", "Give a video of at least one frame.")
            return
        try:
            if kind is None:
                self._container.mux(self._video.encode(None))
        finally:
            with contextlib.nullcontext() if kind is None else contextlib.suppress(av.FFmpegError, OSError):
                self._container.close()

    def write(self, frames: torch.Tensor) -> None:
        if self._container is None:
            self._open((frames.shape[2], frames.shape[1]))
        pixels = _bytes(frames, self.frames)
        for picture in pixels:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = self.frames, 1 / self.rate
            self._container.mux(self._video.encode(frame))
            self.frames += 1
        if self._track is not None:
            self._track.write_until(self.frames / self.rate)

    def _open(self, size: tuple[int, int]) -> None:
        if max(size) > MAX_SIDE:
            problem = f"frames of {size[0]}x{size[1]} are too large"
            raise InputError("video", problem, f"{MAX_SIDE} per side is the most: put Resize Video before it.")
        self._container = av.open(str(self.path), mode="w", format="mov", options=_clock(self.rate))
        self._video = self._container.add_stream("libx264rgb", rate=self.rate, options=_X264)
        self._video.width, self._video.height = size
        self._video.pix_fmt = "rgb24"
        if self.sound is not None:
            self._track = _Track(self._container, self.sound)


class _Track:
    """The sound, as far as the picture has come: the muxer would hold frames in memory while it waits for more."""

    def __init__(self, container, sound: Sound):
        self.container, self.sound = container, sound
        self.stream = container.add_stream(_SOUND_CODEC, rate=sound.rate, layout=LAYOUTS[sound.channels])
        self.blocks = sound.blocks()
        self.held = np.zeros((sound.channels, 0), np.float32)
        self.written = 0

    def write_until(self, seconds: Fraction) -> None:
        """Up to a time of the video; silence where there is no more sound."""
        wanted = round(seconds * self.sound.rate) - self.written
        if wanted <= 0:
            return
        pieces = [self.held]
        have = self.held.shape[1]
        while have < wanted:
            block = next(self.blocks, None)
            block = np.zeros((self.sound.channels, wanted - have), np.float32) if block is None else block
            pieces.append(block)
            have += block.shape[1]
        whole = np.concatenate(pieces, axis=1)
        self._encode(whole[:, :wanted])
        self.held = whole[:, wanted:].copy()

    def _encode(self, samples: np.ndarray) -> None:
        packed = np.ascontiguousarray(samples.T, np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=LAYOUTS[self.sound.channels])
        frame.sample_rate, frame.time_base, frame.pts = self.sound.rate, Fraction(1, self.sound.rate), self.written
        self.written += samples.shape[1]
        self.container.mux(self.stream.encode(frame))


def _plain(choice) -> str:
    """The value of one of the host's enumerations, or of a string."""
    return str(getattr(choice, "value", choice))


def _clock(rate: Fraction) -> dict[str, str]:
    """A clock for the container in which every frame's time is exact; the default, 1 ms, cuts the end."""
    return {"movie_timescale": str(rate.numerator * math.ceil(1000 / rate.numerator))}


def _bytes(frames: torch.Tensor, first: int) -> np.ndarray:
    """[n,H,W,3] in 0..1 as uint8; InputError for what is no number. ``first``: the number of the first frame."""
    frames = frames.float()
    if not bool(torch.isfinite(frames.sum())):
        problem = f"a frame from {first} on holds NaN or infinite values"
        raise InputError("video", problem, "The model before it overflowed: run it in fp32.")
    return (frames * 255 + 0.5).clamp(0, 255).to(torch.uint8).cpu().numpy()


@contextlib.contextmanager
def _temporary(name: str, suffix: str):
    path = places.temp() / f"genga_{name}_{uuid.uuid4().hex}{suffix}"
    try:
        yield path
    finally:
        _unlink(path)


def _unlink(path: Path) -> None:
    """Windows keeps what is being played; the host clears the folder at its next start."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
