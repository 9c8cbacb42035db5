"""FramePack without the steps that hardly change anything."""

from __future__ import annotations

from comfy_api.latest import io

from .. import compat
from ..samplers import framepack_teacache as teacache
from .report import Report


class FramePackTeaCache(io.ComfyNode):
    """A FramePack MODEL that leaves steps out."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return compat.schema(
            node_id="GengaFramePackTeaCache", display_name="FramePack TeaCache", category="Genga/sampling",
            search_aliases=["FramePackTeaCache", "TeaCache", "tea cache", "faster framepack", "skip steps"],
            description="Leaves out steps in which FramePack's input hardly changes, by the rule and the polynomial of the "
            "reference. ComfyUI's EasyCache does the like for any model; use one of the two.",
            inputs=[
                io.Model.Input("model", tooltip="From FramePack Loader, standard or F1, with LoRAs or without."),
                io.Float.Input("threshold", default=teacache.THRESHOLD, min=0.0, max=1.0, step=0.01,
                               tooltip="How much change may add up before a step is computed. 0.15 is the reference's, about "
                               "2.1 times as fast; 0.10 about 1.6 times, and nearer to the plain result. 0 is off, exactly."),
            ],
            outputs=[io.Model.Output(display_name="MODEL")],
            hidden=[io.Hidden.unique_id],
        )  # fmt: skip

    @classmethod
    def execute(cls, model, threshold) -> io.NodeOutput:
        report = Report(cls)
        patched = teacache.apply(model, teacache.Settings(threshold))
        if threshold == 0:
            report.say("Threshold 0 is off: every step is computed.")
        report.fact(teacache=threshold)
        return io.NodeOutput(patched, ui=report.ui())


NODES = [FramePackTeaCache]
