"""UniPC of order 2 with B(h) = e^h - 1 ("bh2"), predicting x0: the sampler of the official Wan programs.

Zhao et al., UniPC: a unified predictor-corrector framework, arXiv 2302.04867, algorithms 1 and 2 in their
data-prediction form. l = ln(alpha / sigma), for flow alpha = 1 - sigma; h is a step in l.
"""

from __future__ import annotations

import math

import numpy as np

from .flow import Run, combine


def sample_unipc(
    model, x, sigmas, extra_args=None, callback=None, disable=None, eta=0.0, s_noise=1.0, noise_sampler=None
):
    """Predictor and corrector of order 2, one model call a step; order 1 in the first step and into sigma 0.

    The same numbers as Wan 2.2's FlowUniPCMultistepScheduler at the same sigmas, a start at sigma 1 included, where l
    is infinite. Two things differ in a program: that one hands the model whole timesteps (972.08 becomes 972), and
    always ends in 0; here a schedule that ends elsewhere keeps order 2 in its last step.
    """
    run = Run(model, x, sigmas, extra_args, callback, disable, eta, s_noise, noise_sampler)
    known, before = [], x  # (sigma, D), newest first, at most two; the state the last step began from
    for i, now, down, after in run.steps():
        denoised = run.denoised(x, now)
        if known:
            x = _step(run.flow, before, [*known, (now, denoised)], now, corrected=True)
        run.report(i, x, now, denoised)
        known = [(now, denoised), *known[:1]]
        before = x
        x = _step(run.flow, x, known if down > 0 else known[:1], down)
        x = run.renoise(x, down, after)
        if down != after:
            known = []  # added noise ends what can be continued
    return x


def _alpha(sigma: float, flow: bool) -> float:
    return 1.0 - sigma if flow else 1.0


def _half_log_snr(sigma: float, flow: bool) -> float:
    alpha = _alpha(sigma, flow)
    return math.log(alpha / sigma) if alpha > 0 else -math.inf


def _step(flow: bool, x, known, end: float, corrected: bool = False):
    """From ``known[0]`` to sigma ``end``; the other known D give differences D1, the point at ``end`` among them.

    ``x_end = (s_end / s) x - alpha_end (e^-h - 1) (D + sum(rho_k D1_k))``, D1_k = (D_k - D) / r_k.
    """
    (start, first), others = known[0], known[1:]
    if end == 0 or not others:
        keep = end / start  # order 1, and what e^-h comes to
        return combine(x, [1 - keep], [first], keep=keep)
    here, there = _half_log_snr(start, flow), _half_log_snr(end, flow)
    h = there - here
    ratios = [(_half_log_snr(sigma, flow) - here) / h if sigma != end else 1.0 for sigma, _ in others]
    rho = _rho(ratios, -h) if corrected else [0.5]
    parts = [weight / ratio for weight, ratio in zip(rho, ratios, strict=True)]
    scale = -_alpha(end, flow) * math.expm1(-h)
    factors = [scale * (1 - sum(parts)), *(scale * part for part in parts)]
    return combine(x, factors, [first, *(denoised for _, denoised in others)], keep=end / start)


def _rho(ratios: list[float], z: float) -> list[float]:
    """The corrector's weights: R rho = b of the paper, one half where there is the new point alone (as its code).

    A point infinitely far away, which is sigma 1, has no weight: the limit of the equations without its column.
    """
    if len(ratios) == 1:
        return [0.5]
    near = [ratio for ratio in ratios if math.isfinite(ratio)]
    size = math.expm1(z)
    left = [[ratio**k for ratio in near] for k in range(len(near))]
    right, part, factorial = [], math.expm1(z) / z - 1, 1
    for k in range(len(near)):
        right.append(part * factorial / size)
        factorial *= k + 2
        part = part / z - 1 / factorial
    solved = iter(np.linalg.solve(left, right).tolist())
    return [next(solved) if math.isfinite(ratio) else 0.0 for ratio in ratios]
