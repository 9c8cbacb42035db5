"""Pixel frames, latent frames and mask rows of the Wan 2.1 VAE, which Wan 2.2 A14B, AniSora and Phr00t share.

The VAE encodes pixel frame 0 alone and every further four frames together (Wan2.2 ``wan/modules/vae2_1.py``),
so a clip of ``4n + 1`` frames has ``n + 1`` latent frames. The image-to-video models see a mask with four rows
("sub-channels") per latent frame; frame 0, which has a latent frame to itself, owns all four of the first.
"""

from __future__ import annotations

from ..errors import InputError

STRIDE = 4
SNAPS = ("none", "latent", "anisora")
_SNAP_STEP = {"none": 1, "latent": 4, "anisora": 8}


def round_length(length: int) -> int:
    """The next clip length of the form 4n + 1: 16 becomes 17, 81 stays 81."""
    if length < 1:
        raise InputError("length", f"{length} frames is no video", "Give at least 1 frame; 81 is usual.")
    return (length + 2) // STRIDE * STRIDE + 1


def latent_length(length: int) -> int:
    """Latent frames of a clip of ``length`` pixel frames."""
    return (length - 1) // STRIDE + 1


def latent_of(frame: int) -> int:
    """The latent frame that holds pixel frame ``frame``: 0 -> 0, 1..4 -> 1, 5..8 -> 2."""
    return (frame + 3) // STRIDE


def row_of(frame: int) -> int:
    """The mask row inside its latent frame that belongs to pixel frame ``frame`` (frame 0 owns all four)."""
    return (frame + 3) % STRIDE


def frames_of(latent: int) -> range:
    """The pixel frames inside one latent frame."""
    return range(1) if latent == 0 else range(STRIDE * latent - 3, STRIDE * latent + 1)


def group_border(frame: int, continued: bool = False) -> int:
    """The frame nearest to ``frame`` before which a clip can be cut: 4n + 1, or 0. continued: the clip goes on from
    another, so its frame 0 is in a group of four, too: 4n."""
    first = 0 if continued else 1
    border = first + (frame - first + 1) // STRIDE * STRIDE
    return border if border > first else 0


def mask_rows(frame: int) -> range:
    """The rows of the flat mask ``[4T]`` that say "this pixel frame is given"."""
    return range(STRIDE) if frame == 0 else range(frame + 3, frame + 4)


def resolve_index(index: int, length: int, name: str = "frame_index") -> tuple[int, str | None]:
    """A frame index as people write it -> (frame 0 .. length - 1, a warning or None).

    Negative counts from the end (-1 is the last). ``length`` itself is taken as the last frame, since documents
    of the original write "frame 81" for the end of 81. Anything else outside is an error.
    """
    if isinstance(index, bool) or not isinstance(index, int):
        raise InputError(name, f"{index!r} is no whole number", f"Use 0 to {length - 1}, or -1 for the last frame.")
    if index == length:
        return length - 1, f"{name} {index} is one past the end of {length} frames (they count from 0): used the last."
    if not -length <= index < length:
        remedy = f"Frames run from 0 to {length - 1}, or -1 (last) back to -{length}."
        raise InputError(name, f"{index} lies outside a video of {length} frames", remedy)
    return index % length, None


def snap_frame(frame: int, length: int, snap: str) -> int:
    """Moves a frame to the grid the model knows: ``latent`` to multiples of 4, ``anisora`` to multiples of 8.

    Rounds half to even, as the reference does (``round(idx / 8) * 8`` in AniSora V3.2 ``image2video.py``). The last
    frame stays the last: with lengths other than 8m + 1 the reference rounds it off the end (77 frames: 80, which
    fails) or away from it (53 frames: 48, so that the end is free).
    """
    if frame == length - 1:
        return frame
    step = _SNAP_STEP[snap]
    return round(frame / step) * step


def anisora_frame(fraction: float, length: int) -> int:
    """AniSora's position 0..1 as a frame: ``int((F - 1) * pos)``, then the snap to 8 (AniSora V3 and V3.2)."""
    if not 0.0 <= fraction <= 1.0:
        raise InputError("position", f"{fraction} is not a fraction", "Give 0 (first frame) to 1 (last frame).")
    return snap_frame(int((length - 1) * fraction), length, "anisora")
