"""Short films whose frames bear their number, so that a test can tell which frame it was given."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch

BITS, SIDE = 10, 40


def numbered(number: int, side: int = SIDE) -> np.ndarray:
    """[side, side, 3] uint8: the number as black and white bars, the lowest bit first."""
    columns = [255 * ((number >> (x * BITS // side)) & 1) for x in range(side)]
    return np.broadcast_to(np.array(columns, np.uint8)[None, :, None], (side, side, 3)).copy()


def number_of(picture: torch.Tensor) -> int:
    """The number on [side, side, 3]."""
    side = picture.shape[1]
    row = picture[picture.shape[0] // 2].mean(-1)
    middles = [(2 * bit + 1) * side // (2 * BITS) for bit in range(BITS)]
    return sum(int(row[x] > 0.5) << bit for bit, x in enumerate(middles))


def batch(count: int, side: int = SIDE) -> torch.Tensor:
    """Numbered frames as IMAGE [count, side, side, 3]."""
    return torch.stack([torch.from_numpy(numbered(n, side)) for n in range(count)]).float() / 255


def write(
    path: Path, count: int, rate=25, times: list[Fraction] | None = None, codec="libx264", group=12, side: int = SIDE
) -> Path:
    """A film of numbered frames; ``times``: when each is shown, in seconds, instead of one by one at ``rate``."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(rate))
        stream.width = stream.height = side
        stream.pix_fmt = "yuv444p" if codec == "libx264" else "yuv420p"
        stream.gop_size = group
        base = Fraction(1, 1000) if times else 1 / Fraction(rate)
        stream.codec_context.time_base = base
        for n in range(count):
            frame = av.VideoFrame.from_ndarray(numbered(n, side), format="rgb24")
            frame.pts = n if times is None else round(times[n] / base)
            frame.time_base = base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
