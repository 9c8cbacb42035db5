"""A short name for content: the same pictures, prompts and settings give the same one in every run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch

_PLAIN = (type(None), bool, int, float, str, bytes)
_PASSING = ("uuid",)  # drawn anew by the host for every conversion; says nothing of the content
_TAKEN = 8  # elements of each weight


def digest(*values) -> str:
    """Hex name of ``values``: numbers, text, tensors (type, shape and content), lists, mappings, and plain objects
    (class and attributes, one level deep)."""
    state = hashlib.sha256()
    for value in values:
        _feed(state, value, deep=True)
    return state.hexdigest()


def of_weights(module: torch.nn.Module) -> str:
    """Hex name of a network by a few elements of every weight: cheap, and different for another file."""
    state = hashlib.sha256()
    for name, weight in sorted(module.named_parameters()):
        flat = weight.detach().reshape(-1)
        few = flat[:: max(1, flat.numel() // _TAKEN)][:_TAKEN]
        _feed(state, (name, tuple(weight.shape), few.float().cpu()), deep=True)
    return state.hexdigest()


def _feed(state, value, deep: bool) -> None:
    if isinstance(value, _PLAIN):
        _text(state, type(value).__name__, repr(value))
    elif isinstance(value, torch.Tensor):
        _text(state, "tensor", f"{value.dtype} {tuple(value.shape)}")
        state.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    elif isinstance(value, (list, tuple)):
        _text(state, "list", str(len(value)))
        for item in value:
            _feed(state, item, deep)
    elif isinstance(value, Mapping):
        kept = sorted((str(key), item) for key, item in value.items() if key not in _PASSING)
        _text(state, "mapping", str(len(kept)))
        for key, item in kept:
            _text(state, "key", key)
            _feed(state, item, deep)
    else:
        _object(state, value, deep)


def _object(state, value, deep: bool) -> None:
    kind = type(value)
    _text(state, "object", f"{kind.__module__}.{kind.__qualname__}")
    if isinstance(value, torch.nn.Module):
        _text(state, "weights", of_weights(value))
    elif deep and hasattr(value, "__dict__"):
        _feed(state, vars(value), deep=False)


def _text(state, kind: str, text: str) -> None:
    """With its length in front, so that no two sequences of values can read alike."""
    content = text.encode()
    state.update(f"{kind}:{len(content)}:".encode())
    state.update(content)
