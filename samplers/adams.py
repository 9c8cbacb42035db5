"""Ours: Adams methods on the velocity v, with variable steps. One model call a step."""

from __future__ import annotations

from .flow import MOST, Run, combine, extrapolate, weights

LAST_SPLITS = 2


def sample_genga(
    model, x, sigmas, extra_args=None, callback=None, disable=None, eta=0.0, s_noise=1.0, noise_sampler=None,
    last_splits=LAST_SPLITS,
):  # fmt: skip
    """Predictor-corrector on v: Adams-Bashforth 2 forward, Adams-Moulton 3 backward, one model call a step.

    Formulas: Hairer, Norsett, Wanner, Solving ODEs I, III.5 (variable step Adams methods), derived by ``weights``.
    The call that a step needs anyway also corrects the step before it (as in PECE without the second E). v is
    smooth up to sigma 0, so the last step needs no lower order. Where a step is much longer than the one before,
    extrapolating the slope overshoots: it is taken back there.

    With 30 steps or fewer, most of the error of any solver is made in the last step into sigma 0, which common
    schedules make the longest there is in relation to sigma. It is cut in pieces: ``last_splits`` more model calls.
    """
    run = Run(model, x, sigmas, extra_args, callback, disable, eta, s_noise, noise_sampler, last_splits)
    history, before = [], x  # (sigma, v), newest first; the state the last step began from
    for i, now, down, after in run.steps():
        denoised = run.denoised(x, now)
        slope = (x - denoised) / now
        if history:
            nodes = [(now, slope), *_usable(history, now)]
            x = combine(before, weights([s for s, _ in nodes], history[0][0], now), [v for _, v in nodes])
        run.report(i, x, now, denoised)
        history = [(now, slope), *history[:1]]
        before = x
        x = run.renoise(extrapolate(x, history, now, down), down, after)
        if down != after:
            history = []  # added noise ends what can be continued
    return x


def sample_ab2(
    model, x, sigmas, extra_args=None, callback=None, disable=None, eta=0.0, s_noise=1.0, noise_sampler=None
):
    """Adams-Bashforth 2 on v with variable steps, plain: order 2, one model call a step."""
    run = Run(model, x, sigmas, extra_args, callback, disable, eta, s_noise, noise_sampler)
    history = []
    for i, now, down, after in run.steps():
        denoised = run.denoised(x, now)
        run.report(i, x, now, denoised)
        history = [(now, (x - denoised) / now), *history[:1]]
        x = combine(x, weights([s for s, _ in history], now, down), [v for _, v in history])
        x = run.renoise(x, down, after)
        if down != after:
            history = []
    return x


def _usable(history, now: float):
    """The known slopes that may correct the step to ``now``: not one far too near, which would magnify its error."""
    if len(history) == 2 and history[0][0] - now > MOST * (history[1][0] - history[0][0]):
        return history[:1]
    return history
