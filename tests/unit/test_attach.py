"""One conditioning for both experts, carried by sigma ranges."""

from __future__ import annotations

import numpy as np
import pytest
from genga.conditioning import attach
from genga.errors import InputError
from hypothesis import given
from hypothesis import strategies as st

CONDITIONING = [["embedding", {"pooled": 1}]]


def active(entries, sigma: float) -> list[dict]:
    """The entries the host would use at ``sigma`` (comfy/samplers.py get_area_and_mult)."""
    return [
        values
        for _, values in entries
        if not sigma > values.get("timestep_start", np.inf) and not sigma < values.get("timestep_end", -np.inf)
    ]


@given(st.floats(0, 1, width=32), st.sampled_from([0.9, 0.875, 0.5, 0.123]))
def test_exactly_one_expert_at_every_sigma(sigma, boundary):
    entries = attach.set_per_expert(CONDITIONING, {"who": "high"}, {"who": "low"}, boundary, "positive")
    (values,) = active(entries, sigma)
    assert values["who"] == ("high" if np.float32(sigma) >= np.float32(boundary) else "low")
    assert values["pooled"] == 1


def test_nothing_given_is_changed():
    attach.set_per_expert(CONDITIONING, {"a": 1}, {"a": 2}, 0.9, "positive")
    attach.set_values(CONDITIONING, {"a": 1})
    assert CONDITIONING == [["embedding", {"pooled": 1}]]


def test_vace_lists_add_up():
    once = attach.set_values(CONDITIONING, {"vace_frames": [1], "vace_strength": [1.0]})
    twice = attach.set_values(once, {"vace_frames": [2], "vace_strength": [0.5]})
    assert twice[0][1]["vace_frames"] == [1, 2]
    assert twice[0][1]["vace_strength"] == [1.0, 0.5]


def test_ranges_of_an_earlier_node_are_cut_not_lost():
    once = attach.set_per_expert(CONDITIONING, {"a": "high"}, {"a": "low"}, 0.9, "positive")
    twice = attach.set_per_expert(once, {"b": "high"}, {"b": "low"}, 0.9, "positive")
    assert [(v["a"], v["b"]) for _, v in twice] == [("high", "high"), ("low", "low")]


def test_a_percent_range_cannot_be_combined():
    ranged = [["embedding", {"start_percent": 0.0, "end_percent": 0.5}]]
    with pytest.raises(InputError, match="timestep range"):
        attach.set_per_expert(ranged, {}, {}, 0.9, "positive")
