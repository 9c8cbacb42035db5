"""FramePack's arithmetic against the reference's own tables, and what must hold for any numbers.

recorded/framepack_plan.json was made by running the statements of the reference's two demos (section count, paddings,
index tables) and its functions for the noise levels, at the commit that the file names.
"""

from __future__ import annotations

import json
import math

import pytest
import torch
from genga.conditioning.framepack import indices, plan
from genga.errors import InputError
from genga.samplers import framepack_schedule as schedule
from genga_tests.tools import pack
from hypothesis import given
from hypothesis import strategies as st

REFERENCE = json.loads((pack.TESTS / "recorded" / "framepack_plan.json").read_text(encoding="utf-8"))
SECTIONS = range(1, 9)
keys = st.dictionaries(st.integers(0, 12), st.text("abc", min_size=1), max_size=6)


def table(positions: indices.Positions) -> dict:
    return {name: list(getattr(positions, name)) for name in ("target", "near", "double", "quad")}


@pytest.mark.parametrize("window", [9, 5])
@pytest.mark.parametrize("sections", SECTIONS)
def test_standard_index_tables_are_the_references(sections, window):
    wanted = REFERENCE["standard"][f"{window} {sections}"]
    assert plan.paddings(sections) == wanted["paddings"]
    planned = plan.windows("standard", sections, window)
    rows = [table(indices.positions("standard", window, each.blank)) for each in planned]
    assert rows == wanted["rows"]
    assert [each.last for each in planned] == [False] * (sections - 1) + [True]


@pytest.mark.parametrize("window", [9, 5])
def test_f1_index_table_is_the_references(window):
    assert table(indices.positions("f1", window)) == REFERENCE["f1"][str(window)]


@pytest.mark.parametrize("case", REFERENCE["counts"])
def test_section_counts_are_the_references(case):
    window, seconds = case.split()
    assert plan.count(float(seconds), int(window)) == REFERENCE["counts"][case]


@pytest.mark.parametrize("case", REFERENCE["sigmas"], ids=lambda case: f"{case['latent']} {case['steps']}")
def test_noise_levels_are_the_references(case):
    shift = schedule.shift(*case["latent"])
    assert shift == pytest.approx(case["shift"], rel=1e-12)
    got = schedule.sigmas(case["steps"], shift)
    assert torch.equal(got, torch.tensor(case["sigmas"]))
    assert got[0] == pytest.approx(1.0) and got[-1] == 0.0


@given(st.integers(1, 60), st.integers(1, 20))
def test_frames_are_four_windows_a_section_and_the_start(sections, window):
    assert plan.frames(sections, window) == 4 * window * sections + 1
    assert plan.frames(sections, 9) == 36 * sections + 1


@given(st.floats(0.01, 600), st.integers(1, 20))
def test_a_video_is_as_long_as_asked_to_half_a_section(seconds, window):
    sections = plan.count(seconds, window)
    length = sections * 4 * window / 30
    assert sections == 1 or abs(length - seconds) <= 4 * window / 30 / 2 + 1e-9


@given(st.sampled_from(["standard", "f1"]), st.integers(1, 12), st.integers(0, 40))
def test_no_two_frames_stand_at_one_time(direction, window, blank):
    positions = indices.positions(direction, window, blank)
    every = [*positions.target, *positions.near, *positions.double, *positions.quad]
    assert len(set(every)) == len(every) == window + 1 + 19
    assert min(every) == 0 and positions.near[0] == 0
    assert {stride: len(times) for stride, times in positions.groups().items()} == {1: 2, 2: 2, 4: 16}
    if direction == "standard":
        assert positions.target[0] == 1 + blank
        assert positions.near[1] == positions.target[-1] + 1 == positions.double[0] - 1
    else:
        assert positions.target[0] == positions.near[1] + 1 == max(positions.quad) + 4


@given(keys, st.integers(0, 14))
def test_a_section_sees_the_next_key_that_is_not_below_it(given_keys, number):
    later = sorted(key for key in given_keys if key >= number)
    assert plan.key_for(given_keys, number) == (given_keys[later[0]] if later else None)


@given(keys, st.integers(1, 13))
def test_even_odd_fills_what_has_none(given_keys, sections):
    filled = plan.fill(given_keys, sections, "even-odd")
    assert plan.fill(given_keys, sections, "none") == given_keys
    for number in range(sections):
        if number in given_keys:
            assert filled[number] == given_keys[number]
        elif number % 2 in given_keys:
            assert filled[number] == given_keys[number % 2]
        else:
            assert number not in filled


@given(st.floats(0.2, 3.0), st.integers(1, 12), st.integers(1, 12))
def test_a_constant_padding_holds_for_all_but_the_last(padding, sections, window):
    blanks = [each.blank for each in plan.windows("standard", sections, window, padding)]
    assert blanks == [math.floor(padding * window)] * (sections - 1) + [0]


def test_half_windows_become_whole_latent_frames():
    assert [each.blank for each in plan.windows("standard", 3, 9, 0.5)] == [4, 4, 0]
    assert [each.blank for each in plan.windows("standard", 3, 9, [1.5, 1, 7])] == [13, 9, 0]
    assert [each.blank for each in plan.windows("f1", 3, 9, 2.0)] == [0, 0, 0]


@pytest.mark.parametrize(("text", "wanted"), [
    ("auto", "auto"), ("", "auto"), ("1", 1.0), (" 0.5 ", 0.5), ("3, 2,2 1 0", [3.0, 2.0, 2.0, 1.0, 0.0]),
])  # fmt: skip
def test_padding_is_read_as_written(text, wanted):
    assert plan.parse_padding(text) == wanted


@pytest.mark.parametrize("wrong", [
    lambda: plan.parse_padding("much"), lambda: plan.windows("standard", 3, 9, 0.1),
    lambda: plan.windows("standard", 3, 9, 3.5), lambda: plan.windows("standard", 3, 9, [1, 0]),
    lambda: plan.windows("standard", 2, 9, [math.nan, 0]), lambda: plan.count(0), lambda: plan.count(math.inf),
    lambda: plan.count(5, 0), lambda: plan.windows("backwards", 2), lambda: plan.fill({}, 3, "red"),
    lambda: indices.one_frame(-1, (0,)), lambda: indices.one_frame(1, (0, 65)),
])  # fmt: skip
def test_what_cannot_be_used_is_refused(wrong):
    with pytest.raises(InputError):
        wrong()


def test_sections_are_numbered_as_they_are_drawn():
    assert [plan.time_of("standard", number, 4) for number in range(4)] == [3, 2, 1, 0]
    assert [plan.time_of("f1", number, 4) for number in range(4)] == [0, 1, 2, 3]


@given(st.integers(1, 12), st.integers(2, 200), st.integers(2, 200))
def test_the_shift_grows_with_the_size_up_to_seven(frames, height, width):
    shift = schedule.shift(frames, height, width)
    assert 1.5 < shift < 7.0 + 1e-9
    assert schedule.shift(frames + 1, height, width) >= shift


def test_one_frame_stands_where_it_is_put():
    positions = indices.one_frame(1, (0, 13))
    assert positions.target == (1,) and positions.groups() == {1: (0, 13)}
