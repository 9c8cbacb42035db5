"""Bit fields of many blocks at once, eight bytes to a 64-bit word.

Torch works through long runs of large words far faster than through short runs of bytes, so the formats are unpacked
as words: a shift moves bits into the neighbour byte as well, and the mask that follows removes them there.

Fields are left where a mask finds them, or moved to the top of their byte. That makes a code a power of two too
large, which its scale makes up for: multiplying by a power of two rounds nothing, so results stay exact. At the top
of a byte the highest bit is the sign, and flipping it takes the middle of the range off: no subtraction is needed.
"""

from __future__ import annotations

import torch

EVERY = 0x0101010101010101


def mask(byte: int) -> int:
    """``byte`` in each of the eight bytes, as the signed number torch wants."""
    word = byte * EVERY
    return word - (1 << 64) if word >> 63 else word


def packed(blocks: torch.Tensor, start: int, stop: int, dtype: torch.dtype = torch.int64) -> torch.Tensor:
    """A copy of the bytes ``start`` to ``stop`` of each block, side by side, as words [blocks, words in a block].

    Always a copy: the slice of a single block counts as contiguous, but need not begin where a word may.
    """
    return blocks[:, start:stop].clone(memory_format=torch.contiguous_format).view(dtype)


def halves(blocks: torch.Tensor, start: int, count: int = 1) -> torch.Tensor:
    """The ``count`` 16-bit floats from byte ``start`` on, as float32 [blocks, count].

    Gathered first: torch converts what lies side by side many at a time, and anything else one by one.
    """
    return blocks[:, start : start + 2 * count].view(torch.int16).contiguous().view(torch.float16).to(torch.float32)


def masked(words: torch.Tensor, *bytes_: int) -> torch.Tensor:
    """int64 [n, w] to [n, masks, w]: the words with only these bits of each byte left, one plane for each mask.

    One plane at a time: torch takes three times as long where it has to broadcast over short rows.
    """
    out = words.new_empty((len(words), len(bytes_), words.shape[1]))
    for plane, byte in enumerate(bytes_):
        torch.bitwise_and(words, mask(byte), out=out[:, plane])
    return out


def shifted(words: torch.Tensor, byte: int, *lefts: int) -> torch.Tensor:
    """int64 [n, w] to [n, lefts, w]: the words moved left (right where negative), with these bits of each byte left."""
    out = words.new_empty((len(words), len(lefts), words.shape[1]))
    for plane, left in enumerate(lefts):
        move = torch.bitwise_left_shift if left >= 0 else torch.bitwise_right_shift
        move(words, abs(left), out=out[:, plane])
    return out.bitwise_and_(mask(byte))
