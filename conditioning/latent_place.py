"""Where a latent stands in time, and latents joined by it.

A causal video VAE gives its first pixel frame a latent frame of its own and every further ``stride`` frames (Wan: 4)
one together, and its decoder looks back, never ahead. So the latents of one decode can be cut anywhere and put together
again without a trace: the decode of a beginning is the beginning of the decode. A latent that was sampled by itself,
though, begins with a one-frame latent, which means something else in the middle of a video: it can only be joined where
it overlaps what comes before, and loses that first latent frame there. The groups of both must fall on the same frames.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch

from ..errors import InputError
from .latent_time import STRIDE

KEY = "genga_place"  # in a LATENT; other nodes pass it on
KEEPS = ("earlier", "later")
MOST_FRAMES = 10_000_000


@dataclass(frozen=True)
class Place:
    """frame: the pixel frame at which a latent begins. fps: of the video. stride: pixel frames to a latent frame.

    inner: whether its first latent frame holds ``stride`` frames, as where it was cut out of a longer latent; else it
    holds one. vae: the kind of VAE it is for, "" where that is not known.
    """

    frame: int = 0
    fps: float = 16.0
    stride: int = STRIDE
    inner: bool = False
    vae: str = ""

    def frames(self, latents: int) -> int:
        """Pixel frames that ``latents`` latent frames hold."""
        return latents * self.stride if self.inner else (latents - 1) * self.stride + 1

    @property
    def anchor(self) -> int:
        """The pixel frame before the first whole group."""
        return self.frame - 1 if self.inner else self.frame

    def groups(self, latents: int) -> int:
        """How many of the latent frames hold ``stride`` frames."""
        return latents if self.inner else latents - 1


def place_of(latent: Mapping) -> Place:
    """The place that a LATENT carries; frame 0 where it carries none."""
    return read_place(latent.get(KEY))


def read_place(facts: object) -> Place:
    """A place from what a dict or a file says of it; ValueError where that is nonsense."""
    if facts is None:
        return Place()
    if not isinstance(facts, Mapping):
        raise ValueError(f"{facts!r} is no place in time")
    found = Place(**{key: facts[key] for key in asdict(Place()) if key in facts})
    whole = type(found.frame) is int and type(found.stride) is int and type(found.inner) is bool
    numbers = whole and isinstance(found.fps, (int, float)) and math.isfinite(found.fps)
    if not numbers or not (0 <= found.frame <= MOST_FRAMES and 1 <= found.stride <= 64 and 0 < found.fps <= 1000):
        raise ValueError(f"{dict(facts)!r} is no place in time")
    return Place(found.frame, float(found.fps), found.stride, found.inner, str(found.vae)[:100])


def placed(latent: Mapping, place: Place) -> dict:
    """The LATENT with its place."""
    return {**latent, KEY: asdict(place)}


def samples_of(latent: object, name: str) -> torch.Tensor:
    """The samples of a LATENT; InputError for what is none, or holds several tensors at once."""
    samples = latent.get("samples") if isinstance(latent, Mapping) else None
    if not isinstance(samples, torch.Tensor) or getattr(samples, "is_nested", False):
        raise InputError(name, "this is no plain latent", "Wire the LATENT of a sampler or of VAE Encode.")
    if samples.ndim not in (3, 4, 5) or samples.numel() == 0 or not samples.is_floating_point():
        problem = f"its samples are {samples.dtype} of shape {tuple(samples.shape)}"
        raise InputError(name, problem, "Wire the LATENT of a sampler or of VAE Encode.")
    return samples


@dataclass(frozen=True, eq=False)
class Part:
    """One latent to be joined. name: of the input."""

    name: str
    latent: Mapping
    samples: torch.Tensor
    place: Place

    @property
    def end(self) -> int:
        """Its last pixel frame."""
        return self.place.frame + self.place.frames(self.samples.shape[2]) - 1


def join(latents: Sequence[tuple[str, Mapping]], keep: str = "earlier") -> dict:
    """LATENTs (by input name) as one, in the order of their places. keep: whose latent frames stand in an overlap.

    InputError where they are not of one kind, size and rate, leave a gap, or fall on other groups of frames.
    """
    if keep not in KEEPS:
        raise InputError("overlap", f"{keep!r} is unknown", f"Use one of {', '.join(KEEPS)}.")
    parts = sorted((_part(name, latent) for name, latent in latents), key=lambda part: (part.place.frame, part.end))
    first = parts[0]
    pieces, masks = [first.samples], [_mask(first)]
    end, before = first.end, first
    for part in parts[1:]:
        _refuse_unlike(part, first)
        shared = _shared(part, before, first, end)
        fresh = part.samples.shape[2] - part.place.groups(part.samples.shape[2])
        skip = fresh + (shared if keep == "earlier" else 0)
        if keep == "later":
            pieces, masks = _without_end(pieces, shared), _without_end(masks, shared)
        pieces.append(part.samples[:, :, skip:].to(first.samples))
        masks.append(_mask(part)[:, :, skip:])
        end, before = part.end, part
    joined = {**first.latent, "samples": torch.cat(pieces, dim=2)}
    if any("noise_mask" in part.latent for part in parts):
        joined["noise_mask"] = torch.cat([mask.to(masks[0]) for mask in masks], dim=2)
    return placed(joined, first.place)


def _part(name: str, latent: Mapping) -> Part:
    samples = samples_of(latent, name)
    if samples.ndim != 5:
        remedy = "Only latents of a video VAE [batch, channels, time, height, width] can be joined in time."
        raise InputError(name, f"it has the shape {tuple(samples.shape)}, without time", remedy)
    try:
        return Part(name, latent, samples, place_of(latent))
    except ValueError as error:
        raise InputError(name, str(error), "Save it again with Save Latent (Genga).") from error


def _refuse_unlike(part: Part, first: Part) -> None:
    here, there = part.samples.shape, first.samples.shape
    for what, axis in (("channels", 1), ("in the batch", 0)):
        if here[axis] != there[axis]:
            problem = f"it has {here[axis]} {what}, {first.name} {there[axis]}"
            raise InputError(part.name, problem, "Join latents of one model and one batch size.")
    if here[3:] != there[3:]:
        problem = f"it is {here[4]}x{here[3]} latents in size, {first.name} {there[4]}x{there[3]}"
        raise InputError(part.name, problem, "Only latents of one size can be joined.")
    for what in ("vae", "stride", "fps"):
        mine, theirs = getattr(part.place, what), getattr(first.place, what)
        if mine != theirs and mine != "" and theirs != "":
            problem = f"its {what} is {mine}, that of {first.name} {theirs}"
            raise InputError(part.name, problem, "Decode both and put Join Videos behind.")


def _shared(part: Part, before: Part, first: Part, end: int) -> int:
    """How many latent frames ``part`` shares with what was joined so far, whose last pixel frame is ``end``."""
    place, stride = part.place, part.place.stride
    decode = "Or decode both and put Join Videos behind."
    if not place.inner and place.frame == end + 1:
        problem = f"it begins at frame {place.frame} with a latent frame of one picture, which cannot stand in a video"
        remedy = "Let it begin inside the one before (frames that both have)."
        raise InputError(part.name, problem, f"{remedy} {decode}")
    if place.anchor > end:
        problem = f"it begins at frame {place.frame}, {before.name} ends at {end}"
        raise InputError(part.name, f"{problem}: frames are missing between", f"Correct first_frame. {decode}")
    if (place.anchor - first.place.anchor) % stride:
        problem = f"it begins at frame {place.frame}, where no group of {stride} frames of {first.name} begins"
        nearest = first.place.anchor + round((place.anchor - first.place.anchor) / stride) * stride
        fitting = nearest + place.frame - place.anchor
        raise InputError(part.name, problem, f"Frame {fitting} would fit; make it begin there. {decode}")
    if part.end <= end:
        problem = f"it ends at frame {part.end}, inside {before.name}, which ends at {end}"
        raise InputError(part.name, problem, "Leave it out.")
    return (end - place.anchor) // stride


def _without_end(pieces: list[torch.Tensor], count: int) -> list[torch.Tensor]:
    """The pieces less ``count`` latent frames at their end."""
    whole = torch.cat(pieces, dim=2) if len(pieces) > 1 else pieces[0]
    return [whole[:, :, : whole.shape[2] - count]]


def _mask(part: Part) -> torch.Tensor:
    """The noise mask [B,1,T,h,w], as the host would scale it; ones, which is to make everything, where there is none."""
    batch, _, time, height, width = part.samples.shape
    mask = part.latent.get("noise_mask")
    if mask is None:
        return torch.ones(batch, 1, time, height, width)
    import comfy.utils

    scaled = comfy.utils.reshape_mask(mask.float().cpu(), torch.Size((batch, 1, time, height, width)))
    return comfy.utils.repeat_to_batch_size(scaled, batch)
