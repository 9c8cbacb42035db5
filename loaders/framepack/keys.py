"""FramePack's names (diffusers' layout) and where each module goes in the original HunyuanVideo's.

The host finishes the original names itself, since its own differ between versions. Several modules of diffusers'
become one there (q, k and v; in the single blocks also the first half of the MLP), one after the other in its rows.
Needs neither torch nor the host.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import NamedTuple

MARKER = "clean_x_embedder.proj_4x.weight"  # no other model has this
LEAVES = ("weight", "bias", "scale_weight", "scale_input", "weight_scale", "input_scale", "comfy_quant")
PREFIXES = ("", "model.diffusion_model.", "diffusion_model.", "transformer.", "model.")


class Place(NamedTuple):
    """Where a module goes: ``module``, as number ``part`` of ``parts``."""

    module: str
    part: int = 0
    parts: int = 1


_REFINER = r"context_embedder\.token_refiner\.refiner_blocks\.(\d+)\."
_TO_REFINER = r"txt_in.individual_token_refiner.blocks.\1."
_DOUBLE, _SINGLE = r"transformer_blocks\.(\d+)\.", r"single_transformer_blocks\.(\d+)\."

_RULES: tuple[tuple[str, str, int, int], ...] = (
    (r"x_embedder\.proj", "img_in.proj", 0, 1),
    (r"clean_x_embedder\.(proj|proj_2x|proj_4x)", r"clean_x_embedder.\1", 0, 1),
    (r"image_projection\.up", "vision_in.up", 0, 1),
    (r"image_projection\.down", "vision_in.down", 0, 1),
    (r"context_embedder\.proj_in", "txt_in.input_embedder", 0, 1),
    (r"context_embedder\.time_text_embed\.timestep_embedder\.linear_1", "txt_in.t_embedder.in_layer", 0, 1),
    (r"context_embedder\.time_text_embed\.timestep_embedder\.linear_2", "txt_in.t_embedder.out_layer", 0, 1),
    (r"context_embedder\.time_text_embed\.text_embedder\.linear_1", "txt_in.c_embedder.in_layer", 0, 1),
    (r"context_embedder\.time_text_embed\.text_embedder\.linear_2", "txt_in.c_embedder.out_layer", 0, 1),
    (_REFINER + r"(norm[12])", _TO_REFINER + r"\2", 0, 1),
    (_REFINER + r"attn\.to_q", _TO_REFINER + "self_attn.qkv", 0, 3),
    (_REFINER + r"attn\.to_k", _TO_REFINER + "self_attn.qkv", 1, 3),
    (_REFINER + r"attn\.to_v", _TO_REFINER + "self_attn.qkv", 2, 3),
    (_REFINER + r"attn\.to_out\.0", _TO_REFINER + "self_attn.proj", 0, 1),
    (_REFINER + r"ff\.net\.0\.proj", _TO_REFINER + "mlp.0", 0, 1),
    (_REFINER + r"ff\.net\.2", _TO_REFINER + "mlp.2", 0, 1),
    (_REFINER + r"norm_out\.linear", _TO_REFINER + "adaLN_modulation.1", 0, 1),
    (r"time_text_embed\.timestep_embedder\.linear_1", "time_in.in_layer", 0, 1),
    (r"time_text_embed\.timestep_embedder\.linear_2", "time_in.out_layer", 0, 1),
    (r"time_text_embed\.guidance_embedder\.linear_1", "guidance_in.in_layer", 0, 1),
    (r"time_text_embed\.guidance_embedder\.linear_2", "guidance_in.out_layer", 0, 1),
    (r"time_text_embed\.text_embedder\.linear_1", "vector_in.in_layer", 0, 1),
    (r"time_text_embed\.text_embedder\.linear_2", "vector_in.out_layer", 0, 1),
    (_DOUBLE + r"norm1\.linear", r"double_blocks.\1.img_mod.lin", 0, 1),
    (_DOUBLE + r"norm1_context\.linear", r"double_blocks.\1.txt_mod.lin", 0, 1),
    (_DOUBLE + r"attn\.to_q", r"double_blocks.\1.img_attn.qkv", 0, 3),
    (_DOUBLE + r"attn\.to_k", r"double_blocks.\1.img_attn.qkv", 1, 3),
    (_DOUBLE + r"attn\.to_v", r"double_blocks.\1.img_attn.qkv", 2, 3),
    (_DOUBLE + r"attn\.add_q_proj", r"double_blocks.\1.txt_attn.qkv", 0, 3),
    (_DOUBLE + r"attn\.add_k_proj", r"double_blocks.\1.txt_attn.qkv", 1, 3),
    (_DOUBLE + r"attn\.add_v_proj", r"double_blocks.\1.txt_attn.qkv", 2, 3),
    (_DOUBLE + r"attn\.norm_(q|k)", r"double_blocks.\1.img_attn_\2_norm", 0, 1),
    (_DOUBLE + r"attn\.norm_added_(q|k)", r"double_blocks.\1.txt_attn_\2_norm", 0, 1),
    (_DOUBLE + r"attn\.to_out\.0", r"double_blocks.\1.img_attn.proj", 0, 1),
    (_DOUBLE + r"attn\.to_add_out", r"double_blocks.\1.txt_attn.proj", 0, 1),
    (_DOUBLE + r"ff\.net\.0\.proj", r"double_blocks.\1.img_mlp.0", 0, 1),
    (_DOUBLE + r"ff\.net\.2", r"double_blocks.\1.img_mlp.2", 0, 1),
    (_DOUBLE + r"ff_context\.net\.0\.proj", r"double_blocks.\1.txt_mlp.0", 0, 1),
    (_DOUBLE + r"ff_context\.net\.2", r"double_blocks.\1.txt_mlp.2", 0, 1),
    (_SINGLE + r"attn\.to_q", r"single_blocks.\1.linear1", 0, 4),
    (_SINGLE + r"attn\.to_k", r"single_blocks.\1.linear1", 1, 4),
    (_SINGLE + r"attn\.to_v", r"single_blocks.\1.linear1", 2, 4),
    (_SINGLE + r"proj_mlp", r"single_blocks.\1.linear1", 3, 4),
    (_SINGLE + r"proj_out", r"single_blocks.\1.linear2", 0, 1),
    (_SINGLE + r"norm\.linear", r"single_blocks.\1.modulation.lin", 0, 1),
    (_SINGLE + r"attn\.norm_(q|k)", r"single_blocks.\1.\2_norm", 0, 1),
    (r"norm_out\.linear", "final_layer.adaLN_modulation.1", 0, 1),
    (r"proj_out", "final_layer.linear", 0, 1),
)

SWAPPED = "final_layer.adaLN_modulation.1"  # diffusers has (scale, shift) in its rows, the host (shift, scale)


@functools.cache
def _compiled() -> tuple:
    return tuple((re.compile(pattern), module, part, parts) for pattern, module, part, parts in _RULES)


def place(module: str) -> Place | None:
    """Where a module of FramePack's goes; None for a name that FramePack has not."""
    for pattern, target, part, parts in _compiled():
        found = pattern.fullmatch(module)
        if found:
            return Place(found.expand(target), part, parts)
    return None


def patterns() -> list[tuple[str, str]]:
    """Every module's name with {} in place of a block's number, and what it goes to; those of several names left out."""
    plain = [(pattern.replace(r"(\d+)", "{}").replace("\\.", "."), module) for pattern, module, _, _ in _RULES]
    return [(pattern, module) for pattern, module in plain if not set(pattern) & set("()|[]\\")]


def split(key: str) -> tuple[str, str]:
    """A tensor's name as its module and what it is of it (one of LEAVES); ("", key) where it is none."""
    module, _, leaf = key.rpartition(".")
    return (module, leaf) if leaf in LEAVES else ("", key)


def prefix_of(names: Iterable[str]) -> str | None:
    """What all names of a FramePack file begin with; None for another file."""
    names = set(names)
    return next((prefix for prefix in PREFIXES if prefix + MARKER in names), None)
