"""A character that follows a video, of any length: windows for WanAnimate."""

from __future__ import annotations

import math
from functools import partial

from comfy_api.latest import io

from .. import compat
from ..conditioning import animate, driver_checks
from ..conditioning import drivers as driving
from ..conditioning.drivers import BACKGROUND, FACES, MASK, POSE
from ..errors import InputError
from ..loaders import animate_patch
from ..samplers.windows import plan as planning
from ..samplers.windows.provider import Windows
from .report import Report
from .talking import LONGEST, WindowsType

_NAMES = ("frame_window", "overlap")


def _picture_inputs() -> list:
    film = [io.Image, io.Video]
    return [
        io.Model.Input("model", tooltip="A Wan2.2 Animate model."),
        io.Vae.Input("vae", tooltip="The Wan 2.1 VAE."),
        io.Image.Input("reference_image", tooltip="The character: one picture."),
        io.ClipVisionOutput.Input(
            "clip_vision_output", optional=True, tooltip="The reference through CLIP vision (clip_vision_h)."
        ),
        io.MultiType.Input(
            "pose_video",
            types=film,
            optional=True,
            tooltip="The pose, drawn on black (DWPose or ViTPose). A VIDEO is read as it is needed; a batch of images "
            "lies in memory.",
        ),
        io.MultiType.Input(
            "face_video",
            types=film,
            optional=True,
            tooltip="The face cut out of the driving video, square, as photographs: not landmarks drawn on black.",
        ),
        io.MultiType.Input(
            "background_video",
            types=film,
            optional=True,
            tooltip="Replacement: the scene, with the old character blacked out. Goes with character_mask.",
        ),
        io.MultiType.Input(
            "character_mask",
            types=[io.Mask, io.Image, io.Video],
            optional=True,
            tooltip="Replacement: white where the character goes. Goes with background_video. One mask holds for all "
            "frames; a black and white VIDEO is read as it is needed.",
        ),
    ]


def _number_inputs() -> list:
    strength = {"default": 1.0, "min": animate_patch.LOWEST, "max": animate_patch.HIGHEST, "step": 0.05}
    return [
        io.Int.Input("width", default=832, min=16, max=16384, step=16, tooltip="Multiple of 16."),
        io.Int.Input("height", default=480, min=16, max=16384, step=16, tooltip="Multiple of 16."),
        io.Int.Input(
            "length",
            default=0,
            min=0,
            max=LONGEST,
            tooltip="Frames. 0: as long as the pose video (else the face video).",
        ),
        io.Int.Input(
            "frame_window",
            default=animate.TRAINED_WINDOW,
            min=5,
            max=1001,
            step=4,
            tooltip="Frames drawn at once. 77 is what the model was trained on. Made 4n + 1 by rounding up.",
        ),
        io.Int.Input(
            "overlap",
            default=5,
            min=1,
            max=9,
            step=4,
            tooltip="Frames of the window before that the next one goes on from: 1, 5 or 9. Trained with 1 and 5.",
        ),
        io.Float.Input(
            "pose_strength", **strength, tooltip="0 ignores the pose, 1 is trained, 2 and more strengthens."
        ),
        io.Float.Input(
            "face_strength", **strength, tooltip="0 ignores the face, 1 is trained, 2 and more strengthens."
        ),
        io.Float.Input(
            "fps",
            default=0.0,
            min=0.0,
            max=1000.0,
            step=0.001,
            optional=True,
            tooltip="Frames per second of the video; the drivers are resampled to it by time. 0: as the driving VIDEO; "
            "batches of images do not know theirs and count as 30, which the model was trained on.",
        ),
        io.Combo.Input(
            "fit",
            options=list(driving.FITS),
            default="crop",
            optional=True,
            tooltip="Reference and drivers of another shape. crop: the middle is cut out. pad: black bars, as the "
            "model's own preprocessing does. The face is always cropped to a square.",
        ),
        compat.advanced(
            io.Float.Input(
                "batch_fps",
                default=0.0,
                min=0.0,
                max=1000.0,
                step=0.001,
                optional=True,
                tooltip="Frames per second of drivers that are batches of images. 0: the same as the video's.",
            )
        ),
        compat.advanced(
            io.Float.Input(
                "driver_start",
                default=0.0,
                min=0.0,
                max=360000.0,
                step=0.01,
                optional=True,
                tooltip="Seconds passed over at the beginning of the drivers: to go on where an earlier video ended.",
            )
        ),
    ]


class WanAnimatePose(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaWanAnimatePose",
            display_name="WanAnimate Windows",
            category="Genga/conditioning",
            search_aliases=["WanAnimatePose", "WanAnimate", "animate", "pose", "face", "character replacement"],
            description="A character follows a driving video, as long as that is and in constant memory: pose and face "
            "animate the reference picture; background and mask put it into a scene. Wire model into a guider and "
            "windows into Window Sampler.",
            inputs=[*_picture_inputs(), *_number_inputs()],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The model with the two strengths. For the guider."),
                WindowsType.Output(display_name="windows", tooltip="For Window Sampler."),
                io.Int.Output(display_name="frames", tooltip="Frames of the video."),
                io.Int.Output(display_name="windows_count", tooltip="How many windows that takes."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls, model, vae, reference_image, width, height, length, frame_window, overlap, pose_strength, face_strength,
        clip_vision_output=None, pose_video=None, face_video=None, background_video=None, character_mask=None,
        fps=0.0, fit="crop", batch_fps=0.0, driver_start=0.0,
    ) -> io.NodeOutput:  # fmt: skip
        _check_numbers(length, overlap, fps, batch_fps, driver_start)
        planning.make(max(1, length), frame_window, overlap, names=_NAMES)  # bad numbers show before a film is read
        model = animate_patch.follow(model, pose_strength, face_strength)
        wired = {POSE: pose_video, FACES: face_video, BACKGROUND: background_video, MASK: character_mask}
        driven, rate, notes = driving.drivers(wired, fps, batch_fps, driver_start)
        length = driving.length_of(driven, length)
        plan = planning.make(length, frame_window, overlap, names=_NAMES)
        reference, more = animate.first_picture(reference_image)
        used = _used(driven, pose_strength, face_strength)
        provider = animate.check(animate.Animate(vae, width, height, reference, used, clip_vision_output, fit))
        report = Report(cls)
        report.say(_headline(plan, rate, driven))
        for note in (*plan.notes, *animate.advice(plan.window, plan.overlap), *notes, *more):
            report.say(note)
        for each in used.values():
            size = (driving.FACE, driving.FACE, "crop") if each.name == FACES else (width, height, fit)
            report.say(driving.account(each, length, *size))
        for note in _warnings(driven, used, length, report):
            report.say(note)
        count = len(plan.windows)
        if not (POSE in used or FACES in used or BACKGROUND in used):
            report.say("nothing drives the character: wire pose_video, face_video or both.")
        fits = partial(animate_patch.check_guided, pose_strength, face_strength)
        windows = Windows(plan, provider, rate, notes=plan.notes, fits=fits)
        report.fact(length=length, width=width, height=height, fps=float(rate), windows=count, overlap=plan.overlap)
        return io.NodeOutput(model, windows, length, count, ui=report.ui(genga_windows=(plan.facts(rate),)))


def _check_numbers(length: int, overlap: int, fps: float, batch_fps: float, driver_start: float) -> None:
    if not 0 <= length <= LONGEST:
        raise InputError("length", f"{length} frames is outside 0 to {LONGEST}", "0 is as long as the pose video.")
    if not 1 <= overlap <= animate.OVERLAPS[-1]:
        raise InputError("overlap", f"{overlap} frames is outside 1 to 9", "Use 1, 5 or 9.")
    for name, value in (("fps", fps), ("batch_fps", batch_fps), ("driver_start", driver_start)):
        if not (math.isfinite(value) and value >= 0):
            raise InputError(name, f"{value} is below 0 or no number", "0 is the default.")


def _used(driven: dict, pose_strength: float, face_strength: float) -> dict:
    """Without what a strength of 0 makes absent: it need not be read, and the face encoder is slow."""
    idle = {POSE: pose_strength == 0, FACES: face_strength == 0}
    return {name: each for name, each in driven.items() if not idle.get(name, False)}


def _headline(plan: planning.Plan, rate, driven: dict) -> str:
    count = len(plan.windows)
    shared = f" ({plan.overlap} shared)" if count > 1 else ""
    mode = "replacement" if BACKGROUND in driven or MASK in driven else "animation"
    frames = f"{plan.length} frames at {float(rate):g} a second"
    return f"{mode}: {frames}, {count} window{'s' * (count > 1)} of {plan.window}{shared}"


def _warnings(driven: dict, used: dict, length: int, report: Report) -> list[str]:
    told = [f"{name}: strength 0, not used." for name in driven if name not in used]
    told += driver_checks.inspect(used, length)
    if MASK in used and used[MASK].count > 1:
        told.append(f"{MASK}: each frame has its own rows here; the host's node writes them three frames early.")
    return told + driver_checks.relight_note(driven, driver_checks.relighting(report.prompt, report.node_id))


NODES = [WanAnimatePose]
