"""The demo's moving picture: the video above a strip of time on which the key pictures stand, and a line that runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from PIL import Image, ImageDraw

SCALE, MARGIN, KEY, GAP = 4, 12, 48, 10  # of a frame; pixels
PAPER, INK, MARK = (24, 24, 24), (120, 120, 120), (255, 140, 0)


def picture_of(frame: torch.Tensor) -> Image.Image:
    """[H, W, 3] in 0..1."""
    return Image.fromarray((frame.float().clamp(0, 1) * 255).round().byte().cpu().numpy())


def animate(frames: Iterable[torch.Tensor], keys: dict[int, Image.Image], fps: float, path: Path) -> Path:
    """Writes ``frames`` ([N, H, W, 3], or batches of them) as an animated WebP with ``keys`` at their moments."""
    shots = [picture_of(frame) for batch in frames for frame in (batch if batch.ndim == 4 else batch[None])]
    pages = [_page(shot, keys, number, len(shots)) for number, shot in enumerate(shots)]
    pages[0].save(path, save_all=True, append_images=pages[1:], duration=round(1000 / fps), loop=0, quality=80)
    return path


def _page(shot: Image.Image, keys: dict[int, Image.Image], number: int, count: int) -> Image.Image:
    large = shot.resize((shot.width * SCALE, shot.height * SCALE), Image.Resampling.BICUBIC)
    width = max(large.width, len(keys) * (KEY + GAP)) + 2 * MARGIN + KEY
    page = Image.new("RGB", (width, large.height + KEY + 2 * MARGIN + GAP), PAPER)
    page.paste(large, ((width - large.width) // 2, MARGIN))
    pen, top = ImageDraw.Draw(page), large.height + MARGIN + GAP

    def across(frame: int) -> float:
        return MARGIN + KEY / 2 + (width - 2 * MARGIN - KEY) * frame / max(count - 1, 1)

    pen.line((across(0), top + KEY / 2, across(count - 1), top + KEY / 2), fill=INK, width=2)
    for frame, picture in keys.items():
        left = round(across(frame) - KEY / 2)
        pen.rectangle((left - 2, top - 2, left + KEY + 1, top + KEY + 1), fill=MARK if frame == number else INK)
        page.paste(picture.resize((KEY, KEY), Image.Resampling.BICUBIC), (left, top))
    pen.line((across(number), top - 6, across(number), top + KEY + 5), fill=MARK, width=2)
    return page
