"""Latents to files and back, with their place in time; and latents joined by it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from comfy_api.latest import io

from .. import compat
from ..conditioning.latent_place import KEEPS, MOST_FRAMES, Place, join, place_of, placed, samples_of
from ..errors import InputError
from ..loaders import latents
from ..loaders.framepack import latents as eichi
from ..media import metadata, naming
from ..samplers.checks import check_choice
from . import saving
from .report import Report

JOINED = 8
OWN, ONE, GROUP = "auto", "one frame", "a whole group"


class SaveLatent(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaSaveLatent",
            display_name="Save Latent (Genga)",
            category="Genga/output",
            search_aliases=["SaveLatent", "save latent", "export latent", "keep latent"],
            description="Saves a latent as .safetensors with its position in time, to decode, join or extend it later. "
            "The host's own Load Latent reads the file, too.",
            inputs=[
                io.Latent.Input("samples", tooltip="The latent to save. Its noise mask is saved with it."),
                io.String.Input(
                    "filename_prefix",
                    default="latents/genga",
                    tooltip="Folder and name inside ComfyUI's output folder; date, time and .safetensors are added. Load "
                    "Latent (Genga) lists what lies in the folder latents.",
                ),
                io.Int.Input(
                    "first_frame",
                    default=-1,
                    min=-1,
                    max=MOST_FRAMES,
                    tooltip="The frame of the whole video at which this latent begins. -1: the position it came with, or 0.",
                ),
                io.Float.Input(
                    "fps",
                    default=0.0,
                    min=0.0,
                    max=240.0,
                    step=0.001,
                    round=0.001,
                    tooltip="Frames per second of the video. 0: those it came with, or 16.",
                ),
                io.Combo.Input(
                    "begins_with",
                    options=[OWN, ONE, GROUP],
                    default=OWN,
                    tooltip="What its first latent frame holds. auto: as it came, or one frame. one frame: as samplers and "
                    "VAE Encode make it. a whole group: it was cut out of a longer latent (4 frames with Wan).",
                ),
                io.Vae.Input(
                    "vae", optional=True, tooltip="Its kind is noted, so that Join Latents can tell what fits together."
                ),
                io.Combo.Input(
                    "layout",
                    options=list(latents.LAYOUTS),
                    default=latents.HOST,
                    optional=True,
                    tooltip="ComfyUI: as the host saves latents, with the position in time beside it. FramePack-eichi: as "
                    "that program saves and reads tensor data, for latents of FramePack; it knows no position and no mask.",
                ),
            ],
            outputs=[io.Latent.Output(display_name="latent", tooltip="The same latent, with its position in time.")],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, filename_prefix=None) -> bool | str:
        return saving.name_problem(filename_prefix)

    @classmethod
    def execute(
        cls, samples, filename_prefix, first_frame=-1, fps=0.0, begins_with=OWN, vae=None, layout=latents.HOST
    ) -> io.NodeOutput:
        tensor = samples_of(samples, "samples")
        check_choice("layout", layout, latents.LAYOUTS)
        if layout == latents.EICHI:
            eichi.tensors(tensor)  # what it cannot hold shows before a name is taken
        place = _place(samples, first_frame, fps, begins_with, vae)
        origin = saving.origin(cls)
        tags = metadata.tags(origin.prompt, origin.extra_pnginfo, {}) if metadata.enabled() else {}
        tags.pop("genga", None)
        file = naming.reserve(filename_prefix, "safetensors")
        latents.write(file.path, samples, place, tags, layout)
        report = Report(cls)
        if layout == latents.EICHI and "noise_mask" in samples:
            report.say("FramePack-eichi's files know no mask; it is not saved.")
        report.say(f"{file.filename}: {_described(place, tensor)}.")
        shown = [{"filename": file.filename, "subfolder": file.subfolder, "type": "output"}]
        return io.NodeOutput(placed(samples, place), ui={"latents": shown, **report.ui()})


class LoadLatent(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaLoadLatent",
            display_name="Load Latent (Genga)",
            category="Genga/loaders",
            search_aliases=["LoadLatent", "load latent", "import latent", "open latent"],
            description="Loads a latent that Save Latent (Genga) or the host's Save Latent has written, with its position "
            "in time.",
            inputs=[
                io.Combo.Input(
                    "latent",
                    options=_names(),
                    tooltip="Files in the folder latents of ComfyUI's output folder, and in its input folder. Press R for "
                    "new ones.",
                )
            ],
            outputs=[
                io.Latent.Output(display_name="latent", tooltip="The latent, with its noise mask if it has one."),
                io.Int.Output(display_name="first_frame", tooltip="The frame of the whole video at which it begins."),
                io.Int.Output(display_name="frames", tooltip="How many frames it holds."),
                io.Float.Output(
                    display_name="fps", tooltip="Frames per second of the video; 16 where nothing is noted."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, latent) -> bool | str:
        try:
            latents.find(latent)
        except InputError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, latent) -> str:
        """The host runs the node again when the file has changed."""
        with latents.find(latent).open("rb") as file:
            return _sha256(file)

    @classmethod
    def execute(cls, latent) -> io.NodeOutput:
        loaded, report = latents.read(latents.find(latent)), Report(cls)
        place = place_of(loaded)
        report.say(f"{_described(place, loaded['samples'])}.")
        return io.NodeOutput(loaded, place.frame, _frames(place, loaded["samples"]), place.fps, ui=report.ui())


class JoinLatents(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        more = [
            io.Latent.Input(f"latent_{number}", optional=True, tooltip=f"Latent {number}; like the others.")
            for number in range(3, JOINED + 1)
        ]
        return compat.schema(
            node_id="GengaJoinLatents",
            display_name="Join Latents",
            category="Genga/output",
            search_aliases=["JoinLatents", "join latents", "concatenate latents", "latent concat", "extend latent"],
            description="Latents of one video one after the other, by the positions they were saved with, to be decoded "
            "in one go. What cannot be joined exactly is refused, with the reason.",
            inputs=[
                io.Latent.Input(
                    "latent_1", tooltip="A latent with a position in time (Load Latent (Genga), Save Latent (Genga))."
                ),
                io.Latent.Input(
                    "latent_2",
                    tooltip="The next one. It was cut out of the same latent, or shares frames with the one before: its "
                    "first latent frame holds one frame alone and is left out.",
                ),
                io.Combo.Input(
                    "overlap",
                    options=list(KEEPS),
                    default="earlier",
                    tooltip="Whose latent frames are kept where two cover the same frames.",
                ),
                *more,
            ],
            outputs=[
                io.Latent.Output(display_name="latent", tooltip="All of them as one, with the position of the first."),
                io.Int.Output(display_name="first_frame", tooltip="The frame of the whole video at which it begins."),
                io.Int.Output(display_name="frames", tooltip="How many frames it holds."),
            ],
        )

    @classmethod
    def execute(cls, latent_1, latent_2, overlap="earlier", **more) -> io.NodeOutput:
        given = {"latent_1": latent_1, "latent_2": latent_2, **more}
        joined = join([(name, given[name]) for name in sorted(given) if given[name] is not None], overlap)
        place, samples = place_of(joined), joined["samples"]
        report = Report(cls)
        report.say(f"{_described(place, samples)}.")
        return io.NodeOutput(joined, place.frame, _frames(place, samples), ui=report.ui())


def _names() -> list[str]:
    import folder_paths

    return latents.listed(Path(folder_paths.get_output_directory()), Path(folder_paths.get_input_directory()))


def _place(latent, first_frame: int, fps: float, begins_with: str, vae) -> Place:
    """What the latent came with, and what the person says instead."""
    if begins_with not in (OWN, ONE, GROUP):
        raise InputError("begins_with", f"{begins_with!r} is unknown", f"Use one of {', '.join((OWN, ONE, GROUP))}.")
    try:
        place = place_of(latent)
    except ValueError as error:
        raise InputError("samples", str(error), "Wire the latent of a sampler.") from error
    if first_frame >= 0:
        place = replace(place, frame=first_frame)
    if fps > 0:
        place = replace(place, fps=fps)
    if begins_with != OWN:
        place = replace(place, inner=begins_with == GROUP)
    if vae is not None:
        stride = getattr(vae, "temporal_compression_decode", lambda: None)()
        place = replace(place, vae=type(vae.first_stage_model).__name__, stride=stride or place.stride)
    return place


def _frames(place: Place, samples) -> int:
    return place.frames(samples.shape[2]) if samples.ndim == 5 else 1


def _described(place: Place, samples) -> str:
    frames = _frames(place, samples)
    last = place.frame + frames - 1
    return f"frames {place.frame} to {last} ({frames / place.fps:.2f} s at {place.fps:g} fps), {tuple(samples.shape)}"


def _sha256(file) -> str:
    digest = hashlib.sha256()
    while piece := file.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


NODES = [SaveLatent, LoadLatent, JoinLatents]
