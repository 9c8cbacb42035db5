"""How much memory a run will take, by the host's own estimates, and the cheapest change where it does not fit.

The numbers are those the host acts on when it loads models and decodes: ``memory_required`` of the model for one
conditioning (it does them one after the other where both at once do not fit), ``memory_used_decode`` of the VAE, and the
weights in the types they were loaded in. Weights that do not fit stay in RAM and travel at every step: slower, no error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch

from .. import tiles
from ..errors import InputError
from ..tiles import GB
from . import hardware

LEAST = 0.8 * 2**30  # what the host keeps free for computing, however small the clip is
SHORTEST, NARROWEST = 17, 256  # frames and pixels below which no change is worth offering
_STEP = 16
_FLOAT = 4


@dataclass(frozen=True)
class Clip:
    """What is sampled at once: one clip, or one window of a long one. length: frames, rounded up to 4n + 1 by the node."""

    width: int
    height: int
    length: int

    def latent(self, vae) -> tuple[int, ...]:
        """The shape of its latent."""
        scale = vae.spacial_compression_encode()
        return 1, vae.latent_channels, (self.length - 1) // 4 + 1, self.height // scale, self.width // scale


@dataclass(frozen=True)
class Need:
    """Bytes. weights: of the model. sampling: beside them, on the device. decoding: of the whole clip, with the VAE's
    weights. frames: the decoded clip in RAM. latent: the clip's latent."""

    weights: float
    sampling: float
    decoding: float
    frames: float
    latent: float


@dataclass(frozen=True)
class Room:
    """Bytes that can be free once the host's models have left. device: of the GPU (or RAM, where that is the device)."""

    device: float
    ram: float
    name: str = "the device"
    shared: bool = False


def check_model(model) -> None:
    """Raises InputError for what is no diffusion model, and so has no needs."""
    if not callable(getattr(getattr(model, "model", None), "memory_required", None)):
        raise InputError("model", "this is no diffusion model", "Wire the MODEL of a loader.")


def need_of(model, vae, clip: Clip) -> Need:
    """What ``clip`` takes with this MODEL and VAE."""
    shape = clip.latent(vae)
    return Need(
        weights=float(model.model_size()),
        sampling=max(LEAST, float(model.model.memory_required(list(shape)))),
        decoding=tiles.decode_need(vae, shape) + vae.patcher.model_size(),
        frames=float(clip.length * clip.height * clip.width * 3 * _FLOAT),
        latent=float(math.prod(shape) * _FLOAT),
    )


def room_for(model) -> Room:
    """The memory around a MODEL's device."""
    device = model.load_device
    ram = tiles.free_on(torch.device("cpu"))
    return Room(tiles.free_on(device), ram, hardware.name_of(device), device.type in ("cpu", "mps"))


def report(model, vae, clip: Clip, room: Room) -> list[str]:
    """What a person should know before the run, in sentences; the last ones name the change that helps, if one is needed."""
    need = need_of(model, vae, clip)
    lines = [
        f"{clip.width}x{clip.height}, {_frames(clip.length)}, by ComfyUI's estimates: sampling {_gb(need.sampling)} beside "
        f"{_gb(need.weights)} of weights; decoding {_gb(need.decoding)}; {_gb(need.frames)} of RAM for the frames, "
        f"{_gb(need.latent)} for the latent.",
        f"On {room.name} {_gb(room.device)} can be free, {_gb(room.ram)} of RAM are.",
    ]
    lines += _sampling(model, vae, clip, need, room) + _decoding(vae, clip, need, room)
    if 2 * need.frames > room.ram:  # once as decoded, once on the way into a file
        longest = _fitting(_shorter(clip), lambda each: 2 * need_of(model, vae, each).frames <= room.ram)
        remedy = f" {longest.length} frames would." if longest else ""
        lines.append(f"The frames do not fit into RAM.{remedy} For longer video use windows (Window Sampler).")
    return lines


def _sampling(model, vae, clip: Clip, need: Need, room: Room) -> list[str]:
    if need.sampling > room.device:
        return [f"Sampling does not fit. {_change(model, vae, clip, room)}"]
    spare = room.device - need.sampling
    if room.shared:
        return ["Sampling fits."]  # the weights are in that memory already
    if need.weights <= spare:
        return ["Weights and sampling fit on the device."]
    away = need.weights - spare
    text = f"Sampling fits with {_gb(away)} of the weights left in RAM, which is slower."
    smaller = _smaller_weights(model, need)
    if smaller and smaller <= spare:
        return [f"{text} With weight_dtype fp8_e4m3fn (about {_gb(smaller)}) all would fit."]
    shorter = _fitting(_shorter(clip), lambda each: need_of(model, vae, each).sampling + need.weights <= room.device)
    return [f"{text} {shorter.length} frames at once would fit whole." if shorter else text]


def _decoding(vae, clip: Clip, need: Need, room: Room) -> list[str]:
    if need.decoding <= room.device:
        return ["Decoding fits whole."]
    shape, scale = clip.latent(vae), vae.spacial_compression_decode()

    def of_tile(side: int) -> float:
        return tiles.decode_need(vae, tiles.cut(shape, side // scale)) + vae.patcher.model_size()

    side = next((side for side in tiles.SIZES if of_tile(side) <= room.device), 0)
    if not side:
        return [
            "Decoding does not fit, not even in the smallest tiles. Close other programs, or make the picture smaller."
        ]
    return [f"Decoding fits in tiles of {side} pixels: Window Sampler takes them by itself (tiled_vae auto), else use VAE "
            "Decode (Tiled)."]  # fmt: skip


def _smaller_weights(model, need: Need) -> float:
    """Bytes of the weights, were they fp8; 0 where they are of 8 bit or less already."""
    wide = (weight for weight in model.model.diffusion_model.parameters() if weight.ndim > 1)
    saved = sum(weight.numel() * (weight.element_size() - 1) for weight in wide)
    return need.weights - saved if 0.25 < saved / need.weights < 0.76 else 0.0


def _change(model, vae, clip: Clip, room: Room) -> str:
    """The cheapest change that makes sampling fit: fewer frames at once, else a smaller picture, else both."""

    def fits(each: Clip) -> bool:
        return need_of(model, vae, each).sampling <= room.device

    shorter = _fitting(_shorter(clip), fits)
    if shorter:
        return f"{shorter.length} frames at once (as length, or as the window of a long video) would."
    smaller = _fitting(_narrower(clip), fits) or _fitting(_narrower(replace(clip, length=SHORTEST)), fits)
    if smaller:
        return f"{smaller.width}x{smaller.height} with {smaller.length} frames would."
    return f"Nothing of {NARROWEST} pixels would: close other programs, or use a smaller model."


def _fitting(candidates: Iterator[Clip], fits: Callable[[Clip], bool]) -> Clip | None:
    return next((each for each in candidates if fits(each)), None)


def _shorter(clip: Clip) -> Iterator[Clip]:
    """The same size with fewer frames, the longest first."""
    return (replace(clip, length=length) for length in range(clip.length - 4, SHORTEST - 1, -4))


def _narrower(clip: Clip) -> Iterator[Clip]:
    """The same shape, smaller in steps of 16 pixels of the longer side."""
    long = max(clip.width, clip.height)
    for side in range(long - _STEP, NARROWEST - 1, -_STEP):
        width, height = (max(_STEP, round(each * side / long / _STEP) * _STEP) for each in (clip.width, clip.height))
        yield replace(clip, width=width, height=height)


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"


def _gb(count: float) -> str:
    return f"{count / GB:.1f} GB" if count >= GB / 10 else f"{count / 1e6:.0f} MB"
