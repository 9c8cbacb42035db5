"""Long video by windows: the node that samples them, and the one that goes on from a clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from comfy_api.latest import InputImpl, io, ui

from .. import compat, places, tiles
from ..conditioning.direct import check_vae
from ..errors import InputError
from ..media import naming
from ..media.growing import GrowingVideo
from ..media.pieces import Pieces, ends_of, save_pieces
from ..media.segments import SegmentWriter
from ..media.soundtrack import check_audio
from ..media.video import check_crf
from ..samplers import noise
from ..samplers.checks import check_choice
from ..samplers.windows import checks, engine, fingerprint, plan
from ..samplers.windows.finish import COLORS, OVERLAP, Colour
from ..samplers.windows.progress import Progress
from ..samplers.windows.provider import Carried
from ..samplers.windows.store import Store
from . import saving, seeds
from .report import Report

Windows = io.Custom("GENGA_WINDOWS")
_RESULT_WIRES = ("guider", "sampler", "sigmas", "vae")  # what the store's keys follow in the graph


def _finish_inputs() -> list:
    return [
        io.Combo.Input(
            "color_match",
            options=list(COLORS),
            default=OVERLAP,
            tooltip="Against colours that drift from window to window. overlap: gain and offset that undo what a trip "
            "through the VAE changes, measured on the frames two windows share; leaves content alone. disabled: as the "
            "model draws. mkl, hm, reinhard and so on: each window's colours become those of the video's first frame "
            "(see Color Match), so changes of scene and light are undone, too.",
        ),
        io.Float.Input(
            "color_strength",
            default=1.0,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip="0: off, 0.5: light, 1: full. The first window is never changed.",
        ),
        io.Int.Input(
            "seam_blend",
            default=0,
            min=0,
            max=256,
            tooltip="Frames of cross-fade where two windows meet, at most the frames they share. 0: a straight cut, as in "
            "the reference. Another number makes all windows anew.",
        ),
        io.String.Input(
            "filename_prefix",
            default="i2v/i2v_infinitetalk",
            tooltip="Folder and name inside ComfyUI's output folder; date, time and .mp4 are added, and nothing is ever "
            "overwritten.",
        ),
        io.Boolean.Input(
            "resume",
            default=True,
            tooltip="On: finished windows are taken from the store where nothing they depend on has changed, so a "
            "cancelled run goes on where it stopped, and a change in window 7 makes only the windows from there on. Off: "
            "all are made anew.",
        ),
        io.Audio.Input(
            "audio",
            optional=True,
            tooltip="Sound for the file, in place of the one the windows bring along. Longer sound is cut.",
        ),
    ]


def _store_inputs() -> list:
    return [
        io.Int.Input(
            "crf",
            default=16,
            min=0,
            max=51,
            optional=True,
            tooltip="Constant rate factor of the file: 0 is the largest, 16 can hardly be told from the frames, 23 is small. "
            "Another number makes all windows anew.",
        ),
        io.Float.Input(
            "store_gb",
            default=20.0,
            min=0.0,
            max=100000.0,
            step=1.0,
            optional=True,
            tooltip="Gigabytes that finished windows may take in ComfyUI's user folder; the longest unused go first, "
            "never those of this run.",
        ),
        io.Float.Input(
            "store_days",
            default=14.0,
            min=0.0,
            max=3650.0,
            step=1.0,
            optional=True,
            tooltip="Days after which an unused window goes.",
        ),
        io.Combo.Input(
            "tiled_vae",
            options=list(tiles.MODES),
            default="auto",
            optional=True,
            tooltip="How windows are decoded. auto: whole where ComfyUI's own estimate fits the memory that can be free, "
            "else in the largest tiles that do; the node says which. on: in tiles of 512 pixels, to leave memory to others. "
            "off: whole; ComfyUI itself takes small tiles if that runs out of memory. Tiles overlap by 128 pixels and are "
            "mixed there; they differ slightly from the whole.",
        ),
    ]


class WindowSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaWindowSampler",
            display_name="Window Sampler",
            category="Genga/sampling",
            search_aliases=[
                "WindowSampler",
                "long video",
                "InfiniteTalk sampler",
                "infinite length",
                "windowed sampler",
            ],
            description="Samples, decodes and saves a video of any length, window by window, with any guider, sampler and "
            "schedule. Memory does not grow with the length; finished windows are kept, and a cancelled run goes on where "
            "it stopped.",
            inputs=[
                io.Guider.Input("guider", tooltip="CFGGuider, BasicGuider, Audio Guider, Expert Guider, or another."),
                io.Sampler.Input("sampler", tooltip="Any SAMPLER. InfiniteTalk's reference uses euler."),
                io.Sigmas.Input("sigmas", tooltip="Any schedule that starts at full noise (denoise 1)."),
                io.Vae.Input("vae", tooltip="The Wan 2.1 VAE."),
                Windows.Input("windows", tooltip="From InfiniteTalk Windows, or a node like it."),
                seeds.seed_input(
                    "Window k starts from the noise of seed + k. The same seed goes on with a run that was cut short; -1 draws "
                    "a new one each time, and reports it."
                ),
                *_finish_inputs(),
                *(compat.advanced(item) for item in _store_inputs()),
            ],
            outputs=[
                io.Video.Output(display_name="video", tooltip="The saved file."),
                io.Image.Output(display_name="last_frames", tooltip="The last frames, as many as two windows share."),
                io.Latent.Output(display_name="latent", tooltip="The last window's latent."),
                io.Int.Output(display_name="frames", tooltip="How many frames the video has."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, seed=None, **_others):
        return seeds.fresh(seed)

    @classmethod
    def validate_inputs(cls, filename_prefix=None) -> bool | str:
        return saving.name_problem(filename_prefix)

    @classmethod
    def execute(
        cls, guider, sampler, sigmas, vae, windows, seed, color_match=OVERLAP, color_strength=1.0, seam_blend=0,
        filename_prefix="i2v/i2v_infinitetalk", resume=True, audio=None, crf=16, store_gb=20.0, store_days=14.0,
        tiled_vae="auto",
    ) -> io.NodeOutput:  # fmt: skip
        report, origin = Report(cls), saving.origin(cls)
        check_vae(vae)
        checks.check_run(guider, sampler, sigmas, vae, windows)
        colour = Colour(color_match, color_strength)
        checks.check_finish(windows, colour, seam_blend)
        naming.check_prefix(filename_prefix)
        saving.check_limits(store_gb, store_days)
        check_choice("tiled_vae", tiled_vae, tiles.MODES)
        windows = windows if audio is None else replace(windows, audio=audio)
        if windows.audio is not None:
            check_audio(windows.audio)
        for note in dict.fromkeys((*windows.plan.notes, *windows.notes)):
            report.say(note)
        _say_tiles(report, vae, windows, tiled_vae)
        drawn = seeds.drawn(report, seed)
        if seed == noise.RANDOM:
            report.say("Give this seed, in place of -1, to go on with a run that was cut short.")
        job = engine.Job(
            guider, sampler, sigmas, vae, windows, drawn, colour, seam_blend, check_crf(crf),
            resume=resume, lineage=fingerprint.lineage(origin.prompt, origin.node_id, _RESULT_WIRES),
            tiled=tiled_vae,
        )  # fmt: skip
        tell = Progress(len(windows.plan.windows), job.steps, report.hint)
        with saving.store(store_gb, store_days) as store:
            result = engine.run(job, store, tell, _open_segment, _watched(report, windows))
            _say(report, job, result, store, store_gb)
            saved, notes = save_pieces(_pieces(job, result), filename_prefix, origin, lambda _frames: tell.check())
        for note in notes:
            report.say(note)
        seconds = f"{saved.duration:.2f} s"
        report.say(f"{saved.file.filename}: {saved.frames} frames at {float(windows.fps):g} fps, {seconds}.")
        shown = ui.PreviewVideo([ui.SavedResult(saved.file.filename, saved.file.subfolder, io.FolderType.output)])
        return io.NodeOutput(
            InputImpl.VideoFromFile(str(saved.file.path)), result.carried.frames,
            {"samples": result.carried.latent}, saved.frames, ui={**shown.as_dict(), **report.ui()},
        )  # fmt: skip


def _say_tiles(report: Report, vae, windows, mode: str) -> None:
    """Says where windows are not decoded whole. The free memory is looked at again before every one of them."""
    latents = max(window.latents for window in windows.plan.windows)
    scale = vae.spacial_compression_encode()
    shape = (1, 16, latents, windows.provider.height // scale, windows.provider.width // scale)
    chosen = tiles.for_decode(vae, shape, mode)
    if chosen.tile:
        report.say(f"Windows are {tiles.explain('decoded', chosen)}")


def _watched(report: Report, windows) -> Callable:
    """Shows the windows that are done on the node, as a video that grows; nothing where no page follows the run."""
    if not report.watched():
        return lambda _segments: None
    count = len(windows.plan.windows)

    def told(path: Path, first: int, last: int) -> None:
        file = {"filename": path.name, "subfolder": "", "type": "temp"}
        report.event("genga.windows", **file, **{"from": first + 1, "to": last + 1, "of": count})

    return GrowingVideo(places.temp(), windows.fps, told)


def _open_segment(path, fps, crf):
    return SegmentWriter(path, fps, crf=crf)


def _pieces(job: engine.Job, result: engine.Result) -> Pieces:
    windows = job.windows
    size = windows.provider.width, windows.provider.height
    return Pieces(result.segments, size, windows.fps, result.frames, job.crf, windows.audio)


def _say(report: Report, job: engine.Job, result: engine.Result, store: Store, limit: float) -> None:
    """What became of the windows, on the node and in the file's metadata."""
    count = len(job.windows.plan.windows)
    for note in store.notes:
        report.say(note)
    reused = f", {result.reused} of them from the store" if result.reused else ""
    used = store.used()
    report.say(f"{count} window{'s' * (count != 1)}, {result.frames} frames{reused}.")
    report.say(f"Stored windows: {used / saving.GB:.1f} of {limit:g} GB.")
    report.fact(
        windows=count,
        reused=result.reused,
        frames=result.frames,
        window=job.windows.plan.window,
        overlap=job.windows.plan.overlap,
        continued=job.windows.plan.continued,
        fps=float(job.windows.fps),
        crf=job.crf,
        color_match=job.colour.method,
        color_strength=job.colour.strength,
        seam_blend=job.blend,
        tiled_vae=job.tiled,
    )


class ContinueVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaContinueVideo",
            display_name="Continue Video",
            category="Genga/conditioning",
            search_aliases=["ContinueVideo", "extend video", "continue from video", "last frames"],
            description="Lets the windows of any window node go on from the end of a clip. Their video then holds the new "
            "frames only: the clip itself is not copied into it.",
            inputs=[
                Windows.Input("windows", tooltip="The windows of the part that follows, with the sound of that part."),
                io.Video.Input(
                    "video",
                    tooltip="The clip to go on from: its last frames are carried over, its first is the reference of colour. "
                    "It must have the windows' size and frame rate.",
                ),
            ],
            outputs=[Windows.Output(display_name="windows", tooltip="For Window Sampler: the new frames only.")],
        )

    @classmethod
    def execute(cls, windows, video) -> io.NodeOutput:
        checks.check_windows(windows)
        report = Report(cls)
        continued = plan.continuing(windows.plan)
        ends = ends_of(video, max(continued.overlap, 1))
        _check_clip(ends, windows)
        carried = Carried(ends.last, None, ends.first)
        count = len(continued.windows)
        report.say(
            f"Goes on after {ends.count} frames; the new video holds {continued.length} new ones in {count} "
            f"window{'s' * (count > 1)}. Each begins {continued.overlap} frames earlier than in a video of its own."
        )
        for note in windows.told(continued) if windows.told else ():
            report.say(note)
        return io.NodeOutput(replace(windows, plan=continued, carried=carried), ui=report.ui())


def _check_clip(ends, windows) -> None:
    """Raises where the clip is of another size or rate than the windows, or too short to go on from."""
    height, width = ends.first.shape[1:3]
    size = windows.provider.width, windows.provider.height
    if (width, height) != size:
        problem = f"it is {width}x{height}, the windows are {size[0]}x{size[1]}"
        raise InputError("video", problem, "Set the window node's width and height to the video's, or scale the video.")
    if abs(float(ends.fps) - float(windows.fps)) > 1e-3:
        problem = f"it has {float(ends.fps):g} frames per second, the windows {float(windows.fps):g}"
        raise InputError("video", problem, f"Convert it to {float(windows.fps):g} frames per second.")
    if ends.last.shape[0] < windows.plan.overlap:
        problem = f"it has {ends.last.shape[0]} frames, and {windows.plan.overlap} are carried over"
        raise InputError("video", problem, "Give a longer clip, or carry over fewer frames.")


NODES = [WindowSampler, ContinueVideo]
