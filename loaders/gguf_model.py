"""Wan models and UMT5 from .gguf files: MODEL and CLIP of the host's own making, with weights that stay quantized."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import comfy.sd
import folder_paths
import torch

from ..errors import InputError
from . import gguf_ops, gguf_patcher, gguf_text, gguf_weights
from .gguf_file import GgufFile, read_gguf
from .inspect import PREFIXES, ModelFacts, describe, expect_text_encoder, expect_wan

_ARCHITECTURE = "general.architecture"
_UNSAID = (None, "pig", "cow")  # tools that leave the architecture out, or have a word for "look at the names"
_DIMENSIONS = {"patch_embedding.weight": 5, "head.modulation": 3, "head.head.weight": 2}


def inspect_diffusion(path: Path, input_name: str) -> ModelFacts:
    """The facts of a Wan diffusion model's file; InputError when it is anything else or in types not read here."""
    file = read_gguf(path, input_name)
    architecture = file.text(_ARCHITECTURE)
    if architecture not in (*_UNSAID, "wan"):
        raise InputError(
            input_name, f"{file.name} is a model of architecture {architecture[:40]!r}, not Wan",
            "Choose a GGUF of a Wan 2.1 or 2.2 model.",
        )  # fmt: skip
    _check_shapes(file, input_name)
    facts = expect_wan(describe(file.header()), input_name)
    gguf_weights.check_types(file, input_name)
    quantization = gguf_weights.quantization(file)
    return replace(facts, quantized=f"GGUF {quantization}" if quantization else "")


def _check_shapes(file: GgufFile, input_name: str) -> None:
    for key, dimensions in _DIMENSIONS.items():
        for prefix in PREFIXES:
            stored = file.tensors.get(prefix + key)
            if stored is not None and len(stored.shape) != dimensions:
                raise InputError(
                    input_name,
                    f"{file.name} has {key} with {len(stored.shape)} dimensions, where Wan has {dimensions}",
                    "Choose another GGUF of this model: this one was written without the shapes it needs.",
                )


def load_diffusion(path: Path, host_options: dict, prefix: str, disable_dynamic: bool = False):
    """A MODEL whose linear layers keep the file's blocks. ``prefix``: what the names in the file begin with."""
    weights = gguf_weights.state_dict(read_gguf(path))
    weights = {key[len(prefix) :]: value for key, value in weights.items() if key.startswith(prefix)}
    chosen = {**host_options, "custom_operations": gguf_ops.operations()}
    model = comfy.sd.load_diffusion_model_state_dict(weights, model_options=chosen, **_without_dynamic(disable_dynamic))
    if model is None:
        raise InputError("model", f"ComfyUI does not know the model in {path.name}", "Choose another file.")
    model.model.state_dict_for_saving = gguf_patcher.refuse_saving
    model.cached_patcher_init = (load_diffusion, (path, host_options, prefix))  # how the host loads it once more
    return gguf_patcher.adopt(model)


def _without_dynamic(wanted: bool) -> dict:
    return {"disable_dynamic": True} if wanted else {}  # an older host has no such thing


def check_text_encoder(path: Path, input_name: str) -> None:
    """Raises InputError unless the file is UMT5 with its tokenizer, in types that are read here."""
    file = read_gguf(path, input_name)
    expect_text_encoder(gguf_text.host_header(file), input_name)
    gguf_weights.check_types(file, input_name)


def load_text_encoder(path: Path, input_name: str = "text_encoder", disable_dynamic: bool = False):
    """CLIP: the UMT5 text encoder, as the host's CLIPLoader with type "wan" makes it."""
    file = read_gguf(path, input_name)
    own = None if gguf_text.TOKENIZER in file.tensors else gguf_text.tokenizer(file, input_name)
    weights = gguf_text.state_dict(gguf_weights.state_dict(file).items(), own)
    clip = comfy.sd.load_text_encoder_state_dicts(
        [weights],
        embedding_directory=folder_paths.get_folder_paths("embeddings"),
        clip_type=comfy.sd.CLIPType.WAN,
        # The host would move an encoder to the GPU before it has its weights.
        model_options={"custom_operations": gguf_ops.operations(), "initial_device": torch.device("cpu")},
        **_without_dynamic(disable_dynamic),
    )
    clip.patcher.cached_patcher_init = (_load_text_patcher, (path, input_name))
    clip.tokenizer.state_dict = gguf_patcher.refuse_saving  # asked for where a CLIP is saved, nowhere else
    gguf_patcher.adopt(clip.patcher)
    return clip


def _load_text_patcher(path: Path, input_name: str, disable_dynamic: bool = False):
    """What the host asks for where it wants the text encoder's weights a second time, for hooks for one."""
    return load_text_encoder(path, input_name, disable_dynamic).patcher
