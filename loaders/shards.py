"""A diffusion model as its authors publish it: a folder of numbered .safetensors files, with an index or without.

``high_noise_model/diffusion_pytorch_model-00001-of-00006.safetensors`` ... and ``...safetensors.index.json``, whose
``weight_map`` names the file of each tensor (huggingface_hub's format). Names in it are never followed out of the folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import NamedTuple

from ..errors import InputError
from .header import Header, Tensor, read_header

INDEX_LIMIT = 50_000_000  # bytes; those of Wan 14B have 0.1 million
_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.safetensors", re.IGNORECASE | re.ASCII)
_INDEX = ".safetensors.index.json"
_AGAIN = "Download the folder again, all files of it."


class Shards(NamedTuple):
    """One model in several files: what they hold together, and which they are, in order."""

    header: Header
    files: tuple[Path, ...]


def listed(names: Iterable[str]) -> list[str]:
    """``names`` of files in a models folder, with each subfolder of numbered files as one entry in their place."""
    found: dict[str, None] = {}
    for name in names:
        path = PurePath(name)
        alone = path.parent == PurePath() or not _SHARD.fullmatch(path.name)
        found[name if alone else str(path.parent)] = None
    return list(found)


def is_folder(path: Path) -> bool:
    """Whether ``path`` is a folder with numbered files in it."""
    return path.is_dir() and any(_SHARD.fullmatch(file.name) for file in path.iterdir())


def read(folder: Path, input_name: str = "model") -> Shards:
    """Which files of ``folder`` make up the model, and what they hold, from their headers alone.

    Raises InputError naming ``input_name`` for files that are missing, damaged, of two models or not those of the index.
    """
    index = _index(folder, input_name)
    names = _numbered(folder, input_name) if index is None else _named(index, folder, input_name)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        problem = (
            f"{len(missing)} of the {len(names)} files of {folder.name} are missing: {', '.join(missing[:3])}{more}"
        )
        raise InputError(input_name, problem, "Download them into the same folder.")
    headers = {name: read_header(folder / name, input_name) for name in names}
    tensors = _together(headers, folder.name, input_name)
    if index is not None:
        _check_index(index, headers, tensors, folder.name, input_name)
    metadata = next(iter(headers.values())).metadata
    return Shards(Header(folder.name, MappingProxyType(tensors), metadata), tuple(folder / name for name in names))


def weights(folder: Path, input_name: str = "model") -> tuple[dict, dict]:
    """State dict and metadata of the model in ``folder``: tensors as the host maps them into memory."""
    import comfy.utils

    shards = read(folder, input_name)
    tensors: dict = {}
    for path in shards.files:
        tensors.update(comfy.utils.load_torch_file(str(path)))
    return tensors, dict(shards.header.metadata)


def load(folder: str, model_options: dict, **host_options):
    """MODEL from ``folder``, as the host's load_diffusion_model makes one from a file; 0.29 calls it again for a copy."""
    import comfy.sd

    state, metadata = weights(Path(folder))
    model = comfy.sd.load_diffusion_model_state_dict(
        state, model_options=model_options, metadata=metadata, **host_options
    )
    if model is not None and hasattr(model, "cached_patcher_init"):
        model.cached_patcher_init = (load, (folder, model_options))
    return model


def _numbered(folder: Path, input_name: str) -> list[str]:
    """The files by their own numbers, the missing ones too."""
    found = [match for file in folder.iterdir() if (match := _SHARD.fullmatch(file.name))]
    series = {(match["stem"], int(match["count"])) for match in found}
    if len(series) != 1:
        names = ", ".join(sorted(f"{stem} of {count}" for stem, count in series)) or "none"
        problem = f"{folder.name} is to hold the numbered files of one model; it has: {names}"
        raise InputError(input_name, problem, "Keep the files of one model in a folder of their own.")
    stem, count = series.pop()
    numbers = {int(match["number"]) for match in found}
    if count == 0 or not numbers <= set(range(1, count + 1)):
        problem = f"the files of {folder.name} are numbered {sorted(numbers)} of {count}"
        raise InputError(input_name, problem, _AGAIN)
    present = {int(match["number"]): match.string for match in found}
    return [present.get(number, f"{stem}-{number:05d}-of-{count:05d}.safetensors") for number in range(1, count + 1)]


def _index(folder: Path, input_name: str) -> Mapping | None:
    """The index as read, checked for its form only; None where there is none."""
    paths = [path for path in folder.iterdir() if path.name.endswith(_INDEX)]
    if not paths:
        return None
    if len(paths) > 1:
        problem = f"{folder.name} has {len(paths)} index files ({', '.join(sorted(path.name for path in paths))})"
        raise InputError(input_name, problem, "Keep the files of one model in a folder of their own.")
    path = paths[0]
    if path.stat().st_size > INDEX_LIMIT:
        raise InputError(input_name, f"{path.name} is too long for an index", _AGAIN)
    try:
        index = json.loads(path.read_bytes().decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(input_name, f"{path.name} of {folder.name} cannot be read ({error})", _AGAIN) from error
    table = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(table, dict) or not table or not all(isinstance(name, str) for name in table.values()):
        raise InputError(input_name, f"{path.name} of {folder.name} has no list of weights", _AGAIN)
    return index


def _named(index: Mapping, folder: Path, input_name: str) -> list[str]:
    """The files the index names, each of them in this folder and none of them out of it."""
    names = sorted(set(index["weight_map"].values()))
    for name in names:
        plain = PurePath(name).name == name and not set(name) & set("/\\:\0") and name not in (".", "..")
        if not plain or not name.lower().endswith(".safetensors"):
            problem = f"the index of {folder.name} names {name[:80]!r}, which is no .safetensors file in this folder"
            raise InputError(input_name, problem, _AGAIN)
    for match in filter(None, map(_SHARD.fullmatch, names)):
        if int(match["count"]) != len(names):
            problem = f"the index of {folder.name} names {len(names)} files, and one of them is {match.string}"
            raise InputError(input_name, problem, _AGAIN)
    return names


def _together(headers: Mapping[str, Header], folder: str, input_name: str) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, header in headers.items():
        twice = tensors.keys() & header.tensors.keys()
        if twice:
            problem = f"{len(twice)} tensors of {name} are in another file of {folder} too, {min(twice)[:80]!r} for one"
            raise InputError(input_name, problem, "Keep the files of one model in a folder of their own.")
        tensors.update(header.tensors)
    return tensors


def _check_index(index: Mapping, headers: Mapping[str, Header], tensors, folder: str, input_name: str) -> None:
    table = index["weight_map"]
    lost = [key for key, name in table.items() if key not in headers[name].tensors]
    if lost or len(table) != len(tensors):
        problem = f"the index of {folder} lists {len(table)} tensors, its files hold {len(tensors)}"
        if lost:
            problem = f"{lost[0][:80]!r} is not in the file of {folder} that the index says"
        raise InputError(input_name, problem, f"Index and files are of two releases. {_AGAIN}")
    metadata = index.get("metadata")
    promised = metadata.get("total_size") if isinstance(metadata, dict) else None
    sizes = [tensor.nbytes for tensor in tensors.values()]
    if type(promised) is int and None not in sizes and promised != sum(sizes):
        problem = f"the index of {folder} promises {promised:,} bytes of weights, its files hold {sum(sizes):,}"
        raise InputError(input_name, problem, f"Index and files are of two releases. {_AGAIN}")
