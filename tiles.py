"""The VAE in tiles, where a whole clip would not fit the device: the host's own tiled calls, and when to use them.

Tiles are cut in space only, all frames at once: Wan's VAE works through time piece by piece and remembers, so cutting
time saves nothing and would show. A decoder looks about 17 latents (136 pixels) around it, and its middle block looks
at the whole picture, so tiles can never be exactly the whole: they overlap by 128 pixels, across which the host mixes
them. Needs are the host's own estimates.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import torch

MODES = ("auto", "off", "on")
SIZES = (1024, 768, 512, 384, 256)  # pixels; the host's tiled nodes begin with 512
USUAL = 512
_OVERLAP = 128
GB = 1e9


@dataclass(frozen=True)
class Choice:
    """How one clip goes through the VAE. tile: side in pixels, 0 for whole. need, free: bytes, by the host's estimate."""

    tile: int
    need: float = 0.0
    free: float = 0.0

    @property
    def overlap(self) -> int:
        """Pixels that neighbouring tiles share."""
        return min(_OVERLAP, self.tile // 4)


def pick(mode: str, need: Callable[[int], float], free: float) -> Choice:
    """Whole or which tile, by one of MODES. need(side): bytes for a tile of that side, of the whole for 0.

    auto takes the whole where it fits and else the largest tile that does; where none fits, the smallest.
    """
    whole = need(0)
    if mode == "off" or (mode == "auto" and whole <= free):
        return Choice(0, whole, free)
    sizes = SIZES if mode == "auto" else tuple(size for size in SIZES if size <= USUAL)
    return Choice(next((size for size in sizes if need(size) <= free), sizes[-1]), whole, free)


def for_decode(vae, shape: tuple[int, ...], mode: str) -> Choice:
    """How a latent of this shape [B, C, T, h, w] is to be decoded."""
    if not callable(getattr(vae, "memory_used_decode", None)):
        return Choice(0)
    scale = vae.spacial_compression_decode()
    return pick(mode, lambda side: decode_need(vae, cut(shape, side // scale)), available(vae))


def for_encode(vae, shape: tuple[int, ...], mode: str) -> Choice:
    """How a clip of this shape [B, 3, T, H, W] is to be encoded."""
    if not callable(getattr(vae, "memory_used_encode", None)):
        return Choice(0)
    return pick(mode, lambda side: encode_need(vae, cut(shape, side)), available(vae))


def decode_need(vae, shape: tuple[int, ...]) -> float:
    """Bytes the host reserves to decode a latent of this shape, beside the VAE's weights."""
    return float(vae.memory_used_decode(shape, vae.vae_dtype))


def encode_need(vae, shape: tuple[int, ...]) -> float:
    """Bytes the host reserves to encode a clip of this shape, beside the VAE's weights."""
    return float(vae.memory_used_encode(shape, vae.vae_dtype))


def decode(vae, latent: torch.Tensor, mode: str = "auto") -> torch.Tensor:
    """``vae.decode(latent)``, in tiles where ``mode`` wants it or memory is short. Latent [B, C, T, h, w]."""
    chosen = for_decode(vae, tuple(latent.shape), mode)
    if not chosen.tile:
        return vae.decode(latent)
    scale = vae.spacial_compression_decode()
    _say("decoded", chosen)
    side = chosen.tile // scale
    return vae.decode_tiled(latent, tile_x=side, tile_y=side, overlap=chosen.overlap // scale)


def encode(vae, pixels: torch.Tensor, mode: str = "auto") -> torch.Tensor:
    """``vae.encode(pixels)``, in tiles where ``mode`` wants it or memory is short. Pixels [T, H, W, 3]."""
    chosen = for_encode(vae, (1, pixels.shape[-1], *pixels.shape[:3]), mode)
    if not chosen.tile:
        return vae.encode(pixels)
    _say("encoded", chosen)
    return vae.encode_tiled(pixels, tile_x=chosen.tile, tile_y=chosen.tile, overlap=chosen.overlap)


def available(vae) -> float:
    """Bytes that can be free for the VAE's work on its device: what the host could unload counts as free."""
    return free_on(vae.device) - vae.patcher.model_size()


def free_on(device) -> float:
    """Bytes free on ``device`` once the host's models have left it, less what the host keeps back."""
    import comfy.model_management as management

    free = management.get_free_memory(device)
    if torch.device(device).type not in ("cpu", "mps"):  # there, what leaves the device stays in the same memory
        free += sum(each.model_loaded_memory() for each in management.current_loaded_models if each.device == device)
    return free - management.extra_reserved_memory()


def cut(shape: tuple[int, ...], side: int) -> tuple[int, ...]:
    """The shape of one tile of ``side``; the whole for 0."""
    return (*shape[:-2], *(min(size, side) if side else size for size in shape[-2:]))


def _say(done: str, chosen: Choice) -> None:
    logging.info("[Genga] VAE: %s", explain(done, chosen))


def explain(done: str, chosen: Choice) -> str:
    """In words, for one of "decoded" and "encoded"."""
    sizes = f"ComfyUI reckons {chosen.need / GB:.1f} GB, {chosen.free / GB:.1f} GB can be free"
    if not chosen.tile:
        return f"{done} whole ({sizes})."
    return f"{done} in tiles of {chosen.tile} pixels that share {chosen.overlap} ({sizes})."
