"""ggml's block formats on torch tensors: what each is, and its weights as ordinary numbers again.

The formats are those of GGUF files. Sources of the facts: ggml's block structures (ggml-common.h) and the reference
dequantization of the ``gguf`` package, whose float32 results these equal bit for bit.
"""

from __future__ import annotations

from .pieces import dequantize
from .types import TYPES, Kind, find, supported

__all__ = ["TYPES", "Kind", "dequantize", "find", "supported"]
