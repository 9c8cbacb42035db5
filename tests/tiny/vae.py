"""Wan 2.1 VAE of width 8 whose weights are computed, not random: it passes a downsampled video.

Latent channels 0-11 hold the mean colour of each 8x8 block for the four pixel frames of a latent frame (R, G, B
of the first, then of the second, ...); 12-15 hold nothing. The first latent frame holds one pixel frame, in
channels 0-2. Decoding interpolates the blocks. In the model's latent space (after the host's normalisation) grey
is 0 and black and white are -GAIN and GAIN.

How: residual and attention branches end in zero weights, so a block is its shortcut; downsampling averages 2x2;
the time convolutions pack two frames in one, and unpack them. The heads' RMS norm and SiLU are made harmless by a
large offset: each value x goes in as the pair OFFSET + x, OFFSET - x and every spare channel as OFFSET, so the
norm hardly depends on x, SiLU is nearly the identity there, and the difference of the pair gives x back.
"""

from __future__ import annotations

import torch

from .weights import Shapes

WIDTH = 8
MULT = (1, 2, 4, 4)
LATENT = 16
COLOURS = 3
OFFSET = 4.0
SHARP = 8.0  # the offset after the norm; SiLU(8 +- 2) is the identity within 0.015
GAIN = 1.5

# Wan 2.1's latent statistics: the host subtracts MEAN and divides by STD before the model.
MEAN = (-0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508,
        0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921)  # fmt: skip
STD = (2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
       3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160)  # fmt: skip
PACKED = 4 * COLOURS  # channels in use

Tensors = dict[str, torch.Tensor]


def weights() -> Tensors:
    """State dict as in wan_2.1_vae.safetensors."""
    tensors = {name: torch.zeros(shape) for name, shape in shapes().items()}
    for name, tensor in tensors.items():
        if name.endswith("gamma"):
            tensor.fill_(SHARP if ".head." in name else 1.0)
    _encoder(tensors)
    _decoder(tensors)
    return {name: tensor.half() for name, tensor in tensors.items()}


# ---------------------------------------------------------------- computed weights


def _encoder(t: Tensors) -> None:
    e = "encoder.downsamples."
    box = torch.zeros(3, 3)
    box[:2, :2] = 0.25
    _copy(t["encoder.conv1.weight"])
    _pairs(t[e + "2.resample.1.weight"], t[e + "2.resample.1.bias"], box)
    for block, resample, used in ((3, 5, 2 * COLOURS), (6, 8, 4 * COLOURS)):
        _widen(t, f"{e}{block}.shortcut")
        for channel, kernel in enumerate(t[f"{e}{resample}.resample.1.weight"]):
            kernel[channel] = box
        _pack_time(t, f"{e}{resample}.time_conv", used)
    _unpair(t["encoder.head.2.weight"], PACKED)
    for i in range(LATENT):
        t["conv1.bias"][i] = MEAN[i]
        t["conv1.weight"][i, i] = STD[i] * GAIN if i < PACKED else 0.0


def _decoder(t: Tensors) -> None:
    d = "decoder.upsamples."
    line = torch.tensor([0.25, 0.5, 0.25])
    bilinear = line[:, None] * line  # after the host's doubling of each pixel
    for i in range(PACKED):
        t["conv2.weight"][i, i] = 1 / (STD[i] * GAIN)
        t["conv2.bias"][i] = -MEAN[i] / (STD[i] * GAIN)
    _copy(t["decoder.conv1.weight"])
    _copy(t[d + "4.shortcut.weight"])
    for resample, used in ((3, 2 * COLOURS), (7, COLOURS)):
        _unpack_time(t[f"{d}{resample}.time_conv.weight"], used)
        for channel, kernel in enumerate(t[f"{d}{resample}.resample.1.weight"]):
            kernel[channel] = bilinear
    _pairs(t[d + "11.resample.1.weight"], t[d + "11.resample.1.bias"], bilinear)
    _unpair(t["decoder.head.2.weight"], COLOURS)


def _copy(weight: torch.Tensor) -> None:
    """Make a [out, in, t, h, w] kernel copy its input channels, as far as there are outputs, at the newest frame."""
    for i in range(min(weight.shape[:2])):
        weight[i, i, -1, weight.shape[3] // 2, weight.shape[4] // 2] = 1.0


def _widen(t: Tensors, name: str) -> None:
    """Copy the channels; the new ones hold OFFSET."""
    _copy(t[name + ".weight"])
    t[name + ".bias"][t[name + ".weight"].shape[1] :] = OFFSET


def _pairs(weight: torch.Tensor, bias: torch.Tensor, kernel: torch.Tensor) -> None:
    """Channels 2i, 2i+1 become OFFSET + x_i, OFFSET - x_i for each colour; the rest hold OFFSET."""
    bias.fill_(OFFSET)
    for i in range(COLOURS):
        weight[2 * i, i], weight[2 * i + 1, i] = kernel, -kernel


def _unpair(weight: torch.Tensor, count: int) -> None:
    """Recover x_i from each pair after the norm, which turned OFFSET into SHARP."""
    for i in range(count):
        weight[i, 2 * i, -1, 1, 1] = 0.5 * OFFSET / SHARP
        weight[i, 2 * i + 1, -1, 1, 1] = -0.5 * OFFSET / SHARP


def _pack_time(t: Tensors, name: str, used: int) -> None:
    """Put the `used` channels of two frames side by side. The kernel sees the frame before them, then the two."""
    weight, bias = t[name + ".weight"], t[name + ".bias"]
    bias[2 * used :] = OFFSET
    for i in range(used):
        weight[i, i, 1] = 1.0
        weight[used + i, i, 2] = 1.0


def _unpack_time(weight: torch.Tensor, used: int) -> None:
    """The outputs are the channels of the first of two frames, then those of the second."""
    second = weight.shape[0] // 2
    for i in range(used):
        weight[i, i, 2] = 1.0
        weight[second + i, used + i, 2] = 1.0


# ---------------------------------------------------------------- names and shapes


def shapes() -> Shapes:
    """Name -> shape of encoder and decoder; the numbering is that of the host's Sequential."""
    table: Shapes = {}
    _conv(table, "conv1", 2 * LATENT, 2 * LATENT, 1)
    _conv(table, "conv2", LATENT, LATENT, 1)
    widths = [WIDTH * m for m in MULT]
    _encoder_shapes(table, widths)
    _decoder_shapes(table, widths)
    return table


def _encoder_shapes(table: Shapes, widths: list[int]) -> None:
    _conv(table, "encoder.conv1", WIDTH, COLOURS, 3)
    number, width = 0, WIDTH
    for level, out in enumerate(widths):
        for _ in range(2):
            _residual(table, f"encoder.downsamples.{number}", width, out)
            number, width = number + 1, out
        if level < 3:
            _resample(table, f"encoder.downsamples.{number}", out, out, out if level > 0 else 0)
            number += 1
    _middle(table, "encoder.middle", width)
    _head(table, "encoder.head", width, 2 * LATENT)


def _decoder_shapes(table: Shapes, widths: list[int]) -> None:
    width = widths[-1]
    _conv(table, "decoder.conv1", width, LATENT, 3)
    _middle(table, "decoder.middle", width)
    number = 0
    for level, out in enumerate(reversed(widths)):
        for _ in range(3):
            _residual(table, f"decoder.upsamples.{number}", width, out)
            number, width = number + 1, out
        if level < 3:
            _resample(table, f"decoder.upsamples.{number}", out, out // 2, 2 * out if level < 2 else 0)
            number, width = number + 1, out // 2
    _head(table, "decoder.head", width, COLOURS)


def _conv(table: Shapes, name: str, out: int, width: int, size: int) -> None:
    table[f"{name}.weight"] = (out, width, size, size, size)
    table[f"{name}.bias"] = (out,)


def _residual(table: Shapes, name: str, width: int, out: int) -> None:
    table[f"{name}.residual.0.gamma"] = (width, 1, 1, 1)
    _conv(table, f"{name}.residual.2", out, width, 3)
    table[f"{name}.residual.3.gamma"] = (out, 1, 1, 1)
    _conv(table, f"{name}.residual.6", out, out, 3)
    if width != out:
        _conv(table, f"{name}.shortcut", out, width, 1)


def _resample(table: Shapes, name: str, width: int, out: int, time: int) -> None:
    table[f"{name}.resample.1.weight"] = (out, width, 3, 3)
    table[f"{name}.resample.1.bias"] = (out,)
    if time:
        table[f"{name}.time_conv.weight"] = (time, width, 3, 1, 1)
        table[f"{name}.time_conv.bias"] = (time,)


def _middle(table: Shapes, name: str, width: int) -> None:
    _residual(table, f"{name}.0", width, width)
    table[f"{name}.1.norm.gamma"] = (width, 1, 1)
    table[f"{name}.1.to_qkv.weight"] = (3 * width, width, 1, 1)
    table[f"{name}.1.to_qkv.bias"] = (3 * width,)
    table[f"{name}.1.proj.weight"] = (width, width, 1, 1)
    table[f"{name}.1.proj.bias"] = (width,)
    _residual(table, f"{name}.2", width, width)


def _head(table: Shapes, name: str, width: int, out: int) -> None:
    table[f"{name}.0.gamma"] = (width, 1, 1, 1)
    _conv(table, f"{name}.2", out, width, 3)
