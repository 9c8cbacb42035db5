"""A small world of moving shapes, drawn from a seed: what the tiny trained models learn.

A scene is one coloured shape that glides over a softly shaded background, or two of them, or a jointed figure that
waves and speaks. Everything a test wants to know is part of it: the caption, the motion score (which is the speed),
where the shape is in every frame, which pixels are its own, the figure's joints and how far its mouth is open.

Needs torch only. Positions are in pixels, x to the right and y down; time is in frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

SIZE = 64
COLOURS = {
    "red": (0.86, 0.12, 0.14),
    "green": (0.10, 0.62, 0.22),
    "blue": (0.13, 0.25, 0.85),
    "yellow": (0.98, 0.85, 0.12),
    "white": (0.97, 0.97, 0.97),
}
SHAPES = ("ring", "bar", "triangle", "cross")  # which a soft VAE cannot mistake for one another
DIRECTIONS = {
    "left to right": (1.0, 0.0),
    "right to left": (-1.0, 0.0),
    "up": (0.0, -1.0),
    "down": (0.0, 1.0),
}
KINDS = ("one", "two", "figure")
SCORES = tuple(step / 2 for step in range(11))  # 0, 0.5 .. 5: what AniSora's motion score runs over
RADIUS = 13.0
BORDER = 16.0  # a shape's centre turns round here
SLOWEST, FASTER = 0.3, 0.34  # pixels a frame at score 0, and more for every point of the score
FAST = 2.5  # from this score on a caption says "fast", below "slowly"
HELD_OUT = (("red", "cross", "up"), ("blue", "bar", "left to right"), ("green", "ring", "down"),
            ("yellow", "triangle", "right to left"), ("white", "cross", "left to right"))  # fmt: skip
JOINTS = ("head", "neck", "hip", "left hand", "right hand", "left foot", "right foot")
_LIMBS = (("neck", "hip"), ("neck", "left hand"), ("neck", "right hand"), ("hip", "left foot"), ("hip", "right foot"))
_INK = (0.10, 0.09, 0.13)


@dataclass(frozen=True)
class Shape:
    """A coloured shape: where its centre begins, and how it moves."""

    colour: str
    shape: str
    direction: str
    score: float
    start: tuple[float, float]

    @property
    def speed(self) -> float:
        """Mean pixels a frame."""
        return SLOWEST + FASTER * self.score

    def words(self) -> str:
        return f"{self.colour} {self.shape} moves {self.direction}, {'fast' if self.score >= FAST else 'slowly'}"


@dataclass(frozen=True)
class Scene:
    """All that a clip is drawn from. background: the two colours of its shading and the angle between them."""

    kind: str
    frames: int
    shapes: tuple[Shape, ...]
    background: tuple[tuple[float, ...], tuple[float, ...], float]
    colour: str = ""  # of the figure
    score: float = 0.0
    phase: float = 0.0
    place: tuple[float, float] = (32.0, 32.0)

    @property
    def caption(self) -> str:
        if self.kind == "figure":
            return f"{self.colour} figure waves and speaks, {'fast' if self.score >= FAST else 'slowly'}"
        return " and ".join(shape.words() for shape in self.shapes)


@dataclass(frozen=True)
class Clip:
    """A drawn scene.

    frames: [F, 64, 64, 3], 0..1. masks: [S, F, 64, 64], the share of each pixel that belongs to shape (or figure) s.
    centres: [S, F, 2]. joints: [F, 7, 2] in the order of JOINTS, mouth: [F], 0 shut to 1 open; None without a figure.
    """

    scene: Scene
    frames: torch.Tensor
    masks: torch.Tensor
    centres: torch.Tensor
    joints: torch.Tensor | None = None
    mouth: torch.Tensor | None = None


# ---------------------------------------------------------------- scenes


def scene(seed: int, frames: int = 17, kind: str | None = None, held_out: bool = False) -> Scene:
    """The scene of ``seed``. held_out: only combinations of colour, shape and direction that training never shows."""
    dice = Dice(seed)
    drawn = dice.pick(("one",) * 6 + ("two",) + ("figure",) * 2)
    kind = drawn if kind is None else kind
    background = (dice.shade(), dice.shade(), dice.between(0, 2 * math.pi))
    if kind == "figure":
        return Scene(
            kind, frames, (), background, dice.pick(tuple(COLOURS)), dice.pick(SCORES), dice.between(0, 2 * math.pi),
            (dice.between(24, 40), dice.between(32, 38)),
        )  # fmt: skip
    shapes = [_shape(dice, frames, held_out)]
    if kind == "two":
        shapes.append(_shape(dice, frames, False, without=shapes[0].colour))
    return Scene(kind, frames, tuple(shapes), background, score=max(shape.score for shape in shapes))


def _shape(dice: Dice, frames: int, held_out: bool, without: str = "") -> Shape:
    while True:
        if held_out:
            look = dice.pick(HELD_OUT)
        else:
            colours = tuple(colour for colour in COLOURS if colour != without)
            look = (dice.pick(colours), dice.pick(SHAPES), dice.pick(tuple(DIRECTIONS)))
        if held_out or look not in HELD_OUT:
            break
    score = dice.pick(SCORES)
    across, far = dice.between(BORDER, SIZE - BORDER), (SLOWEST + FASTER * score) * (frames - 1)
    room = max(SIZE - 2 * BORDER - far, 0.0)  # so that short clips need not turn round
    along = BORDER + room * dice.between(0, 1)
    dx, dy = DIRECTIONS[look[2]]
    if dx + dy < 0:
        along = SIZE - along
    return Shape(*look, score, (along, across) if dx else (across, along))


class Dice:
    """Draws from one seed, the same on every machine."""

    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand(1, generator=self.generator, dtype=torch.float64))

    def pick(self, options: tuple):
        return options[min(int(self.between(0, len(options))), len(options) - 1)]

    def shade(self) -> tuple[float, ...]:
        """A muted colour that no shape has."""
        grey = self.between(0.32, 0.7)
        return tuple(grey + self.between(-0.09, 0.09) for _ in range(3))


# ---------------------------------------------------------------- drawing


def draw(scene: Scene, only: slice = slice(None)) -> Clip:
    """All frames of a scene, or ``only`` some of them."""
    count = len(range(scene.frames)[only])
    frames = _background(scene).expand(count, -1, -1, -1).clone()
    if scene.kind == "figure":
        return _draw_figure(scene, frames, only)
    masks, centres = [], []
    for shape in scene.shapes:
        track = path(shape, scene.frames)[only]
        cover = (0.5 - _DISTANCES[shape.shape](_grid() - track[:, None, None])).clamp(0, 1)
        frames = frames + cover[..., None] * (torch.tensor(COLOURS[shape.colour]) - frames)
        masks = [mask * (1 - cover) for mask in masks] + [cover]
        centres.append(track)
    return Clip(scene, frames, torch.stack(masks), torch.stack(centres))


def path(shape: Shape, frames: int) -> torch.Tensor:
    """Centres [F, 2]: eased at both ends, turned round at the border; its mean speed is the shape's."""
    share = torch.linspace(0, 1, max(frames, 2))[:frames]
    eased = 0.5 * share + 0.5 * share * share * (3 - 2 * share)
    way = torch.tensor(DIRECTIONS[shape.direction]) * shape.speed * (frames - 1)
    return _folded(torch.tensor(shape.start) + eased[:, None] * way)


def _folded(place: torch.Tensor) -> torch.Tensor:
    room = SIZE - 2 * BORDER
    turned = (place - BORDER) % (2 * room)
    return BORDER + torch.where(turned > room, 2 * room - turned, turned)


def _background(scene: Scene) -> torch.Tensor:
    first, second, angle = scene.background
    grid = (_grid() - SIZE / 2) / SIZE
    share = (0.5 + grid[..., 0] * math.cos(angle) + grid[..., 1] * math.sin(angle)).clamp(0, 1)[..., None]
    return torch.tensor(first) * (1 - share) + torch.tensor(second) * share


def _grid() -> torch.Tensor:
    """Pixel centres [64, 64, 2], x and y."""
    line = torch.arange(SIZE) + 0.5
    return torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)


def _ring(p: torch.Tensor) -> torch.Tensor:
    return (p.norm(dim=-1) - RADIUS * 0.85).abs() - RADIUS * 0.3


def _bar(p: torch.Tensor) -> torch.Tensor:
    """Lying."""
    return _box(p, 1.15, 0.45)


def _cross(p: torch.Tensor) -> torch.Tensor:
    return torch.minimum(_box(p, 1.15, 0.36), _box(p, 0.36, 1.15))


def _box(p: torch.Tensor, wide: float, high: float) -> torch.Tensor:
    """Half its sides, in RADIUS."""
    return torch.maximum(p[..., 0].abs() - wide * RADIUS, p[..., 1].abs() - high * RADIUS)


def _triangle(p: torch.Tensor) -> torch.Tensor:
    """Point up."""
    x, y = p[..., 0].abs(), p[..., 1] - 1.5
    return torch.maximum(x * math.cos(math.pi / 6) - 0.5 * y, y) - RADIUS * 0.56


_DISTANCES = {"ring": _ring, "bar": _bar, "triangle": _triangle, "cross": _cross}


def _draw_figure(scene: Scene, frames: torch.Tensor, only: slice) -> Clip:
    joints, mouth = (track[only] for track in figure_track(scene))
    at = {name: joints[:, None, None, index] for index, name in enumerate(JOINTS)}
    cover = torch.zeros(frames.shape[:3])
    for start, end in _LIMBS:
        cover = torch.maximum(cover, (3.4 - _to_line(_grid(), at[start], at[end])).clamp(0, 1))
    from_head = _grid() - at["head"]
    cover = torch.maximum(cover, (9.0 - from_head.norm(dim=-1)).clamp(0, 1))
    frames = frames + cover[..., None] * (torch.tensor(COLOURS[scene.colour]) - frames)
    high = 0.8 + 3.4 * mouth[:, None, None]
    inside = torch.sqrt((from_head[..., 0] / 4.6) ** 2 + ((from_head[..., 1] - 2.6) / high) ** 2)
    lips = ((1 - inside) * high + 0.5).clamp(0, 1)
    frames = frames + lips[..., None] * (torch.tensor(_INK) - frames)
    return Clip(scene, frames, cover[None], at["hip"][None, :, 0, 0], joints, mouth)


def figure_track(scene: Scene) -> tuple[torch.Tensor, torch.Tensor]:
    """Joints [F, 7, 2] and mouth [F]: arms and legs swing as fast as the score says, the mouth opens and shuts."""
    time = torch.arange(scene.frames) * (0.08 + 0.07 * scene.score) + scene.phase
    hip = torch.tensor(scene.place) + torch.stack((torch.sin(time) * 1.5, torch.zeros_like(time)), -1)
    neck = hip - torch.stack((torch.sin(time) * 1.0, torch.full_like(time, 13.0)), -1)
    swing, stride = 0.9 * torch.sin(time), 0.35 * torch.sin(time)
    hands = [_reach(neck, 15.0, side * (1.5 + side * swing)) for side in (-1, 1)]
    feet = [_reach(hip, 17.0, side * 0.4 + stride) for side in (-1, 1)]
    head = neck - torch.tensor([0.0, 8.0])
    mouth = (0.5 + 0.5 * torch.sin(2.3 * time + 1.7 * scene.phase)) * (0.5 + 0.5 * torch.sin(0.9 * time))
    return torch.stack((head, neck, hip, *hands, *feet), 1), mouth.clamp(0, 1)


def _reach(start: torch.Tensor, length: float, angle: torch.Tensor) -> torch.Tensor:
    """``length`` away, ``angle`` from straight down."""
    return start + length * torch.stack((torch.sin(angle), torch.cos(angle)), -1)


def _to_line(p: torch.Tensor, start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """Distance of p to the line from start to end."""
    along = end - start
    share = (((p - start) * along).sum(-1) / along.square().sum(-1)).clamp(0, 1)
    return (p - start - share[..., None] * along).norm(dim=-1)
