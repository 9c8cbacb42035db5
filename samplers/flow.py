"""What all solvers here share: the ODE in terms of the model, model calls, history, and optional noise.

With D(x, s) the clean latent the model predicts at noise level s, ``dx/ds = (x - D) / s = v``. For rectified flow
(Wan: x = (1 - s) x0 + s n) and for variance-exploding models it is the same equation. v stays smooth down to s = 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from tqdm.auto import trange

from ..errors import InputError

# Steps up to TRUST times as long as the one before are extrapolated in full, MOST times as long and more not at all.
TRUST, MOST = 2.0, 4.0


class Run:
    """One sampling run in the host's k-diffusion convention: calls the model, reports steps, draws noise.

    ``sigmas`` [steps + 1] must fall; equal neighbours count once. ``last_splits`` more steps are made of a last one
    that ends in 0: it is cut at half its length, at a quarter, and so on.
    """

    def __init__(
        self, model, x, sigmas, extra_args=None, callback=None, disable=None, eta=0.0, s_noise=1.0, noise=None,
        last_splits=0,
    ):  # fmt: skip
        self.model, self.extra_args, self.callback = model, extra_args or {}, callback
        self.asked = max(1, len(sigmas) - 1)
        self.sigmas = split_last(falling(sigmas), last_splits)
        self.ones = x.new_ones([x.shape[0]])
        self.eta, self.s_noise = eta, s_noise
        self.noise = noise or (_seeded(x, self.extra_args.get("seed")) if eta > 0 else None)
        self.disable = disable
        self.flow = is_flow(model)

    def steps(self):
        """Yields (index, sigma now, sigma to step to, sigma after added noise)."""
        for i in trange(len(self.sigmas) - 1, disable=self.disable):
            now, after = self.sigmas[i], self.sigmas[i + 1]
            yield i, now, self._down(now, after), after

    def denoised(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """D(x, sigma): one model call."""
        return self.model(x, self.ones * sigma, **self.extra_args)

    def slope(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """v(x, sigma): one model call."""
        return (x - self.denoised(x, sigma)) / sigma

    def report(self, i: int, x: torch.Tensor, sigma: float, denoised: torch.Tensor) -> None:
        """Tells the host of step i; steps beyond those asked for count as the last."""
        if self.callback is not None:
            self.callback(
                {"x": x, "i": min(i, self.asked - 1), "sigma": sigma, "sigma_hat": sigma, "denoised": denoised}
            )

    def _down(self, now: float, after: float) -> float:
        """Where to step before noise is added: as the host's ``euler_ancestral_RF`` and ``get_ancestral_step``."""
        if self.eta <= 0 or after == 0:
            return after
        if self.flow:
            return after * (1 + (after / now - 1) * self.eta)
        up = min(after, self.eta * math.sqrt(after**2 * (now**2 - after**2) / now**2))
        return math.sqrt(after**2 - up**2)

    def renoise(self, x: torch.Tensor, down: float, after: float) -> torch.Tensor:
        """From the level stepped to up to the level wanted, with fresh noise; nothing at eta 0."""
        if down == after:
            return x
        scale = (1 - after) / (1 - down) if self.flow else 1.0
        amount = math.sqrt(max(0.0, after**2 - (down * scale) ** 2))
        return x * scale + self.noise(down, after) * (self.s_noise * amount)


def falling(sigmas) -> list[float]:
    """The noise levels as numbers, equal neighbours once. Raises InputError where they rise, or are none at all."""
    levels = torch.as_tensor(sigmas).tolist()  # one copy from the device, not one a step
    kept = levels[:1]
    for level in levels[1:]:
        if level != kept[-1]:
            kept.append(level)
    if not all(math.isfinite(level) and level >= 0 for level in kept):
        raise InputError("sigmas", f"{levels} are not all noise levels", "Use a schedule of numbers from 0 up.")
    if any(after > now for now, after in zip(kept, kept[1:], strict=False)):
        raise InputError("sigmas", "they rise", "These solvers go from noise to picture: flip the sigmas.")
    return kept


def split_last(levels: list[float], splits: int) -> list[float]:
    """``levels`` with the last step cut in ``splits`` + 1 pieces, each cut at half the sigma; only if it ends in 0."""
    if len(levels) < 2 or levels[-1] != 0:
        return levels
    return [*levels[:-1], *(levels[-2] * 0.5 ** (k + 1) for k in range(splits)), 0.0]


def is_flow(model) -> bool:
    """Whether the model's noising is rectified flow; plain functions (tests, benchmarks) are."""
    inner = getattr(getattr(model, "inner_model", None), "inner_model", None)
    sampling = getattr(inner, "model_sampling", None)
    return sampling is None or any(base.__name__ == "CONST" for base in type(sampling).__mro__)


def _seeded(x: torch.Tensor, seed: int | None) -> Callable:
    """Noise on the latent's device from the run's seed; on a CPU one on, since the run's first noise is from there."""
    generator = None
    if seed is not None:
        shifted = (seed + (x.device.type == "cpu")) % 2**64
        generator = torch.Generator(device=x.device).manual_seed(shifted)
    return lambda *_: torch.randn(x.size(), dtype=x.dtype, device=x.device, generator=generator)


def weights(nodes: list[float], start: float, end: float) -> list[float]:
    """w with ``sum(w_j f(nodes_j)) = integral of f from start to end`` for polynomials through the nodes.

    The Adams formulas for steps of any size: nodes behind give Adams-Bashforth, with the new point Adams-Moulton.
    """
    origin, scale = nodes[0], (end - start) or 1.0
    points = [(node - origin) / scale for node in nodes]
    low, high = (start - origin) / scale, (end - origin) / scale
    powers = np.vander(points, increasing=True).T
    moments = [(high ** (k + 1) - low ** (k + 1)) / (k + 1) for k in range(len(nodes))]
    return [float(w) * scale for w in np.linalg.solve(powers, moments)]


def combine(x: torch.Tensor, factors: list[float], terms: list[torch.Tensor], keep: float = 1.0) -> torch.Tensor:
    """``keep * x + sum(factor * term)`` in a new tensor."""
    out = x * keep  # never the caller's own tensor
    for factor, term in zip(factors, terms, strict=True):
        out = out.add_(term, alpha=factor)
    return out


def extrapolate(x: torch.Tensor, history: list, now: float, down: float) -> torch.Tensor:
    """One Adams-Bashforth 2 step on v; its change is trusted less the further beyond the last step it reaches.

    history: one or two (sigma, v), newest first, the newest at ``now``.
    """
    step = down - now
    if len(history) < 2:
        return combine(x, [step], [history[0][1]])
    ratio = step / (now - history[1][0])
    trusted = min(ratio, max(0.0, TRUST * (MOST - ratio) / (MOST - TRUST)))
    half = 0.5 * step * trusted
    return combine(x, [step + half, -half], [history[0][1], history[1][1]])
