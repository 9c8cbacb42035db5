"""FOR TESTS ONLY: what FramePack is used with, at other widths than those the host has written into its code.

- `llama_model_config`, the host's own option, where the text encoders' files are tiny (images.py says when);
- the vision model of a file whose marking key is empty is built from the sizes in framepack.json;
- the HunyuanVideo VAE is the host's, of a width read off the file;
- HunyuanVideo's pooled text has the width of its weights; the host takes it to be 768.
"""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path

import comfy.clip_vision
import comfy.model_detection
import comfy.sd

SIZES = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
OPTIONS = {"llama_model_config": SIZES["llama"]}
_MARKER = "vision_model.encoder.layers.22.layer_norm1.weight"
_FIRST = "decoder.conv_in.conv.weight"
_POOLED = "vector_in.in_layer.weight"


def sized_vision(load):
    @functools.wraps(load)
    def wrapper(sd, *args, **kwargs):
        if _MARKER not in sd or sd[_MARKER].numel() > 0:
            return load(sd, *args, **kwargs)
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "siglip.json"
            config.write_text(json.dumps(SIZES["siglip"]), encoding="utf-8")
            model = comfy.clip_vision.ClipVisionModel(str(config))
        missing, _ = model.load_sd(sd)
        if missing:
            raise ValueError(f"tiny SigLIP: missing keys {missing}")
        return model

    return wrapper


def sized_vae(init):
    @functools.wraps(init)
    def wrapper(self, sd=None, *args, **kwargs):
        first = (sd or {}).get(_FIRST)
        if first is None or first.shape[0] != SIZES["vae"]["ch"]:
            return init(self, sd, *args, **kwargs)
        kept = comfy.sd.AutoencoderKL
        comfy.sd.AutoencoderKL = lambda ddconfig, embed_dim, **_: kept(
            ddconfig={**ddconfig, **SIZES["vae"]}, embed_dim=embed_dim
        )
        try:
            return init(self, sd, *args, **kwargs)
        finally:
            comfy.sd.AutoencoderKL = kept

    return wrapper


def pooled_width(detect):
    @functools.wraps(detect)
    def wrapper(state_dict, key_prefix, *args, **kwargs):
        config = detect(state_dict, key_prefix, *args, **kwargs)
        if config and config.get("image_model") == "hunyuan_video" and config.get("vec_in_dim"):
            config["vec_in_dim"] = state_dict[f"{key_prefix}{_POOLED}"].shape[1]
        return config

    return wrapper


def install() -> None:
    comfy.clip_vision.load_clipvision_from_sd = sized_vision(comfy.clip_vision.load_clipvision_from_sd)
    comfy.sd.VAE.__init__ = sized_vae(comfy.sd.VAE.__init__)
    comfy.model_detection.detect_unet_config = pooled_width(comfy.model_detection.detect_unet_config)
