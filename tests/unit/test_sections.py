"""Sections in time: their order, what they leave out, and which window they begin with."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from genga.conditioning import sections
from genga.conditioning.sections import Section
from genga.errors import InputError
from genga.samplers.windows import plan as planning
from hypothesis import given
from hypothesis import strategies as st

FPS = Fraction(25)


def prompt(text: str) -> list:
    return [[text, {}]]


def picture(value: float = 0.5) -> torch.Tensor:
    return torch.full((1, 4, 4, 3), value)


def chain(*given) -> sections.Chain:
    made = ()
    for section in given:
        made = sections.add(made, section)
    return made


def test_sections_come_in_order_of_time_however_they_are_wired():
    made = chain(Section(8.0, prompt("c")), Section(0.5, prompt("a")), Section(3.0, prompt("b")))
    assert [section.start for section in made] == [0.5, 3.0, 8.0]


def test_a_chain_is_never_changed_in_place():
    first = chain(Section(1.0, prompt("a")))
    sections.add(first, Section(2.0, prompt("b")))
    assert len(first) == 1


@pytest.mark.parametrize(
    ("section", "name"),
    [
        (Section(-0.1, prompt("a")), "start"),
        (Section(float("nan"), prompt("a")), "start"),
        (Section(float("inf"), prompt("a")), "start"),
        (Section(True, prompt("a")), "start"),
        (Section(2.0, prompt("again")), "start"),
        (Section(1.0), "positive"),
        (Section(1.0, clip_vision=object()), "positive"),
        (Section(1.0, "a prompt"), "positive"),
        (Section(1.0, []), "positive"),
        (Section(1.0, image=torch.zeros(2, 4, 4, 3)), "image"),
        (Section(1.0, image=torch.zeros(1, 4, 4, 4)), "image"),
    ],
)
def test_what_is_no_section_is_told(section, name):
    with pytest.raises(InputError) as caught:
        sections.add(chain(Section(2.0, prompt("a"))), section)
    assert caught.value.input_name == name


@pytest.mark.parametrize("wrong", ["sections", [Section(1.0)], (1, 2), ("a",)])
def test_what_is_no_chain_is_told(wrong):
    with pytest.raises(InputError, match="Wire a Sections node"):
        sections.add(wrong, Section(1.0, prompt("a")))


def test_what_a_section_leaves_out_goes_on():
    one, two = prompt("one"), prompt("two")
    image, vision = picture(), object()
    made = chain(Section(1.0, one), Section(2.0, image=image, clip_vision=vision), Section(3.0, two))
    assert sections.in_force(made, 24, FPS).positive is None
    assert sections.in_force(made, 25, FPS).positive is one
    at_two = sections.in_force(made, 50, FPS)
    assert (at_two.positive, at_two.image, at_two.clip_vision) == (one, image, vision)
    at_three = sections.in_force(made, 75, FPS)
    assert (at_three.positive, at_three.image, at_three.clip_vision) == (two, image, vision)


def test_a_new_picture_does_not_keep_the_clip_vision_of_the_last_sections_picture():
    made = chain(Section(1.0, image=picture(0.1), clip_vision=object()), Section(2.0, image=picture(0.2)))
    assert sections.in_force(made, 50, FPS).clip_vision is None


@pytest.mark.parametrize(("seconds", "frame"), [(3.24, 81), (2.88, 72), (0.01, 0), (0.04, 1), (1 / 3, 8)])
def test_a_start_is_the_nearest_frame_not_one_late_for_rounding(seconds, frame):
    assert sections.first_frame(Section(seconds), FPS) == frame


starts = st.lists(st.integers(0, 400), unique=True, max_size=6)


@given(starts, st.integers(0, 500))
def test_the_prompt_is_that_of_the_last_section_begun(frames, now):
    made = chain(*(Section(frame / 25, prompt(str(frame))) for frame in frames))
    begun = [frame for frame in frames if frame <= now]
    held = sections.in_force(made, now, FPS)
    assert held.positive == (prompt(str(max(begun))) if begun else None)


@given(starts, st.integers(1, 600), st.sampled_from([9, 21, 81]), st.sampled_from([1, 5]))
def test_every_section_is_used_or_told_of(frames, length, window, overlap):
    plan = planning.make(length, window, overlap)
    made = chain(*(Section(frame / 25, prompt(str(frame))) for frame in frames))
    used = {sections.in_force(made, each.start, FPS).start for each in plan.windows}
    told = sections.notes(made, [each.start for each in plan.windows], length, FPS)
    for section in made:
        unused = any(note.startswith(f"section at {section.start:g} s") and "not used" in note for note in told)
        assert unused == (section.start not in used)


def test_the_window_a_section_begins_with_is_named():
    plan = planning.make(161, 81, 9)  # windows add frames from 0, 81 and 153 on
    made = chain(
        Section(0.0, prompt("a")), Section(3.0, prompt("b")), Section(5.0, prompt("c")), Section(9.0, prompt("d"))
    )
    told = sections.notes(made, [window.start for window in plan.windows], 161, FPS)
    assert told == [
        "section at 3 s: it begins at 3.24 s, with window 2 (a window keeps to one section).",
        "section at 5 s: it begins at 6.12 s, with window 3 (a window keeps to one section).",
        "section at 9 s: the video ends at 6.44 s; it is not used.",
    ]


def test_of_two_sections_that_begin_with_the_same_window_the_later_one_counts():
    plan = planning.make(161, 81, 9)
    made = chain(Section(3.3, prompt("a")), Section(3.4, prompt("b")))
    told = sections.notes(made, [window.start for window in plan.windows], 161, FPS)
    assert "no window starts before the next section" in told[0]
    assert "window 3" in told[1]


def test_a_picture_that_only_the_next_section_shows_counts_as_used():
    plan = planning.make(161, 81, 9)
    made = chain(Section(3.3, image=picture()), Section(3.4, prompt("b")))
    told = sections.notes(made, [window.start for window in plan.windows], 161, FPS)
    assert not any("not used" in note for note in told)
