"""The speech of one window: each video frame with its neighbours, by the frame's place in the whole video.

Reference: InfiniteTalk ``wan/multitalk.py`` (rows -2 to +2 around each frame).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

REACH = 2  # neighbours on each side
LAYERS, WIDTH = 12, 768  # of wav2vec2-base, the only encoder InfiniteTalk was trained with


def rows_of(first: int, frames: int) -> torch.Tensor:
    """[frames, 5]: which rows of the speech each frame hears. ``first`` counts from the start of the sound."""
    return torch.arange(first, first + frames)[:, None] + torch.arange(-REACH, REACH + 1)


def features(speeches: Sequence, first: int, frames: int) -> torch.Tensor:
    """[1, speakers, frames, 5, 12, 768] float32: what a window whose first frame is ``first`` hears."""
    rows = rows_of(first, frames)
    return torch.stack([speech.rows(rows) for speech in speeches])[None]


def silence(frames: int) -> torch.Tensor:
    """[1, 1, frames, 5, 12, 768]: no audio, in the reference always of one speaker, even where two are to speak."""
    return torch.zeros(1, 1, frames, 2 * REACH + 1, LAYERS, WIDTH)
