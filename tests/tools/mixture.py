"""Two problems whose exact denoiser is known, for solvers: a mixture of Gaussians and a single one.

Both stand in for a flow model: ``model(x, sigma)`` returns the clean x that is expected where x = (1 - s) x0 + s n.
``calls`` counts. Torch only; the benchmark uses it too.
"""

from __future__ import annotations

import torch

DIM = 64


class Mixture:
    """Six components of standard deviations 0.05 to 0.8 at random places in 64 dimensions."""

    def __init__(self, seed: int = 0, parts: int = 6):
        generator = torch.Generator().manual_seed(seed)
        self.mean = torch.randn(parts, DIM, generator=generator, dtype=torch.float64)
        spread = torch.linspace(0.05, 0.8, parts, dtype=torch.float64)
        self.std = spread[torch.randperm(parts, generator=generator)]
        weight = torch.rand(parts, generator=generator, dtype=torch.float64) + 0.5
        self.log_weight = (weight / weight.sum()).log()
        self.calls = 0

    def __call__(self, x, sigma, **_options):
        self.calls += 1
        s = float(sigma.flatten()[0])
        a = 1.0 - s
        var = (a * self.std) ** 2 + s * s
        away = x.to(torch.float64).reshape(-1, 1, DIM) - a * self.mean
        chance = torch.softmax(self.log_weight - 0.5 * (away**2).sum(-1) / var - 0.5 * DIM * var.log(), dim=1)
        clean = self.mean + (a * self.std**2 / var)[:, None] * away
        return (chance[..., None] * clean).sum(1).reshape(x.shape).to(x.dtype)

    def exact(self, x, shift: float = 5.0, steps: int = 1500):
        """Where x at sigma 1 ends at 0: classical Runge-Kutta of order 4 on a fine grid."""
        s = shifted(torch.linspace(1, 0, steps + 1, dtype=torch.float64) ** 2, shift).tolist()
        for now, after in zip(s[:-2], s[1:-1], strict=True):
            h = after - now
            k1 = self.slope(x, now)
            k2 = self.slope(x + h / 2 * k1, now + h / 2)
            k3 = self.slope(x + h / 2 * k2, now + h / 2)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + self.slope(x + h * k3, after))
        return x - s[-2] * self.slope(x, s[-2])

    def slope(self, x, s: float):
        return (x - self(x, x.new_full((len(x),), s))) / s


class Gaussian:
    """One Gaussian with another standard deviation in every dimension: smooth, and its flow has a closed form."""

    def __init__(self, seed: int = 0):
        generator = torch.Generator().manual_seed(seed)
        self.mean = torch.randn(DIM, generator=generator, dtype=torch.float64)
        self.var = torch.linspace(0.3, 1.2, DIM, dtype=torch.float64) ** 2
        self.calls = 0

    def at(self, s: float):
        return (1 - s) ** 2 * self.var + s * s

    def __call__(self, x, sigma, **_options):
        self.calls += 1
        s = float(sigma.flatten()[0])
        return self.mean + (1 - s) * self.var / self.at(s) * (x - (1 - s) * self.mean)

    def exact(self, x, start: float, end: float):
        """Where x at noise level ``start`` is at ``end``."""
        return (1 - end) * self.mean + (self.at(end) / self.at(start)).sqrt() * (x - (1 - start) * self.mean)


def shifted(t, shift: float):
    return shift * t / (1 + (shift - 1) * t)


def simple(steps: int, shift: float) -> torch.Tensor:
    """Sigmas [steps + 1] of the host's scheduler ``simple`` for a flow model of 1000 levels."""
    levels = shifted(torch.arange(1, 1001, dtype=torch.float64) / 1000, shift)
    return torch.tensor([float(levels[-(1 + int(i * 1000 / steps))]) for i in range(steps)] + [0.0])


def noise(count: int, seed: int = 1) -> torch.Tensor:
    """[count, 64], float64."""
    return torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def error(result, exact) -> float:
    """Root mean square of the difference over that of ``exact``."""
    return float(((result - exact) ** 2).mean().sqrt() / (exact**2).mean().sqrt())
