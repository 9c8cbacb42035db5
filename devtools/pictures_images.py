"""Thumbnails of the image modes: words or a picture on the left, the drawing they become on the right."""

from __future__ import annotations

from collections.abc import Callable

from .pictures import INK, SHEET, SOFT, Canvas, figure
from .pictures_long import frame

ORANGE, STEEL = "#b8651b", "#4a5f7a"
LEFT, RIGHT, TOP, SIDE = 64, 296, 82, 152


def paper(canvas: Canvas, x: float, color: str) -> None:
    canvas.box(x, TOP, SIDE, SIDE, SHEET, color, 2, 6)


def arrow(canvas: Canvas, color: str) -> None:
    middle = TOP + SIDE / 2
    canvas.line([(LEFT + SIDE + 18, middle), (RIGHT - 20, middle)], color, 4)
    canvas.line([(RIGHT - 32, middle - 11), (RIGHT - 19, middle), (RIGHT - 32, middle + 11)], color, 4)


def drawing(family: str, color: str, from_picture: bool) -> Callable[[], Canvas]:
    def draw() -> Canvas:
        canvas = frame("Image to image" if from_picture else "Text to image", family, color)
        paper(canvas, LEFT, color if from_picture else SOFT)
        if from_picture:
            figure(canvas, LEFT + SIDE / 2, TOP + SIDE - 14, 108, 0.25, SOFT, 3)
        else:
            canvas.text(LEFT + 16, TOP + 10, "T", 52, color)
            for row, length in enumerate((62, 112, 96, 118, 74)):
                start = LEFT + (72 if row == 0 else 18)
                canvas.line([(start, TOP + 42 + row * 22), (LEFT + 18 + length, TOP + 42 + row * 22)], SOFT, 4)
        arrow(canvas, color)
        paper(canvas, RIGHT, color)
        canvas.oval(RIGHT + SIDE - 48, TOP + 14, 30, 30, color)
        canvas.line([(RIGHT + 4, TOP + SIDE - 12), (RIGHT + SIDE - 4, TOP + SIDE - 12)], INK, 2)
        figure(canvas, RIGHT + SIDE / 2, TOP + SIDE - 14, 108, 0.5 if from_picture else 0.75, INK, 4)
        return canvas

    return draw


THUMBNAILS = {
    "Pony T2I": drawing("Pony V6 XL", ORANGE, False),
    "Pony I2I": drawing("Pony V6 XL", ORANGE, True),
    "Flux T2I": drawing("Flux.1 dev", STEEL, False),
    "Flux I2I": drawing("Flux.1 dev", STEEL, True),
}
