"""Shared by the tiny models: a name -> shape table becomes a seeded fp16 state dict."""

from __future__ import annotations

import math

import torch

Shapes = dict[str, tuple[int, ...]]


def linear(shapes: Shapes, name: str, out_dim: int, in_dim: int) -> None:
    """Add a linear layer (or its bias-carrying kin) to the table."""
    shapes[f"{name}.weight"] = (out_dim, in_dim)
    shapes[f"{name}.bias"] = (out_dim,)


def norm(shapes: Shapes, name: str, dim: int, bias: bool = True) -> None:
    """Add a normalisation layer to the table."""
    shapes[f"{name}.weight"] = (dim,)
    if bias:
        shapes[f"{name}.bias"] = (dim,)


def fill(shapes: Shapes, seed: int) -> dict[str, torch.Tensor]:
    """Normal weights of variance 1/fan_in, norms one, biases zero: activations keep their scale."""
    generator = torch.Generator().manual_seed(seed)
    return {name: _fill_one(name, shape, generator) for name, shape in shapes.items()}


def _fill_one(name: str, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    if name.endswith("bias"):
        return torch.zeros(shape, dtype=torch.float16)
    if len(shape) == 1:
        return torch.ones(shape, dtype=torch.float16)
    scale = max(math.prod(shape[1:]), 1) ** -0.5
    return (torch.randn(shape, generator=generator) * scale).half()
