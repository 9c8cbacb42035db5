"""What can be known to be wrong before a step is sampled: the pair, the latent, the numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch

from ..errors import InputError
from ..loaders import guard
from ..loaders.names import noise_side

TEXT_WIDTH = 4096  # UMT5-XXL


def check_pair(high, low) -> list[str]:
    """Raises for models that cannot be two experts of one run; returns what a person should know."""
    traits = []
    for name, model in (("high", high), ("low", low)):
        if getattr(model, "model", None) is None or getattr(model.model, "latent_format", None) is None:
            raise InputError(name, "this is no diffusion model", "Wire the MODEL of a loader.")
        traits.append(_traits(model))
    for what, one, other in zip(traits[0], traits[0].values(), traits[1].values(), strict=True):
        if one != other:
            problem = f"its {what} is {other}, the high-noise model's {one}"
            raise InputError("low", problem, "Load the two experts of the same model.")
    if high is not low and [_side(high), _side(low)] == ["low", "high"]:
        problem = f"{_file(high)} is a low-noise expert by its name, and {_file(low)} a high-noise one"
        raise InputError("high", problem, "Exchange the wires of high and low.")
    shifts = [getattr(model.get_model_object("model_sampling"), "shift", None) for model in (high, low)]
    if shifts[0] != shifts[1]:
        return [f"The experts have different shifts ({shifts[0]} and {shifts[1]}); the schedule follows the high one."]
    return []


def _traits(model) -> dict:
    """What two experts of one model have in common, in the words of an error."""
    network = getattr(model.model, "diffusion_model", None)
    embedding = getattr(network, "patch_embedding", None)
    return {
        "latent format": type(model.model.latent_format).__name__,
        "number of input channels": getattr(embedding, "in_channels", None),
        "width": getattr(embedding, "out_channels", None),
        "number of layers": len(getattr(network, "blocks", ())),
        "use of CLIP vision": "on" if getattr(network, "img_emb", None) is not None else "off",
    }


def _file(model) -> str:
    return (model.get_attachment(guard.MARK) or {}).get("file", "")


def _side(model) -> str | None:
    return noise_side(_file(model)) if _file(model) else None


def check_numbers(**values: float) -> None:
    """Raises for numbers that are none (NaN and infinity pass the host's own limits)."""
    for name, value in values.items():
        if not math.isfinite(value):
            raise InputError(name, f"{value} is no number", "Give a finite number.")


def check_boundary(boundary: float, placed: set[float]) -> None:
    """Raises where the strengths per expert were placed for another boundary than the experts change at."""
    for other in placed - {boundary}:
        problem = f"{boundary:g} here, but the strengths per expert were placed for {other:g}"
        raise InputError("boundary", problem, "Set the same boundary in both nodes.")


def holds_video(latent: dict) -> bool:
    """Whether a latent is more than the empty one."""
    return bool(torch.count_nonzero(latent["samples"]))


def check_choice(name: str, value: str, known) -> None:
    """Raises for a name the host does not have; 0.3.75 would take another one in its place without a word."""
    if value not in known:
        raise InputError(name, f"{value!r} is unknown", f"Use one of {', '.join(known)}.")


def check_latent(latent: dict, denoise: float) -> None:
    """Raises for a latent that is no Wan video, and for a denoise below 1 that has nothing to start from."""
    samples = None if latent is None else latent.get("samples")
    if samples is None or samples.ndim != 5 or samples.shape[1] != 16 or samples.numel() == 0:
        shape = None if samples is None else tuple(samples.shape)
        remedy = "Wire the latent of First + Last Frame, Arbitrary Keyframes or Empty HunyuanVideo Latent."
        problem = f"its shape is {shape}; a Wan video latent is [batch, 16, frames, h, w]"
        raise InputError("latent_image", problem, remedy)
    if not torch.isfinite(samples).all():
        raise InputError("latent_image", "it has values that are not numbers", "Look at what made it.")
    if not 0.0 <= denoise <= 1.0:
        raise InputError("denoise", f"{denoise} is outside 0 to 1", "Use 1, or 0.7 with a start video.")
    if denoise < 1.0 and not holds_video(latent):
        remedy = "Wire a start video into the conditioning node (start_video), or set denoise to 1."
        raise InputError("denoise", f"{denoise:g} needs a start video, and the latent is empty", remedy)


def check_fit(samples: torch.Tensor, shown: Iterable[Mapping]) -> None:
    """Raises where the latent [B, 16, T, h, w] has another size than the pictures: the host would rescale them.

    shown: the values of each conditioning entry.
    """
    made = tuple(samples.shape[2:])
    for values in shown:
        for picture in (values.get("concat_latent_image"), *values.get("vace_frames", ())):
            if picture is not None and tuple(picture.shape[2:]) != made:
                problem = f"it is {made} frames, height, width; the pictures were placed for {tuple(picture.shape[2:])}"
                raise InputError("latent_image", problem, "Wire the latent of the node that placed the pictures.")


def check_text(conditioning: list, name: str) -> None:
    """Raises for an embedding of another text encoder, which would fail only inside the model."""
    if not isinstance(conditioning, list) or not conditioning:
        raise InputError(name, "there is no conditioning", "Wire an encoded prompt.")
    for embedding, _ in conditioning:
        if embedding is not None and embedding.shape[-1] != TEXT_WIDTH:
            problem = f"the prompt was encoded {embedding.shape[-1]} wide, Wan reads {TEXT_WIDTH}"
            raise InputError(name, problem, "Encode it with UMT5-XXL (CLIP Loader type wan).")


def check_both_shown(positive: list, negative: list | None, guided: bool) -> list[str]:
    """Raises for pictures in the negative prompt alone; says where it is ``guided`` (CFG is not 1) by one without."""
    if negative is None:
        return []
    keys = [{key for _, values in conditioning for key in values} for conditioning in (positive, negative)]
    shown = [not keys_of.isdisjoint(("concat_latent_image", "vace_frames")) for keys_of in keys]
    if shown == [False, True]:
        remedy = "Wire positive and negative of First + Last Frame or Arbitrary Keyframes, each to its own."
        raise InputError("positive", "it has no pictures, only the negative prompt has", remedy)
    if shown == [True, False] and guided:
        return ["The negative prompt has no pictures and the positive has: wire both through the same node."]
    return []


def unseen(model, conditioning: list) -> list[str]:
    """What the model could see and is not shown: said, since it runs all the same."""
    network = getattr(model.model, "diffusion_model", None)
    shown = {key for _, values in conditioning for key in values}
    notes = []
    if guard.traits_of(model).sees_pictures and "concat_latent_image" not in shown:
        notes.append(
            "The model is shown no picture: wire the prompts through First + Last Frame or Arbitrary Keyframes."
        )
    elif getattr(network, "img_emb", None) is not None and "clip_vision_output" not in shown:
        notes.append("This model also looks at the picture through CLIP vision, and none is wired.")
    return notes
