"""Phr00t-like all-in-one checkpoints: model, text encoder and VAE in one file.

The keys are those that the host's own `comfy.sd.save_checkpoint` writes for a Wan model.
"""

from __future__ import annotations

import torch

from . import text, vae, wan


def weights(kind: str, seed: int) -> dict[str, torch.Tensor]:
    """State dict of a checkpoint with a transformer of `kind` (see wan.IN_DIM)."""
    encoder = text.weights()
    encoder.pop(text.MARKER)  # needed only to recognise a file that holds nothing but the encoder
    spiece_model = encoder.pop("spiece_model")
    tensors = {
        "text_encoders.spiece_model": spiece_model,
        "text_encoders.umt5xxl.logit_scale": torch.tensor(4.6055, dtype=torch.float16),
    }
    tensors |= _prefixed("model.diffusion_model.", wan.weights(kind, seed))
    tensors |= _prefixed("text_encoders.umt5xxl.transformer.", encoder)
    tensors |= _prefixed("vae.", vae.weights())
    return tensors


def _prefixed(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}
