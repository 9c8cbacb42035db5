"""One picture at a chosen time: against the reference's recorded output, masks, and what is refused."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from genga.errors import InputError
from genga_tests.tiny import framepack as tiny
from genga_tests.tools import pack
from safetensors.torch import load_file, save_file


@pytest.fixture(scope="module")
def rooms(host, models):
    import comfy.clip_vision
    import comfy.model_management
    from genga.conditioning.framepack import section
    from genga.loaders import options
    from genga.loaders.framepack import files
    from genga.nodes import framepack, framepack_reference

    import nodes

    path = models / "diffusion_models" / "FramePackI2V_HY_one.safetensors"
    save_file(tiny.weights(), path)
    model = files.load(path, options.LoadOptions(), files.inspect(path)).model
    yield SimpleNamespace(
        comfy=comfy,
        nodes=nodes,
        node=framepack.FramePackOneFrame,
        more=framepack_reference.FramePackReference,
        key=section.KEY,
        model=model,
    )
    comfy.model_management.unload_all_models()
    path.unlink()


def prompt():
    given = tiny.inputs("one_frame")
    return [[given["text"], {"pooled_output": given["pooled"]}]]


def flat(value, frames=1):
    return {"samples": torch.full((1, 16, frames, 4, 4), float(value))}


def shown(rooms, **more):
    made = rooms.node.execute(prompt(), prompt(), flat(2), more.pop("target", 1), more.pop("history", 13), **more).args
    section = made[0][0][1][rooms.key]
    return section["target"], section["clean"], made


def test_it_is_the_references(rooms):
    recorded = load_file(pack.TESTS / "recorded" / "framepack.safetensors")["one_frame"]
    given = tiny.inputs("one_frame")
    clean = given["clean_1"] / rooms.model.model.latent_format.scale_factor
    vision = rooms.comfy.clip_vision.Output()
    vision["last_hidden_state"] = given["image"]
    positive = rooms.node.execute(
        prompt(), prompt(), {"samples": clean[:, :, :1]}, 1, 13, reference_latent={"samples": clean[:, :, 1:]},
        clip_vision_output=vision,
    ).args[0]  # fmt: skip
    rooms.comfy.model_management.load_models_gpu([rooms.model])
    embedding, values = positive[0]
    made = rooms.model.model.extra_conds(**values, cross_attn=embedding, noise=given["x"], device=torch.device("cpu"))
    ready = {key: value.process_cond(batch_size=1, area=None, device=torch.device("cpu")).cond
             for key, value in made.items()}  # fmt: skip
    got = (given["x"] - rooms.model.model.apply_model(given["x"], torch.tensor([tiny.SIGMA]), **ready)) / tiny.SIGMA
    assert (got - recorded).abs().max() < 1e-5


def test_masks_take_away_what_is_black(rooms):
    left = torch.zeros(1, 64, 64)
    left[:, :, :32] = 1.0
    target, clean, _ = shown(
        rooms, reference_latent=flat(3), input_mask=left, reference_mask=1.0 - left, target=5, history=9
    )
    latents, times = clean[1]
    assert (target, times, list(clean)) == ((5,), (0, 9), [1])
    assert torch.equal(latents[0, 0, 0, 0], torch.tensor([2.0, 2, 0, 0]))
    assert torch.equal(latents[0, 0, 1, 0], torch.tensor([0.0, 0, 3, 3]))


def test_without_a_reference_the_input_stands_alone(rooms):
    _, clean, made = shown(rooms, target=8)
    assert clean[1][1] == (0,) and clean[1][0].shape[2] == 1
    assert made[2]["samples"].shape == (1, 16, 1, 4, 4) and not made[2]["samples"].any()


def test_ksampler_draws_one_frame_that_follows_the_reference(rooms):
    def run(value):
        positive, negative, empty, _ = shown(rooms, reference_latent=flat(value))[2]
        return rooms.nodes.KSampler().sample(rooms.model, 5, 2, 1.0, "euler", "simple", positive, negative, empty)

    one, other = (run(value)[0]["samples"] for value in (0.5, -0.5))
    assert one.shape == (1, 16, 1, 4, 4) and one.isfinite().all()
    assert (one - other).abs().max() > 1e-3


@pytest.mark.parametrize(("wrong", "match"), [
    ({"target": 65}, "target_index"), ({"history": -1, "reference_latent": flat(1)}, "history_index"),
    ({"reference_mask": torch.ones(1, 8, 8)}, "there is no reference_latent"),
    ({"input_mask": torch.ones(3)}, "input_mask"),
    ({"reference_latent": {"samples": torch.zeros(1, 16, 1, 8, 4)}}, "reference_latent"),
])  # fmt: skip
def test_what_cannot_be_used_is_said(rooms, wrong, match):
    with pytest.raises(InputError, match=match):
        shown(rooms, **wrong)


# several references


def referenced(rooms, *references, **more):
    """Positive, negative and empty latent of One Frame with ``references``: (value, time, mask or None)."""
    positive, negative, empty, _ = shown(rooms, **more)[2]
    for value, time, mask in references:
        latent = value if isinstance(value, dict) else flat(value)
        positive, negative = rooms.more.execute(positive, negative, latent, time, mask).args
    return positive, negative, empty


def clean_of(rooms, conditioning):
    section = conditioning[0][1][rooms.key]
    return section["target"], section["clean"]


def test_a_reference_of_its_own_node_is_the_one_of_one_frame(rooms):
    mask = torch.rand(1, 40, 40)
    positive, negative, _, _ = shown(rooms, reference_latent=flat(3), reference_mask=mask, history=9)[2]
    ours = referenced(rooms, (3, 9, mask))
    for made, wanted in zip(ours, (positive, negative), strict=False):
        (target, clean), (wanted_target, wanted_clean) = clean_of(rooms, made), clean_of(rooms, wanted)
        assert (target, clean[1][1]) == (wanted_target, wanted_clean[1][1])
        assert torch.equal(clean[1][0], wanted_clean[1][0])


def test_each_reference_keeps_its_time_and_its_mask(rooms):
    left = torch.zeros(1, 64, 64)
    left[:, :, :32] = 1.0
    target, clean = clean_of(rooms, referenced(rooms, (3, 9, left), (4, 16, 1.0 - left), (5, 12, None), target=7)[0])
    latents, times = clean[1]
    assert (target, times, list(clean)) == ((7,), (0, 9, 16, 12), [1])
    rows = latents[0, 0, :, 0].tolist()
    assert rows == [[2.0, 2, 2, 2], [3.0, 3, 0, 0], [0.0, 0, 4, 4], [5.0, 5, 5, 5]]


@pytest.mark.parametrize("target", [0, 1, 5, 16])
def test_the_targets_time_is_no_ones_elses(rooms, target):
    """The original writes it into a view of the positions, and a clean frame moves with it."""
    made, clean = clean_of(rooms, referenced(rooms, (3, 9, None), (4, 13, None), target=target)[0])
    assert made == (target,) and clean[1][1] == (0, 9, 13)
    assert 2 not in clean and 4 not in clean, "no coarser frame stands anywhere"


def test_what_was_made_before_stays_as_it_is(rooms):
    positive, negative, _ = referenced(rooms, (3, 9, None))
    latents = clean_of(rooms, positive)[1][1][0]
    before = latents.clone()
    more = rooms.more.execute(positive, negative, flat(4), 13, None).args[0]
    clean_of(rooms, more)[1][1][0].zero_()
    assert torch.equal(latents, before) and clean_of(rooms, positive)[1][1][1] == (0, 9)


def test_the_picture_follows_every_reference_and_not_their_order(rooms):
    def run(*references):
        positive, negative, empty = referenced(rooms, *references)
        return rooms.nodes.KSampler().sample(rooms.model, 5, 2, 1.0, "euler", "simple", positive, negative, empty)[0][
            "samples"
        ]

    noise = [{"samples": torch.randn(1, 16, 1, 4, 4, generator=torch.Generator().manual_seed(k))} for k in range(3)]
    both = run((noise[0], 9, None), (noise[1], 13, None))
    assert (both - run((noise[1], 13, None), (noise[0], 9, None))).abs().max() < 1e-5
    others = [
        run((noise[0], 9, None)),
        run((noise[0], 9, None), (noise[2], 13, None)),
        run((noise[1], 9, None), (noise[0], 13, None)),
    ]
    assert all((both - other).abs().max() > 1e-4 for other in others)


@pytest.mark.parametrize(("references", "match"), [
    ([(3, 0, None)], "history_index: something stands at the time 0 already"),
    ([(3, 9, None), (4, 9, None)], "0, 9 are taken"), ([(3, 65, None)], "history_index: 65 is no position"),
    ([({"samples": torch.zeros(1, 16, 1, 8, 4)}, 9, None)], "reference_latent: its frames are 32 x 64"),
    ([(3, 9, torch.ones(3))], "reference_mask: this is no mask"),
])  # fmt: skip
def test_a_reference_that_cannot_stand_there_is_told(rooms, references, match):
    with pytest.raises(InputError, match=match):
        referenced(rooms, *references)


def test_references_belong_to_one_frame(rooms):
    with pytest.raises(InputError, match="positive: it was not made by FramePack One Frame"):
        rooms.more.execute(prompt(), prompt(), flat(3), 9, None)
