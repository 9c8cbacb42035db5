"""A picture of a noise schedule, for the node that makes it."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw

SIZE = (480, 270)
_MARGIN = 34
_BACK, _GRID, _TEXT, _HIGH, _LOW, _LINE = "#1f1f23", "#3a3a42", "#c8c8d0", "#e8a33d", "#4fa8e0", "#d05050"


def picture(sigmas: torch.Tensor, boundary: float) -> torch.Tensor:
    """IMAGE [1, height, width, 3]: noise level by step, the steps of the two experts in two colours."""
    values = [float(sigma) for sigma in sigmas]
    image = Image.new("RGB", SIZE, _BACK)
    draw = ImageDraw.Draw(image)
    top, steps = max([*values, boundary, 1e-6]), max(1, len(values) - 1)
    width, height = SIZE[0] - 2 * _MARGIN, SIZE[1] - 2 * _MARGIN

    def place(step: float, sigma: float) -> tuple[float, float]:
        return _MARGIN + width * step / steps, _MARGIN + height * (1 - sigma / top)

    for k in range(5):
        level = top * k / 4
        draw.line([place(0, level), place(steps, level)], fill=_GRID)
        draw.text((4, place(0, level)[1] - 6), f"{level:.2f}", fill=_TEXT)
    if boundary > 0:
        draw.line([place(0, boundary), place(steps, boundary)], fill=_LINE)
        draw.text((SIZE[0] - _MARGIN - 90, place(0, boundary)[1] + 2), f"boundary {boundary:g}", fill=_LINE)
    points = [place(i, sigma) for i, sigma in enumerate(values)]
    if len(points) > 1:
        draw.line(points, fill=_TEXT)
    for (x, y), sigma in zip(points, values, strict=True):
        colour = _HIGH if boundary > 0 and sigma >= boundary else _LOW
        draw.ellipse([x - 3, y - 3, x + 3, y + 3], fill=colour)
    draw.text((_MARGIN, SIZE[1] - _MARGIN + 10), f"step 0 to {len(values) - 1}", fill=_TEXT)
    draw.text((_MARGIN, 8), "sigma", fill=_TEXT)
    return torch.from_numpy(np.array(image, dtype=np.float32) / 255.0)[None]
