"""A FramePack file's tensors as the host's HunyuanVideo wants them: renamed, q, k and v made one, halves exchanged.

Plain types are put one after the other as they are, fp8 with one scale a tensor is brought to a common scale, ggml
blocks are joined row by row. Needs torch, not the host.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import torch

from ...errors import InputError
from ..gguf_weights import Blocks
from . import keys

SCALED = "scaled_fp8"  # the tensor by which the host knows scaled fp8; of two numbers: multiply in full precision
_NAMES = {"weight_scale": "scale_weight", "input_scale": "scale_input"}
_FP8 = (torch.float8_e4m3fn, torch.float8_e5m2)

Tensors = dict[str, torch.Tensor]
Parts = dict[int, Tensors]  # of one module of the host's, in order


def convert(state: Mapping[str, torch.Tensor], name: str = "the file") -> Tensors:
    """The whole state dict under the original HunyuanVideo's names.

    Raises InputError for names that FramePack does not have and for parts that are missing.
    """
    modules, kept = _sorted(state, name)
    made: Tensors = dict(kept)
    for module, parts in modules.items():
        joined = _join(parts)
        if module == keys.SWAPPED:
            joined = {leaf: _exchange(value) if leaf in ("weight", "bias") else value for leaf, value in joined.items()}
        made |= {f"{module}.{leaf}": value for leaf, value in joined.items()}
    if any(key.endswith(".scale_weight") for key in made) and SCALED not in made:
        made[SCALED] = torch.zeros(2, dtype=torch.float8_e4m3fn)
    return made


def scale_all(state: Tensors) -> Tensors:
    """Scaled fp8 with every matrix in it: ComfyUI 0.3.75 would cast those left in 16 bit to fp8 without a scale."""
    made = dict(state)
    for key, weight in state.items():
        module, leaf = keys.split(key)
        if leaf == "weight" and weight.dim() == 2 and weight.dtype not in _FP8:
            scale = _scale({"weight": weight}, torch.float8_e4m3fn)
            made[key] = _to_scale(weight, scale, scale, torch.float8_e4m3fn)
            made[f"{module}.scale_weight"] = scale
    return made


def _sorted(state: Mapping[str, torch.Tensor], name: str) -> tuple[dict[str, Parts], Tensors]:
    """The tensors by the host's module and part, and those that are of none."""
    modules: dict[str, Parts] = defaultdict(lambda: defaultdict(dict))
    wanted: dict[str, int] = {}
    kept: Tensors = {}
    for key, value in state.items():
        module, leaf = keys.split(key)
        place = keys.place(module) if module else None
        if place is not None:
            modules[place.module][place.part][_NAMES.get(leaf, leaf)] = value
            wanted[place.module] = place.parts
        elif key == SCALED:
            kept[key] = value
        else:
            raise InputError("model", f"{name} has a tensor {key[:80]} that FramePack has not", "Choose another file.")
    short = [module for module, parts in modules.items() if len(parts) != wanted[module]]
    if short:
        remedy = "Download it again, and compare its size with the one on the page you have it from."
        raise InputError("model", f"{name} lacks parts of {short[0]}", remedy)
    return modules, kept


def _join(parts: Parts) -> Tensors:
    ordered = [dict(parts[number]) for number in sorted(parts)]
    for part in ordered:
        part.pop("comfy_quant", None)  # says in words what scale_weight and the type say
    if len(ordered) == 1:
        return ordered[0]
    made: Tensors = {}
    if any("scale_weight" in part for part in ordered):
        made = _rescaled(ordered)
    else:
        made["weight"] = _rows([part["weight"] for part in ordered])
    if any("bias" in part for part in ordered):
        made["bias"] = _rows([part["bias"] for part in ordered])
    return made


def _rescaled(parts: list[Tensors]) -> Tensors:
    """One weight and one scale: the largest of theirs, so that nothing overflows. The part that has it stays exact."""
    dtype = next(part["weight"].dtype for part in parts if part["weight"].dtype in _FP8)
    scales = [_scale(part, dtype) for part in parts]
    common = torch.stack(scales).max()
    weights = [_to_scale(part["weight"], scale, common, dtype) for part, scale in zip(parts, scales, strict=True)]
    made = {"weight": torch.cat(weights), "scale_weight": common}
    inputs = [part["scale_input"].float().reshape(()) for part in parts if "scale_input" in part]
    return made | ({"scale_input": torch.stack(inputs).max()} if inputs else {})


def _scale(part: Tensors, dtype: torch.dtype) -> torch.Tensor:
    """A number: the part's own scale, or the one that fits a weight that was left in 16 bit."""
    if "scale_weight" in part:
        return part["scale_weight"].float().reshape(())
    if part["weight"].dtype in _FP8:
        return torch.ones(())
    return part["weight"].float().abs().amax() / torch.finfo(dtype).max


def _to_scale(weight, scale, common, dtype: torch.dtype) -> torch.Tensor:
    if weight.dtype == dtype and scale == common:
        return weight
    factor = scale / common if weight.dtype in _FP8 else 1.0 / common
    return (weight.float() * factor).to(dtype)


def _rows(tensors: list[torch.Tensor]) -> torch.Tensor:
    """One after the other in their rows."""
    if not any(isinstance(each, Blocks) for each in tensors):
        return torch.cat(tensors)
    kinds = {each.kind if isinstance(each, Blocks) and each.in_rows else None for each in tensors}
    if len(kinds) == 1 and None not in kinds:
        shape = (sum(each.shape[0] for each in tensors), tensors[0].shape[1])
        return Blocks(torch.cat([each.data_blocks for each in tensors]), kinds.pop(), shape)
    return torch.cat([_plain(each) for each in tensors])  # of two kinds: 16 bit


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    return (tensor.dequantize() if isinstance(tensor, Blocks) else tensor).to(torch.bfloat16)


def _exchange(tensor: torch.Tensor) -> torch.Tensor:
    """The second half of the rows before the first."""
    if isinstance(tensor, Blocks):
        if not tensor.in_rows:
            return _exchange(_plain(tensor))
        return Blocks(_exchange(tensor.data_blocks), tensor.kind, tuple(tensor.shape))
    first, second = tensor.chunk(2)
    return torch.cat([second, first])
