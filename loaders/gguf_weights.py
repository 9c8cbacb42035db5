"""The weights of a .gguf file as the host's state dict: plain types as they are, blocks behind their logical shape.

All tensors are views of one map of the file into memory: nothing is read before it is used.
"""

from __future__ import annotations

import math
import warnings

import torch
from torch.utils._pytree import tree_map

from ..errors import InputError
from . import ggml
from .gguf_file import GgufFile, Stored

_PLAIN = {
    "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64,
    "I8": torch.int8, "I16": torch.int16, "I32": torch.int32, "I64": torch.int64,
}  # fmt: skip


class Blocks(torch.Tensor):
    """Quantized weights that look like float32 of their logical shape, and become it in any operation.

    ``data_blocks`` is uint8 [rows, bytes a row], or [1, bytes] where a row is no whole number of blocks. The
    layers in gguf_ops take it as it is; every other reader of a state dict gets plain numbers.
    float32 is what the host then reads as "no opinion on the type to compute in".
    """

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, data_blocks: torch.Tensor, kind, shape: tuple[int, ...]):
        return torch.Tensor._make_wrapper_subclass(cls, shape, dtype=torch.float32, device=data_blocks.device)

    def __init__(self, data_blocks: torch.Tensor, kind, shape: tuple[int, ...]):
        self.data_blocks, self.kind = data_blocks, kind

    def dequantize(self) -> torch.Tensor:
        return ggml.dequantize(self.data_blocks, self.kind, torch.float32).reshape(self.shape)

    @property
    def in_rows(self) -> bool:
        """Whether each row can be read by itself."""
        return self.dim() == 2 and self.data_blocks.shape[0] == self.shape[0]

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        if func is torch.ops.aten.detach.default:  # as a Parameter is made
            return Blocks(args[0].data_blocks, args[0].kind, tuple(args[0].shape))
        plain = [
            tree_map(lambda x: x.dequantize() if isinstance(x, Blocks) else x, part) for part in (args, kwargs or {})
        ]
        return func(*plain[0], **plain[1])

    def __repr__(self):
        return f"Blocks({self.kind.name}, {tuple(self.shape)})"


def check_types(file: GgufFile, input_name: str) -> None:
    """Raises InputError where a tensor has a type that is not read here."""
    strange = {s.type_name for s in file.tensors.values() if s.type_name not in _PLAIN and not _supported(s.type)}
    if strange:
        raise InputError(
            input_name,
            f"{file.name} has weights of type {', '.join(sorted(strange))}, which is not read here",
            "Choose a version in Q8_0, Q6_K, Q5_K_M, Q4_K_M or another usual type.",
        )


def _supported(number: int) -> bool:
    return number in ggml.TYPES and ggml.supported(ggml.TYPES[number])


def quantization(file: GgufFile) -> str:
    """The type most quantized weights of the file have, "" where all are plain."""
    sizes: dict[str, int] = {}
    for stored in file.tensors.values():
        if stored.type_name not in _PLAIN:
            sizes[stored.type_name] = sizes.get(stored.type_name, 0) + math.prod(stored.shape)
    return max(sorted(sizes), key=sizes.__getitem__, default="")


def state_dict(file: GgufFile) -> dict[str, torch.Tensor]:
    """Every tensor by its name in the file; they keep the map alive, and it keeps the file open."""
    mapped = _map(file)
    return {key: _tensor(mapped, stored) for key, stored in file.tensors.items()}


def _map(file: GgufFile) -> torch.Tensor:
    """The file as uint8 [bytes], read as it is used. Writing to it would end the process."""
    import numpy

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(numpy.memmap(file.path, dtype=numpy.uint8, mode="r"))


def _tensor(mapped: torch.Tensor, stored: Stored) -> torch.Tensor:
    data = mapped[stored.offset : stored.offset + stored.nbytes]
    dtype = _PLAIN.get(stored.type_name)
    if stored.nbytes == 0:
        return torch.zeros(stored.shape, dtype=dtype or torch.float32)
    if dtype is not None:
        return data.view(dtype).reshape(stored.shape)
    kind = ggml.TYPES[stored.type]
    whole = len(stored.shape) == 2 and stored.shape[0] > 0 and stored.shape[1] % kind.block_size == 0
    return Blocks(data.reshape(stored.shape[0] if whole else 1, -1), kind, stored.shape)
