"""unipc against Wan 2.2's own, number for number: see tests/tools/unipc_reference.py for the file and the commit."""

from __future__ import annotations

import pytest
import torch
from genga.samplers import schedules, unipc
from genga_tests.tools import unipc_reference as reference


def ours(sigmas: torch.Tensor) -> torch.Tensor:
    def model(x, sigma, **_options):
        return reference.clean(x, float(sigma[0]))

    return unipc.sample_unipc(model, reference.start(), sigmas, disable=True)[0]


@pytest.mark.parametrize("row", reference.RECORDED)
def test_the_same_sigmas_give_the_references_numbers(row):
    assert ours(reference.levels(*row)).tolist() == pytest.approx(reference.RECORDED[row], rel=0, abs=2e-12)


@pytest.mark.parametrize("row", reference.GRIDS)
def test_the_schedule_wan_is_the_references(row):
    assert schedules.wan(*row).tolist() == pytest.approx(reference.GRIDS[row], rel=0, abs=2e-7)


def test_a_last_step_that_does_not_end_in_0_keeps_order_2():
    """The reference always ends in 0, at order 1. Elsewhere that would cost more than the whole run before it."""
    fine = ours(torch.linspace(0.95, 0.3, 4001, dtype=torch.float64))
    sigmas = torch.linspace(0.95, 0.3, 21, dtype=torch.float64)
    before, (now, end) = ours(sigmas[:-1]), sigmas[-2:].tolist()
    first_order = before + (end - now) / now * (before - reference.clean(before, now))
    assert (ours(sigmas) - fine).abs().max() < (first_order - fine).abs().max() / 2


def test_a_start_at_sigma_1_is_the_limit_of_starts_just_below():
    """There l is infinite. The way to the limit is slow, as 1 / l."""
    whole = reference.levels(6, 3.0, 1.0)
    gaps = []
    for below in (1e-3, 1e-6, 1e-12):
        near = whole.clone()
        near[0] -= below
        gaps.append(float((ours(near) - ours(whole)).abs().max()))
    assert gaps[0] > gaps[1] > gaps[2] and gaps[2] < 2e-4
