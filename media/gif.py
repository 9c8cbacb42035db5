"""Writes a GIF frame by frame: one palette for the whole of it, so colours do not flicker. Needs PyAV, not the host.

The palette comes from a first pass over the frames, by FFmpeg's palettegen; only counts of colours are held.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
import torch

from .formats import FORMATS
from .video import FrameWriter, chunks
from .yuv import rgb_to_bytes

# Ordered dither: it stays in place from frame to frame, so what does not move costs nothing.
_DITHER = "dither=bayer:bayer_scale=4:diff_mode=rectangle"
_PALETTE = 16  # the palette is a picture of 16 by 16 colours
_HEADER = 13  # bytes before the palette
_BLOCK = 255  # bytes in one block of a comment
# Bytes for each pixel of each frame: what noise takes at most is about 1, a moving scene about half.
_BYTES_PER_PIXEL = 0.5


def likely_size(size: tuple[int, int], frames: int) -> int:
    """Bytes that a GIF of a moving scene takes, roughly."""
    return round(size[0] * size[1] * frames * _BYTES_PER_PIXEL)


def palette_of(batches: Iterable[torch.Tensor]) -> np.ndarray:
    """The 256 colours [16,16,4] that suit all frames: batches [N,H,W,3] in 0..1, read once."""
    source = None
    for batch in batches:
        for frame in _frames(batch):
            if source is None:
                graph = av.filter.Graph()
                source, sink = _source(graph, frame), graph.add("buffersink")
                _link(graph, source, graph.add("palettegen", "stats_mode=full"), sink)
            source.push(frame)
    source.push(None)
    return sink.pull().to_ndarray(format="rgba")


class GifWriter(FrameWriter):
    """Streams RGB frames into a GIF that repeats for ever; ``comment`` stands in its head, as ASCII.

    A GIF's clock counts hundredths of a second, so single frames may last 0.01 s more than others; the whole is exact.
    """

    def __init__(
        self, path: Path, fps: float | Fraction, palette: np.ndarray, *, comment: str = "", claimed: bool = False
    ):
        super().__init__(path, fps, FORMATS["gif"], claimed=claimed)
        self.palette, self.comment = palette, comment
        self._container = self._file = None

    def _open(self) -> None:
        encoder = self.form.encoder()
        self._file = _Commented(self.part.open("wb"), self.comment)
        self._container = av.open(self._file, mode="w", format=self.form.muxer)
        self._stream = self._container.add_stream(encoder, rate=self.fps)
        self._stream.width, self._stream.height = self.size
        self._stream.pix_fmt = "pal8"

    def _add(self, frames: torch.Tensor) -> None:
        for frame in _frames(frames):
            frame.pts, frame.time_base = self.frames, 1 / self.fps
            if self.frames == 0:
                self._map(frame)
            self._source.push(frame)
            self.frames += 1
            self._pass_on()

    def _map(self, frame: av.VideoFrame) -> None:
        """The filter that gives every pixel its colour of the palette."""
        graph = av.filter.Graph()
        palette = av.VideoFrame.from_ndarray(self.palette, format="rgba").reformat(format="bgra")
        palette.pts, palette.time_base = 0, frame.time_base
        self._source, colours = _source(graph, frame), _source(graph, palette)
        use, self._sink = graph.add("paletteuse", _DITHER), graph.add("buffersink")
        colours.link_to(use, 0, 1)
        _link(graph, self._source, use, self._sink)
        colours.push(palette)
        colours.push(None)
        self._graph = graph

    def _pass_on(self) -> None:
        while True:
            try:
                frame = self._sink.pull()
            except (av.BlockingIOError, av.EOFError):  # it wants more, or has given all
                return
            frame.time_base = 1 / self.fps
            self._container.mux(self._stream.encode(frame))

    def _finish(self) -> None:
        self._source.push(None)
        self._pass_on()
        self._container.mux(self._stream.encode(None))
        self._container.close()
        self._file.close()
        os.replace(self.part, self.path)

    def _discard(self) -> None:
        with contextlib.suppress(av.FFmpegError, OSError):
            if self._container is not None:
                self._container.close()
            if self._file is not None:
                self._file.close()
        super()._discard()


def head_length(head: bytes) -> int:
    """Length of a GIF's header with its palette; blocks follow (GIF89a, sections 17 to 19)."""
    packed = head[10]
    return _HEADER + (3 << ((packed & 7) + 1) if packed & 0x80 else 0)


class _Commented:
    """A file for the muxer, which cannot write comments: one is put behind the header as it passes."""

    def __init__(self, file: BinaryIO, comment: str):
        self.file, self.close = file, file.close
        self._head: bytes | None = b"" if comment else None
        data = comment.encode("ascii")
        blocks = [data[start : start + _BLOCK] for start in range(0, len(data), _BLOCK)]
        self._comment = b"\x21\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"

    def write(self, data: bytes) -> int:
        if self._head is None:
            return self.file.write(data)
        self._head += data
        if len(self._head) >= _HEADER and len(self._head) >= head_length(self._head):
            place = head_length(self._head)
            self.file.write(self._head[:place] + self._comment + self._head[place:])
            self._head = None
        return len(data)


def _frames(batch: torch.Tensor) -> Iterator[av.VideoFrame]:
    for piece in chunks(batch):
        for pixels in rgb_to_bytes(piece).cpu().numpy():
            yield av.VideoFrame.from_ndarray(pixels, format="rgb24")


def _source(graph: av.filter.Graph, frame: av.VideoFrame):
    """Where frames like this one go into the graph."""
    given = {"width": frame.width, "height": frame.height, "format": frame.format.name}
    return graph.add_buffer(**given, time_base=frame.time_base or Fraction(1, 100))


def _link(graph: av.filter.Graph, source, filtering, sink) -> None:
    source.link_to(filtering)
    filtering.link_to(sink)
    graph.configure()
