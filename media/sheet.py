"""A contact sheet: all frames of a video in one picture, keyframes marked. Needs Pillow, not the host."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

_BORDER, _GAP, _TEXT = 3, 4, 12
_BACKGROUND, _INK, _MARK = (24, 24, 24), (220, 220, 220), (255, 140, 0)


class ContactSheet:
    """Takes frames one at a time and keeps only their thumbnails."""

    def __init__(self, marks: Collection[int] = (), *, width: int = 128, columns: int = 0):
        """``marks``: frame numbers that get a coloured border. ``width``: of a thumbnail, in pixels."""
        self.marks = set(marks)
        self.width, self.columns = width, columns
        self.thumbnails: list[Image.Image] = []

    def add(self, frames: torch.Tensor) -> None:
        """Frames [N,H,W,3] or one [H,W,3], 0..1."""
        for frame in frames[None] if frames.ndim == 3 else frames:
            pixels = (frame.float().clamp(0, 1) * 255).round().to("cpu", torch.uint8).numpy()
            picture = Image.fromarray(pixels)
            height = max(1, round(picture.height * self.width / picture.width))
            self.thumbnails.append(picture.resize((self.width, height), Image.Resampling.BOX))

    def picture(self) -> Image.Image:
        """The sheet so far, row by row, each frame with its number below."""
        if not self.thumbnails:
            raise ValueError("A contact sheet needs at least one frame.")
        missing = [mark for mark in self.marks if not 0 <= mark < len(self.thumbnails)]
        if missing:
            raise ValueError(f"Marked frames {sorted(missing)} are not among the {len(self.thumbnails)} frames.")
        columns = self.columns or math.ceil(math.sqrt(len(self.thumbnails)))
        cell = (self.width + 2 * _BORDER, max(t.height for t in self.thumbnails) + 2 * _BORDER + _TEXT)
        rows = math.ceil(len(self.thumbnails) / columns)
        size = [_GAP + count * (side + _GAP) for count, side in zip((columns, rows), cell, strict=True)]
        sheet = Image.new("RGB", size, _BACKGROUND)
        for number, thumbnail in enumerate(self.thumbnails):
            row, column = divmod(number, columns)
            corner = (_GAP + column * (cell[0] + _GAP), _GAP + row * (cell[1] + _GAP))
            self._place(sheet, thumbnail, number, corner)
        return sheet

    def _place(self, sheet: Image.Image, thumbnail: Image.Image, number: int, corner: tuple[int, int]) -> None:
        left, top = corner
        draw = ImageDraw.Draw(sheet)
        marked = number in self.marks
        if marked:
            edge = (left + thumbnail.width + 2 * _BORDER - 1, top + thumbnail.height + 2 * _BORDER - 1)
            draw.rectangle((corner, edge), fill=_MARK)
        sheet.paste(thumbnail, (left + _BORDER, top + _BORDER))
        below = (left + _BORDER, top + thumbnail.height + 2 * _BORDER)
        draw.text(below, str(number), fill=_MARK if marked else _INK, font=ImageFont.load_default())


def contact_sheet(frames: torch.Tensor | Iterable[torch.Tensor], marks: Collection[int], path: Path) -> Path:
    """Writes ``frames`` ([N,H,W,3], or batches of them) as a PNG sheet, the frames ``marks`` in colour."""
    sheet = ContactSheet(marks)
    for batch in frames:
        sheet.add(batch)
    sheet.picture().save(path, format="PNG")
    return path
