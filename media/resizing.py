"""Every frame of a video brought to another size, by the host's own resampling."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..errors import InputError
from .video import MAX_SIDE

FITS = ("crop", "pad", "stretch")
METHODS = ("lanczos", "area", "bicubic", "bilinear", "nearest-exact")  # of comfy.utils.common_upscale


@dataclass(frozen=True)
class Resizing:
    """Called with frames [n,H,W,3]: gives [n,height,width,3], 0..1.

    inner: the size the whole or cut picture is scaled to; around it, up to ``size``, is black.
    """

    size: tuple[int, int]
    inner: tuple[int, int]
    crop: str
    method: str

    def __call__(self, frames: torch.Tensor) -> torch.Tensor:
        import comfy.utils

        moved = frames.movedim(-1, 1)
        scaled = comfy.utils.common_upscale(moved, *self.inner, self.method, self.crop).movedim(1, -1).clamp(0, 1)
        if self.inner == self.size:
            return scaled
        left, top = ((whole - part) // 2 for whole, part in zip(self.size, self.inner, strict=True))
        canvas = scaled.new_zeros((scaled.shape[0], self.size[1], self.size[0], scaled.shape[3]))
        canvas[:, top : top + self.inner[1], left : left + self.inner[0]] = scaled
        return canvas


def resizing(old: tuple[int, int], width: int, height: int, fit: str, method: str) -> Resizing:
    """How frames of size ``old`` become width x height; one of these 0 follows from the other and keeps the shape."""
    if fit not in FITS:
        raise InputError("fit", f"{fit!r} is unknown", f"Use one of {', '.join(FITS)}.")
    if method not in METHODS:
        raise InputError("method", f"{method!r} is unknown", f"Use one of {', '.join(METHODS)}.")
    for name, side in (("width", width), ("height", height)):
        if not 0 <= side <= MAX_SIDE:
            raise InputError(name, f"{side} is no side of a video", f"Give 1 to {MAX_SIDE}, or 0 to keep the shape.")
    size = _size(old, width, height)
    inner = _inside(old, size) if fit == "pad" else size
    if fit == "crop":
        _refuse_empty(old, size)
    return Resizing(size, inner, "center" if fit == "crop" else "disabled", method)


def _size(old: tuple[int, int], width: int, height: int) -> tuple[int, int]:
    """Both sides; the one that follows is even, as video formats want it."""
    if not width and not height:
        raise InputError("width, height", "both are 0", "Give at least one of them.")
    if not height:
        height = max(2, round(old[1] * width / old[0] / 2) * 2)
    elif not width:
        width = max(2, round(old[0] * height / old[1] / 2) * 2)
    if max(width, height) > MAX_SIDE:
        raise InputError("width, height", f"the video would be {width}x{height}", f"{MAX_SIDE} per side is the most.")
    return width, height


def _inside(old: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """The largest size of the old shape inside ``size``."""
    scale = min(size[0] / old[0], size[1] / old[1])
    return tuple(min(most, max(1, round(side * scale))) for side, most in zip(old, size, strict=True))


def _refuse_empty(old: tuple[int, int], size: tuple[int, int]) -> None:
    """The host's centre crop rounds to whole pixels; a strip one pixel wide can round to nothing."""
    share = (size[0] / size[1]) / (old[0] / old[1])
    cut = (old[0] - old[0] * min(1.0, share), old[1] - old[1] * min(1.0, 1 / share))
    if any(round(part / 2) * 2 >= side for part, side in zip(cut, old, strict=True)):
        raise InputError("fit", f"crop leaves nothing of frames of {old[0]}x{old[1]}", "Use pad or stretch.")
