"""What a Wan I2V model is shown in each window of a long video: the frames before, and where a section ends its picture.

A window begins with the last frames of the one before (the first with the start picture), as the host's image-to-video
nodes show several of them; the picture of a section stands at its last frame, as in first-last-frame-to-video.
Nothing is held while sampling: frames and picture are told, not kept. Reference: Wan2.1 ``first_last_frame2video.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch

from .. import tiles
from . import hashing, latent_time, sections
from .direct import MARK, check_clip_vision, check_vae, join_clip_vision
from .fit import check_size, fit_picture, refuse_empty_crop
from .keyframes import check_picture
from .section_prompt import with_prompt
from .talk import Shown

NODE = "Wan I2V Windows"
USUAL_WINDOW, USUAL_MOTION = 81, 5
SHORTEST = 33  # frames of a window below which Wan moves little
_GREY = 0.5
_CHANNELS, _SHRINK = 16, 8
SHOWN = {MARK: {"pictures": 1, "control": "inpaint", "node": NODE}}


@dataclass(frozen=True, eq=False)
class WanChain:
    """Shows the windows of a plan by sections.

    picture: the first frame [1, H, W, 3]. clip_vision: of it, or None. length: frames of the video, ``fps`` a second.
    chain: sections; their pictures end them.
    """

    vae: Any
    width: int
    height: int
    length: int
    fps: Fraction
    picture: torch.Tensor
    chain: sections.Chain = ()
    clip_vision: Any = None

    def digest(self, window) -> str:
        """Names all that shapes ``window`` beside the guider and what is carried over from the window before."""
        begins = self.picture if window.overlap == 0 else None
        ending = self._ending(window)
        end = None if ending is None else (ending.image, ending.clip_vision)
        span = (window.frames, window.overlap, window.stop - window.first, self.width, self.height)
        network = getattr(self.vae, "first_stage_model", None)
        return hashing.digest("Wan I2V", span, begins, end, self.clip_vision, self._prompt(window), network)

    def show(self, window, carried) -> Shown:
        """``window``, with the last of ``carried.frames`` (or the start picture) at its head."""
        head = self._fitted(self.picture) if carried is None else self._tail(carried.frames, window.overlap)
        ending, given = self._ending(window), list(range(len(head)))
        clip = torch.full((window.frames, self.height, self.width, 3), _GREY)
        clip[: len(head)] = head
        if ending is not None:
            last = window.stop - 1 - window.first
            clip[last] = self._fitted(ending.image)[0]
            given.append(last)
        mask = given_rows(window.frames, given, self._grid)
        values = {"concat_latent_image": tiles.encode(self.vae, clip), "concat_mask": mask, **SHOWN}
        vision = self._vision(ending)
        if vision is not None:
            values["clip_vision_output"] = vision
        prompt = self._prompt(window)

        def edit(name: str, conds: list[dict]) -> list[dict]:
            entries = conds if prompt is None or not name.endswith("positive") else with_prompt(conds, prompt)
            return [{**entry, **values} for entry in entries]

        return Shown(edit, (1, _CHANNELS, latent_time.latent_length(window.frames), *self._grid), None)

    @property
    def _grid(self) -> tuple[int, int]:
        return self.height // _SHRINK, self.width // _SHRINK

    def _begun(self, frame: int, behind: bool) -> sections.Chain:
        """The sections that have begun at ``frame``, the border of a group. behind: the video goes on from a clip."""
        starts = (sections.first_frame(each, self.fps) for each in self.chain)
        borders = (latent_time.group_border(start, behind) for start in starts)
        return tuple(each for each, border in zip(self.chain, borders, strict=True) if border <= frame)

    def _ending(self, window) -> sections.Section | None:
        """The section that ends with this window, where it has a picture."""
        behind = is_behind(window)
        begun = self._begun(window.start, behind)
        ends = window.stop >= self.length or self._begun(window.stop, behind) != begun
        return begun[-1] if ends and begun and begun[-1].image is not None else None

    def _prompt(self, window) -> list | None:
        """The prompt of the last section that brought one; None is the guider's own."""
        brought = [each.positive for each in self._begun(window.start, is_behind(window)) if each.positive is not None]
        return brought[-1] if brought else None

    def _vision(self, ending: sections.Section | None):
        """What CLIP sees of the start picture and, where the window ends with one, of that, as the host joins them."""
        return join_clip_vision(self.clip_vision, None if ending is None else ending.clip_vision)

    def _tail(self, frames: torch.Tensor, overlap: int) -> torch.Tensor:
        """The last ``overlap`` frames. A shorter clip stands still before it begins."""
        tail = frames[-overlap:]
        if tail.shape[0] < overlap:
            tail = torch.cat((tail[:1].expand(overlap - tail.shape[0], -1, -1, -1), tail))
        return self._fitted(tail)

    def _fitted(self, images: torch.Tensor) -> torch.Tensor:
        images = images[..., :3].float().cpu()
        if images.shape[1:3] == (self.height, self.width):
            return images
        return fit_picture(images, self.width, self.height, "crop")[0]


def is_behind(window) -> bool:
    """Whether a window belongs to a video that goes on from a clip: its frame 0 lies in a group of four."""
    return window.overlap > 0 and window.start % latent_time.STRIDE == 0


def given_rows(frames: int, given: Iterable[int], grid: tuple[int, int]) -> torch.Tensor:
    """The mask [1, 4, T, h, w] of a window of ``frames`` = 4 (T - 1) + 1: 0 where a frame is given, 1 elsewhere."""
    rows = torch.ones((frames + latent_time.STRIDE - 1, *grid))
    for frame in given:
        for row in latent_time.mask_rows(frame):
            rows[row] = 0.0
    return rows.reshape(-1, latent_time.STRIDE, *grid).transpose(0, 1)[None]


def check(chain: WanChain) -> WanChain:
    """``chain``; raises InputError for what cannot be shown, before anything is encoded."""
    check_size(chain.width, chain.height)
    check_vae(chain.vae)
    check_clip_vision(chain.clip_vision, "clip_vision_output")
    check_picture(chain.picture, "start_image")
    aspect, remedy = chain.width / chain.height, "Use a picture of a shape nearer to the video's."
    refuse_empty_crop(chain.picture, aspect, "start_image", remedy)
    for section in chain.chain:
        where = f"section at {section.start:g} s"
        check_clip_vision(section.clip_vision, f"{where} clip_vision_output")
        if section.image is not None:
            refuse_empty_crop(section.image, aspect, f"{where} image", remedy)
    return chain


def notes(chain: sections.Chain, windows: Iterable, length: int, fps: Fraction) -> list[str]:
    """What to tell a person: where sections begin, those never seen, and windows too short to move much."""
    told, windows = [], tuple(windows)
    behind = is_behind(windows[0])
    for section in chain:
        frame = sections.first_frame(section, fps)
        border = latent_time.group_border(frame, behind)
        if border >= length:
            told.append(f"section at {section.start:g} s: the video ends at {float(length / fps):g} s; it is not used.")
        elif border != frame:
            told.append(f"section at {section.start:g} s: it begins at {float(border / fps):g} s, frame {border}.")
    shortest = min(window.frames for window in windows)
    if shortest < SHORTEST:
        told.append(
            f"a window has {shortest} frames: with fewer than {SHORTEST} Wan moves little. Make sections longer."
        )
    return told
