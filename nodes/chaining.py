"""A long video by any Wan I2V model: windows that follow sections."""

from __future__ import annotations

from functools import partial

from comfy_api.latest import io

from .. import compat
from ..conditioning import sections as section_room
from ..conditioning import wan_chain
from ..conditioning.latent_time import round_length
from ..errors import InputError
from ..loaders import guard
from ..media.video import check_fps
from ..samplers.windows import plan as planning
from ..samplers.windows.provider import Windows
from .report import Report
from .sections import SectionChain
from .talking import LONGEST, WindowsType


def _inputs() -> list:
    return [
        io.Vae.Input("vae", tooltip="The Wan 2.1 VAE (for Wan 2.2 A14B and AniSora, too)."),
        io.Image.Input("start_image", tooltip="The first frame of the video."),
        io.ClipVisionOutput.Input(
            "clip_vision_output",
            optional=True,
            tooltip="The start picture through CLIP vision (clip_vision_h). For Wan 2.1; later models do without.",
        ),
        SectionChain.Input(
            "sections",
            optional=True,
            tooltip="The last Sections node. A section's prompt holds from its start on; its picture is what the video "
            "shows when the section ends.",
        ),
        io.Int.Input("width", default=832, min=16, max=16384, step=16, tooltip="Multiple of 16."),
        io.Int.Input("height", default=480, min=16, max=16384, step=16, tooltip="Multiple of 16."),
        io.Int.Input(
            "length",
            default=233,
            min=1,
            max=LONGEST,
            step=4,
            tooltip="Frames of the whole video; 233 are 14.6 s and three windows. Made 4n + 1 by rounding up.",
        ),
        io.Float.Input(
            "fps",
            default=16.0,
            min=1.0,
            max=120.0,
            step=0.001,
            tooltip="Frames per second of the video, by which the sections' seconds are counted. Wan draws 16.",
        ),
        io.Int.Input(
            "frame_window",
            default=wan_chain.USUAL_WINDOW,
            min=5,
            max=1001,
            step=4,
            tooltip="The most frames that are drawn at once; a longer section takes several windows, as even as can be. "
            "81 is what Wan was trained on. Made 4n + 1 by rounding up.",
        ),
        io.Int.Input(
            "motion_frames",
            default=wan_chain.USUAL_MOTION,
            min=1,
            max=201,
            step=4,
            tooltip="Frames of the window before that the next one goes on from. 1 is as Wan was trained, 5 carry the "
            "movement on. Made 4n + 1 by rounding up.",
        ),
    ]


class WanI2VWindow(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaWanI2VWindow",
            display_name=wan_chain.NODE,
            category="Genga/conditioning",
            search_aliases=[
                "WanI2VWindow",
                "Wan sections",
                "long Wan video",
                "I2V chain",
                "extend video",
                "keyframe chain",
            ],
            description="A video of any length by a Wan image-to-video model: each window goes on from the last frames of "
            "the one before, and each section may have its prompt and a picture it ends with. Wire windows into Window "
            "Sampler, which matches the colours at the seams.",
            inputs=_inputs(),
            outputs=[
                WindowsType.Output(display_name="windows", tooltip="For Window Sampler and Continue Video."),
                io.Int.Output(display_name="frames", tooltip="Frames of the video."),
                io.Int.Output(display_name="windows_count", tooltip="How many windows that takes."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls, vae, start_image, width, height, length, fps, frame_window, motion_frames, clip_vision_output=None,
        sections=None,
    ) -> io.NodeOutput:  # fmt: skip
        chain, rate = section_room.check_chain(sections), check_fps(fps)
        report, frames = Report(cls), _frames(length)
        starts = [section_room.first_frame(each, rate) for each in chain]
        plan = planning.by_sections(frames, starts, frame_window, motion_frames)
        first = start_image[:1] if getattr(start_image, "ndim", 0) == 4 else start_image
        shown = wan_chain.WanChain(vae, width, height, frames, rate, first, chain, clip_vision_output)
        provider = wan_chain.check(shown)
        count = len(plan.windows)
        report.say(f"{frames} frames, {float(frames / rate):.2f} s, {count} window{'s' * (count > 1)}: {_sizes(plan)}")
        if frames != length:
            report.say(f"length {length}: {frames} frames used (Wan makes 4n + 1).")
        if start_image.shape[0] > 1:
            report.say(f"start_image: {start_image.shape[0]} pictures, the first is used.")
        told = partial(_told, chain, rate)
        for note in (*plan.notes, *told(plan)):
            report.say(note)
        report.fact(length=frames, width=width, height=height, fps=float(rate), windows=count, overlap=plan.overlap)
        windows = Windows(plan, provider, rate, notes=plan.notes, fits=_check_sees, told=told)
        return io.NodeOutput(windows, frames, count, ui=report.ui(genga_windows=(plan.facts(rate),)))


def _frames(length: int) -> int:
    if not 1 <= length <= LONGEST:
        raise InputError("length", f"{length} frames is outside 1 to {LONGEST}", "Give the frames of the whole video.")
    return round_length(length)


def _check_sees(model) -> None:
    """Raises for a model in the guider that cannot see the pictures of its windows."""
    guard.check_model(model, [[None, wan_chain.SHOWN]])


def _sizes(plan: planning.Plan) -> str:
    """The frames of the windows, those of a long video in short."""
    sizes = [str(window.frames) for window in plan.windows]
    return ", ".join(sizes if len(sizes) <= 8 else [*sizes[:7], "..."])


def _told(chain: section_room.Chain, rate, plan: planning.Plan) -> list[str]:
    return wan_chain.notes(chain, plan.windows, plan.length, rate)


NODES = [WanI2VWindow]
