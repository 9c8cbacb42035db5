"""Blocks in, weights out: a piece at a time, so that what lies between stays in the processor's cache."""

from __future__ import annotations

from math import prod

import torch

from . import i_quants, k_quants, simple
from .types import Kind, find

PLAIN = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
KERNELS = {
    name.upper(): getattr(module, name)
    for module, names in (
        (simple, ("q8_0", "q5_0", "q5_1", "q4_0", "q4_1")),
        (k_quants, ("q2_k", "q3_k", "q4_k", "q5_k", "q6_k")),
        (i_quants, ("iq4_nl", "iq4_xs")),
    )
    for name in names
}
WITH_MINIMA = {"Q4_1", "Q5_1", "Q2_K", "Q4_K", "Q5_K"}
# Weights in a piece. On a CPU its few buffers of float32 should stay in the caches (2 MB, or 1 MB a thread), and yet
# be long enough that the calls, some 50 for a piece, take little beside the work.
CPU_PIECE, THREAD_PIECE = 1 << 19, 1 << 18
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
    piece = max(CPU_PIECE, THREAD_PIECE * torch.get_num_threads()) if on_cpu else DEVICE_PIECE
    rows = min(len(blocks), max(1, piece // kind.block_size))
    direct = out.dtype == torch.float32 or not (on_cpu or kind.name in WITH_MINIMA)
    result = None if direct else torch.empty((rows, kind.block_size), dtype=torch.float32, device=out.device)
    floats = _Floats(rows * max(kind.block_size, kind.type_size), out.device) if on_cpu else _as_they_are
    for codes, target in zip(blocks.split(rows), out.split(rows), strict=True):
        product = target if direct else result[: len(codes)]
        least = KERNELS[kind.name](codes, product, floats)
        if least is not None:
            _subtract(product, least, product if on_cpu else target)
        if product is not target and (on_cpu or least is None):
            target.copy_(product)


def _subtract(product: torch.Tensor, least: torch.Tensor, out: torch.Tensor) -> None:
    groups = (least.numel(), product.shape[1] // least.shape[1])
    torch.sub(product.view(groups), least.view(-1, 1), out=out.view(groups))


class _Floats:
    """Codes as float32 in one buffer, used again and again. What it gave last is overwritten by the next."""

    def __init__(self, size: int, device: torch.device):
        self.buffer = torch.empty(size, dtype=torch.float32, device=device)

    def __call__(self, codes: torch.Tensor) -> torch.Tensor:
        return self.buffer[: codes.numel()].view(codes.shape).copy_(codes)


def _as_they_are(codes: torch.Tensor) -> torch.Tensor:
    """On a GPU the product reads the bytes itself: nothing to do beforehand."""
    return codes
