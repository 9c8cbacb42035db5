"""Refuses, before sampling, conditioning that a model cannot obey.

Wan models ignore or misread conditioning made for another kind without a word. The pack's conditioning nodes
mark what they made under the key "genga"; every MODEL from the pack's loaders carries a wrapper that reads the
marks, and ``check_model`` does the same for models from the host's loaders.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..errors import InputError

KEY = "genga_guard"
MARK = "genga"
_IMAGE_CHANNELS = 20  # 4 of the mask and 16 of the picture, behind the noise's own 16


@dataclass(frozen=True)
class ModelTraits:
    """What a model can be shown. ``in_dim`` and ``out_dim`` are channels of the patch embedding and the latent."""

    wan: bool
    in_dim: int = 0
    out_dim: int = 16
    vace: bool = False
    phr00t: bool = False
    framepack: bool = False

    @property
    def sees_pictures(self) -> bool:
        return self.in_dim - self.out_dim == _IMAGE_CHANNELS


def traits_of(model) -> ModelTraits:
    """The traits of any MODEL, from the network itself: no loader of ours is needed."""
    network = getattr(model.model, "diffusion_model", None)
    embedding = getattr(network, "patch_embedding", None)
    if hasattr(network, "clean_x_embedder"):
        return ModelTraits(wan=False, framepack=True)
    if embedding is None or not hasattr(network, "blocks") or not hasattr(network, "text_embedding"):
        return ModelTraits(wan=False)
    return ModelTraits(
        wan=True,
        in_dim=embedding.in_channels,
        out_dim=network.out_dim,
        vace=hasattr(network, "vace_patch_embedding"),
        phr00t=(model.get_attachment(MARK) or {}).get("family") == "phr00t",
    )


def complaint(traits: ModelTraits, mark: Mapping) -> str | None:
    """Why a model with these traits cannot obey conditioning with this mark; None when it can.

    ``mark``: pictures (count with strength above 0), control ("inpaint" or "vace"), node, arbitrary (bool); or
    framepack (bool) and node.
    """
    error = _objection(traits, mark)
    return None if error is None else str(error)


def check_model(model, conds) -> None:
    """Raises InputError when ``model`` cannot obey ``conds``: a conditioning list, or a dict of such lists.

    Entries may be the nodes' [tensor, dict] pairs or the samplers' dicts.
    """
    refuse_overruled(conds)
    marks = list(_marks(conds))
    if not marks:
        return
    traits = traits_of(model)
    for mark in marks:
        error = _objection(traits, mark)
        if error is not None:
            raise error


def attach(model, family: str, **facts) -> None:
    """Puts the guard on a freshly loaded MODEL and notes its family ("wan", "phr00t", "framepack") and facts on it.

    Both survive clones. Changes ``model`` itself: only for one that nobody else has yet.
    """
    from comfy.patcher_extension import WrappersMP

    model.set_attachments(MARK, MappingProxyType({"family": family, **facts}))
    model.remove_wrappers_with_key(WrappersMP.OUTER_SAMPLE, KEY)
    model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, KEY, _guard)


def kind_of(model) -> str:
    """The kind that the loader noted on a MODEL; "" where it was another pack's or the host's loader."""
    return (model.get_attachment(MARK) or {}).get("kind", "")


def _guard(executor, *args, **kwargs):
    guider = executor.class_obj
    check_model(guider.model_patcher, guider.conds)
    return executor(*args, **kwargs)


def refuse_overruled(conds) -> None:
    """Raises where a timestep range was set after strengths that differ between the experts.

    The host would put the range in place of theirs, and both strengths would act at every step.
    """
    for values in _entries(conds):
        split = MARK in values and ("timestep_start" in values or "timestep_end" in values)
        if split and ("start_percent" in values or "end_percent" in values):
            raise InputError(
                "conditioning",
                "a timestep range was set after First + Last Frame or Arbitrary Keyframes, whose strengths differ "
                "between the experts and need the ranges themselves",
                "Set the same strength for both experts, or leave the timestep range out.",
            )


def boundaries(conds) -> set[float]:
    """The noise levels at which the conditioning changes from one expert's strengths to the other's."""
    return {mark["boundary"] for mark in _marks(conds) if mark.get("boundary") is not None}


def _marks(conds) -> Iterator[Mapping]:
    return (values[MARK] for values in _entries(conds) if values.get(MARK) is not None)


def _entries(conds) -> Iterator[Mapping]:
    """The dicts of a conditioning list, or of a dict of such lists."""
    lists: Iterable = conds.values() if isinstance(conds, Mapping) else [conds]
    for entries in lists:
        for entry in entries or ():
            yield entry if isinstance(entry, Mapping) else entry[1]


def _objection(traits: ModelTraits, mark: Mapping) -> InputError | None:
    node = mark.get("node", "the conditioning node")
    if mark.get("framepack"):
        return None if traits.framepack else _no_framepack(node)
    if not traits.wan:
        return InputError(
            "model",
            f"this is not a Wan model, but {node} made its conditioning for Wan",
            "Connect a Wan model (AniSora Loader, Phr00t Loader or Wan Model Loader).",
        )
    if mark.get("arbitrary") and traits.phr00t:
        return InputError(
            "keyframes",
            "a Phr00t model cannot follow arbitrary keyframes: its few-step merges were not trained with "
            "keyframes in between and know first and last frames only",
            "Use First + Last Frame with this model, or AniSora V3.2 for keyframes in between.",
        )
    if mark.get("control") == "vace" and not traits.vace:
        return InputError(
            "control",
            f"vace needs a VACE model (Phr00t MEGA or Wan VACE), this one is {_kind(traits)}",
            f"Set control to inpaint in {node}, or connect a VACE model.",
        )
    if mark.get("control") == "inpaint" and mark.get("pictures", 0) > 0 and not traits.sees_pictures:
        return _blind(traits, node, bool(mark.get("arbitrary")))
    return None


def _no_framepack(node: str) -> InputError:
    return InputError(
        "model",
        f"this is not a FramePack model, but {node} made its conditioning for FramePack",
        "Connect a model from FramePack Loader.",
    )


def _blind(traits: ModelTraits, node: str, arbitrary: bool) -> InputError:
    if traits.vace and not arbitrary:
        return InputError(
            "control",
            "inpaint has no effect on this model: it is a VACE model (Phr00t MEGA or Wan VACE)",
            f"Set control to vace in {node}.",
        )
    return InputError(
        "model",
        f"this is {_kind(traits)}: it cannot see the pictures of {node}",
        "Connect an image-to-video (I2V) model, AniSora V3.2 for one, or remove the pictures.",
    )


def _kind(traits: ModelTraits) -> str:
    if traits.vace:
        return "a VACE model"
    if traits.out_dim != 16:
        return f"a Wan 2.2 5B model ({traits.out_dim} latent channels)"
    if traits.in_dim == traits.out_dim:
        return "a text-to-video model"
    if traits.sees_pictures:
        return "an image-to-video model"
    return f"a Wan model for other inputs ({traits.in_dim} channels)"
