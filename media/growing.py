"""The video so far, while a long one is made: finished pieces joined by packet copy into a file for looking at."""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import av

from ..errors import InputError
from .segments import join

MOST_BYTES = 300_000_000  # copied after each piece: seconds beside the minutes a piece takes


class GrowingVideo:
    """Called with the finished pieces, {index: path}: joins them in ``folder`` and tells.

    told(path, first, last): the new file, and which pieces it shows. Only the latest file stays. Where the pieces are
    more than ``most_bytes``, the latest of them are shown. What goes wrong here stops nothing: it is only a look.
    """

    def __init__(
        self, folder: Path, fps: Fraction, told: Callable[[Path, int, int], None], most_bytes: int = MOST_BYTES
    ):
        self.folder, self.fps, self.told, self.most_bytes = Path(folder), fps, told, most_bytes
        self.name, self.count, self.last = f"genga_windows_{uuid.uuid4().hex[:12]}", 0, None

    def __call__(self, pieces: Mapping[int, Path]) -> None:
        if not pieces:
            return
        try:
            places = recent(pieces, self.most_bytes)
            self.count += 1
            out = self.folder / f"{self.name}_{self.count}.mp4"  # a new name: players keep what they have read
            join([pieces[place] for place in places], out, self.fps)
        except (OSError, av.FFmpegError, InputError) as error:
            logging.info("[Genga] no preview of the windows so far: %s", error)
            return
        self.told(out, places[0], places[-1])
        if self.last is not None:
            with contextlib.suppress(OSError):  # Windows keeps what is being played; the host clears the folder
                self.last.unlink(missing_ok=True)
        self.last = out


def recent(pieces: Mapping[int, Path], most_bytes: int) -> list[int]:
    """The indices to show, in order of time: as many of those made last as fit, one at least.

    ``pieces`` is in the order they were made; where that runs backward in time, the earliest are the latest made.
    """
    chosen, size = [], 0
    for index in reversed(pieces):
        size += pieces[index].stat().st_size
        if chosen and size > most_bytes:
            break
        chosen.append(index)
    return sorted(chosen)
