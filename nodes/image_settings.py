"""The numbers of the image modes, within the ranges their models are documented for."""

from __future__ import annotations

from dataclasses import dataclass

from comfy_api.latest import io

from .. import compat
from ..errors import InputError
from .report import Report


@dataclass(frozen=True)
class Family:
    """What an image model takes. samplers: name -> the scheduler that goes with it."""

    title: str
    cfg: tuple[float, float]
    samplers: dict[str, str]


FAMILIES = {
    "pony": Family("Pony", (1.0, 20.0), {"euler_ancestral": "normal", "dpmpp_2m": "karras", "dpmpp_sde": "karras"}),
    "flux": Family("Flux", (1.0, 10.0), {"euler": "simple", "euler_ancestral": "simple", "dpmpp_2m": "simple"}),
}
_SAMPLERS = ("euler", "euler_ancestral", "dpmpp_2m", "dpmpp_sde")
_SIZE = {"min": 256, "max": 2048, "step": 16, "default": 1024}


class ImageSettings(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaImageSettings",
            display_name="Image Settings",
            category="Genga/sampling",
            search_aliases=["ImageSettings", "image size", "pony settings", "flux settings"],
            description="Size, steps, CFG and sampler for Pony V6 XL and Flux.1 dev, held to the ranges these are made for; "
            "the scheduler that belongs to the sampler comes with it.",
            inputs=[
                io.Combo.Input(
                    "model", options=list(FAMILIES), default="pony",
                    tooltip="pony: Pony V6 XL, with CFG 1 to 20. flux: Flux.1 dev, with guidance 1 to 10.",
                ),
                io.Int.Input("width", tooltip="Pixels, a multiple of 16: 512, 768 or 1024 are common.", **_SIZE),
                io.Int.Input("height", tooltip="Pixels, a multiple of 16: 512, 768 or 1024 are common.", **_SIZE),
                io.Int.Input("steps", default=30, min=10, max=50, tooltip="10 to 50: 30 for Pony, 25 for Flux."),
                io.Float.Input(
                    "cfg", default=6.0, min=1.0, max=20.0, step=0.1,
                    tooltip="How strictly the prompt is followed. Pony: CFG, 6. Flux: the guidance it was trained to be told, "
                    "3.5, for Flux Guidance.",
                ),
                io.Combo.Input(
                    "sampler_name", options=list(_SAMPLERS), default="euler_ancestral",
                    tooltip="Pony: euler_ancestral (Euler a), dpmpp_2m or dpmpp_sde (both with Karras noise levels). Flux: "
                    "euler, euler_ancestral or dpmpp_2m.",
                ),
                io.Int.Input(
                    "clip_skip", default=2, min=1, max=4,
                    tooltip="Which layer of CLIP is read, counted from the last: 2 for Pony. Flux does not use it.",
                ),
            ],
            outputs=[
                io.Int.Output(display_name="width", tooltip="Pixels."),
                io.Int.Output(display_name="height", tooltip="Pixels."),
                io.Int.Output(display_name="steps", tooltip="Sampling steps."),
                io.Float.Output(display_name="cfg", tooltip="CFG, or the guidance of Flux."),
                io.AnyType.Output(display_name="sampler_name", tooltip="For the input of any sampler node."),
                io.AnyType.Output(display_name="scheduler", tooltip="The scheduler that belongs to the sampler."),
                io.Int.Output(display_name="clip_layer", tooltip="For CLIP Set Last Layer: -2 for a clip_skip of 2."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, model=None, width=None, height=None, cfg=None, sampler_name=None) -> bool | str:
        try:
            check(model, width, height, cfg, sampler_name)
        except InputError as error:
            return str(error)
        return True

    @classmethod
    def execute(cls, model, width, height, steps, cfg, sampler_name, clip_skip=2) -> io.NodeOutput:
        check(model, width, height, cfg, sampler_name)
        scheduler = FAMILIES[model].samplers[sampler_name]
        Report(cls).fact(scheduler=scheduler)
        return io.NodeOutput(width, height, steps, cfg, sampler_name, scheduler, -clip_skip)


def check(model, width, height, cfg, sampler_name) -> None:
    """Raises InputError for what the model is not made for; None is what comes by wire and is not known yet."""
    for name, side in (("width", width), ("height", height)):
        if side is not None and (side % 16 or not _SIZE["min"] <= side <= _SIZE["max"]):
            remedy = f"Use {max(_SIZE['min'], min(_SIZE['max'], round(side / 16) * 16))}."
            raise InputError(name, f"{side} is no multiple of 16 from {_SIZE['min']} to {_SIZE['max']}", remedy)
    family = FAMILIES.get(model)
    if model is not None and family is None:
        raise InputError("model", f"{model!r} is not known", f"Choose one of {', '.join(FAMILIES)}.")
    if family is None:
        return
    low, high = family.cfg
    if cfg is not None and not low <= cfg <= high:
        raise InputError("cfg", f"{cfg:g} is outside {low:g} to {high:g}, which {family.title} takes", f"Use {high:g}.")
    if sampler_name is not None and sampler_name not in family.samplers:
        known = ", ".join(family.samplers)
        raise InputError("sampler_name", f"{sampler_name} is none that {family.title} is run with", f"Use {known}.")


NODES = [ImageSettings]
