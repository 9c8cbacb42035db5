"""Sets of LoRAs under a name, per expert, one JSON file each in the pack's own part of the user's folder."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .. import places
from ..errors import InputError
from .lora import Use

VERSION = 1
_LIMIT = 1_000_000  # bytes of a set's file


class LoraSet(NamedTuple):
    """The LoRAs of the high- and the low-noise expert, in the order they are applied."""

    high: tuple[Use, ...]
    low: tuple[Use, ...]


def names() -> list[str]:
    """The names of the sets there are, sorted."""
    return sorted((path.stem for path in _folder().glob("*.json")), key=str.lower)


def save(name: str, chosen: LoraSet) -> bool:
    """Writes ``chosen`` under ``name``; whether a set of that name was there before. InputError for a name no file can have."""
    path = _path(name)
    before = path.is_file()
    places.write(path, json.dumps({"version": VERSION, **values(chosen)}, ensure_ascii=False, indent=1))
    return before


def read(name: str, input_name: str = "lora_set") -> LoraSet:
    """The set of this name; InputError when it is not there or damaged."""
    path = _path(name, input_name)
    if not path.is_file():
        problem = f"there is no LoRA set {name!r}"
        raise InputError(input_name, problem, "Press R, choose another one, or save it with Save LoRA Set.")
    try:
        if path.stat().st_size > _LIMIT:
            raise ValueError("too long")
        return parsed(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        problem = f"the LoRA set {name!r} is damaged ({path.name}: {error})"
        raise InputError(input_name, problem, "Save it again.") from error


def values(chosen: LoraSet) -> dict:
    """What is stored of a set, besides its version."""
    return {side: [use._asdict() for use in uses] for side, uses in chosen._asdict().items()}


def parsed(stored: dict) -> LoraSet:
    """The set that ``values`` told of; ValueError, TypeError or KeyError for what is none."""
    return LoraSet(*(_uses(stored[side]) for side in LoraSet._fields))


def remove(name: str) -> bool:
    """Whether there was one."""
    path = _path(name)
    there = path.is_file()
    path.unlink(missing_ok=True)
    return there


def _uses(stored) -> tuple[Use, ...]:
    if not isinstance(stored, list):
        raise TypeError("no list of LoRAs")
    found = []
    for entry in stored:
        file, strength = entry["file"], entry["strength"]
        if not isinstance(file, str) or isinstance(strength, bool) or not math.isfinite(strength):
            raise TypeError("a LoRA without file or strength")
        found.append(Use(file, float(strength)))
    return tuple(found)


def scaled(uses: Sequence[Use], factor: float) -> tuple[Use, ...]:
    """The same LoRAs, ``factor`` times as strong."""
    return tuple(Use(use.file, use.strength * factor) for use in uses)


def _folder() -> Path:
    return places.private("lora_sets")


def _path(name: str, input_name: str = "name") -> Path:
    """The file of a set. Only names that are one plain file name on every system."""
    return _folder() / f"{places.file_name(name, input_name, 'a set')}.json"
