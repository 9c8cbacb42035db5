"""The sound of a video, written in step with its frames. Needs PyAV, not the host."""

from __future__ import annotations

from fractions import Fraction

import av
import torch

from ..errors import InputError

_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
# What AAC can carry (ISO/IEC 14496-3, table 1.18). Anything else is resampled to 48 kHz.
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_OPUS_RATES = (48000, 24000, 16000, 12000, 8000)  # RFC 6716, section 2.1.3
_BITS_PER_SECOND = 96_000
_RATES = {"aac": _AAC_RATES, "libopus": _OPUS_RATES, "flac": range(1, 655351)}
_SAMPLES = {"aac": "fltp", "libopus": "flt", "flac": "s32"}  # s32: FLAC keeps the upper 24 bits


def check_audio(audio: dict) -> tuple[torch.Tensor, int]:
    """The samples [C,N] and the rate in Hz of a host AUDIO; raises InputError where it cannot be written."""
    waveform = audio.get("waveform") if isinstance(audio, dict) else None
    rate = audio.get("sample_rate") if isinstance(audio, dict) else None
    if not isinstance(waveform, torch.Tensor) or waveform.ndim != 3 or not waveform.is_floating_point():
        raise InputError(
            "audio",
            "is not an AUDIO with a waveform [1, channels, samples]",
            "Wire the output of Load Audio.",
        )
    if waveform.shape[0] != 1:
        raise InputError("audio", f"holds a batch of {waveform.shape[0]} sounds", "Give one sound.")
    if waveform.shape[1] not in _LAYOUTS:
        raise InputError("audio", f"has {waveform.shape[1]} channels", "Give mono, stereo or 5.1 sound.")
    if not isinstance(rate, (int, float)) or not 1 <= rate <= 768_000:
        raise InputError("audio", f"has the sample rate {rate!r}", "Give a sample rate between 1 and 768000 Hz.")
    if waveform.shape[2] == 0:
        raise InputError("audio", "has no samples", "Disconnect it, or give a sound that is not empty.")
    if not bool(torch.isfinite(waveform).all()):
        raise InputError("audio", "has samples that are NaN or infinite", "Check the node that made the sound.")
    return waveform[0], int(rate)


class Soundtrack:
    """A stream of sound that follows the video: never past its end, and done where the sound is done."""

    def __init__(self, container: av.container.OutputContainer, samples: torch.Tensor, rate: int, encoder: str = "aac"):
        self.container, self.samples, self.rate = container, samples, rate
        self.layout = _LAYOUTS[samples.shape[0]]
        target = rate if rate in _RATES[encoder] else 48000
        self.stream = container.add_stream(encoder, rate=target, layout=self.layout)
        if encoder == "flac":
            self.stream.codec_context.format = _SAMPLES[encoder]
        else:
            self.stream.bit_rate = samples.shape[0] * min(_BITS_PER_SECOND, 4 * target)
        self.resampler = None
        if target != rate or encoder != "aac":
            self.resampler = av.AudioResampler(format=_SAMPLES[encoder], layout=self.layout, rate=target)
        self.written = 0

    def write_until(self, seconds: Fraction) -> None:
        """Writes the samples up to a time of the video."""
        end = min(round(seconds * self.rate), self.samples.shape[1])
        if end <= self.written:
            return
        piece = self.samples[:, self.written : end].to("cpu", torch.float32).contiguous()
        frame = av.AudioFrame.from_ndarray(piece.numpy(), format="fltp", layout=self.layout)
        frame.sample_rate = self.rate
        frame.time_base = Fraction(1, self.rate)
        frame.pts = self.written
        self.written = end
        self._encode(frame)

    def finish(self) -> None:
        """Empties resampler and encoder."""
        if self.resampler is not None and self.written:
            self._encode(None)
        self.container.mux(self.stream.encode(None))

    def _encode(self, frame: av.AudioFrame | None) -> None:
        for part in [frame] if self.resampler is None else self.resampler.resample(frame):
            self.container.mux(self.stream.encode(part))
