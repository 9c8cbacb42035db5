"""Latents placed in time: pieces of one latent come together again, and what does not fit is told."""

from __future__ import annotations

import pytest
import torch
from genga.conditioning.latent_place import KEY, Place, join, place_of, placed
from genga.errors import InputError
from hypothesis import given
from hypothesis import strategies as st


def whole(latents: int, batch: int = 1) -> torch.Tensor:
    """Every latent frame holds its own number."""
    return torch.arange(latents, dtype=torch.float32).view(1, 1, -1, 1, 1).expand(batch, 16, -1, 2, 3).contiguous()


def piece(samples: torch.Tensor, first: int, last: int, begin: int = 0, **more) -> dict:
    """Latent frames first to last - 1 of a latent that begins at pixel frame ``begin``, as Save Latent would place it."""
    frame = begin if first == 0 else begin + 4 * first - 3
    return placed({"samples": samples[:, :, first:last]}, Place(frame=frame, inner=first > 0, **more))


@st.composite
def cuttings(draw):
    """(latent frames, ranges that cover them all, each reaching further than those before)."""
    latents = draw(st.integers(2, 12))
    ends = sorted(draw(st.sets(st.integers(1, latents - 1), max_size=4)) | {latents})
    starts = [0, *(draw(st.integers(1, end)) for end in ends[:-1])]
    return latents, list(zip(sorted(starts), ends, strict=True))


@given(cuttings(), st.sampled_from(["earlier", "later"]), st.randoms(), st.integers(0, 500))
def test_pieces_of_one_latent_come_together_in_whatever_order_they_are_wired(cutting, keep, order, begin):
    latents, ranges = cutting
    samples = whole(latents)
    parts = [(f"latent_{n}", piece(samples, *each, begin=begin)) for n, each in enumerate(ranges)]
    order.shuffle(parts)
    joined = join(parts, keep)
    assert torch.equal(joined["samples"], samples) and "noise_mask" not in joined
    assert place_of(joined) == Place(frame=begin)


@given(st.integers(1, 8), st.integers(2, 8), st.data())
def test_a_latent_sampled_from_the_end_of_another_loses_its_first_latent_frame(first, second, data):
    """As Wan continues a clip: it begins on a frame that the one before has, at a multiple of four from its start."""
    shared = data.draw(st.integers(0, min(first - 1, second - 2)))
    one = placed({"samples": whole(first)}, Place())
    two = placed({"samples": whole(second) + 100}, Place(frame=4 * (first - 1 - shared)))
    earlier = join([("latent_1", one), ("latent_2", two)])["samples"][0, 0, :, 0, 0].tolist()
    assert earlier == [*range(first), *range(101 + shared, 100 + second)]
    later = join([("latent_1", one), ("latent_2", two)], "later")["samples"][0, 0, :, 0, 0].tolist()
    assert later == [*range(first - shared), *range(101, 100 + second)]


@given(st.integers(1, 9), st.integers(1, 9), st.booleans(), st.integers(0, 120))
def test_every_pair_is_joined_to_a_video_of_the_right_length_or_refused(first, second, inner, frame):
    one = placed({"samples": whole(first)}, Place())
    two = placed({"samples": whole(second)}, Place(frame=frame, inner=inner))
    try:
        joined = join([("latent_1", one), ("latent_2", two)])
    except InputError:
        return
    last = max(4 * (first - 1), frame + (4 * second - 1 if inner else 4 * (second - 1)))
    assert place_of(joined).frames(joined["samples"].shape[2]) == last + 1


@pytest.mark.parametrize(
    ("frame", "inner", "problem"),
    [
        (9, False, r"latent_2: it begins at frame 9 with a latent frame of one picture, which cannot stand"),
        (13, True, r"latent_2: it begins at frame 13, latent_1 ends at 8: frames are missing between"),
        (6, False, r"latent_2: it begins at frame 6, where no group of 4 frames.*Frame 8 would fit"),
        (7, True, r"latent_2: it begins at frame 7, where no group of 4 frames.*Frame 9 would fit"),
    ],
)
def test_what_cannot_stand_there_is_refused(frame, inner, problem):
    one = placed({"samples": whole(3)}, Place())
    two = placed({"samples": whole(4)}, Place(frame=frame, inner=inner))
    with pytest.raises(InputError, match=problem):
        join([("latent_1", one), ("latent_2", two)])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"samples": whole(4)[:, :8]}, "it has 8 channels, latent_1 16"),
        ({"samples": whole(4)[..., :2]}, "it is 2x2 latents in size, latent_1 3x2"),
        ({"samples": whole(4, 2)}, "it has 2 in the batch, latent_1 1"),
        ({"samples": whole(4)[:, :, 0]}, r"without time"),
        ({"samples": [1]}, "this is no plain latent"),
        ({KEY: {"frame": 9, "inner": True, "fps": 24.0}}, "its fps is 24.0, that of latent_1 16.0"),
        ({KEY: {"frame": 9, "inner": True, "vae": "Other"}}, "its vae is Other, that of latent_1 WanVAE"),
        ({KEY: {"frame": -1}}, "is no place in time"),
        ({"samples": whole(2), KEY: {"frame": 4}}, "latent_2: it ends at frame 8, inside latent_1, which ends at 8"),
    ],
)
def test_latents_of_another_kind_are_refused(change, problem):
    one = piece(whole(3), 0, 3, vae="WanVAE")
    two = {**piece(whole(7), 3, 7, vae=""), **change}
    with pytest.raises(InputError, match=problem):
        join([("latent_1", one), ("latent_2", two)])


def test_the_length_in_frames():
    assert [Place().frames(n) for n in (1, 2, 21)] == [1, 5, 81]
    assert [Place(inner=True).frames(n) for n in (1, 2)] == [4, 8]
