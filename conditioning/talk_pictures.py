"""The picture a window is told who is speaking by: one for all, or taken from a moving one by time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import torch

from ..errors import InputError
from ..media.moments import frame_at
from ..media.video import check_fps
from .keyframes import check_picture

CHOICES = ("fixed", "time")
NAME = "start_image"

Picture = Callable[[Fraction], torch.Tensor]  # seconds from the start -> [1, H, W, 3]


@dataclass(frozen=True, eq=False)
class Still:
    """The same picture at any time."""

    image: torch.Tensor

    def __call__(self, seconds: Fraction) -> torch.Tensor:
        return self.image


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames [N, H, W, 3] at ``fps``; before the first the first, after the last the last."""

    images: torch.Tensor
    fps: Fraction

    def __call__(self, seconds: Fraction) -> torch.Tensor:
        index = min(max(int(seconds * self.fps), 0), self.images.shape[0] - 1)
        return check_picture_of(self.images[index : index + 1])


@dataclass(frozen=True, eq=False)
class Film:
    """A video on disk, of which one frame at a time is decoded. ``start``, ``duration``: what of it is used, in
    seconds; None is to its end. ``fps``: its own rate."""

    video: Any
    fps: Fraction
    start: Fraction = Fraction(0)
    duration: Fraction | None = None

    def __call__(self, seconds: Fraction) -> torch.Tensor:
        moment = max(seconds, Fraction(0))
        if self.duration is not None:
            moment = min(moment, max(self.duration - 1 / self.fps, Fraction(0)))
        return check_picture_of(frame_at(self.video.get_stream_source(), self.start + moment, NAME))


def check_picture_of(image: torch.Tensor) -> torch.Tensor:
    """``image``, or an InputError."""
    check_picture(image, NAME)
    return image


def pictures(start_image, choice: str, fps: float) -> tuple[Picture, list[str]]:
    """The picture by time, and notes. ``start_image``: IMAGE [N, H, W, 3] at ``fps``, or a host VIDEO.

    fixed: its first frame for all. time: what it shows at the time of each window's first frame. (The reference
    counts frames as if any video ran at 25 a second, and drifts with others.) Raises InputError.
    """
    if choice not in CHOICES:
        raise InputError("reference_by", f"{choice!r} is unknown", f"Use one of {', '.join(CHOICES)}.")
    if start_image is None:
        raise InputError(NAME, "there is none", "Wire the portrait; an image-to-video model cannot do without.")
    moving = _moving(start_image, fps)
    first = moving(Fraction(0))  # a broken file or frame is found now, before anything is sampled
    if choice == "time":
        still = isinstance(moving, Frames) and moving.images.shape[0] == 1
        return moving, ["reference_by time: start_image is one picture, so all windows share it."] if still else []
    count = moving.images.shape[0] if isinstance(moving, Frames) else 0
    if count == 1:
        return Still(first), []
    what = f"{count} pictures" if count else "a video"
    return Still(first.clone()), [f"start_image is {what}: its first frame is used (reference_by time takes them all)."]


def _moving(start_image, fps: float) -> Frames | Film:
    if not isinstance(start_image, torch.Tensor):
        return _film(start_image)
    if start_image.ndim != 4 or start_image.numel() == 0:
        check_picture(start_image, NAME)
    try:
        return Frames(start_image, check_fps(fps))
    except InputError as error:
        raise InputError("reference_fps", error.problem, error.remedy) from None


def _film(video) -> Frames | Film:
    from comfy_api.latest import Input, InputImpl  # here, so that the rest can be tested without the host

    if not isinstance(video, Input.Video):
        raise InputError(NAME, f"this is no picture but {type(video).__name__}", "Wire an IMAGE or a VIDEO.")
    if not isinstance(video, InputImpl.VideoFromFile):  # its frames are in memory as it is
        parts = video.get_components()
        return Frames(parts.images, Fraction(parts.frame_rate))
    trim = getattr(video, "get_active_trim_window", lambda: (0, 0))  # trimming came to the host after 0.3.75
    start, duration = (Fraction(seconds) for seconds in trim())
    return Film(video, _rate(video), start, duration or None)


def _rate(video) -> Fraction:
    try:
        return Fraction(video.get_frame_rate())
    except (av.FFmpegError, OSError, ValueError) as error:  # gone, no video at all, or without frames
        raise InputError(NAME, f"it cannot be read ({error})", "Give a video that can be played.") from error
