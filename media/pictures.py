"""Saves pictures with all that belongs to them: names, texts inside, the JSON beside each."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import torch

from ..errors import InputError
from . import hashes, metadata, naming, stills
from .metadata import Origin
from .unfinished import parts
from .video import check_shape, chunks
from .yuv import rgb_to_bytes

FORMATS = ("png", "jpg")


def check(images: torch.Tensor, form: str, quality: int) -> None:
    """Raises InputError for what cannot be saved; every picture is looked at before the first is written."""
    if form not in FORMATS:
        raise InputError("format", f"{form!r} is not known", f"Choose one of {', '.join(FORMATS)}.")
    if quality != int(quality) or not 1 <= quality <= 100:
        raise InputError("quality", f"{quality} is no quality of a JPG", "Give a whole number from 1 to 100.")
    check_shape(images)
    for _ in chunks(images):
        pass


def save(
    images: torch.Tensor, prefix: str, form: str, quality: int, origin: Origin, step: Callable[[int], None]
) -> list[naming.Reserved]:
    """Writes each of ``images`` [N,H,W,3], 0..1, under a name of its own; ``step(pictures written)`` on the way."""
    check(images, form, quality)
    story = metadata.story(origin)
    if story.models:
        hashes.shared().wait(story.models, hashes.PATIENCE)
    saved = []
    for index, image in enumerate(images):
        step(index)
        pixels = rgb_to_bytes(image).cpu().numpy()
        about = {"batch_index": index, "batch_size": len(images)} if len(images) > 1 else {}
        saved.append(_save_one(pixels, prefix, form, quality, story, about))
    step(len(images))
    return saved


def _save_one(
    pixels: np.ndarray, prefix: str, form: str, quality: int, story: metadata.Story, batch: dict
) -> naming.Reserved:
    height, width, _ = pixels.shape
    file = naming.reserve(prefix, form, (width, height))
    part = parts(file.path)[0]
    try:
        about, texts = _told(file, form, quality, (width, height), story, batch)
        if form == "png":
            stills.write_png(part, pixels, texts)
        else:
            stills.write_jpg(part, pixels, texts, quality)
        os.replace(part, file.path)
    except BaseException:
        for path in (part, file.path):
            path.unlink(missing_ok=True)
        raise
    if texts:
        metadata.settle(file.beside(), story, about)
    return file


def _told(file, form: str, quality: int, size: tuple[int, int], story, batch: dict) -> tuple[dict, dict[str, str]]:
    """What metadata says of the picture, and the texts inside it; none with --disable-metadata."""
    if not metadata.enabled():
        return {}, {}
    quality_of = {"quality": quality} if form == "jpg" else {}
    about = metadata.about(story, file=file.filename, format=form, width=size[0], height=size[1], **quality_of, **batch)
    texts = metadata.tags(story.origin.prompt, story.origin.extra_pnginfo, about)
    common = metadata.common(story, about, size)
    return about, texts | ({stills.PARAMETERS: common} if common else {})
