"""A finished video in another size, speed, length or colour: VIDEO in, VIDEO out, a few frames in memory."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import comfy.model_management
import comfy.utils
import torch
from comfy_api.latest import io

from .. import compat
from ..errors import InputError
from ..media import between, finishing, resizing
from ..media.color import METHODS, ColorTransfer, check_frames
from ..media.reel import Reel, open_reel
from ..media.upscaling import upscaled
from .color import DISABLED, STATISTICS
from .report import Report

JOINED = 8
_STEPS = 1000  # of the progress bar
_VIDEO = "The video. It is read a few frames at a time, so its length does not matter; its sound is kept."
_KEPT = "The new video, lossless, in ComfyUI's temp folder. Save it with Save Video (Genga)."


def _output() -> list:
    return [io.Video.Output(display_name="video", tooltip=_KEPT)]


class UpscaleVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaUpscaleVideo",
            display_name="Upscale Video",
            category="Genga/output",
            search_aliases=["UpscaleVideo", "upscale video", "super resolution", "enlarge video", "ESRGAN"],
            description="Enlarges a video of any length with an upscale model, frame by frame and in tiles, as Upscale "
            "Image (using Model) does. Memory does not grow with the length.",
            inputs=[
                io.Video.Input("video", tooltip=_VIDEO),
                io.UpscaleModel.Input(
                    "upscale_model",
                    tooltip="From Load Upscale Model. It alone says how many times larger the video gets; put Resize "
                    "Video behind for another size.",
                ),
            ],
            outputs=_output(),
        )

    @classmethod
    def execute(cls, video, upscale_model) -> io.NodeOutput:
        reel, report = open_reel(video), Report(cls)
        size = tuple(side * int(upscale_model.scale) for side in reel.size)
        _check_size(size, "upscale_model", "Use a smaller video or a model of a smaller factor.")
        step = progress_of(reel.count)
        frames = upscaled(reel.frames(), upscale_model, step)
        return _finished(finishing.changed(reel, frames, size), "upscaled", report, reel, step)


class ResizeVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaResizeVideo",
            display_name="Resize Video",
            category="Genga/output",
            search_aliases=["ResizeVideo", "resize video", "scale video", "crop video", "letterbox"],
            description="Brings a video of any length to another size. Memory does not grow with the length.",
            inputs=[
                io.Video.Input("video", tooltip=_VIDEO),
                io.Int.Input(
                    "width", default=1920, min=0, max=16384, tooltip="The new width; 0 follows from the height."
                ),
                io.Int.Input(
                    "height", default=1080, min=0, max=16384, tooltip="The new height; 0 follows from the width."
                ),
                io.Combo.Input(
                    "fit",
                    options=list(resizing.FITS),
                    default="crop",
                    tooltip="Where the shapes differ. crop: fill the size and cut around the centre. pad: fit inside, "
                    "black around. stretch: to the exact size, whatever becomes of the shape.",
                ),
                io.Combo.Input(
                    "method",
                    options=list(resizing.METHODS),
                    default="lanczos",
                    tooltip="How pixels are computed. lanczos: sharp, the usual choice. area: smooth, for much smaller "
                    "sizes. bicubic, bilinear: for larger sizes only. nearest-exact: hard pixels.",
                ),
            ],
            outputs=_output(),
        )

    @classmethod
    def execute(cls, video, width, height, fit="crop", method="lanczos") -> io.NodeOutput:
        reel, report = open_reel(video), Report(cls)
        strip = finishing.resized(reel, resizing.resizing(reel.size, width, height, fit, method))
        return _finished(strip, "resized", report, reel)


class ColorMatchVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaColorMatchVideo",
            display_name="Color Match Video",
            category="Genga/color",
            search_aliases=["ColorMatchVideo", "color match video", "color transfer", "color correction", "grade"],
            description="Gives a video of any length the colours of a picture, or those of its own first frame, by the "
            "methods of Color Match. Memory does not grow with the length.",
            inputs=[
                io.Video.Input("video", tooltip=_VIDEO),
                io.Combo.Input(
                    "method",
                    options=[DISABLED, *METHODS],
                    default="mkl",
                    tooltip="disabled: the video passes unchanged. mkl: means and covariances; smooth, the usual choice. "
                    "hm: each channel's histogram; strong, may band. reinhard: means and spreads of log colours. mvgd and "
                    "hm-mvgd-hm give mkl and hm-mkl-hm. mvgd-aligned: least squares against the same place of a reference "
                    "that shows the same scene at the same size.",
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
                    tooltip="per_frame: each frame by its own colours; evens out drift, and intended changes of light. "
                    "uniform: one change for all, from the colours of the whole video, which is read once more for it "
                    "(hm-mkl-hm: 3 times); cannot flicker. target_frame: one change for all, from the frame of "
                    "target_index.",
                ),
                io.Int.Input(
                    "target_index",
                    default=0,
                    min=0,
                    max=10_000_000,
                    tooltip="For statistics target_frame: the frame that shall match the reference; 0 is the first.",
                ),
                io.Image.Input(
                    "reference",
                    optional=True,
                    tooltip="The colours to take, any size; of several pictures their pooled colours. Not wired: the "
                    "video's first frame.",
                ),
            ],
            outputs=_output(),
        )

    @classmethod
    def execute(
        cls, video, method="mkl", strength=1.0, statistics="per_frame", target_index=0, reference=None
    ) -> io.NodeOutput:
        _check_match(method, strength, statistics)
        report = Report(cls)
        if method == DISABLED or strength == 0:
            reason = "method disabled" if method == DISABLED else "strength 0"
            report.say(f"{reason}: the video passes unchanged.")
            return io.NodeOutput(video, ui=report.ui())
        if reference is not None:
            check_frames(reference, "reference")
        reel = open_reel(video)
        colours = _frame(reel, 0) if reference is None else reference
        transfer = ColorTransfer.fit(colours, method)
        passes = transfer.passes if statistics == "uniform" else 0
        step = progress_of(reel.count * (1 + passes))
        if statistics == "uniform":
            transfer = transfer.with_film(_read_again(reel, step), _device())
        elif statistics == "target_frame":
            transfer = transfer.with_source(_frame(reel, target_index), device=_device())
        strip = finishing.matched(reel, transfer, strength, _device())
        return _finished(strip, "matched", report, reel, lambda frames: step(reel.count * passes + frames))


class ChangeFps(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaChangeFps",
            display_name="Change FPS",
            category="Genga/output",
            search_aliases=["ChangeFps", "change fps", "frame rate", "convert fps", "interpolate frames"],
            description="Another number of frames per second; the video stays as long as it was, and its sound in step. "
            "Frames are repeated, left out or mixed; no motion between them is invented. Memory does not grow with the "
            "length.",
            inputs=[
                io.Video.Input("video", tooltip=_VIDEO),
                io.Float.Input(
                    "fps",
                    default=24.0,
                    min=0.01,
                    max=240.0,
                    step=0.001,
                    round=0.001,
                    tooltip="Frames per second of the new video.",
                ),
                io.Combo.Input(
                    "motion",
                    options=list(finishing.MOTIONS),
                    default="nearest",
                    tooltip="nearest: each new frame is the old one nearest in time, untouched; 16 to 24 shows every second "
                    "one twice. blend: the two neighbours mixed by their distance; smoother, with double edges where "
                    "things move fast.",
                ),
            ],
            outputs=_output(),
        )

    @classmethod
    def execute(cls, video, fps, motion="nearest") -> io.NodeOutput:
        reel, report = open_reel(video), Report(cls)
        strip = finishing.retimed(reel, fps, motion)
        if reel.even and strip.rate == reel.rate:
            report.say(f"The video has {float(reel.rate):g} frames per second already: it passes unchanged.")
            return io.NodeOutput(video, ui=report.ui())
        return _finished(strip, "retimed", report)


class TrimVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaTrimVideo",
            display_name="Trim Video",
            category="Genga/output",
            search_aliases=["TrimVideo", "trim video", "cut video", "video slice"],
            description="Takes a stretch out of a video of any length, with its sound. Frames stay as they are.",
            inputs=[
                io.Video.Input("video", tooltip=_VIDEO),
                io.Combo.Input(
                    "unit",
                    options=list(finishing.UNITS),
                    default="frames",
                    tooltip="What start and length count. seconds are rounded to whole frames.",
                ),
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=-10_000_000.0,
                    max=10_000_000.0,
                    step=1.0,
                    round=0.001,
                    tooltip="Where the new video begins: 0 is the first frame; negative counts from the end, -16 keeps the "
                    "last 16 frames.",
                ),
                io.Float.Input(
                    "length",
                    default=0.0,
                    min=0.0,
                    max=10_000_000.0,
                    step=1.0,
                    round=0.001,
                    tooltip="How much is kept; 0 is to the end.",
                ),
            ],
            outputs=_output(),
        )

    @classmethod
    def execute(cls, video, unit="frames", start=0.0, length=0.0) -> io.NodeOutput:
        reel, report = open_reel(video), Report(cls)
        cut = finishing.cut_of(reel, unit, start, length)
        return _finished(finishing.trimmed(reel, cut), "trimmed", report, reel)


class JoinVideos(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        more = [
            io.Video.Input(f"video_{number}", optional=True, tooltip=f"Part {number}; like the others.")
            for number in range(3, JOINED + 1)
        ]
        return compat.schema(
            node_id="GengaJoinVideos",
            display_name="Join Videos",
            category="Genga/output",
            search_aliases=["JoinVideos", "join videos", "concatenate videos", "merge videos", "append video"],
            description="Videos of one size and frame rate one after the other, each with its own sound where it belongs. "
            "Frames stay as they are. Memory does not grow with the length.",
            inputs=[
                io.Video.Input("video_1", tooltip="The first part. Its size and frame rate are those of the whole."),
                io.Video.Input(
                    "video_2", tooltip="Part 2, of the same size and frame rate. Without sound, it is silent."
                ),
                *more,
            ],
            outputs=_output(),
        )

    @classmethod
    def execute(cls, video_1, video_2, **more) -> io.NodeOutput:
        given = {"video_1": video_1, "video_2": video_2, **more}
        reels = [open_reel(given[name], name) for name in sorted(given) if given[name] is not None]
        report = Report(cls)
        for reel in reels:
            _say_uneven(report, reel)
        return _finished(finishing.joined(reels), "joined", report)


def _check_size(size: tuple[int, int], name: str, remedy: str) -> None:
    if max(size) > resizing.MAX_SIDE:
        raise InputError(name, f"the video would be {size[0]}x{size[1]}; {resizing.MAX_SIDE} is the most", remedy)


def _check_match(method: str, strength: float, statistics: str) -> None:
    for name, value, known in (("method", method, (DISABLED, *METHODS)), ("statistics", statistics, STATISTICS)):
        if value not in known:
            raise InputError(name, f"{value!r} is unknown", f"Use one of {', '.join(known)}.")
    if not 0.0 <= strength <= 1.0:
        raise InputError("strength", f"{strength} is outside 0 to 1", "0 changes nothing, 1 matches fully.")


def _frame(reel: Reel, index: int) -> torch.Tensor:
    """One frame as [1,H,W,3]."""
    found = next(islice((frame for _, frame in reel.timed()), index, None), None) if index >= 0 else None
    if found is None:
        raise InputError("target_index", f"{index} lies outside {reel.count} frames", f"Use 0 to {reel.count - 1}.")
    return found[None]


def _read_again(reel: Reel, step: Callable[[float], None]):
    """The frames from the start each time it is called, with progress over all times together."""
    read = 0

    def chunks():
        nonlocal read
        for batch in reel.frames():
            yield batch
            read += len(batch)
            step(read)

    return chunks


def progress_of(total: int) -> Callable[[float], None]:
    """Called with the frames done: moves the bar, and raises where the person has pressed Cancel."""
    bar = comfy.utils.ProgressBar(_STEPS)

    def step(done: float) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        bar.update_absolute(int(_STEPS * done / total))

    return step


def _finished(
    strip: finishing.Strip, name: str, report: Report, reel: Reel | None = None, step: Callable | None = None
) -> io.NodeOutput:
    """Writes the strip and says what it is. reel: the source, where its times are not looked at."""
    if reel is not None:
        _say_uneven(report, reel)
    video = between.write(strip.frames, strip.rate, strip.sound, step or progress_of(strip.count), name)
    seconds = float(strip.count / strip.rate)
    size = f"{strip.size[0]}x{strip.size[1]}"
    report.say(f"{strip.count} frames of {size} at {float(strip.rate):g} fps, {seconds:.2f} s.")
    return io.NodeOutput(video, ui=report.ui())


def _say_uneven(report: Report, reel: Reel) -> None:
    if not reel.even:
        problem = f"{reel.name}: its frames are not evenly spaced; here they are, {float(reel.rate):g} a second"
        report.say(f"{problem}. Put Change FPS before this node to keep every moment in step with the sound.")


def _device() -> torch.device:
    """The GPU where it has float64 (CUDA, ROCm), or else the CPU."""
    device = comfy.model_management.get_torch_device()
    return device if device.type == "cuda" else torch.device("cpu")


NODES = [UpscaleVideo, ResizeVideo, ColorMatchVideo, ChangeFps, TrimVideo, JoinVideos]
