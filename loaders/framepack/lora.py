"""LoRA names for FramePack: those the host does not know, for its own reading of LoRA files.

The host knows HunyuanVideo's names by diffusion-pipe (transformer.*, diffusion_model.*). Here are musubi-tuner's for
HunyuanVideo, of which it knows half, and FramePack's own in both layouts. Where the host has several of FramePack's
modules in one, a name leads to their rows of it. Needs no host.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch

from . import keys

_NET = "diffusion_model."
_RENAMED = (("_mod.lin", "_mod.linear"), (".modulation.lin", ".modulation.linear"), ("mlp.0", "mlp.fc1"),
            ("mlp.2", "mlp.fc2"), ("_attn.qkv", "_attn_qkv"), ("_attn.proj", "_attn_proj"))  # fmt: skip
Target = str | tuple


def names(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Target]:
    """Each further name, and what the host is to patch for it. ``shapes``: of the MODEL's weights, by their keys."""
    modules = {key.removeprefix(_NET).removesuffix(".weight"): shape for key, shape in shapes.items()
               if key.startswith(_NET) and key.endswith(".weight") and len(shape) == 2}  # fmt: skip
    found: dict[str, Target] = {}
    for module in modules:
        original = module
        for ours, theirs in _RENAMED:
            original = original.replace(ours, theirs)
        found["lora_unet_" + original.replace(".", "_")] = _NET + module + ".weight"
    for module, place in _framepack(_counts(modules)):
        if place.module in modules:
            target = _target(place, modules[place.module])
            found |= {f"{prefix}{module}": target for prefix in ("", "transformer.", "diffusion_model.")}
            found["lora_unet_" + module.replace(".", "_")] = target
    return found


def _counts(modules: Iterable[str]) -> dict[str, int]:
    """How many blocks of each kind there are."""
    numbers: dict[str, set[str]] = {"double_blocks": set(), "single_blocks": set(), "refiner": set()}
    for module in modules:
        parts = module.split(".")
        if parts[0] in numbers:
            numbers[parts[0]].add(parts[1])
        elif "individual_token_refiner" in parts:
            numbers["refiner"].add(parts[3])
    return {kind: len(found) for kind, found in numbers.items()}


def _framepack(counts: Mapping[str, int]) -> Iterator[tuple[str, keys.Place]]:
    """Every module of FramePack's that is a matrix, and its place."""
    for pattern, target in keys.patterns():
        kind = target.split(".")[0]
        count = counts.get("refiner" if kind == "txt_in" else kind, 1)
        for number in range(count if "{}" in pattern else 1):
            module = pattern.format(number)
            place = keys.place(module)
            if place is not None:
                yield module, place


def _target(place: keys.Place, shape: tuple[int, ...]) -> Target:
    key = f"{_NET}{place.module}.weight"
    if place.module == keys.SWAPPED:
        return key, None, exchange
    if place.parts == 1:
        return key
    width = shape[1]  # q, k and v are square; what is left is the MLP's
    start = place.part * width
    return key, (0, start, width if place.part < 3 else shape[0] - start)


def exchange(change: torch.Tensor) -> torch.Tensor:
    """What a LoRA adds to diffusers' (scale, shift), for the host's (shift, scale)."""
    first, second = change.chunk(2)
    return torch.cat([second, first])
