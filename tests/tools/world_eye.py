"""What is to be seen in a clip of the small world: which colour moves, where it is, where to and how fast."""

from __future__ import annotations

from dataclasses import replace

import torch
from tiny import world

NEAR = 0.3  # how far a pixel's colour may be from a shape's and still be its own
LEAST = 12  # pixels that are something
BLURS = (0.0, 1.5, 2.5, 3.5, 4.5)  # pixels


def pixels_of(frames: torch.Tensor, colour: str) -> torch.Tensor:
    """[F, H, W] frames of [F, H, W, 3] -> how much each pixel is of ``colour``: 1 on it, 0 from NEAR away."""
    distance = (frames - torch.tensor(world.COLOURS[colour])).norm(dim=-1)
    return (1 - distance / NEAR).clamp(0, 1)


def colour_of(frames: torch.Tensor) -> str:
    """The world's colour that most pixels have."""
    return max(world.COLOURS, key=lambda colour: float(pixels_of(frames, colour).sum()))


def centres_of(frames: torch.Tensor, colour: str) -> torch.Tensor:
    """[F, 2]: where that colour is, x and y; NaN in frames that have next to nothing of it."""
    weight = pixels_of(frames, colour)
    total = weight.sum((1, 2))
    line = torch.arange(world.SIZE) + 0.5
    x, y = (weight.sum(1) @ line) / total, (weight.sum(2) @ line) / total
    centres = torch.stack((x, y), -1)
    centres[total < LEAST] = float("nan")
    return centres


def direction_of(frames: torch.Tensor, colour: str) -> str | None:
    """Where the colour goes in the clip, by its way from the first quarter to the last; None if it is not there."""
    centres = centres_of(frames, colour)
    quarter = max(len(frames) // 4, 1)
    way = centres[-quarter:].nanmean(0) - centres[:quarter].nanmean(0)
    if not torch.isfinite(way).all():
        return None
    return max(world.DIRECTIONS, key=lambda name: float(way @ torch.tensor(world.DIRECTIONS[name])))


def speed_of(frames: torch.Tensor, colour: str) -> float:
    """Pixels a frame along the way; 0 where the colour is not to be seen."""
    steps = centres_of(frames, colour)[::4].diff(dim=0)
    steps = steps[torch.isfinite(steps).all(-1)]
    return float(steps.norm(dim=-1).mean()) / 4 if len(steps) else 0.0


def shape_of(frame: torch.Tensor, shape: world.Shape, background: tuple) -> str:
    """The world's shape that, drawn in this one's colour and at its place, is nearest to a frame [H, W, 3].

    The VAE is soft: each candidate is compared as sharp as it is drawn, and blurred, and counts at its best.
    """

    def off(name: str) -> float:
        scene = world.Scene("one", 1, (replace(shape, shape=name),), background)
        drawn = world.draw(scene).frames[0]
        return min(float((_blurred(drawn, width) - frame).square().sum()) for width in BLURS)

    return min(world.SHAPES, key=off)


def _blurred(picture: torch.Tensor, width: float) -> torch.Tensor:
    """[H, W, 3] under a Gaussian of ``width`` pixels."""
    if not width:
        return picture
    at = torch.arange(-12, 13.0)
    kernel = torch.exp(-0.5 * (at / width) ** 2)
    kernel = (kernel / kernel.sum()).expand(3, 1, -1)
    planes = torch.nn.functional.pad(picture.movedim(-1, 0)[None], (12, 12, 12, 12), "replicate")
    rows = torch.nn.functional.conv2d(planes, kernel[:, :, None], groups=3)
    return torch.nn.functional.conv2d(rows, kernel[..., None], groups=3)[0].movedim(0, -1)


def psnr(first: torch.Tensor, second: torch.Tensor) -> float:
    """In dB, of pictures in 0..1."""
    return float(-10 * torch.log10((first - second).square().mean().clamp_min(1e-12)))
