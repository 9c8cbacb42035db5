"""One wrong call, and what rows are made from."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import torch

NAN = float("nan")


@dataclass(frozen=True)
class Row:
    """One wrong call."""

    name: str
    call: Callable
    input_name: str
    remedy: str


def picture(*shape: int) -> torch.Tensor:
    """Random pixels of ``shape`` (one 32x32 RGB picture when left out), the same every time."""
    return torch.rand(shape or (1, 32, 32, 3), generator=torch.Generator().manual_seed(4))


BYTES = picture() * 255


def latent(*shape: int, value: float = 0.0) -> dict:
    return {"samples": torch.full(shape or (1, 16, 3, 4, 4), value)}


def ones(*shape: int) -> torch.Tensor:
    return torch.ones(shape or (1, 32, 32))


def corner(height: int, width: int) -> torch.Tensor:
    """A mask that is white in its upper left corner only."""
    mask = torch.zeros(1, height, width)
    mask[:, :4, :4] = 1.0
    return mask


def narrow() -> list:
    """A prompt as CLIP-L encodes it."""
    return [[torch.zeros(1, 8, 768), {}]]


def tokens(width: int):
    """What a CLIP vision encoder of this width gives."""
    return SimpleNamespace(penultimate_hidden_states=torch.zeros(1, 257, width))


def timeline(*entries, version: int = 1) -> str:
    return json.dumps({"version": version, "keyframes": list(entries)})


def image(name: str, **more) -> dict:
    return {"name": name, "subfolder": "", "type": "input", **more}


def entry(**more) -> str:
    """A timeline of one keyframe that is right but for ``more``."""
    return timeline({"frame": 4, "image": image("good.png"), **more})
