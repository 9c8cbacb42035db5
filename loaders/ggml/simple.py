"""The formats of 32 weights with one scale each: Q8_0, Q5_0, Q5_1, Q4_0, Q4_1 (and IQ4_NL in i_quants).

Each function takes ``blocks`` (uint8 [n, type_size], contiguous), writes scale x code to ``target`` ([n, block_size])
and returns what is to be subtracted from it, [n, groups], or None. ``floats`` makes codes fit to be multiplied.
A byte of 4-bit codes holds weight i in its low half and weight i + 16 in its high half.
"""

from __future__ import annotations

import torch

from .words import EVERY, halves, mask, packed

DIAGONAL = 0x8040201008040201 - (1 << 64)  # bit i of byte i


def q8_0(blocks, target, floats) -> None:
    # Converting whole blocks, scale bytes and all, is one long run; the product skips what it does not want.
    torch.mul(floats(blocks.view(torch.int8))[:, 2:], halves(blocks, 0), out=target)


def q4_0(blocks, target, floats) -> None:
    scale, flipped, pairs = halves(blocks, 0) / 16, blocks ^ 0x88, target.view(-1, 2, 16)
    for half, codes in enumerate((flipped << 4, flipped & 0xF0)):
        torch.mul(floats(codes.view(torch.int8))[:, 2:], scale, out=pairs[:, half])


def q4_1(blocks, target, floats) -> torch.Tensor:
    scale, pairs = halves(blocks, 0), target.view(-1, 2, 16)
    torch.mul(floats(blocks & 0x0F)[:, 4:], scale, out=pairs[:, 0])
    torch.mul(floats(blocks & 0xF0)[:, 4:], scale / 16, out=pairs[:, 1])
    return -halves(blocks, 2)


def q5_0(blocks, target, floats) -> None:
    codes = _five_bits(blocks, 2) ^ mask(0x80)
    torch.mul(floats(codes.view(torch.int8)), halves(blocks, 0) / 8, out=target)


def q5_1(blocks, target, floats) -> torch.Tensor:
    torch.mul(floats(_five_bits(blocks, 4).view(torch.uint8)), halves(blocks, 0) / 8, out=target)
    return -halves(blocks, 2)


def _five_bits(blocks: torch.Tensor, start: int) -> torch.Tensor:
    """The codes x 8, int64 [n, 4]: from ``start`` on lie 32 fifth bits, one after the other, then the 4-bit pairs."""
    fifth = blocks[:, start : start + 4].to(torch.int64) * EVERY
    fifth &= DIAGONAL
    fifth += mask(0x7F)  # any bit becomes the highest
    fifth &= mask(0x80)
    pairs = packed(blocks, start + 4, start + 20)
    fifth[:, :2] |= (pairs << 3) & mask(0x78)
    fifth[:, 2:] |= (pairs >> 1) & mask(0x78)
    return fifth
