"""Where in time each latent frame of a FramePack call stands: the drawn ones, and the clean ones shown beside them.

Positions are whole numbers from 0 and need not be without gaps. Clean latents come in three groups: 1x, 2x and 4x,
the last two made coarser by the model in time and space. Plain Python.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import InputError
from .plan import F1, check_direction, check_window

SEEN = {1: 1, 2: 2, 4: 16}  # latent frames of what was made before that each group shows
HISTORY = sum(SEEN.values())
ONE_FRAME_LIMIT = 64


@dataclass(frozen=True)
class Positions:
    """``target``: of the frames to be drawn. ``near``: of the two 1x frames. ``double`` and ``quad``: of 2x and 4x."""

    target: tuple[int, ...]
    near: tuple[int, ...]
    double: tuple[int, ...] = ()
    quad: tuple[int, ...] = ()

    def groups(self) -> dict[int, tuple[int, ...]]:
        """By stride, empty ones left out."""
        named = {1: self.near, 2: self.double, 4: self.quad}
        return {stride: times for stride, times in named.items() if times}


def positions(direction: str, window: int, blank: int = 0) -> Positions:
    """Those of one section.

    standard: start | blank | target | 1 | 2 | 16, what comes later in the video behind the target. f1: start | 16 | 2
    | 1 | target, what came before it in front. ``near`` is the start and the nearest frame.
    """
    check_direction(direction)
    check_window(window)
    if direction == F1:
        return _forward(window)
    parts = _cut((1, blank, window, SEEN[1], SEEN[2], SEEN[4]))
    return Positions(parts[2], parts[0] + parts[3], parts[4], parts[5])


def _forward(window: int) -> Positions:
    start, quad, double, near, target = _cut((1, SEEN[4], SEEN[2], SEEN[1], window))
    return Positions(target, start + near, double, quad)


def _cut(sizes: tuple[int, ...]) -> list[tuple[int, ...]]:
    """0, 1, 2 ... in pieces of these sizes."""
    pieces, start = [], 0
    for size in sizes:
        pieces.append(tuple(range(start, start + size)))
        start += size
    return pieces


def one_frame(target: int, shown: tuple[int, ...]) -> Positions:
    """One frame alone at ``target``, with clean frames at ``shown`` and no coarser groups (kisekaeichi)."""
    for name, value in (("target_index", target), *(("history_index", each) for each in shown)):
        if not 0 <= value <= ONE_FRAME_LIMIT:
            raise InputError(name, f"{value} is no position", f"Use 0 to {ONE_FRAME_LIMIT}.")
    return Positions((target,), shown)
