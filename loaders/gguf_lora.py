"""LoRA on quantized layers: applied to the numbers a layer computes with, never to its blocks.

However many plain LoRAs a layer has, they become one pair of factors, joined along the rank, and cost one product.
Every other patch goes through the host's own arithmetic, in its order.
"""

from __future__ import annotations

import torch


class Factors:
    """Plain LoRAs as one: weight + up @ down, ``up`` [out, rank], ``down`` [rank, in], strengths included."""

    def __init__(self, patches: list):
        ups, downs = zip(*(_pair(patch) for patch in patches), strict=True)
        self._source = torch.cat(ups, dim=1), torch.cat(downs, dim=0)
        self._ready: tuple[torch.Tensor, torch.Tensor] | None = None

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self._source)

    @property
    def rank(self) -> int:
        return self._source[0].shape[1]

    def on(self, like: torch.Tensor, keep: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """up and down where ``like`` is and in its type; ``keep`` them there for the next time."""
        ready = self._ready
        if ready is not None and ready[0].device == like.device and ready[0].dtype == like.dtype:
            return ready
        ready = tuple(part.to(like.device, like.dtype, non_blocking=True) for part in self._source)
        self._ready = ready if keep else None
        return ready

    def into(self, weight: torch.Tensor, keep: bool) -> torch.Tensor:
        up, down = self.on(weight, keep)
        return weight.addmm_(up, down)

    def beside(self, x: torch.Tensor, out: torch.Tensor, keep: bool) -> torch.Tensor:
        """``out`` [..., out] plus what the factors make of the layer's input ``x`` [..., in]."""
        up, down = self.on(x, keep)
        hidden = torch.nn.functional.linear(x, down)
        return out.add_(torch.nn.functional.linear(hidden, up))

    def cheaper_beside(self, x: torch.Tensor) -> bool:
        """Whether ``beside`` takes fewer multiplications than ``into``: for few tokens."""
        outer, inner = self._source[0].shape[0], self._source[1].shape[1]
        return x.numel() // max(inner, 1) * (inner + outer) < inner * outer


class Others:
    """Patches of any kind, by the host's arithmetic."""

    nbytes = 0

    def __init__(self, patches: list, key: str):
        self._patches, self._key = patches, key

    def into(self, weight: torch.Tensor, keep: bool) -> torch.Tensor:
        import comfy.lora

        return comfy.lora.calculate_weight(self._patches, weight, self._key, intermediate_dtype=weight.dtype)


def steps(patches: list, key: str, shape: tuple[int, ...]) -> tuple:
    """The host's patches of one weight as Factors and Others, in the order they have to be applied."""
    made: list = []
    run: list = []
    rest: list = []
    for patch in patches:
        if patch[0] == 0.0 and patch[2] == 1.0:
            continue  # strength 0 changes nothing
        if _is_plain(patch, shape):
            if rest:
                made.append(Others(rest, key))
                rest = []
            run.append(patch)
        else:
            if run:
                made.append(Factors(run))
                run = []
            rest.append(patch)
    if run:
        made.append(Factors(run))
    if rest:
        made.append(Others(rest, key))
    return tuple(made)


def _is_plain(patch: tuple, shape: tuple[int, ...]) -> bool:
    """Whether a patch only adds up @ down to the whole weight: (strength, what, strength_model, offset, function)."""
    _, what, model_strength, offset, function = patch
    if getattr(what, "name", None) != "lora" or model_strength != 1.0 or offset is not None or function is not None:
        return False
    up, down, _, middle, magnitude, reshape = what.weights
    if middle is not None or magnitude is not None or reshape is not None:
        return False
    up, down = up.flatten(1), down.flatten(1)
    return up.shape[1] == down.shape[0] and (up.shape[0], down.shape[1]) == tuple(shape)


def _pair(patch: tuple) -> tuple[torch.Tensor, torch.Tensor]:
    strength, what = patch[:2]
    up, down, alpha = what.weights[:3]
    up, down = up.flatten(1), down.flatten(1)
    scale = strength * (1.0 if alpha is None else alpha / down.shape[0])
    dtype = torch.promote_types(up.dtype, down.dtype)
    return (up.float() * scale).to(dtype), down.to(dtype)


def product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, made: tuple, keep: bool) -> torch.Tensor:
    """x @ weight.T + bias of a layer with the given steps; ``weight`` is the caller's to overwrite."""
    last = made[-1] if made else None
    beside = last if isinstance(last, Factors) and last.cheaper_beside(x) else None
    for step in made[:-1] if beside is not None else made:
        weight = step.into(weight, keep)
    out = torch.nn.functional.linear(x, weight, bias)
    return out if beside is None else beside.beside(x, out, keep)
