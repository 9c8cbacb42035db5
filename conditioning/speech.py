"""From a host AUDIO to the features InfiniteTalk hears: one row of 12 x 768 numbers for each video frame at 25 fps.

The whole sound is read once: the encoder attends over all of it, so features of a cut are others than a cut of the
features. Up to ten minutes this is exact; longer sounds are read in stretches of ten minutes that overlap by half
a minute or more, and only attention ends at a stretch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from . import speech_encoder, speech_sound, speech_store

FPS = speech_sound.FPS
_VERSION = 1  # to be raised when the numbers change: features kept on disk are then made anew

Tell = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Speech:
    """Features of one speaker. ``frames`` is int(seconds * 25), computed without rounding errors."""

    frames: int
    seconds: float
    digest: str
    notes: tuple[str, ...]
    features: speech_store.InMemory | speech_store.InFile

    def rows(self, indices: torch.Tensor) -> torch.Tensor:
        """Features [*indices.shape, 12, 768] float32 (CPU) of video frames.

        Before the first frame the first counts; past the end the sound runs backwards (n -> n - 1, n + 1 -> n - 2),
        as the reference pads its last window, and once it has run out its first frame stays.
        """
        wanted = indices.to("cpu", torch.int64)
        wanted = torch.where(wanted < self.frames, wanted, 2 * self.frames - 1 - wanted).clamp(min=0)
        unique, places = wanted.unique(return_inverse=True)
        found = np.ascontiguousarray(self.features.gather(unique.numpy()).transpose(1, 0, 2))
        return torch.from_numpy(found)[places]


def analyse(audio: dict, encoder, cache: Path | None = None, tell: Tell | None = None, name: str = "audio") -> Speech:
    """The features of a host AUDIO by a host AUDIO_ENCODER; raises InputError for what cannot be used.

    With a ``cache`` folder the features are kept there under their digest, and taken from there the next time.
    ``tell(done, total)`` hears of the progress; what it raises (a cancel) ends the work and leaves nothing behind.
    """
    speech_encoder.check(encoder)
    return read(speech_sound.prepare(audio, name), encoder, cache, tell)


def read(sound: speech_sound.Sound, encoder, cache: Path | None = None, tell: Tell | None = None) -> Speech:
    """As ``analyse``, of a sound that is prepared already."""
    digest = digest_of(sound, encoder)
    model = encoder.model
    shape = (len(model.encoder.layers), sound.frames, model.encoder.layer_norm.weight.shape[0])
    features = speech_store.find(cache, digest, shape) if cache else None
    if features is None:
        features = _encode(sound, encoder, cache, tell or (lambda done, total: None), digest, shape)
    notes = sound.notes
    if sound.frames > speech_encoder.STRETCH:
        notes += ("The sound is longer than ten minutes: it is read in overlapping stretches of ten minutes.",)
    return Speech(sound.frames, float(sound.duration), digest, notes, features)


def digest_of(sound: speech_sound.Sound, encoder) -> str:
    """Hash of all that shapes the features: samples, length in frames, weights, and the version of this code."""
    head = f"speech {_VERSION} {sound.frames} {speech_encoder.fingerprint(encoder.model)}"
    digest = hashlib.sha256(head.encode())
    digest.update(sound.samples.numpy())
    return digest.hexdigest()


def _encode(sound, encoder, cache, tell, digest, shape):
    import comfy.model_management  # here, so that the arithmetic is tested without a host

    comfy.model_management.load_model_gpu(encoder.patcher)
    samples = sound.samples.to(encoder.load_device)

    def run(target) -> None:
        def put(layer: int, first: int, rows: torch.Tensor) -> None:
            target.put(layer, first, rows.numpy())

        speech_encoder.encode(encoder.model, samples, sound.frames, put, tell)

    if cache is None:
        features = speech_store.InMemory(shape)
        run(features)
        return features
    with speech_store.writing(cache, digest, shape) as target:
        run(target)
    speech_store.sweep(cache)
    return speech_store.InFile(cache / f"{digest}.npy")
