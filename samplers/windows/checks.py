"""What can be known to be wrong with a run of windows before anything is encoded."""

from __future__ import annotations

import math

import torch

from ...errors import InputError
from ...loaders import guard
from ..checks import check_choice
from . import finish, guiders
from .finish import Colour
from .provider import Shown, Windows

_LOWEST_START = 0.95  # of full noise; below it a window would begin from grey
_HIGHEST_END = 0.01  # of full noise; above it what is left can be seen
_GRID = 2  # Wan's network takes latents in squares of two


def check_run(guider, sampler, sigmas, vae, windows) -> None:
    """Raises InputError for inputs that do not belong together, or are something else than their names say."""
    check_windows(windows)
    guiders.check_guider(guider)
    for model in guiders.patchers(guider):
        _check_model(model, guider.original_conds)
        if windows.fits is not None:
            windows.fits(model)
    if not callable(getattr(sampler, "sample", None)):
        raise InputError("sampler", f"this is no sampler but {type(sampler).__name__}", "Wire a SAMPLER.")
    _check_sigmas(sigmas, guider.model_patcher)
    _check_size(windows, vae)


def check_windows(windows) -> None:
    """Raises unless ``windows`` is what travels on GENGA_WINDOWS, whole."""
    if not isinstance(windows, Windows):
        problem = f"these are no windows but {type(windows).__name__}"
        raise InputError("windows", problem, "Wire the windows of InfiniteTalk Windows or a node like it.")
    if windows.plan.continued and windows.carried is None:
        raise InputError("windows", "they continue a clip, and none is there", "Wire them through Continue Video.")


def check_finish(windows: Windows, colour: Colour, blend: int) -> None:
    """Raises for a colour match or a seam that cannot be made."""
    check_choice("color_match", colour.method, finish.COLORS)
    if not (math.isfinite(colour.strength) and 0.0 <= colour.strength <= 1.0):
        problem = f"{colour.strength} is outside 0 to 1"
        raise InputError("color_strength", problem, "0 changes nothing, 1 matches fully.")
    plan = windows.plan
    if colour.method == finish.OVERLAP and plan.overlap == 0 and len(plan.windows) > 1:
        raise InputError("color_match", "overlap needs frames that two windows share", "Use mkl, or disabled.")
    if not 0 <= blend <= plan.most_blend:
        problem = f"{blend} frames cannot be mixed: the windows share {plan.overlap}"
        raise InputError("seam_blend", problem, f"Use 0 to {plan.most_blend}.")


def check_shown(shown: Shown, latents: int, decode: str) -> None:
    """Raises where a provider shows another window than was asked for. latents: how many make it whole."""
    shape = tuple(shown.latent_shape)
    short = len(shape) == 5 and shape[2] - shown.skip < latents and decode == "overlapped"
    if len(shape) != 5 or shape[0] != 1 or (shape[2] - shown.skip != latents and not short):
        problem = f"a window of {latents} latents was shown as {shape}, {shown.skip} of them no video"
        raise InputError("windows", problem, "This is a fault of the node that made them.")
    head = shown.head
    if head is not None and (head.shape[2] > shape[2] or head.shape[3:] != shape[3:]):
        problem = f"a head of {tuple(head.shape)} was given for a window of {shape}"
        raise InputError("windows", problem, "This is a fault of the node that made them.")


def _check_model(model, conds: dict) -> None:
    latent = getattr(getattr(model, "model", None), "latent_format", None)
    if latent is None or latent.latent_dimensions != 3 or latent.latent_channels != 16:
        problem = "its model makes no video of 16 latent channels"
        raise InputError("guider", problem, "Use a Wan 2.1 or Wan 2.2 A14B model.")
    guard.check_model(model, conds)


def _check_sigmas(sigmas, model) -> None:
    if not isinstance(sigmas, torch.Tensor) or sigmas.ndim != 1 or len(sigmas) < 2:
        count = len(sigmas) if isinstance(sigmas, torch.Tensor) and sigmas.ndim == 1 else 0
        raise InputError("sigmas", f"a schedule of {count} noise levels has no step", "Give at least two (one step).")
    if not bool(torch.isfinite(sigmas).all()):
        raise InputError("sigmas", "they hold values that are not numbers", "Check the node that made them.")
    top = float(model.get_model_object("model_sampling").sigma_max)
    if float(sigmas[0]) < _LOWEST_START * top:
        problem = f"the schedule starts at {float(sigmas[0]):.3g} of {top:.3g}, and a window starts from noise"
        raise InputError("sigmas", problem, "Set denoise to 1 in the scheduler, or take another one (simple, say).")
    if float(sigmas[-1]) > _HIGHEST_END * top:
        problem = f"the schedule ends at {float(sigmas[-1]):.3g}, so noise would stay in the video"
        raise InputError("sigmas", problem, "Wire a whole schedule, which ends at 0.")


def _check_size(windows: Windows, vae) -> None:
    cell = _GRID * vae.spacial_compression_encode()
    size = windows.provider.width, windows.provider.height
    if any(side <= 0 or side % cell for side in size):
        problem = f"the windows are {size[0]}x{size[1]}, and model and VAE work in squares of {cell}"
        raise InputError("windows", problem, f"Give width and height in multiples of {cell}.")
