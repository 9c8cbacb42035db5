"""The sound of a video with two speakers: both voices as they were given, together or one after the other."""

from __future__ import annotations

import torch

from . import speech_sound

_PIECE = 1 << 20  # samples looked at in one go


def together(audio: dict, audio_2: dict, mode: str) -> tuple[dict, tuple[str, ...]]:
    """Two host AUDIOs as one, and notes. para: both from the start. add: the second after the first.

    At the higher of the two rates; mono where both are, else the wider one's channels. What exceeds full scale is
    lowered as a whole.
    """
    (one, rate_one), (two, rate_two) = speech_sound.check(audio, "audio"), speech_sound.check(audio_2, "audio_2")
    rate = max(rate_one, rate_two)
    one, two = (
        speech_sound.resample(samples, old, rate) if old != rate else samples.to("cpu", torch.float32)
        for samples, old in ((one, rate_one), (two, rate_two))
    )
    channels = max(one.shape[0], two.shape[0])
    start = one.shape[1] if mode == "add" else 0
    heard = torch.zeros(channels, max(one.shape[1], start + two.shape[1]))
    heard[:, : one.shape[1]] += _spread(one, channels)
    heard[:, start : start + two.shape[1]] += _spread(two, channels)
    loudest = max(float(heard[:, at : at + _PIECE].abs().max()) for at in range(0, heard.shape[1], _PIECE))
    notes = _ends(one.shape[1], two.shape[1], rate) if mode == "para" else ()
    if loudest > 1.0:
        heard /= loudest
        notes += (f"both voices together reach {loudest:.2f}: the video's sound is lowered to full scale.",)
    return {"waveform": heard[None], "sample_rate": rate}, notes


def _spread(samples: torch.Tensor, channels: int) -> torch.Tensor:
    """Samples [C, N] on this many channels: as they are, or their mean on each."""
    return samples if samples.shape[0] == channels else samples.mean(0, keepdim=True).expand(channels, -1)


def _ends(one: int, two: int, rate: int) -> tuple[str, ...]:
    if one == two:
        return ()
    shorter = "audio" if one < two else "audio_2"
    return (f"{shorter} ends {abs(one - two) / rate:.2f} s before the other: that speaker is silent from there.",)
