"""The formats of 256 weights with scales of their own for each 16 or 32: Q2_K to Q6_K.

The functions are called as those in ``simple``. Where a format has several codes in a byte, the first holds weight i
and the next weight i + 32 (Q6_K: its low and high halves are 64 apart).
"""

from __future__ import annotations

import torch

from .words import halves, mask, masked, packed, shifted


def q2_k(blocks, target, floats) -> torch.Tensor:
    """16 bytes of scale (low half) and minimum (high half), 64 bytes of codes, two floats."""
    codes = masked(packed(blocks, 16, 80).view(-1, 4), 0x03, 0x0C, 0x30, 0xC0)
    small, both = packed(blocks, 0, 16, torch.uint8), halves(blocks, 80, 2)
    scale = ((small & 0x0F) * both[:, :1]).view(-1, 2, 4, 2)
    for plane in (1, 2, 3):  # whose codes are this much too large
        scale[:, :, plane] /= 4**plane
    _scaled(codes.view(torch.uint8), scale, target, floats, 16)
    return (small >> 4) * both[:, 1:]


def q3_k(blocks, target, floats) -> None:
    """32 bytes of third bits (0 takes 4 off), 64 bytes of codes, 12 bytes of scales, a float."""
    third = shifted(~packed(blocks, 0, 32), 0x80, *range(7, -1, -1)).view(torch.int8)
    third >>= 5  # the sign spreads: -4 or 0
    codes = shifted(packed(blocks, 32, 96).view(-1, 4), 0x03, 0, -2, -4, -6).view(len(blocks), 8, 4)
    codes |= third.view(torch.int64)
    _scaled(codes.view(torch.int8), _scales_of_q3(blocks) * halves(blocks, 108), target, floats, 16)


def _scales_of_q3(blocks: torch.Tensor) -> torch.Tensor:
    """[n, 16]: 4 low bits as two rounds of halves of 8 bytes, 2 high bits as four rounds of quarters of 4 bytes."""
    words = packed(blocks, 96, 108, torch.int32)
    low, top = words[:, :2], words[:, 2]
    low = torch.cat((low, low >> 4), 1) & 0x0F0F0F0F
    high = torch.stack((top << 4, top << 2, top, top >> 2), 1) & 0x30303030
    return (low | high).view(torch.uint8).to(torch.float32) - 32


def q4_k(blocks, target, floats) -> torch.Tensor:
    """Two floats, 12 bytes of scales and minima, 128 bytes of codes."""
    codes = masked(packed(blocks, 16, 144).view(-1, 4), 0x0F, 0xF0)
    scale, least = _scales_and_minima(blocks)
    scale[:, 1::2] /= 16
    _scaled(codes.view(torch.uint8), scale, target, floats, 32)
    return least


def q5_k(blocks, target, floats) -> torch.Tensor:
    """As Q4_K, with 32 bytes of fifth bits before the codes: bit g for the weights of group g."""
    codes = shifted(packed(blocks, 48, 176).view(-1, 4), 0x78, 3, -1).view(-1, 8, 4)
    codes |= shifted(packed(blocks, 16, 48), 0x80, *range(7, -1, -1))
    scale, least = _scales_and_minima(blocks)
    _scaled(codes.view(torch.uint8), scale.div_(8), target, floats, 32)
    return least


def q6_k(blocks, target, floats) -> None:
    """128 bytes of 4 low bits, 64 bytes of 2 high bits, 16 signed scales, a float."""
    high = packed(blocks, 128, 192).view(-1, 4) ^ mask(0xAA)  # takes 32 off each code
    codes = shifted(packed(blocks, 0, 128).view(-1, 8), 0x3C, 2, -2)
    codes |= shifted(high, 0xC0, 6, 4, 2, 0).view(-1, 2, 8)
    scale = packed(blocks, 192, 208, torch.int8) * (halves(blocks, 208) / 4)
    _scaled(codes.view(torch.int8), scale, target, floats, 16)


def _scaled(codes, scale, target, floats, group: int) -> None:
    """target = codes x scale, one scale for each ``group`` weights."""
    torch.mul(floats(codes).view(-1, group), scale.view(-1, 1), out=target.view(-1, group))


def _scales_and_minima(blocks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """float32 [n, 8] each, of Q4_K and Q5_K, whose first 16 bytes are alike.

    Two floats; then bytes 0-3 and 4-7 are the first four scales and minima (6 bits) with the two high bits of the last
    four above them; bytes 8-11 have the latter's low bits, scales in the low half. Four bytes are handled as one word.
    """
    words = packed(blocks, 0, 16, torch.int32).t().clone(memory_format=torch.contiguous_format)
    first, last = words[1:3], words[3]
    low = torch.stack((last, last >> 4)) & 0x0F0F0F0F
    codes = torch.stack((first & 0x3F3F3F3F, low | ((first >> 2) & 0x30303030)), 2).view(torch.uint8)
    floats = words[0].view(torch.float16).view(-1, 2).t().to(torch.float32)
    scale, least = codes * floats[:, :, None]
    return scale, least
