"""Draws the README's picture, the icon and the workflows' thumbnails: ``python devtools/pictures.py``.

Needs Pillow 10.1 or newer and nothing else. The same code gives the same pictures; what it shows is a scheme of
what a workflow does, never a result of a model.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[1]
if not __package__:  # run as a script
    sys.path[0] = str(ROOT)
    __package__ = "devtools"
FINE = 3  # drawn larger and shrunk, for smooth edges
LAST = 80  # frames 0 to 80
LATENTS = 21

PAPER, SHEET, INK, SOFT, GREY = "#efe9dc", "#fffdf7", "#2b2a33", "#a9a294", "#d3ccbd"
NOTE = "#6d675c"
RED, BLUE, GREEN = "#cf4434", "#2c6aa8", "#3d8a58"

# Angles in degrees, 0 = straight down, positive = to the right: left arm, right arm, left leg, right leg, body.
POSES = [
    (-18, 18, -10, 10, 0),
    (-60, 70, -24, 18, 6),
    (-122, 122, -34, 34, 0),
    (-100, 60, -14, 44, -8),
    (-30, 30, -22, 12, 10),
]


class Canvas:
    """A Pillow picture whose coordinates are those of the finished size."""

    def __init__(self, width: int, height: int, background: str = PAPER):
        self.size = (width, height)
        self.image = Image.new("RGB", (width * FINE, height * FINE), background)
        self.draw = ImageDraw.Draw(self.image)

    def box(self, x, y, width, height, fill=None, outline=None, line=1.5, radius=0) -> None:
        corners = [value * FINE for value in (x, y, x + width, y + height)]
        line = 0 if outline is None else round(line * FINE)
        self.draw.rounded_rectangle(corners, radius * FINE, fill, outline, line)

    def oval(self, x, y, width, height, fill=None, outline=None, line=1.5) -> None:
        corners = [value * FINE for value in (x, y, x + width, y + height)]
        self.draw.ellipse(corners, fill, outline, 0 if outline is None else round(line * FINE))

    def line(self, points, fill=INK, line=2.0) -> None:
        scaled = [(x * FINE, y * FINE) for x, y in points]
        self.draw.line(scaled, fill, round(line * FINE), joint="curve")
        if line >= 2:  # round ends
            for x, y in (scaled[0], scaled[-1]):
                half = line * FINE / 2
                self.draw.ellipse((x - half, y - half, x + half, y + half), fill)

    def text(self, x, y, words, size=16, fill=INK, anchor="la") -> None:
        if size < 14:
            raise ValueError(f"{words!r}: {size} px is too small to read")
        self.draw.text((x * FINE, y * FINE), words, fill, ImageFont.load_default(size * FINE), anchor)

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        small = self.image.resize(self.size, Image.Resampling.LANCZOS)
        small.save(path, **({"quality": 90} if path.suffix == ".jpg" else {"optimize": True}))
        width, height = self.size
        print(f"wrote {path.relative_to(ROOT).as_posix()} {width}x{height}, {path.stat().st_size // 1024} KiB")


def pose_at(time: float) -> list[float]:
    """The pose at ``time`` 0..1, between the key poses."""
    place = time * (len(POSES) - 1)
    index = min(int(place), len(POSES) - 2)
    share = place - index
    return [a + (b - a) * share for a, b in zip(POSES[index], POSES[index + 1], strict=True)]


def mixed(share: float) -> str:
    """From paper (0) to ink (1)."""
    parts = [(int(SHEET[at : at + 2], 16), int(INK[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(paper + (ink - paper) * share):02x}" for paper, ink in parts)


def figure(canvas: Canvas, x: float, ground: float, height: float, time: float, color: str = INK,
           line: float = 2.0) -> None:  # fmt: skip
    """A stick figure that stands at (x, ground) in the pose of ``time``."""
    left_arm, right_arm, left_leg, right_leg, body = (math.radians(angle) for angle in pose_at(time))
    jump = height * 0.12 * math.sin(math.pi * min(1.0, max(0.0, time * 2 - 0.5)))
    hip = (x, ground - height * 0.42 - jump)
    neck = (hip[0] + math.sin(body) * height * 0.3, hip[1] - math.cos(body) * height * 0.3)
    head = height * 0.13
    for start, angle, length in (
        (neck, left_arm, 0.34), (neck, right_arm, 0.34), (hip, left_leg, 0.42), (hip, right_leg, 0.42),
    ):  # fmt: skip
        end = (start[0] + math.sin(angle) * height * length, start[1] + math.cos(angle) * height * length)
        canvas.line([start, end], color, line)
    canvas.line([hip, neck], color, line)
    canvas.oval(neck[0] - head, neck[1] - 2 * head, 2 * head, 2 * head, SHEET, color, line)


def sheet(canvas: Canvas, x: float, y: float, width: float, time: float, color: str, strength: float = 1.0,
          mask: bool = False) -> None:  # fmt: skip
    """A key drawing on its peg-holed paper, its top centre at (x, y); with a mask only the inside applies."""
    height = width * 0.8
    left = x - width / 2
    canvas.box(left + 2, y + 3, width, height, GREY, radius=3)
    canvas.box(left, y, width, height, SHEET, INK, 1.2, 3)
    for hole in (0.3, 0.5, 0.7):
        wide = width * (0.12 if hole != 0.5 else 0.06)
        canvas.box(left + width * hole - wide / 2, y + height * 0.05, wide, height * 0.06, PAPER, SOFT, 0.8, 2)
    if mask:  # grey is what the model draws freely
        canvas.box(left + 3, y + height * 0.15, width - 6, height * 0.85 - 3, GREY, radius=2)
        canvas.oval(x - width * 0.3, y + height * 0.15, width * 0.6, height * 0.82, SHEET, color, 2)
    size = 0.58 if mask else 0.66
    figure(canvas, x, y + height * 0.9, height * size, time, mixed(strength), max(1.6, width / 36))


@dataclass(frozen=True)
class Strip:
    """The time strip: one cell per latent frame, frames 0 to 80."""

    x: float
    y: float
    width: float
    height: float

    def at(self, frame: int) -> float:
        """The middle of the latent frame that holds ``frame``."""
        return self.x + self.width * ((frame + 3) // 4 + 0.5) / LATENTS

    def paint(self, canvas: Canvas, marks: dict[int, str]) -> None:
        """Cells, those with a key drawing coloured; in the others what the model draws, in pale."""
        cell = self.width / LATENTS
        given = {(frame + 3) // 4: color for frame, color in marks.items()}
        for index in range(LATENTS):
            left = self.x + cell * index
            canvas.box(left, self.y, cell, self.height, given.get(index, SHEET), INK, 1)
            color = SHEET if index in given else SOFT
            ground, time = self.y + self.height * 0.9, index / (LATENTS - 1)
            figure(canvas, left + cell / 2, ground, self.height * 0.72, time, color, 1.4)


@dataclass(frozen=True)
class Scene:
    """What a thumbnail shows. ``keys``: frame of each key drawing; ``masked``: those with a mask."""

    family: str
    mode: str
    color: str
    keys: list[int] = field(default_factory=list)
    masked: tuple[int, ...] = ()


SCENES = {
    "AniSora T2V": Scene("AniSora", "Text to video", RED),
    "AniSora I2V": Scene("AniSora", "Image to video", RED, [0]),
    "AniSora FFLF": Scene("AniSora", "First + last frame", RED, [0, 80]),
    "AniSora Keyframes": Scene("AniSora", "Keyframes anywhere", RED, [0, 20, 40, 60, 80]),
    "AniSora Localized": Scene("AniSora", "Keyframe in a mask", RED, [0, 40], (40,)),
    "Phr00t T2V": Scene("Phr00t Rapid", "Text to video", BLUE),
    "Phr00t I2V": Scene("Phr00t Rapid", "Image to video", BLUE, [0]),
    "Phr00t FFLF": Scene("Phr00t Rapid", "First + last frame", BLUE, [0, 80]),
    "Standard I2V": Scene("Wan I2V", "Image to video", GREEN, [0]),
}


def thumbnail(scene: Scene) -> Canvas:
    canvas = Canvas(512, 288)
    canvas.box(0, 0, 512, 8, scene.color)
    canvas.text(24, 22, scene.mode, 26)
    canvas.text(488, 26, scene.family, 20, scene.color, "ra")
    strip = Strip(24, 206, 464, 40)
    strip.paint(canvas, dict.fromkeys(scene.keys, scene.color))
    width = 74 if len(scene.keys) > 2 else 108
    for frame in scene.keys:
        middle = min(max(strip.at(frame), 24 + width / 2), 488 - width / 2)
        bottom = 74 + width * 0.8
        canvas.line([(middle, bottom), (strip.at(frame), strip.y)], scene.color, 2)
        sheet(canvas, middle, 74, width, frame / LAST, scene.color, mask=frame in scene.masked)
    for frame in {0, LAST, *scene.keys}:
        canvas.text(strip.at(frame), 252, str(frame), 17, scene.color if frame in scene.keys else NOTE, "ma")
    if not scene.keys:
        prompt_card(canvas, scene.color)
    return canvas


def prompt_card(canvas: Canvas, color: str) -> None:
    """A card with lines of words, and an arrow to the strip."""
    canvas.box(150, 70, 212, 92, SHEET, INK, 1.5, 8)
    canvas.text(166, 78, "T", 60, color)
    for row, length in enumerate((130, 112, 124, 70)):
        canvas.line([(218, 90 + row * 18), (218 + length, 90 + row * 18)], SOFT, 4)
    canvas.line([(256, 162), (256, 196)], color, 3)
    canvas.line([(247, 187), (256, 197), (265, 187)], color, 3)


def readme_picture() -> Canvas:
    """Key drawings on the time strip, and what one of them is inside its latent frame."""
    canvas = Canvas(1200, 620)
    canvas.text(40, 28, "Key drawings in time; the model draws what lies between", 30)
    strip = Strip(40, 318, 1120, 64)
    keys = {0: (1.0, False, "strength 1"), 24: (0.6, False, "strength 0.6"), 40: (1.0, True, "in a mask"),
            80: (1.0, False, "last frame (-1)")}  # fmt: skip
    strip.paint(canvas, dict.fromkeys(keys, RED))
    for frame, (strength, mask, words) in keys.items():
        middle = min(max(strip.at(frame), 40 + 85), 1160 - 85)
        canvas.line([(middle, 224), (strip.at(frame), strip.y)], RED, 2.5)
        sheet(canvas, middle, 116, 170, frame / LAST, RED, strength, mask)
        canvas.text(middle, 84, words, 20, INK, "ma")
        canvas.text(strip.at(frame), 388, f"frame {frame}", 19, RED, "ma")
    canvas.text(600, 416, "81 frames are 21 latent frames: frame 0 alone, then four at a time", 19, INK, "ma")
    exact = ["the picture is one of the four,", "the model draws the others"]
    latent_detail(canvas, 40, "mask_mode exact", exact, (3,))
    latent_detail(canvas, 640, "mask_mode hold", ["the picture fills all four"], (0, 1, 2, 3))
    return canvas


def latent_detail(canvas: Canvas, x: float, title: str, words: list[str], given: tuple[int, ...]) -> None:
    """The four pixel frames 37 to 40 of one latent frame; ``given``: those the picture fills."""
    canvas.text(x, 478, title, 22, RED)
    for row, part in enumerate(words):
        canvas.text(x, 510 + row * 26, part, 18)
    for index in range(4):
        left = x + 256 + index * 57
        canvas.box(left, 474, 52, 78, SHEET if index in given else GREY, INK, 1.2, 3)
        if index in given:
            figure(canvas, left + 26, 544, 58, 0.5, INK, 2)
        canvas.text(left + 26, 560, str(37 + index), 18, RED if index in given else INK, "ma")


def icon() -> Canvas:
    """A key drawing on a strip of four frames."""
    canvas = Canvas(400, 400, RED)
    sheet(canvas, 200, 44, 280, 0.5, RED)
    for index in range(4):
        canvas.box(60 + index * 72, 306, 64, 56, SHEET if index == 3 else "#e58a7f", INK, 3, 6)
    return canvas


def banner() -> Canvas:
    """For the registry's page, 21 to 9: the name, and key drawings above the strip they stand on."""
    canvas = Canvas(1260, 540)
    canvas.box(0, 0, 1260, 16, RED)
    canvas.text(60, 52, "Genga", 76)
    canvas.text(1200, 96, "key drawings in time; the model draws what lies between", 26, NOTE, "ra")
    strip = Strip(60, 412, 1140, 76)
    keys = (0, 24, 52, LAST)
    strip.paint(canvas, dict.fromkeys(keys, RED))
    for frame in keys:
        middle = min(max(strip.at(frame), 60 + 95), 1200 - 95)
        canvas.line([(middle, 322), (strip.at(frame), strip.y)], RED, 3)
        sheet(canvas, middle, 168, 190, frame / LAST, RED)
    return canvas


def main() -> None:
    banner().save(ROOT / "assets" / "banner.png")
    readme_picture().save(ROOT / "assets" / "keyframes.png")
    icon().save(ROOT / "assets" / "icon.png")
    for name, scene in SCENES.items():
        thumbnail(scene).save(ROOT / "workflows" / f"{name}.jpg")
    from . import pictures_framepack, pictures_images, pictures_long  # they draw with what is above

    modules = (pictures_long, pictures_images, pictures_framepack)
    for name, draw in (item for module in modules for item in module.THUMBNAILS.items()):
        if (ROOT / "workflows" / f"{name}.json").exists():
            draw().save(ROOT / "workflows" / f"{name}.jpg")


if __name__ == "__main__":
    main()
