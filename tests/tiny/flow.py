"""Computed weights that make a random Wan transformer a plain flow model.

It predicts the velocity (x - x0) / sigma with x0 = the clip it is conditioned on (concat latents, or VACE's
control video; grey, which is 0, where there is none) plus a small term in which the random layers have their say:
prompt, mask, neighbours in space and time. So a keyframe is there in the output, and any solver converges.

The layout of the hidden state, DIM = 128 values per token:

- 0-63    x - x0 of the token's 2x2 patch, position by position, 16 latent channels each
- 64, 65  LARGE, -LARGE: they fix the layer norms' standard deviation at UNIT, so a norm is a plain division
- 66      0: what the head reads here (mean and shift) it subtracts everywhere
- 67-     features for the random layers; in a VACE model the first 48 carry the control video

1 / sigma comes from the time embedding, which the head adds to 1 as a factor: a sum of hinges in sigma.
"""

from __future__ import annotations

import math

import torch

LATENT, USED = 16, 12  # channels of a latent, and those that the tiny VAE uses
PATCH = 4
DIFFERENCE = LATENT * PATCH
ZERO = DIFFERENCE + 2
FEATURES = ZERO + 1
LARGE = 64.0
UNIT = LARGE * math.sqrt(2 / 128)
SAY = {"self_attn.o": 0.15, "cross_attn.o": 0.4, "ffn.2": 0.15}  # of the random layers in x0
IMAGE_SAY = 0.3  # of the CLIP image embedding beside the words
FOCUS = 6.0  # on words: prompts are padded to 512 tokens, and plain attention would see mostly padding
SMALLEST_SIGMA, STEP, SHARPNESS = 0.02, 1.25, 20.0
MASK = 4  # channels between noise and concat latents
Tensors = dict[str, torch.Tensor]


def teach(t: Tensors, kind: str) -> Tensors:
    """Overwrite the weights of the layout above in a randomly filled state dict, in place; return it."""
    _embedding(t["patch_embedding.weight"], t["patch_embedding.bias"], concat=kind.startswith("i2v"))
    _time(t)
    _head(t)
    for name in _blocks(t):
        _block(t, name)
    if kind == "vace":
        _vace(t)
    return t


def _blocks(t: Tensors) -> list[str]:
    return [name.removesuffix("modulation") for name in t if "blocks." in name and name.endswith("modulation")]


def _patches(channels: int):
    """(row in the hidden state, channel, y, x) of every value of a patch, in the order of the head's output."""
    for y in range(2):
        for x in range(2):
            for channel in range(channels):
                yield (2 * y + x) * LATENT + channel, channel, y, x


def _embedding(weight: torch.Tensor, bias: torch.Tensor, concat: bool) -> None:
    weight[:FEATURES] = 0
    for row, channel, y, x in _patches(LATENT):
        weight[row, channel, 0, y, x] = 1
        if concat:
            weight[row, LATENT + MASK + channel, 0, y, x] = -1
    bias[DIFFERENCE], bias[DIFFERENCE + 1] = LARGE, -LARGE


def _time(t: Tensors) -> None:
    """Rows 0-66 of the time embedding become 1 / sigma - 1; the others stay random functions of sigma."""
    knots = [SMALLEST_SIGMA]
    while knots[-1] < 1:
        knots.append(min(knots[-1] * STEP, 1.0))
    first, bias, out = t["time_embedding.0.weight"], t["time_embedding.0.bias"], t["time_embedding.2.weight"]
    hinges = len(knots) - 1
    out[:FEATURES] = 0
    out[FEATURES:, :hinges] = 0
    first[:hinges] = 0
    slopes = [-1 / (a * b) for a, b in zip(knots, knots[1:], strict=False)] + [0.0]
    for i, knot in enumerate(knots[1:]):
        sharpness = SHARPNESS / knot
        # The slowest of the 128 sines is all but linear: sin(1000 sigma w) = 1000 sigma w.
        first[i, -1] = -sharpness / _slowest(1.0)
        bias[i] = sharpness * _slowest(knot) / _slowest(1.0)
        out[:FEATURES, i] = (slopes[i + 1] - slopes[i]) / sharpness
    t["time_projection.1.weight"][:, :FEATURES] = 0


def _slowest(sigma: float) -> float:
    return math.sin(1000 * sigma * 10000 ** (-127 / 128))


def _head(t: Tensors) -> None:
    weight = t["head.head.weight"]
    weight.zero_()
    t["head.modulation"][..., :FEATURES] = 0
    for row in range(DIFFERENCE):
        weight[row, row], weight[row, ZERO] = UNIT, -UNIT


def _block(t: Tensors, name: str) -> None:
    modulation = t[name + "modulation"][0]
    modulation.zero_()
    for scale, gate in ((1, 2), (4, 5)):
        modulation[scale] = UNIT - 1
        modulation[scale, DIFFERENCE:ZERO] = -1
        modulation[gate] = 1
    t[name + "norm3.weight"].fill_(UNIT)[DIFFERENCE:ZERO] = 0
    t[name + "cross_attn.norm_k.weight"].fill_(FOCUS)
    if name + "cross_attn.v_img.weight" in t:
        t[name + "cross_attn.v_img.weight"] *= IMAGE_SAY
    for layer, say in SAY.items():
        weight = t[f"{name}{layer}.weight"]
        weight[:DIFFERENCE] *= say
        weight[DIFFERENCE:FEATURES] = 0


def _vace(t: Tensors) -> None:
    """The control video, the sum of its inactive and reactive part, goes through the VACE block untouched."""
    end = FEATURES + USED * PATCH
    t["patch_embedding.weight"][FEATURES:end] = 0
    for name in _blocks(t):
        for layer in SAY:
            t[f"{name}{layer}.weight"][FEATURES:end] = 0
    embedding = t["vace_patch_embedding.weight"]
    embedding[:end] = 0
    before, after = t["vace_blocks.0.before_proj.weight"], t["vace_blocks.0.after_proj.weight"]
    before[:end] = 0
    after[:end] = 0
    after[:, DIFFERENCE:ZERO] = 0
    for number, (row, channel, y, x) in enumerate(_patches(USED)):
        place = FEATURES + number
        embedding[place, channel, 0, y, x] = embedding[place, LATENT + channel, 0, y, x] = -1
        before[place, place] = 1
        after[row, place] = 1
