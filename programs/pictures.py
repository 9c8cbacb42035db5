"""Pictures out of a payload: base64 or a URL in, a checked file in the output folder out.

They lie in ``output/genga/pictures`` under the hash of their bytes, so the same picture is kept once, a saved workflow
goes on finding it, and nothing is written outside the output folder.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import io
import os
import re
import warnings
from pathlib import Path

from PIL import Image

from ..errors import InputError
from . import fetching
from .settings import Settings

SUBFOLDER = "genga/pictures"
_ENDINGS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}
_DATA = re.compile(r"data:[\w.+/-]*(;[\w=.-]+)*;base64,", re.IGNORECASE)
_URL = re.compile(r"https?://", re.IGNORECASE)
_LONGEST_URL = 2048
_REMEDY = "Send one PNG, JPEG or WebP picture."


async def store(text: str, settings: Settings) -> str:
    """The picture's name below the output folder; InputError for what is no picture or too large."""
    if _URL.match(text):
        if len(text) > _LONGEST_URL:
            raise InputError("the picture's URL", f"it has {len(text)} characters", "Send the picture as base64.")
        data = await fetching.fetch(text, settings)
    else:
        data = decode(text, settings.picture_bytes)
    return await asyncio.to_thread(_keep, data, settings)


def decode(text: str, most: int) -> bytes:
    """Base64, plain or as a data: URI, to at most ``most`` bytes."""
    found = _DATA.match(text)
    body = "".join(text[found.end() if found else 0 :].split())
    if len(body) * 3 // 4 > most + 2:
        raise InputError("the picture", f"it is larger than {most / 1e6:g} MB", "Send a smaller one.")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        problem = f"{text[:30]!r} is neither base64 nor an http(s) URL"
        raise InputError("the picture", problem, _REMEDY) from error


def kind_of(data: bytes, settings: Settings) -> str:
    """The file ending by the bytes alone; InputError unless it is one whole picture of a kind we take."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=list(_ENDINGS)) as picture:
                _check_size(picture, settings)
                picture.load()
                return _ENDINGS[picture.format]
    except InputError:
        raise
    except (
        OSError,
        ValueError,
        SyntaxError,
        ArithmeticError,
        MemoryError,
        IndexError,
        KeyError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:  # fmt: skip  (Pillow's readers raise all of these for bad files)
        raise InputError("the picture", "its bytes are no PNG, JPEG or WebP, or it is damaged", _REMEDY) from error


def _check_size(picture: Image.Image, settings: Settings) -> None:
    width, height = picture.size
    if width * height > settings.picture_megapixels * 1e6:
        problem = f"{width}x{height} is more than {settings.picture_megapixels:g} megapixels"
        raise InputError("the picture", problem, "Send a smaller one.")
    if getattr(picture, "n_frames", 1) != 1:
        raise InputError("the picture", f"it is an animation of {picture.n_frames} pictures", _REMEDY)


def _keep(data: bytes, settings: Settings) -> str:
    ending = kind_of(data, settings)
    name = f"{SUBFOLDER}/{hashlib.sha256(data).hexdigest()[:32]}.{ending}"
    path = folder() / Path(name).name
    if not path.is_file():
        unfinished = path.with_suffix(f".{os.getpid()}-{os.urandom(4).hex()}.part")
        unfinished.write_bytes(data)
        unfinished.replace(path)
    return name


def folder() -> Path:
    """Made if it is missing."""
    import folder_paths

    place = Path(folder_paths.get_output_directory()) / SUBFOLDER
    place.mkdir(parents=True, exist_ok=True)
    return place
