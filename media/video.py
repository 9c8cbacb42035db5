"""Writes a video frame by frame: hours of it pass through in constant memory. Needs PyAV, not the host."""

from __future__ import annotations

import contextlib
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import torch

from ..errors import InputError
from .formats import MP4, Format, check_crf
from .soundtrack import Soundtrack, check_audio
from .yuv import pad_to_even, rgb_to_bytes, rgb_to_yuv420

# Frames converted at once: enough to keep the encoder busy, few enough to keep memory flat.
CHUNK = 8
MAX_FPS = 1000
MAX_SIDE = 16384  # libx264's limit
_LARGEST_DENOMINATOR = 1001  # NTSC rates are n * 1000 / 1001
_BT709, _LIMITED = 1, 1  # AVCOL_SPC_BT709 = AVCOL_PRI_BT709 = AVCOL_TRC_BT709, AVCOL_RANGE_MPEG
_FULL, _RGB, _SRGB = 2, 0, 13  # AVCOL_RANGE_JPEG, AVCOL_SPC_RGB, AVCOL_TRC_IEC61966_2_1


def check_fps(fps: float | Fraction) -> Fraction:
    """The frame rate as a fraction of denominator 1001 at most (23.976 is 2997/125, 24000/1001 stays)."""
    rate = Fraction(fps).limit_denominator(_LARGEST_DENOMINATOR) if math.isfinite(fps) else Fraction(0)
    if not 0 < rate <= MAX_FPS:
        raise InputError(
            "fps", f"{fps} is not a frame rate", f"Give more than 0 and at most {MAX_FPS} frames per second."
        )
    return rate


def chunks(frames: torch.Tensor) -> Iterator[torch.Tensor]:
    """Checked pieces of at most CHUNK frames. ``frames``: [N,H,W,3], floating point, 0..1."""
    check_shape(frames)
    for start in range(0, frames.shape[0], CHUNK):
        piece = frames[start : start + CHUNK]
        check_finite(piece, start)
        check_range(piece, start)
        yield piece


def check_shape(frames: torch.Tensor) -> None:
    """Raises InputError unless ``frames`` is a batch [N,H,W,3] of RGB pictures that have pixels."""
    shape = tuple(frames.shape)
    if frames.ndim != 4 or not frames.is_floating_point():
        raise InputError(
            "images",
            f"is {frames.dtype} of shape {shape}, not a batch of pictures [N, H, W, 3]",
            "Wire an IMAGE.",
        )
    if shape[3] == 4:
        raise InputError(
            "images",
            "has an alpha channel, which is not kept",
            "Put 'Split Image with Alpha' before it and wire its image.",
        )
    if shape[3] != 3:
        raise InputError("images", f"has {shape[3]} channels", "Give RGB pictures, 3 channels.")
    if shape[0] == 0:
        raise InputError("images", "is an empty batch", "Give at least one frame.")
    if 0 in shape:
        raise InputError(
            "images",
            f"has pictures of {shape[2]}x{shape[1]}, without a pixel",
            "Check the node that made them.",
        )
    if max(shape[1:3]) > MAX_SIDE:
        raise InputError(
            "images",
            f"has pictures of {shape[2]}x{shape[1]}",
            f"Files end at {MAX_SIDE} per side; scale them down.",
        )


def check_finite(frames: torch.Tensor, first: int = 0) -> None:
    """Raises InputError where a frame holds NaN or infinity; ``first`` is the number of the first frame."""
    bad = ~torch.isfinite(frames).flatten(1).all(dim=1)
    if bool(bad.any()):
        number = first + int(bad.nonzero()[0])
        raise InputError(
            "images",
            f"frame {number} holds NaN or infinite values: the model or the VAE overflowed",
            "Load them in bf16 or fp32, or start ComfyUI with --fp32-vae.",
        )


def check_range(frames: torch.Tensor, first: int = 0) -> None:
    """Raises InputError for frames in -1..1 or 0..255, which would be clipped; an upscaler's overshoot passes."""
    low, high = (float(value) for value in frames.aminmax())
    if low < -0.5 or high > 2.0:
        raise InputError(
            "images",
            f"the values of frames {first} to {first + len(frames) - 1} run from {low:g} to {high:g}",
            "Pictures run from 0 to 1: convert them from 0..255 or -1..1 before this node.",
        )


class FrameWriter(ABC):
    """What every writer of frames does: checks them, holds them to one size, and leaves a whole file or none.

    The file is made as ``<stem>.part<suffix>`` beside ``path`` and takes its name when all is written; after
    an error (or an interruption) neither is left. An existing file is never overwritten: FileExistsError, unless
    ``claimed`` says that ``path`` is an empty file made to hold the name (naming.reserve).
    """

    def __init__(self, path: Path, fps: float | Fraction, form: Format, *, claimed: bool = False):
        self.path = Path(path)
        self.part = self.path.with_name(f"{self.path.stem}.part{self.path.suffix}")
        self.fps = check_fps(fps)
        self.form = form
        self.claimed = claimed
        self.frames = 0
        self.size: tuple[int, int] | None = None
        self.padded: tuple[int, int] | None = None
        self._given: tuple[int, int] | None = None
        form.check_rate(self.fps)

    @property
    def duration(self) -> Fraction:
        """Seconds written so far."""
        return self.frames / self.fps

    def __enter__(self):
        if not self.claimed:
            self._claim()
        return self

    def __exit__(self, kind, error, trace) -> None:
        if kind is not None:
            self._discard()
            return
        try:
            if self._given is None:
                raise InputError("images", "not one frame was given", "Give at least one frame.")
            self._finish()
        except BaseException:
            self._discard()
            raise

    def write(self, frames: torch.Tensor) -> None:
        """Appends frames [N,H,W,3] or one [H,W,3], 0..1, of any float dtype, on any device."""
        for piece in chunks(frames[None] if frames.ndim == 3 else frames):
            self._accept(piece)
            self._add(pad_to_even(piece) if self.padded else piece)

    def _accept(self, frames: torch.Tensor) -> None:
        """Opens the file with the first frames; later ones must be of the same size."""
        given = (frames.shape[2], frames.shape[1])
        if self._given is None:
            self._given = given
            self.size = tuple(side + side % 2 for side in given) if self.form.even else given
            self.padded = given if self.size != given else None
            self.form.check_size(self.size)
            self._open()
        elif given != self._given:
            sizes = f"{given[0]}x{given[1]}, those before it {self._given[0]}x{self._given[1]}"
            remedy = "All frames of a video have one size: scale them first."
            raise InputError("images", f"frame {self.frames} is {sizes}", remedy)

    def _claim(self) -> None:
        self.path.open("xb").close()

    @abstractmethod
    def _open(self) -> None:
        """Makes the file, of ``size``."""

    @abstractmethod
    def _add(self, frames: torch.Tensor) -> None:
        """Writes checked frames of the writer's size and counts them."""

    @abstractmethod
    def _finish(self) -> None:
        """Ends the file and gives it its name."""

    def _discard(self) -> None:
        """Leaves nothing behind; the error that led here is the one to be seen."""
        for path in (self.part, self.path):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


class VideoWriter(FrameWriter):
    """Streams RGB frames into a video of constant rate, with sound: H.264 in MP4, or what ``form`` says.

    ::

        with VideoWriter(path, fps=16, crf=16, audio=audio, metadata={"workflow": text}) as writer:
            writer.write(frames)  # [N,H,W,3] or [H,W,3], as often as needed

    Colours are BT.709, limited range, yuv420p; lossless formats keep RGB of 8 bits. Where 4:2:0 needs even sizes, odd
    ones are padded by repeating the last row or column; ``padded`` is then the size given, (width, height), and
    ``size`` the size written. Sound is cut where the video ends; shorter sound just ends and the rest is silent.
    """

    def __init__(
        self,
        path: Path,
        fps: float | Fraction,
        *,
        crf: int = 16,
        audio: dict | None = None,
        metadata: dict[str, str] | None = None,
        claimed: bool = False,
        form: Format = MP4,
    ):
        super().__init__(path, fps, form, claimed=claimed)
        self.crf = check_crf(crf)
        self.audio = None if audio is None else check_audio(audio)
        self.metadata = dict(metadata or {})
        self._container = self._video = self._sound = None

    def _open(self) -> None:
        encoder, form = self.form.encoder(), self.form
        self._container = av.open(str(self.part), mode="w", format=form.muxer, options=form.container_options(self.fps))
        self._container.metadata.update(self.metadata)
        stream = self._container.add_stream(encoder, rate=self.fps, options=form.options(encoder, self.crf))
        stream.width, stream.height = self.size
        stream.pix_fmt = "yuv420p" if form.even else "bgr0"  # FFV1's word for RGB of 8 bits
        context = stream.codec_context
        context.color_primaries = _BT709
        if form.even:
            context.color_range, context.colorspace, context.color_trc = _LIMITED, _BT709, _BT709
        else:
            context.color_range, context.colorspace, context.color_trc = _FULL, _RGB, _SRGB
        self._video = stream
        if self.audio is not None and form.sound is not None:
            self._sound = Soundtrack(self._container, *self.audio, encoder=form.sound)

    def _add(self, frames: torch.Tensor) -> None:
        pixels = rgb_to_yuv420(frames) if self.form.even else rgb_to_bytes(frames)
        for picture in pixels.cpu().numpy():
            self._encode(picture)
        if self._sound is not None:
            self._sound.write_until(self.duration)

    def _encode(self, picture) -> None:
        if self.form.even:
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.colorspace, frame.color_range = _BT709, _LIMITED
        else:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = self.frames, 1 / self.fps
        self._container.mux(self._video.encode(frame))
        self.frames += 1

    def _finish(self) -> None:
        self._container.mux(self._video.encode(None))
        if self._sound is not None:
            self._sound.finish()
        self._container.close()
        os.replace(self.part, self.path)

    def _discard(self) -> None:
        with contextlib.suppress(av.FFmpegError, OSError):
            if self._container is not None:
                self._container.close()
        super()._discard()
