"""AniSora's score sentence: once, at the end, and never doubled."""

from __future__ import annotations

import pytest
from genga.conditioning.prompt import anisora_prompt
from genga.errors import InputError
from hypothesis import given
from hypothesis import strategies as st

TAIL = " aesthetic score: 5.5. motion score: 3.0. There is no text in the video."


def test_the_template_of_the_authors():
    assert anisora_prompt("A girl runs.", 3.0) == "A girl runs." + TAIL
    assert anisora_prompt("A girl runs", 3.0) == "A girl runs." + TAIL


@pytest.mark.parametrize(
    "text",
    [
        "A girl runs. aesthetic score: 5.5. motion score: 4.0. There is no text in the video.",
        "A girl runs. motion score: 4.0.",
        "A girl runs. Motion Score:2",
        "motion score: 1.0. A girl runs.",
        "A girl motion score: 3,5. runs.",
        "A girl runs. motion score: 3\u3002",
        "aesthetic score: 5 motion score: 4 There is no text in the video\nA girl runs.",
        "A girl runs. There is no text in the video. There is no text in the video.",
    ],
)
def test_an_existing_score_is_rewritten(text):
    assert anisora_prompt(text, 3.0) == "A girl runs." + TAIL


@pytest.mark.parametrize(
    "text",
    ["A board shows motion score: 3 to 2.", "A board shows motion score: 3.5 to 2.", "The motion score: 3/5 rises."],
)
def test_a_score_in_a_description_stays(text):
    assert anisora_prompt(text, 3.0) == text + TAIL


@given(st.text(min_size=1, max_size=200), st.floats(0, 5), st.floats(0, 5))
def test_it_is_idempotent(text, first, second):
    try:
        once = anisora_prompt(text, first)
    except InputError:
        return
    twice = anisora_prompt(once, second)
    assert twice == anisora_prompt(text, second)
    assert twice.count("motion score:") == once.count("motion score:")
    assert twice.endswith(f"motion score: {second:.1f}. There is no text in the video.")


@pytest.mark.parametrize(("text", "score"), [("", 3.0), ("   \n", 3.0), ("motion score: 3.0.", 3.0)])
def test_an_empty_prompt_is_an_error(text, score):
    with pytest.raises(InputError, match="prompt"):
        anisora_prompt(text, score)


@pytest.mark.parametrize("score", [-0.1, 5.1, float("nan")])
def test_scores_outside_the_range_are_errors(score):
    with pytest.raises(InputError, match="motion_score"):
        anisora_prompt("A girl runs.", score)


def test_a_prompt_no_encoder_can_hold_is_refused_before_it_fills_the_memory():
    assert anisora_prompt("a" * 20_000, 3.0)
    with pytest.raises(InputError, match="prompt: 20001 characters.*Use up to 2000"):
        anisora_prompt("a" * 20_001, 3.0)
