"""Presets: parts of a payload under a name, one JSON file each in ``user/genga/presets/<kind>``.

``prompts`` hold the texts, ``parameters`` anything of a payload but pictures; LoRA sets are those of Save LoRA Set. A
payload names presets in ``preset``; they fill in what it leaves out.
"""

from __future__ import annotations

import json
from pathlib import Path

from .. import places
from ..errors import InputError
from ..loaders import lora_sets
from .problems import Fault, Problem, of_input, pointer, refused

VERSION = 1
KINDS = ("prompts", "parameters", "lora_sets")
_LORAS = "lora_sets"
_TEXTS = {"prompt", "negative_prompt"}
_LIMIT = 1_000_000  # bytes of one preset's file
_MOST = 1000  # presets in one import


def names() -> dict[str, list[str]]:
    """Every preset there is, by kind, sorted."""
    stored = {kind: sorted(path.stem for path in _folder(kind).glob("*.json")) for kind in KINDS if kind != _LORAS}
    return {**stored, _LORAS: lora_sets.names()}


def read(kind: str, name: str) -> dict:
    """The preset as it is exported; Problem 404 where there is none."""
    _check_there(kind, name)
    return {"version": VERSION, "kind": kind, "name": name, "values": _values(kind, name)}


def _check_there(kind: str, name: str) -> None:
    """So that a name is looked up only where it is a plain one."""
    _check_kind(kind)
    if name not in names()[kind]:
        raise Problem(404, f"There is no preset {name[:80]!r} among the {kind}. GET /genga/presets lists them.")


def _values(kind: str, name: str) -> dict:
    if kind == _LORAS:
        try:
            return lora_sets.values(lora_sets.read(name))
        except InputError as error:
            raise refused([of_input(error, "")]) from error
    path = _path(kind, name)
    try:
        if path.stat().st_size > _LIMIT:
            raise ValueError("too long")
        stored = json.loads(path.read_text(encoding="utf-8"))["values"]
        if not isinstance(stored, dict):
            raise TypeError("it holds no fields")
        return stored
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        detail = f"preset: {name!r} is damaged ({path.name}: {error}). Save it again."
        raise refused([Fault("/preset", detail)]) from error


def save(kind: str, name: str, values, place: str = "") -> bool:
    """Stores the preset; whether one of that name was there before. place: pointer to ``values`` in the request."""
    _check_kind(kind)
    try:
        places.file_name(name, "name", "a preset")
        if kind == _LORAS:
            return lora_sets.save(name, lora_sets.parsed(values))
    except InputError as error:
        raise refused([of_input(error, "")]) from error
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise refused([Fault(place, f"values: this is no LoRA set ({error}). Export one to see its form.")]) from error
    _check_values(kind, values, place)
    path = _path(kind, name)
    before = path.is_file()
    document = {"version": VERSION, "kind": kind, "name": name, "values": values}
    places.write(path, json.dumps(document, ensure_ascii=False, indent=1))
    return before


def _check_values(kind: str, values, place: str) -> None:
    from . import payload
    from .families import ALL_PICTURES

    if not isinstance(values, dict) or not values:
        raise refused([Fault(place, "values: they are no JSON object with fields. Give fields of the payload.")])
    barred = set(values) & {*ALL_PICTURES, "preset"} if kind == "parameters" else set(values) - _TEXTS
    faults = [Fault(place + pointer(name), f"{name[:60]}: {kind} do not keep it. Leave it out.") for name in barred]
    faults += [Fault(place + fault.pointer, fault.detail) for fault in payload.faults_in_part(values)]
    if faults:
        raise refused(faults)


def remove(kind: str, name: str) -> None:
    """Also one that is damaged; Problem 404 where there is none."""
    _check_there(kind, name)
    try:
        places.file_name(name, "name", "a preset")  # a file that somebody else put there may bear any
    except InputError as error:
        raise refused([of_input(error, "")]) from error
    if kind == _LORAS:
        lora_sets.remove(name)
    else:
        _path(kind, name).unlink(missing_ok=True)


def export() -> dict:
    """Every preset in one document, as ``take_in`` reads it."""
    listed = [read(kind, name) for kind, found in names().items() for name in found]
    return {"version": VERSION, "presets": listed}


def take_in(document: dict) -> dict[str, list[str]]:
    """Stores the presets of an exported document, all or, where one has a fault, none."""
    entries = document.get("presets") if "presets" in document else [document]
    if document.get("version") != VERSION:
        raise refused([Fault("/version", f"version: it is not {VERSION}. Export it again with this release.")])
    if not isinstance(entries, list) or not 0 < len(entries) <= _MOST:
        raise refused([Fault("/presets", f"presets: this is no list of 1 to {_MOST} presets.")])
    whole = "presets" in document
    for number, entry in enumerate(entries):
        _check_entry(entry, pointer("presets", number) if whole else "")
    done = {"added": [], "replaced": []}
    for entry in entries:
        before = save(entry["kind"], entry["name"], entry["values"])
        done["replaced" if before else "added"].append(f"{entry['kind']}/{entry['name']}")
    return done


def _check_entry(entry, place: str) -> None:
    if not isinstance(entry, dict) or not {"kind", "name", "values"} <= entry.keys() or entry["kind"] not in KINDS:
        raise refused([Fault(place, f"a preset has a kind ({', '.join(KINDS)}), a name and values.")])
    try:
        places.file_name(entry["name"], "name", "a preset")
        if entry["kind"] == _LORAS:
            lora_sets.parsed(entry["values"])
    except InputError as error:
        raise refused([of_input(error, place + "/name")]) from error
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise refused([Fault(place + "/values", f"values: this is no LoRA set ({error}).")]) from error
    if entry["kind"] != _LORAS:
        _check_values(entry["kind"], entry["values"], place + "/values")


def filled(body: dict) -> dict:
    """The payload with what its presets say where it says nothing itself; of several presets the later wins."""
    asked = body.get("preset")
    listed = [asked] if isinstance(asked, str) else asked
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        return body  # none, or no names: the check of the payload tells
    merged = {}
    for name in listed:
        merged |= _named(name)
    return {**merged, **{key: value for key, value in body.items() if value is not None}}


def _named(name: str) -> dict:
    found = [kind for kind in ("parameters", "prompts") if name in names()[kind]]
    if not found:
        detail = f"preset: there is no {name[:80]!r}. GET /genga/presets lists prompts and parameters."
        raise refused([Fault("/preset", detail)])
    return _values(found[0], name)


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise Problem(404, f"There are no {str(kind)[:80]!r}. Presets are {', '.join(KINDS)}.")


def _folder(kind: str) -> Path:
    return places.private(f"presets/{kind}")


def _path(kind: str, name: str) -> Path:
    return _folder(kind) / f"{name}.json"
