"""Reads a video file without holding it: frames in small batches, and its sound. Needs PyAV, not the host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import torch


def read_frames(path: Path, batch: int = 8) -> Iterator[torch.Tensor]:
    """Frames of a file in batches [n,H,W,3], float32, 0..1, n <= ``batch``, turned as the file asks for."""
    held = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0) if container.streams.video else ():
            held.append(picture(frame))
            if len(held) == batch:
                yield torch.stack(held)
                held = []
    if held:
        yield torch.stack(held)


def picture(frame: av.VideoFrame) -> torch.Tensor:
    """One decoded frame as [H,W,3], float32, 0..1, turned as the file asks for."""
    # PyAV 14 takes every file for BT.601 unless it is told otherwise; newer ones obey the tag.
    matrix = {"src_colorspace": "ITU709", "dst_colorspace": "DEFAULT"} if frame.colorspace == 1 else {}
    pixels = frame.reformat(format="rgb24", **matrix).to_ndarray()
    turns = round(getattr(frame, "rotation", 0) / 90)
    return torch.from_numpy(np.rot90(pixels, turns).copy()).float() / 255


def read_audio(path: Path) -> dict | None:
    """The sound of a file as a host AUDIO {"waveform": [1,C,N], "sample_rate": Hz}, or None."""
    pieces = []
    with av.open(str(path)) as container:
        # A stream FFmpeg has no decoder for has no codec context; decoding it would crash the process.
        stream = next((s for s in container.streams.audio if s.codec_context is not None), None)
        if stream is None:
            return None
        resampler = av.AudioResampler(format="fltp")
        for frame in container.decode(stream):
            pieces.extend(part.to_ndarray() for part in resampler.resample(frame))
        rate = stream.rate
    if not pieces:
        return None
    return {"waveform": torch.from_numpy(np.concatenate(pieces, axis=1))[None], "sample_rate": rate}
