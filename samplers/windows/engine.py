"""The window engine: shows, samples, decodes, matches and writes one window after the other.

It knows nothing of talking or poses. What a window shows comes from a provider; the guider, solver and schedule are a
person's own. One window is the host's SamplerCustomAdvanced and VAEDecode, bit for bit. Finished windows lie in a
store, under a key that hashes all they depend on, and only the last frames stay in memory.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path

import comfy.model_management
import comfy.utils
import torch

from ...media.video import CHUNK
from . import checks, draw, fingerprint, finish, guiders, hold
from .finish import Colour
from .plan import Window
from .provider import Carried, Windows
from .store import Entry, Store

FORMAT = 2  # of the keys: another number makes every stored window anew (2: overlap fits by areas)


@dataclass(frozen=True)
class Job:
    """All that a run depends on. seed: resolved, not -1. blend: frames mixed at a seam. lineage: see fingerprint.

    noise: one of draw.POLICIES. decode: one of finish.DECODES. resume: False computes every window anew. tiled: one of
    tiles.MODES; a window's key holds the mode, not what it came to, so that other free memory does not lose windows.
    """

    guider: object
    sampler: object
    sigmas: torch.Tensor
    vae: object
    windows: Windows
    seed: int
    colour: Colour = Colour()
    blend: int = 0
    crf: int = 16
    noise: str = "window"
    decode: str = "whole"
    resume: bool = True
    lineage: str = ""
    tiled: str = "auto"

    @property
    def steps(self) -> int:
        return max(len(self.sigmas) - 1, 1)


@dataclass(frozen=True)
class Result:
    """A finished run: the windows' files in time order, and what the last one computed leaves behind.

    reused: how many windows came from the store. keys: of all windows, for Store.sweep.
    """

    segments: tuple[Path, ...]
    frames: int
    reused: int
    carried: Carried
    keys: tuple[str, ...]


@dataclass
class _Past:
    """What is known of the windows before. An entry's tensors are read only when they are asked for."""

    carried: Carried | None
    key: str
    entry: Entry | None = None
    anchor: torch.Tensor | None = None

    def load(self) -> Carried | None:
        if self.carried is None and self.entry is not None:
            kept = self.entry.tensors()
            self.carried = Carried(kept["frames"], kept["latent"], self.anchor)
        return self.carried

    def follow(self, key: str, entry: Entry, carried: Carried | None) -> None:
        """The window under ``key`` is done; ``carried`` is None where it lies in the store."""
        if self.anchor is None:
            self.anchor = entry.tensors()["anchor"] if carried is None else carried.anchor
        self.key, self.entry, self.carried = key, entry, carried


def run(job: Job, store: Store, tell, open_segment: Callable, so_far: Callable = lambda segments: None) -> Result:
    """Computes every window that is not in ``store``. tell: a progress.Progress, or the like.

    open_segment(path, fps, crf): a context manager whose ``write`` takes frames [n, H, W, 3]; the file is whole when
    it ends. so_far(segments): called before a window is computed, with the files of those that are done, {index: path}.
    Whatever is raised on the way leaves the finished windows in the store, and nothing of the unfinished.
    """
    plan = job.windows.plan
    studio = _Studio(job, tell, open_segment)
    past = _first_past(job)
    segments, keys, reused = {}, [], 0
    for place, window in enumerate(plan.order):
        tell.check()
        key = studio.key(window, place, past.key)
        keys.append(key)
        entry = store.take(key) if job.resume else None
        if entry is not None:
            reused += 1
            tell.reused(place)
            past.follow(key, entry, None)
        else:
            tell.begin(place)
            so_far(segments)
            carried = past.load()
            past.carried = None  # the window holds it now; once used, it is free
            past.follow(key, *studio.compute(store, key, window, place, carried))
            store.sweep(keys)  # at every window: a long run must not fill the disk beside what others left
        segments[window.index] = past.entry.segment
    store.sweep(keys)
    return Result(tuple(segments[index] for index in sorted(segments)), plan.length, reused, past.load(), tuple(keys))


def _first_past(job: Job) -> _Past:
    carried = job.windows.carried
    key = "" if carried is None else fingerprint.digest(carried.frames, carried.anchor, carried.latent)
    return _Past(carried, key, anchor=None if carried is None else carried.anchor)


@dataclass
class _Studio:
    """What stays the same over the windows of one run."""

    job: Job
    tell: object
    open_segment: Callable
    held: object = field(init=False)
    base: str = field(init=False)

    def __post_init__(self):
        job = self.job
        self.held = guiders.with_models(job.guider, hold.holding)
        self.noise = draw.of(job.noise, job.windows.plan, job.seed)
        self.base = fingerprint.digest(
            FORMAT,
            fingerprint.of_guider(job.guider),
            fingerprint.of_vae(job.vae),
            fingerprint.of_sampler(job.sampler),
            job.sigmas,
            job.lineage,
            (job.windows.provider.width, job.windows.provider.height, Fraction(job.windows.fps), job.crf, job.decode),
            job.tiled,
        )

    def matched(self, window: Window) -> bool:
        """Whether colours are matched: not where the video begins."""
        return self.job.colour.active and window.overlap > 0

    def key(self, window: Window, place: int, previous: str) -> str:
        """The hash of all this window's result depends on, the windows before included."""
        job, plan = self.job, self.job.windows.plan
        emitted = plan.emitted(window, job.blend)
        colour = asdict(job.colour) if self.matched(window) else None
        shown = job.windows.provider.digest(window)
        about = (asdict(window), emitted.start, emitted.stop, plan.overlap, plan.backward, colour)
        return fingerprint.digest(self.base, about, shown, self.noise.identity(window), previous)

    def compute(self, store: Store, key: str, window: Window, place: int, carried: Carried | None):
        """One window, from conditioning to a sealed entry. Returns the entry and what is carried on."""
        latent, pixels = self._sample(window, carried)
        job, plan = self.job, self.job.windows.plan
        self.tell.check()
        if self.matched(window):
            pixels = finish.match(pixels, plan, window, carried, job.colour, self.tell.check)
        kept = finish.tail(plan, window, pixels)
        emitted = plan.emitted(window, job.blend)
        if job.blend and place > 0:
            finish.blend(pixels, plan, window, carried, job.blend)
        shot = pixels[emitted.start - window.first : emitted.stop - window.first]
        anchor = shot[:1].clone().cpu() if carried is None else carried.anchor
        token = uuid.uuid4().hex
        with store.draft(key) as draft:
            self._write(draft.segment, shot)
            draft.keep({"frames": kept, "latent": latent, **({"anchor": anchor} if place == 0 else {})})
            if not job.resume:
                store.drop(key)  # only now, so that a cancelled run takes nothing away
            entry = draft.commit({"window": asdict(window), "frames": len(shot), "made": token})
        mine = entry.facts.get("made") == token  # else another process was first, and its files count
        return entry, Carried(kept, latent, anchor) if mine else None

    def _sample(self, window: Window, carried: Carried | None) -> tuple[torch.Tensor, torch.Tensor]:
        """The window's latent without what is no video, and its pixels."""
        job = self.job
        shown = job.windows.provider.show(window, carried)
        checks.check_shown(shown, window.latents, job.decode)
        guider = guiders.with_conds(self.held, shown.edit)
        start, mask = hold.start(guider.model_patcher, tuple(shown.latent_shape), shown.head)
        noise = self.noise.noise(window, start)
        self.tell.check()
        sampled = guider.sample(
            noise,
            start,
            job.sampler,
            job.sigmas.clone(),  # the host's uni_pc writes into what it is given
            denoise_mask=mask,
            callback=self.tell.callback(guider.model_patcher, shown.skip),
            disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
            seed=draw.seed_of(job.seed, window),
        ).to(comfy.model_management.intermediate_device())
        latent = hold.paste(sampled, shown.head)[:, :, shown.skip :]
        self.tell.check()
        pixels = finish.decode(job.vae, latent, window, carried, job.windows.plan, job.decode, job.tiled)
        return latent.clone().cpu(), pixels

    def _write(self, path: Path, shot: torch.Tensor) -> None:
        with self.open_segment(path, self.job.windows.fps, self.job.crf) as segment:
            for start in range(0, len(shot), CHUNK):
                self.tell.check()
                segment.write(shot[start : start + CHUNK])
