"""One section as conditioning: the node's output through the model against the reference, and through KSampler."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from genga.errors import InputError
from genga_tests.tiny import framepack as tiny
from genga_tests.tools import pack
from safetensors.torch import load_file, save_file

CLOSE = 1e-5


@pytest.fixture(scope="module")
def rooms(host, models):
    import comfy.clip_vision
    import comfy.model_management
    from genga.conditioning.framepack import section
    from genga.loaders import guard, options
    from genga.loaders.framepack import files
    from genga.nodes import framepack

    import nodes

    path = models / "diffusion_models" / "FramePackI2V_HY_section.safetensors"
    save_file(tiny.weights(), path)
    model = files.load(path, options.LoadOptions(), files.inspect(path)).model
    yield SimpleNamespace(comfy=comfy, nodes=nodes, node=framepack.FramePackSection, section=section, guard=guard,
                          model=model, scale=model.model.latent_format.scale_factor)  # fmt: skip
    comfy.model_management.unload_all_models()
    path.unlink()


@pytest.fixture(scope="module")
def recorded():
    return load_file(pack.TESTS / "recorded" / "framepack.safetensors")


def prompt(given):
    return [[given["text"], {"pooled_output": given["pooled"]}]]


def vision(rooms, given):
    seen = rooms.comfy.clip_vision.Output()
    seen["last_hidden_state"] = given["image"]
    return seen


def pictures(rooms, given):
    """The inputs of a recorded case as the node takes them, unscaled LATENTs."""
    near, double, quad = (given[f"clean_{stride}"] / rooms.scale for stride in (1, 2, 4))
    return near[:, :, :1], near[:, :, 1:], double, quad


def latent(samples):
    return {"samples": samples}


def predict(rooms, conditioning, x):
    rooms.comfy.model_management.load_models_gpu([rooms.model])
    embedding, values = conditioning[0]
    made = rooms.model.model.extra_conds(**values, cross_attn=embedding, noise=x, device=x.device)
    given = {key: value.process_cond(batch_size=1, area=None, device=x.device).cond for key, value in made.items()}
    given["y"] = values["pooled_output"]
    sigma = torch.tensor([tiny.SIGMA])
    return (x - rooms.model.model.apply_model(x, sigma, **given)) / sigma


def off(got, wanted) -> float:
    return (got - wanted).abs().max().item()


def test_a_standard_section_is_the_references(rooms, recorded):
    given = tiny.inputs("section")
    start, near, double, quad = pictures(rooms, given)
    positive, _, empty, shift = rooms.node.execute(
        prompt(given), prompt(given), latent(start), "standard", 3, 2.0,
        history=latent(torch.cat([near, double, quad], 2)), clip_vision_output=vision(rooms, given),
    ).args  # fmt: skip
    assert empty["samples"].shape == given["x"].shape and not empty["samples"].any()
    assert shift == pytest.approx(1.5909, abs=1e-3)  # 45 tokens
    assert off(predict(rooms, positive, given["x"]), recorded["section"]) < CLOSE


def test_an_f1_section_is_the_references(rooms, recorded):
    given = tiny.inputs("f1")
    start, near, double, quad = pictures(rooms, given)
    far = torch.randn(1, 16, 4, *start.shape[-2:])  # older than the model sees
    positive = rooms.node.execute(
        prompt(given), prompt(given), latent(start), "f1", 3, 0.0,
        history=latent(torch.cat([far, quad, double, near], 2)), clip_vision_output=vision(rooms, given),
    ).args[0]  # fmt: skip
    assert off(predict(rooms, positive, given["x"]), recorded["f1"]) < CLOSE


def groups(rooms, **more):
    given = tiny.inputs("section")
    start = torch.full((1, 16, 1, 4, 4), 7.0)
    made = rooms.node.execute(prompt(given), prompt(given), latent(start), more.pop("direction", "standard"), 3,
                              more.pop("padding", 0.0), **more).args[0]  # fmt: skip
    section = made[0][1][rooms.section.KEY]
    return section, {stride: latents.mean((0, 1, 3, 4)).tolist() for stride, (latents, _) in section["clean"].items()}


def numbered(*values):
    return latent(torch.stack([torch.full((1, 16, 4, 4), float(value)) for value in values], 2))


def test_the_first_section_sees_its_start_and_zeros(rooms):
    _, seen = groups(rooms)
    assert seen == {1: [7, 0], 2: [0, 0], 4: [0] * 16}
    _, seen = groups(rooms, direction="f1")
    assert seen == {1: [7, 7], 2: [0, 0], 4: [0] * 16}


def test_the_end_stands_behind_what_was_made_and_fades_with_its_strength(rooms):
    _, seen = groups(rooms, end_latent=numbered(8), end_strength=0.5)
    assert seen == {1: [7, 4], 2: [0, 0], 4: [0] * 16}
    _, seen = groups(rooms, end_latent=numbered(8, 99), history=numbered(1, 2, 3, 4))
    assert seen == {1: [7, 1], 2: [2, 3], 4: [4, 8] + [0] * 14}
    _, seen = groups(rooms, end_latent=numbered(8), history=numbered(*range(1, 31)))
    assert seen == {1: [7, 1], 2: [2, 3], 4: list(range(4, 20))}


def test_a_keyframe_takes_the_place_of_the_start_and_no_other(rooms):
    _, seen = groups(rooms, keyframe_latent=numbered(5), history=numbered(1))
    assert seen == {1: [5, 1], 2: [0, 0], 4: [0] * 16}


def test_f1_uses_no_end_and_no_keyframe(rooms):
    _, seen = groups(rooms, direction="f1", keyframe_latent=numbered(5), end_latent=numbered(8), padding=2.0,
                     history=numbered(*range(1, 31)))  # fmt: skip
    assert seen == {1: [7, 30], 2: [28, 29], 4: list(range(12, 28))}


def test_padding_leaves_time_between(rooms):
    section, _ = groups(rooms, padding=1.5)
    assert section["target"] == (5, 6, 7)
    assert section["clean"][1][1] == (0, 8)


@pytest.mark.parametrize(("direction", "history"), [("standard", None), ("f1", None), ("standard", 4), ("f1", 25)])
def test_ksampler_samples_it_with_cfg(rooms, direction, history):
    """Through the host's own node, conditional and unconditional; what was made before changes the result."""
    given = tiny.inputs("section")
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(1, 16, 1, 4, 4, generator=generator)
    made = None if history is None else latent(torch.randn(1, 16, history, 4, 4, generator=generator))
    other = [[given["text"] * 0.2, {"pooled_output": given["pooled"]}]]

    def run(**more):
        positive, negative, empty, _ = rooms.node.execute(
            prompt(given), other, latent(start), direction, 2, 0.0, clip_vision_output=vision(rooms, given), **more
        ).args
        sampled = rooms.nodes.KSampler().sample(rooms.model, 5, 2, 3.0, "euler", "simple", positive, negative, empty)
        return sampled[0]["samples"]

    one = run(history=made)
    assert one.shape == (1, 16, 2, 4, 4) and one.isfinite().all()
    assert torch.equal(one, run(history=made))
    assert off(one, run(history=latent(torch.full((1, 16, 3, 4, 4), 0.7)))) > 1e-4


@pytest.mark.parametrize(("wrong", "said"), [
    ({"start_latent": latent(torch.zeros(1, 16, 1, 5, 4))}, "start_latent: its picture is 32 x 40"),
    ({"start_latent": latent(torch.zeros(2, 16, 1, 4, 4))}, "a batch of 2"),
    ({"start_latent": latent(torch.zeros(1, 4, 8, 8))}, "not \\[1, 16, T, h, w\\]"),
    ({"history": latent(torch.zeros(1, 16, 3, 8, 4))}, "history: its frames are 32 x 64, those of start_latent 32 x 32"),
    ({"end_latent": numbered(1), "end_strength": 0.0}, "end_strength"),
    ({"positive": [[torch.zeros(1, 3, 32), {}]]}, "positive: it was not made by HunyuanVideo's text encoders"),
    ({"direction": "back"}, "direction: 'back' is unknown"),
])  # fmt: skip
def test_what_cannot_be_used_is_said_before_anything_runs(rooms, wrong, said):
    text = prompt(tiny.inputs("section"))
    usual = {"positive": text, "negative": text, "start_latent": latent(torch.zeros(1, 16, 1, 4, 4)),
             "direction": "standard", "window": 2, "padding": 0.0}  # fmt: skip
    with pytest.raises(InputError, match=said):
        rooms.node.execute(**{**usual, **wrong})


def test_other_clip_vision_is_refused(rooms):
    given = tiny.inputs("section")
    with pytest.raises(InputError, match="features are 24 wide, FramePack takes 16"):
        wide = vision(rooms, {"image": torch.zeros(1, 3, 24)})
        rooms.model.model.extra_conds(cross_attn=given["text"], pooled_output=given["pooled"], clip_vision_output=wide,
                                      noise=given["x"], device=given["x"].device)  # fmt: skip


def test_a_wan_model_refuses_it(rooms, models):
    from genga_tests.tiny import files

    wan = rooms.nodes.UNETLoader().load_unet(files.T2V, "default")[0]
    positive = rooms.node.execute(prompt(tiny.inputs("section")), prompt(tiny.inputs("section")), numbered(1),
                                  "standard", 2, 0.0).args[0]  # fmt: skip
    with pytest.raises(InputError, match="FramePack Section made its conditioning for FramePack"):
        rooms.guard.check_model(wan, positive)
    rooms.guard.check_model(rooms.model, positive)
