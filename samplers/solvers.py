"""Sampler names of ours: which solver each one means, of which order, and at how many model calls a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import adams, collocation, exponential, unipc


@dataclass(frozen=True)
class Solver:
    """``order`` of convergence; ``calls`` a step; ``to_zero`` calls of a last step into sigma 0; ``once`` more."""

    function: Callable
    order: int
    calls: int = 1
    to_zero: int | None = None
    once: int = 0
    swept: bool = False

    def cost(self, steps: int, to_zero: bool = True, sweeps: int = collocation.SWEEPS) -> int:
        """Model calls of a run of ``steps`` steps; ``to_zero``: its last one ends in sigma 0."""
        each = self.calls * (max(1, sweeps) if self.swept else 1)
        last = self.to_zero if to_zero and self.to_zero is not None else each
        return self.once + each * (steps - 1) + last


STAGES = (2, 3, 4, 5)
SOLVERS: dict[str, Solver] = {
    "genga": Solver(adams.sample_genga, 2, to_zero=1 + adams.LAST_SPLITS),
    "unipc": Solver(unipc.sample_unipc, 2),
    "res_2m": Solver(exponential.sample_res_2m, 2),
    "res_2s": Solver(exponential.sample_res_2s, 2, 2),
    "res_3s": Solver(exponential.sample_res_3s, 3, 3),
    "res_5s": Solver(exponential.sample_res_5s, 4, 5, to_zero=3),
    **{f"gauss-legendre_{s}s": Solver(collocation.solver(s), 2 * s, s, once=1, swept=True) for s in STAGES},
}
# The published wuxing-stable is Adams-Bashforth on v with weights for equal steps, smoothing and clipping near the
# end, and a schedule that rises above ten steps. The same idea done right is ours.
ALIASES = {"wuxing-stable": "genga"}
NAMES = [*SOLVERS, *ALIASES]

# Model calls a step of the host's samplers that make more than one; where the last one makes one, a little less.
_HOST_CALLS = {
    "heun": 2, "heunpp2": 3, "exp_heun_2_x0": 2, "exp_heun_2_x0_sde": 2, "dpm_2": 2, "dpm_2_ancestral": 2,
    "dpmpp_2s_ancestral": 2, "dpmpp_2s_ancestral_cfg_pp": 2, "dpmpp_sde": 2, "dpmpp_sde_gpu": 2,
    "seeds_2": 2, "seeds_3": 3, "sa_solver_pece": 2,
}  # fmt: skip
PLACE_THEIR_OWN = {"dpm_fast", "dpm_adaptive"}  # these place their steps themselves
STEPS, MODEL_CALLS = "steps", "model calls"


def calls_of(name: str, steps: int, to_zero: bool = True, sweeps: int = collocation.SWEEPS) -> int:
    """Model calls of ``steps`` steps with the sampler ``name``, ours or the host's; none for none."""
    name = ALIASES.get(name, name)
    if steps < 1:
        return 0
    if name in SOLVERS:
        return SOLVERS[name].cost(steps, to_zero, sweeps)
    each = _HOST_CALLS.get(name, 1)
    return each * (steps - 1) + (1 if to_zero else each)


def steps_for(name: str, calls: int, to_zero: bool = True, sweeps: int = collocation.SWEEPS) -> int:
    """The most steps, at least 1, that ``calls`` model calls pay for; what is called once a run is not counted."""
    allowed = calls + _once(name)
    steps = calls
    while steps > 1 and calls_of(name, steps, to_zero, sweeps) > allowed:
        steps -= 1
    return max(1, steps)


def steps_in_parts(
    name: str, high: int, low: int, to_zero: bool = True, sweeps: int = collocation.SWEEPS
) -> tuple[int, int]:
    """As ``steps_for`` of ``high + low`` calls, for a run in two parts: the steps of each, in proportion, at least 1."""
    asked = high + low
    allowed = asked + 2 * _once(name)
    for steps in range(asked, 2, -1):
        first = min(max(1, round(steps * high / asked)), high, steps - 1)
        first = max(first, steps - low)
        cost = calls_of(name, first, False, sweeps) + calls_of(name, steps - first, to_zero, sweeps)
        if cost <= allowed:
            return first, steps - first
    return 1, 1


def _once(name: str) -> int:
    solver = SOLVERS.get(ALIASES.get(name, name))
    return solver.once if solver else 0


def remarks(name: str, eta: float, sweeps: int, count: str) -> list[str]:
    """What a person who chose these should know: what the name means, and what it costs."""
    lines = _meaning(name)
    if name not in NAMES and eta > 0:
        lines.append(f"eta is not used: {name} is the host's own sampler.")
    if name in PLACE_THEIR_OWN:
        return [*lines, f"{name} places its steps itself; its model calls are not known beforehand."]
    if count == MODEL_CALLS:
        steps = steps_for(name, 30, sweeps=sweeps)
        lines.append(
            f"{name}: a schedule of 30 is run in {steps} steps, {calls_of(name, steps, sweeps=sweeps)} model calls."
        )
    elif calls_of(name, 30, sweeps=sweeps) != 30:
        lines.append(f"{name}: 30 steps are {calls_of(name, 30, sweeps=sweeps)} model calls.")
    return lines


def remarks_on_parts(name: str, high: int, low: int) -> list[str]:
    """The same for a run of two experts with these steps, the last of them into sigma 0; 0 where one has none."""
    lines = _meaning(name)
    parts = [(steps, calls_of(name, steps, to_zero=last)) for steps, last in ((high, low == 0), (low, True)) if steps]
    if name not in PLACE_THEIR_OWN and any(steps != calls for steps, calls in parts):
        steps, calls = (" + ".join(map(str, numbers)) for numbers in zip(*parts, strict=True))
        lines.append(f"{name}: {steps} steps are {calls} model calls.")
    return lines


def _meaning(name: str) -> list[str]:
    if name not in ALIASES:
        return []
    return [f"{name} is {ALIASES[name]} here: the published one runs backwards above ten steps."]
