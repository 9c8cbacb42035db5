"""What a model is shown of a clip: key pictures at moments, each with a strength, some inside a mask only.

The pictures and the mask go through the pack's own arithmetic (conditioning/clip.py), so the models learn exactly what
the nodes will ask of them. At strength s a picture is as far from the clip's frame as 1 - s says: its shape stands
elsewhere, its background has another tone, now and then shape or colour are others. So a model can trust a picture just
as far as its strength, and that is what it learns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from .. import world

MOST = 5  # pictures in a clip
FULL = 0.5  # of the clips have strength 1 throughout
MASKED = 0.2  # of the pictures apply inside a mask only
HELD = 0.4  # of the clips hold each picture over its latent frame
AWAY = 16.0  # pixels that a picture of strength 0 is off, in the mean of each direction
MEAN_CHANGE = 0.6  # of the pictures of strength 0 have another shape or colour


@dataclass(frozen=True)
class Shown:
    """pixels: [F, H, W, 3], grey but for the pictures. known: [4, T, h, w], the share that is given (1 - the host's)."""

    pixels: torch.Tensor
    known: torch.Tensor


def shown(clip: world.Clip, seed: int) -> Shown:
    """A drawn choice of key pictures of ``clip``; needs the pack loaded as ``genga``."""
    from genga.conditioning import clip as arithmetic

    dice = world.Dice(seed)
    count = 1 + int(dice.between(0, MOST))
    hold = dice.between(0, 1) < HELD
    frames = _places(dice, clip.scene.frames, count, hold)
    full = dice.between(0, 1) < FULL
    size = arithmetic.Frame(world.SIZE, world.SIZE, clip.scene.frames)
    pictures, strengths = [], []
    for frame in frames:
        strength = 1.0 if full else dice.between(0.1, 1.0)
        picture = clip.frames[frame] if strength == 1.0 else _loose(clip.scene, dice, strength, frame)
        where = _part(clip, dice, frame) if dice.between(0, 1) < MASKED else None
        if where is not None:
            picture = (picture - arithmetic.GREY) * where[..., None] + arithmetic.GREY
        pictures.append(arithmetic.Picture(frame, picture, where))
        strengths.append(strength)
    known = 1 - arithmetic.concat_mask(pictures, strengths, size, hold)[0]
    return Shown(arithmetic.pixel_clip(pictures, size, hold), known)


def between(clip: world.Clip, seed: int) -> Shown:
    """One or two exact pictures of strength 1 inside latent frames, which is the hardest place to keep them."""
    from genga.conditioning import clip as arithmetic

    dice = world.Dice(seed)
    inside = tuple(frame for frame in range(clip.scene.frames) if frame % 4)
    frames = sorted({dice.pick(inside) for _ in range(1 + int(dice.between(0, 2)))})
    size = arithmetic.Frame(world.SIZE, world.SIZE, clip.scene.frames)
    pictures = [arithmetic.Picture(frame, clip.frames[frame], None) for frame in frames]
    known = 1 - arithmetic.concat_mask(pictures, [1.0] * len(frames), size, False)[0]
    return Shown(arithmetic.pixel_clip(pictures, size, False), known)


def _places(dice, frames: int, count: int, hold: bool) -> list[int]:
    """Frames of the pictures: mostly where a latent frame ends, often the first or the last."""
    step = 4 if hold or dice.between(0, 1) < 0.6 else 1
    grid = list(range(0, frames, step))
    found = set()
    if dice.between(0, 1) < 0.4:
        found.add(0)
    if count > 1 and dice.between(0, 1) < 0.3:
        found.add(frames - 1)
    while len(found) < min(count, len(grid)):
        found.add(dice.pick(tuple(grid)))
    return sorted(found)


def _loose(scene: world.Scene, dice, strength: float, frame: int) -> torch.Tensor:
    """The frame as it might be in another take."""
    loose = 1 - strength

    def near(place):
        return tuple(
            min(max(x + AWAY * loose * dice.between(-1.7, 1.7), world.BORDER), 64 - world.BORDER) for x in place
        )

    first, second, angle = scene.background
    other = dice.shade()
    background = tuple(tuple(a + loose * (b - a) for a, b in zip(tone, other, strict=True)) for tone in (first, second))
    changes = {"background": (*background, angle)}
    shapes = []
    for shape in scene.shapes:
        shape = replace(shape, start=near(shape.start))
        if dice.between(0, 1) < MEAN_CHANGE * loose:
            shape = replace(shape, colour=dice.pick(tuple(world.COLOURS)))
        if dice.between(0, 1) < MEAN_CHANGE * loose:
            shape = replace(shape, shape=dice.pick(world.SHAPES))
        shapes.append(shape)
    if scene.kind == "figure":
        changes["place"] = tuple(a + 8 * loose * dice.between(-1, 1) for a in scene.place)
        changes["phase"] = scene.phase + 3 * loose * dice.between(-1, 1)
    return world.draw(replace(scene, shapes=tuple(shapes), **changes), slice(frame, frame + 1)).frames[0]


def _part(clip: world.Clip, dice, frame: int) -> torch.Tensor:
    """A mask [H, W]: around one of the shapes, or a half of the picture, on the latent grid's cells."""
    where = torch.zeros(world.SIZE, world.SIZE)
    if dice.between(0, 1) < 0.6:
        x, y = clip.centres[int(dice.between(0, len(clip.centres))), frame].tolist()
        left, top = (max(0, int((value - 12) // 8 * 8)) for value in (x, y))
        where[top : top + 32, left : left + 32] = 1.0
        return where
    half = dice.pick((0, 1, 2, 3))
    rows = slice(None) if half > 1 else (slice(0, 32) if half == 0 else slice(32, 64))
    columns = slice(None) if half < 2 else (slice(0, 32) if half == 2 else slice(32, 64))
    where[rows, columns] = 1.0
    return where
