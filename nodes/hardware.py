"""What this machine is good for: settings by GPU, and the memory a run will take, before it runs."""

from __future__ import annotations

from comfy_api.latest import io

from .. import compat
from ..conditioning.direct import check_vae
from ..conditioning.fit import check_size
from ..conditioning.latent_time import round_length
from ..errors import InputError
from ..loaders import attention, hardware, memory
from .report import Report

CATEGORY = "Genga/loaders"
# The host's Combo.Output has its options for a type on 0.3.75. This type is the one that its combo inputs take on both.
Choice = io.Custom("COMBO")


class HardwarePreset(io.ComfyNode):
    """Settings for the loaders that suit the GPU."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return compat.schema(
            node_id="GengaHardwarePreset", display_name="Hardware Preset", category=CATEGORY,
            description="Reads the GPU and gives settings that suit it, to wire into the loaders and Window Sampler. Says "
            "what it chose and why, and which attention kernels this machine has.",
            search_aliases=["HardwarePreset", "gpu preset", "vram settings", "low vram", "attention available"],
            inputs=[
                io.Combo.Input("gpu", options=list(hardware.GPUS), default=hardware.AUTO,
                               tooltip="auto: by what the device is and can do. A class: its settings, whatever the device "
                               "is; an attention kernel that is missing is replaced all the same, and the node says so."),
            ],
            outputs=[
                Choice.Output(display_name="base_precision", tooltip="For the loaders' input of this name."),
                Choice.Output(display_name="weight_dtype", tooltip="For the loaders' input of this name."),
                Choice.Output(display_name="attention", tooltip="For the loaders' input of this name."),
                Choice.Output(display_name="tiled_vae", tooltip="For Window Sampler's input of this name."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )  # fmt: skip

    @classmethod
    def execute(cls, gpu) -> io.NodeOutput:
        report = Report(cls)
        device = hardware.read()
        preset = hardware.choose(device, gpu)
        values = preset.base_precision, preset.weight_dtype, preset.attention, preset.tiled_vae
        report.say(f"{device.words}.")
        report.say(
            f"base_precision {values[0]}, weight_dtype {values[1]}, attention {values[2]}, tiled_vae {values[3]}."
        )
        for reason in preset.why:
            report.say(reason)
        missing = attention.unavailable(hardware.load_device())
        report.say(f"Attention here: {', '.join(name for name in attention.names() if name not in missing)}.")
        for name, reason in missing.items():
            report.say(f"Not here: {name}: {reason}")
        report.fact(device=device.name, gpu=gpu, preset=list(values))
        return io.NodeOutput(*values, ui=report.ui())


class MemoryEstimate(io.ComfyNode):
    """What a run will take, before it runs."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return compat.schema(
            node_id="GengaMemoryEstimate", display_name="Memory Estimate", category=CATEGORY,
            description="Put between loader and sampler: says, before sampling, how much memory this size and length take "
            "by ComfyUI's own estimates, and the cheapest change where that does not fit. The model passes unchanged.",
            search_aliases=["MemoryEstimate", "vram estimate", "out of memory", "will it fit"],
            inputs=[
                io.Model.Input("model", tooltip="The model that will sample. Of two experts one: they are sampled with one "
                               "after the other."),
                io.Vae.Input("vae", tooltip="The VAE that will decode."),
                io.Int.Input("width", default=832, min=16, max=16384, step=16, tooltip="Width of the video."),
                io.Int.Input("height", default=480, min=16, max=16384, step=16, tooltip="Height of the video."),
                io.Int.Input("length", default=81, min=1, max=16384, step=4,
                             tooltip="Frames that are sampled at once: of a long video by windows, one window's."),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The same model, once the estimate has been shown."),
                io.String.Output(display_name="estimate", tooltip="The estimate as text."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )  # fmt: skip

    @classmethod
    def execute(cls, model, vae, width, height, length) -> io.NodeOutput:
        memory.check_model(model)
        check_vae(vae)
        check_size(width, height)
        if length < 1:
            raise InputError("length", f"{length} frames is no video", "Give at least 1 frame.")
        report = Report(cls)
        clip = memory.Clip(width, height, round_length(length))
        for line in memory.report(model, vae, clip, memory.room_for(model)):
            report.say(line)
        return io.NodeOutput(model, "\n".join(report.lines), ui=report.ui())


NODES = [HardwarePreset, MemoryEstimate]
