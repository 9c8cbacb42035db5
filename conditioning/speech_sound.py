"""A host AUDIO made ready for the speech encoder: checked, one channel, 16 kHz, -23 LUFS.

Reference: InfiniteTalk's ``audio_prepare_single`` (channels averaged, 16 kHz, loudness normalised, in this order).
It resamples with soxr, this with torchaudio's windowed sinc, as the host's encoder node does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import torch

from ..errors import InputError
from . import speech_loudness

RATE = 16000
FPS = 25
_PIECE = 1 << 20  # samples looked at in one go
_LARGEST_KERNEL = 1 << 22  # elements of torchaudio's table of filters
_WIDTH, _ROLLOFF = 6, 0.99  # torchaudio's defaults: zero crossings on each side, cutoff
_CLIPPED_RUN = 4  # equal samples at full scale in a row
_CLIPPED_SHARE = 1e-4


@dataclass(frozen=True, eq=False)
class Sound:
    """``samples`` [N] float32 at 16 kHz; ``duration`` in seconds of the sound as it was given, exact."""

    samples: torch.Tensor
    duration: Fraction
    notes: tuple[str, ...] = ()

    @property
    def frames(self) -> int:
        """Video frames at 25 per second: the whole ones."""
        return int(self.duration * FPS)


def check(audio: dict, name: str = "audio") -> tuple[torch.Tensor, int]:
    """The samples [C,N] and the rate in Hz of a host AUDIO; raises InputError where no speech can be read from it."""
    waveform = audio.get("waveform") if isinstance(audio, dict) else None
    rate = audio.get("sample_rate") if isinstance(audio, dict) else None
    if not isinstance(waveform, torch.Tensor) or waveform.ndim != 3 or not waveform.is_floating_point():
        problem = "is not an AUDIO with a waveform [1, channels, samples]"
        raise InputError(name, problem, "Wire the output of Load Audio.")
    if waveform.shape[0] != 1:
        raise InputError(name, f"holds a batch of {waveform.shape[0]} sounds", "Give one sound.")
    if not isinstance(rate, (int, float)) or not 1 <= rate <= 768_000:
        raise InputError(name, f"has the sample rate {rate!r}", "Give a sample rate between 1 and 768000 Hz.")
    if waveform.shape[1] == 0 or waveform.shape[2] == 0:
        raise InputError(name, "has no samples", "Give a sound that is not empty.")
    if waveform.shape[2] * FPS < int(rate):
        problem = f"lasts {waveform.shape[2] / rate * 1000:.1f} ms, less than one frame at {FPS} frames a second"
        raise InputError(name, problem, "Give a longer sound.")
    return waveform[0], int(rate)


def prepare(audio: dict, name: str = "audio") -> Sound:
    """The sound as the encoder takes it; raises InputError. ``name`` is the input that errors and notes speak of."""
    waveform, rate = check(audio, name)
    notes = [f"{name} {what}" for what in _examine(waveform, name)]
    samples = resample(waveform, rate, RATE, mono=True)[0]
    factor = speech_loudness.gain(samples)
    if factor is not None:
        samples = samples * factor
    elif samples.any():
        notes.append(f"{name} stays below {speech_loudness.FLOOR:.0f} LUFS: too quiet to bring to speaking level.")
    else:
        notes.append(f"{name} is silent: nobody will speak.")
    return Sound(samples, Fraction(waveform.shape[1], rate), tuple(notes))


def _examine(waveform: torch.Tensor, name: str) -> list[str]:
    """What a person should know of samples [C,N]; raises InputError for NaN and infinity."""
    clipped = 0
    for first in range(0, waveform.shape[1], _PIECE):
        piece = waveform[:, first : first + _PIECE].cpu()
        if not bool(torch.isfinite(piece).all()):
            raise InputError(name, "has samples that are NaN or infinite", "Check the node that made the sound.")
        loud = piece.abs() >= 0.99
        if loud.any() and piece.shape[1] >= _CLIPPED_RUN:
            level = (piece[:, 1:] == piece[:, :-1]) & loud[:, 1:]
            clipped += int(level.unfold(1, _CLIPPED_RUN - 1, 1).all(-1).sum())
    share = clipped / waveform.numel()
    return [f"is clipped ({share:.2%} of it): speech is read from it as it is."] if share > _CLIPPED_SHARE else []


def resample(waveform: torch.Tensor, rate: int, target: int, mono: bool = False) -> torch.Tensor:
    """[C,N] at ``rate`` Hz -> float32 CPU [C or 1, ceil(N * target / rate)], a piece at a time."""
    divisor = math.gcd(rate, target)
    old, new = rate // divisor, target // divisor
    length = waveform.shape[1]
    total = -(-length * new // old)
    out = torch.empty(1 if mono else waveform.shape[0], total)
    direct = old * new > _LARGEST_KERNEL
    reach = math.ceil(_WIDTH * old / (min(old, new) * _ROLLOFF)) + 1
    step, halo = (-(-size // old) * old for size in (_PIECE, reach))
    for first in range(0, length, step):
        begin, end = max(0, first - halo), min(length, first + step + halo)
        piece = waveform[:, begin:end].to("cpu", torch.float32)
        piece = piece.mean(0, keepdim=True) if mono else piece
        start = first // old * new
        count = min(step // old * new, total - start)
        made = _direct(piece, old, new) if direct else _by_table(piece, old, new)
        skip = (first - begin) // old * new
        out[:, start : start + count] = made[:, skip : skip + count]
    return out


def _by_table(piece: torch.Tensor, old: int, new: int) -> torch.Tensor:
    import torchaudio  # the host brings it; slow to import

    return torchaudio.functional.resample(piece, old, new)


def _direct(piece: torch.Tensor, old: int, new: int) -> torch.Tensor:
    """The same filter, computed where it is needed: for rates such as 44101 Hz, whose table would fill the memory."""
    scale = min(old, new) * _ROLLOFF / old
    reach = math.ceil(_WIDTH / scale)
    total = -(-piece.shape[1] * new // old)
    padded = torch.nn.functional.pad(piece, (reach, reach + 1))
    taps = torch.arange(-reach, reach + 1)
    out = torch.empty(piece.shape[0], total)
    step = max(1, _PIECE // len(taps))
    for first in range(0, total, step):
        place = torch.arange(first, min(first + step, total)) * old
        away = ((taps[None] - (place % new)[:, None] / new) * scale).clamp(-_WIDTH, _WIDTH)
        weights = torch.sinc(away) * torch.cos(away * (math.pi / (2 * _WIDTH))).square() * scale
        near = padded[:, (place // new)[:, None] + (taps + reach)[None]]
        out[:, first : first + len(place)] = (near * weights).sum(-1)
    return out
