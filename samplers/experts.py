"""Two experts in one run: Wan 2.2 hands over from its high- to its low-noise model at a noise level.

Reference: Wan2.2 ``image2video.py`` switches where ``t >= boundary * 1000``. The switch is by sigma, never by step
count, because schedules and samplers put different numbers of steps above the boundary (the host's uni_pc drops
a sigma: 4 + 4 of 8 steps where euler has 3 + 5).
"""

from __future__ import annotations

import comfy.samplers
import numpy as np
import torch

from ..errors import InputError
from . import checks, registry

# The second half must not repeat the first half's noise in samplers that add some.
_SECOND_HALF = 0x9E3779B97F4A7C15


def split_at(sigmas: torch.Tensor, boundary: float) -> int:
    """How many steps the high-noise expert runs: those that start at sigma >= boundary. sigmas: [steps + 1]."""
    starts = sigmas[:-1].to("cpu", torch.float32).numpy()
    below = np.flatnonzero(starts < np.float32(boundary))
    return int(below[0]) if below.size else len(starts)


class ExpertGuider(comfy.samplers.CFGGuider):
    """A GUIDER over a pair of models for any sampler, schedule and sampling node of the host.

    ``model_patcher`` is the high-noise expert, ``low_model_patcher`` the low-noise one, ``original_conds`` what both
    are shown; conditioning that differs between them carries the host's sigma ranges. A shallow copy may be given
    other conds without touching this one. Each expert is loaded and run once, and not at all for an empty half.
    """

    def __init__(self, high, low, boundary: float):
        super().__init__(high)
        self.low_model_patcher = low
        self.low_model_options = low.model_options
        self.boundary = boundary
        self.cfg_low = 1.0

    def __copy__(self):
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.original_conds = dict(self.original_conds)
        return twin

    @property
    def model_patchers(self) -> tuple:
        return self.model_patcher, self.low_model_patcher

    @property
    def is_one(self) -> bool:
        """One model with one CFG on both sides: a run without a change."""
        return self.model_patcher is self.low_model_patcher and self.cfg == self.cfg_low

    def set_conds(self, positive, negative=None):
        self.inner_set_conds({"positive": positive} | ({} if negative is None else {"negative": negative}))

    def set_cfg(self, cfg_high: float, cfg_low: float | None = None):
        self.cfg = cfg_high
        self.cfg_low = cfg_high if cfg_low is None else cfg_low

    def sample(
        self, noise, latent_image, sampler, sigmas, denoise_mask=None, callback=None, disable_pbar=False, seed=None
    ):
        """As CFGGuider.sample: noise and latent [B, C, T, h, w] in, latent out."""
        if sigmas.shape[-1] < 2:
            return latent_image
        checks.check_fit(latent_image, [cond for conds in self.original_conds.values() for cond in conds])
        refuse_empty_start(self.model_patcher, latent_image, sigmas)
        steps = sigmas.shape[-1] - 1
        switch = split_at(sigmas, self.boundary)
        if self.is_one:
            switch = steps  # a sampler that remembers earlier steps may go on doing so
        first = second = sampler
        if 0 < switch < steps:
            first, second = registry.for_parts(sampler, switch, steps - switch, bool(sigmas[-1] == 0))
        common = {"denoise_mask": denoise_mask, "disable_pbar": disable_pbar}
        if switch > 0:
            half = self._half(self.model_patcher, self.model_options, self.cfg)
            part = sigmas[: switch + 1]
            shown = _shifted(callback, 0, steps)
            result = half.sample(noise, latent_image, first, part, callback=shown, seed=seed, **common)
            if switch == steps:
                return result
            result = result.to(latent_image.device)
            noise = carried_noise(self.model_patcher, result, latent_image, sigmas[switch])
            seed = None if seed is None else (seed + _SECOND_HALF) % 2**64
        half = self._half(self.low_model_patcher, self.low_model_options, self.cfg_low)
        shown = _shifted(callback, switch, steps)
        return half.sample(noise, latent_image, second, sigmas[switch:], callback=shown, seed=seed, **common)

    def _half(self, patcher, options, cfg: float) -> comfy.samplers.CFGGuider:
        guider = comfy.samplers.CFGGuider(patcher)
        guider.model_options = options
        guider.original_conds = self.original_conds
        guider.set_cfg(cfg)
        return guider


def carried_noise(patcher, result: torch.Tensor, latent_image: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """The noise with which a fresh start at ``sigma`` from ``latent_image`` is just where ``result`` stopped.

    The host's usual way, no noise and the half-done latent as the start, loses the original under an inpaint mask:
    its known area would be drawn from the half-done latent and without noise. Solved for the noise instead, both
    the state and the known area are right: ``scale(noise, latent) = state``, and scale is linear in the noise.
    """
    model = patcher.model
    scale = patcher.get_model_object("model_sampling").noise_scaling
    sigma = sigma.to(result.device, torch.float32).reshape(1)
    still = torch.zeros_like(result)
    state = scale(sigma, still, model.process_latent_in(result))
    # An all-zero latent stands for "empty" and is not shifted by the host either.
    start = model.process_latent_in(latent_image) if torch.count_nonzero(latent_image) > 0 else latent_image
    return (state - scale(sigma, still, start.to(state))) / sigma


def refuse_empty_start(patcher, latent_image: torch.Tensor, sigmas: torch.Tensor) -> None:
    """Raises for a schedule that starts below full noise on an empty latent: the video would come out washed grey."""
    top = float(patcher.get_model_object("model_sampling").sigma_max)
    if float(sigmas[0]) < 0.95 * top and torch.count_nonzero(latent_image) == 0:
        problem = f"the schedule starts at {float(sigmas[0]):.3g} of {top:.3g}, and the latent is empty"
        raise InputError("sigmas", problem, "Wire a start video into the conditioning node, or set denoise to 1.")


def _shifted(callback, first: int, steps: int):
    """The sampling node's callback, told steps of the whole run rather than of one half."""
    if callback is None:
        return None
    return lambda step, x0, x, _total: callback(step + first, x0, x, steps)
