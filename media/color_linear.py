"""Colour transfers that are a matrix and an offset: on the pixels (mkl, least squares) or on their logarithms (reinhard).

Pixels are [N, 3] in float32; means, covariances and matrices are float64 and live on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add

import torch

_LOWEST_VARIANCE = 1e-12  # a spread of 1e-6 of the range: rounding, no colour
_LOWEST_RATIO = 1e-12  # of a direction's variance to the widest direction's, for the same reason
_LOWEST_LOG_SPREAD = 1e-5  # of natural logarithms, whose float32 rounding is about 1e-7
_GROUP = 8  # pixels multiplied at once: a matrix of 24x24 keeps the CPU's vector units busy, one of 3x3 does not
_PRODUCT = 1 << 11  # pixels per product; of more, the BLAS would wake its threads
_ZERO = 1.0 / 255.0  # what reinhard takes a zero for

# RGB to cone responses, as printed by Reinhard et al. (2001). The way back is their rounded matrix, too:
# the exact inverse would be another picture than color-matcher's.
_TO_LMS = torch.tensor(
    [[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]], dtype=torch.float64
)
_FROM_LMS = torch.tensor(
    [[4.4679, -3.5873, 0.1193], [-1.2186, 2.3809, -0.1624], [0.0497, -0.2439, 1.2045]], dtype=torch.float64
)
# Axes along which the logarithms of natural pictures are uncorrelated (Ruderman et al. 1998); orthonormal rows.
_AXES = torch.nn.functional.normalize(
    torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, -2.0], [1.0, -1.0, 0.0]], dtype=torch.float64), dim=1
)


@dataclass(frozen=True)
class Moments:
    """How many pixels, their mean [D], and the sum of outer products of their deviations from it [D, D]."""

    count: int
    mean: torch.Tensor
    scatter: torch.Tensor

    def __add__(self, other: Moments) -> Moments:
        """Both sets of pixels together (Chan, Golub, LeVeque 1979)."""
        count = self.count + other.count
        step = other.mean - self.mean
        shift = torch.outer(step, step) * (self.count * other.count / count)
        return Moments(count, self.mean + step * (other.count / count), self.scatter + other.scatter + shift)

    @property
    def covariance(self) -> torch.Tensor:
        """Unbiased; zero for a single pixel."""
        return self.scatter / max(self.count - 1, 1)


def blocks(pixels: torch.Tensor) -> Iterator[slice]:
    """Slices of pixels that keep a GPU busy, or fit a CPU's cache.

    On a CPU they are small enough for torch to work on one thread: waking several for such short work costs more
    than it saves, and where other programs hold a core, each wait for the last thread costs milliseconds.
    """
    size = 1 << 13 if pixels.device.type == "cpu" else 1 << 20
    for start in range(0, len(pixels), size):
        yield slice(start, start + size)


def moments(pixels: torch.Tensor) -> Moments:
    """Moments of ``pixels`` [N, D], accumulated in float64."""
    return reduce(add, (_block_moments(pixels[part].double()) for part in blocks(pixels)))


def _block_moments(block: torch.Tensor) -> Moments:
    count = len(block)
    mean = block.sum(0) / count
    scatter = (block.T @ block - count * torch.outer(mean, mean)).cpu()
    return Moments(count, mean.cpu(), (scatter + scatter.T) / 2)


@dataclass(frozen=True)
class Affine:
    """y = matrix x + offset for every pixel."""

    matrix: torch.Tensor
    offset: torch.Tensor

    @cached_property
    def wide(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Matrix (transposed) and offset for a group of pixels in one row, float32."""
        return torch.block_diag(*[self.matrix.T.float()] * _GROUP), self.offset.float().repeat(_GROUP)

    def __call__(self, pixels: torch.Tensor, into: torch.Tensor | None = None) -> torch.Tensor:
        """[N, 3] float32, written to ``into`` if given."""
        out = torch.empty_like(pixels, memory_format=torch.contiguous_format) if into is None else into
        if pixels.device.type == "cpu":
            for start in range(0, len(pixels), _PRODUCT):
                part = slice(start, start + _PRODUCT)
                self._by_groups(pixels[part].contiguous(), out[part])
        else:
            _by_columns(pixels, self.matrix, self.offset, out)
        return out

    def _by_groups(self, pixels: torch.Tensor, out: torch.Tensor) -> None:
        matrix, offset = self.wide
        whole = len(pixels) // _GROUP * _GROUP
        source, target = (tensor[:whole].view(-1, 3 * _GROUP) for tensor in (pixels, out))
        torch.addmm(offset, source, matrix, out=target)
        if whole < len(pixels):
            torch.addmm(offset[:3], pixels[whole:], matrix[:3, :3], out=out[whole:])

    def precise(self, pixels: torch.Tensor) -> torch.Tensor:
        """[N, 3] float64. Pixels that were equal stay equal to the last bit, which a matrix product does not promise."""
        out = torch.empty((3, len(pixels)), dtype=torch.float64, device=pixels.device).T
        _by_columns(pixels.double(), self.matrix, self.offset, out)
        return out


def _by_columns(pixels: torch.Tensor, matrix: torch.Tensor, offset: torch.Tensor, out: torch.Tensor) -> None:
    """Without a matrix product: a GPU may round the factors of one to ten bits (TF32)."""
    for channel, (row, shift) in enumerate(zip(matrix.tolist(), offset.tolist(), strict=True)):
        column = pixels[:, 0] * row[0]
        column += pixels[:, 1] * row[1]
        column += pixels[:, 2] * row[2]
        out[:, channel] = column.add_(shift)


def mkl(source: Moments, reference: Moments) -> Affine:
    """The linear Monge-Kantorovich map between two Gaussians (Pitie, Kokaram 2007).

    T = R^1/2 (R^1/2 S R^1/2)^-1/2 R^1/2 with S and R the covariances of source and reference. Of the two ways
    to write it this one stays right where the source does not vary in some direction: a grey picture is laid
    along the reference's colours, a flat one becomes their mean.
    """
    root, _ = _roots(reference.covariance, 0.0)
    lowest = _LOWEST_VARIANCE * float(reference.covariance.trace())
    _, inverse = _roots(root @ source.covariance @ root, lowest)
    matrix = root @ inverse @ root
    return Affine(matrix, reference.mean - matrix @ source.mean)


def least_squares(both: Moments) -> Affine:
    """The map that brings source pixels nearest to the reference's at the same place: C_rs C_ss^-1.

    both: moments of [source, reference] side by side, D = 6. It is color-matcher's analytical solver for mvgd,
    whose pseudo-inverses reduce to this.
    """
    covariance = both.covariance
    _, inverse = _roots(covariance[:3, :3], _LOWEST_VARIANCE)
    matrix = covariance[3:, :3] @ inverse @ inverse
    return Affine(matrix, both.mean[3:] - matrix @ both.mean[:3])


def _roots(matrix: torch.Tensor, lowest: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Root and inverse root of a symmetric matrix, without the directions whose eigenvalue is as good as zero."""
    values, vectors = torch.linalg.eigh(matrix)
    kept = values > max(lowest, _LOWEST_RATIO * float(values[-1]))
    roots = torch.where(kept, values, 1.0).sqrt()
    return (vectors * (roots * kept)) @ vectors.T, (vectors * (kept / roots)) @ vectors.T


_LMS = Affine(_TO_LMS, torch.zeros(3, dtype=torch.float64))
_RGB = Affine(_FROM_LMS, torch.zeros(3, dtype=torch.float64))


def log_lms(pixels: torch.Tensor, into: torch.Tensor | None = None) -> torch.Tensor:
    """Natural logarithms of the cone responses; what is zero or less counts as 1/255, as in color-matcher."""
    out = torch.empty_like(pixels, memory_format=torch.contiguous_format) if into is None else into
    for part in blocks(pixels):
        _LMS(torch.nn.functional.threshold(pixels[part], 0.0, _ZERO), out[part]).clamp_(min=1e-30).log_()
    return out


@dataclass(frozen=True)
class LogAffine:
    """An Affine between logarithms of cone responses, and back to RGB."""

    affine: Affine

    def __call__(self, pixels: torch.Tensor, into: torch.Tensor | None = None) -> torch.Tensor:
        """[N, 3] float32, written to ``into`` if given."""
        return self.back(log_lms(pixels, into))

    def back(self, logarithms: torch.Tensor) -> torch.Tensor:
        """The same for pixels whose ``log_lms`` are known: these are overwritten with the result."""
        for part in blocks(logarithms):
            lms = self.affine(logarithms[part]).clamp_(-60.0, 20.0).exp_()  # no overflow, whatever the input
            _RGB(lms, logarithms[part])
        return logarithms


def reinhard(source: Moments, reference: Moments) -> LogAffine:
    """Mean and spread along each of Ruderman's axes made equal (Reinhard et al. 2001, equations 10 and 11)."""
    spread, wanted = (
        torch.diagonal(_AXES @ stats.scatter @ _AXES.T).clamp_min(0).div(stats.count).sqrt()
        for stats in (source, reference)
    )
    flat = spread < _LOWEST_LOG_SPREAD
    ratio = torch.where(flat, 0.0, wanted / torch.where(flat, 1.0, spread))
    matrix = _AXES.T @ torch.diag(ratio) @ _AXES
    return LogAffine(Affine(matrix, reference.mean - matrix @ source.mean))
