"""Inputs that once gave a wrong video in silence and are not errors now: read right, or said."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from genga.errors import InputError
from PIL import Image


@pytest.fixture(scope="module")
def rooms(models):
    from genga.conditioning import fit, timeline
    from genga.nodes import keyframes, sampling

    return SimpleNamespace(fit=fit, timeline=timeline, keyframes=keyframes, sampling=sampling)


def reference(name: str) -> dict:
    return {"name": name, "subfolder": "", "type": "input"}


def test_a_grey_picture_of_16_bits_keeps_its_greys(rooms, host):
    """Pillow alone clips everything above 255 of 65535 to white."""
    host.input.mkdir(parents=True, exist_ok=True)
    ramp = np.linspace(0, 65535, 32 * 32).round().astype(np.uint16).reshape(32, 32)
    Image.fromarray(ramp).save(host.input / "ramp16.png")
    entry = {"frame": 0, "image": reference("ramp16.png"), "mask": reference("ramp16.png")}
    (key,) = rooms.timeline.load(json.dumps({"version": 1, "keyframes": [entry]}))
    expected = torch.from_numpy(ramp.astype(np.float32) / 65535.0)
    assert torch.allclose(key.mask[0], expected, atol=1e-6)
    assert key.image.shape == (1, 32, 32, 3)
    for channel in key.image[0].unbind(-1):
        assert torch.allclose(channel, expected, atol=1e-6)


def said(output) -> str:
    return " ".join((output.ui or {}).get("text", ()))


def shown(rooms, vae, prompts, pictures, **given) -> tuple[list, list]:
    size = {"width": 32, "height": 32, "length": 5}
    return rooms.keyframes.WanFFLF.execute(*prompts, vae, first_image=pictures[0], **size, **given).args[:2]


def test_a_picture_model_without_pictures_is_said(rooms, vae, prompts, pictures, load_model, tiny):
    model = load_model(tiny.files.I2V_HIGH)
    guide = rooms.sampling.ExpertGuider.execute
    assert "shown no picture" in said(guide(model, model, prompts[0]))
    assert said(guide(model, model, shown(rooms, vae, prompts, pictures)[0])) == ""
    assert said(guide(*[load_model(tiny.files.T2V)] * 2, prompts[0])) == ""


def test_missing_clip_vision_is_said_where_the_model_looks_through_it(rooms, vae, prompts, pictures, load_model, tiny):
    import comfy.clip_vision

    seen = comfy.clip_vision.Output()
    seen.penultimate_hidden_states = torch.zeros(1, 257, 1280)
    model = load_model(tiny.files.I2V_21)
    guide = rooms.sampling.ExpertGuider.execute
    assert "CLIP vision" in said(guide(model, model, shown(rooms, vae, prompts, pictures)[0]))
    with_it = shown(rooms, vae, prompts, pictures, clip_vision_first=seen)[0]
    assert said(guide(model, model, with_it)) == ""


def test_a_negative_without_the_pictures_is_said_where_it_counts(rooms, vae, prompts, pictures, load_model, tiny):
    model = load_model(tiny.files.I2V_HIGH)
    positive, negative = shown(rooms, vae, prompts, pictures)
    guide = rooms.sampling.ExpertGuider.execute
    assert "negative prompt has no pictures" in said(guide(model, model, positive, prompts[1], cfg_low=3.5))
    assert "no pictures" not in said(guide(model, model, positive, prompts[1]))
    assert "no pictures" not in said(guide(model, model, positive, negative, cfg_low=3.5))


def test_what_the_hosts_crop_cannot_do_is_known_before_it_is_done(rooms):
    import comfy.utils

    draw = random.Random(3)
    outcomes = set()
    for _ in range(400):
        height, width = draw.choice(((1, draw.randint(1, 80)), (draw.randint(1, 80), draw.randint(1, 3))))
        target = draw.choice(((32, 32), (64, 16), (16, 96)))
        image = torch.zeros(1, height, width, 1)
        try:
            rooms.fit.refuse_empty_crop(image, target[0] / target[1], "fit", "Pad.")
            possible = True
        except InputError:
            possible = False
        try:
            comfy.utils.common_upscale(image.movedim(-1, 1), *target, "bilinear", "center")
            done = True
        except RuntimeError:
            done = False
        assert possible == done, (height, width, target)
        outcomes.add(done)
    assert outcomes == {True, False}
