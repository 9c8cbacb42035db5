"""Windowed decode against the reference's own way: newest section in front (standard) or behind (F1), soft append.

The reference: soft_append_bcthw of diffusers_helper/utils.py, demo_gradio.py (standard) and demo_gradio_f1.py.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from genga.errors import InputError
from genga.samplers import framepack_decode as room
from hypothesis import given
from hypothesis import strategies as st

KINDS = pytest.mark.parametrize("direction", ["standard", "f1"])


def decode(latent):
    """A VAE whose pictures tell which clip they come from: 4 T - 3 frames, of the clip's length and mean, too."""
    count = latent.shape[2]
    times = (torch.arange(4 * count - 3) + 3) // 4
    own = latent[0, 0, times, 0, 0]
    place = torch.arange(len(times)) / len(times)
    return (own + 0.1 * place + 0.01 * latent.mean()).reshape(-1, 1, 1, 1).expand(-1, 2, 2, 3)


def soft_append(history, current, overlap):
    """By numpy, on [frames]: the earlier clip fades out as the later one fades in."""
    fall = np.linspace(1, 0, overlap)
    middle = fall * history[len(history) - overlap :] + (1 - fall) * current[:overlap]
    return np.concatenate([history[: len(history) - overlap], middle, current[overlap:]])


def reference(latent, direction, window):
    """The loop of the demo, section after section as they are drawn; one number a frame."""

    def pixels(clip):
        return decode(clip)[:, 0, 0, 0].double().numpy()

    sections, overlap = (latent.shape[2] - 1) // window, 4 * window - 3
    video = None
    for drawn in range(1, sections + 1):
        if direction == "f1":
            known = latent[:, :, : 1 + drawn * window]
            video = pixels(known) if video is None else soft_append(video, pixels(known[:, :, -2 * window :]), overlap)
            continue
        is_last = drawn == sections
        known = latent[:, :, latent.shape[2] - drawn * window - is_last :]
        seen = 2 * window + is_last
        video = pixels(known) if video is None else soft_append(pixels(known[:, :, :seen]), video, overlap)
    return video


def latent_of(sections, window):
    generator = torch.Generator().manual_seed(sections * 100 + window)
    return torch.rand(1, 16, 1 + sections * window, 1, 1, generator=generator)


@KINDS
@given(sections=st.integers(1, 9), window=st.sampled_from([1, 2, 5, 9]))
def test_it_is_the_references(direction, sections, window):
    latent = latent_of(sections, window)
    got = torch.cat(list(room.frames(latent, decode, direction, window, "windowed")))
    assert got.shape[0] == 4 * sections * window + 1
    assert np.abs(got[:, 1, 1, 2].numpy() - reference(latent, direction, window)).max() < 1e-6


def test_the_fade_can_be_told_from_a_cut():
    """Decoded piece by piece the frames differ, so the test above is about the fade."""
    latent = latent_of(3, 9)
    pieces = list(room.frames(latent, decode, "f1", 9, "windowed"))
    assert [len(piece) for piece in pieces] == [4, 36, 69]
    whole = next(room.frames(latent, decode, "f1", 9, "whole"))
    assert len(whole) == 109 and not torch.allclose(torch.cat(pieces), whole, atol=1e-3)


@KINDS
def test_no_more_than_two_sections_are_decoded_at_once(direction):
    parts = room.windows(direction, 60, 9)
    sizes = {part.stop - part.start for part in parts}
    assert max(sizes) == (19 if direction == "standard" else 18) and len(parts) == 60


@KINDS
def test_drawn_backward_or_forward_the_video_is_the_same(direction):
    """What the sampler shows while it draws: sections in the order they are made."""
    latent, window, sections = latent_of(5, 3), 3, 5
    parts = room.windows(direction, sections, window)
    backward = direction == "standard"
    fade = room.Fade(room.overlap(window), backward)
    pieces = []
    for place, part in enumerate(parts[::-1] if backward else parts):
        pieces.append(fade.add(decode(latent[:, :, part]), place == sections - 1))
    video = torch.cat(pieces[::-1] if backward else pieces)
    assert torch.allclose(video, torch.cat(list(room.frames(latent, decode, direction, window, "windowed"))), atol=1e-6)


@pytest.mark.parametrize("frames", [1, 11, 18, 20])
def test_what_is_no_whole_section_is_refused(frames):
    with pytest.raises(InputError, match="whole sections of 9"):
        list(room.frames(torch.zeros(1, 16, frames, 1, 1), decode, "f1", 9, "windowed"))
