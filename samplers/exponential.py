"""Exponential integrators in l = -ln(sigma), where the ODE is ``dx/dl = -x + D``: the res_* family.

Refined Exponential Solver (Zhang et al., arXiv 2308.02157) and Hochbruck and Ostermann, Explicit exponential
Runge-Kutta methods for semilinear parabolic problems, SIAM J. Numer. Anal. 43 (2005). Deterministic unless eta > 0.
The last step, into sigma 0, has no finite h: it is made on v, which is smooth there, neither at a lower order nor
by stopping short of 0.
"""

from __future__ import annotations

import math

from .flow import MOST, Run, combine, extrapolate


def phi(order: int, z: float) -> float:
    """phi_k(z) = (phi_{k-1}(z) - 1/(k-1)!) / z, phi_0 = exp; by its series where the recursion would cancel."""
    if order == 0:
        return math.exp(z)
    if order == 1:
        return math.expm1(z) / z if z else 1.0
    if abs(z) < 0.5:
        return math.fsum(z**k / math.factorial(k + order) for k in range(18))
    return (phi(order - 1, z) - 1 / math.factorial(order - 1)) / z


def _res_2s(h: float):
    half, full = -h / 2, -h
    return [[0.5 * phi(1, half)]], [phi(1, full) - 2 * phi(2, full), 2 * phi(2, full)], [0.0, 0.5]


def _res_3s(h: float):
    """c = (0, 1/2, 1) and gamma = 4, from ``2 (g c2 + c3) = 3 (g c2^2 + c3^2)``, the condition for order 3."""
    c2, c3, gamma = 0.5, 1.0, 4.0
    a32 = gamma * c2 * phi(2, -c2 * h) + c3**2 / c2 * phi(2, -c3 * h)
    b3 = phi(2, -h) / (gamma * c2 + c3)
    rows = [[c2 * phi(1, -c2 * h)], [c3 * phi(1, -c3 * h) - a32, a32]]
    return rows, [phi(1, -h) - (gamma + 1) * b3, gamma * b3, b3], [0.0, c2, c3]


def _res_5s(h: float):
    """Hochbruck and Ostermann 2005, table (5.19): five stages of stiff order 4, c = (0, 1/2, 1/2, 1, 1/2)."""
    half = [phi(k, -h / 2) for k in range(4)]
    full = [phi(k, -h) for k in range(4)]
    a52 = 0.5 * half[2] - full[3] + 0.25 * full[2] - 0.5 * half[3]
    a54 = 0.25 * half[2] - a52
    rows = [
        [0.5 * half[1]],
        [0.5 * half[1] - half[2], half[2]],
        [full[1] - 2 * full[2], full[2], full[2]],
        [0.5 * half[1] - 2 * a52 - a54, a52, a52, a54],
    ]
    last = [full[1] - 3 * full[2] + 4 * full[3], 0.0, 0.0, -full[2] + 4 * full[3], 4 * full[2] - 8 * full[3]]
    return rows, last, [0.0, 0.5, 0.5, 1.0, 0.5]


def _single_step(tableau, end, run: Run, x):
    """A Runge-Kutta run: the exponential ``tableau`` for every step, ``end`` for one into sigma 0 (h is infinite)."""
    for i, now, down, after in run.steps():
        first = run.denoised(x, now)
        run.report(i, x, now, first)
        x = end(run, x, now, first) if down == 0 else _stages(tableau, run, x, now, down, first)
        x = run.renoise(x, down, after)
    return x


def _stages(tableau, run: Run, x, now: float, down: float, first):
    h = math.log(now / down)
    rows, last, nodes = tableau(h)
    known = [first]
    for row, c in zip(rows, nodes[1:], strict=True):
        stage = combine(x, [h * a for a in row], known, keep=math.exp(-c * h))
        known.append(run.denoised(stage, now * math.exp(-c * h)))
    return combine(x, [h * b for b in last], known, keep=math.exp(-h))


def _midpoint(run: Run, x, now: float, first):
    """Explicit midpoint on v from ``now`` to 0: order 2, no call at sigma 0."""
    middle = combine(x, [-now / 2], [(x - first) / now])
    return combine(x, [-now], [run.slope(middle, now / 2)])


def _heun_3(run: Run, x, now: float, first):
    """Heun's third-order method on v from ``now`` to 0: c = (0, 1/3, 2/3), b = (1/4, 0, 3/4)."""
    k1 = (x - first) / now
    k2 = run.slope(combine(x, [-now / 3], [k1]), now * 2 / 3)
    k3 = run.slope(combine(x, [-now * 2 / 3], [k2]), now / 3)
    return combine(x, [-now / 4, -now * 3 / 4], [k1, k3])


def sample_res_2s(
    model, x, sigmas, extra_args=None, callback=None, disable=None, eta=0.0, s_noise=1.0, noise_sampler=None
):
    """Two stages, order 2; two model calls a step."""
    run = Run(model, x, sigmas, extra_args, callback, disable, eta, s_noise, noise_sampler)
    return _single_step(_res_2s, _midpoint, run, x)


def sample_res_3s(
    model, x, sigmas, extra_args=None, callback=None, disable=None, eta=0.0, s_noise=1.0, noise_sampler=None
):
    """Three stages, order 3; three model calls a step."""
    run = Run(model, x, sigmas, extra_args, callback, disable, eta, s_noise, noise_sampler)
    return _single_step(_res_3s, _heun_3, run, x)


def sample_res_5s(
    model, x, sigmas, extra_args=None, callback=None, disable=None, eta=0.0, s_noise=1.0, noise_sampler=None
):
    """Five stages, order 4; five model calls a step, three in a last step into sigma 0."""
    run = Run(model, x, sigmas, extra_args, callback, disable, eta, s_noise, noise_sampler)
    return _single_step(_res_5s, _heun_3, run, x)


def sample_res_2m(
    model, x, sigmas, extra_args=None, callback=None, disable=None, eta=0.0, s_noise=1.0, noise_sampler=None
):
    """Exponential Adams-Bashforth of order 2 with exact phi-functions; one model call a step.

    Into sigma 0, where h is infinite, the step is Adams-Bashforth 2 on v, so that no order is lost. A step
    more than four times as long as the one before is not extrapolated: its error would be magnified as much.
    """
    run = Run(model, x, sigmas, extra_args, callback, disable, eta, s_noise, noise_sampler)
    old = None  # (sigma, D, v) of the step before
    for i, now, down, after in run.steps():
        denoised = run.denoised(x, now)
        slope = (x - denoised) / now
        run.report(i, x, now, denoised)
        x_now = x
        if old is None:
            x = combine(x_now, [down - now], [slope])
        elif down == 0:
            x = extrapolate(x_now, [(now, slope), (old[0], old[2])], now, 0.0)
        else:
            h, ratio = math.log(now / down), math.log(now / down) / math.log(old[0] / now)
            extra = h * phi(2, -h) * ratio if ratio <= MOST else 0.0
            x = combine(x_now, [h * phi(1, -h) + extra, -extra], [denoised, old[1]], keep=math.exp(-h))
        old = (now, denoised, slope) if down == after else None  # added noise ends what can be continued
        x = run.renoise(x, down, after)
    return x
