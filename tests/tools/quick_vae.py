"""A VAE that does next to nothing, for runs in which the VAE is not what is looked at: the tests' tiny one has Wan's
layers, and those take seconds per window.

It passes a downsampled video: latent channels 0 to 11 are the mean colours of 8x8 blocks of four frames, the first
latent frame is one frame in channels 0 to 2, and decoding interpolates the blocks, or repeats them.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F

BLOCK, COLOURS, LATENT = 8, 3, 16


class Means(torch.nn.Module):
    """In the place of the host's WanVAE. smooth: blocks are interpolated. shift(pixels [1, 3, F, H, W], -1..1) ->
    pixels: what decoding does to the colours beside."""

    def __init__(self, smooth: bool = False, shift=None):
        super().__init__()
        self.smooth, self.shift = smooth, shift

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """[1, 3, 4n + 1, H, W] -> [1, 16, n + 1, H / 8, W / 8]."""
        small = F.avg_pool3d(x.float(), (1, BLOCK, BLOCK))
        head, rest = small[:, :, :1], small[:, :, 1:]
        latent = x.new_zeros((x.shape[0], LATENT, 1 + rest.shape[2] // 4, *small.shape[3:]))
        latent[:, :COLOURS, :1] = head
        packed = rest.unflatten(2, (-1, 4)).permute(0, 3, 1, 2, 4, 5).flatten(1, 2)
        latent[:, : 4 * COLOURS, 1:] = packed
        return latent

    def decode(self, z: torch.Tensor, *_args, **_options) -> torch.Tensor:
        """The other way."""
        rest = z[:, : 4 * COLOURS, 1:].unflatten(1, (4, COLOURS)).permute(0, 2, 3, 1, 4, 5).flatten(2, 3)
        small = torch.cat((z[:, :COLOURS, :1], rest), 2).float()
        how = {"mode": "trilinear", "align_corners": False} if self.smooth else {"mode": "nearest"}
        size = (small.shape[2], small.shape[3] * BLOCK, small.shape[4] * BLOCK)
        pixels = F.interpolate(small, size=size, **how)
        return (pixels if self.shift is None else self.shift(pixels)).to(z.dtype)


def quick(vae, smooth: bool = False, shift=None):
    """A copy of a host VAE that was loaded from the tests' tiny file, with ``Means`` in it."""
    twin = copy.copy(vae)
    twin.first_stage_model = Means(smooth, shift)
    return twin
