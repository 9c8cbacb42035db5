"""FOR TESTS ONLY: lets the host load the tiny text encoders, CLIP vision models, audio encoder, SDXL, Flux and
FramePack's.

The host takes the layer sizes of these from files and code of its own, not from the weights. This pack adapts
these places, and only for tiny files; the product never does this:

- `comfy.sd.CLIP.__init__`: when the tokenizer in the file is a tiny one, it passes umt5.json as the host's own
  option `umt5xxl_model_config`. Reached by CLIPLoader and CheckpointLoaderSimple.
- `comfy.clip_vision.load_clipvision_from_sd`: when the key that marks CLIP vision H is empty, it builds the
  host's `ClipVisionModel` from clip_vision.json. Reached by CLIPVisionLoader.
- `comfy.audio_encoders.audio_encoders.load_audio_encoder_from_sd`: when the convolutions are thin, it builds the
  host's `Wav2Vec2Model` from wav2vec2.json. Reached by AudioEncoderLoader.
- SDXL and Flux: images.py says which; what FramePack is used with: framepack.py.

It also brings one node, TestsTrap, which stops a run where a test wants it (trap.py).

It works as a custom node of a server and imported in process; importing it twice changes nothing more.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import comfy.audio_encoders.audio_encoders
import comfy.clip_vision
import comfy.sd

from . import framepack, images, trap, wav2vec2

NODE_CLASS_MAPPINGS = {"TestsTrap": trap.TestsTrap}

_HERE = Path(__file__).resolve().parent
_UMT5 = json.loads((_HERE / "umt5.json").read_text(encoding="utf-8"))
_CLIP_MARKER = "vision_model.encoder.layers.30.layer_norm1.weight"
_TINY_TOKENIZER = 1 << 16  # bytes; the real one has 4.5 million


def _sized_clip(init):
    @functools.wraps(init)
    def wrapper(self, *args, tokenizer_data=None, model_options=None, **kwargs):
        tokenizer_data, model_options = tokenizer_data or {}, model_options or {}
        tokenizer = tokenizer_data.get("spiece_model")
        if tokenizer is not None and tokenizer.numel() < _TINY_TOKENIZER:
            model_options = {**model_options, "umt5xxl_model_config": _UMT5}
        init(self, *args, tokenizer_data=tokenizer_data, model_options=model_options, **kwargs)

    return wrapper


def _sized_clip_vision(load):
    @functools.wraps(load)
    def wrapper(sd, *args, **kwargs):
        if _CLIP_MARKER not in sd or sd[_CLIP_MARKER].numel() > 0:
            return load(sd, *args, **kwargs)
        model = comfy.clip_vision.ClipVisionModel(str(_HERE / "clip_vision.json"))
        missing, _ = model.load_sd(sd)
        if missing:
            raise ValueError(f"tiny CLIP vision model: missing keys {missing}")
        return model

    return wrapper


if not hasattr(comfy.sd, "tiny_sizes"):
    comfy.sd.tiny_sizes = True
    comfy.sd.CLIP.__init__ = _sized_clip(comfy.sd.CLIP.__init__)
    comfy.clip_vision.load_clipvision_from_sd = _sized_clip_vision(comfy.clip_vision.load_clipvision_from_sd)
    comfy.audio_encoders.audio_encoders.load_audio_encoder_from_sd = wav2vec2.sized(
        comfy.audio_encoders.audio_encoders.load_audio_encoder_from_sd
    )
    images.install()
    framepack.install()
