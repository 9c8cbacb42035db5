"""What drives an animation - poses, faces, a background, a mask - brought to the video's own time and size.

A driver is a batch of pictures or a film read as it is needed. It is resampled by time, as WanAnimate's preprocessing
does (frame i is the source's frame nearest to its moment; Wan2.2 ``wan/modules/animate/preprocess/utils.py``), and
where it ends it runs back and forth (``inputs_padding`` in ``wan/animate.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch

from ..errors import InputError
from ..media.film import Film, open_film
from ..media.video import check_fps
from .keyframes import check_values

FITS = ("crop", "pad")
FACE = 512  # the side of the face encoder's pictures
TRAINED_FPS = Fraction(30)
POSE, FACES, BACKGROUND, MASK = "pose_video", "face_video", "background_video", "character_mask"
_SHRINK = 8  # pixels to a latent
_TOGETHER = 8  # pictures brought to size at once
_TICK = Fraction(1, 20)  # of a frame: what the times in a file may be off by
_SAME_RATE = Fraction(1, 1000)  # rates as near as this are the same rate, measured twice

Fit = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures [N, H, W, C] in memory, ``rate`` a second."""

    images: torch.Tensor
    name: str
    rate: Fraction

    @property
    def seconds(self) -> Fraction:
        return Fraction(self.images.shape[0]) / self.rate

    def pictures(self, moments: Sequence[Fraction]) -> Iterator[torch.Tensor]:
        """The pictures [H, W, C] on screen at ``moments``, in seconds; past the end the last."""
        for moment in moments:
            yield self.images[min(max(int(moment * self.rate), 0), self.images.shape[0] - 1)]


@dataclass(frozen=True, eq=False)
class Driver:
    """A source at the video's frame rate ``fps``: its frame 0 lies ``passed`` frames into it, ``count`` follow.

    drawn: whether a mask came as pictures, which are black and white only in the main.
    """

    source: Batch | Film
    fps: Fraction
    count: int
    passed: int = 0
    drawn: bool = False

    @property
    def name(self) -> str:
        return self.source.name

    def places(self, first: int, frames: int) -> list[int]:
        """Which of its frames stand at ``frames`` frames of the video from ``first``.

        Before its first frame lies what was passed over, if that is long enough; else the first stands still.
        """
        return [bounce(i, self.count) if i >= 0 else max(i, -self.passed) for i in range(first, first + frames)]

    def moment(self, place: int) -> Fraction:
        """The seconds into the source at which its frame ``place`` is looked up: amid the frame nearest to it."""
        return (place + self.passed) / self.fps + 1 / (2 * self.source.rate)

    def window(self, first: int, frames: int, fit: Fit) -> torch.Tensor:
        """``frames`` pictures from frame ``first`` of the video on, each brought to size by ``fit``.

        Never holds more pictures of the source's own size than ``fit`` is given at once.
        """
        places = self.places(first, frames)
        different = sorted(set(places))
        made, filled = None, 0
        for piece in _pieces(self.source.pictures([self.moment(place) for place in different])):
            check_values(piece, self.name)
            piece = fit(piece)
            if made is None:
                made = torch.empty((len(different), *piece.shape[1:]), dtype=piece.dtype, device=piece.device)
            made[filled : filled + len(piece)] = piece
            filled += len(piece)
        if different == places:
            return made
        row = {place: index for index, place in enumerate(different)}
        return made[[row[place] for place in places]]

    def glimpse(self, place: int) -> torch.Tensor:
        """Its frame ``place`` alone, [H, W, C], of the source's own size."""
        return next(iter(self.source.pictures([self.moment(place)])))


def _pieces(pictures: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
    held = []
    for each in pictures:
        held.append(each)
        if len(held) == _TOGETHER:
            yield torch.stack(held)
            held = []
    if held:
        yield torch.stack(held)


def bounce(index: int, count: int) -> int:
    """Back and forth over ``count`` frames without doubling the ends: 0 1 2 1 0 1 ... for three."""
    if count == 1:
        return 0
    index %= 2 * (count - 1)
    return index if index < count else 2 * (count - 1) - index


# ---------------------------------------------------------------- from what is wired


def source_of(value, name: str, rate: Fraction | None) -> Batch | Film:
    """An IMAGE or MASK batch at ``rate`` (None: not known yet, 1), or a host VIDEO at its own. Raises InputError."""
    if isinstance(value, torch.Tensor):
        return _batch(value.unsqueeze(-1) if value.ndim == 3 else value, name, rate or Fraction(1))
    from comfy_api.latest import Input, InputImpl  # here, so that the rest can be tested without the host

    if not isinstance(value, Input.Video):
        raise InputError(name, f"this is no video but {type(value).__name__}", "Wire an IMAGE batch or a VIDEO.")
    if not isinstance(value, InputImpl.VideoFromFile):  # its frames are in memory as it is
        parts = value.get_components()
        return _batch(parts.images, name, Fraction(parts.frame_rate))
    trim = getattr(value, "get_active_trim_window", lambda: (0, 0))  # trimming came to the host after 0.3.75
    start, duration = (Fraction(seconds).limit_denominator(10**6) for seconds in trim())
    return open_film(value.get_stream_source(), name, start, duration or None)


def _batch(images: torch.Tensor, name: str, rate: Fraction) -> Batch:
    if images.ndim != 4 or images.numel() == 0:
        problem = f"there is not a frame in it, its shape is {tuple(images.shape)}"
        raise InputError(name, problem, "Wire the frames of a video, or nothing.")
    return Batch(images, name, rate)


def drivers(
    wired: Mapping[str, object], fps: float, batch_fps: float, start: float
) -> tuple[dict[str, Driver], Fraction, list[str]]:
    """Drivers by name (those of ``wired`` that are not None), the video's frame rate, and what to tell.

    fps: of the video; 0 takes it from the first film. batch_fps: of the batches, which do not know it; 0 is the
    video's own. start: seconds passed over at the beginning of each driver of more than one frame.
    """
    wired = {name: value for name, value in wired.items() if value is not None}
    given = check_fps(batch_fps) if batch_fps else None
    sources = {name: source_of(value, name, given) for name, value in wired.items()}
    batches = [name for name, value in wired.items() if isinstance(value, torch.Tensor)]
    films = [each for name, each in sources.items() if name not in batches]
    rate, notes = check_fps(fps) if fps else None, []
    if rate is None:
        rate = films[0].rate.limit_denominator(1001) if films else given or TRAINED_FPS
        if not films and not given and sources:
            notes.append(
                f"fps: batches of pictures do not tell their rate; {float(TRAINED_FPS):g} a second taken, as WanAnimate "
                "was trained. Set fps, or batch_fps too where theirs is another."
            )
    made = {}
    for name, source in sources.items():
        if name in batches and given is None:
            source = Batch(source.images, name, rate)
        drawn = name == MASK and not (name in batches and wired[name].ndim == 3)
        made[name] = _driver(source, rate, start, drawn)
    return made, rate, notes


def _driver(source: Batch | Film, fps: Fraction, start: float, drawn: bool) -> Driver:
    still = isinstance(source, Batch) and source.images.shape[0] == 1
    whole = 1 if still else max(1, int(source.seconds * fps + _TICK))
    passed = 0 if still else round(Fraction(start) * fps)
    if passed >= whole:
        problem = f"{start:g} s are passed over, and {source.name} lasts {float(source.seconds):.2f} s"
        raise InputError("driver_start", problem, "Pass over less.")
    return Driver(source, fps, whole - passed, passed, drawn)


def length_of(made: Mapping[str, Driver], length: int) -> int:
    """``length``, or, where that is 0, that of the first driver with more than one frame (pose, face, ...)."""
    if length:
        return length
    for name in (POSE, FACES, BACKGROUND, MASK):
        if name in made and made[name].count > 1:
            return made[name].count
    raise InputError("length", "0 is as long as the drivers, and there is none that moves", "Give a number of frames.")


def account(driver: Driver, length: int, width: int, height: int, fit: str) -> str:
    """One line on what was done to a driver for a video of ``length`` frames of ``width`` x ``height``."""
    picture = driver.glimpse(0)
    size = f"{picture.shape[1]}x{picture.shape[0]}"
    source, told = driver.source, []
    if driver.count == 1 and isinstance(source, Batch):
        return f"{driver.name}: one picture of {size}, the same in every frame."
    if abs(source.rate - driver.fps) > _SAME_RATE:
        told.append(f"taken by time from {float(source.rate):g} to {float(driver.fps):g} a second")
    if (picture.shape[1], picture.shape[0]) != (width, height):
        cut = "" if picture.shape[1] * height == picture.shape[0] * width else (
            ", the middle cut out" if fit == "crop" else ", with black bars"
        )  # fmt: skip
        told.append(f"{size} made {width}x{height}{cut}")
    if driver.passed:
        told.append(f"{driver.passed} frames passed over")
    if driver.count > length:
        told.append(f"cut at frame {length}")
    if driver.count < length:
        told.append(f"runs back and forth from frame {driver.count} to {length}")
    return f"{driver.name}: {driver.count} frames; {', '.join(told) or 'as they are'}."


# ---------------------------------------------------------------- to size


def fitted(images: torch.Tensor, width: int, height: int, fit: str) -> torch.Tensor:
    """[n, H, W, C] -> [n, height, width, 3], float32. crop: as the host's node does; pad: black around, as the
    reference's preprocessing does."""
    images = images[..., :3].float().cpu()
    if images.shape[-1] == 1:
        images = images.expand(-1, -1, -1, 3)
    return _sized(images.movedim(-1, 1), width, height, fit, "area").movedim(1, -1)


def faces(images: torch.Tensor) -> torch.Tensor:
    """[n, H, W, C] -> [n, 512, 512, 3]: the largest square from the middle."""
    return fitted(images, FACE, FACE, "crop")


def mask_of(images: torch.Tensor, width: int, height: int, fit: str, drawn: bool) -> torch.Tensor:
    """Masks [n, H, W, C] for a video of width x height -> [n, height / 8, width / 8]; drawn: white from half grey on."""
    mask = images[..., :3].float().cpu().mean(-1)[:, None]
    if drawn:
        mask = (mask > 0.5).float()
    if fit == "pad":
        mask = _sized(mask, width, height, fit, "nearest-exact")
    return _sized(mask, width // _SHRINK, height // _SHRINK, "crop", "nearest-exact")[:, 0]


def _sized(pictures: torch.Tensor, width: int, height: int, fit: str, method: str) -> torch.Tensor:
    """[n, C, H, W] -> [n, C, height, width]."""
    if tuple(pictures.shape[-2:]) == (height, width):
        return pictures
    import comfy.utils  # here, so that the arithmetic around it can be used and tested without the host

    if fit == "crop":
        return comfy.utils.common_upscale(pictures, width, height, method, "center")
    old_height, old_width = pictures.shape[-2:]
    scale = min(width / old_width, height / old_height)
    inner = min(width, max(1, round(old_width * scale))), min(height, max(1, round(old_height * scale)))
    top, left = (height - inner[1]) // 2, (width - inner[0]) // 2
    canvas = pictures.new_zeros((*pictures.shape[:2], height, width))
    scaled = comfy.utils.common_upscale(pictures, *inner, method, "disabled")
    canvas[..., top : top + inner[1], left : left + inner[0]] = scaled
    return canvas
