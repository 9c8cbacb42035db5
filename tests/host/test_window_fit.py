"""What does not suit the windows is refused before anything is encoded; what shapes only the windows renames none."""

from __future__ import annotations

import copy
from fractions import Fraction
from types import SimpleNamespace

import pytest
import torch
from genga.errors import InputError
from genga_tests.tools.windowed import Provider


@pytest.fixture(scope="module")
def rooms(models):
    from genga.conditioning import sections
    from genga.loaders import animate_patch, talk
    from genga.nodes import talking
    from genga.samplers.windows import checks, fingerprint, plan, provider

    return SimpleNamespace(
        checks=checks, fingerprint=fingerprint, plan=plan, provider=provider, talk=talk, talking=talking,
        animate_patch=animate_patch, sections=sections,
    )  # fmt: skip


@pytest.fixture
def check(rooms, vae, prompts):
    """``check(model, **windows' fields)``: as the node does before it begins."""
    import comfy.samplers

    def run(model, sigmas=(1.0, 0.5, 0.0), **fields):
        guider = comfy.samplers.CFGGuider(model)
        guider.set_conds(*prompts)
        windows = rooms.provider.Windows(rooms.plan.make(9, 9, 5), Provider(vae), Fraction(25), **fields)
        sampler = comfy.samplers.sampler_object("euler")
        rooms.checks.check_run(guider, sampler, torch.tensor(sigmas), vae, windows)

    return run


def test_a_schedule_that_keeps_noise_is_refused(check, load_model, tiny):
    model = load_model(tiny.files.I2V_21)
    check(model)
    with pytest.raises(InputError, match="^sigmas: the schedule ends at 0.5, so noise would stay"):
        check(model, sigmas=(1.0, 0.5))


def test_a_model_that_hears_nothing_is_refused(check, rooms, load_model, tiny):
    deaf = load_model(tiny.files.I2V_21)

    def fits(model):
        rooms.talking._check_hears(False, model)

    with pytest.raises(InputError, match="^guider: its model has no InfiniteTalk weights"):
        check(deaf, fits=fits)
    check(rooms.talk.load(deaf, tiny.files.TALK_SINGLE)[0], fits=fits)


def test_two_speakers_need_weights_for_two(rooms, load_model, tiny):
    single = rooms.talk.load(load_model(tiny.files.I2V_21), tiny.files.TALK_SINGLE)[0]
    with pytest.raises(InputError, match="^guider: two people speak"):
        rooms.talking._check_hears(True, single)
    rooms.talking._check_hears(True, rooms.talk.load(load_model(tiny.files.I2V_21), tiny.files.TALK_MULTI)[0])


def test_the_strengths_need_the_window_nodes_model(rooms, load_model, tiny):
    plain, other = load_model(tiny.files.ANIMATE), load_model(tiny.files.I2V_21)
    guided = rooms.animate_patch.check_guided
    guided(1.0, 1.0, plain)
    guided(2.0, 0.0, rooms.animate_patch.follow(plain, 2.0, 0.0))
    for strengths in ((2.0, 1.0), (1.0, 0.5)):
        with pytest.raises(InputError, match="^guider: its model is not the one WanAnimate Windows gives out"):
            guided(*strengths, plain)
    with pytest.raises(InputError, match="^guider: this is no WanAnimate model"):
        guided(1.0, 1.0, other)


def graph(**changes) -> dict:
    pose = {"model": ["1", 0], "pose_strength": 1.0, "length": 40, "pose_video": ["4", 0]} | changes
    return {
        "1": {"class_type": "UNETLoader", "inputs": {"unet_name": "a.safetensors"}},
        "2": {"class_type": "GengaWanAnimatePose", "inputs": pose},
        "3": {"class_type": "CFGGuider", "inputs": {"model": ["2", 0], "cfg": 1.0}},
        "4": {"class_type": "LoadVideo", "inputs": {"file": "pose.mp4"}},
        "5": {"class_type": "GengaWindowSampler", "inputs": {"guider": ["3", 0], "windows": ["2", 1]}},
    }


def test_length_and_films_of_the_window_node_are_no_part_of_the_guiders_lineage(rooms):
    def lineage(prompt):
        return rooms.fingerprint.lineage(prompt, "5", ("guider",))

    other_film = copy.deepcopy(graph())
    other_film["4"]["inputs"]["file"] = "other.mp4"
    other_model = copy.deepcopy(graph())
    other_model["1"]["inputs"]["unet_name"] = "b.safetensors"
    first = lineage(graph())
    assert lineage(graph(length=60)) == first
    assert lineage(other_film) == first
    assert lineage(graph(pose_strength=2.0)) != first
    assert lineage(other_model) != first


def test_a_section_in_the_tail_is_told_rightly(rooms):
    chain = (
        rooms.sections.Section(1.0, image=torch.rand(1, 8, 8, 3)),
        rooms.sections.Section(2.45, positive=[[0, {}]]),
    )
    (told,) = [note for note in rooms.sections.notes(chain, [0, 17, 29, 41, 53], 62, Fraction(25)) if "2.45" in note]
    assert "no window starts after it" in told
