"""The arithmetic of windows: every frame once, whatever the numbers."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from genga.conditioning import speech_sound
from genga.errors import InputError
from genga.samplers.windows import plan as plans
from hypothesis import given, settings
from hypothesis import strategies as st

lengths = st.integers(1, 3000)
windows = st.integers(1, 40).map(lambda n: 4 * n + 1)
kinds = st.sampled_from([{}, {"continued": True}, {"backward": True}])


@st.composite
def sizes(draw):
    """(window, overlap), both 4n + 1, or an overlap of 0."""
    window = draw(windows)
    return window, draw(st.sampled_from([0, *range(1, window, 4)]))


def emitted(plan, blend=0):
    """The frames in the order in which the segments lie in the file."""
    return [frame for window in plan.windows for frame in plan.emitted(window, blend)]


@given(lengths, sizes(), kinds, st.integers(0, 40))
def test_the_windows_give_every_frame_once_and_in_order(length, size, kind, blend):
    plan = plans.make(length, *size, **kind)
    assert emitted(plan) == list(range(length))
    assert emitted(plan, min(blend, plan.most_blend)) == list(range(length))
    assert plan.most_blend <= size[1]


@given(samples=st.integers(2000, 4_000_000), rate=st.sampled_from([16000, 22050, 44100, 44101, 48000]))
@settings(max_examples=200)
def test_a_video_has_the_frames_of_its_speech(samples, rate):
    """InfiniteTalk's 81 and 9, at 25 frames a second: the whole frames of the exact duration, each once."""
    seconds = Fraction(samples, rate)
    count = speech_sound.Sound(torch.empty(0), seconds).frames
    frames = emitted(plans.make(count, 81, 9))
    assert frames == list(range(int(seconds * 25)))
    assert 0 <= seconds - Fraction(len(frames), 25) < Fraction(1, 25)


@given(lengths, sizes())
def test_the_number_of_windows(length, size):
    window, overlap = size
    count = 1 if length <= window else math.ceil((length - window) / (window - overlap)) + 1
    plan = plans.make(length, window, overlap)
    assert len(plan.windows) == count
    assert plan.notes == ()
    assert [w.first for w in plan.windows] == [k * (window - overlap) for k in range(count)]
    assert all(w.frames == window for w in plan.windows), "the last window is full"
    assert [w.overlap for w in plan.windows] == [0] + [overlap] * (count - 1)


@given(lengths, sizes(), kinds)
def test_each_window_decodes_what_it_contributes_and_the_tail_after_it(length, size, kind):
    plan = plans.make(length, *size, **kind)
    for window in plan.windows:
        assert window.first <= window.start < window.stop <= window.first + window.frames
        assert window.latents == (window.frames - 1) // 4 + 1
        assert window.held == (0 if window.overlap == 0 else (window.overlap - 1) // 4 + 1)
    for earlier, later in zip(plan.order, plan.order[1:], strict=False):
        known = range(earlier.first, earlier.first + earlier.frames)
        edge = later.stop if plan.backward else later.start
        shared = range(edge, edge + later.overlap) if plan.backward else range(edge - later.overlap, edge)
        assert all(frame in known for frame in shared), "the next window's overlap has been decoded"


@given(lengths, sizes())
def test_a_continued_plan_starts_at_frame_0_after_a_carried_tail(length, size):
    window, overlap = size
    plan = plans.make(length, window, overlap, continued=True)
    assert len(plan.windows) == math.ceil(length / (window - overlap))
    assert (plan.windows[0].first, plan.windows[0].start) == (-overlap, 0)
    assert all(w.overlap == overlap for w in plan.windows)
    assert plans.continuing(plans.make(length, window, overlap)) == plan


@given(lengths, sizes())
def test_backward_is_forward_with_time_reversed(length, size):
    there, back = plans.make(length, *size), plans.make(length, *size, backward=True)
    assert [w.index for w in back.order] == list(reversed(range(len(back.windows))))
    assert [w.index for w in back.windows] == list(range(len(back.windows)))
    for one, other in zip(there.order, back.order, strict=True):
        assert (one.frames, one.overlap) == (other.frames, other.overlap)
        assert (one.start, one.stop) == (length - other.stop, length - other.start)


@given(lengths, sizes(), st.integers(1, 500))
def test_a_longer_video_has_the_same_windows_before(length, size, more):
    """So that a stored window serves a longer video too: all but the last are the same."""
    short, long = plans.make(length, *size), plans.make(length + more, *size)
    assert short.windows[:-1] == long.windows[: len(short.windows) - 1]


@pytest.mark.parametrize(
    ("given_", "used"), [(1, 1), (2, 5), (4, 5), (5, 5), (25, 25), (76, 77), (77, 77), (78, 81), (80, 81)]
)
def test_other_numbers_are_rounded_up(given_, used):
    assert plans.round_up(given_) == used


def test_the_original_guides_motion_4_becomes_5_and_says_so():
    plan = plans.make(161, 80, 4)
    assert (plan.window, plan.overlap) == (81, 5)
    assert [note.split(":")[0] for note in plan.notes] == ["frame_window 80 becomes 81", "motion_frames 4 becomes 5"]
    named = plans.make(161, 77, 2, names=("frame_window", "overlap"))
    assert named.notes[0].startswith("overlap 2 becomes 5")


@pytest.mark.parametrize(
    ("numbers", "name"),
    [
        ((0, 81, 9), "length"),
        ((-3, 81, 9), "length"),
        ((81, 0, 0), "frame_window"),
        ((81, 81, -1), "motion_frames"),
        ((81, 9, 9), "motion_frames"),
        ((81, 9, 12), "motion_frames"),
        ((81, 5, 4), "motion_frames"),
    ],
)
def test_numbers_no_plan_can_be_made_of(numbers, name):
    with pytest.raises(InputError, match=f"^{name}: "):
        plans.make(*numbers)


def test_a_backward_plan_cannot_continue_a_clip():
    with pytest.raises(InputError, match="backward"):
        plans.make(100, 81, 9, continued=True, backward=True)


def test_known_plans():
    """Worked by hand for InfiniteTalk's 81 and 9."""
    ends = {81: 1, 82: 2, 153: 2, 154: 3, 225: 3, 226: 4}
    assert {length: len(plans.make(length, 81, 9).windows) for length in ends} == ends
    second = plans.make(154, 81, 9).windows[1]
    assert (second.first, second.start, second.stop, second.held) == (72, 81, 153, 3)


# plans by sections


@st.composite
def sectioned(draw):
    """(length, starts, window, overlap): sections far enough apart to begin at different groups of four frames."""
    window, overlap = draw(sizes().filter(lambda size: size[1] > 0))
    gaps = draw(st.lists(st.integers(8, 400), max_size=5))
    first = draw(st.integers(overlap + 8, overlap + 300))
    starts = [first + sum(gaps[:k]) for k in range(len(gaps))]
    return draw(st.integers(1, 2500)), starts, window, overlap


@given(sectioned(), st.booleans(), st.integers(0, 40))
def test_a_plan_by_sections_gives_every_frame_once_and_no_window_lies_in_two(numbers, continued, blend):
    length, starts, window, overlap = numbers
    plan = plans.by_sections(length, starts, window, overlap, continued=continued)
    assert emitted(plan) == list(range(length))
    assert emitted(plan, min(blend, plan.most_blend)) == list(range(length))
    for start in starts:
        border = min((frame for frame in range(0 if continued else 1, start + 5, 4)), key=lambda f: (abs(f - start), f))
        inside = [w for w in plan.windows if w.start < border < w.stop]
        assert not inside, (start, border)
        assert border >= length or any(w.start == border for w in plan.windows)
    for each in plan.windows:
        assert each.frames % 4 == 1 and each.frames <= window
        assert each.first == each.start - each.overlap and each.stop <= each.first + each.frames
        assert each.overlap == (0 if each.start == 0 and not continued else overlap)
    for each in plan.windows[:-1]:
        assert each.stop == each.first + each.frames, "only the video's end cuts a window"


@given(lengths, sizes().filter(lambda size: size[1] > 0))
def test_without_sections_windows_are_as_few_as_ever_and_even(length, size):
    plan, usual = plans.by_sections(length, [], *size), plans.make(length, *size)
    assert len(plan.windows) == len(usual.windows)
    frames = [w.frames for w in plan.windows]
    assert max(frames) - min(frames) <= 4


def test_a_plan_by_sections_worked_by_hand():
    """Wan's 81 and 5: 0 to 3 s, 3 to 10 s, 10 s to the end, at 16 frames a second."""
    plan = plans.by_sections(201, [0, 48, 160], 81, 5)
    assert [(w.first, w.frames, w.start, w.stop) for w in plan.windows] == [
        (0, 49, 0, 49), (44, 61, 49, 105), (100, 61, 105, 161), (156, 45, 161, 201),
    ]  # fmt: skip
    behind = plans.continuing(plan)
    assert (behind.windows[0].first, behind.windows[0].start, behind.windows[1].start) == (-5, 0, 48)
    assert behind.continued and behind.windows[-1].stop == 201


@pytest.mark.parametrize(
    ("starts", "overlap", "problem"),
    [([48, 49], 5, "two of them begin at frame 49"), ([0, 2], 5, "two of them begin at frame 0"),
     ([6], 9, "first of them ends after 5 frames"), ([48], 0, "0 are carried over")],
)  # fmt: skip
def test_sections_no_plan_can_be_made_of(starts, overlap, problem):
    with pytest.raises(InputError, match=problem):
        plans.by_sections(201, starts, 81, overlap)
