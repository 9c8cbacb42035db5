"""A .gguf file: names, shapes, types and places of its tensors, and its metadata, read without its weights.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian. The type tables
are the gguf library's. Its reader is not used: it trusts counts and lengths, and takes some 20 s for the
vocabulary of a text encoder. Here every number is held against the file's size before it is believed, values stay
in the file until asked for, and nothing larger than HEADER_LIMIT is ever walked.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from ..errors import InputError
from .header import SNIFF, Header, Tensor, is_safetensors, other_format

ENDING = ".gguf"
MAGIC = b"GGUF"
HEADER_LIMIT = 64 * 1024 * 1024  # the largest in use, a text encoder's with its vocabulary, is some 10 MB
DEFAULT_ALIGNMENT = 32
_VERSIONS = (2, 3)
_NAME_LIMIT = 65535
_MAX_DIMS = 8  # ggml itself has 4
_SHAPE_KEY = "comfy.gguf.orig_shape."
_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_AGAIN = "Download it again, and compare its size with the one on the page you have it from."
_UPDATE = "Update the library (pip install --upgrade gguf), or choose another file."


class Stored(NamedTuple):
    """One tensor: ``type`` as ggml numbers it, ``shape`` as torch orders it, ``offset`` in bytes from the start."""

    type: int
    type_name: str
    shape: tuple[int, ...]
    offset: int
    nbytes: int


class Field(NamedTuple):
    """Where one metadata value lies: ``count`` items of ``kind`` (the format's number) in [offset, end)."""

    kind: int
    count: int
    offset: int
    end: int
    is_array: bool


@dataclass(frozen=True)
class GgufFile:
    """Everything of a file but its weights."""

    path: Path
    tensors: Mapping[str, Stored]
    fields: Mapping[str, Field]

    @property
    def name(self) -> str:
        return self.path.name

    def header(self) -> Header:
        """As the header of a .safetensors file, for telling what the file holds."""
        tensors = {key: Tensor(stored.type_name, stored.shape) for key, stored in self.tensors.items()}
        return Header(self.name, MappingProxyType(tensors))

    def text(self, key: str) -> str | None:
        """A string's value; None where there is none of that name or it is no string."""
        field = self.fields.get(key)
        if field is None or field.kind != _STRING or field.is_array:
            return None
        return self._bytes(field)[8:].decode("utf-8", "replace")

    def numbers(self, key: str) -> tuple:
        """The values of a number or of an array of numbers; empty where there are none of that name."""
        field = self.fields.get(key)
        if field is None or field.kind not in _SCALARS:
            return ()
        return struct.unpack(f"<{field.count}{_SCALARS[field.kind]}", self._bytes(field))

    def texts(self, key: str) -> tuple[bytes, ...]:
        """The values of an array of strings, undecoded; empty where there is none of that name."""
        field = self.fields.get(key)
        if field is None or field.kind != _STRING or not field.is_array:
            return ()
        data, at, found = self._bytes(field), 0, []
        for _ in range(field.count):
            (length,) = struct.unpack_from("<Q", data, at)
            found.append(data[at + 8 : at + 8 + length])
            at += 8 + length
        return tuple(found)

    def _bytes(self, field: Field) -> bytes:
        with self.path.open("rb") as file:
            file.seek(field.offset)
            return file.read(field.end - field.offset)


class _Damaged(Exception):
    """What is wrong with the file, in words that follow its name, and what to do."""

    def __init__(self, problem: str, remedy: str = _AGAIN):
        super().__init__(problem)
        self.remedy = remedy


def is_gguf(path: Path) -> bool:
    return path.suffix.lower() == ENDING


def read_gguf(path: str | Path, input_name: str = "model") -> GgufFile:
    """The file at ``path``; InputError naming ``input_name`` when it is no GGUF file, damaged or cut off."""
    path = Path(path)
    if not path.is_file():
        raise InputError(input_name, f"there is no file {path.name} (looked at {path})", "Choose another file.")
    try:
        tensors, fields = _read(path, path.stat().st_size)
    except _Damaged as error:
        raise InputError(input_name, f"{path.name} {error}", error.remedy) from None
    file = GgufFile(path, MappingProxyType(tensors), MappingProxyType(fields))
    return _checked(file, input_name)


class _Cursor:
    """Walks the header; whatever would lie behind its end is damage."""

    def __init__(self, view, size: int):
        self._view, self._size = view, size
        self._end = min(size, HEADER_LIMIT)
        self.at = 0

    def skip(self, count: int) -> int:
        """Where the next ``count`` bytes begin."""
        start, after = self.at, self.at + count
        if after > self._end:
            if after > self._size:
                raise _Damaged(f"is cut off: its header alone would take {after:,} bytes, the file has {self._size:,}")
            raise _Damaged(f"is damaged: its header would take more than {HEADER_LIMIT // 1024**2} MB")
        self.at = after
        return start

    def number(self, code: str) -> int:
        return struct.unpack_from("<" + code, self._view, self.skip(struct.calcsize("<" + code)))[0]

    def name(self) -> str:
        length = self.number("Q")
        if length > _NAME_LIMIT:
            raise _Damaged(f"is damaged: one of its names would have {length:,} bytes")
        start = self.skip(length)
        try:
            return bytes(self._view[start : start + length]).decode("utf-8")
        except UnicodeDecodeError:
            raise _Damaged("is damaged: one of its names is no text") from None

    def room_for(self, count: int, least: int, what: str) -> int:
        """``count``, if so many entries of at least ``least`` bytes fit into what is left."""
        if count * least > self._end - self.at:
            raise _Damaged(f"is damaged: it says it has {count:,} {what}, which the file has no room for")
        return count


def _read(path: Path, size: int) -> tuple[dict[str, Stored], dict[str, Field]]:
    if size < 24:
        raise _Damaged("is empty (0 bytes)" if size == 0 else f"has only {size} bytes: it is no GGUF file")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        cursor = _Cursor(view, size)
        tensor_count, field_count = _counts(cursor, view)
        fields = _fields(cursor, field_count)
        alignment = _alignment(fields, view)
        found = _entries(cursor, tensor_count)
        data = -(-cursor.at // alignment) * alignment
    return {name: _placed(name, entry, data, alignment, size) for name, entry in found.items()}, fields


def _counts(cursor: _Cursor, view) -> tuple[int, int]:
    start = cursor.skip(4)
    if view[start : start + 4] != MAGIC:
        raise _Damaged(*_instead(bytes(view[:SNIFF])))
    version = cursor.number("I")
    if version & 0xFFFF == 0:
        raise _Damaged("is a big-endian GGUF file", "Choose a little-endian one, which is the usual kind.")
    if version not in _VERSIONS:
        raise _Damaged(f"has GGUF version {version}; versions 2 and 3 are read here", "Choose another file.")
    tensors, fields = cursor.number("Q"), cursor.number("Q")
    return cursor.room_for(tensors, 24, "tensors"), cursor.room_for(fields, 13, "metadata entries")


def _instead(start: bytes) -> tuple[str, str]:
    """What a file with these first bytes is, which its name says is GGUF, and what to do."""
    if is_safetensors(start):
        return "is a .safetensors file, though its name ends in .gguf", "Give it the ending .safetensors."
    return other_format(start) or ("is no GGUF file, though its name ends so", "Choose another file.")


def _fields(cursor: _Cursor, count: int) -> dict[str, Field]:
    fields: dict[str, Field] = {}
    for _ in range(count):
        name = cursor.name()
        if name in fields:
            raise _Damaged(f"is damaged: it has two entries {name[:80]!r}")
        fields[name] = _field(cursor, name, cursor.number("I"))
    return fields


def _field(cursor: _Cursor, name: str, kind: int) -> Field:
    count, is_array = 1, kind == _ARRAY
    if is_array:
        kind, count = cursor.number("I"), cursor.number("Q")
    start = cursor.at
    if kind in _SCALARS:
        width = struct.calcsize("<" + _SCALARS[kind])
        cursor.skip(cursor.room_for(count, width, "numbers") * width)
    elif kind == _STRING:
        for _ in range(cursor.room_for(count, 8, "texts")):
            cursor.skip(cursor.number("Q"))
    else:
        raise _Damaged(f"is damaged: its entry {name[:80]!r} has no known type")
    return Field(kind, count, start, cursor.at, is_array)


def _alignment(fields: Mapping[str, Field], view) -> int:
    field = fields.get("general.alignment")
    if field is None:
        return DEFAULT_ALIGNMENT
    if field.kind != 4 or field.is_array:
        raise _Damaged("is damaged: its alignment is no number")
    (value,) = struct.unpack_from("<I", view, field.offset)
    if value < 8 or value > 2**20 or value & (value - 1):
        raise _Damaged(f"is damaged: its alignment is {value}")
    return value


def _entries(cursor: _Cursor, count: int) -> dict[str, tuple[tuple[int, ...], int, int]]:
    """Name -> (shape, type, offset from the start of the data)."""
    found: dict[str, tuple[tuple[int, ...], int, int]] = {}
    for _ in range(count):
        name = cursor.name()
        if name in found:
            raise _Damaged(f"is damaged: it has two tensors {name[:80]!r}")
        dims = cursor.number("I")
        if dims > _MAX_DIMS:
            raise _Damaged(f"is damaged: tensor {name[:80]!r} would have {dims:,} dimensions")
        shape = tuple(reversed([cursor.number("Q") for _ in range(dims)]))
        found[name] = shape, cursor.number("I"), cursor.number("Q")
    return found


def _placed(name: str, entry: tuple[tuple[int, ...], int, int], data: int, alignment: int, size: int) -> Stored:
    shape, number, offset = entry
    type_name, block, width = _type(name, number)
    if (shape[-1] if shape else 1) % block:
        raise _Damaged(f"is damaged: the rows of tensor {name[:80]!r} are no whole blocks of {type_name}")
    if not _countable(shape):
        raise _Damaged(f"is damaged: tensor {name[:80]!r} would have the shape {shape}")
    if offset % alignment:
        raise _Damaged(f"is damaged: tensor {name[:80]!r} begins between two places")
    nbytes = math.prod(shape) // block * width
    if data + offset + nbytes > size:
        raise _Damaged(
            f"is cut off: tensor {name[:80]!r} would end at byte {data + offset + nbytes:,}, the file has {size:,}"
        )
    return Stored(number, type_name, shape, data + offset, nbytes)


def _countable(shape: tuple[int, ...]) -> bool:
    """Whether such a tensor can be at all, an empty one too."""
    return math.prod(max(size, 1) for size in shape) < 2**60


def _type(name: str, number: int) -> tuple[str, int, int]:
    """Name, weights a block and bytes a block of a ggml type."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    try:
        kind = GGMLQuantizationType(number)
        return kind.name, *GGML_QUANT_SIZES[kind]
    except (ValueError, KeyError):
        problem = f"has tensor {name[:80]!r} in type {number}, which the gguf library installed here does not know"
        raise _Damaged(problem, _UPDATE) from None


def _checked(file: GgufFile, input_name: str) -> GgufFile:
    if not file.tensors:
        raise InputError(input_name, f"{file.name} holds no tensors", "Choose a model file.")
    parts = file.numbers("split.count")
    if parts and parts[0] > 1:
        raise InputError(
            input_name,
            f"{file.name} is one of {parts[0]} parts of a model",
            "Join them with llama.cpp's llama-gguf-split --merge, and choose the one file.",
        )
    shaped = {key: _reshaped(file, key, stored, input_name) for key, stored in file.tensors.items()}
    return GgufFile(file.path, MappingProxyType(shaped), file.fields)


def _reshaped(file: GgufFile, key: str, stored: Stored, input_name: str) -> Stored:
    """A tensor in the shape it had before it was written: ggml has no more than four dimensions."""
    shape = file.numbers(_SHAPE_KEY + key)
    if not shape:
        return stored
    whole = len(shape) <= _MAX_DIMS and all(isinstance(size, int) and size >= 0 for size in shape)
    if not whole or not _countable(shape) or math.prod(shape) != math.prod(stored.shape):
        raise InputError(input_name, f"{file.name} is damaged: tensor {key[:80]!r} cannot have its shape", _AGAIN)
    return stored._replace(shape=tuple(shape))
