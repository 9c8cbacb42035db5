"""Two speakers in one clip: their sounds laid side by side or one after the other.

As in the reference (``audio_prepare_multi``) each voice is brought to its loudness by itself, then filled up with
silent samples, and then read by the encoder: where a speaker is quiet the features are those of silence within
that sound, not zeros. The reference fails for ``para`` with unequal lengths; here the shorter one is silent at its end.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from ..errors import InputError
from . import speech, speech_encoder, speech_sound

MODES = ("para", "add")
NAMES = ("audio", "audio_2")


def combine(one: speech_sound.Sound, two: speech_sound.Sound, mode: str) -> tuple[speech_sound.Sound, ...]:
    """Both sounds at the same length. ``para``: both from the start; ``add``: the second after the first."""
    if mode not in MODES:
        raise InputError("two_speakers", f"{mode!r} is unknown", f"Use one of {', '.join(MODES)}.")
    if mode == "add":
        ends = len(one.samples), len(two.samples)
        duration = one.duration + two.duration
        return _padded(one, 0, ends[1], duration), _padded(two, ends[0], 0, duration)
    longest = max(len(one.samples), len(two.samples))
    duration = max(one.duration, two.duration)
    return tuple(_padded(sound, 0, longest - len(sound.samples), duration) for sound in (one, two))


def _padded(sound: speech_sound.Sound, before: int, after: int, duration) -> speech_sound.Sound:
    return replace(sound, samples=torch.nn.functional.pad(sound.samples, (before, after)), duration=duration)


def analyse(
    audio: dict, audio_2: dict, mode: str, encoder, cache: Path | None = None, tell: speech.Tell | None = None
) -> tuple[speech.Speech, speech.Speech]:
    """Features of two speakers, with the same number of frames; raises InputError. Else as ``speech.analyse``."""
    speech_encoder.check(encoder)
    prepared = [speech_sound.prepare(given, name) for given, name in zip((audio, audio_2), NAMES, strict=True)]
    sounds = combine(*prepared, mode)
    return tuple(speech.read(sound, encoder, cache, _part(tell, index)) for index, sound in enumerate(sounds))


def _part(tell: speech.Tell | None, index: int) -> speech.Tell | None:
    """The progress of the first or second half of the work."""
    return tell and (lambda done, total: tell(index * total + done, 2 * total))
