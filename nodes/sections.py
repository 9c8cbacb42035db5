"""Sections: another prompt or picture from a moment on."""

from __future__ import annotations

from comfy_api.latest import io

from .. import compat
from ..conditioning import sections as room
from .report import Report

SectionChain = io.Custom("GENGA_SECTIONS")


class Sections(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaSections",
            display_name="Sections",
            category="Genga/conditioning",
            search_aliases=["Sections", "section", "prompt per window", "per-section prompt", "schedule"],
            description="From a moment of a long video on, another prompt, another picture, or both. Chain several "
            "through sections and wire the last into a window node. What a section leaves out goes on as before it.",
            inputs=[
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=0.0,
                    max=360000.0,
                    step=0.04,
                    round=0.001,
                    tooltip="Seconds from the start of the video. A section begins with the first window that starts in "
                    "it; the window node says where that is.",
                ),
                io.Conditioning.Input(
                    "positive", optional=True, tooltip="The prompt from here on, in place of the guider's positive one."
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="InfiniteTalk: the reference picture from here on. The movement still goes on from the frames "
                    "before, so a picture of the same person in the same place works best. Wan I2V Windows: what the video "
                    "shows when the section ends.",
                ),
                SectionChain.Input("sections", optional=True, tooltip="The sections so far."),
                io.ClipVisionOutput.Input(
                    "clip_vision_output",
                    optional=True,
                    tooltip="The section's picture through CLIP vision. Without it that of the start picture stays.",
                ),
            ],
            outputs=[SectionChain.Output(display_name="sections", tooltip="The sections so far and this one.")],
        )

    @classmethod
    def execute(cls, start, positive=None, image=None, sections=None, clip_vision_output=None) -> io.NodeOutput:
        chain = room.add(sections, room.Section(start, positive, image, clip_vision_output))
        report = Report(cls)
        if len(chain) > 1:
            report.say("sections at " + ", ".join(f"{each.start:g}" for each in chain) + " s")
        if image is not None and clip_vision_output is None:
            report.say("the picture has no clip_vision_output: that of the start picture stays.")
        return io.NodeOutput(chain, ui=report.ui())


NODES = [Sections]
