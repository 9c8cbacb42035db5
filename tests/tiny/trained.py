"""The trained models of tests/tiny/weights under names that users have, for tests, the demo and the benchmark.

Their card, weights/card.md, says what they are and how they came about; train.py makes them.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from . import world_text

FOLDER = Path(__file__).resolve().parent / "weights"
HIGH = "world_i2v_high_noise.safetensors"
LOW = "world_i2v_low_noise.safetensors"
T2V = "world_t2v.safetensors"
VAE = "world_vae.safetensors"
TEXT = "world_umt5.safetensors"
KINDS = {HIGH: "diffusion_models", LOW: "diffusion_models", T2V: "diffusion_models", VAE: "vae"}


def install(models: Path) -> Path:
    """Puts every file into a host's models folder: weights by link or copy, the text encoder by writing it."""
    for name, kind in KINDS.items():
        _link(FOLDER / name, models / kind / name)
    encoder = models / "text_encoders" / TEXT
    if not encoder.exists():
        from safetensors.torch import save_file

        encoder.parent.mkdir(parents=True, exist_ok=True)
        part = encoder.with_suffix(f".{os.getpid()}.part")
        save_file(world_text.weights(), part)
        part.replace(encoder)
    return models


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another drive, or a file system without hard links
        shutil.copyfile(source, target)
