"""Where the two speakers are: masks of the picture on the model's token grid, and the rest as background."""

from __future__ import annotations

import torch

from ..errors import InputError
from .fit import GRID

_PAINT = "Paint the mask over the speaker, face and body."


def check_speakers(audio_2, mask_1, mask_2) -> bool:
    """Whether there are two speakers; raises unless second sound and both masks come together."""
    masks = {"mask_1": mask_1, "mask_2": mask_2}
    missing = [name for name, mask in masks.items() if mask is None]
    if audio_2 is None and len(missing) == 2:
        return False
    if audio_2 is None:
        given = next(name for name, mask in masks.items() if mask is not None)
        remedy = "Wire the second speaker's audio_2, or disconnect the masks: one speaker needs none."
        raise InputError(given, "there is a mask, but only one sound", remedy)
    if missing:
        remedy = "Wire two masks that do not overlap: white where that speaker is in the picture, black elsewhere."
        raise InputError(missing[0], "two speakers need a mask each, and this one is missing", remedy)
    for name, mask in masks.items():
        _check(mask, name)
    return True


def speaker_classes(mask_1: torch.Tensor, mask_2: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """[1, 3, height / 16, width / 16], 0 or 1: speaker 1, speaker 2, neither. Each token is in exactly one class.

    A mask [1, h, w] is cropped around the centre as the picture is, then sampled by nearest neighbour; all above 0
    counts, as in the reference and the host.
    """
    one, two = (_on_tokens(mask, name, width, height) for mask, name in ((mask_1, "mask_1"), (mask_2, "mask_2")))
    both = int((one & two).sum())
    if both:
        problem = f"it overlaps mask_1 in {both} of {one.numel()} patches of 16 pixels"
        remedy = "Leave a gap between the two masks; their blurred edges count, too."
        raise InputError("mask_2", problem, remedy)
    return torch.stack((one, two, ~(one | two)))[None].float()


def _check(mask, name: str) -> None:
    if not isinstance(mask, torch.Tensor) or mask.ndim != 3 or mask.numel() == 0:
        shape = tuple(mask.shape) if isinstance(mask, torch.Tensor) else type(mask).__name__
        raise InputError(name, f"this is no mask [1, height, width] but {shape}", "Wire a MASK.")
    if mask.shape[0] != 1:
        raise InputError(name, f"{mask.shape[0]} masks in one batch where one is expected", "Wire one mask.")
    if not torch.isfinite(mask).all() or mask.min() < 0 or mask.max() > 1:
        remedy = "Use 1 where the speaker is, 0 elsewhere."
        raise InputError(name, "the mask has values outside 0 to 1", remedy)
    if mask.max() == 0:
        raise InputError(name, "the mask is all black, so nobody would speak there", _PAINT)


def _on_tokens(mask: torch.Tensor, name: str, width: int, height: int) -> torch.Tensor:
    import comfy.utils  # here, so that the checks can be used and tested without the host

    columns, rows = width // GRID, height // GRID
    tokens = comfy.utils.common_upscale(mask[:, None].float().cpu(), columns, rows, "nearest", "center")
    spoken = tokens[0, 0] > 0
    if not spoken.any():
        raise InputError(name, f"nothing of it is left at {width}x{height}", "Widen it: " + _PAINT)
    return spoken
