"""Videos out: the file, its metadata, and the preview on the node."""

from __future__ import annotations

from pathlib import PurePosixPath

import comfy.model_management
import comfy.utils
from comfy_api.latest import InputImpl, Types, io, ui

from .. import compat
from ..errors import InputError
from ..media import formats, gif, record
from ..media.save import Clip, clip_of_images, clip_of_video, save
from ..media.soundtrack import check_audio
from . import saving
from .report import Report

_BIG_GIF = 20_000_000  # bytes; pages and chats refuse about here
_SHOWN_FRAMES = 12  # of a sequence, on the node

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
            tooltip="Sound from the first frame on; it takes the place of the video's own. Longer sound is cut where "
            "the video ends; after shorter sound the video is silent. gif and png-sequence have none.",
        ),
        io.String.Input(
            "filename_prefix",
            default="i2v/i2v_standard",
            tooltip="Folder and name inside ComfyUI's output folder; date, time and ending are added, and "
            "nothing is ever overwritten. %date:yyyy-MM-dd%, %width% and %height% are filled in.",
        ),
        io.Combo.Input(
            "format",
            options=list(formats.FORMATS),
            default="mp4",
            tooltip="mp4: H.264, played everywhere. webm: VP9, smaller, slower to write. webm-av1: AV1, the smallest. gif: "
            "256 colours, no sound, large. png-sequence: a folder of frames. mkv-lossless: FFV1, every frame exactly as it "
            "is in 8 bits, for further work; browsers do not play it.",
        ),
        io.Int.Input(
            "crf",
            default=16,
            min=0,
            max=formats.WORST_CRF,
            tooltip="Constant rate factor of mp4 and webm: 0 loses nothing but colour detail (4:2:0), is large, and not "
            "for every player; 16 can hardly be told from the frames, 23 is small, 51 and more the worst. webm counts to "
            "63, so 16 becomes 20 there.",
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
            search_aliases=["SaveVideo", "save video", "export mp4", "video combine", "webm", "gif", "image sequence"],
            description="Saves frames or a video as MP4, WebM, GIF, PNG files or lossless MKV with true colours (BT.709), "
            "the workflow inside, and a JSON beside it with every parameter: the drawn seed, the real number of frames and "
            "the hashes of the models included. Drop the file on the page to get the workflow back. With "
            "--disable-metadata neither is written.",
            inputs=_inputs(),
            outputs=[io.Video.Output(display_name="video", tooltip="The saved file.")],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, filename_prefix=None, format=None, images=_UNWIRED, video=_UNWIRED) -> bool | str:
        """Before anything runs: what is wrong here should not be found after an hour of sampling."""
        try:
            if format is not None:
                formats.by_name(format).encoder()
            check_one_source(images is not _UNWIRED, video is not _UNWIRED)
        except InputError as error:
            return str(error)
        return saving.name_problem(filename_prefix)

    @classmethod
    def execute(
        cls, filename_prefix, format="mp4", crf=16, fps=16.0, images=None, video=None, audio=None
    ) -> io.NodeOutput:
        check_one_source(images is not None, video is not None)
        form = formats.by_name(format)
        form.encoder()
        if audio is not None:
            check_audio(audio)
        clip = clip_of_video(video, audio) if images is None else clip_of_images(images, fps, audio)
        progress, report = comfy.utils.ProgressBar(clip.count), Report(cls)
        warn(report, form, clip)

        def step(frames: int) -> None:
            comfy.model_management.throw_exception_if_processing_interrupted()
            progress.update_absolute(frames)

        saved = save(clip, filename_prefix, formats.check_crf(crf), saving.origin(cls), step, form)
        out = InputImpl.VideoFromFile(str(saved.file.path)) if form.extension else video or _components(clip)
        return io.NodeOutput(out, ui=_tell(report, saved, clip, form))


def check_one_source(has_images: bool, has_video: bool) -> None:
    """Raises InputError unless exactly one of the two is wired."""
    if has_images == has_video:
        problem = "both are wired" if has_images else "neither is wired"
        raise InputError("images, video", problem, "Wire either images or video.")


def warn(report: Report, form: formats.Format, clip: Clip) -> None:
    """What a person should know before the frames are encoded."""
    if form.name == "gif":
        size = gif.likely_size(clip.size, clip.count)
        if size > _BIG_GIF:
            remedy = "webm is about a tenth of it; or use fewer, smaller frames."
            report.say(f"{clip.count} frames of {_by(clip.size)} make a GIF of about {_mega(size)}: {remedy}")
    if form.sound is None and clip.audio is not None:
        report.say(f"A {form.says} has no sound: it is left out.")


def _components(clip: Clip):
    """The frames as a VIDEO, where no one file holds them."""
    (images,) = clip.frames
    return InputImpl.VideoFromComponents(Types.VideoComponents(images=images, audio=clip.audio, frame_rate=clip.fps))


def _tell(report: Report, saved, clip, form: formats.Format) -> dict:
    """What was written, as the page can show it, and what there is to say."""
    file = saved.file
    size, seconds = _by(saved.size), f"{saved.duration:.2f} s"
    weight = f", {_mega(file.path.stat().st_size)}" if form.extension else ""
    report.say(f"{file.filename}: {saved.frames} frames of {size} at {float(clip.fps):g} fps, {seconds}{weight}.")
    if saved.padded:
        report.say(f"The frames are {_by(saved.padded)}; {form.says} needs even sizes, so the edge is repeated.")
    if not form.played:
        report.say("Browsers do not play this format; Load Video and video editors do.")
    for length in planned_lengths(report.prompt, report.node_id):
        if saved.frames > length and saved.frames % length == 0:
            several = saved.frames // length
            report.say(f"These are {several} videos of {length} frames, one after the other (a batch of {several}).")
    return {**_shown(saved, form), **(report.ui() or {})}


def _shown(saved, form: formats.Format) -> dict:
    """The player on the node, as the host's own Save Video shows it; pictures for what no browser plays as a video.

    ``files`` names what a browser cannot show, for programs that read the history.
    """
    file, kind = saved.file, io.FolderType.output
    result = ui.SavedResult(file.filename, file.subfolder, kind)
    if form.name == "gif":
        return {"images": [result], "animated": (False,)}
    if not form.extension:
        names = sorted(path.name for path in file.path.iterdir())
        folder = (PurePosixPath(file.subfolder) / file.filename).as_posix()
        some = names[:: -(-len(names) // _SHOWN_FRAMES)]
        shown = [ui.SavedResult(name, folder, kind) for name in some]
        return {"images": shown, "animated": (False,), "files": [ui.SavedResult(name, folder, kind) for name in names]}
    return ui.PreviewVideo([result]).as_dict() if form.played else {"files": [result]}


def planned_lengths(prompt: dict | None, node_id: str | None) -> set[int]:
    """The lengths that the conditioning nodes upstream placed their pictures for; none for a video, which may have been
    cut or joined since."""
    if "video" in ((prompt or {}).get(node_id) or {}).get("inputs", {}):
        return set()
    return {facts["length"] for facts in record.facts_for(prompt, node_id).values() if "length" in facts}


def _mega(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


NODES = [SaveVideo]
