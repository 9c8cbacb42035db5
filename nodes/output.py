"""Videos out: the file, its metadata, and the preview on the node."""

from __future__ import annotations

import comfy.model_management
import comfy.utils
from comfy_api.latest import InputImpl, io, ui

from .. import compat
from ..errors import InputError
from ..media import naming, record
from ..media.save import Origin, clip_of_images, clip_of_video, save
from ..media.soundtrack import check_audio
from ..media.video import check_crf
from .report import Report

# Of inputs left unwired the host tells a check nothing at all; for wired ones it passes None.
_UNWIRED = object()


def _inputs() -> list:
    return [
        io.Image.Input("images", optional=True, tooltip="The frames, RGB. Wire either these or a video."),
        io.Video.Input(
            "video",
            optional=True,
            tooltip="A video to save, instead of images. It is encoded anew with crf and keeps its own frame "
            "rate and sound.",
        ),
        io.Audio.Input(
            "audio",
            optional=True,
            tooltip="Sound from the first frame on, saved as AAC; it takes the place of the video's own. "
            "Longer sound is cut where the video ends; after shorter sound the video is silent.",
        ),
        io.String.Input(
            "filename_prefix",
            default="i2v/i2v_standard",
            tooltip="Folder and name inside ComfyUI's output folder; date, time and .mp4 are added, and "
            "nothing is ever overwritten. %date:yyyy-MM-dd%, %width% and %height% are filled in.",
        ),
        io.Combo.Input("format", options=["mp4"], default="mp4", tooltip="mp4: H.264 with AAC sound."),
        io.Int.Input(
            "crf",
            default=16,
            min=0,
            max=51,
            tooltip="Constant rate factor: 0 loses nothing but colour detail (4:2:0), is large, and not for every "
            "player; 16 can hardly be told from the frames, 23 is small, 51 the worst.",
        ),
        io.Float.Input(
            "fps",
            default=16.0,
            min=0.01,
            max=240.0,
            step=0.001,
            round=0.001,
            tooltip="Frames per second for images: 16 for Wan, 8 and 24 are the other common rates. A wired "
            "video keeps its own rate.",
        ),
    ]


class SaveVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaSaveVideo",
            display_name="Save Video (Genga)",
            category="Genga/output",
            search_aliases=["SaveVideo", "save video", "export mp4", "video combine"],
            description="Saves frames or a video as MP4 with true colours (BT.709), the workflow inside, and a "
            "JSON beside it with every parameter: the drawn seed and the real number of frames included. Drop the "
            "MP4 on the page to get the workflow back. With --disable-metadata neither is written.",
            inputs=_inputs(),
            outputs=[io.Video.Output(display_name="video", tooltip="The saved file.")],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, filename_prefix=None, images=_UNWIRED, video=_UNWIRED) -> bool | str:
        """Before anything runs: what is wrong here should not be found after an hour of sampling."""
        try:
            check_one_source(images is not _UNWIRED, video is not _UNWIRED)
            if filename_prefix is not None:
                naming.check_prefix(filename_prefix)
        except InputError as error:
            return str(error)
        return True

    @classmethod
    def execute(
        cls, filename_prefix, format="mp4", crf=16, fps=16.0, images=None, video=None, audio=None
    ) -> io.NodeOutput:
        check_one_source(images is not None, video is not None)
        if format != "mp4":
            raise InputError("format", f"{format!r} is not known", "Choose mp4.")
        if audio is not None:
            check_audio(audio)
        clip = clip_of_video(video, audio) if images is None else clip_of_images(images, fps, audio)
        progress = comfy.utils.ProgressBar(clip.count)

        def step(frames: int) -> None:
            comfy.model_management.throw_exception_if_processing_interrupted()
            progress.update_absolute(frames)

        saved = save(clip, filename_prefix, check_crf(crf), _origin(cls), step)
        return io.NodeOutput(InputImpl.VideoFromFile(str(saved.file.path)), ui=_tell(cls, saved, clip))


def check_one_source(has_images: bool, has_video: bool) -> None:
    """Raises InputError unless exactly one of the two is wired."""
    if has_images == has_video:
        problem = "both are wired" if has_images else "neither is wired"
        raise InputError("images, video", problem, "Wire either images or video.")


def _origin(cls) -> Origin:
    """What the host told; nothing when the node is called from code."""
    hidden = getattr(cls, "hidden", None)
    return Origin(*(getattr(hidden, name, None) for name in ("prompt", "extra_pnginfo", "unique_id")))


def _tell(cls, saved, clip) -> dict:
    """The player on the node, as the host's own Save Video shows it, and what there is to say."""
    report = Report(cls)
    file = saved.file
    size, seconds = _by(saved.size), f"{saved.duration:.2f} s"
    report.say(f"{file.filename}: {saved.frames} frames of {size} at {float(clip.fps):g} fps, {seconds}.")
    if saved.padded:
        report.say(f"The frames are {_by(saved.padded)}; H.264 needs even sizes, so the edge is repeated.")
    for length in planned_lengths(report.prompt, report.node_id):
        if saved.frames > length and saved.frames % length == 0:
            several = saved.frames // length
            report.say(f"These are {several} videos of {length} frames, one after the other (a batch of {several}).")
    result = ui.SavedResult(file.filename, file.subfolder, io.FolderType.output)
    return {**ui.PreviewVideo([result]).as_dict(), **(report.ui() or {})}


def planned_lengths(prompt: dict | None, node_id: str | None) -> set[int]:
    """The lengths that the conditioning nodes upstream placed their pictures for."""
    return {facts["length"] for facts in record.facts_for(prompt, node_id).values() if "length" in facts}


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


NODES = [SaveVideo]
