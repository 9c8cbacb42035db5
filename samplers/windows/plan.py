"""Which frames each window of a long video covers. Pure arithmetic on frame numbers.

A Wan window is 4n + 1 frames (n + 1 latents); a window shares ``overlap`` frames with the one before it and moves on
by S = window - overlap. A video of L frames takes N = 1 window if L <= window, else ceil((L - window) / S) + 1. The
last window has full size, because the models are best at the length they were trained on, and is cut at L: cut, not
shortened, as InfiniteTalk and WanAnimate do it. A plan by sections is another thing: there every section ends with a
window of its own, so windows are as long as their sections allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from ...conditioning.latent_time import group_border
from ...errors import InputError

_LENGTH, _WINDOW, _OVERLAP = "length", "frame_window", "motion_frames"


@dataclass(frozen=True)
class Window:
    """One window. All frame numbers but ``frames`` and ``overlap`` are absolute: 0 is the video's first.

    index: 0, 1, ... in time order. first: its first decoded frame (negative in a continued plan). frames: how many
    are decoded, 4n + 1. overlap: how many of them, at its head, it shares with the window before (in a backward plan:
    at its tail, with the window after). It contributes the frames from ``start`` up to, not including, ``stop``.
    """

    index: int
    first: int
    frames: int
    overlap: int
    start: int
    stop: int

    @property
    def latents(self) -> int:
        """How many latent frames the window is."""
        return latents_of(self.frames)

    @property
    def held(self) -> int:
        """How many latent frames the overlap covers; 0 without one."""
        return latents_of(self.overlap)


@dataclass(frozen=True)
class Plan:
    """The windows of a video of ``length`` frames, in time order. notes: what a person should know of the rounding.

    backward: the last window is computed first, the overlap lies at the tail. continued: a clip lies before. starts:
    the frames at which sections were asked to begin, in a plan by sections; else None.
    """

    length: int
    window: int
    overlap: int
    windows: tuple[Window, ...]
    backward: bool = False
    continued: bool = False
    notes: tuple[str, ...] = ()
    starts: tuple[int, ...] | None = None

    @property
    def order(self) -> tuple[Window, ...]:
        """The windows in the order of computing."""
        return self.windows[::-1] if self.backward else self.windows

    @property
    def most_blend(self) -> int:
        """The most frames that can be mixed at a seam: they lie in the overlap and inside one window's share."""
        shares = (window.stop - window.start for window in self.order[:-1])
        return min(self.overlap, self.window - self.overlap, *shares)

    def facts(self, fps: Fraction) -> dict:
        """What the page draws of it (web/js/windows)."""
        return {"length": self.length, "window": self.window, "overlap": self.overlap, "fps": float(fps)}

    def emitted(self, window: Window, blend: int = 0) -> range:
        """The frames whose final pixels are known once ``window`` is computed.

        ``blend`` frames (at most ``most_blend``) at a seam wait for the window that is computed next, which mixes
        them with its own.
        """
        place = len(self.windows) - 1 - window.index if self.backward else window.index
        head = 0 if place == 0 else blend
        tail = blend if place < len(self.windows) - 1 else 0
        if self.backward:
            head, tail = tail, head
            return range(window.start + head, window.stop + tail)
        return range(window.start - head, window.stop - tail)


def latents_of(frames: int) -> int:
    """Latent frames of the first ``frames`` pixel frames of a clip: 0 -> 0, 1 -> 1, 2..5 -> 2."""
    return (frames - 1) // 4 + 1 if frames > 0 else 0


def round_up(frames: int) -> int:
    """The next 4n + 1: 4 becomes 5, 77 stays."""
    return (frames + 2) // 4 * 4 + 1


def make(
    length: int,
    window: int,
    overlap: int,
    *,
    continued: bool = False,
    backward: bool = False,
    names: tuple[str, str] = (_WINDOW, _OVERLAP),
) -> Plan:
    """The plan of a video of ``length`` frames by windows of ``window`` that share ``overlap``.

    Numbers that are not 4n + 1 are rounded up, with a note (an overlap of 0 stays: windows of their own). continued:
    a clip of at least ``overlap`` frames lies before frame 0. names: what the node calls window and overlap.
    Raises InputError for numbers no plan can be made of.
    """
    window, notes = _rounded(names[0], window, 1)
    overlap, more = _rounded(names[1], overlap, 0)
    if length < 1:
        raise InputError(_LENGTH, f"{length} frames is no video", "Give at least 1 frame.")
    if overlap >= window:
        problem = f"{overlap} frames are carried over, and a window has {window}"
        raise InputError(names[1], problem, "Carry over fewer frames (9 for InfiniteTalk), or take a larger window.")
    if backward and continued:
        raise InputError("windows", "a plan that runs backward cannot continue a clip", "Continue a forward plan.")
    windows = _continued(length, window, overlap) if continued else _fresh(length, window, overlap)
    if backward:
        windows = tuple(_mirrored(each, length, len(windows)) for each in reversed(windows))
    return Plan(length, window, overlap, windows, backward, continued, notes + more)


def continuing(plan: Plan) -> Plan:
    """The same length, window and overlap as a continuation of a clip that lies before."""
    if plan.starts is None:
        again = make(plan.length, plan.window, plan.overlap, continued=True, backward=plan.backward)
    else:
        again = by_sections(plan.length, plan.starts, plan.window, plan.overlap, continued=True)
    return Plan(**{**again.__dict__, "notes": plan.notes})


def by_sections(length: int, starts: Sequence[int], window: int, overlap: int, *, continued: bool = False) -> Plan:
    """The plan of a video of ``length`` frames with sections from the frames ``starts`` on: no window lies in two.

    A section begins at the border of a group of four frames that is nearest to its start, and is cut into windows of
    ``window`` frames at most, as even as groups of four allow. Starts at the end of the video or behind are left out.
    Raises InputError as ``make``, and where two sections begin together or nothing can be carried over.
    """
    usual = make(length, window, overlap, continued=continued)
    window, overlap = usual.window, usual.overlap
    if overlap < 1:
        raise InputError(_OVERLAP, "a section goes on from the frames before it, and 0 are carried over", "Use 1 or 5.")
    borders = _borders(length, starts, continued)
    if len(borders) > 2 and not continued and borders[1] < overlap:
        problem = f"the first of them ends after {borders[1]} frames, and {overlap} are carried over"
        raise InputError("sections", problem, "Carry over fewer frames, or let the second section begin later.")
    windows: list[Window] = []
    for begin, end in pairwise(borders):
        windows += _evenly(begin, end, window, overlap, len(windows), lone=begin == 0 and not continued)
    return Plan(length, window, overlap, tuple(windows), False, continued, usual.notes, tuple(starts))


def _borders(length: int, starts: Sequence[int], continued: bool) -> list[int]:
    """Where sections begin, from 0, and the end."""
    found = [group_border(start, continued) for start in sorted(starts)]
    twice = next((first for first, second in pairwise(found) if first == second < length), None)
    if twice is not None:
        problem = f"two of them begin at frame {twice} (frames come in groups of four)"
        raise InputError("sections", problem, "Move one of them, or make one of both.")
    return sorted({0, length, *(border for border in found if border < length)})


def _evenly(begin: int, end: int, window: int, overlap: int, index: int, lone: bool) -> list[Window]:
    """The windows of one section. lone: nothing lies before its first."""
    stride, new = window - overlap, end - begin
    count = max(1, -(-(new - overlap) // stride)) if lone else -(-new // stride)
    shared = overlap * (count - lone)
    groups = -(-(new + shared - count) // 4)  # a window of 4n + 1 frames has n
    found = []
    for k in range(count):
        frames = 4 * (groups // count + (k < groups % count)) + 1
        head = 0 if lone and k == 0 else overlap
        stop = min(begin + frames - head, end)
        found.append(Window(index + k, begin - head, frames, head, begin, stop))
        begin = stop
    return found


def _rounded(name: str, given: int, least: int) -> tuple[int, tuple[str, ...]]:
    if given < least:
        raise InputError(name, f"{given} frames is too few", f"Give at least {least}.")
    if given == 0:
        return 0, ()
    used = round_up(given)
    if used == given:
        return used, ()
    return used, (f"{name} {given} becomes {used}: Wan counts frames in 4n + 1.",)


def _fresh(length: int, window: int, overlap: int) -> tuple[Window, ...]:
    stride = window - overlap
    count = 1 if length <= window else -((window - length) // stride) + 1
    found = []
    for k in range(count):
        first, shared = k * stride, overlap if k else 0
        found.append(Window(k, first, window, shared, first + shared, min(first + window, length)))
    return tuple(found)


def _continued(length: int, window: int, overlap: int) -> tuple[Window, ...]:
    stride = window - overlap
    return tuple(
        Window(k, k * stride - overlap, window, overlap, k * stride, min((k + 1) * stride, length))
        for k in range(-(-length // stride))
    )


def _mirrored(window: Window, length: int, count: int) -> Window:
    """The window as it is when time runs the other way."""
    first = length - window.first - window.frames
    return Window(
        count - 1 - window.index, first, window.frames, window.overlap, length - window.stop, length - window.start
    )
