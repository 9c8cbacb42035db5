"""The small world that the tiny models learn: what a clip says of itself is what is to be seen in it."""

from __future__ import annotations

import pytest
import torch
from genga_tests.tools import world_eye
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import world, world_text

seeds = st.integers(0, 10**6)


@given(seeds)
@settings(max_examples=20)
def test_a_seed_draws_the_same_clip_again(seed):
    first, second = (world.draw(world.scene(seed)) for _ in range(2))
    assert first.scene == second.scene
    assert torch.equal(first.frames, second.frames)
    assert not torch.equal(first.frames, world.draw(world.scene(seed + 1)).frames)


@given(seeds, st.sampled_from(world.KINDS))
@settings(max_examples=20)
def test_frames_are_pictures(seed, kind):
    clip = world.draw(world.scene(seed, 5, kind))
    assert clip.frames.shape == (5, 64, 64, 3)
    assert clip.frames.min() >= 0 and clip.frames.max() <= 1
    assert clip.masks.shape == (2 if kind == "two" else 1, 5, 64, 64)
    assert (clip.joints is not None) == (kind == "figure")


@given(seeds)
@settings(max_examples=20)
def test_colour_direction_and_place_are_to_be_seen(seed):
    clip = world.draw(world.scene(seed, 17, "one"))
    (shape,) = clip.scene.shapes
    assert world_eye.colour_of(clip.frames) == shape.colour
    assert world_eye.direction_of(clip.frames, shape.colour) == shape.direction
    assert torch.allclose(world_eye.centres_of(clip.frames, shape.colour), clip.centres[0], atol=2.5)
    assert shape.colour in clip.scene.caption and shape.direction in clip.scene.caption


@given(seeds)
@settings(max_examples=20)
def test_a_shape_is_told_from_the_others(seed):
    clip = world.draw(world.scene(seed, 17, "one"))
    (shape,) = clip.scene.shapes
    here = world.Shape(shape.colour, shape.shape, shape.direction, 0.0, tuple(clip.centres[0, 8].tolist()))
    assert world_eye.shape_of(clip.frames[8], here, clip.scene.background) == shape.shape


@pytest.mark.parametrize("score", world.SCORES)
def test_the_motion_score_is_the_speed(score):
    shape = world.Shape("red", "ring", "left to right", score, (16.0, 32.0))
    scene = world.Scene("one", 17, (shape,), world.scene(1).background, score=score)
    assert world_eye.speed_of(world.draw(scene).frames, "red") == pytest.approx(shape.speed, rel=0.05, abs=0.03)


def test_a_long_way_turns_round_inside_the_picture():
    shape = world.Shape("red", "ring", "down", 5.0, (32.0, 16.0))
    way = world.path(shape, 81)
    assert way[:, 1].min() >= world.BORDER and way[:, 1].max() <= world.SIZE - world.BORDER
    assert way[:, 1].diff().min() < 0 < way[:, 1].diff().max()


@given(seeds)
@settings(max_examples=10)
def test_the_mouth_is_as_dark_as_it_is_open(seed):
    clip = world.draw(world.scene(seed, 33, "figure"))
    dark = (clip.frames.amax(-1) < 0.2).sum((1, 2)).float()
    assert torch.corrcoef(torch.stack((dark, clip.mouth)))[0, 1] > 0.9


def test_some_combinations_are_never_shown():
    shapes = [shape for seed in range(1500) for shape in world.scene(seed).shapes]
    shown = {(shape.colour, shape.shape, shape.direction) for shape in shapes}
    assert not shown & set(world.HELD_OUT)
    assert len(shown) == len(world.COLOURS) * len(world.SHAPES) * len(world.DIRECTIONS) - len(world.HELD_OUT)
    asked = {
        (s.colour, s.shape, s.direction)
        for seed in range(60)
        for s in world.scene(seed, held_out=True, kind="one").shapes
    }
    assert asked == set(world.HELD_OUT)


def test_every_word_is_one_token():
    pieces = world_text.Encoder().pieces
    for seed in range(50):
        words = world.scene(seed).caption
        assert len(pieces.encode(words)) == len(words.replace(",", " ,").split())


def test_the_order_of_words_is_heard():
    encoder = world_text.Encoder()
    (_, first), (_, second) = encoder.read(["red cross moves left to right.", "red cross moves right to left."])
    left = encoder.pieces.encode("left")[0]
    ours, theirs = (
        rows[encoder.pieces.encode(words).index(left)]
        for words, rows in (("red cross moves left to right.", first), ("red cross moves right to left.", second))
    )
    assert (ours - theirs).norm() > 0.3 * ours.norm()
