"""The section loop of FramePack: one section after the other, each seeing what was made before.

One generator draws the noise of all sections in turn, as in the reference. Finished sections lie in the store under a
hash of everything they depend on, the latents they see included: a run that was cut short goes on where it stopped, and
a change in one section makes only those anew that see something else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import comfy.model_management
import comfy.sample
import comfy.samplers
import comfy.utils
import torch

from ..conditioning.framepack import indices, plan, section
from ..errors import InputError
from ..loaders import guard
from . import framepack_schedule as schedule
from .windows import fingerprint
from .windows.store import Store

FORMAT = 1  # of the keys: another number makes every stored section anew
OWN = "framepack"  # the reference's noise levels, among the host's schedulers
NODE = "FramePack Sampler"
INFLUENCE = (1.0, 1.02)


@dataclass(frozen=True)
class Told:
    """What one section is told apart from the others: its prompt, SigLIP's view of its picture, and its keyframe."""

    positive: list
    vision: object = None
    keyframe: torch.Tensor | None = None


@dataclass(frozen=True)
class Job:
    """All that a run depends on. Latents are the VAE's own; ``told``: one for each of ``windows``, in their order.

    ``end``: times its strength. ``influence``: of F1's picture, 1 to 1.02. ``lineage``: see fingerprint.
    """

    model: object
    negative: list
    start: torch.Tensor
    direction: str
    window: int
    windows: tuple[plan.Window, ...]
    told: tuple[Told, ...]
    seed: int
    cfg: float
    sampler: object
    sigmas: torch.Tensor
    end: torch.Tensor | None = None
    influence: float = 1.0
    resume: bool = True
    lineage: str = ""

    @property
    def steps(self) -> int:
        return max(len(self.sigmas) - 1, 1)


@dataclass(frozen=True)
class Result:
    """``latent``: the video, [1, 16, 1 + sections * window, h, w]. ``reused``: sections that came from the store."""

    latent: torch.Tensor
    reused: int
    keys: tuple[str, ...]


def noise_levels(model, steps: int, scheduler: str, latent: tuple[int, int, int]) -> torch.Tensor:
    """The sigmas of one section of ``latent`` (frames, height, width): the reference's, or one of the host's."""
    if steps < 1:
        raise InputError("steps", f"{steps} steps make nothing", "Use 25.")
    if scheduler == OWN:
        return schedule.sigmas(steps, schedule.shift(*latent))
    return comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), scheduler, steps).cpu()


def doubts(model, direction: str, sampler_name: str, steps: int) -> list[str]:
    """What to tell a person before sampling: a model that is named for the other direction (only its name tells), and
    uni_pc in one step, for which the host's order is 0, so that the noise comes back."""
    told, kind = [], guard.kind_of(model)
    if kind in plan.DIRECTIONS and kind != direction:
        told.append(f"model: by its name it is for {kind}, and this draws as {direction} does.")
    if sampler_name.startswith("uni_pc") and steps < 2:
        told.append(f"{sampler_name} changes nothing in one step: what comes is noise. Use 2 steps or more, or euler.")
    return told


def finite(latent: torch.Tensor) -> torch.Tensor:
    """``latent``; raises where it holds what is no number, before it is kept or joined."""
    if not torch.isfinite(latent).all():
        problem = "what it drew holds NaN or infinite values, so it overflowed or its guidance is no number"
        raise InputError("model", problem, "Load it in bf16 or fp32, and look at FluxGuidance and cfg.")
    return latent


def check_influence(influence: float, direction: str) -> None:
    """Raises for an image influence out of its range, or with a standard video, which has none."""
    least, most = INFLUENCE
    if not least <= influence <= most:
        raise InputError("image_influence", f"{influence} is out of range", "Use 1.0 (none) to 1.02.")
    if influence != 1.0 and direction != plan.F1:
        raise InputError("image_influence", "it is for f1 alone", "Set it to 1, or direction to f1.")


def run(job: Job, store: Store, tell, so_far: Callable[[list[torch.Tensor]], None] = lambda made: None) -> Result:
    """Draws every section that is not in ``store``. tell: a progress.Progress, or the like.

    so_far(latents): called before a section is drawn, with those that are there in the order they were drawn.
    Whatever is raised on the way leaves the finished sections in the store, and nothing of the unfinished one.
    """
    studio = _Studio(job)
    generator = torch.Generator("cpu").manual_seed(job.seed)
    video = studio.empty()
    made: list[torch.Tensor] = []  # parts of the video, in the order they are drawn
    keys: list[str] = []
    reused = 0
    for place, (window, told) in enumerate(zip(job.windows, job.told, strict=True)):
        tell.check()
        noise = torch.randn(
            studio.shape, generator=generator
        )  # also where it is not needed: the next draw depends on it
        conds = studio.conds(window, told, studio.history(made))
        keys.append(studio.key(place, conds))
        entry = store.take(keys[-1]) if job.resume else None
        if entry is None:
            tell.begin(place)
            so_far(made)
            entry = studio.draw(store, keys[-1], noise, conds, tell)
            store.sweep(keys)
        else:
            reused += 1
            tell.reused(place)
        made.append(studio.kept(video, place, entry.tensors()["latent"]))
    store.sweep(keys)
    return Result(video.to(comfy.model_management.intermediate_device()), reused, tuple(keys))


@dataclass
class _Studio:
    """What stays the same over the sections of one run."""

    job: Job
    shape: tuple[int, ...] = field(init=False)
    base: str = field(init=False)

    def __post_init__(self):
        job = self.job
        self.shape = (1, section.CHANNELS, job.window, *job.start.shape[-2:])
        guider = comfy.samplers.CFGGuider(job.model)
        guider.set_cfg(job.cfg)
        self.base = fingerprint.digest(
            FORMAT, fingerprint.of_guider(guider), fingerprint.of_sampler(job.sampler), self._sigmas(), job.lineage,
            self.shape, job.seed, job.influence, job.start if job.influence != 1.0 else None,
        )  # fmt: skip

    def _sigmas(self) -> torch.Tensor:
        return self.job.sigmas / self.job.influence

    def history(self, made: list[torch.Tensor]) -> torch.Tensor | None:
        """As much of what was made as a section can see, in order of time."""
        near = made[-(1 + indices.HISTORY // self.job.window) :]
        if self.job.direction == plan.F1:
            return torch.cat([self.job.start[:, :, :1].cpu(), *near], 2) if len(near) == len(made) else _cat(near)
        return _cat(near[::-1])

    def conds(self, window: plan.Window, told: Told, history: torch.Tensor | None) -> tuple[list, list]:
        """Positive and negative conditioning of one section."""
        job = self.job
        seen = section.Seen(job.start, history, job.end, told.keyframe)
        positions = indices.positions(job.direction, job.window, window.blank)
        latents = section.clean(job.direction, seen)
        positive, negative = (
            section.attach(each, positions, latents, NODE, told.vision) for each in (told.positive, job.negative)
        )
        return positive, negative

    def key(self, place: int, conds: tuple[list, list]) -> str:
        """The hash of all that a section's result depends on. Its place tells its noise from the others'."""
        return fingerprint.digest(self.base, place, *conds)

    def draw(self, store: Store, key: str, noise: torch.Tensor, conds: tuple[list, list], tell):
        """One section, from noise to a sealed entry."""
        job = self.job
        latent = finite(self._sample(noise, conds, tell))
        with store.draft(key) as draft:
            draft.keep({"latent": latent})
            if not job.resume:
                store.drop(key)  # only now, so that a cancelled run takes nothing away
            return draft.commit({"framepack": job.direction, "latent_frames": job.window})

    def _sample(self, noise: torch.Tensor, conds: tuple[list, list], tell) -> torch.Tensor:
        job = self.job
        empty = torch.zeros(self.shape)
        if job.influence != 1.0:  # below full noise the host mixes the start in, as the reference does
            empty += job.start[:, :, :1].cpu()
        latent = comfy.sample.sample_custom(
            job.model, noise, job.cfg, job.sampler, self._sigmas(), *conds, empty, seed=job.seed,
            callback=tell.callback(job.model, 0), disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
        )  # fmt: skip
        tell.check()
        return latent.cpu()

    def empty(self) -> torch.Tensor:
        """The whole video with its start, and room for the sections: one tensor, so that it is in memory once."""
        count = plan.latent_frames(len(self.job.windows), self.job.window)
        video = torch.empty((*self.shape[:2], count, *self.shape[3:]))
        video[:, :, :1] = self.job.start[:, :, :1]
        return video

    def kept(self, video: torch.Tensor, place: int, latent: torch.Tensor) -> torch.Tensor:
        """The part of ``video`` that is the section at ``place``, with ``latent`` put there."""
        job = self.job
        begin = 1 + job.window * plan.time_of(job.direction, place, len(job.windows))
        part = video[:, :, begin : begin + job.window]
        part.copy_(latent)
        return part


def _cat(latents: list[torch.Tensor]) -> torch.Tensor | None:
    return torch.cat(latents, 2) if latents else None


def keyframes(given: Mapping[int, torch.Tensor], sections: int, fill: str) -> dict[int, torch.Tensor]:
    """Each section's keyframe by its number, from those given to some; sections without one are left out."""
    filled = plan.fill(given, sections, fill)
    found = {number: plan.key_for(filled, number) for number in range(sections)}
    return {number: key for number, key in found.items() if key is not None}
