"""NAG's formula against the paper's, in float64, and which rows of a batch it is for."""

from __future__ import annotations

import math

import pytest
import torch
from genga.errors import InputError
from genga.samplers import nag
from hypothesis import given
from hypothesis import strategies as st


def paper(positive, negative, scale, tau, alpha):
    """Algorithm 1 of arXiv 2505.21179, value by value."""
    out = []
    for plus, minus in zip(positive.tolist(), negative.tolist(), strict=True):
        pushed = [scale * p - (scale - 1) * n for p, n in zip(plus, minus, strict=True)]
        ratio = math.fsum(map(abs, pushed)) / math.fsum(map(abs, plus))
        shortened = [value * min(ratio, tau) / ratio for value in pushed]
        out.append([alpha * s + (1 - alpha) * p for s, p in zip(shortened, plus, strict=True)])
    return torch.tensor(out, dtype=torch.float64)


settings = {"scale": st.floats(1, 20), "tau": st.floats(1, 10), "alpha": st.floats(0, 1), "seed": st.integers(0, 99)}


@given(**settings)
def test_the_formula_is_the_papers(scale, tau, alpha, seed):
    generator = torch.Generator().manual_seed(seed)
    positive, negative = (torch.randn(4, 7, dtype=torch.float64, generator=generator) for _ in range(2))
    expected = paper(positive, negative, scale, tau, alpha)
    kept = positive.clone()
    torch.testing.assert_close(nag.guide(positive, negative, scale, tau, alpha), expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(positive, kept)


@given(**settings)
def test_length_stays_within_tau(scale, tau, alpha, seed):
    generator = torch.Generator().manual_seed(seed)
    positive, negative = (torch.randn(4, 7, dtype=torch.float64, generator=generator) for _ in range(2))
    length = nag.guide(positive, negative, scale, tau, alpha).abs().sum(-1)
    limit = (alpha * tau + 1 - alpha) * positive.abs().sum(-1)
    assert (length <= limit * (1 + 1e-9)).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_lengths_are_summed_in_32_bit(dtype):
    """5120 values of 40 sum up to more than float16 holds."""
    positive = torch.full((1, 5120), 40.0, dtype=dtype)
    out = nag.guide(positive, -positive, 3.0, 2.5, 0.5)
    assert out.dtype == dtype
    torch.testing.assert_close(out, torch.full_like(out, 0.5 * 2.5 * 40 + 0.5 * 40), rtol=1e-2, atol=0)


def test_zeros_stay_finite():
    zeros, ones = torch.zeros(1, 4), torch.ones(1, 4)
    assert torch.equal(nag.guide(zeros, zeros, 11.0, 2.5, 0.25), zeros)
    assert torch.equal(nag.guide(zeros, ones, 11.0, 2.5, 0.25), zeros), "within tau times a length of nothing"


@pytest.mark.parametrize(("rows", "prompts", "expected"), [
    (2, None, [slice(0, 2)]),
    (2, [0], [slice(0, 2)]),
    (2, [1, 0], [slice(1, 2)]),
    (4, [0, 1], [slice(0, 2)]),
    (6, [1, 0, 0], [slice(2, 6)]),
    (6, [0, 1, 0], [slice(0, 2), slice(4, 6)]),
    (2, [1], []),
])  # fmt: skip
def test_rows_of_the_positive_prompt(rows, prompts, expected):
    assert nag.positive_rows(rows, prompts) == expected


def test_other_prompts_can_count_as_positive():
    assert nag.positive_rows(4, [1, 0], positive=(0, 1)) == [slice(0, 4)]


@pytest.mark.parametrize(("name", "values"), [
    ("nag_scale", (0.9, 2.5, 0.25, 0.0, 1.0)),
    ("nag_scale", (math.nan, 2.5, 0.25, 0.0, 1.0)),
    ("nag_tau", (11.0, 0.5, 0.25, 0.0, 1.0)),
    ("nag_alpha", (11.0, 2.5, 1.1, 0.0, 1.0)),
    ("start_percent", (11.0, 2.5, 0.25, -0.1, 1.0)),
    ("end_percent", (11.0, 2.5, 0.25, 0.5, 0.5)),
])  # fmt: skip
def test_settings_outside_their_ranges(name, values):
    with pytest.raises(InputError) as refused:
        nag.check(*values)
    assert refused.value.input_name == name
