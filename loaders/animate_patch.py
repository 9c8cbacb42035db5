"""How strongly a WanAnimate model follows pose and face, by object patches on what the two add to the tokens.

Not the inputs are scaled: the pose embedding and the face adapter have biases, so half a pose picture is not half a
pose. Each patch calls the forward it found; two on one model multiply, and the host takes them back with the model.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from ..errors import InputError

LOWEST, HIGHEST = 0.0, 10.0
_POSE = "diffusion_model.pose_patch_embedding.forward"
_FACE = "diffusion_model.face_adapter.fuser_blocks.{}.forward"


def check_model(model) -> None:
    """Raises InputError unless ``model`` is a WanAnimate MODEL."""
    network = getattr(getattr(model, "model", None), "diffusion_model", None)
    if not (hasattr(network, "pose_patch_embedding") and hasattr(network, "face_adapter")):
        kind = type(getattr(model, "model", model)).__name__
        problem = f"this is no WanAnimate model ({kind})"
        raise InputError("model", problem, "Load Wan2.2 Animate 14B (Wan2_2-Animate-14B...).")


def check_strength(name: str, strength: float) -> float:
    """``strength``; raises unless it is one of 0 to 10."""
    if not (math.isfinite(strength) and LOWEST <= strength <= HIGHEST):
        remedy = "Use 0 (not at all), 1 (as trained) or more."
        raise InputError(name, f"{strength} is outside {LOWEST:g} to {HIGHEST:g}", remedy)
    return strength


def follow(model, pose_strength: float, face_strength: float):
    """A clone of a WanAnimate MODEL that follows pose and face so strongly.

    0 is the input's absence to the last bit, 1 the model as it is, 2 twice what it adds to the tokens.
    """
    check_model(model)
    check_strength("pose_strength", pose_strength)
    check_strength("face_strength", face_strength)
    model = model.clone()
    layers = len(model.model.diffusion_model.face_adapter.fuser_blocks)
    for names, strength in (([_POSE], pose_strength), ([_FACE.format(k) for k in range(layers)], face_strength)):
        for name in names if strength != 1.0 else ():
            # Asked of the patcher: the live module may still wear the patch of another clone, and they would multiply.
            model.add_object_patch(name, scaled(model.get_model_object(name), float(strength)))
    return model


def check_guided(pose_strength: float, face_strength: float, model) -> None:
    """Raises InputError for a guider's model that could not follow drivers with these strengths."""
    try:
        check_model(model)
    except InputError as error:
        raise InputError("guider", error.problem, "Wire the window node's model into the guider.") from error
    if (pose_strength != 1.0 and _POSE not in model.object_patches) or (
        face_strength != 1.0 and _FACE.format(0) not in model.object_patches
    ):
        problem = "its model is not the one WanAnimate Windows gives out, so the strengths would do nothing"
        raise InputError("guider", problem, "Wire the window node's model into the guider.")


def scaled(before: Callable, strength: float) -> Callable:
    """``before`` with its tensor times ``strength``; at 0 true zeros, whatever came out."""

    def forward(*args, **kwargs):
        out = before(*args, **kwargs)
        return torch.zeros_like(out) if strength == 0.0 else out * strength

    return forward
