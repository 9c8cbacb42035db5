"""Sections of a long video: from a moment on, another prompt, another picture, or both.

What a section leaves out goes on as before it. A window belongs, all of it, to the section that holds the first
frame it adds; a section that starts inside a window begins with the next one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import torch

from ..errors import InputError
from .keyframes import check_picture


@dataclass(frozen=True)
class Section:
    """From ``start`` (seconds) on: CONDITIONING, picture [1, H, W, 3] and its CLIP_VISION_OUTPUT, each or None."""

    start: float
    positive: list | None = None
    image: torch.Tensor | None = None
    clip_vision: Any = None


Chain = tuple[Section, ...]


def check_chain(chain, name: str = "sections") -> Chain:
    """``chain`` (None is empty); raises unless it is one of sections."""
    sections = () if chain is None else chain
    if not isinstance(sections, tuple) or not all(isinstance(section, Section) for section in sections):
        raise InputError(name, f"this is no chain of sections but {type(sections).__name__}", "Wire a Sections node.")
    return sections


def add(chain: Chain | None, section: Section) -> Chain:
    """``chain`` with ``section`` in its place in time; raises InputError for what cannot be used."""
    sections = check_chain(chain)
    start = section.start
    if isinstance(start, bool) or not isinstance(start, (int, float)) or not math.isfinite(start) or start < 0:
        raise InputError("start", f"{start!r} is no moment of the video", "Give seconds from 0, the video's start.")
    if any(other.start == start for other in sections):
        raise InputError("start", f"two sections start at {start:g} s", "Move one of them, or make one of both.")
    if section.positive is None and section.image is None:
        remedy = "Wire a prompt, a picture, or both; what is left out goes on as before."
        if section.clip_vision is not None:
            remedy = "Wire the picture, too, that this is the CLIP vision of."
        raise InputError("positive", "the section has neither prompt nor picture", remedy)
    if section.positive is not None and not _is_conditioning(section.positive):
        raise InputError("positive", "this is no conditioning", "Wire an encoded prompt.")
    if section.image is not None:
        check_picture(section.image, "image")
    return tuple(sorted((*sections, section), key=lambda each: each.start))


def _is_conditioning(value) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, (list, tuple)) for each in value)


def first_frame(section: Section, fps: Fraction) -> int:
    """The frame nearest to its start."""
    return round(Fraction(section.start) * fps)


def in_force(chain: Chain, frame: int, fps: Fraction) -> Section:
    """What holds at ``frame``: the sections so far laid over each other. None where no section said anything.

    A new picture without CLIP vision of its own leaves that of the start picture: clip_vision is then None.
    """
    held = Section(0.0)
    for section in chain:
        if first_frame(section, fps) > frame:
            break
        held = replace(held, start=section.start)
        if section.positive is not None:
            held = replace(held, positive=section.positive)
        if section.image is not None:
            held = replace(held, image=section.image, clip_vision=section.clip_vision)
    return held


def notes(chain: Chain, starts: Sequence[int], length: int, fps: Fraction) -> list[str]:
    """What to tell a person: sections that begin later than asked, and those never seen.

    starts: the first frame that each window adds, in order of time. length: frames of the video.
    """
    told = []
    held = [in_force(chain, start, fps) for start in starts]
    for section in chain:
        frame = first_frame(section, fps)
        users = [k for k, now in enumerate(held) if _uses(now, section)]
        if frame >= length:
            told.append(f"section at {section.start:g} s: the video ends at {float(length / fps):g} s; it is not used.")
        elif not users:
            why = "no window starts after it" if section is chain[-1] else "no window starts before the next section"
            told.append(f"section at {section.start:g} s: {why}; it is not used.")
        elif starts[users[0]] > frame:
            begins = f"{float(starts[users[0]] / fps):g} s, with window {users[0] + 1}"
            told.append(f"section at {section.start:g} s: it begins at {begins} (a window keeps to one section).")
    return told


def _uses(now: Section, section: Section) -> bool:
    prompt = section.positive is not None and now.positive is section.positive
    return prompt or (section.image is not None and now.image is section.image)
