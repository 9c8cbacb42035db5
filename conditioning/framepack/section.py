"""One section as CONDITIONING: the clean latents the model sees beside it, and where in time all of them stand.

What was made before is seen at falling resolution: the nearest latent frame as it is, two more at 2x, sixteen at 4x.
Frames that are not there yet are zeros, as in the reference. Latents here are the VAE's own, [1, 16, T, h, w]. Torch
only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from ...errors import InputError
from ..attach import set_values
from .indices import HISTORY, SEEN, Positions
from .plan import F1

KEY = "genga_framepack"  # what the loader's model reads: {"target": times, "clean": {stride: (latents, times)}}
MARK = "genga"  # what the loaders' guard reads
CHANNELS = 16


@dataclass(frozen=True)
class Seen:
    """What a section sees. ``history``: of a standard video what comes after the section, nearest first; of F1 all
    before it. ``end``: the last frame of a standard video. ``keyframe``: in the place of ``start`` for this section.
    """

    start: torch.Tensor
    history: torch.Tensor | None = None
    end: torch.Tensor | None = None
    keyframe: torch.Tensor | None = None


def latent_of(latent, name: str) -> torch.Tensor:
    """The samples of a LATENT, [1, 16, T, h, w]; InputError for what is no HunyuanVideo latent of whole tokens."""
    samples = latent.get("samples") if isinstance(latent, Mapping) else None
    if not isinstance(samples, torch.Tensor):
        raise InputError(name, "this is no LATENT", "Wire VAE Encode, with the HunyuanVideo VAE.")
    samples = samples.unsqueeze(2) if samples.ndim == 4 else samples
    if samples.ndim != 5 or samples.shape[1] != CHANNELS or samples.shape[2] < 1:
        shape = tuple(samples.shape)
        raise InputError(name, f"its shape is {shape}, not [1, 16, T, h, w]", "Encode with the HunyuanVideo VAE.")
    if samples.shape[0] != 1:
        raise InputError(
            name, f"it has a batch of {samples.shape[0]}", "FramePack draws one video at a time: give one."
        )
    if samples.shape[3] % 2 or samples.shape[4] % 2:
        size = f"{samples.shape[4] * 8} x {samples.shape[3] * 8}"
        raise InputError(name, f"its picture is {size} pixels", "Use a width and height that 16 divides.")
    return samples


def same_size(start: torch.Tensor, start_name: str = "start_latent", **others: torch.Tensor | None) -> None:
    """Raises for a latent whose frames are of another size than those of ``start``, the input ``start_name``."""
    for name, other in others.items():
        if other is not None and other.shape[-2:] != start.shape[-2:]:
            sizes = [f"{each.shape[-1] * 8} x {each.shape[-2] * 8}" for each in (other, start)]
            raise InputError(name, f"its frames are {sizes[0]}, those of {start_name} {sizes[1]}", "Scale one of them.")


def weakened(end: torch.Tensor | None, strength: float) -> torch.Tensor | None:
    """The first frame of the end latent, times its strength."""
    if not 0.0 < strength <= 1.0:
        raise InputError("end_strength", f"{strength} is no strength", "Use 0.01 to 1, or wire no end_latent.")
    return None if end is None else end[:, :, :1] * strength


def clean(direction: str, seen: Seen) -> dict[int, torch.Tensor]:
    """The clean latents by stride: 2 frames at 1x, 2 at 2x, 16 at 4x."""
    start, history = seen.start[:, :, :1], _nineteen(direction, seen)
    if direction == F1:
        quad, double, near = history.split((SEEN[4], SEEN[2], SEEN[1]), dim=2)
        return {1: torch.cat([start, near], 2), 2: double, 4: quad}
    near, double, quad = history.split((SEEN[1], SEEN[2], SEEN[4]), dim=2)
    first = start if seen.keyframe is None else seen.keyframe[:, :, :1].to(start)
    return {1: torch.cat([first, near], 2), 2: double, 4: quad}


def _nineteen(direction: str, seen: Seen) -> torch.Tensor:
    """The nearest 19 latent frames of what was made before; zeros where there are fewer."""
    start = seen.start[:, :, :1]
    if direction == F1:
        made = start if seen.history is None else seen.history[:, :, -HISTORY:].to(start)
        return torch.cat([_zeros(start, HISTORY - made.shape[2]), made], 2)
    parts = [] if seen.history is None else [seen.history[:, :, :HISTORY].to(start)]
    parts += [] if seen.end is None else [seen.end.to(start)]
    made = torch.cat([_zeros(start, 0), *parts], 2)[:, :, :HISTORY]
    return torch.cat([made, _zeros(start, HISTORY - made.shape[2])], 2)


def _zeros(like: torch.Tensor, frames: int) -> torch.Tensor:
    return like.new_zeros((1, CHANNELS, frames, *like.shape[-2:]))


def attach(
    conditioning: list, positions: Positions, latents: Mapping[int, torch.Tensor], node: str, vision=None
) -> list:
    """Every entry of ``conditioning`` with the section in it, and SigLIP's view of the picture if there is one."""
    groups = {stride: (latents[stride], times) for stride, times in positions.groups().items()}
    values = {KEY: {"target": positions.target, "clean": groups}, MARK: {"framepack": True, "node": node}}
    return set_values(conditioning, values | ({} if vision is None else {"clip_vision_output": vision}))


def marked(conditioning: list, node: str) -> list:
    """Only the mark, for asking beforehand whether a model can obey."""
    return set_values(conditioning, {MARK: {"framepack": True, "node": node}})


def check_prompt(conditioning, name: str) -> None:
    """Raises unless this is encoded text of HunyuanVideo's encoders."""
    if not isinstance(conditioning, list) or not conditioning:
        raise InputError(name, "there is no conditioning", "Wire an encoded prompt.")
    if any(entry[1].get("pooled_output") is None for entry in conditioning):
        remedy = "Encode it with DualCLIPLoader, type hunyuan_video (clip_l and llava_llama3)."
        raise InputError(name, "it was not made by HunyuanVideo's text encoders (CLIP's part is missing)", remedy)


def check_vae(vae) -> None:
    """Raises unless the VAE makes 16 channels for video, as that of HunyuanVideo does."""
    if getattr(vae, "latent_channels", None) != 16 or getattr(vae, "latent_dim", None) != 3:
        problem = "there is none" if vae is None else "this VAE makes no video of 16 channels"
        raise InputError("vae", problem, "Load hunyuan_video_vae_bf16.safetensors.")


def check_vision(output, name: str = "clip_vision_output") -> None:
    """Raises for CLIP vision without the features FramePack takes."""
    if output is not None and getattr(output, "last_hidden_state", None) is None:
        remedy = "Load sigclip_vision_patch14_384.safetensors, and CLIP Vision Encode with crop none."
        raise InputError(name, "it has no last hidden state", remedy)
