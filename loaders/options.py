"""How a diffusion model is to be loaded: precision, weights, attention, as words and as the host's options."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..errors import InputError
from . import attention as attentions
from .inspect import ModelFacts

BASE_PRECISIONS = ("auto", "bf16", "fp16")
WEIGHT_DTYPES = ("default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2")

_PRECISION = {"bf16": torch.bfloat16, "fp16": torch.float16}
_WEIGHTS = {
    "fp8_e4m3fn": torch.float8_e4m3fn,
    "fp8_e4m3fn_fast": torch.float8_e4m3fn,
    "fp8_e5m2": torch.float8_e5m2,
}


@dataclass(frozen=True)
class LoadOptions:
    """One of BASE_PRECISIONS, one of WEIGHT_DTYPES, one of attention.names()."""

    base_precision: str = "auto"
    weight_dtype: str = "default"
    attention: str = "auto"

    def __post_init__(self):
        for name, value, known in (
            ("base_precision", self.base_precision, BASE_PRECISIONS),
            ("weight_dtype", self.weight_dtype, WEIGHT_DTYPES),
            ("attention", self.attention, attentions.names()),
        ):
            if value not in known:
                raise InputError(name, f"{value!r} is unknown", f"Use one of {', '.join(known)}.")

    def precision(self) -> torch.dtype | None:
        return _PRECISION.get(self.base_precision)


def check_device(options: LoadOptions, device) -> None:
    """Raises InputError for a weight type that ``device`` cannot even hold: Apple's GPUs and DirectML have no fp8."""
    import comfy.model_management as management

    weights = _WEIGHTS.get(options.weight_dtype)
    if weights is not None and not management.supports_cast(device, weights):
        raise InputError(
            "weight_dtype",
            f"{device} cannot hold {options.weight_dtype}",
            "Set weight_dtype to default, and load a smaller file if memory is short.",
        )


def host_options(options: LoadOptions, facts: ModelFacts) -> tuple[dict, list[str]]:
    """``model_options`` for comfy.sd.load_diffusion_model, and what cannot be had with this file.

    A quantized file keeps its own weight types: casting them (or the layers its author left unquantized)
    to plain fp8 would drop the scales. base_precision then sets the type of those other layers.
    """
    chosen: dict = {}
    notes = []
    weights = _WEIGHTS.get(options.weight_dtype)
    if weights is not None and facts.quantized:
        notes.append(
            f"{facts.name} is quantized already ({facts.quantized}): weight_dtype {options.weight_dtype} "
            "changes nothing in its weights."
        )
        weights = None
    dtype = weights or options.precision()
    if dtype is not None:
        chosen["dtype"] = dtype
    if _multiplies_in_fp8(options, facts):
        chosen["fp8_optimizations"] = True
    return chosen, notes


def apply(model, options: LoadOptions, facts: ModelFacts) -> list[str]:
    """Sets compute type and attention on a freshly loaded MODEL; returns what this device cannot do."""
    notes = _apply_precision(model, options, facts)
    if _multiplies_in_fp8(options, facts):
        notes += _fast_notes(model.load_device)
    said = attentions.note(options.attention)
    notes += [said] if said else []
    override = attentions.override(options.attention, model.load_device, compute_dtype(model))
    if override is not None:
        model.model_options["transformer_options"]["optimized_attention_override"] = override
    return notes


def compute_dtype(model) -> torch.dtype:
    """The type the MODEL computes in: the host's cast type where it has one, else that of its weights."""
    return model.get_model_object("manual_cast_dtype") or model.model.get_dtype()


def _apply_precision(model, options: LoadOptions, facts: ModelFacts) -> list[str]:
    wanted = options.precision()
    if wanted is None or compute_dtype(model) == wanted:
        return []
    # fp8 weights: the host picks the type it casts them to; a person's choice goes before that.
    if options.weight_dtype != "default" and not facts.quantized and _computes_in(model.load_device, wanted):
        model.set_model_compute_dtype(wanted)
        return []
    return [
        f"base_precision {options.base_precision}: {model.load_device} does not compute in it for ComfyUI; "
        f"this model computes in {_short(compute_dtype(model))}."
    ]


def _computes_in(device, dtype: torch.dtype) -> bool:
    """Whether the host would compute in ``dtype`` on ``device`` (its own questions, as in unet_manual_cast)."""
    import comfy.model_management as management

    if dtype == torch.bfloat16:
        return management.should_use_bf16(device)
    return management.should_use_fp16(device, prioritize_performance=False)


def _multiplies_in_fp8(options: LoadOptions, facts: ModelFacts) -> bool:
    """Whether fp8 products are wanted of weights that are fp8: blocks of a GGUF become 16 bit before they are used."""
    return options.weight_dtype == "fp8_e4m3fn_fast" and not facts.quantized.startswith("GGUF")


def _fast_notes(device) -> list[str]:
    import comfy.model_management as management

    if management.supports_fp8_compute(device):
        return []
    return [
        f"fp8_e4m3fn_fast: {device} has no fp8 arithmetic (NVIDIA RTX 40 series or newer has); the weights are "
        "stored as fp8 and computed at full precision, as with fp8_e4m3fn."
    ]


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
