"""Experiments with the trained models, used by the tests (few samples) and by benchmarks/behaviour.py (more)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from tiny import world

from . import world_eye
from .world_studio import Key, Studio

STRENGTHS = (0.0, 0.3, 0.6, 0.85, 1.0)
UNSEEN = 5_000_000  # seeds of scenes that training never drew


@dataclass(frozen=True)
class Kept:
    """How well a key picture is kept. found: PSNR of the frame against the picture; limit: of the VAE's round trip;
    near: of the frame against that round trip."""

    strength: float
    mask_mode: str
    frame: int
    found: float
    limit: float
    near: float


def fidelity(studio: Studio, seeds: range, places=(0, 4, 10, 16), modes=("exact", "hold"), strengths=STRENGTHS,
             frames: int = 17) -> list[Kept]:  # fmt: skip
    """One key picture at a time, at every strength; the picture is a frame of a scene that the caption tells."""
    kept = []
    for seed in seeds:
        clip = world.draw(world.scene(UNSEEN + seed, frames, "one"))
        prompt = studio.scored(clip.scene.caption, clip.scene.score)
        for place in places:
            picture = clip.frames[place]
            trip = studio.round_trip(picture[None])[0]
            for mode in modes:
                for strength in strengths:
                    made = studio.directed(prompt, [Key(picture, place, strength)], frames, seed, mode)[place]
                    psnrs = (world_eye.psnr(a, b) for a, b in ((made, picture), (trip, picture), (made, trip)))
                    kept.append(Kept(strength, mode, place, *psnrs))
    return kept


def mean(values) -> float:
    values = list(values)
    return sum(values) / len(values)


def by_strength(kept: list[Kept], mode: str | None = None) -> dict[float, float]:
    """Mean PSNR against the round trip at each strength."""
    mine = [each for each in kept if mode in (None, each.mask_mode)]
    strengths = sorted({each.strength for each in mine})
    return {s: mean(each.near for each in mine if each.strength == s) for s in strengths}


@dataclass(frozen=True)
class Local:
    """A key picture with two shapes, of which the mask holds the left one. inside: PSNR in the mask against the picture's
    round trip; whole: the same without a mask. asked, hidden: pixels outside the mask of the colour that the prompt
    asks for there, and of the one that the picture has there."""

    inside: float
    whole: float
    asked: float
    hidden: float


def localized(studio: Studio, seed: int, frame: int = 8) -> Local:
    """Left of the mask's edge a red triangle stays where it is put; right of it the picture has a green ring, and the
    prompt asks for a blue one."""
    red = world.Shape("red", "triangle", "up", 0.0, (16.0, 34.0))
    green = world.Shape("green", "ring", "down", 0.5, (48.0, 24.0))
    blue = world.Shape("blue", "ring", "down", 0.5, (48.0, 24.0))
    background = world.scene(UNSEEN + seed, 17, "two").background
    picture = world.draw(world.Scene("two", 17, (red, green), background)).frames[frame]
    wanted = world.Scene("two", 17, (red, blue), background, score=0.5)
    prompt = studio.scored(wanted.caption, wanted.score)
    trip = studio.round_trip(picture[None])[0]
    mask = torch.zeros(world.SIZE, world.SIZE)
    mask[:, :32] = 1.0
    masked, plain = (
        studio.directed(prompt, [Key(picture, frame, 1.0, where)], 17, seed)[frame] for where in (mask, None)
    )
    outside = masked[None, :, 32:]
    counts = (float(world_eye.pixels_of(outside, colour).sum()) for colour in ("blue", "green"))
    left = (slice(None), slice(0, 28))
    return Local(world_eye.psnr(masked[left], trip[left]), world_eye.psnr(plain[left], trip[left]), *counts)


def speeds(studio: Studio, scores, seeds: range) -> dict[float, float]:
    """Mean pixels a frame of a shape that begins where the first frame shows it, by motion score."""
    found = {}
    for score in scores:
        measured = []
        for seed in seeds:
            colour = ("red", "blue", "yellow", "white")[seed % 4]
            direction = tuple(world.DIRECTIONS)[seed // 4 % 4]
            begin = {"left to right": (17.0, 30.0), "right to left": (47.0, 34.0), "up": (30.0, 47.0)}
            shape = world.Shape(colour, "ring", direction, score, begin.get(direction, (34.0, 17.0)))
            scene = world.Scene("one", 17, (shape,), world.scene(UNSEEN + seed).background, score=score)
            first = world.draw(scene, slice(0, 1)).frames[0]
            words = scene.caption.rsplit(",", 1)[0]  # without "fast": the score alone says it
            frames = studio.directed(studio.scored(words, score), [Key(first, 0)], 17, seed)
            measured.append(world_eye.speed_of(frames, colour))
        found[score] = mean(measured)
    return found


@dataclass(frozen=True)
class Told:
    """What a caption asked for, and what is to be seen."""

    asked: tuple[str, str]
    seen: tuple[str, str | None]

    @property
    def right(self) -> bool:
        return self.asked == self.seen


def adherence(studio: Studio, seeds: range, begun: bool = True) -> list[Told]:
    """Captions with combinations that training never showed. begun: the pair goes on from the first frame; else the
    text-to-video model has the words alone."""
    found = []
    for seed in seeds:
        scene = world.scene(UNSEEN + seed, 17, "one", held_out=True)
        (shape,) = scene.shapes
        prompt = studio.scored(scene.caption, max(scene.score, 1.5))
        if begun:
            first = world.draw(scene, slice(0, 1)).frames[0]
            frames = studio.directed(prompt, [Key(first, 0)], 17, seed)
        else:
            frames = studio.imagined(prompt, 17, seed)
        colour = world_eye.colour_of(frames)
        found.append(Told((shape.colour, shape.direction), (colour, world_eye.direction_of(frames, shape.colour))))
    return found


@dataclass(frozen=True)
class Seams:
    """Mean change from frame to frame, in levels of 255: where two windows meet, and where two latent frames of one
    window do."""

    seam: float
    within: float


def seams(studio: Studio, seed: int, shared: int, folder) -> Seams:
    """A shape over three windows of 17 frames that share ``shared``."""
    frames = 17 + 2 * (17 - shared)
    ring = world.Shape("red", "ring", "left to right", 0.5, (17.0, 32.0))
    scene = world.Scene("one", frames, (ring,), world.scene(UNSEEN + seed).background, score=0.5)
    first = world.draw(scene, slice(0, 1)).frames[0]
    made = studio.chained(studio.scored(scene.caption, scene.score), first, frames, 17, shared, seed, folder)
    change = 255 * made.diff(dim=0).abs().mean((1, 2, 3))
    at = [17 - 1 + k * (17 - shared) for k in range(2)]
    inside = [k for k in range(4, frames - 1, 4) if k not in at]
    return Seams(float(change[at].mean()), float(change[inside].mean()))


EXACT = ("genga", 100)


def distances(studio: Studio, solvers, seeds: range) -> dict[tuple[str, int], float]:
    """Root mean square, in levels of 255, between the frames of each (sampler, steps) and those of EXACT."""
    cases = []
    for seed in seeds:
        scene = world.scene(UNSEEN + seed, 17, "one")
        first = Key(world.draw(scene, slice(0, 1)).frames[0], 0)
        cases.append((studio.scored(scene.caption, scene.score), [first], seed))

    def run(name: str, steps: int) -> list[torch.Tensor]:
        return [studio.directed(prompt, keys, 17, seed, steps=steps, sampler=name) for prompt, keys, seed in cases]

    exact, found = run(*EXACT), {}
    for solver in solvers:
        pairs = zip(run(*solver), exact, strict=True)
        found[solver] = 255 * mean(float((a - b).square().mean().sqrt()) for a, b in pairs)
    return found


LEVELS = (0.97, 0.93, 0.8, 0.6, 0.4, 0.2, 0.1)
BOUNDARY = 0.9


def losses_of_experts(studio: Studio, count: int = 16) -> tuple[float, float, float]:
    """The mean loss over LEVELS, on clips that training never drew, of the pair and of each expert alone."""
    from safetensors.torch import load_file
    from tiny import trained
    from tiny.training import clips, flow, vae

    net = vae.network(load_file(trained.FOLDER / trained.VAE))
    items = [clips.clip_of(net, UNSEEN + seed, 17) for seed in range(count)]
    words = {text: _rows(studio.said(text)) for text in {"", *(text for item in items for text in item["captions"])}}
    data = flow.Data({17: items}, clips.grey(net, [17]), words, {17: 1.0})
    task = flow.Task("held out", True, 0)
    high, low = (
        flow.held_out_loss(load_file(trained.FOLDER / name), task, data, LEVELS) for name in (trained.HIGH, trained.LOW)
    )
    pair = [a if level >= BOUNDARY else b for level, a, b in zip(LEVELS, high, low, strict=True)]
    return mean(pair), mean(high), mean(low)


def _rows(conditioning: list) -> torch.Tensor:
    """A prompt's tokens without the padding."""
    rows = conditioning[0][0][0]
    return rows[: int(rows.abs().amax(-1).nonzero().max()) + 1]
