"""The solvers against theory: orders, tables, ends, and how near they come at a given number of model calls."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from genga.errors import InputError
from genga.samplers import adams, collocation, exponential, flow, schedules, solvers
from genga_tests.tools import mixture
from hypothesis import given, settings
from hypothesis import strategies as st

OURS = {name: solver.function for name, solver in solvers.SOLVERS.items()}
EVERY = {**OURS, "ab2": adams.sample_ab2}
ORDERS = {"ab2": 2, "res_2m": 2, "res_2s": 2, "res_3s": 3, "res_5s": 4, "genga": 2, "unipc": 2}


def euler(model, x, sigmas):
    for now, after in zip(sigmas[:-1].tolist(), sigmas[1:].tolist(), strict=True):
        x = x + (after - now) * (x - model(x, x.new_full((len(x),), now))) / now
    return x


def run(name, model, x, sigmas, **options):
    return EVERY[name](model, x, sigmas, disable=True, **options)


def slope_of_error(function, steps, **options):
    """The measured order: s from 1 to 0.05 evenly, a smooth problem with a closed form."""
    problem, x = mixture.Gaussian(), mixture.noise(4)
    exact = problem.exact(x, 1.0, 0.05)
    errors = []
    for n in (steps, 2 * steps):
        sigmas = torch.linspace(1, 0.05, n + 1, dtype=torch.float64)
        errors.append(mixture.error(function(problem, x, sigmas, disable=True, **options), exact))
    return math.log2(errors[0] / errors[1])


@pytest.mark.parametrize(("name", "order"), ORDERS.items())
def test_the_measured_order_is_the_theory(name, order):
    measured = slope_of_error(EVERY[name], 256 if order < 3 else 128)
    assert measured >= order - 0.15
    if name not in ("genga", "unipc"):  # their correctors are of order 3
        assert measured <= order + 0.15


@pytest.mark.parametrize("stages", [2, 3, 4, 5])
def test_gauss_legendre_with_enough_sweeps_is_of_order_4_at_least(stages):
    measured = slope_of_error(collocation.solver(stages), {2: 16, 3: 6, 4: 3, 5: 2}[stages], sweeps=25)
    assert measured >= 3.85
    if stages > 2:
        assert measured > 5


@pytest.mark.parametrize("stages", range(1, 8))
def test_gauss_tables_fulfil_the_order_conditions(stages):
    """C(s): sum a_ij c_j^(q-1) = c_i^q / q; B(2s): sum b_i c_i^(q-1) = 1 / q (Hairer and Wanner, IV.5)."""
    c, rows, last = collocation.tableau(stages)
    for q in range(1, stages + 1):
        for node, row in zip(c, rows, strict=True):
            assert abs(math.fsum(a * z ** (q - 1) for a, z in zip(row, c, strict=True)) - node**q / q) < 1e-12
    for q in range(1, 2 * stages + 1):
        assert abs(math.fsum(b * z ** (q - 1) for b, z in zip(last, c, strict=True)) - 1 / q) < 1e-12


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("z", [-12.0, -3.0, -1.0, -0.51, -0.5, -0.49, -0.1, -1e-3, -1e-9, 0.0, 1e-6, 0.7])
def test_phi_against_its_series_in_exact_fractions(order, z):
    exact, term = Fraction(0), Fraction(1, math.factorial(order))
    for k in range(120):
        exact += term
        term *= Fraction(z) / (k + order + 1)
    assert exponential.phi(order, z) == pytest.approx(float(exact), rel=2e-14)


@given(st.floats(0.02, 30.0))
def test_exponential_tables_fulfil_the_first_conditions(h):
    """Sum of b = phi_1(-h), of row i = c_i phi_1(-c_i h); for order 2: sum b c = phi_2(-h)."""
    for table in (exponential._res_2s, exponential._res_3s, exponential._res_5s):
        rows, last, nodes = table(h)
        assert math.fsum(last) == pytest.approx(exponential.phi(1, -h), rel=1e-9)
        moment = math.fsum(b * c for b, c in zip(last, nodes, strict=True))
        assert moment == pytest.approx(exponential.phi(2, -h), rel=1e-8)
        for row, c in zip(rows, nodes[1:], strict=True):
            assert math.fsum(row) == pytest.approx(c * exponential.phi(1, -c * h), rel=1e-9)


@pytest.mark.parametrize("name", EVERY)
def test_a_constant_clean_picture_is_reached_exactly(name):
    """D constant makes v linear along the path: any solver that is consistent lands on D at sigma 0."""
    clean = mixture.noise(2, seed=5)
    for sigmas in (mixture.simple(6, 5.0), torch.tensor([1.0, 0.0]), torch.tensor([0.7, 0.4, 0.0])):
        result = run(name, lambda x, s, **_: clean, mixture.noise(2), sigmas)
        assert (result - clean).abs().max() < 1e-12


@pytest.mark.parametrize("name", ["ab2", "genga", "gauss-legendre_2s", "gauss-legendre_5s"])
def test_a_slope_linear_in_sigma_is_integrated_exactly_after_the_first_step(name):
    """v(s) = p + q s: the first step of a multistep method is Euler's; from then on, and for collocation, exact."""
    p, q = mixture.noise(1, 2), mixture.noise(1, 3)

    def model(x, s, **_):
        return x - float(s[0]) * (p + q * float(s[0]))

    sigmas = torch.tensor([0.9, 0.8, 0.5, 0.35, 0.1], dtype=torch.float64)
    x = mixture.noise(1)
    moved = run(name, model, x, sigmas) - x
    exact = p * (0.1 - 0.9) + q * (0.1**2 - 0.9**2) / 2
    lost = q * (0.9 - 0.8) ** 2 / 2 if name == "ab2" else 0  # genga's corrector takes the first step back too
    assert (moved - exact + lost).abs().max() < 1e-12


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_inputs_are_not_written_to_and_types_are_kept(name, dtype):
    x, sigmas = mixture.noise(2).to(dtype), mixture.simple(5, 5.0).to(dtype)
    kept = x.clone(), sigmas.clone()
    result = run(name, mixture.Mixture(), x, sigmas)
    assert result.dtype == dtype and result.shape == x.shape
    assert torch.equal(x, kept[0]) and torch.equal(sigmas, kept[1])


@pytest.mark.parametrize("name", EVERY)
def test_a_partial_range_ends_at_its_own_noise_level(name):
    problem, x = mixture.Gaussian(), mixture.noise(4)
    sigmas = torch.linspace(0.8, 0.3, 33, dtype=torch.float64)
    assert mixture.error(run(name, problem, x, sigmas), problem.exact(x, 0.8, 0.3)) < 2e-3


@pytest.mark.parametrize("name", EVERY)
def test_too_short_schedules_change_nothing_and_one_step_is_enough(name):
    problem, x = mixture.Mixture(), mixture.noise(2)
    assert torch.equal(run(name, problem, x, torch.tensor([1.0])), x)
    assert torch.equal(run(name, problem, x, torch.tensor([])), x)
    assert problem.calls == 0
    for sigmas in ([1.0, 0.0], [1.0, 0.5, 0.0], [0.6, 0.5], [0.9, 0.9, 0.0]):
        assert torch.isfinite(run(name, problem, x, torch.tensor(sigmas))).all()


@pytest.mark.parametrize("bad", [[0.5, 0.8, 0.0], [1.0, math.nan, 0.0], [1.0, -0.1], [math.inf, 0.0]])
def test_schedules_that_rise_or_are_none_are_refused(bad):
    with pytest.raises(InputError, match="sigmas"):
        run("genga", mixture.Mixture(), mixture.noise(1), torch.tensor(bad))


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("to_zero", [True, False])
def test_the_cost_is_what_is_called(name, steps, to_zero):
    problem, levels = mixture.Mixture(), mixture.simple(steps + 1, 5.0)
    sigmas = mixture.simple(steps, 5.0) if to_zero else levels[:-1]
    run(name, problem, mixture.noise(1), sigmas)
    assert problem.calls == solvers.calls_of(name, steps, to_zero)


@given(st.sampled_from([*solvers.NAMES, "euler", "heun"]), st.integers(1, 200), st.booleans(), st.integers(1, 5))
def test_a_budget_is_used_up_and_not_passed(name, calls, to_zero, sweeps):
    steps = solvers.steps_for(name, calls, to_zero, sweeps)
    extra = 1 if name.startswith("gauss") else 0
    assert steps == 1 or solvers.calls_of(name, steps, to_zero, sweeps) <= calls + extra
    assert steps == calls or solvers.calls_of(name, steps + 1, to_zero, sweeps) > calls + extra


@given(
    st.sampled_from([*solvers.NAMES, "euler", "heun"]), st.integers(1, 60), st.integers(1, 60), st.booleans(),
    st.integers(1, 4),
)  # fmt: skip
def test_a_budget_is_shared_by_two_parts_in_proportion(name, high, low, to_zero, sweeps):
    def cost(first, second):
        calls = solvers.calls_of(name, first, False, sweeps) + solvers.calls_of(name, second, to_zero, sweeps)
        return calls - (2 if name.startswith("gauss") else 0)

    first, second = solvers.steps_in_parts(name, high, low, to_zero, sweeps)
    assert 1 <= first <= high and 1 <= second <= low
    assert (first, second) == (1, 1) or cost(first, second) <= high + low
    assert (first, second) == (high, low) or cost(first + 1, second) > high + low
    even = (first + second) * high / (high + low)
    assert abs(first - even) <= 1


def test_what_a_run_of_two_experts_costs_is_told():
    assert solvers.remarks_on_parts("res_5s", 3, 5) == ["res_5s: 3 + 5 steps are 15 + 23 model calls."]
    assert solvers.remarks_on_parts("genga", 0, 8) == ["genga: 8 steps are 10 model calls."]
    assert solvers.remarks_on_parts("res_2s", 8, 0) == ["res_2s: 8 steps are 16 model calls."]
    assert solvers.remarks_on_parts("unipc", 3, 5) == solvers.remarks_on_parts("dpm_adaptive", 3, 5) == []
    assert "genga" in solvers.remarks_on_parts("wuxing-stable", 3, 5)[0]


def test_five_stages_at_thirty_calls_are_six_steps():
    assert solvers.steps_for("res_5s", 30) == 6
    assert solvers.steps_for("wuxing-stable", 30) == solvers.steps_for("genga", 30) == 28
    given_sigmas = mixture.simple(30, 5.0)
    assert torch.equal(schedules.thinned(given_sigmas, 6), given_sigmas[::5])


@given(st.integers(1, 60), st.integers(1, 60), st.floats(1.0, 12.0))
def test_a_thinned_schedule_keeps_its_ends_and_falls(given_steps, steps, shift):
    sigmas = mixture.simple(given_steps, shift)
    thin = schedules.thinned(sigmas, steps)
    assert len(thin) == min(steps, given_steps) + 1
    assert thin[0] == sigmas[0] and thin[-1] == 0
    assert (thin.diff() < 0).all()


def test_the_references_own_grid():
    """As FlowUniPC prints it for 8 steps at shift 5."""
    expected = [0.9998, 0.972, 0.937, 0.893, 0.833, 0.750, 0.625, 0.416, 0.0]
    assert schedules.wan(8, 5.0).tolist() == pytest.approx(expected, abs=6e-4)
    assert float(schedules.wan(8, 5.0)[0]) == pytest.approx(5 * 0.999 / (1 + 4 * 0.999))
    assert schedules.wan(4, 5.0, denoise=0.5).tolist() == schedules.wan(8, 5.0).tolist()[4:]
    for steps, denoise, name in ((0, 1.0, "steps"), (8, 0.0, "denoise"), (8, 1.5, "denoise")):
        with pytest.raises(InputError, match=name):
            schedules.wan(steps, 5.0, denoise)


@given(st.integers(1, 200), st.floats(1.0, 15.0), st.floats(0.05, 1.0))
def test_our_grids_fall_to_exactly_zero(steps, shift, denoise):
    for grid in (schedules.wan, schedules.genga):
        sigmas = grid(steps, shift, denoise)
        assert len(sigmas) == steps + 1 and sigmas[-1] == 0 and sigmas[0] <= 1
        assert (sigmas.diff() < 0).all()
    assert schedules.genga(steps, shift)[0] == 1


@pytest.mark.parametrize("name", OURS)
def test_without_eta_there_is_no_chance_and_with_it_the_seed_decides(name):
    def once(eta, seed):
        return run(
            name, mixture.Mixture(), mixture.noise(2), mixture.simple(9, 5.0), eta=eta, extra_args={"seed": seed}
        )

    state = torch.random.get_rng_state()
    assert torch.equal(once(0.0, 1), once(0.0, 2))
    assert torch.equal(once(0.5, 1), once(0.5, 1))
    assert (once(0.5, 1) - once(0.5, 2)).abs().max() > 1e-3
    assert torch.equal(state, torch.random.get_rng_state())


def test_added_noise_keeps_the_noise_level():
    """The formulas of the host's euler_ancestral_RF: signal 1 - s and noise s come out as wanted."""
    for now, after, eta in ((1.0, 0.9, 1.0), (0.8, 0.5, 0.3), (0.3, 0.05, 0.7)):
        r = flow.Run(None, torch.zeros(1, 4), torch.tensor([now, after]), eta=eta, noise=lambda *_: torch.ones(1, 4))
        ((_, _, down, _),) = tuple(r.steps())
        added = float(r.renoise(torch.zeros(1, 4), down, after).flatten()[0])
        ratio = (1 - after) / (1 - down)
        assert down == pytest.approx(after * (1 + (after / now - 1) * eta), rel=1e-6)
        assert added**2 + (ratio * down) ** 2 == pytest.approx(after**2, rel=1e-5)
        assert (1 - down) * ratio == pytest.approx(1 - after)


@pytest.mark.parametrize("name", ["genga", "res_2m"])
def test_a_tiny_step_does_not_magnify_what_a_model_gets_wrong(name):
    """A model of limited precision, and a schedule with two points all but equal."""
    problem, x, off = mixture.Mixture(), mixture.noise(4), mixture.noise(64, 9) * 1e-3
    sigmas = torch.tensor([1.0, 0.999999, 0.9, 0.8, 0.7, 0.699999, 0.4, 0.2, 0.0])

    def rough(at, sigma, **_):
        return problem(at, sigma) + off[problem.calls]

    clean = run(name, problem, x, sigmas)
    problem.calls = 0
    disturbed = run(name, rough, x, sigmas)
    assert mixture.error(disturbed, clean) < 0.02


@settings(max_examples=60)
@given(
    st.sampled_from(list(EVERY)),
    st.lists(st.floats(2.0**-20, 1.0, width=32), min_size=1, max_size=9),
    st.booleans(),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_odd_schedules_never_give_nan(name, levels, to_zero, eta):
    sigmas = torch.tensor([*sorted(levels, reverse=True), *([0.0] if to_zero else [])])
    result = run(name, mixture.Mixture(), mixture.noise(2).float(), sigmas, eta=eta)
    assert torch.isfinite(result).all()


@pytest.fixture(scope="module")
def problems():
    x = mixture.noise(12)
    return [(problem, x, problem.exact(x, steps=600)) for problem in map(mixture.Mixture, range(3))]


def error_at(name, problems, calls, shift):
    """Geometric mean over the problems, at about this many model calls."""
    errors = []
    for problem, x, exact in problems:
        steps = solvers.steps_for(name, calls)
        sigmas = schedules.thinned(mixture.simple(calls, shift), steps)
        result = euler(problem, x, sigmas) if name == "euler" else run(name, problem, x, sigmas)
        errors.append(mixture.error(result, exact))
    return math.exp(sum(map(math.log, errors)) / len(errors))


@pytest.mark.parametrize("at", [6, 10])
@pytest.mark.parametrize("name", OURS)
def test_a_run_in_two_parts_is_as_near_as_the_whole(problems, name, at):
    """The second part begins without a memory: that costs two per cent of the error at most, with genga a half."""
    sigmas, allowed = mixture.simple(20, 3.0), 1.6 if name == "genga" else 1.02
    for problem, x, exact in problems:
        whole = mixture.error(run(name, problem, x, sigmas), exact)
        half = run(name, problem, x, sigmas[: at + 1])
        assert mixture.error(run(name, problem, half, sigmas[at:]), exact) < allowed * whole + 2e-5


@pytest.mark.parametrize("calls", [20, 30])
@pytest.mark.parametrize("shift", [3.0, 5.0])
def test_ours_has_the_least_error(problems, calls, shift):
    errors = {name: error_at(name, problems, calls, shift) for name in ("euler", *OURS)}
    assert min(errors, key=errors.get) == "genga", errors


@pytest.mark.parametrize("shift", range(1, 13))
def test_ours_is_never_worse_than_euler_at_eight_calls(problems, shift):
    assert error_at("genga", problems, 8, shift) < error_at("euler", problems, 8, shift)


@pytest.mark.parametrize("calls", [8, 20, 30])
@pytest.mark.parametrize("shift", [5.0, 8.0, 12.0])
def test_our_grid_makes_ours_better_still(problems, calls, shift):
    closing, even = [], []
    for problem, x, exact in problems:
        for errors, sigmas in (
            (closing, schedules.genga(calls - 2, shift)),
            (even, mixture.simple(calls - 2, shift)),
        ):
            errors.append(math.log(mixture.error(run("genga", problem, x, sigmas), exact)))
    assert sum(closing) < sum(even)
