"""From a sampler's name to the host's SAMPLER. Nothing here is written into the host's own lists."""

from __future__ import annotations

from collections.abc import Callable

import comfy.samplers

from ..errors import InputError
from . import collocation, schedules
from .solvers import ALIASES, MODEL_CALLS, NAMES, PLACE_THEIR_OWN, SOLVERS, STEPS, steps_for, steps_in_parts


def host_names() -> list[str]:
    """The host's samplers that no name of ours hides."""
    return [name for name in comfy.samplers.SAMPLER_NAMES if name not in NAMES]


def extra_names() -> list[str]:
    """Our names that the host, with what other packs have added to it, has no sampler for."""
    return [name for name in NAMES if name not in comfy.samplers.SAMPLER_NAMES]


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
    return Counted(made, name, sweeps) if count == MODEL_CALLS and name not in PLACE_THEIR_OWN else made


def for_parts(sampler, high: int, low: int, to_zero: bool) -> tuple:
    """The SAMPLERs for the two parts of one run, of ``high`` and ``low`` steps of the schedule; model calls are shared."""
    return sampler.for_parts(high, low, to_zero) if isinstance(sampler, Counted) else (sampler, sampler)


def _ours(name: str, eta: float, s_noise: float, sweeps: int) -> comfy.samplers.KSAMPLER:
    solver = SOLVERS[ALIASES.get(name, name)]
    options = {"eta": eta, "s_noise": s_noise, **({"sweeps": sweeps} if solver.swept else {})}
    return comfy.samplers.KSAMPLER(solver.function, options)


class Counted(comfy.samplers.KSAMPLER):
    """``made`` on a schedule thinned to ``steps``, or to those that as many model calls as it has steps pay for."""

    def __init__(self, made: comfy.samplers.KSAMPLER, name: str, sweeps: int, steps: int | None = None):
        super().__init__(
            _thinning(made.sampler_function, name, sweeps, steps), made.extra_options, made.inpaint_options
        )
        self.made, self.name, self.sweeps = made, name, sweeps

    def for_parts(self, high: int, low: int, to_zero: bool) -> tuple[Counted, Counted]:
        """Two that make no more calls together than the parts have steps, or those of a single step each."""
        first, second = (
            Counted(self.made, self.name, self.sweeps, steps)
            for steps in steps_in_parts(self.name, high, low, to_zero, self.sweeps)
        )
        return first, second


def _thinning(function: Callable, name: str, sweeps: int, fixed: int | None) -> Callable:
    """``function`` on a thinned schedule; the progress is told in steps of the schedule that was given."""

    def within_budget(model, x, sigmas, extra_args=None, callback=None, disable=None, **options):
        given = len(sigmas) - 1
        if given < 1:
            return x
        steps = fixed or steps_for(name, given, bool(sigmas[-1] == 0), sweeps)
        thin = schedules.thinned(sigmas, steps)

        def told(step):
            callback({**step, "i": min(given - 1, step["i"] * given // steps)})

        shown = None if callback is None else told
        return function(model, x, thin, extra_args=extra_args, callback=shown, disable=disable, **options)

    return within_budget
