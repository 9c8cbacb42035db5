"""Writes one picture as PNG or JPG with what it says about itself inside. Needs Pillow, not the host.

PNG: text chunks. JPG: the common parameters as EXIF's UserComment, all else as XMP (xmp.py), which may be longer
than the 64 kB that EXIF ends at.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin

from . import xmp

PARAMETERS = "parameters"  # under this name other programs look for settings in a PNG
_UNICODE = b"UNICODE\0"  # EXIF 2.32, section 4.6.5: which letters a UserComment is in
_LONGEST = 30_000  # letters that EXIF has room for
_FASTER = 4  # PNG's compression: a quarter of the time of the default at nearly its size


def write_png(path: Path, pixels: np.ndarray, texts: dict[str, str]) -> None:
    """``pixels``: [H,W,3], uint8. ``texts``: one text chunk each."""
    info = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    Image.fromarray(pixels).save(path, "PNG", pnginfo=info, compress_level=_FASTER)


def write_jpg(path: Path, pixels: np.ndarray, texts: dict[str, str], quality: int) -> None:
    """``quality``: 1 to 100. Colours keep the full size (4:4:4), so red edges stay sharp."""
    texts = dict(texts)
    exif = Image.Exif()
    common = texts.pop(PARAMETERS, "")
    if common:
        comment = _UNICODE + common[:_LONGEST].encode("utf-16-be")
        exif[ExifTags.IFD.Exif] = {ExifTags.Base.UserComment: comment}
    options = {"exif": exif} if common else {}
    extra = xmp.segments(texts) if texts else b""
    Image.fromarray(pixels).save(path, "JPEG", quality=quality, subsampling=0, extra=extra, **options)


def user_comment(raw: bytes) -> str:
    """The text of EXIF's UserComment, whatever letters it is in."""
    code, text = raw[:8], raw[8:]
    if code == _UNICODE:
        little = text[1:2] == b"\0" and text[:1] != b"\0"  # some programs write it the other way round
        return text.decode("utf-16-le" if little else "utf-16-be", "replace")
    return (text if code.rstrip(b"\0") in (b"ASCII", b"") else raw).decode("utf-8", "replace").strip("\0")
