"""The formats of 256 weights with scales of their own for each 16 or 32: Q2_K to Q6_K.

The functions are called as those in ``simple``. Where a format has several codes in a byte, the first holds weight i
and the next weight i + 32 (Q6_K: its low and high halves are 64 apart).
"""

from __future__ import annotations

import torch

from .words import halves, mask, masked, packed, shifted


def scales_of_q2(blocks) -> tuple[torch.Tensor, torch.Tensor]:
    """16 bytes of scale (low half) and minimum (high half); two floats behind the codes."""
    small, both = packed(blocks, 0, 16, torch.uint8), halves(blocks, 80, 2)
    scale = ((small & 0x0F) * both[:, :1]).view(-1, 2, 4, 2)
    for plane in (1, 2, 3):  # whose codes are this much too large
        scale[:, :, plane] /= 4**plane
    return scale, (small >> 4) * both[:, 1:]


def q2_k(blocks, scale, target, floats) -> None:
    """64 bytes of codes."""
    codes = masked(packed(blocks, 16, 80).view(-1, 4), 0x03, 0x0C, 0x30, 0xC0)
    _scaled(codes.view(torch.uint8), scale, target, floats, 16)


def scales_of_q3(blocks) -> tuple[torch.Tensor, None]:
    """12 bytes and a float. 4 low bits as two rounds of halves of 8 bytes, 2 high bits as four rounds of quarters."""
    words = packed(blocks, 96, 108, torch.int32)
    low, top = words[:, :2], words[:, 2]
    low = torch.cat((low, low >> 4), 1) & 0x0F0F0F0F
    high = torch.stack((top << 4, top << 2, top, top >> 2), 1) & 0x30303030
    return ((low | high).view(torch.uint8).to(torch.float32) - 32) * halves(blocks, 108), None


def q3_k(blocks, scale, target, floats) -> None:
    """32 bytes of third bits (0 takes 4 off), 64 bytes of codes."""
    third = shifted(~packed(blocks, 0, 32), 0x80, *range(7, -1, -1)).view(torch.int8)
    third >>= 5  # the sign spreads: -4 or 0
    codes = shifted(packed(blocks, 32, 96).view(-1, 4), 0x03, 0, -2, -4, -6).view(len(blocks), 8, 4)
    codes |= third.view(torch.int64)
    _scaled(codes.view(torch.int8), scale, target, floats, 16)


def scales_of_q4(blocks) -> tuple[torch.Tensor, torch.Tensor]:
    """Two floats and 12 bytes; the codes of every second group are 16 times too large."""
    scale, least = _scales_and_minima(blocks)
    scale[:, 1::2] /= 16
    return scale, least


def q4_k(blocks, scale, target, floats) -> None:
    """128 bytes of codes."""
    codes = masked(packed(blocks, 16, 144).view(-1, 4), 0x0F, 0xF0)
    _scaled(codes.view(torch.uint8), scale, target, floats, 32)


def scales_of_q5(blocks) -> tuple[torch.Tensor, torch.Tensor]:
    """As Q4_K; all codes are 8 times too large."""
    scale, least = _scales_and_minima(blocks)
    return scale.div_(8), least


def q5_k(blocks, scale, target, floats) -> None:
    """32 bytes of fifth bits, bit g for the weights of group g, and 128 bytes of codes."""
    codes = shifted(packed(blocks, 48, 176).view(-1, 4), 0x78, 3, -1).view(-1, 8, 4)
    codes |= shifted(packed(blocks, 16, 48), 0x80, *range(7, -1, -1))
    _scaled(codes.view(torch.uint8), scale, target, floats, 32)


def scales_of_q6(blocks) -> tuple[torch.Tensor, None]:
    """16 signed scales and a float; the codes are 4 times too large."""
    return packed(blocks, 192, 208, torch.int8) * (halves(blocks, 208) / 4), None


def q6_k(blocks, scale, target, floats) -> None:
    """128 bytes of 4 low bits, 64 bytes of 2 high bits."""
    high = packed(blocks, 128, 192).view(-1, 4) ^ mask(0xAA)  # takes 32 off each code
    codes = shifted(packed(blocks, 0, 128).view(-1, 8), 0x3C, 2, -2)
    codes |= shifted(high, 0xC0, 6, 4, 2, 0).view(-1, 2, 8)
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


FORMATS = {
    "Q2_K": (scales_of_q2, q2_k),
    "Q3_K": (scales_of_q3, q3_k),
    "Q4_K": (scales_of_q4, q4_k),
    "Q5_K": (scales_of_q5, q5_k),
    "Q6_K": (scales_of_q6, q6_k),
}
