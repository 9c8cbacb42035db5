"""Thumbnails of the long modes: speech over overlapping windows, a pose that drives a figure, a video made larger."""

from __future__ import annotations

import math
from collections.abc import Callable

from .pictures import BLUE, GREY, INK, NOTE, SHEET, SOFT, Canvas, figure

VIOLET, TEAL, AMBER = "#7a4a9e", "#1f8a86", "#b3651c"
LEFT, RIGHT, WINDOWS = 24, 488, 4


def frame(mode: str, family: str, color: str) -> Canvas:
    canvas = Canvas(512, 288)
    canvas.box(0, 0, 512, 8, color)
    canvas.text(24, 22, mode, 26)
    canvas.text(488, 26, family, 20, color, "ra")
    return canvas


def wave(canvas: Canvas, y: float, color: str, begin: float = 0.0, end: float = 1.0, seed: float = 0.0) -> None:
    """A speech as bars around ``y``; silent outside begin to end (shares of the width)."""
    for x in range(LEFT, RIGHT, 6):
        place = (x - LEFT) / (RIGHT - LEFT)
        loud = 0.04
        if begin <= place < end:
            loud = abs(math.sin(place * 29 + seed) * math.sin(place * 71 + 2 * seed)) * 0.9 + 0.08
        canvas.line([(x, y - 18 * loud), (x, y + 18 * loud)], color, 3)


def windows(canvas: Canvas, y: float, color: str) -> None:
    """Windows that share their last frames with the next."""
    width = (RIGHT - LEFT) / (WINDOWS - (WINDOWS - 1) * 0.14)
    for index in range(WINDOWS):
        left = LEFT + index * width * 0.86
        top = y + 20 * (index % 2)
        canvas.box(left, top, width, 18, SHEET, color, 2, 4)
        if index:
            canvas.box(left, top, width * 0.14, 18, color, color, 2, 4)


def head(canvas: Canvas, x: float, y: float, size: float, mouth: float, color: str = INK) -> None:
    """A face whose mouth is open by ``mouth`` (0 to 1)."""
    canvas.oval(x - size / 2, y - size / 2, size, size, SHEET, color, 2.5)
    for side in (-1, 1):
        canvas.oval(x + side * size * 0.19 - 3, y - size * 0.14, 6, 6, color)
    tall = 3 + size * 0.22 * mouth
    canvas.oval(x - size * 0.13, y + size * 0.2 - tall / 2, size * 0.26, tall, color)


def talking(mode: str, heads: int, cuts: tuple[float, ...] = ()) -> Callable[[], Canvas]:
    def draw() -> Canvas:
        canvas = frame(mode, "InfiniteTalk", VIOLET)
        places = (256,) if heads == 1 else (190, 322)
        for number, x in enumerate(places):
            head(canvas, x, 106, 86, 0.9 if number == 0 else 0.1, VIOLET)
        if heads == 1:
            wave(canvas, 184, VIOLET)
        else:
            wave(canvas, 174, VIOLET, 0.0, 0.45)
            wave(canvas, 196, TEAL, 0.5, 1.0, 1.0)
        windows(canvas, 222, VIOLET)
        for cut in cuts:
            x = LEFT + (RIGHT - LEFT) * cut
            canvas.line([(x, 160), (x, 280)], INK, 2)
            canvas.text(x + 6, 262, "new prompt", 15, NOTE)
        return canvas

    return draw


def animated(mode: str, replaced: bool = False, long: bool = False) -> Callable[[], Canvas]:
    def draw() -> Canvas:
        canvas = frame(mode, "WanAnimate", TEAL)
        canvas.box(60, 66, 150, 120, INK, INK, 1.5, 6)
        figure(canvas, 135, 178, 96, 0.5, "#ffd479", 3)
        canvas.line([(226, 126), (280, 126)], TEAL, 3)
        canvas.line([(270, 116), (281, 126), (270, 136)], TEAL, 3)
        canvas.box(302, 66, 150, 120, GREY if replaced else SHEET, INK, 1.5, 6)
        if replaced:
            canvas.line([(302, 150), (350, 116), (390, 146), (452, 104)], SOFT, 3)
        figure(canvas, 377, 178, 96, 0.5, TEAL, 4)
        windows(canvas, 216, TEAL) if long else canvas.box(LEFT, 222, RIGHT - LEFT, 20, SHEET, TEAL, 2, 4)
        return canvas

    return draw


def finished() -> Canvas:
    """A small pale picture becomes a large one, its few frames many."""
    canvas = frame("Larger, matched, smoother", "Finish Video", AMBER)
    canvas.box(LEFT, 116, 96, 60, SHEET, INK, 1.5, 4)
    figure(canvas, LEFT + 48, 170, 46, 0.5, SOFT, 2)
    canvas.line([(136, 146), (192, 146)], AMBER, 3)
    canvas.line([(182, 136), (193, 146), (182, 156)], AMBER, 3)
    canvas.box(210, 66, RIGHT - 210, 158, SHEET, INK, 1.5, 6)
    figure(canvas, 349, 214, 124, 0.5, AMBER, 5)
    for left, right, count, color in ((LEFT, 120, 6, SOFT), (210, RIGHT, 24, AMBER)):
        for number in range(count):
            x = left + (right - left) * (number + 0.5) / count
            canvas.line([(x, 240), (x, 262)], color, 3)
    return canvas


def from_picture_to_picture() -> Canvas:
    """Key pictures above the windows that lead from one to the next."""
    canvas = frame("From picture to picture", "Wan I2V", BLUE)
    width = (RIGHT - LEFT) / 3
    for number in range(4):
        x = min(max(LEFT + width * number, LEFT + 42), RIGHT - 42)
        canvas.box(x - 42, 70, 84, 92, SHEET, BLUE if number == 0 else INK, 2, 6)
        figure(canvas, x, 154, 70, number / 3, BLUE, 3)
        canvas.line([(x, 162), (min(max(LEFT + width * number, LEFT + 2), RIGHT - 2), 196)], BLUE, 2)
    for number in range(3):
        left = LEFT + width * number
        canvas.box(left, 200, width - 4, 22, SHEET, BLUE, 2, 4)
        canvas.text(left + 8, 232, f"prompt {number + 1}", 16, NOTE)
    return canvas


THUMBNAILS = {
    "InfiniteTalk Single": talking("One speaker", 1),
    "InfiniteTalk Two Speakers": talking("Two speakers", 2),
    "InfiniteTalk Sections": talking("Three minutes, sections", 1, (0.34, 0.67)),
    "Wan Sections": from_picture_to_picture,
    "WanAnimate Animate": animated("Pose and face"),
    "WanAnimate Replace": animated("Replace a character", replaced=True),
    "WanAnimate Long": animated("Any length", long=True),
    "Finish Video": finished,
}
