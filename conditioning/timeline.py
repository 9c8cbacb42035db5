"""The timeline widget's value: one JSON string that refers to files, never pixels.

``{"version": 1, "keyframes": [{"frame": 40, "image": {"name": "a.png", "subfolder": "", "type": "input"},
"strength": 1.0, "strength_low": 1.0, "mask": {...}}]}``; strength, strength_low and mask may be left out.
"""

from __future__ import annotations

import json
from pathlib import Path

import folder_paths
import node_helpers
import numpy as np
import torch
from PIL import Image, ImageOps

from ..errors import InputError
from .keyframes import Keyframe

EMPTY = '{"version": 1, "keyframes": []}'
_FOLDERS = {
    "input": folder_paths.get_input_directory,
    "output": folder_paths.get_output_directory,
    "temp": folder_paths.get_temp_directory,
}


def parse(text: str) -> list[dict]:
    """The entries of a timeline, checked in form; files are not opened."""
    if not text or not text.strip():
        return []
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:  # bad JSON, a number with thousands of digits, endless nesting
        raise InputError("timeline", f"it is no JSON ({error})", f"Clear it, or write {EMPTY}") from error
    if not isinstance(value, dict) or not isinstance(value.get("keyframes"), list):
        raise InputError("timeline", "it has no list named keyframes", f"Clear it, or write {EMPTY}")
    if value.get("version") != 1:
        remedy = "It was made by a newer Genga: update the pack."
        raise InputError("timeline", f"version {value.get('version')!r} is unknown", remedy)
    return [_checked(entry, f"timeline keyframe {i + 1}") for i, entry in enumerate(value["keyframes"])]


_KEYS = {"frame", "image", "strength", "strength_low", "mask"}
_REFERENCE_KEYS = {"name", "subfolder", "type"}


def _checked(entry, name: str) -> dict:
    if not isinstance(entry, dict) or not _whole(entry.get("frame")):
        raise InputError(name, "it has no whole number named frame", 'Write for example {"frame": 40, "image": {…}}.')
    unknown = sorted(set(entry) - _KEYS)
    if unknown:
        raise InputError(name, f"{', '.join(unknown)} is unknown", f"Use only {', '.join(sorted(_KEYS))}.")
    if not _reference(entry.get("image")):
        remedy = 'Write {"name": "a.png", "subfolder": "", "type": "input"}.'
        raise InputError(name, "its image is no reference to a file", remedy)
    if entry.get("mask") is not None and not _reference(entry["mask"]):
        raise InputError(name, "its mask is no reference to a file", "Remove it, or refer to it as the image is.")
    for key in ("strength", "strength_low"):
        value = entry.get(key, 1.0)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InputError(f"{name} {key}", f"{value!r} is no number", "Use 0 (absent) to 1 (exact).")
        if not 0 <= value <= 1:  # here too, since a whole number of any size is JSON and not every one is a float
            raise InputError(f"{name} {key}", "it is outside 0 to 1", "Use 0 (absent) to 1 (exact).")
    return entry


def _whole(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _reference(value) -> bool:
    named = isinstance(value, dict) and isinstance(value.get("name"), str) and bool(value["name"].strip())
    return named and set(value) <= _REFERENCE_KEYS


def load(text: str) -> list[Keyframe]:
    """The key frames of a timeline, pictures read from the host's folders."""
    keys = []
    for number, entry in enumerate(parse(text), start=1):
        name = f"timeline keyframe {number}"
        strength = float(entry.get("strength", 1.0))
        mask = entry.get("mask")
        keys.append(
            Keyframe(
                image=_read_picture(find(entry["image"], f"{name} image"), f"{name} image"),
                frame=entry["frame"],
                strength=strength,
                strength_low=float(entry.get("strength_low", strength)),
                mask=None if mask is None else _read_mask(find(mask, f"{name} mask"), f"{name} mask"),
                name=name,
            )
        )
    return keys


def files(text: str) -> list[Path]:
    """The files a timeline refers to (for the fingerprint of a node); raises like ``load``."""
    references = [entry[key] for entry in parse(text) for key in ("image", "mask") if entry.get(key)]
    return [find(reference, "timeline") for reference in references]


def find(reference: dict, name: str) -> Path:
    """The file a reference means; never one outside the host's input, output or temp folder."""
    kind = reference.get("type", "input")
    if not isinstance(kind, str) or kind not in _FOLDERS:
        raise InputError(name, f"its folder type {kind!r} is unknown", f"Use one of {', '.join(_FOLDERS)}.")
    root = Path(_FOLDERS[kind]()).resolve()
    try:
        path = (root / str(reference.get("subfolder") or "") / reference["name"]).resolve()
        found = path.is_file()
    except (OSError, ValueError) as error:  # a name no file can have
        raise InputError(name, f"{reference['name'][:60]!r} is no file name", "Choose the picture again.") from error
    if not path.is_relative_to(root):
        raise InputError(name, f"{reference['name']!r} lies outside the {kind} folder", f"Put the file into {root}.")
    if not found:
        remedy = f"Put it into {path.parent}, or choose the picture again."
        raise InputError(name, f"{reference['name']!r} is not there", remedy)
    return path


def _read(path: Path, name: str) -> Image.Image:
    try:
        return ImageOps.exif_transpose(node_helpers.pillow(Image.open, path))
    except (OSError, Image.DecompressionBombError) as error:  # Pillow's UnidentifiedImageError is an OSError
        raise InputError(name, f"{path.name} is no picture that can be read", "Save it as PNG or JPEG.") from error


def _read_picture(path: Path, name: str) -> torch.Tensor:
    picture = _read(path, name)
    if picture.mode.startswith("I"):
        return _sixteen_bit(picture)[..., None].expand(-1, -1, -1, 3)
    return torch.from_numpy(np.asarray(picture.convert("RGB"), dtype=np.float32) / 255.0)[None]


def _sixteen_bit(picture: Image.Image) -> torch.Tensor:
    """[1, H, W] of a 16-bit grey picture, which Pillow would clip to white on its way to 8 bits."""
    return torch.from_numpy(np.asarray(picture).astype(np.float32) / 65535.0)[None]


def _read_mask(path: Path, name: str) -> torch.Tensor:
    """1 where the picture applies. As the host reads masks: painted (transparent) in an alpha picture, else grey."""
    picture = _read(path, name)
    if picture.mode.startswith("I"):
        return _sixteen_bit(picture)
    if "A" in picture.getbands():
        return 1.0 - torch.from_numpy(np.asarray(picture.getchannel("A"), dtype=np.float32) / 255.0)[None]
    return torch.from_numpy(np.asarray(picture.convert("L"), dtype=np.float32) / 255.0)[None]
