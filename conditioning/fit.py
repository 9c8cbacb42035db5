"""A picture of any size made the size of the video."""

from __future__ import annotations

import math

import torch

from ..errors import InputError

FITS = ("crop", "pad", "stretch")
GRID = 16  # the VAE shrinks by 8 and the model takes patches of 2
LARGEST = 16384  # the host's own limit


def check_size(width: int, height: int) -> None:
    """Raises unless both sides are positive multiples of 16, and no larger than the host allows."""
    for name, value in (("width", width), ("height", height)):
        if value > LARGEST:
            raise InputError(name, f"{value} is larger than {LARGEST}", "Wan makes pictures of up to about 1280.")
        if value < GRID or value % GRID:
            below, above = max(GRID, value // GRID * GRID), (value // GRID + 1) * GRID
            remedy = f"Use {below} or {above}." if below != above and value >= GRID else f"Use {GRID} or more."
            raise InputError(name, f"{value} is not a multiple of {GRID}", remedy)


def fit_picture(image: torch.Tensor, width: int, height: int, fit: str) -> tuple[torch.Tensor, torch.Tensor | None]:
    """[1, H, W, C] -> ([1, height, width, C], coverage [1, height, width] or None where the picture covers all).

    crop: scaled to fill and cut around the centre, with the host's own resampling (equal to its Wan nodes).
    stretch: bicubic to the exact size, as AniSora's reference does.
    pad: scaled to fit inside; around it is grey, and coverage says 0 there.
    """
    picture = image.movedim(-1, 1)
    if fit == "crop":
        refuse_empty_crop(image, width / height, "fit", "Use pad or stretch.")
        return _resample(picture, width, height, "center").movedim(1, -1), None
    if fit == "stretch":
        return torch.nn.functional.interpolate(picture, size=(height, width), mode="bicubic").movedim(1, -1), None
    if fit != "pad":
        raise InputError("fit", f"{fit!r} is unknown", f"Use one of {', '.join(FITS)}.")
    return _letterbox(picture, width, height)


def refuse_empty_crop(image: torch.Tensor, aspect: float, name: str, remedy: str) -> None:
    """The host's centre crop of [N, H, W, C] rounds to whole pixels; a strip one pixel wide can round to nothing."""
    old_height, old_width = image.shape[1:3]
    old_aspect = old_width / old_height
    cut_width = round((old_width - old_width * min(1.0, aspect / old_aspect)) / 2) * 2
    cut_height = round((old_height - old_height * min(1.0, old_aspect / aspect)) / 2) * 2
    if cut_width >= old_width or cut_height >= old_height:
        raise InputError(name, f"crop leaves nothing of a picture of {old_width}x{old_height}", remedy)


def _resample(picture: torch.Tensor, width: int, height: int, crop: str) -> torch.Tensor:
    import comfy.utils  # here, so that the arithmetic around it can be used and tested without the host

    return comfy.utils.common_upscale(picture, width, height, "bilinear", crop)


def _letterbox(picture: torch.Tensor, width: int, height: int) -> tuple[torch.Tensor, torch.Tensor | None]:
    old_height, old_width = picture.shape[-2:]
    scale = min(width / old_width, height / old_height)
    inner_width = min(width, max(1, round(old_width * scale)))
    inner_height = min(height, max(1, round(old_height * scale)))
    inner = _resample(picture, inner_width, inner_height, "disabled")
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    window = (..., slice(top, top + inner_height), slice(left, left + inner_width))
    canvas = torch.full((*picture.shape[:2], height, width), 0.5, dtype=picture.dtype, device=picture.device)
    canvas[window] = inner
    if (inner_height, inner_width) == (height, width):
        return canvas.movedim(1, -1), None
    coverage = torch.zeros((picture.shape[0], height, width), dtype=picture.dtype, device=picture.device)
    coverage[window] = 1.0
    return canvas.movedim(1, -1), coverage


def size_within(width: int, height: int, pixels: int) -> tuple[int, int]:
    """The video size for a picture of width x height: same shape, about ``pixels`` in area, multiples of 16.

    Rounds down, as Wan's reference does (``max_area`` in Wan2.2 ``image2video.py``), so that the budget holds.
    """
    if width < 1 or height < 1:
        raise InputError("image", f"a picture of {width}x{height} has no size", "Wire a picture.")
    if pixels < GRID * GRID:
        raise InputError("megapixels", f"{pixels} pixels is too small", f"Give at least {GRID * GRID} pixels.")
    shape = height / width
    fitted_height = math.isqrt(round(pixels * shape)) // GRID * GRID
    fitted_width = math.isqrt(round(pixels / shape)) // GRID * GRID
    return max(GRID, fitted_width), max(GRID, fitted_height)
