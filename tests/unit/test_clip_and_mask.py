"""The grey clip and its masks, without a host: pictures already have the clip's size."""

from __future__ import annotations

import pytest
import torch
from genga.conditioning import clip, vace
from genga.conditioning.keyframes import Keyframe, place
from genga.errors import InputError
from hypothesis import given
from hypothesis import strategies as st

SIZE = clip.Frame(32, 16, 81)


def picture(frame: int, value: float = 1.0, where=None) -> clip.Picture:
    return clip.Picture(frame, torch.full((16, 32, 3), value), where)


def reference_mask(frames: list[int], length: int) -> torch.Tensor:
    """AniSora V3.2 / Wan2.2 image2video.py: per-frame ones, frame 0 four times, folded by four; 1 = given."""
    mask = torch.zeros(1, length, 2, 4)
    mask[:, frames] = 1
    mask = torch.concat([torch.repeat_interleave(mask[:, 0:1], 4, dim=1), mask[:, 1:]], dim=1)
    return mask.view(1, mask.shape[1] // 4, 4, 2, 4).transpose(1, 2)


frame_sets = st.sets(st.integers(0, 80), min_size=1, max_size=12).map(sorted)


@given(frame_sets)
def test_exact_mask_is_the_references(frames):
    pictures = [picture(frame) for frame in frames]
    mask = clip.concat_mask(pictures, [1.0] * len(frames), SIZE, hold=False)
    assert torch.equal(1.0 - mask, reference_mask(frames, 81))


@given(frame_sets, st.floats(0, 1))
def test_strength_scales_the_mask_and_nothing_else(frames, strength):
    pictures = [picture(frame) for frame in frames]
    mask = clip.concat_mask(pictures, [strength] * len(frames), SIZE, hold=False)
    known = reference_mask(frames, 81) > 0
    assert torch.allclose(mask[known], torch.tensor(1.0 - strength), atol=1e-6)
    assert torch.all(mask[~known] == 1.0)


@given(st.integers(0, 80))
def test_hold_fills_and_marks_the_whole_latent_frame(frame):
    pixels = clip.pixel_clip([picture(frame)], SIZE, hold=True)
    mask = clip.concat_mask([picture(frame)], [1.0], SIZE, hold=True)
    latent = (frame + 3) // 4
    marked = (mask == 0).flatten(3).all(-1)[0]  # [4, T]
    assert marked[:, latent].all()
    assert marked.sum() == 4
    # Never four marks over one picture and three grey frames: every marked pixel frame shows the picture.
    filled = (pixels == 1.0).flatten(1).all(-1).nonzero().flatten().tolist()
    assert filled == ([0] if latent == 0 else list(range(4 * latent - 3, 4 * latent + 1)))


@given(st.integers(0, 80))
def test_exact_marks_no_grey_frame(frame):
    pixels = clip.pixel_clip([picture(frame)], SIZE, hold=False)
    filled = (pixels == 1.0).flatten(1).all(-1).nonzero().flatten().tolist()
    assert filled == [frame]
    assert torch.all(pixels[[f for f in range(81) if f != frame]] == 0.5)


def test_a_mask_in_space_leaves_the_rest_to_the_model():
    where = torch.zeros(16, 32)
    where[:, :16] = 1.0
    mask = clip.concat_mask([picture(8, where=where)], [1.0], SIZE, hold=False)
    assert torch.all(mask[0, 3, 2, :, :2] == 0.0)  # left: given
    assert torch.all(mask[0, 3, 2, :, 2:] == 1.0)  # right: generate
    assert mask.sum() == mask.numel() - 4


def test_the_rim_of_a_mask_counts_by_its_share():
    where = torch.zeros(16, 32)
    where[:, :4] = 1.0  # half of the first column of cells
    mask = clip.concat_mask([picture(0, where=where)], [0.5], SIZE, hold=False)
    assert torch.all(mask[0, :, 0, :, 0] == 0.75)


@given(st.sampled_from([1, 5, 17, 81, 161]), st.data())
def test_vace_locks_every_key_frame_at_latent_resolution(length, data):
    """The host samples this mask with nearest neighbours: at 81 frames it never reads frames 0 and 80."""
    size = clip.Frame(32, 16, length)
    frame = data.draw(st.sampled_from([0, length - 1, length // 2]))
    mask = vace.latent_mask(vace.pixel_mask([picture(frame)], [1.0], size), 8)
    latent = (frame + 3) // 4
    assert mask.shape == (1, 64, (length - 1) // 4 + 1, 2, 4)
    assert torch.all(mask[:, :, latent] == 0.0)
    assert mask.sum() == mask.numel() - 64 * 8


def test_vace_without_pictures_is_text_to_video():
    values = vace.vace_values([], [], SIZE, lambda pixels: torch.zeros(1, 16, 21, 2, 4))
    assert values["vace_strength"] == [0.0]
    assert torch.all(values["vace_mask"][0] == 1.0)


def key(frame: int, name: str = "keyframe 1", **values) -> Keyframe:
    return Keyframe(torch.zeros(1, 16, 32, 3), frame, name=name, **values)


def test_collisions_are_errors_that_name_both():
    with pytest.raises(InputError, match="keyframe 1 and keyframe 2 both land on frame 8"):
        place([key(7), key(9, "keyframe 2")], 81, "latent")
    with pytest.raises(InputError, match="share frames 5 to 8"):
        place([key(5), key(8, "keyframe 2")], 81, "none", hold=True)
    placed, _ = place([key(8), key(5, "keyframe 2")], 81, "none")
    assert [k.frame for k in placed] == [5, 8]


def test_moved_frames_are_reported():
    placed, notes = place([key(41)], 81, "anisora")
    assert placed[0].frame == 40
    assert notes == ["keyframe 1: frame 41 asked, 40 used (snap anisora)."]


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan"), float("inf")])
def test_strengths_outside_0_to_1_are_errors(strength):
    with pytest.raises(InputError, match="strength"):
        place([key(0, strength=strength)], 81, "none")
