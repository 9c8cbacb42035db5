"""Thumbnails of FramePack: sections on a strip of time, the order they are drawn in, and what each of them sees."""

from __future__ import annotations

from collections.abc import Callable

from .pictures import GREY, INK, NOTE, SHEET, SOFT, Canvas, figure, sheet
from .pictures_long import LEFT, RIGHT, frame

PLUM = "#8a3b62"
TOP, HEIGHT = 196, 44


def strip(canvas: Canvas, sections: int, forward: bool) -> list[float]:
    """Sections with the number in which they are drawn, and an arrow that way; returns their middles."""
    width = (RIGHT - LEFT) / sections
    middles = []
    for place in range(sections):
        left = LEFT + width * place
        number = place if forward else sections - 1 - place
        canvas.box(left, TOP, width, HEIGHT, SHEET, INK, 1)
        figure(canvas, left + width / 2, TOP + HEIGHT - 4, HEIGHT * 0.74, (place + 0.5) / sections, SOFT, 1.6)
        canvas.text(left + 5, TOP + 3, str(number + 1), 15, PLUM)
        middles.append(left + width / 2)
    tip, tail, barb = (RIGHT, LEFT, -11) if forward else (LEFT, RIGHT, 11)
    canvas.line([(tail, 258), (tip, 258)], PLUM, 3)
    canvas.line([(tip + barb, 249), (tip, 258), (tip + barb, 267)], PLUM, 3)
    return middles


def keyed(canvas: Canvas, x: float, left: float, width: float, time: float) -> None:
    """A picture above the strip, with a line to where it stands."""
    canvas.line([(x, 70 + width * 0.8), (left, TOP)], PLUM, 2)
    sheet(canvas, x, 66, width, time, PLUM)


def standard() -> Canvas:
    canvas = frame("Three keyframes", "FramePack", PLUM)
    middles = strip(canvas, 4, forward=False)
    keyed(canvas, LEFT + 48, LEFT + 4, 92, 0.0)
    for middle in middles[1:]:
        keyed(canvas, middle, middle, 92, (middle - LEFT) / (RIGHT - LEFT))
    return canvas


def forward() -> Canvas:
    canvas = frame("Ten seconds forward", "FramePack F1", PLUM)
    strip(canvas, 8, forward=True)
    keyed(canvas, LEFT + 60, LEFT + 4, 118, 0.0)
    for row, words in enumerate(("sees the start", "and what was made")):
        canvas.text(RIGHT, 92 + 26 * row, words, 18, NOTE, "ra")
    return canvas


def loop() -> Canvas:
    canvas = frame("Back to the start", "FramePack", PLUM)
    strip(canvas, 4, forward=False)
    keyed(canvas, LEFT + 50, LEFT + 4, 100, 0.25)
    keyed(canvas, RIGHT - 50, RIGHT - 4, 100, 0.25)
    canvas.line([(LEFT + 116, 106), (RIGHT - 116, 106)], PLUM, 3)
    for x, barb in ((LEFT + 116, 11), (RIGHT - 116, -11)):
        canvas.line([(x + barb, 97), (x, 106), (x + barb, 115)], PLUM, 3)
    canvas.text(256, 120, "the same picture", 17, NOTE, "ma")
    return canvas


def one_frame() -> Canvas:
    canvas = frame("One frame, new clothes", "FramePack", PLUM)
    for x, words, color in ((96, "input", SOFT), (256, "reference", PLUM), (416, "result", INK)):
        canvas.box(x - 62, 72, 124, 138, SHEET, INK if color == INK else SOFT, 1.5, 6)
        figure(canvas, x, 202, 106, 0.25 if color != PLUM else 0.75, INK if color != PLUM else SOFT, 3)
        canvas.text(x, 220, words, 18, NOTE, "ma")
    for x, fill in ((96, GREY), (256, PLUM), (416, PLUM)):
        canvas.box(x - 17, 128, 34, 40, fill, INK, 1.5, 8)
    canvas.text(176, 126, "+", 34, PLUM, "ma")
    canvas.text(336, 126, "=", 34, PLUM, "ma")
    return canvas


THUMBNAILS: dict[str, Callable[[], Canvas]] = {
    "FramePack Standard": standard,
    "FramePack F1": forward,
    "FramePack Loop": loop,
    "FramePack One Frame": one_frame,
}
