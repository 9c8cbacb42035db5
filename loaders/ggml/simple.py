"""The formats of 32 weights with one scale each: Q8_0, Q5_0, Q5_1, Q4_0, Q4_1 (and IQ4_NL in i_quants).

A format is two functions of ``blocks`` (uint8 [n, type_size], contiguous). ``scales`` gives float32 [n, ...], what
codes are multiplied by, and [n, groups], what is subtracted from the products, or None; it is called for many blocks
at a time. ``product`` writes code x scale to ``target`` ([n, block_size]) for fewer, whose scales it is given;
``floats`` makes codes fit to be multiplied. A byte of 4-bit codes holds weight i in its low half and weight i + 16 in
its high half.
"""

from __future__ import annotations

import torch

from .words import EVERY, halves, mask, packed

DIAGONAL = 0x8040201008040201 - (1 << 64)  # bit i of byte i


def scale_times(factor: float):
    """The ``scales`` of formats whose blocks begin with their one scale; codes are 1 / factor times too large."""

    def scales(blocks):
        return halves(blocks, 0) * factor, None

    return scales


def scales_of_q4_1(blocks) -> tuple[torch.Tensor, torch.Tensor]:
    """Two floats, the second is added; the codes of the second half are 16 times too large."""
    both = halves(blocks, 0, 2)
    return torch.cat((both[:, :1], both[:, :1] / 16), 1), -both[:, 1:]


def scales_of_q5_1(blocks) -> tuple[torch.Tensor, torch.Tensor]:
    """As Q4_1, all codes are 8 times too large."""
    both = halves(blocks, 0, 2)
    return both[:, :1] / 8, -both[:, 1:]


def q8_0(blocks, scale, target, floats) -> None:
    # Converting whole blocks, scale bytes and all, is one long run; the product skips what it does not want.
    torch.mul(floats(blocks.view(torch.int8))[:, 2:], scale, out=target)


def q4_0(blocks, scale, target, floats) -> None:
    flipped, pairs = blocks ^ 0x88, target.view(-1, 2, 16)
    for half, codes in enumerate((flipped << 4, flipped & 0xF0)):
        torch.mul(floats(codes.view(torch.int8))[:, 2:], scale, out=pairs[:, half])


def q4_1(blocks, scale, target, floats) -> None:
    pairs = target.view(-1, 2, 16)
    for half, byte in enumerate((0x0F, 0xF0)):
        torch.mul(floats(blocks & byte)[:, 4:], scale[:, half, None], out=pairs[:, half])


def q5_0(blocks, scale, target, floats) -> None:
    codes = _five_bits(blocks, 2) ^ mask(0x80)
    torch.mul(floats(codes.view(torch.int8)), scale, out=target)


def q5_1(blocks, scale, target, floats) -> None:
    torch.mul(floats(_five_bits(blocks, 4).view(torch.uint8)), scale, out=target)


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


FORMATS = {
    "Q8_0": (scale_times(1), q8_0),
    "Q5_0": (scale_times(1 / 8), q5_0),
    "Q5_1": (scales_of_q5_1, q5_1),
    "Q4_0": (scale_times(1 / 16), q4_0),
    "Q4_1": (scales_of_q4_1, q4_1),
}
