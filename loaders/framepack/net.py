"""FramePack's network: the host's HunyuanVideo with tokens of clean latents in front of those it draws.

The host's own forward runs unchanged. Three of its modules are watched, on this instance alone: what ``img_in``
gives gets the clean tokens before it, ``pe_embedder`` gets positions in place of its own, ``final_layer`` sees the
tokens to be drawn only. What one call needs lies in ``_call`` while it runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from comfy.ldm.hunyuan_video.model import HunyuanVideo
from torch import nn

STRIDES = (4, 2, 1)  # of the groups of clean latents, in the order of their tokens
_MARK = -1.0  # in the temporal position of the picture's tokens; text has 0


@dataclass
class Call:
    """What one forward needs: the drawn frames' positions in time, and per stride clean latents and positions.

    ``target``: one whole number a latent frame. ``clean``: {stride: (latents [B, 16, T, h, w], T whole numbers)}.
    """

    target: tuple[int, ...]
    clean: dict[int, tuple[torch.Tensor, tuple[int, ...]]]
    grid: tuple[int, int] = (0, 0)  # rows and columns of tokens of a frame

    def tokens(self) -> int:
        drawn = len(self.target) * math.prod(self.grid)
        return drawn + sum(token_count(len(times), self.grid, stride) for stride, (_, times) in self.clean.items())


def token_count(frames: int, grid: Sequence[int], stride: int) -> int:
    """Tokens of ``frames`` latent frames of ``grid`` tokens each, once ``stride`` are made one along every axis."""
    return math.prod(-(-size // stride) for size in (frames, *grid))


class CleanEmbedder(nn.Module):
    """Clean latents to tokens, at three scales."""

    def __init__(self, channels: int, width: int, operations, **made):
        super().__init__()
        for name, stride in (("proj", 1), ("proj_2x", 2), ("proj_4x", 4)):
            size = (stride, 2 * stride, 2 * stride)
            self.add_module(name, operations.Conv3d(channels, width, kernel_size=size, stride=size, **made))

    def forward(self, latents: torch.Tensor, stride: int) -> torch.Tensor:
        """[B, 16, T, h, w] to [B, tokens, width]; what is no whole number of patches repeats its last row."""
        layer = getattr(self, "proj" if stride == 1 else f"proj_{stride}x")
        return layer(extend(latents, layer.kernel_size)).flatten(2).transpose(1, 2)


class ImageProjection(nn.Module):
    """SigLIP's features to tokens that stand before the text's."""

    def __init__(self, features: int, width: int, operations, **made):
        super().__init__()
        self.up = operations.Linear(features, 3 * width, **made)
        self.down = operations.Linear(3 * width, width, **made)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.down(nn.functional.silu(self.up(features)))


def extend(x: torch.Tensor, multiples: Sequence[int]) -> torch.Tensor:
    """``x`` with its last three axes made whole multiples, by repeating their last element."""
    for axis, multiple in zip((-3, -2, -1), multiples, strict=True):
        missing = -x.shape[axis] % multiple
        if missing:
            last = x.narrow(axis, x.shape[axis] - 1, 1)
            x = torch.cat([x, last.repeat_interleave(missing, axis)], axis)
    return x


def positions(times: Sequence[int], grid: Sequence[int], device) -> torch.Tensor:
    """[1, T * rows * columns, 3] float32: time, row and column of every token."""
    axes = [torch.tensor([float(time) for time in times], device=device)]
    axes += [torch.arange(size, dtype=torch.float32, device=device) for size in grid]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(1, -1, 3)


class FramePackNet(HunyuanVideo):
    """The host's network under FramePack's weights. ``image_dim``: numbers of one feature of the picture's."""

    def __init__(self, *args, image_dim: int = 1152, dtype=None, device=None, operations=None, **kwargs):
        super().__init__(*args, dtype=dtype, device=device, operations=operations, **kwargs)
        made = {"dtype": dtype, "device": device}
        self.clean_x_embedder = CleanEmbedder(self.in_channels, self.hidden_size, operations, **made)
        self.vision_in = ImageProjection(image_dim, self.hidden_size, operations, **made)
        self._call: Call | None = None
        self.img_in.register_forward_hook(self._prepend)
        self.pe_embedder.register_forward_hook(self._place)
        self.final_layer.register_forward_pre_hook(self._drawn)

    def _forward(self, x, *args, framepack_target=None, **kwargs):
        """As the host's. ``framepack_target`` and framepack_{1,2,4}x with framepack_{1,2,4}x_times: see Call."""
        clean = {stride: self._group(kwargs, stride) for stride in STRIDES}
        if framepack_target is None:
            return super()._forward(x, *args, **kwargs)
        if len(framepack_target) != x.shape[2]:
            raise ValueError(f"{len(framepack_target)} positions for {x.shape[2]} latent frames")
        grid = tuple(size // patch for size, patch in zip(x.shape[3:], self.patch_size[1:], strict=True))
        self._call = Call(framepack_target, {stride: group for stride, group in clean.items() if group}, grid)
        try:
            return super()._forward(x, *args, **kwargs)
        finally:
            self._call = None

    @staticmethod
    def _group(kwargs: dict, stride: int):
        latents, times = kwargs.pop(f"framepack_{stride}x", None), kwargs.pop(f"framepack_{stride}x_times", None)
        return None if latents is None else (latents, times)

    def img_ids(self, x: torch.Tensor) -> torch.Tensor:
        """Marks for the picture's tokens: their positions are put in once the host has put them and the text's in order."""
        if self._call is None:
            return super().img_ids(x)
        return x.new_full((x.shape[0], self._call.tokens(), 3), _MARK)

    def _prepend(self, _module, _args, tokens: torch.Tensor):
        if self._call is None:
            return None
        clean = [self.clean_x_embedder(latents, stride).to(tokens) for stride, (latents, _) in self._call.clean.items()]
        return torch.cat([*clean, tokens], dim=1)

    def _place(self, _module, args, table: torch.Tensor):
        """``table``: [B, 1, N, 64, 2, 2], of which the marked rows, all in one piece, get the true positions."""
        if self._call is None:
            return None
        ours = self._tables(table.device).to(table).expand(table.shape[0], *(-1,) * 5)
        start = 0 if args[0][0, 0, 0] == _MARK else table.shape[2] - ours.shape[2]
        return torch.cat([table[:, :, :start], ours, table[:, :, start + ours.shape[2] :]], dim=2)

    def _tables(self, device) -> torch.Tensor:
        """[1, 1, tokens, 64, 2, 2]: sines and cosines of all of the picture's tokens, in their order.

        Those of 2x and 4x are means over what they stand for, as in the reference: no rotations any more.
        """
        call = self._call
        groups = [(times, stride) for stride, (_, times) in call.clean.items()] + [(call.target, 1)]
        return torch.cat([self._table(times, stride, device) for times, stride in groups], dim=2)

    def _table(self, times: Sequence[int], stride: int, device) -> torch.Tensor:
        fine = self.pe_embedder.forward(positions(times, self._call.grid, device))
        if stride == 1:
            return fine
        numbers = fine.flatten(3)[:, 0].transpose(1, 2).unflatten(2, (len(times), *self._call.grid))
        mean = nn.functional.avg_pool3d(extend(numbers, (stride,) * 3), stride)
        return mean.flatten(2).transpose(1, 2)[:, None].unflatten(3, fine.shape[3:])

    def _drawn(self, _module, args):
        if self._call is None:
            return None
        tokens, *others = args
        return (tokens[:, -len(self._call.target) * math.prod(self._call.grid) :], *others)
