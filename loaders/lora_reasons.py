"""Why a LoRA, or a part of it, does not fit a model: told from its names and shapes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

REMEDY = "Choose a LoRA made for this kind of model, or leave it out."
_SUFFIX = re.compile(
    r"([._]lora[._](A|B|up|down|mid)(\.default)?(\.weight|\.bias)?|\.lora\.(up|down)\.weight"
    r"|\.lora_linear_layer\.(up|down)\.weight|\.alpha|\.diff(_b)?|\.dora_scale|\.reshape_weight|\.set_weight"
    r"|\.(hada|lokr|oft|glora|norm)_?\w*|\.[wb]_norm|\.(a|b)[12]\.weight)$"
)
_BLOCK = re.compile(r"(?:^|\.|lora_unet__?)blocks[._](\d+)[._]")
# Part of a name -> what it belongs to; the first that is in most names counts.
_PARTS = (
    (("k_img", "v_img", "img_emb"), "image"),
    (("lora_te", "text_encoder", "text_model", "te1_", "te2_"), "text"),
    (("vace",), "vace"),
    (("face_adapter", "motion_encoder", "face_encoder", "pose_patch"), "animate"),
    (("audio",), "audio"),
    (("attn1", "attn2", "condition_embedder", "proj_out"), "diffusers"),
    (("double_blocks", "single_blocks", "single_transformer_blocks", "double_stream", "joint_blocks"), "image_model"),
    (("input_blocks", "output_blocks", "middle_block", "down_blocks", "up_blocks", "mid_block"), "stable"),
    (("transformer_blocks", "layers_"), "image_model"),
)
_WORDS = {
    "image": "they are for the CLIP vision part, which only Wan 2.1 I2V models have (a LoRA of Wan 2.1 I2V on a Wan 2.2 "
    "or T2V model; the rest acts)",
    "text": "they are for a text encoder, which is not this model",
    "vace": "they are for the layers of a VACE model",
    "animate": "they are for the layers of a Wan Animate model",
    "audio": "they are for layers that hear, which this model does not have",
    "diffusers": "they are named as in diffusers, which ComfyUI does not read for Wan (convert the file, or take the "
    "version for ComfyUI)",
    "image_model": "they are for another model than Wan (Flux, HunyuanVideo, Qwen or LTX by their names)",
    "stable": "they are for a Stable Diffusion model",
}


def layers(names: Iterable[str]) -> set[str]:
    """The layers that a LoRA's names belong to: names without what says up, down, alpha and so on."""
    return {_SUFFIX.sub("", name) for name in names}


def explain(fit, traits) -> str:
    """The likely reason in words. fit: lora.Fit; traits: guard.ModelTraits of the model."""
    reasons = []
    if fit.misfits:
        reasons.append(_shapes(fit))
    if fit.unknown:
        reasons.append(_names(fit, traits))
    return "; ".join(reasons) or "the file holds no LoRA weights"


def _shapes(fit) -> str:
    """Another width is another size of model; other columns of the patch embedding are other inputs."""
    embedding = [misfit for misfit in fit.misfits if "patch_embedding" in misfit[0]]
    widths = Counter(made[0] for key, made, _ in fit.misfits if ".self_attn." in key)
    mine = {needed[0] for key, _, needed in fit.misfits if ".self_attn." in key}
    if widths:
        width = widths.most_common(1)[0][0]
        return f"it is made for a Wan of width {width}{_size(width)}, this one has {min(mine)}{_size(min(mine))}"
    if embedding:
        _, made, needed = embedding[0]
        return (
            f"its first layer is for {_inputs(made)} input channels, this model has {_inputs(needed)} (I2V against T2V)"
        )
    key, made, needed = fit.misfits[0]
    return f"shapes differ, {key} {list(made)} against {list(needed)} for one"


def _inputs(shape: tuple[int, ...]) -> int:
    return shape[-1] // 4  # a patch has 1 x 2 x 2 of each channel


def _size(width: int) -> str:
    return {5120: " (14B)", 1536: " (1.3B)", 3072: " (5B)"}.get(width, "")


def _names(fit, traits) -> str:
    deep = [int(found.group(1)) for name in fit.unknown if (found := _BLOCK.search(name))]
    known = [int(found.group(1)) for key in fit.patches if isinstance(key, str) and (found := _BLOCK.search(key))]
    kind = None if traits.framepack else _kind(fit.unknown)
    if kind is None and traits.wan and deep and known and min(deep) > max(known):
        return f"they are for blocks {min(deep)} to {max(deep)}, this model ends at {max(known)} (a LoRA of a larger model)"
    if kind is None:
        return f"their naming is not one ComfyUI reads for this model ({min(fit.unknown)[:60]!r} for one)"
    words = _WORDS[kind]
    return words if fit.patches else words.replace("; the rest acts", "")


def _kind(names: Iterable[str]) -> str | None:
    """The part most of the names belong to; None where that is none of those known."""
    found: Counter = Counter()
    for name in names:
        kinds = (kind for parts, kind in _PARTS if any(part in name for part in parts))
        found[next(kinds, None)] += 1
    return found.most_common(1)[0][0]
