"""From a sampler's name to the host's SAMPLER. Nothing here is written into the host's own lists."""

from __future__ import annotations

from collections.abc import Callable

import comfy.samplers

from ..errors import InputError
from . import collocation, schedules
from .solvers import ALIASES, MODEL_CALLS, NAMES, PLACE_THEIR_OWN, SOLVERS, STEPS, steps_for


def host_names() -> list[str]:
    """The host's samplers that no name of ours hides."""
    return [name for name in comfy.samplers.SAMPLER_NAMES if name not in NAMES]


def sampler(
    name: str, eta: float = 0.0, s_noise: float = 1.0, sweeps: int = collocation.SWEEPS, count: str = STEPS
) -> comfy.samplers.KSAMPLER:
    """The host's SAMPLER for ``name``; ``eta``, ``s_noise`` and ``sweeps`` are for our solvers.

    ``count`` "model calls": a schedule of N steps is thinned in the run so that at most N model calls are made, or
    those of a single step; gauss-legendre makes one more. A step into sigma 0 is counted as the solver makes it.
    """
    if name not in NAMES and name not in comfy.samplers.SAMPLER_NAMES:
        raise InputError("sampler_name", f"there is no sampler {name!r}", f"Use one of {', '.join(NAMES)}.")
    if count not in (STEPS, MODEL_CALLS):
        raise InputError("count", f"{count!r} cannot be counted", f"Use {STEPS!r} or {MODEL_CALLS!r}.")
    made = _ours(name, eta, s_noise, sweeps) if name in NAMES else comfy.samplers.sampler_object(name)
    if count == MODEL_CALLS and name not in PLACE_THEIR_OWN:
        made.sampler_function = _budgeted(made.sampler_function, name, sweeps)
    return made


def _ours(name: str, eta: float, s_noise: float, sweeps: int) -> comfy.samplers.KSAMPLER:
    solver = SOLVERS[ALIASES.get(name, name)]
    options = {"eta": eta, "s_noise": s_noise, **({"sweeps": sweeps} if solver.swept else {})}
    return comfy.samplers.KSAMPLER(solver.function, options)


def _budgeted(function: Callable, name: str, sweeps: int) -> Callable:
    """``function`` on a thinned schedule; the progress is told in steps of the schedule that was given."""

    def within_budget(model, x, sigmas, extra_args=None, callback=None, disable=None, **options):
        given = len(sigmas) - 1
        if given < 1:
            return x
        steps = steps_for(name, given, bool(sigmas[-1] == 0), sweeps)

        def told(step):
            callback({**step, "i": min(given - 1, step["i"] * given // steps)})

        shown = None if callback is None else told
        return function(
            model,
            x,
            schedules.thinned(sigmas, steps),
            extra_args=extra_args,
            callback=shown,
            disable=disable,
            **options,
        )

    return within_budget
