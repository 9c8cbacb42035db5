"""The video's size taken from a picture."""

from __future__ import annotations

from comfy_api.latest import io

from .. import compat
from ..conditioning.fit import size_within
from ..errors import InputError
from .report import Report

BUDGETS = {"480p (832x480)": 832 * 480, "580p (960x544)": 960 * 544, "720p (1280x720)": 1280 * 720}
MOST_MEGAPIXELS = 16.0


class SizeFromImage(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaSizeFromImage",
            display_name="Size from Image",
            category="Genga/conditioning",
            search_aliases=["SizeFromImage", "resolution", "aspect ratio"],
            description="A video size with the shape of a picture: multiples of 16 within a budget of pixels.",
            inputs=[
                io.Image.Input("image", tooltip="The picture whose shape the video takes."),
                io.Combo.Input(
                    "budget",
                    options=[*BUDGETS, "custom"],
                    default="480p (832x480)",
                    tooltip="About how many pixels a frame may have. 480p and 720p are what Wan was trained on; 960x544 is "
                    "AniSora's.",
                ),
                io.Float.Input(
                    "megapixels",
                    default=0.4,
                    min=0.001,
                    max=MOST_MEGAPIXELS,
                    step=0.01,
                    optional=True,
                    tooltip="The budget for custom, in millions of pixels.",
                ),
                io.Boolean.Input(
                    "enlarge",
                    default=False,
                    optional=True,
                    tooltip="Off: a picture smaller than the budget gives a video of its own size. On: it is enlarged.",
                ),
            ],
            outputs=[
                io.Int.Output(display_name="width", tooltip="Multiple of 16."),
                io.Int.Output(display_name="height", tooltip="Multiple of 16."),
            ],
        )

    @classmethod
    def execute(cls, image, budget, megapixels=0.4, enlarge=False) -> io.NodeOutput:
        if budget not in (*BUDGETS, "custom"):
            raise InputError("budget", f"{budget!r} is unknown", f"Use one of {', '.join(BUDGETS)}, custom.")
        if getattr(image, "ndim", None) != 4:
            raise InputError("image", "this is no picture", "Wire a picture.")
        if not 0.0 <= megapixels <= MOST_MEGAPIXELS:
            raise InputError("megapixels", f"{megapixels} is outside 0 to {MOST_MEGAPIXELS:g}", "0.4 is 480p.")
        pixels = BUDGETS.get(budget, int(megapixels * 1_000_000))
        report = Report(cls)
        if not enlarge:
            pixels = min(pixels, image.shape[1] * image.shape[2])
        width, height = size_within(image.shape[2], image.shape[1], pixels)
        report.say(f"{width} x {height}")
        return io.NodeOutput(width, height, ui=report.ui())


NODES = [SizeFromImage]
