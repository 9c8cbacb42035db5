"""A further reference picture for FramePack's one frame."""

from __future__ import annotations

from comfy_api.latest import io

from .. import compat
from ..conditioning.framepack import indices, one_frame, section
from .report import Report


class FramePackReference(io.ComfyNode):
    """One reference more."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return compat.schema(
            node_id="GengaFramePackReference", display_name="FramePack Reference", category="Genga/conditioning",
            description="One reference picture more for FramePack One Frame, with a time and a mask of its own: clothes "
            "from one picture, a pose from another. Put several behind each other.",
            search_aliases=["FramePackReference", "kisekaeichi", "more references", "one frame reference", "framepack 1f"],
            inputs=[
                io.Conditioning.Input("positive", tooltip="From FramePack One Frame, or another FramePack Reference."),
                io.Conditioning.Input("negative", tooltip="From the same node."),
                io.Latent.Input("reference_latent", tooltip="The picture to take from, encoded, of the input's size."),
                io.Int.Input("history_index", default=14, min=0, max=indices.ONE_FRAME_LIMIT,
                             tooltip="The time at which it stands, another one than the input's (0) and the other "
                             "references'. 10 to 16 are usual."),
                io.Mask.Input("reference_mask", optional=True,
                              tooltip="White: what of this reference is shown to the model."),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive"), io.Conditioning.Output(display_name="negative"),
            ],
            hidden=[io.Hidden.unique_id],
        )  # fmt: skip

    @classmethod
    def execute(cls, positive, negative, reference_latent, history_index, reference_mask=None) -> io.NodeOutput:
        said = Report(cls)
        reference = section.latent_of(reference_latent, "reference_latent")
        frame = one_frame.masked(reference, reference_mask, "reference_mask")
        made = [
            one_frame.with_reference(each, frame, history_index, name)
            for name, each in (("positive", positive), ("negative", negative))
        ]
        times = made[0][0][1][section.KEY]["clean"][1][1]
        said.say(f"pictures at the times {', '.join(map(str, times))}.")
        return io.NodeOutput(*made, ui=said.ui())


NODES = [FramePackReference]
