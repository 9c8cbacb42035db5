"""How loud a voice is, and bringing it to the level the audio model was trained on.

Loudness by ITU-R BS.1770-4 for one channel at 16 kHz, as pyloudnorm 0.1 computes it (InfiniteTalk normalises with
it): a shelf of +4 dB at 1500 Hz and a high pass at 38 Hz from the audio equaliser cookbook, blocks of 0.4 s every
0.1 s, gates at -70 LUFS and 10 dB below the mean. torchaudio's ``loudness`` is not used: its filters clip what
exceeds full scale (2.5 dB too low for a loud 5 kHz tone), and it leaves out a last block that is not whole.
"""

from __future__ import annotations

import math

import numpy as np
import torch

RATE = 16000
TARGET = -23.0
FLOOR = -70.0
_HOP = RATE // 10
_BLOCK = 4 * _HOP
_PIECE = _HOP * 600  # a minute at a time


def _shelf() -> tuple[list[float], list[float]]:
    """High shelf, +4 dB above 1500 Hz, Q 1/sqrt(2): numerator and denominator."""
    gain, angle = 10 ** (4.0 / 40), 2 * math.pi * 1500 / RATE
    cos, slope = math.cos(angle), math.sqrt(2 * gain) * math.sin(angle)
    up, down = gain + 1, gain - 1
    top = [gain * (up + down * cos + slope), -2 * gain * (down + up * cos), gain * (up + down * cos - slope)]
    return top, [up - down * cos + slope, 2 * (down - up * cos), up - down * cos - slope]


def _high_pass() -> tuple[list[float], list[float]]:
    """High pass at 38 Hz, Q 1/2."""
    angle = 2 * math.pi * 38 / RATE
    cos, width = math.cos(angle), math.sin(angle)
    return [(1 + cos) / 2, -(1 + cos), (1 + cos) / 2], [1 + width, -2 * cos, 1 - width]


def _energies(samples: np.ndarray) -> np.ndarray:
    """Sum of squares of the weighted sound in every tenth of a second; the last may be a part of one."""
    from scipy.signal import lfilter  # the host brings it; 0.3 s to import

    filters = [(top, bottom, np.zeros(2)) for top, bottom in (_shelf(), _high_pass())]
    sums = []
    for first in range(0, len(samples), _PIECE):
        piece = samples[first : first + _PIECE].astype(np.float64)
        for top, bottom, state in filters:
            piece, state[:] = lfilter(top, bottom, piece, zi=state)
        sums.append(np.add.reduceat(np.square(piece), np.arange(0, len(piece), _HOP)))
    return np.concatenate(sums)


def _level(power: np.ndarray | float) -> np.ndarray | float:
    with np.errstate(divide="ignore"):
        return -0.691 + 10.0 * np.log10(power)


def integrated(samples: torch.Tensor) -> float:
    """Loudness in LUFS of samples [N] at 16 kHz; -inf where nothing is louder than -70.

    A sound shorter than one block (0.4 s), which the reference refuses, is measured as one block of its own length.
    """
    sums = _energies(samples.numpy())
    if len(samples) < _BLOCK:
        powers = np.array([sums.sum() / len(samples)])
    else:
        # Rounded, not floored: a last block that is more than half a hop short counts, with silence behind it.
        count = int(np.round((len(samples) - _BLOCK) / _HOP)) + 1
        padded = np.concatenate([sums, np.zeros(4)])
        powers = sum(padded[shift : shift + count] for shift in range(4)) / _BLOCK
    loud = powers[_level(powers) >= FLOOR]
    if not len(loud):
        return -math.inf
    gated = loud[_level(loud) > max(_level(loud.mean()) - 10.0, FLOOR)]
    return float(_level(gated.mean())) if len(gated) else -math.inf


def gain(samples: torch.Tensor) -> float | None:
    """The factor that brings samples [N] to -23 LUFS; None where the sound is too quiet to measure."""
    loudness = integrated(samples)
    return 10.0 ** ((TARGET - loudness) / 20.0) if math.isfinite(loudness) else None
