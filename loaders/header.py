"""The header of a .safetensors file: names, shapes and types of its tensors, read without its weights.

Format: 8 bytes little-endian length N, N bytes of JSON, then the data the JSON's offsets point into
(https://github.com/huggingface/safetensors#format). Nothing larger than the JSON is ever read.
"""

from __future__ import annotations

import codecs
import json
import math
import struct
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from ..errors import InputError

HEADER_LIMIT = 100_000_000  # the safetensors library refuses longer ones too
SNIFF = 512
_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
    "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4,
    "I64": 8, "U64": 8, "F64": 8,
}  # fmt: skip
_AGAIN = "Download it again, and compare its size with the one on the page you have it from."
_MAGIC = (
    (b"GGUF", "is a GGUF file", "Choose the .safetensors version. If its name only lacks the ending .gguf, put that on: "
     "diffusion models and UMT5 are read so."),
    (b"PK\x03\x04", "is a PyTorch file (.pt, .pth, .ckpt) with another ending",
     "Only .safetensors files are read here: choose the .safetensors version."),
    (b"\x80\x02", "is a pickle file (.ckpt, .pt) with another ending",
     "Only .safetensors files are read here: choose the .safetensors version."),
    (b"version https://git-lfs", "is a Git LFS pointer, not the model itself",
     "Run `git lfs pull` where you cloned the model, or download the file from its page."),
)  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """One tensor's entry: ``dtype`` as safetensors spells it (F16, BF16, F8_E4M3 ...)."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int | None:
        """Bytes of data; None for a type that is not known here."""
        width = _BYTES.get(self.dtype)
        return None if width is None else self.size * width


@dataclass(frozen=True)
class Header:
    """Every tensor of a file by name, and the file's own metadata."""

    name: str
    tensors: MappingProxyType[str, Tensor]
    metadata: MappingProxyType[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def under(self, prefix: str) -> Header:
        """The tensors whose names start with ``prefix``, without it."""
        inner = {key[len(prefix) :]: value for key, value in self.tensors.items() if key.startswith(prefix)}
        return Header(self.name, MappingProxyType(inner), self.metadata)


def read_header(path: str | Path, input_name: str = "model") -> Header:
    """The header of the file at ``path``.

    Raises InputError naming ``input_name`` when the file is no safetensors file (it says what it is
    instead), when it is damaged, and when bytes are missing at its end, as after a broken download.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(input_name, f"there is no file {path.name} (looked at {path})", "Choose another file.")
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(SNIFF)
        length = _header_length(start, size, path.name, input_name)
        file.seek(8)
        raw = file.read(length)
    entries = _parse(raw, path.name, input_name)
    metadata = entries.pop("__metadata__", None)
    tensors, end = _tensors(entries, path.name, input_name)
    _check_size(8 + length + end, size, path.name, input_name)
    known = {key: value for key, value in (metadata or {}).items() if isinstance(value, str)}
    return Header(path.name, MappingProxyType(tensors), MappingProxyType(known))


def _header_length(start: bytes, size: int, name: str, input_name: str) -> int:
    """The JSON's length, once the first bytes look like a safetensors file."""
    if size == 0:
        raise InputError(input_name, f"{name} is empty (0 bytes)", _AGAIN)
    if size < 10:
        raise InputError(input_name, f"{name} has only {size} bytes: it is not a safetensors file", _AGAIN)
    what = other_format(start)
    if what is not None:
        raise InputError(input_name, f"{name} {what[0]}", what[1])
    (length,) = struct.unpack("<Q", start[:8])
    if not is_safetensors(start):
        raise InputError(input_name, f"{name} is not a safetensors file", "Choose a .safetensors model file.")
    if 8 + length > size:
        raise InputError(
            input_name,
            f"{name} is cut off: its header alone takes {8 + length:,} bytes, the file has {size:,}",
            _AGAIN,
        )
    return length


def is_safetensors(start: bytes) -> bool:
    """Whether a file with these first bytes begins as the format does: a length, then a table."""
    return len(start) > 8 and 2 <= struct.unpack("<Q", start[:8])[0] <= HEADER_LIMIT and start[8:9] == b"{"


def other_format(start: bytes) -> tuple[str, str] | None:
    """What a file with these first bytes is instead, and what to do: None when nothing is recognised."""
    for magic, what, remedy in _MAGIC:
        if start.startswith(magic):
            return what, remedy
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return (
            "is a web page, not a model: the download saved the site's page (often a login page)",
            "Download it again, signed in where the site asks for it.",
        )
    if _is_text(start):
        return "is a text file, not a model", "Choose the .safetensors file of the model."
    return None


def _is_text(start: bytes) -> bool:
    # A safetensors file has zeros in its length field, a text file has none anywhere.
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(start)  # the last letter may be cut
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter in "\t\n\r\ufeff" for letter in text)


def _parse(raw: bytes, name: str, input_name: str) -> dict:
    try:
        entries = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(input_name, f"{name} is damaged: its header cannot be read ({error})", _AGAIN) from error
    if not isinstance(entries, dict) or not isinstance(entries.get("__metadata__") or {}, dict):
        raise InputError(input_name, f"{name} is damaged: its header is no table of tensors", _AGAIN)
    return entries


def _tensors(entries: dict, name: str, input_name: str) -> tuple[dict[str, Tensor], int]:
    """The tensors, and where the last one's data ends."""
    tensors, end = {}, 0
    for key, entry in entries.items():
        problem = _entry_problem(entry)
        if problem is not None:
            raise InputError(input_name, f"{name} is damaged: tensor {key[:80]!r} {problem}", _AGAIN)
        tensors[key] = Tensor(entry["dtype"], tuple(entry["shape"]))
        end = max(end, entry["data_offsets"][1])
    if not tensors:
        raise InputError(input_name, f"{name} holds no tensors", "Choose a model file.")
    return tensors, end


def _entry_problem(entry) -> str | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("dtype"), str):
        return "has no type"
    shape, offsets = entry.get("shape"), entry.get("data_offsets")
    if not _counts(shape) or not _counts(offsets) or len(offsets) != 2 or offsets[1] < offsets[0]:
        return "has no valid shape or place"
    width = _BYTES.get(entry["dtype"])
    if width is not None and math.prod(shape) * width != offsets[1] - offsets[0]:
        return "has another size than its shape says"
    return None


def _counts(values) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _check_size(expected: int, size: int, name: str, input_name: str) -> None:
    if size < expected:
        raise InputError(
            input_name,
            f"{name} is cut off: its header promises {expected:,} bytes, the file has {size:,}",
            _AGAIN,
        )
    if size > expected:
        raise InputError(
            input_name, f"{name} is damaged: it has {size - expected:,} bytes more than its header says", _AGAIN
        )
