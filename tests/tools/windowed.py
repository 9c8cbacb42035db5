"""A provider of windows for tests, and segments that keep every bit."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from fractions import Fraction
from types import SimpleNamespace

import torch
from safetensors.torch import load_file, save_file

SIDE = 32
FPS = Fraction(25)


class Silent:
    """Tells nobody; ``on`` is called with the name of what happens and may raise."""

    def __init__(self, on=lambda event: None):
        self.on, self.events = on, []

    def _note(self, event):
        self.events.append(event)
        self.on(event)

    def check(self):
        self.on(("check",))

    def reused(self, place):
        self._note(("reused", place))

    def begin(self, place):
        self._note(("begin", place))

    def callback(self, patcher, skip):
        return lambda step, x0, x, total: self._note(("step", step))


class Provider:
    """Shows each window a picture of its own and its number; holds the carried tail, as InfiniteTalk does.

    prompts: changes by window index, to be part of its digest. head: whether the tail is held. first: a latent to hold
    in the first window, or None. skip: leading latents that are no video.
    """

    width = height = SIDE

    def __init__(self, vae, head=True, prompts=None, first=None, skip=0, latents=None):
        self.vae, self.head, self.prompts = vae, head, prompts or {}
        self.first, self.skip, self.latents = first, skip, latents
        self.shown, self.heads = [], []

    def digest(self, window):
        text = repr((window.index, self.prompts.get(window.index), self.head, self.skip))
        return hashlib.sha256(text.encode()).hexdigest()

    def picture(self, window):
        generator = torch.Generator().manual_seed(100 + window.index)
        count = window.latents + self.skip if self.latents is None else self.latents
        return torch.randn(1, 16, count, SIDE // 8, SIDE // 8, generator=generator)

    def show(self, window, carried):
        self.shown.append((window, carried))
        shift = self.prompts.get(window.index, 0.0)
        picture = self.picture(window)

        def edit(name, conds):
            sign = 1.0 if name.startswith("positive") else -1.0
            return [{**c, "concat_latent_image": picture, "cross_attn": c["cross_attn"] + sign * shift} for c in conds]

        head = self.first
        if carried is not None and self.head:
            head = self.vae.encode(carried.frames)
        self.heads.append(head)
        return SimpleNamespace(edit=edit, latent_shape=tuple(picture.shape), head=head, skip=self.skip)


@contextmanager
def exact(path, fps, crf):
    """A segment that keeps the frames as they are."""
    frames = []
    yield SimpleNamespace(write=lambda piece: frames.append(piece.clone()))
    save_file({"frames": torch.cat(frames).contiguous()}, path)


def frames_of(result) -> torch.Tensor:
    """All frames of a run that wrote ``exact`` segments."""
    return torch.cat([load_file(path)["frames"] for path in result.segments])
