"""The latents that FramePack-eichi saves, read as the host keeps latents, and written as it reads them.

Such a .safetensors file holds ``history_latents`` [1, 16, T, h, w] float32, already multiplied by HunyuanVideo's scaling
factor as the model sees them, and ``metadata``, three int32: height and width in pixels, latent frames. Needs no host.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from ...errors import InputError
from ..header import Header

LATENTS, METADATA = "history_latents", "metadata"
FPS = 30.0
_SCALE = 0.476986  # HunyuanVideo's VAE; the host keeps latents without it
_ANOTHER = "Choose a file that FramePack-eichi saved as tensor data."
_PIXELS = 8  # to a latent pixel
_FLOATS = ("F16", "BF16", "F32", "F64")


def is_eichi(header: Header) -> bool:
    """Whether a file is one of FramePack-eichi's."""
    return LATENTS in header.tensors


def tensors(samples: torch.Tensor, name: str = "samples") -> dict[str, torch.Tensor]:
    """What such a file holds for ``samples`` [1, 16, T, h, w], the VAE's own; InputError, naming the input, for others."""
    if samples.ndim != 5 or samples.shape[:2] != (1, 16):
        problem = f"the shape is {list(samples.shape)}, and FramePack-eichi reads [1, 16, T, h, w]"
        raise InputError(name, problem, "Wire one video's latent of FramePack, or choose another layout.")
    height, width = (side * _PIXELS for side in samples.shape[3:])
    sizes = torch.tensor([height, width, samples.shape[2]], dtype=torch.int32)
    return {LATENTS: (samples.float().cpu() * _SCALE).contiguous(), METADATA: sizes}


def read(path: Path, header: Header, name: str) -> torch.Tensor:
    """Latents [1, 16, T, h, w], float32; InputError, naming the input, for what is none."""
    stored = header.tensors[LATENTS]
    if stored.dtype not in _FLOATS or len(stored.shape) != 5 or stored.shape[:2] != (1, 16) or not stored.size:
        problem = f"the latents of {path.name} are {stored.dtype} {list(stored.shape)}, not [1, 16, T, h, w]"
        raise InputError(name, problem, _ANOTHER)
    try:
        with safe_open(path, "pt") as file:
            latents = file.get_tensor(LATENTS).float() / _SCALE
    except (SafetensorError, OSError) as error:
        raise InputError(name, f"{path.name} cannot be read ({error})", _ANOTHER) from error
    if not bool(torch.isfinite(latents).all()):
        problem = f"{path.name} holds NaN or infinite values"
        raise InputError(name, problem, "The run that made it failed: make it anew.")
    return latents
