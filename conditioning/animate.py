"""What WanAnimate is shown in each window of a long video: who, in which pose, with which face, in front of what.

Reference: Wan2.2 ``wan/animate.py``. The latents are those of the reference picture and then the window's. Pose and
face drive the model directly; the picture channels hold the reference, the last frames of the window before, and
grey (animation) or a background (replacement). Nothing is held while sampling: the carried frames are told, not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from .. import tiles
from ..errors import InputError
from . import drivers, hashing
from .direct import check_clip_vision, check_vae
from .drivers import BACKGROUND, FACES, FITS, MASK, POSE, Driver
from .fit import check_size, refuse_empty_crop
from .keyframes import check_picture
from .latent_time import latent_length
from .talk import Shown

OVERLAPS = (1, 5, 9)
TRAINED_WINDOW = 77
REFERENCE = "reference_image"
_GREY = 0.5
_CHANNELS, _SHRINK, _ROWS = 16, 8, 4
# What another node may have left in the conditioning for a video of another length.
_OURS = ("pose_video_latent", "face_video_pixels", "concat_latent_image", "concat_mask")


@dataclass(frozen=True, eq=False)
class Animate:
    """Shows the windows of an animated character.

    reference: the character [1, H, W, 3]. clip_vision: of it, or None. driven: drivers by input name, at the video's
    rate. fit: one of drivers.FITS. With a background and a mask the character is put into the scene (replacement),
    with neither it moves in front of what the reference shows.
    """

    vae: Any
    width: int
    height: int
    reference: torch.Tensor
    driven: Mapping[str, Driver]
    clip_vision: Any = None
    fit: str = "crop"
    _kept: dict = field(default_factory=dict, repr=False)  # the reference's latent, and one window's pictures

    def digest(self, window) -> str:
        """Names all that shapes ``window`` beside the guider and what is carried over from the window before."""
        self._kept.pop("window", None)
        pictures = self._pictures(window)
        self._kept["window"] = window, pictures  # most likely it is shown next
        span = (window.frames, window.overlap, self.width, self.height, self.fit)
        network = getattr(self.vae, "first_stage_model", None)
        return hashing.digest("WanAnimate", span, pictures, self.reference, self.clip_vision, network)

    def show(self, window, carried) -> Shown:
        """``window``; the last ``window.overlap`` of ``carried.frames`` stand at its head, told by the mask."""
        kept, pictures = self._kept.pop("window", (None, None))
        if kept != window:
            pictures = self._pictures(window)
        shared = window.overlap if carried is not None else 0
        clip = torch.full((window.frames, self.height, self.width, 3), _GREY)
        if shared:
            clip[:shared] = self._carried(carried.frames, shared)
        if BACKGROUND in pictures:
            clip[shared:] = pictures[BACKGROUND][shared:]
        values = {
            "concat_latent_image": torch.cat((self._reference(), tiles.encode(self.vae, clip)), dim=2),
            "concat_mask": mask_rows(window.frames, shared, self._grid, pictures.get(MASK)),
        }
        if POSE in pictures:
            values["pose_video_latent"] = tiles.encode(self.vae, pictures[POSE])
        if self.clip_vision is not None:
            values["clip_vision_output"] = self.clip_vision
        face = face_pixels(pictures[FACES]) if FACES in pictures else None
        blank = None if face is None else face.new_full((1, 1, 1, 1, 1), -1.0).expand(face.shape)

        def edit(name: str, conds: list[dict]) -> list[dict]:
            seen = values if face is None else {**values, "face_video_pixels": blank if is_negative(name) else face}
            return [{**{k: v for k, v in cond.items() if k not in _OURS}, **seen} for cond in conds]

        shape = (1, _CHANNELS, latent_length(window.frames) + 1, *self._grid)
        return Shown(edit, shape, None, skip=1)

    @property
    def _grid(self) -> tuple[int, int]:
        return self.height // _SHRINK, self.width // _SHRINK

    def _pictures(self, window) -> dict[str, torch.Tensor]:
        """The window's part of every driver, brought to size."""
        fits = {
            POSE: self._sized,
            BACKGROUND: self._sized,
            FACES: drivers.faces,
            MASK: lambda part: drivers.mask_of(part, self.width, self.height, self.fit, self.driven[MASK].drawn),
        }
        return {name: each.window(window.first, window.frames, fits[name]) for name, each in self.driven.items()}

    def _sized(self, images: torch.Tensor) -> torch.Tensor:
        return drivers.fitted(images, self.width, self.height, self.fit)

    def _reference(self) -> torch.Tensor:
        if "reference" not in self._kept:
            self._kept["reference"] = tiles.encode(self.vae, self._sized(self.reference))
        return self._kept["reference"]

    def _carried(self, frames: torch.Tensor, count: int) -> torch.Tensor:
        """The last ``count`` frames. A shorter clip stands still before it begins, so that its last keeps its place."""
        tail = frames[-count:]
        if tail.shape[0] < count:
            tail = torch.cat((tail[:1].expand(count - tail.shape[0], -1, -1, -1), tail))
        return drivers.fitted(tail, self.width, self.height, "crop")


def is_negative(name: str) -> bool:
    """Whether a guider's conditioning of this name is what to move away from: it gets a blank face, so that CFG
    strengthens the expression, as the reference does it."""
    return name.endswith("negative")


def mask_rows(frames: int, shared: int, grid: tuple[int, int], character: torch.Tensor | None) -> torch.Tensor:
    """The mask [1, 4, T + 1, h, w] of a window of ``frames`` = 4 (T - 1) + 1: 0 is given, 1 is to be made.

    The reference's latent is given, and the ``shared`` (4n + 1) frames at the head. character [frames, h, w]: 1 where
    the rest is to be made, else everywhere. Frame 0 owns the four rows of its latent, each further frame one, as in
    the reference (``get_i2v_mask``); the host's node writes frame j into row j instead of j + 3.
    """
    rows = torch.ones((frames + _ROWS - 1, *grid))
    if character is not None:
        rows = torch.cat((character[:1].expand(_ROWS, -1, -1), character[1:]))
    if shared:
        rows[: shared + _ROWS - 1] = 0.0
    rows = rows.reshape(-1, _ROWS, *grid).transpose(0, 1)
    return torch.cat((torch.zeros((_ROWS, 1, *grid)), rows), dim=1)[None]


def face_pixels(faces: torch.Tensor) -> torch.Tensor:
    """[F, 512, 512, 3] in 0..1 -> [1, 3, F, 512, 512] in -1..1."""
    return (faces.movedim(-1, 1) * 2.0 - 1.0).movedim(0, 1)[None]


def check(animate: Animate) -> Animate:
    """``animate``; raises InputError for what cannot be shown, before anything is encoded."""
    check_size(animate.width, animate.height)
    check_vae(animate.vae)
    check_clip_vision(animate.clip_vision, "clip_vision_output")
    if animate.fit not in FITS:
        raise InputError("fit", f"{animate.fit!r} is unknown", f"Use one of {', '.join(FITS)}.")
    check_picture(animate.reference, REFERENCE)
    if animate.fit == "crop":
        aspect, remedy = animate.width / animate.height, "Use pad, or a shape nearer to the video's."
        refuse_empty_crop(animate.reference, aspect, REFERENCE, remedy)
        for name in (POSE, BACKGROUND, MASK):
            if name in animate.driven:
                refuse_empty_crop(animate.driven[name].glimpse(0)[None], aspect, name, remedy)
    return animate


def first_picture(reference: torch.Tensor) -> tuple[torch.Tensor, list[str]]:
    """The one reference picture of a batch, and what to tell."""
    batch = reference.shape[0] if isinstance(reference, torch.Tensor) and reference.ndim == 4 else 1
    if batch <= 1:
        return reference, []
    return reference[:1], [f"{REFERENCE}: {batch} pictures, the first is used (the model knows one)."]


def advice(frame_window: int, overlap: int) -> list[str]:
    """What to tell a person about a plan the model was not trained for."""
    told = []
    if frame_window != TRAINED_WINDOW:
        told.append(f"frame_window {frame_window}: WanAnimate was trained on {TRAINED_WINDOW}, other sizes are weaker.")
    if overlap not in OVERLAPS[:2]:
        told.append(f"overlap {overlap}: WanAnimate was trained with 1 and 5.")
    return told
