"""Calls of a tiny FramePack in the host's process, for all tests of the model.

``rooms`` has comfy (with clip_vision and model_management) and model, the pack's loaders.framepack.model.
"""

from __future__ import annotations

import torch

from ..tiny import framepack as tiny


def conditioning(rooms, model, name):
    """As a CONDITIONING's dict, and the noise that goes with it."""
    case, given = tiny.CASES[name], tiny.inputs(name)
    scale = model.model.latent_format.scale_factor
    clean = {stride: (given[f"clean_{stride}"] / scale, times) for stride, times in case.clean}
    vision = rooms.comfy.clip_vision.Output()
    vision["last_hidden_state"] = given["image"]
    return {"pooled_output": given["pooled"], "cross_attn": given["text"], "clip_vision_output": vision,
            rooms.model.KEY: {"target": case.target, "clean": clean}}, given["x"]  # fmt: skip


def predict(rooms, model, name="section", managed=True, **more):
    """The velocity that the model predicts, by the host's way from CONDITIONING to apply_model. managed: loaded by the
    host, else as it is now."""
    if managed:
        rooms.comfy.model_management.load_models_gpu([model])
    cond, x = conditioning(rooms, model, name)
    made = model.model.extra_conds(**{**cond, **more}, noise=x, device=x.device)
    given = {key: value.process_cond(batch_size=1, area=None, device=x.device).cond for key, value in made.items()}
    sigma = torch.tensor([tiny.SIGMA])
    return (x - model.model.apply_model(x, sigma, **given)) / sigma


def scaled(weights, scales):
    """The matrices of the blocks in fp8 with a scale each; the file's numbers, and what they stand for."""
    made, meant = {}, {}
    for number, (key, value) in enumerate(weights.items()):
        meant[key] = made[key] = value
        if "transformer_blocks" in key and key.endswith(".weight") and value.dim() == 2 and "norm" not in key:
            scale = torch.tensor(scales[number % len(scales)])
            made[key] = (value / scale).clamp(-448, 448).to(torch.float8_e4m3fn)
            meant[key] = made[key].float() * scale
            made[key.removesuffix("weight") + "scale_weight"] = scale
    made["scaled_fp8"] = torch.zeros(2, dtype=torch.float8_e4m3fn)
    return made, meant
