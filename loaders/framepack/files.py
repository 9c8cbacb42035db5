"""FramePack files: .safetensors (16 bit, fp8 plain and scaled), .gguf, and folders of numbered files, into a MODEL."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import comfy.utils
import torch

from ...errors import InputError
from .. import gguf_file, gguf_ops, gguf_patcher, gguf_weights, guard, options, shards
from ..header import Header, read_header
from ..inspect import ModelFacts, describe, main_dtype, quantized
from ..options import LoadOptions
from ..wan import Loaded
from . import fuse, keys
from .host import build

_READ = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"}
_F1 = re.compile(r"(?<![a-z0-9])f1(?![0-9])", re.IGNORECASE)


def inspect(path: Path, input_name: str = "model") -> ModelFacts:
    """The facts of a FramePack file, from its header; InputError when it is anything else or in types not read here."""
    if gguf_file.is_gguf(path):
        file = gguf_file.read_gguf(path, input_name)
        facts = _facts(file.header(), input_name)
        gguf_weights.check_types(file, input_name)
        kind = gguf_weights.quantization(file)
        return replace(facts, quantized=f"GGUF {kind}" if kind else "")
    header = shards.read(path, input_name).header if path.is_dir() else read_header(path, input_name)
    facts = _facts(header, input_name)
    strange = sorted({tensor.dtype for key, tensor in header.tensors.items() if key.endswith(".weight")} - _READ)
    if strange:
        raise InputError(
            input_name, f"{facts.name} has weights of type {', '.join(strange)}, which is not read here for FramePack",
            "Choose a version in bf16, fp16, fp8 (plain or scaled) or GGUF.",
        )  # fmt: skip
    return facts


def _facts(header: Header, input_name: str) -> ModelFacts:
    prefix = keys.prefix_of(header.tensors)
    if prefix is None:
        raise InputError(
            input_name, f"{header.name} is {_what_else(header)}",
            "Choose a FramePack model: FramePackI2V_HY, or FramePack_F1_I2V_HY.",
        )  # fmt: skip
    inner = header.under(prefix).tensors
    layers = {key.split(".")[1] for key in inner if re.match(r"transformer_blocks\.\d+\.", key)}
    return ModelFacts(
        family="framepack", kind=direction_of(header.name), what="a FramePack model", name=header.name, in_dim=16,
        out_dim=16, dim=inner[keys.MARKER].shape[0], layers=len(layers), has_image_embedding=True,
        quantized=quantized(inner, header), dtype=main_dtype(inner), prefix=prefix,
    )  # fmt: skip


def _what_else(header: Header) -> str:
    facts = describe(header)
    if any("double_blocks.0.img_attn" in key for key in header.tensors):
        return "a HunyuanVideo or Flux model, not FramePack"
    return facts.what


def direction_of(name: str) -> str:
    """What the file's name says it is, "f1" or "standard": the weights of both have the same names and shapes."""
    return "f1" if _F1.search(Path(name).name) else "standard"


def load(path: Path, chosen: LoadOptions, facts: ModelFacts) -> Loaded:
    """The MODEL in ``path``, with the guard on it."""
    host_options, notes = options.host_options(chosen, facts)
    model = load_patcher(path, host_options, facts.prefix)
    notes += options.apply(model, chosen, facts)
    if chosen.base_precision == "fp16":
        notes.append("base_precision fp16: FramePack was trained in bf16; numbers may grow too large for fp16.")
    guard.attach(model, "framepack", file=path.name, kind=facts.kind)
    return Loaded(model, notes)


def load_patcher(path: Path, host_options: dict, prefix: str, disable_dynamic: bool = False):
    """The model alone; a newer host calls it again for a copy."""
    if gguf_file.is_gguf(path):
        model = _load_gguf(path, host_options, prefix, disable_dynamic)
    else:
        state = shards.weights(path)[0] if path.is_dir() else comfy.utils.load_torch_file(str(path))
        model = build(_converted(state, prefix, path.name), host_options, path.name, disable_dynamic)
    model.cached_patcher_init = (load_patcher, (path, host_options, prefix))
    return model


def _load_gguf(path: Path, host_options: dict, prefix: str, disable_dynamic: bool):
    state = _converted(gguf_weights.state_dict(gguf_file.read_gguf(path)), prefix, path.name)
    chosen = {**host_options, "custom_operations": gguf_ops.operations()}
    model = build(state, chosen, path.name, disable_dynamic)
    model.model.state_dict_for_saving = gguf_patcher.refuse_saving
    return gguf_patcher.adopt(model)


def _converted(state: dict[str, torch.Tensor], prefix: str, name: str) -> dict[str, torch.Tensor]:
    inner = {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
    return fuse.convert(inner, name)
