"""A tiny FramePack: the true layout in diffusers' names, one head of 128, one block of each kind; and inputs for it.

Every number is rounded to float16 first, so that the same ones come out on every machine. Norms and biases are
random too: a half that stands in the wrong place must show.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

WIDTH, TEXT, IMAGE, POOLED = 128, 32, 16, 768
HEIGHT, BREADTH = 10, 6  # of the latents: no whole number of 2x and 4x patches
SIGMA, GUIDANCE = 0.7, 10.0
Shapes = dict[str, tuple[int, ...]]


def shapes(text: int = TEXT, image: int = IMAGE, pooled: int = POOLED) -> Shapes:
    """Every tensor of the file by its name."""
    made: Shapes = {}
    _conv(made, "x_embedder.proj", (1, 2, 2))
    for name, kernel in (("proj", (1, 2, 2)), ("proj_2x", (2, 4, 4)), ("proj_4x", (4, 8, 8))):
        _conv(made, f"clean_x_embedder.{name}", kernel)
    _linear(made, "image_projection.up", 3 * WIDTH, image)
    _linear(made, "image_projection.down", WIDTH, 3 * WIDTH)
    for name, size in (("timestep", 256), ("guidance", 256), ("text", pooled)):
        _embedder(made, f"time_text_embed.{name}_embedder", size)
    _refiner(made, text)
    _double(made, "transformer_blocks.0")
    _single(made, "single_transformer_blocks.0")
    _linear(made, "norm_out.linear", 2 * WIDTH, WIDTH)
    _linear(made, "proj_out", 64, WIDTH)
    return made


def _linear(made: Shapes, name: str, rows: int, columns: int) -> None:
    made[f"{name}.weight"], made[f"{name}.bias"] = (rows, columns), (rows,)


def _conv(made: Shapes, name: str, kernel: tuple[int, ...]) -> None:
    made[f"{name}.weight"], made[f"{name}.bias"] = (WIDTH, 16, *kernel), (WIDTH,)


def _embedder(made: Shapes, name: str, size: int) -> None:
    _linear(made, f"{name}.linear_1", WIDTH, size)
    _linear(made, f"{name}.linear_2", WIDTH, WIDTH)


def _feed_forward(made: Shapes, name: str) -> None:
    _linear(made, f"{name}.net.0.proj", 4 * WIDTH, WIDTH)
    _linear(made, f"{name}.net.2", WIDTH, 4 * WIDTH)


def _refiner(made: Shapes, text: int) -> None:
    _linear(made, "context_embedder.proj_in", WIDTH, text)
    _embedder(made, "context_embedder.time_text_embed.timestep_embedder", 256)
    _embedder(made, "context_embedder.time_text_embed.text_embedder", text)
    for block in range(2):
        name = f"context_embedder.token_refiner.refiner_blocks.{block}"
        for norm in ("norm1", "norm2"):
            made[f"{name}.{norm}.weight"] = made[f"{name}.{norm}.bias"] = (WIDTH,)
        for part in ("to_q", "to_k", "to_v", "to_out.0"):
            _linear(made, f"{name}.attn.{part}", WIDTH, WIDTH)
        _feed_forward(made, f"{name}.ff")
        _linear(made, f"{name}.norm_out.linear", 2 * WIDTH, WIDTH)


def _double(made: Shapes, name: str) -> None:
    for norm in ("norm1", "norm1_context"):
        _linear(made, f"{name}.{norm}.linear", 6 * WIDTH, WIDTH)
    for part in ("to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj", "to_out.0", "to_add_out"):
        _linear(made, f"{name}.attn.{part}", WIDTH, WIDTH)
    for norm in ("norm_q", "norm_k", "norm_added_q", "norm_added_k"):
        made[f"{name}.attn.{norm}.weight"] = (128,)
    _feed_forward(made, f"{name}.ff")
    _feed_forward(made, f"{name}.ff_context")


def _single(made: Shapes, name: str) -> None:
    for part in ("to_q", "to_k", "to_v"):
        _linear(made, f"{name}.attn.{part}", WIDTH, WIDTH)
    for norm in ("norm_q", "norm_k"):
        made[f"{name}.attn.{norm}.weight"] = (128,)
    _linear(made, f"{name}.norm.linear", 3 * WIDTH, WIDTH)
    _linear(made, f"{name}.proj_mlp", 4 * WIDTH, WIDTH)
    _linear(made, f"{name}.proj_out", WIDTH, 5 * WIDTH)


def weights(seed: int = 10, text: int = TEXT, image: int = IMAGE, pooled: int = POOLED) -> dict[str, torch.Tensor]:
    """The whole file, float32."""
    generator = torch.Generator().manual_seed(seed)
    return {name: _weight(shape, generator) for name, shape in shapes(text, image, pooled).items()}


def _weight(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    if len(shape) == 1:
        return _half(1.0 + 0.2 * torch.randn(shape, generator=generator) if shape == (128,) else
                     0.2 * torch.randn(shape, generator=generator))  # fmt: skip
    return _half(torch.randn(shape, generator=generator) * math.prod(shape[1:]) ** -0.5)


def _half(values: torch.Tensor) -> torch.Tensor:
    return values.half().float()


@dataclass(frozen=True)
class Case:
    """One call: ``clean`` are [stride, indices] of the groups of clean latents, ``target`` the indices drawn."""

    target: tuple[int, ...]
    clean: tuple[tuple[int, tuple[int, ...]], ...]


CASES = {
    "section": Case((7, 8, 9), ((1, (0, 10)), (2, (11, 12)), (4, tuple(range(13, 29))))),
    "f1": Case((20, 21, 22), ((1, (0, 19)), (2, (17, 18)), (4, tuple(range(1, 17))))),
    "one_frame": Case((1,), ((1, (0, 13)),)),
    "one_frame_history": Case((8,), ((1, (0,)), (2, (11,)), (4, (13,)))),
}


def inputs(name: str) -> dict[str, torch.Tensor]:
    """``x``, ``text``, ``pooled``, ``image`` and ``clean_1``, ``clean_2``, ``clean_4`` of one of CASES."""
    case = CASES[name]
    generator = torch.Generator().manual_seed(100 + list(CASES).index(name))

    def draw(*shape: int) -> torch.Tensor:
        return _half(torch.randn(shape, generator=generator))

    made = {"x": draw(1, 16, len(case.target), HEIGHT, BREADTH), "text": draw(1, 7, TEXT),
            "pooled": draw(1, POOLED), "image": draw(1, 9, IMAGE)}  # fmt: skip
    for stride, indices in case.clean:
        made[f"clean_{stride}"] = draw(1, 16, len(indices), HEIGHT, BREADTH)
    return made
