"""The plan of a FramePack video: how many sections, in which order, and what each of them sees and is told.

A section is ``window`` latent frames, 4 * window frames of the video. The standard model draws the last section
first and goes back to the start; F1 goes forward. Sections are numbered in the order they are drawn, as
FramePack-eichi does: section 0 of a standard video is its end. Plain Python.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ...errors import InputError

FPS = 30  # of every FramePack video
WINDOW = 9  # latent frames of a section of about a second
STANDARD, F1 = "standard", "f1"
DIRECTIONS = (STANDARD, F1)
FILLS = ("none", "even-odd")
PADDING_LIMITS = (0.2, 3.0)  # of a constant one
_FEW = 4  # sections up to which the paddings simply count down

T = TypeVar("T")


@dataclass(frozen=True)
class Window:
    """One section to be drawn: its number, blank latent frames between the start and it, and whether it is the last."""

    number: int
    blank: int = 0
    last: bool = False


def count(seconds: float, window: int = WINDOW) -> int:
    """Sections of a video of about ``seconds``: as many as come nearest, at least one."""
    check_window(window)
    if isinstance(seconds, bool) or not math.isfinite(seconds) or seconds <= 0:
        raise InputError("seconds", f"{seconds!r} is no length", "Give seconds, 5 for one.")
    return max(round(seconds * FPS / (4 * window)), 1)


def frames(sections: int, window: int = WINDOW) -> int:
    """Frames of a video of so many sections: the start picture and 4 * window for each."""
    return 4 * latent_frames(sections, window) - 3


def latent_frames(sections: int, window: int = WINDOW) -> int:
    """Latent frames of the same: the start and ``window`` for each."""
    return sections * window + 1


def check_window(window: int) -> None:
    """Raises for a window of no latent frame."""
    if isinstance(window, bool) or not isinstance(window, int) or window < 1:
        raise InputError("window", f"{window!r} latent frames are no section", "Use 9 (about 1 s) or 5 (about 0.7 s).")


def paddings(sections: int) -> list[int]:
    """The reference's: how many windows lie between the start and each section, in the order they are drawn.

    They count down to 0. For more than four sections the steps in the middle are held at 2, which looks better, as
    its author found, than a long way through time that the model never saw.
    """
    if sections <= _FEW:
        return list(reversed(range(sections)))
    return [3, *[2] * (sections - 3), 1, 0]


def parse_padding(text: str) -> str | float | list[float]:
    """What a person wrote as padding: "auto", one number, or a list of them."""
    words = [word for word in text.replace(",", " ").split() if word]
    if not words or words == ["auto"]:
        return "auto"
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        remedy = "Write auto, a number from 0.2 to 3.0, or a list such as 3, 2, 2, 1, 0."
        raise InputError("padding", f"{text!r} is no padding", remedy) from None
    return numbers[0] if len(numbers) == 1 else numbers


def chosen_paddings(padding: str | float | Sequence[float], sections: int) -> list[float]:
    """The paddings of all sections: "auto", one number for all, or a list; that of the last is always 0."""
    if isinstance(padding, str):
        return [float(each) for each in paddings(sections)]
    if isinstance(padding, (int, float)):
        least, most = PADDING_LIMITS
        if not least <= padding <= most:
            remedy = f"Use {least} to {most}, auto, or a list with one for each section."
            raise InputError("padding", f"{padding:g} is no padding for all sections", remedy)
        return [float(padding)] * (sections - 1) + [0.0]
    given = list(padding)
    if len(given) != sections:
        remedy = f"Give {sections} numbers, in the order the sections are drawn (the end of the video first)."
        raise InputError("padding", f"the list has {len(given)} numbers for {sections} sections", remedy)
    if any(not (math.isfinite(each) and 0 <= each <= 100) for each in given):
        raise InputError("padding", "the list has a number that is no padding", "Use numbers from 0 to 100.")
    return [float(each) for each in given[:-1]] + [0.0]


def windows(direction: str, sections: int, window: int = WINDOW, padding: str | float | Sequence[float] = "auto"):
    """Every section to be drawn, in order. A padding of half a window is so many whole latent frames (4 of 9)."""
    check_direction(direction)
    numbers = range(sections)
    if direction == F1:
        return [Window(number, 0, number == sections - 1) for number in numbers]
    chosen = chosen_paddings(padding, sections)
    return [Window(number, int(chosen[number] * window), number == sections - 1) for number in numbers]


def check_direction(direction: str) -> None:
    """Raises for a direction that there is not."""
    if direction not in DIRECTIONS:
        raise InputError("direction", f"{direction!r} is unknown", f"Use one of {', '.join(DIRECTIONS)}.")


def key_for(keys: Mapping[int, T], number: int) -> T | None:
    """What a section sees of pictures given to some of them: the one with the smallest number not below its own."""
    later = [key for key in keys if key >= number]
    return keys[min(later)] if later else None


def fill(keys: Mapping[int, T], sections: int, how: str) -> dict[int, T]:
    """``keys`` with gaps filled. "even-odd": 0 goes to every even section without one, 1 to every odd one."""
    if how not in FILLS:
        raise InputError("fill", f"{how!r} is unknown", f"Use one of {', '.join(FILLS)}.")
    filled = dict(keys)
    if how == "even-odd":
        for number in range(sections):
            if number % 2 in keys:
                filled.setdefault(number, keys[number % 2])
    return filled


def time_of(direction: str, number: int, sections: int) -> int:
    """The place of a section in the video, counted from its start: a standard video is drawn from the end."""
    return number if direction == F1 else sections - 1 - number
