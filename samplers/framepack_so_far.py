"""The FramePack video so far, while it is drawn: each new section decoded and faded into what is there."""

from __future__ import annotations

import contextlib
import logging
import shutil
import uuid
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import torch

from ..conditioning.framepack import plan
from ..errors import InputError
from . import framepack_decode as room


class SoFar:
    """Called with the sections that are drawn, in that order: writes the new frames, and tells which pieces there are.

    What waits for the next section is shown as well: a piece that is replaced then. ``grown(pieces)``: files by number
    of their section in time, from 1 (0: the start). Called for the first time in the middle of a run, because the
    sections before lay in the store, it begins with the last two. What goes wrong here stops nothing: it is only a look.
    """

    def __init__(
        self,
        start: torch.Tensor,
        direction: str,
        window: int,
        sections: int,
        decode: room.Decode,
        open_segment: Callable,
        grown: Callable[[dict[int, Path]], None],
        folder: Path,
    ):
        self.start, self.forward, self.sections = start, direction == plan.F1, sections
        self.decode, self.open_segment, self.grown = decode, open_segment, grown
        self.fade = room.Fade(room.overlap(window), backward=not self.forward)
        self.folder = Path(folder) / f"genga_framepack_{uuid.uuid4().hex[:12]}"
        self.pieces: dict[int, Path] = {}
        self.works = True

    def __enter__(self) -> SoFar:
        return self

    def __exit__(self, *_error) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def __call__(self, made: list[torch.Tensor]) -> None:
        if not (self.works and made):
            return
        try:
            self._add(made)
        except (InputError, OSError, av.FFmpegError) as error:
            self.works = False
            logging.info("[Genga] no preview of the sections so far: %s", error)
            return
        self.grown(dict(self.pieces))

    def _add(self, made: list[torch.Tensor]) -> None:
        number = len(made) if self.forward else self.sections + 1 - len(made)
        final = self.fade.add(self.decode(self._clip(made)), last=False)
        beside = number - 1 if self.forward else number + 1
        replaced = self.pieces.pop(beside, None)
        if len(final):
            self.pieces[beside] = self._written(final)
        self.pieces[number] = self._written(self.fade.held)
        if replaced is not None:
            with contextlib.suppress(OSError):  # Windows keeps what is being read
                replaced.unlink(missing_ok=True)

    def _clip(self, made: list[torch.Tensor]) -> torch.Tensor:
        """The newest section with the one drawn before it, and in front of F1's first one the start."""
        near = made[-2:] if self.forward else made[-2:][::-1]
        front = [self.start[:, :, :1].to(near[0])] if self.forward and len(made) == 1 else []
        return torch.cat([*front, *near], 2)

    def _written(self, frames: torch.Tensor) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{uuid.uuid4().hex}.mp4"
        with self.open_segment(path, Fraction(plan.FPS)) as segment:
            segment.write(frames)
        return path
