"""A FramePack latent as a video, finished or so far: decoded window by window, in memory that does not grow."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from comfy_api.latest import io

from .. import compat, places, tiles
from ..conditioning.framepack import plan, section
from ..errors import InputError
from ..media import between
from ..media.growing import GrowingVideo
from ..media.segments import SegmentWriter
from ..samplers import framepack_decode as room
from ..samplers.checks import check_choice
from ..samplers.framepack_so_far import SoFar
from .finishing import progress_of
from .report import Report

AS_DRAWN = "as drawn"
DRAWN = "genga_framepack"  # in a LATENT: {"direction": ..., "window": ...}, from FramePack Sampler


def noted(direction: str, window: int) -> dict:
    """What FramePack Sampler notes in its LATENT for this node."""
    return {DRAWN: {"direction": direction, "window": window}}


def watched(said: Report, start, direction: str, window: int, count: int, vae):
    """Shows the sections that are there as a video that grows; nothing without a VAE, or where no page follows."""
    if vae is None or not said.watched():
        return contextlib.nullcontext(lambda _made: None)

    def told(path: Path, first: int, last: int) -> None:
        file = {"filename": path.name, "subfolder": "", "type": "temp"}
        said.event("genga.windows", **file, **{"from": max(first, 1), "to": last, "of": count, "part": "section"})

    grown = GrowingVideo(places.temp(), plan.FPS, told)
    decode = room.decoder(vae)
    return SoFar(start, direction, window, count, decode, SegmentWriter, grown, places.temp())


class FramePackDecode(io.ComfyNode):
    """LATENT in, VIDEO out."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return compat.schema(
            node_id="GengaFramePackDecode", display_name="FramePack Decode", category="Genga/output",
            description="Decodes a FramePack video in windows of two sections that fade into each other, as FramePack "
            "itself does, into a lossless video. Memory does not grow with the length.",
            search_aliases=["FramePackDecode", "framepack decode", "soft append", "windowed decode", "vae decode video"],
            inputs=[
                io.Latent.Input("samples", tooltip="The whole video from FramePack Sampler, start included."),
                io.Vae.Input("vae", tooltip="The HunyuanVideo VAE."),
                io.Combo.Input("mode", options=list(room.MODES), default=room.WINDOWED,
                               tooltip="windowed: as FramePack itself decodes, two sections at a time, each fading over "
                               "33 frames (window 9) into the next; memory stays the same. whole: all at once, as VAE Decode "
                               "does; memory grows with the length."),
                io.Combo.Input("direction", options=[AS_DRAWN, *plan.DIRECTIONS], default=AS_DRAWN,
                               tooltip="windowed: how the video was drawn. as drawn: FramePack Sampler has noted it in the "
                               "latent; a loaded latent has lost it."),
                io.Int.Input("window", default=0, min=0, max=64,
                             tooltip="windowed: latent frames of a section, as it was drawn: 9 or 5. 0: as noted in the "
                             "latent."),
                io.Combo.Input("tiled_vae", options=list(tiles.MODES), default="auto",
                               tooltip="How a window goes through the VAE. auto: whole where ComfyUI's own estimate fits "
                               "the memory that can be free, else in the largest tiles that fit. on: in tiles of 512 "
                               "pixels. off: whole."),
            ],
            outputs=[
                io.Video.Output(display_name="video", tooltip="30 frames a second, lossless, in ComfyUI's temp folder. "
                                "Save it with Save Video (Genga)."),
                io.Int.Output(display_name="frames", tooltip="How many frames the video has."),
            ],
            hidden=[io.Hidden.unique_id],
        )  # fmt: skip

    @classmethod
    def execute(cls, samples, vae, mode=room.WINDOWED, direction=AS_DRAWN, window=0, tiled_vae="auto") -> io.NodeOutput:
        said = Report(cls)
        check_choice("mode", mode, room.MODES)
        check_choice("tiled_vae", tiled_vae, tiles.MODES)
        check_choice("direction", direction, (AS_DRAWN, *plan.DIRECTIONS))
        latent = section.latent_of(samples, "samples")
        section.check_vae(vae)
        direction, window = _as_drawn(samples, direction, window) if mode == room.WINDOWED else (plan.STANDARD, 1)
        total = 4 * latent.shape[2] - 3
        if mode == room.WINDOWED:
            count = room.sections_in(latent.shape[2], window)
            said.say(f"{count} windows of two sections, each fading over {room.overlap(window)} frames into the next.")
        parts = room.frames(latent, room.decoder(vae, tiled_vae), direction, window, mode)
        video = between.write(parts, Fraction(plan.FPS), None, progress_of(total), "framepack")
        said.say(f"{total} frames, {total / plan.FPS:.2f} s at {plan.FPS} fps.")
        return io.NodeOutput(video, total, ui=said.ui())


def _as_drawn(samples, direction: str, window: int) -> tuple[str, int]:
    """Direction and window as given, and where they are not, as FramePack Sampler noted them."""
    known = samples.get(DRAWN)
    known = known if isinstance(known, Mapping) else {}
    for name, given, unset in (("direction", direction, AS_DRAWN), ("window", window, 0)):
        if given == unset and name not in known:
            remedy = "Set it as it was for FramePack Sampler, or set mode to whole."
            raise InputError(name, "this latent does not say how it was drawn", remedy)
    return (known["direction"] if direction == AS_DRAWN else direction), (known["window"] if window == 0 else window)


NODES = [FramePackDecode]
