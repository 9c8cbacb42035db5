"""Pictures out, and the settings of any saved file back in."""

from __future__ import annotations

import json
from pathlib import Path

import comfy.model_management
import comfy.utils
import folder_paths
from comfy_api.latest import io, ui

from .. import compat
from ..errors import InputError
from ..media import pictures, readback
from . import saving
from .report import Report

_UPLOADS = "genga"  # the folder below input that the page's drop target fills
# What a file that does not say a setting gives; the node tells which these are.
_DEFAULTS = {"prompt": "", "negative_prompt": "", "seed": 0, "steps": 20, "cfg": 1.0, "sampler_name": "euler",
             "scheduler": "simple"}  # fmt: skip


class SaveImage(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaSaveImage",
            display_name="Save Image (Genga)",
            category="Genga/output",
            search_aliases=["SaveImage", "save image", "export png", "save jpg"],
            description="Saves pictures as PNG or JPG with the workflow inside, the settings in the form other programs "
            "read, and a JSON beside each with every parameter: the drawn seed and the hashes of the models included. "
            "Drop the file on the page to get the workflow back. With --disable-metadata none of it is written.",
            inputs=[
                io.Image.Input("images", tooltip="The pictures, RGB; each of a batch becomes a file."),
                io.String.Input(
                    "filename_prefix",
                    default="image/image",
                    tooltip="Folder and name inside ComfyUI's output folder; date, time and ending are added, and "
                    "nothing is ever overwritten. %date:yyyy-MM-dd%, %width% and %height% are filled in.",
                ),
                io.Combo.Input(
                    "format", options=list(pictures.FORMATS), default="png",
                    tooltip="png: every pixel exactly, in 8 bits. jpg: a tenth of the size, with small losses.",
                ),
                io.Int.Input(
                    "quality", default=95, min=1, max=100,
                    tooltip="Of a jpg: 95 can hardly be told from the picture, 80 is small. A png has none.",
                ),
            ],
            outputs=[],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.unique_id],
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, filename_prefix=None) -> bool | str:
        return saving.name_problem(filename_prefix)

    @classmethod
    def execute(cls, images, filename_prefix, format="png", quality=95) -> io.NodeOutput:
        progress = comfy.utils.ProgressBar(len(images))

        def step(count: int) -> None:
            comfy.model_management.throw_exception_if_processing_interrupted()
            progress.update_absolute(count)

        saved = pictures.save(images, filename_prefix, format, quality, saving.origin(cls), step)
        shown = [ui.SavedResult(file.filename, file.subfolder, io.FolderType.output) for file in saved]
        return io.NodeOutput(ui={"images": shown, "animated": (False,)})


class ReadSettings(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaReadSettings",
            display_name="Read Settings",
            category="Genga/output",
            search_aliases=["ReadSettings", "read metadata", "png info", "load settings", "parameters"],
            description="Reads from a saved file how it was made: MP4, WebM, MKV, GIF, PNG or JPG, or the JSON beside. "
            "Files of ComfyUI and of programs that write the common parameters are read, too. To get the whole workflow "
            "back, drop the file on the page instead.",
            inputs=[
                io.Combo.Input(
                    "file", options=_listed(),
                    tooltip="A file in ComfyUI's input folder; drop one on the node to bring it there. Programs may name one "
                    "in the output folder: i2v/name.mp4 [output].",
                ),
            ],
            outputs=[
                io.String.Output(display_name="prompt", tooltip="The prompt, as it was written."),
                io.String.Output(display_name="negative", tooltip="The negative prompt."),
                io.Int.Output(display_name="seed", tooltip="The seed that was used, also where it was drawn."),
                io.Int.Output(display_name="steps", tooltip="The sampling steps."),
                io.Float.Output(display_name="cfg", tooltip="The CFG; of two experts, the high-noise one's."),
                io.AnyType.Output(display_name="sampler_name", tooltip="The sampler, for any input of samplers."),
                io.AnyType.Output(display_name="scheduler", tooltip="The scheduler, for any input of schedulers."),
                io.String.Output(
                    display_name="json",
                    tooltip="All the file says, as JSON: models and their hashes, versions, the workflow, and the prompt ready "
                    "to be queued again, with the drawn seed in place of -1.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, file=None) -> bool | str:
        try:
            if file is not None:
                _path(file)
        except InputError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, file):
        state = _path(file).stat()
        return f"{file}|{state.st_size}|{state.st_mtime_ns}"

    @classmethod
    def execute(cls, file) -> io.NodeOutput:
        found = readback.read(_path(file))
        said, report = readback.said(found), Report(cls)
        values = [said.get(name, default) for name, default in _DEFAULTS.items()]
        told = [f"{name} {said[name]}" for name in list(_DEFAULTS)[2:] if name in said]
        report.say(", ".join(told) or "The file names no settings.")
        missing = [name for name in _DEFAULTS if name not in said]
        if missing:
            report.say(f"Not in the file, so defaults are given: {', '.join(missing)}.")
        return io.NodeOutput(*values, json.dumps(readback.whole(found), ensure_ascii=False), ui=report.ui())


def _path(file: str) -> Path:
    """The file in the host's input folder, or in the one its name ends with: [output], [temp]."""
    name, base = folder_paths.annotated_filepath(file)
    root = Path(base or folder_paths.get_input_directory()).resolve()
    path = (root / name).resolve()
    if root not in path.parents:
        raise InputError("file", f"{file!r} leads out of ComfyUI's folders", "Put the file into its input folder.")
    if not path.is_file():
        raise InputError(
            "file", f"{file!r} is not there", "Put it into ComfyUI's input folder, or drop it on the node."
        )
    return path


def _listed() -> list[str]:
    """Files in the input folder that may say how they were made, and those dropped on the page."""
    root = Path(folder_paths.get_input_directory())
    found = [path for folder in (root, root / _UPLOADS) if folder.is_dir() for path in folder.iterdir()]
    files = [path for path in found if path.suffix.lower() in readback.ENDINGS and path.is_file()]
    return sorted(path.relative_to(root).as_posix() for path in files)


NODES = [SaveImage, ReadSettings]
