"""Colour maps that are a matrix and an offset: on the pixels (mkl, least squares) or on their logarithms (reinhard).

Pixels are [N, 3] in float32: a numpy array on a CPU, a tensor on a GPU. On a CPU they are worked on in blocks that
stay in its cache, on one thread: the threads of a BLAS wait for each other after every block, which costs more
than they save. Means, covariances and matrices are float64 numpy.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import TypeAlias

import numpy as np
import torch

Pixels: TypeAlias = "np.ndarray | torch.Tensor"

_BLOCK = 1 << 16  # pixels at a time on a CPU: each call leaves Python to the other threads for a while
_PIECE = 1 << 11  # pixels in one product: for a larger one a BLAS wakes its threads
_DEVICE_BLOCK = 1 << 20  # pixels at a time on a GPU
_PAIR, _FOUR, _MANY = 2, 4, 32  # pixels to a row: vector instructions have no use for rows of three numbers
_SAMPLE = 1 << 10  # pixels that tell about where the mean lies
_LOWEST_VARIANCE = 1e-12  # a spread of 1e-6 of the range: rounding, no colour
_LOWEST_RATIO = 1e-12  # of a direction's variance to the widest direction's, for the same reason
_LOWEST_LOG_SPREAD = 1e-5  # of natural logarithms, whose float32 rounding is about 1e-7
_ZERO = 1.0 / 255.0  # what reinhard takes a zero for
_DARKEST = 1e-30  # what counts as zero; its cone responses are numbers of full precision
_BRIGHTEST = 20.0  # logarithm; no picture comes near, and its exponential is finite

# RGB to cone responses, as printed by Reinhard et al. (2001). The way back is their rounded matrix, too:
# the exact inverse would be another picture than color-matcher's.
_TO_LMS = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
_FROM_LMS = np.array([[4.4679, -3.5873, 0.1193], [-1.2186, 2.3809, -0.1624], [0.0497, -0.2439, 1.2045]])
# Axes along which the logarithms of natural pictures are uncorrelated (Ruderman et al. 1998); orthonormal rows.
_AXES = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, -2.0], [1.0, -1.0, 0.0]]) / np.sqrt([[3.0], [6.0], [2.0]])


@dataclass(frozen=True)
class Moments:
    """How many pixels, their mean [D], and the sum of outer products of their deviations from it [D, D]."""

    count: int
    mean: np.ndarray
    scatter: np.ndarray

    def __add__(self, other: Moments) -> Moments:
        """Both sets of pixels together (Chan, Golub, LeVeque 1979)."""
        count = self.count + other.count
        step = other.mean - self.mean
        shift = np.outer(step, step) * (self.count * other.count / count)
        return Moments(count, self.mean + step * (other.count / count), self.scatter + other.scatter + shift)

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased; zero for a single pixel."""
        return self.scatter / max(self.count - 1, 1)


def blocks(pixels: Pixels) -> Iterator[slice]:
    """Slices of pixels that fit a CPU's cache, or keep a GPU busy."""
    size = _BLOCK if isinstance(pixels, np.ndarray) else _DEVICE_BLOCK
    for start in range(0, len(pixels), size):
        yield slice(start, start + size)


class Scratch(threading.local):
    """Arrays that a thread uses again, for as long as it lives: new memory costs more than most work done in it."""

    def __init__(self):
        self._arrays: dict[str, np.ndarray] = {}

    def __call__(self, name: str, shape: tuple[int, ...] | int, kind: type) -> np.ndarray:
        """The array of this name, with whatever is in it; another one where another shape or type is asked for."""
        wanted = shape if isinstance(shape, tuple) else (shape,)
        found = self._arrays.get(name)
        if found is None or found.shape != wanted or found.dtype != kind:
            self._arrays[name] = found = np.empty(wanted, kind)
        return found


scratch = Scratch()


def side_by_side(pixels: Pixels, others: Pixels) -> Pixels:
    """[N, 6]."""
    if isinstance(pixels, np.ndarray):
        return np.concatenate([pixels, others], axis=1)
    return torch.cat([pixels, torch.as_tensor(others, device=pixels.device)], dim=1)


def moments(pixels: Pixels) -> Moments:
    """Moments of ``pixels`` [N, D], accumulated in float64."""
    if not isinstance(pixels, np.ndarray):
        return reduce(add, (_device_moments(pixels[part].double()) for part in blocks(pixels)))
    count, size = pixels.shape
    centre = pixels[:: -(-count // _SAMPLE)].mean(0, dtype=np.float64)  # sums of what is left lose no digits
    block, twin = scratch("moments", (2, _BLOCK, size), np.float64)
    rows, centres = block.reshape(-1, size * _MANY), np.tile(centre, _MANY)
    total, product = np.zeros(size * _MANY), np.zeros((size * _PAIR, size * _PAIR))
    for part in blocks(pixels):
        filled = len(pixels[part])
        used = -(-filled // _PIECE) * _PIECE
        block[:filled] = pixels[part]
        block[filled:used] = centre
        rows[: used // _MANY] -= centres
        twin[:used] = block[:used]  # a BLAS takes a slower way for an array times itself
        total += np.matmul(np.ones((1, _PIECE // _MANY)), _pieces(block[:used], _MANY)).sum((0, 1))
        product += np.matmul(_pieces(block[:used], _PAIR).transpose(0, 2, 1), _pieces(twin[:used], _PAIR)).sum(0)
    mean = total.reshape(-1, size).sum(0) / count
    scatter = np.einsum("kikj->ij", product.reshape(_PAIR, size, _PAIR, size)) - count * np.outer(mean, mean)
    return Moments(count, centre + mean, scatter)


def _device_moments(block: torch.Tensor) -> Moments:
    mean = block.mean(0)
    block = block - mean
    return Moments(len(block), mean.cpu().numpy(), (block.T @ block).cpu().numpy())


def _pieces(block: np.ndarray, pixels: int) -> np.ndarray:
    """``block`` [N, D], N whole pieces, with ``pixels`` of them to a row: [pieces, rows, columns]."""
    return block.reshape(-1, _PIECE // pixels, block.shape[1] * pixels)


def _rows(block: np.ndarray, pixels: int) -> np.ndarray:
    """``block`` [N, D] with ``pixels`` of them to a row where that divides them, a view where it can be one."""
    return block.reshape(-1, block.shape[1] * (pixels if len(block) % pixels == 0 else 1))


@dataclass(frozen=True)
class Affine:
    """y = matrix x + offset for every pixel."""

    matrix: np.ndarray
    offset: np.ndarray

    @cached_property
    def wide(self) -> tuple[np.ndarray, np.ndarray]:
        """float32: the matrix, transposed, for rows of four pixels, and the offset for rows of many."""
        matrix = np.kron(np.eye(_FOUR), self.matrix.T)
        return matrix.astype(np.float32), np.tile(self.offset, _MANY).astype(np.float32)

    def __call__(self, pixels: Pixels, into: Pixels | None = None) -> Pixels:
        """[N, 3] float32, written to ``into`` if given."""
        out = empty(pixels) if into is None else into
        if not isinstance(pixels, np.ndarray):
            _by_columns(pixels, self.matrix, self.offset, out)  # a GPU may round the factors of a product (TF32)
            return out
        for part in blocks(pixels):
            self.block(pixels[part], out[part])
        return out

    def block(self, pixels: np.ndarray, out: np.ndarray) -> None:
        """The same for a few pixels on a CPU; ``out`` is contiguous, and not ``pixels``."""
        matrix, offset = self.wide
        whole = len(pixels) // _PIECE * _PIECE
        np.matmul(_pieces(pixels[:whole], _FOUR), matrix, out=_pieces(out[:whole], _FOUR))
        if whole < len(pixels):
            source, target = _rows(pixels[whole:], _FOUR), _rows(out[whole:], _FOUR)
            width = source.shape[1]
            np.matmul(source, matrix[:width, :width], out=target)
        if self.offset.any():
            rows = _rows(out, _MANY)
            rows += offset[: rows.shape[1]]

    def precise(self, pixels: Pixels) -> Pixels:
        """[N, 3] float64. Pixels that were equal stay equal to the last bit, which a matrix product does not promise."""
        if isinstance(pixels, np.ndarray):
            out = np.empty((3, len(pixels))).T
        else:
            out = torch.empty((3, len(pixels)), dtype=torch.float64, device=pixels.device).T
        for part in blocks(pixels):
            wide = pixels[part].astype(np.float64) if isinstance(pixels, np.ndarray) else pixels[part].double()
            _by_columns(wide, self.matrix, self.offset, out[part])
        return out


def blend(pixels: Pixels, matched: Pixels, strength: float, out: Pixels) -> None:
    """Writes pixels + strength (matched - pixels), clamped to 0..1, to ``out``, which may be ``matched``. All float32."""
    for part in blocks(pixels):
        source, target = pixels[part], out[part]
        if not isinstance(pixels, np.ndarray):
            target.copy_(torch.lerp(source, matched[part], strength).clamp_(0.0, 1.0))
            continue
        result = matched[part]
        if strength != 1:
            result = np.subtract(result, source, out=target)
            result *= np.float32(strength)
            result += source
        np.clip(result, 0.0, 1.0, out=target)


def empty(pixels: Pixels) -> Pixels:
    """[N, 3] float32, contiguous, of the kind of ``pixels``."""
    if isinstance(pixels, np.ndarray):
        return np.empty(pixels.shape, dtype=np.float32)
    return torch.empty(pixels.shape, dtype=torch.float32, device=pixels.device)


def _by_columns(pixels: Pixels, matrix: np.ndarray, offset: np.ndarray, out: Pixels) -> None:
    for channel, (row, shift) in enumerate(zip(matrix.tolist(), offset.tolist(), strict=True)):
        column = pixels[:, 0] * row[0]
        column += pixels[:, 1] * row[1]
        column += pixels[:, 2] * row[2]
        column += shift
        out[:, channel] = column


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


def _roots(matrix: np.ndarray, lowest: float) -> tuple[np.ndarray, np.ndarray]:
    """Root and inverse root of a symmetric matrix, without the directions whose eigenvalue is as good as zero."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    kept = values > max(lowest, _LOWEST_RATIO * float(values[-1]))
    roots = np.sqrt(np.where(kept, values, 1.0))
    return (vectors * (roots * kept)) @ vectors.T, (vectors * (kept / roots)) @ vectors.T


_LMS, _RGB = Affine(_TO_LMS, np.zeros(3)), Affine(_FROM_LMS, np.zeros(3))


def log_lms(pixels: Pixels, into: Pixels | None = None) -> Pixels:
    """Natural logarithms of the cone responses; what is zero or less counts as 1/255, as in color-matcher."""
    out = empty(pixels) if into is None else into
    for part in blocks(pixels):
        if isinstance(pixels, np.ndarray):
            block = pixels[part]
            if block.min() < _DARKEST:
                block = np.where(block < _DARKEST, np.float32(_ZERO), block)
            _LMS.block(block, out[part])
            np.log(out[part], out=out[part])
        else:
            _LMS(torch.nn.functional.threshold(pixels[part], _DARKEST, _ZERO), out[part]).log_()
    return out


@dataclass(frozen=True)
class LogAffine:
    """An Affine between logarithms of cone responses, and back to RGB."""

    affine: Affine

    def __call__(self, pixels: Pixels, into: Pixels | None = None) -> Pixels:
        """[N, 3] float32, written to ``into`` if given."""
        return self.back(log_lms(pixels, into))

    def back(self, logarithms: Pixels) -> Pixels:
        """The same for pixels whose ``log_lms`` are known: these are overwritten with the result."""
        for part in blocks(logarithms):
            block = logarithms[part]
            if isinstance(block, np.ndarray):
                lms = scratch("lms", (_BLOCK, 3), np.float32)[: len(block)]
                self.affine.block(block, lms)
                np.exp(np.minimum(lms, _BRIGHTEST, out=lms), out=lms)
                _RGB.block(lms, block)
            else:
                _RGB(self.affine(block).clamp_(max=_BRIGHTEST).exp_(), block)
        return logarithms


def reinhard(source: Moments, reference: Moments) -> LogAffine:
    """Mean and spread along each of Ruderman's axes made equal (Reinhard et al. 2001, equations 10 and 11)."""
    spread, wanted = (
        np.sqrt(np.maximum(np.diagonal(_AXES @ stats.scatter @ _AXES.T), 0.0) / stats.count)
        for stats in (source, reference)
    )
    flat = spread < _LOWEST_LOG_SPREAD
    ratio = np.where(flat, 0.0, wanted / np.where(flat, 1.0, spread))
    matrix = _AXES.T @ np.diag(ratio) @ _AXES
    return LogAffine(Affine(matrix, reference.mean - matrix @ source.mean))
