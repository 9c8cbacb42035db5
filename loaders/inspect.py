"""What a model file is, told from its header alone.

The keys are the ones the host's own detection reads (comfy/model_detection.py, Wan branch), in its order.
A Wan 2.2 I2V expert has no image embedding, so the host calls it "t2v"; the input channels tell it apart.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from ..errors import InputError
from .header import Header, Tensor, read_header

__all__ = ["Header", "ModelFacts", "Tensor", "describe", "expect_text_encoder", "expect_vae", "expect_wan",
           "main_dtype", "quantized", "read_header"]  # fmt: skip

PREFIXES = ("model.diffusion_model.", "diffusion_model.", "model.", "")
_WAN_KEYS = {"head.modulation": 3, "patch_embedding.weight": 5}  # and how many dimensions they have
_LORA = re.compile(r"[._](lora_(A|B|up|down)|lora\.(up|down)|hada_w1_a|lokr_w1)\b")
_WAN_MARKERS = (
    ("vace_patch_embedding.weight", "vace", "a Wan VACE model"),
    ("control_adapter.conv.weight", "camera", "a Wan Fun-Camera model"),
    ("casual_audio_encoder.encoder.final_linear.weight", "s2v", "a Wan S2V (speech) model"),
    ("audio_proj.audio_proj_glob_1.layer.bias", "humo", "a Wan HuMo model"),
    ("face_adapter.fuser_blocks.0.k_norm.weight", "animate", "a Wan Animate model"),
    ("patch_embedding_mask.weight", "scail", "a Wan SCAIL-2 model"),
    ("patch_embedding_pose.weight", "scail", "a Wan SCAIL model"),
    ("patch_embedding_global.weight", "wandancer", "a WanDancer model"),
)
_OTHER_MARKERS = (  # part of a key -> kind, words; read only when no Wan diffusion model was found
    ("condition_embedder.text_embedder.linear_1", "wan_diffusers", "a Wan model in diffusers' layout"),
    ("clean_x_embedder.proj_4x.weight", "framepack", "a FramePack model"),
    ("conditioner.embedders.", "sdxl", "an SDXL checkpoint"),
    ("label_emb.0.0.weight", "sdxl", "an SDXL model"),
    ("input_blocks.0.0.weight", "sd", "a Stable Diffusion model"),
    ("double_blocks.0.img_attn", "flux", "a Flux (or HunyuanVideo) model"),
    ("joint_blocks.0.", "sd3", "a Stable Diffusion 3 model"),
    ("patchify_proj.weight", "ltx", "an LTX video model"),
    ("transformer_blocks.0.", "other", "a diffusion model, but not Wan"),
    ("audio_proj.proj1.weight", "infinitetalk", "InfiniteTalk / MultiTalk weights, which go on top of a model"),
    ("vace_blocks.0.", "vace_module", "a VACE module without its Wan model"),
    ("vision_model.embeddings.", "clip_vision", "a CLIP vision model"),
    ("text_model.encoder.layers.0.", "clip", "a CLIP text encoder"),
    ("model.layers.0.self_attn.", "llm", "a language model used as text encoder"),
    ("decoder.mid.block_1.", "vae", "a VAE of an image model"),
    ("decoder.conv_in.", "vae", "a VAE, but not Wan's"),
)
_MIXED = re.compile(r"(^|\.)(self_attn|cross_attn)\.[qkvo]\.weight$")


@dataclass(frozen=True)
class ModelFacts:
    """What a file holds. ``family`` is wan, vae, text, lora or other; ``what`` says it in words.

    ``quantized`` is "" for plain weights (fp8 without scales included: see ``dtype``), else the scheme.
    """

    family: str
    kind: str
    what: str
    name: str = ""
    in_dim: int = 0
    out_dim: int = 0
    dim: int = 0
    layers: int = 0
    has_image_embedding: bool = False
    has_text_encoder: bool = False
    has_vae: bool = False
    quantized: str = ""
    dtype: str = ""
    prefix: str = ""


def describe(header: Header) -> ModelFacts:
    """The facts of a file; never raises: a file nobody knows is family "other", kind "unknown"."""
    if any(_LORA.search(key) for key in header.tensors):
        return ModelFacts("lora", "lora", "a LoRA", header.name)
    for prefix in PREFIXES:
        if all(_dimensions(header, prefix + key) == count for key, count in _WAN_KEYS.items()):
            return _wan_facts(header, prefix)
    return _vae_facts(header) or _text_facts(header) or _other_facts(header)


def _dimensions(header: Header, key: str) -> int | None:
    tensor = header.tensors.get(key)
    return None if tensor is None else len(tensor.shape)


def _wan_facts(header: Header, prefix: str) -> ModelFacts:
    inner = header.under(prefix).tensors
    in_dim = inner["patch_embedding.weight"].shape[1]
    head = inner.get("head.head.weight")
    out_dim = head.shape[0] // 4 if head is not None and head.shape else 16
    image = "img_emb.proj.0.bias" in inner
    kind, what = _wan_kind(inner, in_dim, out_dim, image)
    return ModelFacts(
        family="wan", kind=kind, what=what, name=header.name,
        in_dim=in_dim, out_dim=out_dim, dim=inner["head.modulation"].shape[-1],
        layers=len({key.split(".")[1] for key in inner if key.startswith("blocks.")}),
        has_image_embedding=image,
        has_text_encoder=any(key.startswith("text_encoders.") for key in header.tensors),
        has_vae=any(key.startswith("vae.") for key in header.tensors),
        quantized=quantized(inner, header), dtype=main_dtype(inner), prefix=prefix,
    )  # fmt: skip


def _wan_kind(inner, in_dim: int, out_dim: int, image: bool) -> tuple[str, str]:
    for key, kind, what in _WAN_MARKERS:
        if key in inner:
            return kind, what
    if out_dim != 16:
        return "ti2v_5b", f"the Wan 2.2 5B model ({out_dim} latent channels, another VAE)"
    if in_dim == 36:
        return "i2v", f"a Wan {'2.1' if image else '2.2'} image-to-video (I2V) model"
    if in_dim == 16:
        return "t2v", "a Wan text-to-video (T2V) model"
    return "wan_other", f"a Wan model for other inputs ({in_dim} input channels, a Fun-Control model for one)"


def quantized(inner, header: Header) -> str:
    """The scheme by which a file's tensors ``inner`` are quantized, "" for plain ones."""
    if any(key.endswith((".scale_weight", "scaled_fp8")) for key in inner):
        return "fp8 scaled"
    if "_quantization_metadata" in header.metadata or any(key.endswith(".comfy_quant") for key in inner):
        return "quantized layers"
    return ""


def main_dtype(tensors) -> str:
    """The type that most of the numbers of some tensors have, as safetensors spells it."""
    weights = Counter()
    for tensor in tensors.values():
        weights[tensor.dtype] += tensor.size
    return weights.most_common(1)[0][0]


def _vae_facts(header: Header) -> ModelFacts | None:
    keys = header.tensors
    if "decoder.middle.0.residual.0.gamma" not in keys:
        return None
    if "decoder.upsamples.0.upsamples.0.residual.2.weight" in keys:
        return ModelFacts("vae", "wan22_vae", "the VAE of Wan 2.2 5B (48 channels)", header.name)
    if "encoder.conv1.weight" not in keys:
        return ModelFacts("vae", "wan21_vae_decoder", "the decoder half of a Wan 2.1 VAE", header.name)
    return ModelFacts("vae", "wan21_vae", "a Wan 2.1 VAE", header.name)


def _text_facts(header: Header) -> ModelFacts | None:
    keys = header.tensors
    if "token_embedding.weight" in keys and "blocks.0.attn.q.weight" in keys:
        what = "UMT5 in the layout of the original authors and WanVideoWrapper"
        return ModelFacts("text", "umt5_original", what, header.name)
    if "encoder.block.0.layer.0.SelfAttention.q.weight" not in keys:
        return None
    # UMT5 has a position bias in every block, T5 in the first one only.
    bias = "encoder.block.{}.layer.0.SelfAttention.relative_attention_bias.weight"
    one_block = not any(key.startswith("encoder.block.1.") for key in keys)
    if bias.format(1) in keys or (one_block and bias.format(0) in keys):
        return ModelFacts("text", "umt5", "the UMT5 text encoder", header.name)
    return ModelFacts("text", "t5", "a T5 text encoder, but not UMT5", header.name)


def _other_facts(header: Header) -> ModelFacts:
    for part, kind, what in _OTHER_MARKERS:
        if any(part in key for key in header.tensors):
            family = {"vae": "vae", "clip": "text", "llm": "text"}.get(kind, "other")
            return ModelFacts(family, kind, what, header.name)
    if any(_MIXED.search(key) for key in header.tensors):
        return ModelFacts("other", "wan_part", "a part of a Wan model (one shard of several)", header.name)
    return ModelFacts("other", "unknown", "not a model this node knows", header.name)


_REMEDIES = {
    "lora": "Choose the model itself here, and load the LoRA with LoRA (high + low) behind this node.",
    "vae": "Choose a Wan diffusion model here; a VAE belongs in the vae input.",
    "text": "Choose a Wan diffusion model here; a text encoder belongs in the text_encoder input.",
    "wan_diffusers": "Choose the single-file version made for ComfyUI (diffusers' folders are not read).",
    "framepack": "Load it with FramePack Loader.",
    "wan_part": "Put all its numbered files into a folder of their own, and choose that folder.",
    "infinitetalk": "Choose the Wan I2V model they belong to.",
    "vace_module": "Choose a Wan VACE model in one file.",
}


def expect_wan(facts: ModelFacts, input_name: str) -> ModelFacts:
    """``facts``, if they are those of a 16-channel Wan diffusion model; else InputError."""
    if facts.family != "wan":
        remedy = _REMEDIES.get(facts.kind) or _REMEDIES.get(facts.family) or "Choose a Wan 2.1 or 2.2 model."
        raise InputError(input_name, f"{facts.name} is {facts.what}", remedy)
    if facts.kind == "ti2v_5b":
        remedy = "Choose a 14B (or 1.3B) Wan model: I2V, T2V or VACE."
        raise InputError(input_name, f"{facts.name} is {facts.what}", remedy)
    return facts


def expect_vae(facts: ModelFacts, input_name: str) -> ModelFacts:
    """``facts``, if they are those of a whole Wan 2.1 VAE (16 channels, used by Wan 2.2 14B too)."""
    if facts.kind != "wan21_vae":
        remedy = "Choose the Wan 2.1 VAE (wan_2.1_vae.safetensors), which Wan 2.2 14B uses too."
        raise InputError(input_name, f"{facts.name} is {facts.what}", remedy)
    return facts


def expect_text_encoder(header: Header, input_name: str) -> ModelFacts:
    """The facts of ``header``, if it is UMT5 in the host's layout with its tokenizer inside."""
    facts = describe(header)
    remedy = (
        "Choose UMT5 as ComfyUI has it: umt5_xxl_fp16.safetensors, umt5_xxl_fp8_e4m3fn_scaled.safetensors, or a .gguf "
        "file with its tokenizer."
    )
    if facts.kind != "umt5":
        raise InputError(input_name, f"{facts.name} is {facts.what}", remedy)
    if "spiece_model" not in header.tensors:
        raise InputError(input_name, f"{facts.name} is UMT5 without its tokenizer", remedy)
    return facts
