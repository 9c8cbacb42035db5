"""One bar, one preview and one line of text for a run of many windows."""

from __future__ import annotations

import time
from collections.abc import Callable

import comfy.model_management
import comfy.utils
import latent_preview


def line(place: int, windows: int, share: float, left: float | None, part: str = "window") -> str:
    """``window 3 of 12, 41 %, about 6 min left``. place: from 0; share: of the whole; left: seconds, if known."""
    text = f"{part} {place + 1} of {windows}, {int(100 * share)} %"
    return text if left is None else f"{text}, about {duration(left)} left"


def duration(seconds: float) -> str:
    """In the words of a person: 40 s, 6 min, 2 h 20 min."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


class Progress:
    """Tells the host how far ``windows`` windows of ``steps`` steps are, and stops the run when a person cancels.

    Windows taken from the store count as done at once; the time left is estimated from those computed here.
    show: puts a line of text on the node. part: what a window is called there.
    """

    def __init__(
        self,
        windows: int,
        steps: int,
        show: Callable[[str], None] | None = None,
        clock=time.monotonic,
        part: str = "window",
    ):
        self.windows, self.steps, self.show, self.clock, self.part = windows, steps, show, clock, part
        self.bar = comfy.utils.ProgressBar(windows * steps)
        self.place = self.taken = 0
        self.began: float | None = None
        self.previewer: tuple = ()  # the host's, once it is made; some are a model of their own

    def check(self) -> None:
        """Raises the host's own exception where a person has cancelled."""
        comfy.model_management.throw_exception_if_processing_interrupted()

    def reused(self, place: int) -> None:
        """The window at ``place`` in the order of computing came from the store."""
        self.place = place
        self.taken += 1
        self._tell((place + 1) * self.steps)

    def begin(self, place: int) -> None:
        """The window at ``place`` is computed from here on."""
        self.place = place
        self.began = self.clock() if self.began is None else self.began
        self.check()

    def callback(self, patcher, skip: int) -> Callable:
        """For a guider's ``sample``: bar, text and a preview without the ``skip`` leading latents."""
        if not self.previewer:
            self.previewer = (latent_preview.get_previewer(patcher.load_device, patcher.model.latent_format),)
        (previewer,) = self.previewer

        def after_step(step, x0, _x, total):
            self.check()
            image = None
            if previewer is not None:
                image = previewer.decode_latent_to_preview_image("JPEG", x0[:, :, skip:] if skip else x0)
            self._tell(self.place * self.steps + round((step + 1) * self.steps / max(total, 1)), image)

        return after_step

    def _tell(self, done: int, image=None) -> None:
        self.bar.update_absolute(done, self.windows * self.steps, image)
        if self.show is not None:
            whole = self.windows * self.steps
            self.show(line(self.place, self.windows, done / whole, self._left(done, whole), self.part))

    def _left(self, done: int, whole: int) -> float | None:
        """Seconds, once a step has been computed here."""
        own = done - self.taken * self.steps
        if self.began is None or own <= 0:
            return None
        return (self.clock() - self.began) / own * (whole - done)
