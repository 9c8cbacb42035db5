"""FOR TESTS ONLY: the host's own wav2vec2 with other sizes than the two it has written into its code."""

from __future__ import annotations

import json
from pathlib import Path

import comfy.audio_encoders.audio_encoders as host
from comfy.audio_encoders import wav2vec2

SIZES = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
_FIRST = "feature_extractor.conv_layers.0.conv.weight"


def build(sizes: dict, operations, dtype=None, device=None, do_normalize: bool = False, bias: bool = False):
    """The host's Wav2Vec2Model (group norm, norm after) of the given sizes; with ``weighted_layers`` the rest share."""
    given = {"dtype": dtype, "device": device, "operations": operations}
    dim, channels, heads = sizes["embed_dim"], sizes["conv_dim"], sizes["num_heads"]
    model = wav2vec2.Wav2Vec2Model(
        dim, num_heads=heads, num_layers=0, conv_norm=False, conv_bias=bias, do_normalize=do_normalize,
        do_stable_layer_norm=False, **given,
    )  # fmt: skip
    model.feature_extractor = wav2vec2.ConvFeatureEncoder(channels, conv_norm=False, conv_bias=bias, **given)
    model.feature_projection = wav2vec2.FeatureProjection(channels, dim, **given)
    own = sizes.get("weighted_layers", sizes["num_layers"])
    ratio = sizes["ffn_dim"] / dim
    model.encoder = wav2vec2.TransformerEncoder(dim, heads, own, ratio, do_stable_layer_norm=False, **given)
    model.encoder.pos_conv_embed = wav2vec2.PositionalConvEmbedding(dim, groups=sizes["groups"])
    layers = list(model.encoder.layers)
    model.encoder.layers.extend(layers[i % own] for i in range(own, sizes["num_layers"]))
    return model


def sized(load):
    """The host's loader of audio encoders, which builds the thin model for a file with thin weights."""

    def wrapper(sd, *args, **kwargs):
        if _FIRST not in sd or sd[_FIRST].shape[0] != SIZES["conv_dim"]:
            return load(sd, *args, **kwargs)
        own = SIZES["weighted_layers"]
        for i in range(own, SIZES["num_layers"]):
            old, new = f"encoder.layers.{i % own}.", f"encoder.layers.{i}."
            sd.update({new + key[len(old) :]: value for key, value in list(sd.items()) if key.startswith(old)})
        model_class = host.Wav2Vec2Model
        host.Wav2Vec2Model = lambda dtype, device, operations, **_: build(SIZES, operations, dtype, device)
        try:
            return load(sd, *args, **kwargs)
        finally:
            host.Wav2Vec2Model = model_class

    return wrapper
