"""Sets of LoRAs under a name, per expert, one JSON file each in the pack's own part of the user's folder."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .. import places
from ..errors import InputError
from .lora import Use

VERSION = 1
LONGEST = 64
_LIMIT = 1_000_000  # bytes of a set's file
_FORBIDDEN = frozenset('/\\:*?"<>|')
_RESERVED = {"con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(1, 10))}


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
    sides = {side: [use._asdict() for use in uses] for side, uses in chosen._asdict().items()}
    text = json.dumps({"version": VERSION, **sides}, ensure_ascii=False, indent=1)
    # A reader never sees half a file.
    unfinished = path.with_suffix(f".{os.getpid()}.part")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
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
        stored = json.loads(path.read_text(encoding="utf-8"))
        return LoraSet(*(_uses(stored[side]) for side in LoraSet._fields))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        problem = f"the LoRA set {name!r} is damaged ({path.name}: {error})"
        raise InputError(input_name, problem, "Save it again.") from error


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
    plain = isinstance(name, str) and name == name.strip(" .") and 0 < len(name) <= LONGEST
    if not plain or not name.isprintable() or _FORBIDDEN & set(name) or name.split(".")[0].lower() in _RESERVED:
        problem = f"{str(name)[:80]!r} cannot be the name of a set"
        remedy = f"Use up to {LONGEST} letters, digits, spaces, - and _; not {' '.join(sorted(_FORBIDDEN))}."
        raise InputError(input_name, problem, remedy)
    return _folder() / f"{name}.json"
