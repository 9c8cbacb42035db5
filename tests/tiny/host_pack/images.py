"""FOR TESTS ONLY: the host's own SDXL and Flux at other widths than those it has written into its code.

- the list of models the host knows gets one more: SDXL of the widths in images.json;
- CLIP-L, CLIP-G and T5 get their sizes by the host's own options, where the file is tiny;
- the VAE is the host's, of a width read off the file;
- 0.3.75 gives every Flux 24 heads; here the heads follow from the width, as newer hosts have it.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import comfy.model_detection
import comfy.sd
import comfy.supported_models

from . import framepack

SIZES = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
OPTIONS = {f"{name}_model_config": SIZES[name] for name in ("clip_l", "clip_g", "t5xxl")} | framepack.OPTIONS
MOST_PARAMETERS = 30_000_000  # the smallest of the real text encoders has 123 million
_WORDS = "embeddings.token_embedding.weight"
_FIRST = "decoder.conv_in.weight"


class TinySDXL(comfy.supported_models.SDXL):
    """Matched by its widths, as the host matches every model."""

    unet_config = {**comfy.supported_models.SDXL.unet_config, **SIZES["unet"]}


def sized_clip(init):
    """Text encoders: thin where the checkpoint's is, or where the files have few numbers in all."""

    @functools.wraps(init)
    def wrapper(self, *args, parameters=0, tokenizer_data=None, model_options=None, **kwargs):
        tokenizer_data, model_options = tokenizer_data or {}, model_options or {}
        words = next((each for name, each in tokenizer_data.items() if name.endswith(_WORDS)), None)
        thin = words.shape[1] == SIZES["clip_l"]["hidden_size"] if words is not None else parameters < MOST_PARAMETERS
        if thin:
            sizes = {name: {**each, **model_options.get(name, {})} for name, each in OPTIONS.items()}
            model_options = {**model_options, **sizes}
        init(self, *args, parameters=parameters, tokenizer_data=tokenizer_data, model_options=model_options, **kwargs)

    return wrapper


def sized_vae(init):
    @functools.wraps(init)
    def wrapper(self, sd=None, *args, **kwargs):
        first = (sd or {}).get(_FIRST)
        if first is None or first.ndim != 4 or first.shape[0] != 4 * SIZES["vae_width"]:
            return init(self, sd, *args, **kwargs)
        kept = comfy.sd.AutoencoderKL, comfy.sd.AutoencodingEngine
        comfy.sd.AutoencoderKL = lambda ddconfig, embed_dim, **_: kept[0](
            ddconfig=_narrow(ddconfig), embed_dim=embed_dim
        )
        comfy.sd.AutoencodingEngine = lambda regularizer_config, encoder_config, decoder_config: kept[1](
            regularizer_config=regularizer_config,
            encoder_config={**encoder_config, "params": _narrow(encoder_config["params"])},
            decoder_config={**decoder_config, "params": _narrow(decoder_config["params"])},
        )
        try:
            return init(self, sd, *args, **kwargs)
        finally:
            comfy.sd.AutoencoderKL, comfy.sd.AutoencodingEngine = kept

    return wrapper


def _narrow(config: dict) -> dict:
    return {**config, "ch": SIZES["vae_width"]}


def headed_flux(detect):
    @functools.wraps(detect)
    def wrapper(*args, **kwargs):
        config = detect(*args, **kwargs)
        if config and config.get("image_model") == "flux":
            config["num_heads"] = config["hidden_size"] // sum(config["axes_dim"])
        return config

    return wrapper


def install() -> None:
    comfy.supported_models.models.append(TinySDXL)
    comfy.sd.CLIP.__init__ = sized_clip(comfy.sd.CLIP.__init__)
    comfy.sd.VAE.__init__ = sized_vae(comfy.sd.VAE.__init__)
    comfy.model_detection.detect_unet_config = headed_flux(comfy.model_detection.detect_unet_config)
