"""Gauss-Legendre collocation on v in linear sigma: implicit Runge-Kutta of order up to 2s, solved by sweeps.

Hairer, Norsett, Wanner, Solving ODEs I, II.7. The tables are computed from the Legendre nodes, never typed.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from .flow import Run, combine, weights

SWEEPS = 2


@cache
def tableau(stages: int) -> tuple[tuple[float, ...], tuple[tuple[float, ...], ...], tuple[float, ...]]:
    """(c, A, b): nodes in 0..1, ``A[i][j]`` = integral of the j-th Lagrange polynomial up to c_i, b likewise to 1."""
    c = tuple(float(node + 1) / 2 for node in np.polynomial.legendre.leggauss(stages)[0])
    rows = tuple(tuple(weights(list(c), 0.0, end)) for end in c)
    return c, rows, tuple(weights(list(c), 0.0, 1.0))


def solver(stages: int):
    """``sample_gauss_legendre_<stages>s`` in the host's signature; option ``sweeps``, 2 by default."""

    def sample(
        model, x, sigmas, extra_args=None, callback=None, disable=None, eta=0.0, s_noise=1.0, noise_sampler=None,
        sweeps=SWEEPS,
    ):  # fmt: skip
        run = Run(model, x, sigmas, extra_args, callback, disable, eta, s_noise, noise_sampler)
        return _collocate(run, x, stages, max(1, int(sweeps)))

    sample.__doc__ = (
        f"Gauss-Legendre with {stages} stages; {stages} x sweeps model calls a step, one more in the first."
    )
    return sample


def _collocate(run: Run, x, stages: int, sweeps: int):
    """Gauss-Seidel sweeps over the stages, begun with one slope for all: the last stage's of the step before.

    Its polynomial would be the nearer guess for short steps, and overshoots badly in the few long ones that a
    method of this cost is used with.
    """
    c, rows, last = tableau(stages)
    slope = None
    for i, now, down, after in run.steps():
        step = down - now
        slope = run.slope(x, now) if slope is None else slope
        run.report(i, x, now, combine(x, [-now], [slope]))
        slopes = [slope] * stages
        for _ in range(sweeps):
            for k in range(stages):
                slopes[k] = run.slope(combine(x, [step * a for a in rows[k]], slopes), now + c[k] * step)
        x = combine(x, [step * b for b in last], slopes)
        slope = slopes[-1] if down == after else None  # added noise ends what can be continued
        x = run.renoise(x, down, after)
    return x
