"""From a window's latent to its final frames: decoded whole, matched in colour, mixed at the seam."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import comfy.model_management
import torch

from ... import tiles
from ...errors import InputError
from ...media.color import METHODS, ColorTransfer
from .plan import Plan, Window
from .provider import Carried

DISABLED, OVERLAP = "disabled", "overlap"
COLORS = (DISABLED, OVERLAP, *(name for name in METHODS if name != "mvgd-aligned"))
DECODES = ("whole", "overlapped")
_FLATTEST = 1e-6  # variance of a channel below which a gain would be fitted to rounding
_AREA = 16  # pixels
_GAINS = (0.8, 1.25)  # a VAE round trip changes contrast by a few per cent; more is other content


@dataclass(frozen=True)
class Colour:
    """How windows are matched: one of COLORS, and 0 (not at all) to 1 (fully)."""

    method: str = DISABLED
    strength: float = 1.0

    @property
    def active(self) -> bool:
        return self.method != DISABLED and self.strength > 0


def decode(
    vae, latent: torch.Tensor, window: Window, carried: Carried | None, plan: Plan, how: str, tiled: str = "auto"
) -> torch.Tensor:
    """Pixels [F, H, W, 3], float32, 0..1, of a window's latent [1, 16, T, h, w], its overlap included.

    whole: the latent is the whole window. overlapped: it may be only the window's new part, and what is missing is
    taken from the window computed before, so that the VAE does not begin at the seam. tiled: one of tiles.MODES.
    """
    missing = window.latents - latent.shape[2]
    if how == "overlapped" and missing > 0:
        if carried is None or carried.latent is None or carried.latent.shape[2] < missing:
            raise ValueError(f"window {window.index} has {missing} latents too few, and none are carried")
        near = carried.latent.to(latent)
        pair = (latent, near[:, :, :missing]) if plan.backward else (near[:, :, -missing:], latent)
        latent = torch.cat(pair, dim=2)
    pixels = tiles.decode(vae, latent, tiled)
    pixels = pixels.reshape(-1, *pixels.shape[-3:])
    if pixels.shape[0] != window.frames:
        problem = f"it makes {pixels.shape[0]} frames of {latent.shape[2]} latents, and a window has {window.frames}"
        raise InputError("vae", problem, "Load wan_2.1_vae.safetensors.")
    return pixels.float().clamp(0.0, 1.0)


def shared(plan: Plan, window: Window) -> slice:
    """Which of a window's decoded frames it shares with the window computed before."""
    start = window.stop - window.first if plan.backward else window.start - window.first - window.overlap
    return slice(start, start + window.overlap)


def tail(plan: Plan, window: Window, pixels: torch.Tensor) -> torch.Tensor:
    """A copy, on the CPU, of the frames the next window continues from: the plan's overlap, 1 where that is 0, at most
    all there are."""
    count = max(plan.overlap, 1)
    if plan.backward:
        start = window.start - window.first
        return pixels[start : start + count].clone().cpu()
    stop = window.stop - window.first
    return pixels[max(0, stop - count) : stop].clone().cpu()


def match(
    pixels: torch.Tensor, plan: Plan, window: Window, carried: Carried, colour: Colour, check: Callable[[], None]
) -> torch.Tensor:
    """All frames of a window in the colours of the video so far; overlap changes ``pixels`` itself. ``check`` is
    called now and then, to interrupt.

    overlap: gain and offset that bring the re-decoded overlap to the frames it was encoded from, which measures what
    the VAE changes and leaves content alone. Else the statistics of the window's new frames, pooled, become those
    of the video's first frame.
    """
    if colour.method == OVERLAP:
        gain, offset = fit_overlap(pixels[shared(plan, window)], carried.frames[-window.overlap :])
        blend = 1.0 + colour.strength * (gain - 1.0), colour.strength * offset
        return affine(pixels, *blend)
    new = pixels[window.start - window.first : window.stop - window.first]
    device = _device()
    transfer = ColorTransfer.fit(carried.anchor, colour.method).with_source(new, device=device)
    return transfer.apply(pixels, colour.strength, device=device, progress=check)


def fit_overlap(decoded: torch.Tensor, true: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Gain and offset by channel, float64 [3], that give ``decoded`` the mean and the spread of ``true``, both
    [n, H, W, 3].

    Looked at are the mean colours of areas of 16 pixels, and spread against spread. A VAE draws fine detail anew at
    every trip, and a line fitted through the pixels would take that for lost contrast and lower it window by window
    (by 80 per cent in 24 windows of benchmarks/drift.py). A channel without spread gets an offset only; gains are kept
    within reason, and the means are met all the same.
    """
    x, y = (_areas(frames) for frames in (decoded, true))
    mean_x, mean_y = x.mean(0), y.mean(0)
    spread_x, spread_y = ((each - mean).square().mean(0) for each, mean in ((x, mean_x), (y, mean_y)))
    flat = (spread_x < _FLATTEST) | (spread_y < _FLATTEST)
    gain = torch.where(flat, 1.0, spread_y / torch.where(flat, 1.0, spread_x)).sqrt().clamp(*_GAINS)
    return gain, mean_y - gain * mean_x


def _areas(frames: torch.Tensor) -> torch.Tensor:
    """Mean colours of areas of about 16 x 16 pixels, [areas, 3], float64 on the CPU: not every GPU has float64."""
    grid = [-(-side // _AREA) for side in frames.shape[1:3]]
    means = torch.nn.functional.adaptive_avg_pool2d(frames.float().permute(0, 3, 1, 2), grid)
    return means.permute(0, 2, 3, 1).reshape(-1, 3).cpu().double()


def affine(pixels: torch.Tensor, gain: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    """``pixels`` times gain plus offset, by channel, within 0..1; in place, because a window is heavy."""
    return pixels.mul_(gain.to(pixels)).add_(offset.to(pixels)).clamp_(0.0, 1.0)


def blend(pixels: torch.Tensor, plan: Plan, window: Window, carried: Carried, count: int) -> None:
    """Mixes, in place, the ``count`` frames of ``pixels`` next to the seam with the true ones held back until now."""
    if plan.backward:
        start = window.stop - window.first
        held, rise = carried.frames[:count], range(count, 0, -1)
    else:
        start = window.start - window.first - count
        held, rise = carried.frames[-count:], range(1, count + 1)
    for place, (frame, step) in enumerate(zip(held, rise, strict=True)):
        own = pixels[start + place]
        own.copy_(torch.lerp(frame.to(own), own, step / (count + 1)))


def _device() -> torch.device:
    """The GPU where it has float64 (CUDA, ROCm), or else the CPU."""
    device = comfy.model_management.get_torch_device()
    return device if device.type == "cuda" else torch.device("cpu")
