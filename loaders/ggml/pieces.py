"""Blocks in, weights out: a piece at a time, so that what lies between stays in the processor's cache."""

from __future__ import annotations

from itertools import repeat
from math import prod

import torch

from . import i_quants, k_quants, simple
from .types import Kind, find

PLAIN = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
FORMATS = {**simple.FORMATS, **k_quants.FORMATS, **i_quants.FORMATS}
WITH_MINIMA = {"Q4_1", "Q5_1", "Q2_K", "Q4_K", "Q5_K"}
# Weights in a piece. On a CPU its few buffers of float32 (2 MB for a thread's part) should stay in the caches, and yet
# be long enough that the calls, some 20 for a piece, take little beside the work. Each call waits for all threads:
# with several the pieces grow, for where other programs hold a core such a wait is long.
THREAD_PIECE, CPU_MOST = 1 << 19, 1 << 22
STRETCH = 8  # pieces whose scales are read at once: they are few, and the calls for them would cost as much as for many
DEVICE_PIECE = 1 << 24  # elsewhere long pieces keep the device busy, and this bounds what they take: 64 MB


@torch.no_grad()
def dequantize(
    blocks: torch.Tensor,
    kind: Kind | int | str,
    dtype: torch.dtype = torch.float32,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """The weights of ``blocks`` (uint8 [..., n * type_size]) as ``dtype`` [..., n * block_size], on the same device.

    Arithmetic is float32 in the order of ggml's own, and rounded to ``dtype`` once at the end. ``out``, contiguous and
    of that shape and type, is filled and returned where given. Raises ValueError for a kind that is not known and for
    tensors that do not fit it.
    """
    found = find(kind)
    if found is None:
        raise ValueError(f"ggml type {kind!r} is not known")
    shape = _shape(blocks, found)
    if out is None:
        out = torch.empty(shape, dtype=dtype, device=blocks.device)
    elif (tuple(out.shape), out.dtype, out.device) != (shape, dtype, blocks.device) or not out.is_contiguous():
        raise ValueError(f"out must be a contiguous {dtype} tensor of {shape} on {blocks.device}")
    if not prod(shape):
        return out
    flat = blocks.reshape(-1, found.type_size)
    if flat.storage_offset() % 4:  # bytes are read as larger words, which must begin at even places
        flat = flat.clone()
    if found.name in PLAIN:
        out.view(-1, 1).copy_(flat.view(PLAIN[found.name]))
    else:
        in_pieces(flat, found, out.view(-1, found.block_size), blocks.device.type == "cpu")
    return out


def _shape(blocks: torch.Tensor, kind: Kind) -> tuple[int, ...]:
    if blocks.dtype != torch.uint8 or blocks.dim() < 1 or blocks.shape[-1] % kind.type_size:
        raise ValueError(
            f"{kind.name} wants uint8 rows of a multiple of {kind.type_size} bytes, "
            f"not {blocks.dtype} of {tuple(blocks.shape)}"
        )
    return (*blocks.shape[:-1], blocks.shape[-1] // kind.type_size * kind.block_size)


def in_pieces(blocks: torch.Tensor, kind: Kind, out: torch.Tensor, on_cpu: bool) -> None:
    """Fills ``out`` [n, block_size] from ``blocks`` [n, type_size], by way of buffers of one piece's size."""
    # Each operation divides its piece among torch's threads, each time alike, so a thread finds its part in its cache.
    piece = min(CPU_MOST, THREAD_PIECE * torch.get_num_threads()) if on_cpu else DEVICE_PIECE
    rows = min(len(blocks), max(1, piece // kind.block_size))
    work = _Work(kind, rows, out, on_cpu)
    long = rows * STRETCH if on_cpu else rows
    for stretch, room in zip(blocks.split(long), out.split(long), strict=True):
        scale, least = FORMATS[kind.name][0](stretch)
        minima = repeat(None) if least is None else least.split(rows)
        # strict would ask the endless Nones for an end
        for part in zip(stretch.split(rows), scale.split(rows), minima, room.split(rows), strict=False):
            work.piece(*part)


class _Work:
    """Buffers of one piece, used again and again, and what is done with them."""

    def __init__(self, kind: Kind, rows: int, out: torch.Tensor, on_cpu: bool):
        self.product, self.on_cpu = FORMATS[kind.name][1], on_cpu
        direct = out.dtype == torch.float32 or not (on_cpu or kind.name in WITH_MINIMA)
        self.floats = _Floats(rows * max(kind.block_size, kind.type_size), out.device) if on_cpu else _as_they_are
        self.result = None if direct else torch.empty((rows, kind.block_size), dtype=torch.float32, device=out.device)

    def piece(self, codes: torch.Tensor, scale: torch.Tensor, least: torch.Tensor | None, target: torch.Tensor) -> None:
        product = target if self.result is None else self.result[: len(codes)]
        self.product(codes, scale, product, self.floats)
        if least is not None:
            _subtract(product, least, product if self.on_cpu else target)
        if product is not target and (self.on_cpu or least is None):
            target.copy_(product)


def _subtract(product: torch.Tensor, least: torch.Tensor, out: torch.Tensor) -> None:
    groups = (least.numel(), product.shape[1] // least.shape[1])
    torch.sub(product.view(groups), least.view(-1, 1), out=out.view(groups))


class _Floats:
    """Codes as float32 in one buffer, used again and again. What it gave last is overwritten by the next."""

    def __init__(self, size: int, device: torch.device):
        self.buffer = torch.empty(size, dtype=torch.float32, device=device)
        self.shaped: dict[torch.Size, torch.Tensor] = {}

    def __call__(self, codes: torch.Tensor) -> torch.Tensor:
        room = self.shaped.get(codes.shape)
        if room is None:
            room = self.shaped[codes.shape] = self.buffer[: codes.numel()].view(codes.shape)
        return room.copy_(codes)


def _as_they_are(codes: torch.Tensor) -> torch.Tensor:
    """On a GPU the product reads the bytes itself: nothing to do beforehand."""
    return codes
