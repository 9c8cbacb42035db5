"""What InfiniteTalk is shown in each window of a long video: the speech of its frames, the speaker, what to hold.

Reference: InfiniteTalk ``wan/multitalk.py``. The picture stands at frame 0 of an else grey clip for the image-to-video
model; the latents at the window's head hold the picture (first window) or the last frames of the window before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import torch

from .. import tiles
from . import hashing, latent_time, sections, talk_audio
from .fit import check_size, fit_picture, refuse_empty_crop
from .section_prompt import with_prompt
from .talk_pictures import Picture

FPS = Fraction(25)  # InfiniteTalk knows no other rate
TRAINED_WINDOW, TRAINED_MOTION = 81, 9
_GREY = 0.5
_CHANNELS, _SHRINK = 16, 8


@dataclass(frozen=True)
class Shown:
    """One window for the engine: ``edit(name, conds)`` puts it into the guider's conditioning, ``latent_shape``
    [1, 16, T, h, w], ``head`` [1, 16, k, h, w] the latents held clean, ``skip`` leading latents that are no video."""

    edit: Callable[[str, list[dict]], list[dict]]
    latent_shape: tuple[int, ...]
    head: torch.Tensor | None
    skip: int = 0


@dataclass(frozen=True, eq=False)
class Talk:
    """Shows the windows of a talking person (or two).

    picture: the reference by time in seconds. clip_vision: of the reference, or None. speeches: one per speaker, as
    long as each other. speakers: classes [1, 3, h / 16, w / 16] with two speakers, else None. chain: sections.
    """

    vae: Any
    width: int
    height: int
    picture: Picture
    speeches: tuple
    clip_vision: Any = None
    audio_scale: float = 1.0
    speakers: torch.Tensor | None = None
    chain: sections.Chain = ()
    _encoded: dict = field(default_factory=dict, repr=False)  # one entry: the last picture's latents

    def digest(self, window) -> str:
        """Names all that shapes ``window`` beside the guider and what is carried over from the window before."""
        held = sections.in_force(self.chain, window.start, FPS)
        span = (window.first, window.frames, window.overlap)
        sound = (tuple(speech.digest for speech in self.speeches), float(self.audio_scale), self.speakers)
        seen = (self.width, self.height, self._picture(window, held), self._vision(held))
        network = getattr(self.vae, "first_stage_model", None)
        return hashing.digest("InfiniteTalk", span, sound, seen, held.positive, network)

    def show(self, window, carried) -> Shown:
        """``window``, with ``carried.frames`` at its head where it shares frames with what lies before."""
        held = sections.in_force(self.chain, window.start, FPS)
        clip = self._clip(self._picture(window, held), window.frames)
        latents = latent_time.latent_length(window.frames)
        mask = torch.ones((1, 1, latents, *clip.shape[-2:]))
        mask[:, :, :1] = 0.0
        values = {"concat_latent_image": clip, "concat_mask": mask}
        vision = self._vision(held)
        if vision is not None:
            values["clip_vision_output"] = vision
        heard = talk_audio.features(self.speeches, window.first, window.frames)

        def edit(name: str, conds: list[dict]) -> list[dict]:
            return self._edited(name, conds, held.positive, values, heard)

        head = clip[:, :, :1] if window.overlap == 0 or carried is None else self._tail(carried.frames, window.overlap)
        shape = (1, _CHANNELS, latents, self.height // _SHRINK, self.width // _SHRINK)
        return Shown(edit, shape, head)

    def _picture(self, window, held: sections.Section) -> torch.Tensor:
        if held.image is not None:
            return held.image
        return self.picture(max(Fraction(window.first), Fraction(0)) / FPS)

    def _vision(self, held: sections.Section):
        return self.clip_vision if held.clip_vision is None else held.clip_vision

    def _clip(self, image: torch.Tensor, frames: int) -> torch.Tensor:
        """Latents of the picture followed by grey; kept until another picture comes."""
        key = (hashing.digest(image), frames)
        if key not in self._encoded:
            clip = torch.ones((frames, self.height, self.width, 3)) * _GREY
            clip[:1] = self._fitted(image)
            made = tiles.encode(self.vae, clip)
            self._encoded.clear()
            self._encoded[key] = made
        return self._encoded[key]

    def _tail(self, frames: torch.Tensor, overlap: int) -> torch.Tensor:
        """Latents of the last ``overlap`` frames. A shorter clip stands still before it begins, so that its last
        frame keeps its place."""
        tail = frames[-overlap:]
        if tail.shape[0] < overlap:
            tail = torch.cat((tail[:1].expand(overlap - tail.shape[0], -1, -1, -1), tail))
        return tiles.encode(self.vae, self._fitted(tail))

    def _fitted(self, images: torch.Tensor) -> torch.Tensor:
        images = images[..., :3].float().cpu()
        if images.shape[1:3] == (self.height, self.width):
            return images
        return fit_picture(images, self.width, self.height, "crop")[0]

    def _edited(self, name: str, conds: list[dict], prompt: list | None, values: dict, heard: torch.Tensor) -> list:
        entries = conds if prompt is None or not name.endswith("positive") else with_prompt(conds, prompt)
        spoken = self._spoken(heard, silent=name.startswith("silent"))
        return [
            {**entry, **values, "model_conds": {**_without_speech(entry.get("model_conds") or {}), **spoken}}
            for entry in entries
        ]

    def _spoken(self, heard: torch.Tensor, silent: bool) -> dict:
        import comfy.conds  # here, so that the arithmetic around it can be used and tested without the host

        audio = talk_audio.silence(heard.shape[2]) if silent else heard
        spoken = {
            "genga_audio": comfy.conds.CONDRegular(audio),
            "genga_audio_scale": comfy.conds.CONDConstant(float(self.audio_scale)),
        }
        if self.speakers is not None and not silent:
            spoken["genga_speakers"] = comfy.conds.CONDRegular(self.speakers)
        return spoken


def check(talk: Talk) -> Talk:
    """``talk``; raises InputError for what cannot be shown, before anything is encoded."""
    from .direct import check_clip_vision, check_vae  # here, because that module needs the host

    check_size(talk.width, talk.height)
    check_vae(talk.vae)
    check_clip_vision(talk.clip_vision, "clip_vision_output")
    aspect, remedy = talk.width / talk.height, "Use a picture of a shape nearer to the video's."
    refuse_empty_crop(talk.picture(Fraction(0)), aspect, "start_image", remedy)
    for section in talk.chain:
        where = f"section at {section.start:g} s"
        check_clip_vision(section.clip_vision, f"{where} clip_vision_output")
        if section.image is not None:
            refuse_empty_crop(section.image, aspect, f"{where} image", remedy)
    return talk


def with_speech(talk: Talk, speeches: tuple, speakers: torch.Tensor | None) -> Talk:
    """``talk`` with the features of its one or two speakers, and where the two are."""
    return replace(talk, speeches=tuple(speeches), speakers=speakers, _encoded={})


def advice(frame_window: int, motion_frames: int) -> list[str]:
    """What to tell a person about a plan the model was not trained for."""
    told = []
    if frame_window != TRAINED_WINDOW:
        told.append(
            f"frame_window {frame_window}: InfiniteTalk was trained on {TRAINED_WINDOW}, other sizes are weaker."
        )
    if motion_frames < TRAINED_MOTION:
        told.append(
            f"motion_frames {motion_frames}: {TRAINED_MOTION} carry the movement on best; fewer may show seams."
        )
    return told


def _without_speech(models: dict) -> dict:
    return {key: value for key, value in models.items() if not key.startswith("genga_")}
