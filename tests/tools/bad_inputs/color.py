"""Color Match."""

from __future__ import annotations

import torch

from .row import BYTES, NAN, Row, ones, picture

COLOR = [
    Row("a method that is none", lambda b: b.color(method="lab"), "method", "disabled, mkl"),
    Row("a strength above 1", lambda b: b.color(strength=1.5), "strength", "1 matches fully"),
    Row("a strength below 0", lambda b: b.color(strength=-0.5), "strength", "0 changes nothing"),
    Row("a strength of NaN", lambda b: b.color(strength=NAN), "strength", "0 changes nothing"),
    Row("statistics that are none", lambda b: b.color(statistics="all"), "statistics", "per_frame, uniform"),
    Row("a target after the end", lambda b: b.target(2), "target_index", "Use 0 to 1, or -1 for the last."),
    Row("a target before the start", lambda b: b.target(-3), "target_index", "-1 for the last."),
    Row("no frames to match", lambda b: b.color(None), "image", "Wire an IMAGE."),
    Row("no reference", lambda b: b.color(reference=None), "reference", "Wire an IMAGE."),
    Row("frames that are none", lambda b: b.color(picture(0, 32, 32, 3)), "image", "at least 1x1 pixel"),
    Row("a reference without pixels", lambda b: b.color(reference=picture(1, 0, 32, 3)), "reference", "1x1 pixel"),
    Row("a mask as reference", lambda b: b.color(reference=ones()), "reference", "Wire an IMAGE"),
    Row("frames with alpha to match", lambda b: b.color(picture(2, 32, 32, 4)), "image", "Split Image with Alpha"),
    Row("a reference with alpha", lambda b: b.color(reference=picture(1, 8, 8, 4)), "reference", "background"),
    Row("a reference of one channel", lambda b: b.color(reference=picture(1, 8, 8, 1)), "reference", "background"),
    Row("frames of NaN to match", lambda b: b.color(picture() * NAN), "image", "look at the picture before"),
    Row("an infinite reference", lambda b: b.color(reference=picture() / 0.0), "reference", "look at the picture"),
    Row("whole numbers to match", lambda b: b.color(picture().to(torch.uint8)), "image", "Divide them by 255"),
    Row("a reference in 0..255", lambda b: b.color(reference=BYTES), "reference", "convert them from 0..255"),
    Row("frames in -1..1 to match", lambda b: b.color(picture() * 2 - 1), "image", "or -1..1"),
    Row(
        "a reference of another size for the same place",
        lambda b: b.color(reference=picture(1, 8, 8, 3), method="mvgd-aligned"), "reference", "the same size",
    ),
]  # fmt: skip
