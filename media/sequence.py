"""Writes a video as numbered PNG files in a folder of their own. Needs Pillow, not the host."""

from __future__ import annotations

import os
import shutil
from fractions import Fraction
from pathlib import Path

import torch

from . import stills
from .formats import FORMATS
from .unfinished import parts
from .video import FrameWriter
from .yuv import rgb_to_bytes

DIGITS = 5


class SequenceWriter(FrameWriter):
    """Frames of 8 bits as ``<folder>/<folder's name>_00000.png``, each with ``texts`` inside.

    The folder is filled under another name and takes its own when all frames are there. ``path``: the folder.
    """

    def __init__(
        self, path: Path, fps: float | Fraction, *, texts: dict[str, str] | None = None, claimed: bool = False
    ):
        super().__init__(path, fps, FORMATS["png-sequence"], claimed=claimed)
        self.part = parts(self.path)[0]
        self.texts = dict(texts or {})

    def name(self, number: int) -> str:
        return f"{self.path.name}_{number:0{DIGITS}}.png"

    def _claim(self) -> None:
        self.path.mkdir()

    def _open(self) -> None:
        self.part.mkdir()

    def _add(self, frames: torch.Tensor) -> None:
        for pixels in rgb_to_bytes(frames).cpu().numpy():
            stills.write_png(self.part / self.name(self.frames), pixels, self.texts)
            self.frames += 1

    def _finish(self) -> None:
        self.path.rmdir()  # the name is held by an empty folder; Windows renames onto nothing that exists
        os.rename(self.part, self.path)

    def _discard(self) -> None:
        shutil.rmtree(self.part, ignore_errors=True)
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()
