"""Sizes, lengths and pictures that cannot be used."""

from __future__ import annotations

import torch

from .row import BYTES, NAN, Row, ones, picture

SIZES = [
    Row("a width that is no multiple of 16", lambda b: b.fflf(width=500), "width", "Use 496 or 512."),
    Row("a height that is no multiple of 16", lambda b: b.fflf(height=24), "height", "Use 16 or 32."),
    Row("a width of 0", lambda b: b.fflf(width=0), "width", "Use 16 or more."),
    Row("a negative height", lambda b: b.fflf(height=-16), "height", "Use 16 or more."),
    Row("a height in Arbitrary Keyframes", lambda b: b.af(b.key(), height=40), "height", "Use 32 or 48."),
    Row("a length of 0", lambda b: b.fflf(length=0), "length", "at least 1 frame"),
    Row("a negative length", lambda b: b.fflf(length=-81), "length", "81 is usual"),
    Row("no video in the batch", lambda b: b.fflf(batch_size=0), "batch_size", "1 or more"),
    Row(
        "a last picture for one frame", lambda b: b.fflf(last_image=picture(), length=1), "length", "Use 5 or more.",
    ),
    Row("a size from a picture without pixels", lambda b: b.size(picture(1, 0, 32, 3)), "image", "Wire a picture."),
    Row("a size from a budget of nothing", lambda b: b.size(picture(), "custom", 0.0), "megapixels", "at least 256"),
    Row("a width far too large", lambda b: b.fflf(width=160000), "width", "up to about 1280"),
    Row("a size from nothing", lambda b: b.size(None), "image", "Wire a picture."),
    Row("a size from an unknown budget", lambda b: b.size(picture(), "8k"), "budget", "720p (1280x720), custom"),
    Row("a size from a budget of NaN", lambda b: b.size(picture(), "custom", NAN), "megapixels", "0.4 is 480p"),
]  # fmt: skip

PICTURES = [
    Row("a picture without pixels", lambda b: b.key(picture(1, 0, 32, 3)), "keyframe 1", "at least 1x1 pixel"),
    Row("an empty batch", lambda b: b.fflf(first_image=picture(0, 32, 32, 3)), "first_image", "at least 1x1 pixel"),
    Row("a mask wired as picture", lambda b: b.key(ones()), "keyframe 1", "Wire a picture"),
    Row("a picture with alpha", lambda b: b.key(picture(1, 32, 32, 4)), "keyframe 1", "Split Image with Alpha"),
    Row("a last picture with alpha", lambda b: b.fflf(last_image=picture(1, 32, 32, 4)), "last_image", "background"),
    Row("a grey picture of one channel", lambda b: b.key(picture(1, 32, 32, 1)), "keyframe 1", "background"),
    Row("two pictures for one keyframe", lambda b: b.key(picture(2, 32, 32, 3)), "keyframe 1", "ImageFromBatch"),
    Row("a video as first picture", lambda b: b.fflf(first_image=picture(9, 32, 32, 3)), "first_image", "Pick one"),
    Row("a picture of NaN", lambda b: b.key(picture() * NAN), "keyframe 1", "look at the picture before this node"),
    Row("an infinite picture", lambda b: b.fflf(last_image=picture() / 0.0), "last_image", "look at the picture"),
    Row(
        "the second picture in a chain",
        lambda b: b.key(picture(2, 8, 8, 3), 4, keyframes=b.key()),
        "keyframe 2",
        "Pick",
    ),
    Row("a start video with alpha", lambda b: b.fflf(start_video=picture(5, 32, 32, 4)), "start_video", "as IMAGE"),
    Row("a start video without frames", lambda b: b.fflf(start_video=picture(0, 32, 32, 3)), "start_video", "as IMAGE"),
    Row(
        "a start video of NaN",
        lambda b: b.fflf(start_video=picture(5, 32, 32, 3) * NAN),
        "start_video",
        "look at the picture",
    ),
    Row("no picture", lambda b: b.key(None), "keyframe 1", "Wire an IMAGE."),
    Row("a picture of whole numbers", lambda b: b.key(BYTES.to(torch.uint8)), "keyframe 1", "Divide them by 255"),
    Row("a picture in 0..255", lambda b: b.key(BYTES), "keyframe 1", "convert them from 0..255"),
    Row("a picture in -1..1", lambda b: b.fflf(last_image=picture() * 2 - 1), "last_image", "or -1..1"),
    Row("a start video of whole numbers", lambda b: b.fflf(start_video=BYTES.to(torch.uint8)), "start_video", "by 255"),
    Row("a start video in 0..255", lambda b: b.fflf(start_video=BYTES), "start_video", "convert them from 0..255"),
    Row("a start video in -1..1", lambda b: b.fflf(start_video=picture() * 2 - 1), "start_video", "or -1..1"),
    Row("a strip of a start video", lambda b: b.fflf(start_video=picture(5, 4000, 1, 3)), "start_video", "Scale the"),
    Row("a high strip, cropped", lambda b: b.fflf(first_image=picture(1, 4000, 1, 3)), "fit", "Use pad or stretch."),
    Row("a wide strip, cropped", lambda b: b.af(b.key(picture(1, 1, 4000, 3))), "fit", "Use pad or stretch."),
]
