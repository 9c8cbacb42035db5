"""What the trained tiny models do: key pictures, masks, motion score and words act as they are meant to.

The bars are those that the nodes' tooltips promise; benchmarks/behaviour.py measures the same at more samples.
"""

from __future__ import annotations

import pytest
import torch
from genga_tests.tools import world_checks, world_eye, world_studio
from tiny import trained, world


@pytest.fixture(scope="module")
def studio(host, tiny):
    trained.install(tiny.folder(host.base))
    with torch.inference_mode():
        yield world_studio.Studio()


def test_the_round_trip_keeps_shapes_and_colours(studio):
    levels, right = [], []
    for seed in range(16):
        clip = world.draw(world.scene(world_checks.UNSEEN + seed, 17, "one"))
        trip = studio.round_trip(clip.frames)
        levels.append(world_eye.psnr(trip, clip.frames))
        (shape,) = clip.scene.shapes
        assert world_eye.colour_of(trip) == shape.colour
        assert world_eye.direction_of(trip, shape.colour) == shape.direction
        here = world.Shape(shape.colour, shape.shape, shape.direction, 0.0, tuple(clip.centres[0, 8].tolist()))
        right.append(world_eye.shape_of(trip[8], here, clip.scene.background) == shape.shape)
    assert world_checks.mean(levels) >= 24
    assert sum(right) >= 15


@pytest.fixture(scope="module")
def kept(studio):
    return world_checks.fidelity(studio, range(1), places=(0, 7, 10, 16))


@pytest.mark.parametrize("mode", ["exact", "hold"])
def test_a_picture_is_kept_the_better_the_stronger_it_is(kept, mode):
    levels = list(world_checks.by_strength(kept, mode).values())
    assert all(more > less for less, more in zip(levels, levels[1:], strict=False)), levels


@pytest.mark.parametrize("mode", ["exact", "hold"])
def test_a_picture_of_strength_1_is_there(kept, mode):
    full = [each for each in kept if each.strength == 1.0 and each.mask_mode == mode]
    lost = [each.limit - each.found for each in full]
    assert world_checks.mean(lost) <= 2.0, lost


def test_a_masked_picture_applies_inside_its_mask_only(studio):
    found = [world_checks.localized(studio, seed) for seed in range(3)]
    assert world_checks.mean(each.whole - each.inside for each in found) <= 2.0
    assert world_checks.mean(each.asked for each in found) > 3 * world_checks.mean(each.hidden for each in found)


def test_two_experts_are_better_than_either(studio, host):
    pair, high, low = world_checks.losses_of_experts(studio)
    assert pair < high
    assert pair < low


def test_the_shape_is_the_faster_the_higher_the_motion_score(studio):
    slow, middle, fast = world_checks.speeds(studio, (0.5, 2.5, 4.5), range(4)).values()
    assert slow < middle < fast


@pytest.mark.parametrize("begun", [True, False], ids=["from the first frame", "from words alone"])
def test_colour_and_direction_are_those_of_a_caption_never_trained(studio, begun):
    told = world_checks.adherence(studio, range(20), begun)
    assert sum(each.right for each in told) >= 16, told


def test_fifteen_steps_of_a_high_order_are_nearer_than_thirty_of_euler(studio):
    off = world_checks.distances(studio, (("res_5s", 15), ("genga", 15), ("euler", 30)), range(2))
    assert off["res_5s", 15] < off["euler", 30]
    assert off["genga", 15] < off["euler", 30]


@pytest.mark.parametrize("shared", [1, 5])
def test_where_windows_meet_little_more_changes_than_inside_one(studio, shared, tmp_path):
    found = [world_checks.seams(studio, seed, shared, tmp_path / str(seed)) for seed in range(2)]
    assert world_checks.mean(each.seam for each in found) < 2 * world_checks.mean(each.within for each in found)
