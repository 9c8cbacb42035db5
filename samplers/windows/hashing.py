"""A hash of anything by its content: no addresses, no order of insertion, the same in every process.

Needs torch, not the host. What only the host has (models under patches) is taught by ``Hasher.rules``.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import hashlib
import math
import types
import uuid
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import PurePath

import numpy as np
import torch

FORMAT = b"genga 1"  # change it when equal things come to be hashed otherwise: old entries are then made anew
DEEPEST = 8  # objects and functions within each other; below that only their classes count
MOST = 20_000  # objects and functions in all: a patch may hold on to half the program
_PLACES, _RUN = 8, 32  # of a sampled tensor: so many places of so many bytes
_PLAIN = (bool, int, float, str, bytes, torch.dtype, type(None))
# What the host writes into modules while it loads and moves them.
_MOVING = frozenset({"training", "device", "seed_key", "comfy_cast_weights", "prev_comfy_cast_weights"})
_MOVING_PREFIXES = ("_", "weight_", "bias_", "comfy_patched", "model_lowvram", "lowvram_", "model_loaded_", "dynamic_")
_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, functools.partial)


def combine(kind: str, *parts: bytes) -> bytes:
    """One hash of several, in this order."""
    digest = hashlib.sha256(FORMAT + kind.encode() + b"\0")
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


class Hasher:
    """``Hasher()(value)`` -> 32 bytes.

    ``sampled``: tensors count by type, shape and some of their bytes instead of all of them (weights).
    ``known``: modules (by id) that stand for a name, since their weights are counted elsewhere. ``rules``: pairs of a test
    and a function (hasher, value) -> bytes, asked before all others.
    """

    def __init__(self, rules: tuple[tuple[Callable, Callable], ...] = ()):
        self.rules = rules
        self.sampled = False
        self.known: dict[int, str] = {}
        self.networks: dict[int, bytes] = {}  # hashes of models met before, by id
        self.kept: list = []  # what is named by id must stay alive
        self._path: list[int] = []
        self._depth = self._count = 0
        self._tensors: dict[tuple[int, bool], bytes] = {}

    def __call__(self, value) -> bytes:
        simple = _simple(value)
        if simple is not None:
            return simple
        if id(value) in self._path:
            return combine("again", str(len(self._path) - self._path.index(id(value))).encode())
        self._path.append(id(value))
        try:
            return self._compound(value)
        finally:
            self._path.pop()

    def all(self, values) -> list[bytes]:
        return [self(value) for value in values]

    def mapping(self, items) -> bytes:
        """Pairs of a name and a value, in any order."""
        return combine("mapping", *sorted(self(name) + self(value) for name, value in items))

    def samples(self, value) -> bytes:
        """``value`` with its tensors sampled."""
        before, self.sampled = self.sampled, True
        try:
            return self(value)
        finally:
            self.sampled = before

    def _compound(self, value) -> bytes:
        for applies, rule in self.rules:
            if applies(value):
                return rule(self, value)
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if isinstance(value, np.ndarray):
            plain = value.tolist() if value.dtype.hasobject else np.ascontiguousarray(value).tobytes()
            return combine("array", str(value.dtype).encode(), str(value.shape).encode(), self(plain))
        if isinstance(value, Mapping):
            return self.mapping(value.items())
        if isinstance(value, (list, tuple, collections.deque)):
            return combine("sequence", *self.all(value))
        if isinstance(value, (set, frozenset)):
            return combine("set", *sorted(self.all(value)))
        if isinstance(value, types.CodeType):
            return combine("code", value.co_code, self(value.co_consts), self(value.co_names))
        return self._nested(value)

    def _nested(self, value) -> bytes:
        """Modules, functions and objects, down to a limited depth."""
        name = class_name(type(value))
        self._count += 1
        if self._depth >= DEEPEST or self._count > MOST:
            return combine("deep", name)
        self._depth += 1
        try:
            if isinstance(value, torch.nn.Module):
                return self._module(value)
            if isinstance(value, _FUNCTIONS):
                return self._function(value)
            return combine("object", name, self.mapping(_attributes(value)))
        finally:
            self._depth -= 1

    def _function(self, value) -> bytes:
        if isinstance(value, functools.partial):
            return combine("partial", *self.all((value.func, value.args, value.keywords)))
        if isinstance(value, types.MethodType):
            return combine("method", self(value.__func__), self(value.__self__))
        if isinstance(value, types.BuiltinFunctionType):
            return combine("builtin", _name_of(value))
        cells = [_cell(cell) for cell in value.__closure__ or ()]
        parts = (value.__code__, value.__defaults__, value.__kwdefaults__, list(value.__code__.co_freevars), cells)
        return combine("function", _name_of(value), *self.all(parts))

    def _module(self, value: torch.nn.Module) -> bytes:
        """Its classes, settings and sampled weights, and those of its children; or the name it is known by."""
        if id(value) in self.known:
            return combine("known", self.known[id(value)].encode())
        classes = b"".join(class_name(base) for base in type(value).__mro__)
        settings = self.mapping(
            (name, setting)
            for name, setting in vars(value).items()
            if not (name in _MOVING or name.startswith(_MOVING_PREFIXES)) and _is_setting(setting)
        )
        weights = self.samples(list(own_weights(value)))
        children = [(name, self._child(child)) for name, child in value._modules.items() if child is not None]
        return combine("module", classes, settings, weights, *(part for pair in children for part in map(self, pair)))

    def _child(self, child: torch.nn.Module) -> bytes:
        """Modules within modules do not count as depth: a network is deep by nature."""
        depth, self._depth = self._depth, self._depth - 1
        try:
            return self(child)
        finally:
            self._depth = depth

    def _tensor(self, value: torch.Tensor) -> bytes:
        key = (id(value), self.sampled)
        if key not in self._tensors:
            self.kept.append(value)
            self._tensors[key] = self._inner(value) or tensor_digest(value, self.sampled)
        return self._tensors[key]

    def _inner(self, value: torch.Tensor) -> bytes | None:
        """A quantized tensor by the plain ones it is made of; None for a plain one."""
        if type(value) in (torch.Tensor, torch.nn.Parameter):
            return None
        inner = {n: v for n, v in vars(value).items() if isinstance(v, torch.Tensor) or dataclasses.is_dataclass(v)}
        if not any(isinstance(part, torch.Tensor) for part in inner.values()):
            return None
        return combine("wrapped", class_name(type(value)), self.mapping(inner.items()))


def tensor_digest(value: torch.Tensor, sampled: bool) -> bytes:
    """Type, shape and content; of a large one that is ``sampled``, some of the content."""
    value = value.detach()
    if type(value) is not torch.Tensor:
        value = value.as_subclass(torch.Tensor)
    head = str(value.dtype).encode(), str(tuple(value.shape)).encode()
    if value.device.type == "meta" or value.layout != torch.strided:
        return combine("tensor without content", *head)
    data = (_dense(value) if sampled else value.contiguous()).reshape(-1).view(torch.uint8)
    step = (data.numel() - _RUN) // (_PLACES - 1)
    if sampled and step > _RUN:
        data = data.as_strided((_PLACES, _RUN), (step, 1), data.storage_offset())
    return combine("tensor", *head, data.cpu().reshape(-1).contiguous().numpy().data)


def own_weights(module: torch.nn.Module):
    """(name, tensor) of what a module itself holds and saves."""
    for name, weight in module._parameters.items():
        if weight is not None:
            yield name, weight
    for name, buffer in module._buffers.items():
        if buffer is not None and name not in module._non_persistent_buffers_set:
            yield name, buffer


def class_name(kind: type) -> bytes:
    return _name_of(kind)


def _simple(value) -> bytes | None:
    """The hash of a value without parts, or None."""
    if value is None or isinstance(value, (bool, np.bool_, torch.dtype, torch.device, complex, slice, range)):
        return combine("plain", str(value).encode())
    if isinstance(value, enum.Enum):
        return combine("enum", class_name(type(value)), value.name.encode())
    if isinstance(value, (int, float, np.number)):
        return combine("number", _number(value))
    if isinstance(value, (str, PurePath)):
        return combine("text", str(value).encode("utf-8", "surrogatepass"))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return combine("bytes", bytes(value))
    if isinstance(value, Fraction):
        return combine("fraction", str(value).encode())
    if isinstance(value, uuid.UUID):
        return combine("uuid")  # made anew every time
    if isinstance(value, (type, types.ModuleType)):
        return combine("name", _name_of(value))
    return None


def _number(value) -> bytes:
    """Whole floats as integers: a graph that went through the page has 5 where it had 5.0."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float):
        whole = math.isfinite(value) and value.is_integer() and abs(value) < 2**53
        return str(int(value)).encode() if whole else value.hex().encode()
    return str(value).encode()


def _name_of(value) -> bytes:
    """Module and name. Of a module that the host names after its path, only what comes behind the folders."""
    module = str(getattr(value, "__module__", None) or "").replace("\\", "/").rpartition("/")[2]
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", "")
    return f"{module}:{name}".encode()


def _cell(cell):
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _attributes(value) -> list[tuple[str, object]]:
    """What an object holds: its fields, its __dict__, its slots."""
    held = dict(getattr(value, "__dict__", None) or {})
    for base in type(value).__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                held.setdefault(name, getattr(value, name))
    return list(held.items())


def _is_setting(value) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_setting, value))
    return isinstance(value, _PLAIN + _FUNCTIONS)


def _dense(value: torch.Tensor) -> torch.Tensor:
    """The same elements in the order they lie in memory, without a copy where they lie without gaps."""
    if value.is_contiguous():
        return value
    if value.dim() and not any(stride == 0 for stride in value.stride()):
        turned = value.permute(sorted(range(value.dim()), key=lambda axis: -value.stride(axis)))
        if turned.is_contiguous():
            return turned
    return value.contiguous()
