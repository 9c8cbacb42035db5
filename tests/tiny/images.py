"""Tiny SDXL and Flux.1: the true layers in the names their authors gave them, at a fraction of the width.

Widths are the host's to choose from a file's weights, but for a few it has written into its code; for those
host_pack/images.py puts the sizes of host_pack/images.json in their place. SDXL has all its blocks, with fewer
transformers in each; Flux has one block of each kind.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from .weights import Shapes, fill, linear, norm

SIZES = json.loads((Path(__file__).resolve().parent / "host_pack" / "images.json").read_text(encoding="utf-8"))
CLIP_L, CLIP_G, T5 = SIZES["clip_l"], SIZES["clip_g"], SIZES["t5xxl"]
WIDTH = SIZES["unet"]["model_channels"]
CONTEXT, POOLED = SIZES["unet"]["context_dim"], SIZES["unet"]["adm_in_channels"]
DEPTHS = SIZES["unet"]["transformer_depth"][::2]
VOCABULARY, TOKENS = 49408, 77
HIDDEN = 128  # of Flux: one head
VAE_WIDTH = SIZES["vae_width"]
EMPTY_T5_BLOCK = "encoder.block.23.layer.1.DenseReluDense.wi_1.weight"  # by which the host knows T5-XXL


def sdxl(seed: int) -> dict[str, torch.Tensor]:
    """A checkpoint as Pony V6 XL is one: UNet, both text encoders and VAE."""
    tensors = _under("model.diffusion_model.", fill(unet(), seed))
    tensors |= _under("conditioner.embedders.0.transformer.", fill(clip_l(), seed + 1))
    tensors |= _under("conditioner.embedders.1.model.", fill(clip_g(), seed + 2))
    return tensors | _under("first_stage_model.", fill(autoencoder(4, quantized=True), seed + 3))


def flux(seed: int) -> dict[str, torch.Tensor]:
    return fill(flux_shapes(), seed)


def flux_vae(seed: int) -> dict[str, torch.Tensor]:
    return fill(autoencoder(16, quantized=False), seed)


def text_l(seed: int) -> dict[str, torch.Tensor]:
    return fill(clip_l(), seed)


def text_t5(seed: int) -> dict[str, torch.Tensor]:
    tensors = fill(t5(), seed)
    tensors[EMPTY_T5_BLOCK] = torch.empty((10240, 0, 4096), dtype=torch.float16)
    return tensors


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


# ---------------------------------------------------------------- SDXL's UNet


def unet() -> Shapes:
    table: Shapes = {}
    time = 4 * WIDTH
    linear(table, "time_embed.0", time, WIDTH)
    linear(table, "time_embed.2", time, time)
    linear(table, "label_emb.0.0", time, POOLED)
    linear(table, "label_emb.0.2", time, time)
    _conv(table, "input_blocks.0.0", WIDTH, 4)
    widths, depths = [WIDTH, 2 * WIDTH, 4 * WIDTH], DEPTHS
    number, width, skips = 1, WIDTH, [WIDTH]
    for level, out in enumerate(widths):
        for _ in range(2):
            _step(table, f"input_blocks.{number}", width, out, depths[level])
            number, width = number + 1, out
            skips.append(out)
        if level < 2:
            _conv(table, f"input_blocks.{number}.0.op", out, out)
            number += 1
            skips.append(out)
    _residual(table, "middle_block.0", width, width)
    _transformer(table, "middle_block.1", width, depths[2])
    _residual(table, "middle_block.2", width, width)
    number = 0
    for level in (2, 1, 0):
        for step in range(3):
            name = f"output_blocks.{number}"
            _step(table, name, width + skips.pop(), widths[level], depths[level])
            width = widths[level]
            if step == 2 and level:
                _conv(table, f"{name}.{2 if depths[level] else 1}.conv", width, width)
            number += 1
    norm(table, "out.0", WIDTH)
    _conv(table, "out.2", 4, WIDTH)
    return table


def _step(table: Shapes, name: str, width: int, out: int, depth: int) -> None:
    _residual(table, f"{name}.0", width, out)
    if depth:
        _transformer(table, f"{name}.1", out, depth)


def _residual(table: Shapes, name: str, width: int, out: int) -> None:
    norm(table, f"{name}.in_layers.0", width)
    _conv(table, f"{name}.in_layers.2", out, width)
    linear(table, f"{name}.emb_layers.1", out, 4 * WIDTH)
    norm(table, f"{name}.out_layers.0", out)
    _conv(table, f"{name}.out_layers.3", out, out)
    if width != out:
        _conv(table, f"{name}.skip_connection", out, width, 1)


def _transformer(table: Shapes, name: str, width: int, depth: int) -> None:
    norm(table, f"{name}.norm", width)
    linear(table, f"{name}.proj_in", width, width)
    for number in range(depth):
        block = f"{name}.transformer_blocks.{number}"
        for attention, source in (("attn1", width), ("attn2", CONTEXT)):
            table[f"{block}.{attention}.to_q.weight"] = (width, width)
            table[f"{block}.{attention}.to_k.weight"] = (width, source)
            table[f"{block}.{attention}.to_v.weight"] = (width, source)
            linear(table, f"{block}.{attention}.to_out.0", width, width)
        for part in (1, 2, 3):
            norm(table, f"{block}.norm{part}", width)
        linear(table, f"{block}.ff.net.0.proj", 8 * width, width)
        linear(table, f"{block}.ff.net.2", width, 4 * width)
    linear(table, f"{name}.proj_out", width, width)


def _conv(table: Shapes, name: str, out: int, width: int, size: int = 3) -> None:
    table[f"{name}.weight"] = (out, width, size, size)
    table[f"{name}.bias"] = (out,)


# ---------------------------------------------------------------- text encoders


def clip_l() -> Shapes:
    """As transformers names it."""
    width, table = CLIP_L["hidden_size"], {}
    table["text_model.embeddings.token_embedding.weight"] = (VOCABULARY, width)
    table["text_model.embeddings.position_embedding.weight"] = (TOKENS, width)
    for number in range(CLIP_L["num_hidden_layers"]):
        layer = f"text_model.encoder.layers.{number}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            linear(table, f"{layer}.self_attn.{part}", width, width)
        norm(table, f"{layer}.layer_norm1", width)
        norm(table, f"{layer}.layer_norm2", width)
        linear(table, f"{layer}.mlp.fc1", CLIP_L["intermediate_size"], width)
        linear(table, f"{layer}.mlp.fc2", width, CLIP_L["intermediate_size"])
    norm(table, "text_model.final_layer_norm", width)
    return table


def clip_g() -> Shapes:
    """As OpenCLIP names it, which is how checkpoints have it; the host converts it."""
    width, table = CLIP_G["hidden_size"], {}
    table["token_embedding.weight"] = (VOCABULARY, width)
    table["positional_embedding"] = (TOKENS, width)
    table["text_projection"] = (width, width)
    for number in range(CLIP_G["num_hidden_layers"]):
        block = f"transformer.resblocks.{number}"
        table[f"{block}.attn.in_proj_weight"] = (3 * width, width)
        table[f"{block}.attn.in_proj_bias"] = (3 * width,)
        linear(table, f"{block}.attn.out_proj", width, width)
        norm(table, f"{block}.ln_1", width)
        norm(table, f"{block}.ln_2", width)
        linear(table, f"{block}.mlp.c_fc", CLIP_G["intermediate_size"], width)
        linear(table, f"{block}.mlp.c_proj", width, CLIP_G["intermediate_size"])
    norm(table, "ln_final", width)
    return table


def t5() -> Shapes:
    width, inner = T5["d_model"], T5["d_kv"] * T5["num_heads"]
    table: Shapes = {"shared.weight": (32128, width)}
    for number in range(T5["num_layers"]):
        attention = f"encoder.block.{number}.layer.0"
        for part in "qkv":
            table[f"{attention}.SelfAttention.{part}.weight"] = (inner, width)
        table[f"{attention}.SelfAttention.o.weight"] = (width, inner)
        if number == 0:
            table[f"{attention}.SelfAttention.relative_attention_bias.weight"] = (32, T5["num_heads"])
        norm(table, f"{attention}.layer_norm", width, bias=False)
        dense = f"encoder.block.{number}.layer.1"
        for part in ("wi_0", "wi_1"):
            table[f"{dense}.DenseReluDense.{part}.weight"] = (T5["d_ff"], width)
        table[f"{dense}.DenseReluDense.wo.weight"] = (width, T5["d_ff"])
        norm(table, f"{dense}.layer_norm", width, bias=False)
    norm(table, "encoder.final_layer_norm", width, bias=False)
    return table


# ---------------------------------------------------------------- Flux


def flux_shapes() -> Shapes:
    table: Shapes = {}
    linear(table, "img_in", HIDDEN, 64)
    linear(table, "txt_in", HIDDEN, T5["d_model"])
    for name, size in (("time_in", 256), ("guidance_in", 256), ("vector_in", CLIP_L["hidden_size"])):
        linear(table, f"{name}.in_layer", HIDDEN, size)
        linear(table, f"{name}.out_layer", HIDDEN, HIDDEN)
    for stream in ("img", "txt"):
        block = f"double_blocks.0.{stream}"
        linear(table, f"{block}_mod.lin", 6 * HIDDEN, HIDDEN)
        linear(table, f"{block}_attn.qkv", 3 * HIDDEN, HIDDEN)
        linear(table, f"{block}_attn.proj", HIDDEN, HIDDEN)
        for part in ("query_norm", "key_norm"):
            table[f"{block}_attn.norm.{part}.scale"] = (128,)
        linear(table, f"{block}_mlp.0", 4 * HIDDEN, HIDDEN)
        linear(table, f"{block}_mlp.2", HIDDEN, 4 * HIDDEN)
    linear(table, "single_blocks.0.linear1", 7 * HIDDEN, HIDDEN)
    linear(table, "single_blocks.0.linear2", HIDDEN, 5 * HIDDEN)
    linear(table, "single_blocks.0.modulation.lin", 3 * HIDDEN, HIDDEN)
    for part in ("query_norm", "key_norm"):
        table[f"single_blocks.0.norm.{part}.scale"] = (128,)
    linear(table, "final_layer.linear", 64, HIDDEN)
    linear(table, "final_layer.adaLN_modulation.1", 2 * HIDDEN, HIDDEN)
    return table


# ---------------------------------------------------------------- the VAE of both


def autoencoder(latent: int, quantized: bool) -> Shapes:
    """Encoder and decoder of width VAE_WIDTH; ``latent`` channels; SDXL's has a layer on both sides of the latent."""
    table: Shapes = {}
    widths = [VAE_WIDTH * times for times in (1, 2, 4, 4)]
    _conv(table, "encoder.conv_in", widths[0], 3)
    width = widths[0]
    for level, out in enumerate(widths):
        for step in range(2):
            _vae_block(table, f"encoder.down.{level}.block.{step}", width, out)
            width = out
        if level < 3:
            _conv(table, f"encoder.down.{level}.downsample.conv", out, out)
    _ends(table, "encoder", width, 2 * latent, width)
    _conv(table, "decoder.conv_in", width, latent)
    for level in (3, 2, 1, 0):
        for step in range(3):
            _vae_block(table, f"decoder.up.{level}.block.{step}", width, widths[level])
            width = widths[level]
        if level:
            _conv(table, f"decoder.up.{level}.upsample.conv", width, width)
    _ends(table, "decoder", widths[3], 3, widths[0])
    if quantized:
        _conv(table, "quant_conv", 2 * latent, 2 * latent, 1)
        _conv(table, "post_quant_conv", latent, latent, 1)
    return table


def _vae_block(table: Shapes, name: str, width: int, out: int) -> None:
    norm(table, f"{name}.norm1", width)
    _conv(table, f"{name}.conv1", out, width)
    norm(table, f"{name}.norm2", out)
    _conv(table, f"{name}.conv2", out, out)
    if width != out:
        _conv(table, f"{name}.nin_shortcut", out, width, 1)


def _ends(table: Shapes, name: str, middle: int, out: int, last: int) -> None:
    for part in (1, 2):
        _vae_block(table, f"{name}.mid.block_{part}", middle, middle)
    norm(table, f"{name}.mid.attn_1.norm", middle)
    for part in ("q", "k", "v", "proj_out"):
        _conv(table, f"{name}.mid.attn_1.{part}", middle, middle, 1)
    norm(table, f"{name}.norm_out", last)
    _conv(table, f"{name}.conv_out", out, last)
