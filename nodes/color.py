"""Colour: frames take on the colours of a reference."""

from __future__ import annotations

import comfy.model_management
import comfy.utils
import torch
from comfy_api.latest import io

from .. import compat
from ..errors import InputError
from ..media.color import METHODS, ColorTransfer, check_frames
from .report import Report

DISABLED = "disabled"
STATISTICS = ("per_frame", "uniform", "target_frame")


class ColorMatch(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaColorMatch",
            display_name="Color Match",
            category="Genga/color",
            search_aliases=[
                "ColorMatch",
                "color transfer",
                "color correction",
                "mkl",
                "reinhard",
                "histogram matching",
            ],
            description="Gives frames the colours of a reference, by the methods of the color-matcher library.",
            inputs=[
                io.Image.Input("image", tooltip="The frames to change."),
                io.Image.Input(
                    "reference",
                    tooltip="The colours to take, any size. As many pictures as frames: each frame takes its own. "
                    "Another number: their pooled colours.",
                ),
                io.Combo.Input(
                    "method",
                    options=[DISABLED, *METHODS],
                    default=DISABLED,
                    tooltip="disabled: frames pass unchanged. mkl: means and covariances; smooth, the usual choice. hm: "
                    "each channel's histogram; strong, may band. reinhard: means and spreads of log colours. mvgd and "
                    "hm-mvgd-hm give mkl and hm-mkl-hm, as these names always have in ComfyUI. mvgd-aligned: least "
                    "squares against the same place of a reference that shows the same scene at the same size.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="0 leaves the frames as they are, 1 matches fully, between is a blend.",
                ),
                io.Combo.Input(
                    "statistics",
                    options=list(STATISTICS),
                    default="per_frame",
                    optional=True,
                    tooltip="per_frame: each frame by its own colours; evens out drift, and intended changes of light. "
                    "uniform: one change for all, from the colours of the whole clip; cannot flicker. target_frame: "
                    "one change for all, from the frame of target_index.",
                ),
                io.Int.Input(
                    "target_index",
                    default=0,
                    min=-16384,
                    max=16384,
                    optional=True,
                    tooltip="For statistics target_frame: the frame that shall match the reference. 0 is the first, -1 the "
                    "last.",
                ),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The frames, 0 to 1.")],
        )

    @classmethod
    def execute(cls, image, reference, method, strength, statistics="per_frame", target_index=0) -> io.NodeOutput:
        if method not in (DISABLED, *METHODS):
            raise InputError("method", f"{method!r} is unknown", f"Use one of {', '.join((DISABLED, *METHODS))}.")
        if statistics not in STATISTICS:
            raise InputError("statistics", f"{statistics!r} is unknown", f"Use one of {', '.join(STATISTICS)}.")
        if not 0.0 <= strength <= 1.0:
            raise InputError("strength", f"{strength} is outside 0 to 1", "0 changes nothing, 1 matches fully.")
        report = Report(cls)
        if method == DISABLED or strength == 0:
            reason = "method disabled" if method == DISABLED else "strength 0"
            report.say(f"{reason}: the frames pass unchanged.")
            return io.NodeOutput(image, ui=report.ui())
        check_frames(image, "image")
        check_frames(reference, "reference")
        transfer = _fit(image, reference, method, statistics, target_index, report)
        bar = comfy.utils.ProgressBar(len(image))
        matched = transfer.apply(image, strength, device=_device(), progress=lambda: _advance(bar))
        return io.NodeOutput(matched, ui=report.ui())


def _fit(image, reference, method: str, statistics: str, index: int, report: Report) -> ColorTransfer:
    """The transfer for these statistics; says how a reference of another number of pictures is used."""
    paired = len(reference) == len(image) > 1
    if len(reference) > 1 and not paired:
        used = "the first is used" if method == "mvgd-aligned" else "their pooled colours are used"
        report.say(f"reference has {len(reference)} pictures, image {len(image)} frames: {used}.")
    if statistics == "target_frame":
        if not -len(image) <= index < len(image):
            remedy = f"Use 0 to {len(image) - 1}, or -1 for the last."
            raise InputError("target_index", f"frame {index} lies outside {len(image)} frames", remedy)
        index %= len(image)
        chosen = reference[index : index + 1] if paired else reference
        return ColorTransfer.fit(chosen, method).with_source(image[index : index + 1], device=_device())
    transfer = ColorTransfer.fit(reference, method, paired=paired)
    return transfer.with_source(image, device=_device()) if statistics == "uniform" else transfer


def _device() -> torch.device:
    """The GPU where it has float64 (CUDA, ROCm), or else the CPU."""
    device = comfy.model_management.get_torch_device()
    return device if device.type == "cuda" else torch.device("cpu")


def _advance(bar) -> None:
    comfy.model_management.throw_exception_if_processing_interrupted()
    bar.update(1)


NODES = [ColorMatch]
