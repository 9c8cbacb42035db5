"""Latent time against the reference's formulas, written out anew here."""

from __future__ import annotations

import pytest
from genga.conditioning import latent_time as lt
from genga.errors import InputError
from hypothesis import given
from hypothesis import strategies as st

lengths = st.integers(0, 200).map(lambda n: 4 * n + 1)


@given(st.integers(1, 5000))
def test_length_is_rounded_up_to_the_next_4n_plus_1(length):
    used = lt.round_length(length)
    assert used % 4 == 1
    assert 0 <= used - length < 4


def test_the_lengths_people_use():
    assert [lt.round_length(n) for n in (1, 2, 16, 17, 80, 81, 82, 161)] == [1, 5, 17, 17, 81, 81, 85, 161]
    with pytest.raises(InputError, match="length"):
        lt.round_length(0)


@given(lengths)
def test_latent_frames_share_out_the_pixel_frames(length):
    """Wan2.2 vae2_1.py encodes frame 0 alone, then chunks of four."""
    chunks = [[0]] + [list(range(1 + 4 * i, 5 + 4 * i)) for i in range((length - 1) // 4)]
    assert lt.latent_length(length) == len(chunks)
    for k, chunk in enumerate(chunks):
        assert list(lt.frames_of(k)) == chunk
        for position, frame in enumerate(chunk):
            assert lt.latent_of(frame) == k
            if frame > 0:
                assert lt.row_of(frame) == position
                assert list(lt.mask_rows(frame)) == [4 * k + position]
    assert list(lt.mask_rows(0)) == [0, 1, 2, 3]


def reference_anisora(fraction: float, length: int) -> int:
    """AniSora V3.2, wan/image2video.py: the index of a position, as its authors compute it."""
    index = int((length - 1) * fraction)
    return round(index / 8) * 8


@pytest.mark.parametrize("hundredth", range(101))
def test_anisora_positions_at_81_frames(hundredth):
    fraction = hundredth / 100
    assert lt.anisora_frame(fraction, 81) == reference_anisora(fraction, 81)


@given(lengths, st.floats(0, 1))
def test_anisora_positions_stay_inside_any_clip(length, fraction):
    frame = lt.anisora_frame(fraction, length)
    assert 0 <= frame < length
    if int((length - 1) * fraction) != length - 1:
        assert frame == reference_anisora(fraction, length)


def test_the_end_stays_the_end_where_the_reference_loses_it():
    assert lt.anisora_frame(1.0, 77) == 76  # the reference: 80, past the end
    assert lt.anisora_frame(1.0, 53) == 52  # the reference: 48
    with pytest.raises(InputError, match="position"):
        lt.anisora_frame(1.01, 81)


@given(lengths, st.data())
def test_snaps_move_by_at_most_half_a_step(length, data):
    frame = data.draw(st.integers(0, length - 1))
    for snap, step in (("none", 1), ("latent", 4), ("anisora", 8)):
        snapped = lt.snap_frame(frame, length, snap)
        assert 0 <= snapped < length
        assert abs(snapped - frame) <= step / 2
        assert snapped % step == 0 or snapped == length - 1


@given(lengths, st.data())
def test_indices_count_from_both_ends(length, data):
    frame = data.draw(st.integers(0, length - 1))
    assert lt.resolve_index(frame, length) == (frame, None)
    assert lt.resolve_index(frame - length, length) == (frame, None)


def test_one_past_the_end_is_the_last_with_a_warning():
    frame, warning = lt.resolve_index(81, 81)
    assert frame == 80
    assert "81" in warning


@pytest.mark.parametrize("index", [82, 1000, -82])
def test_other_indices_outside_are_errors(index):
    with pytest.raises(InputError, match=str(index)) as error:
        lt.resolve_index(index, 81)
    assert "0 to 80" in str(error.value)
