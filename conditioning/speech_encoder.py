"""Speech features by the host's wav2vec2 encoder, exact for a whole sound in bounded memory.

Reference: InfiniteTalk's ``wav2vec2.py``. The convolutions give 50 rows a second; these are interpolated (linear,
both ends kept) to 25, one for each video frame, and only then projected and sent through the transformer. All the
states after its layers are kept. The host's own encoder node interpolates after the transformer instead.

Nothing here holds weights: every layer is the host's module, so its casting and offloading work as ever. What is
global in time is made of pieces: the mean and variance in the first convolution come from moments of the samples in
float64, each piece of the positional convolution sees its neighbours, attention takes a part of the queries against
all keys. The state is three activations [frames, width], 46 MB each for ten minutes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..errors import InputError

WIDTH, LAYERS = 768, 12
STRETCH, OVERLAP = 15_000, 750  # frames: ten minutes, half a minute
_CONV_FRAMES = 100  # 4 s: its widest activation is 26 MB
_ROWS = 256
_SCORES = 1 << 25  # query-key pairs (over all heads) at a time
_MOMENT_PIECE = 1 << 14

Put = Callable[[int, int, torch.Tensor], None]
Tick = Callable[[int], None]


def check(encoder) -> None:
    """Raises InputError unless this is a wav2vec2-base model: the one InfiniteTalk was trained with."""
    model = getattr(encoder, "model", None)
    remedy = "Load wav2vec2-chinese-base with Load Audio Encoder."
    if not hasattr(encoder, "patcher") or not hasattr(model, "encoder"):
        raise InputError("audio_encoder", "is not an audio encoder", remedy)
    convs = getattr(getattr(model, "feature_extractor", None), "conv_layers", None)
    if not convs or not hasattr(model.encoder, "pos_conv_embed"):
        raise InputError("audio_encoder", "is no wav2vec2 model (Whisper, perhaps)", remedy)
    width, layers = model.encoder.layer_norm.weight.shape[0], len(model.encoder.layers)
    if (width, layers) != (WIDTH, LAYERS) or model.encoder.do_stable_layer_norm:
        kind = "wav2vec2-large" if width == 1024 else "another wav2vec2"
        problem = f"is {kind} ({layers} layers of width {width}); InfiniteTalk reads {LAYERS} layers of width {WIDTH}"
        raise InputError("audio_encoder", problem, remedy)


def fingerprint(model: torch.nn.Module) -> str:
    """Hash of names, shapes and a sample of each weight: other weights, other features."""
    digest = hashlib.sha256()
    for name, weight in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(weight.shape)}".encode())
        if weight.numel():
            flat = weight.detach().reshape(-1)
            some = torch.linspace(0, flat.numel() - 1, 16, dtype=torch.float64).long().to(flat.device)
            digest.update(flat[some].float().cpu().numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Stretch:
    """Frames [first, stop) that attend to each other, of which [keep, until) are kept."""

    first: int
    stop: int
    keep: int
    until: int


def stretches(frames: int, size: int = STRETCH, overlap: int = OVERLAP) -> list[Stretch]:
    """One for up to ``size`` frames; else evenly spaced ones that overlap and change in the middle of it."""
    count = max(1, -(-(frames - overlap) // (size - overlap)))
    firsts = [index * (frames - size) // (count - 1) for index in range(count)] if count > 1 else [0]
    stops = [min(first + size, frames) for first in firsts]
    cuts = [0] + [(stop + first) // 2 for stop, first in zip(stops, firsts[1:], strict=False)] + [frames]
    return [Stretch(*part) for part in zip(firsts, stops, cuts, cuts[1:], strict=False)]


def encode(model, samples: torch.Tensor, frames: int, put: Put, tell, parts: list[Stretch] | None = None) -> None:
    """Calls ``put(layer, first frame, rows [n, width] on the CPU)`` until all rows of all layers are there.

    ``samples`` [N] at 16 kHz on the encoder's device; ``tell(done, total)`` hears of the progress and may raise.
    """
    layers = model.encoder.layers
    parts = parts or stretches(frames)
    front = Front(model, samples, frames)
    total = sum((part.stop - part.first) * (len(layers) + 1) for part in parts)
    done = 0

    def tick(rows: int) -> None:
        nonlocal done
        done = min(done + rows, total)
        tell(done, total)

    with torch.inference_mode():
        for part in parts:
            state = front.embedded(part.first, part.stop, tick)
            for index, layer in enumerate(layers):
                _through(layer, state, tick)
                for first, stop in _pieces(part.keep, part.until, _ROWS):
                    put(index, first, state[first - part.first : stop - part.first].float().cpu())


class Front:
    """All before the transformer's layers, for any range of frames of one sound."""

    def __init__(self, model, samples: torch.Tensor, frames: int):
        self.model, self.frames = model, frames
        self.samples = normalised(samples) if model.do_normalize else samples
        self.convs = list(model.feature_extractor.conv_layers)
        self.field, self.jump = receptive(self.convs)
        self.outputs = (len(samples) - self.field) // self.jump + 1
        self.scale, self.shift = channel_norm(self.convs[0], self.samples)

    def convolved(self, first: int, stop: int) -> torch.Tensor:
        """Rows [stop - first, channels] of the convolutions, 50 a second."""
        piece = self.samples[first * self.jump : (stop - 1) * self.jump + self.field]
        x = self.convs[0].conv(piece[None, None])
        x = F.gelu(x.mul_(self.scale).add_(self.shift))
        for layer in self.convs[1:]:
            x = layer(x)
        return x[0].T

    def projected(self, first: int, stop: int) -> torch.Tensor:
        """Rows of frames [first, stop): interpolated to 25 a second, then projected to the transformer's width.

        The places are computed in whole numbers; interpolating in float32 would be off by 0.002 after ten minutes.
        """
        apart = max(1, self.frames - 1)
        places = torch.arange(first, stop) * (self.outputs - 1)
        left = places // apart
        right = (left + 1).clamp(max=self.outputs - 1)
        part = ((places % apart).double() / apart).float()
        begin = int(left[0])
        rows = self.convolved(begin, int(right[-1]) + 1)
        left, right = ((index - begin).to(rows.device) for index in (left, right))
        rows = torch.lerp(rows[left], rows[right], part[:, None].to(rows))
        return self.model.feature_projection(rows[None])[0]

    def embedded(self, first: int, stop: int, tick: Tick) -> torch.Tensor:
        """[stop - first, width]: projected, with what the positional convolution adds, normalised."""
        position, norm = self.model.encoder.pos_conv_embed, self.model.encoder.layer_norm
        size = position.conv.kernel_size[0]
        before, after = size // 2, size - 1 - size // 2
        wide, wide_stop = max(0, first - before), min(self.frames, stop + after)
        rows = self.samples.new_empty(wide_stop - wide, norm.weight.shape[0])
        for begin, end in _pieces(wide, wide_stop, _CONV_FRAMES):
            rows[begin - wide : end - wide] = self.projected(begin, end)
            tick(end - begin)
        state = rows.new_empty(stop - first, rows.shape[1])
        for begin, end in _pieces(first, stop, _ROWS):
            low = max(wide, begin - before)
            near = rows[low - wide : min(wide_stop, end + after) - wide]
            moved = position(near[None])[0, begin - low : end - low]
            state[begin - first : end - first] = norm(rows[begin - wide : end - wide] + moved)
        return state


def receptive(convs) -> tuple[int, int]:
    """How many samples one row of the convolutions sees, and how many lie between two rows: 400 and 320."""
    field, jump = 1, 1
    for layer in convs:
        field += (layer.conv.kernel_size[0] - 1) * jump
        jump *= layer.conv.stride[0]
    return field, jump


def normalised(samples: torch.Tensor) -> torch.Tensor:
    """Zero mean and unit variance over the whole sound, as the host's model does where the weights want it."""
    exact = samples.cpu().double()  # not every device has float64
    return ((exact - exact.mean()) / (exact.var() + 1e-7).sqrt()).to(samples)


def channel_norm(layer, samples: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and shift [channels, 1] that equal the layer's group norm (one channel a group) over the whole sound.

    The convolution is linear, so its mean and variance follow from those of the pieces of sound it looks at.
    """
    conv, norm = layer.conv, layer.layer_norm
    mean, spread = moments(samples.cpu(), conv.kernel_size[0], conv.stride[0])
    kernel = conv.weight.detach().to("cpu", torch.float64)[:, 0]
    middle = kernel @ mean
    if conv.bias is not None:
        middle = middle + conv.bias.detach().to("cpu", torch.float64)
    variance = torch.einsum("ci,ij,cj->c", kernel, spread, kernel).clamp(min=0.0)
    weight, bias = (part.detach().to("cpu", torch.float64) for part in (norm.weight, norm.bias))
    scale = weight / (variance + norm.eps).sqrt()
    shift = bias - middle * scale
    return tuple(part.float()[:, None].to(samples.device) for part in (scale, shift))


def moments(samples: torch.Tensor, size: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean [size] and covariance [size, size] of all pieces of ``size`` samples, ``step`` apart, in float64."""
    rows = samples.unfold(0, size, step)
    mean = sum(piece.double().sum(0) for piece in rows.split(_MOMENT_PIECE)) / len(rows)
    spread = torch.zeros(size, size, dtype=torch.float64)
    for piece in rows.split(_MOMENT_PIECE):
        centred = piece.double() - mean
        spread += centred.T @ centred
    return mean, spread / len(rows)


def _through(layer, state: torch.Tensor, tick: Tick) -> None:
    """One transformer layer (norm after), in place on [frames, width]."""
    attention = layer.attention
    keys, values = (_by_rows(part, state) for part in (attention.k_proj, attention.v_proj))
    for first, stop in _pieces(0, len(state), _ROWS):
        own = state[first:stop]
        mixed = _attend(attention.q_proj(own[None])[0], keys, values, attention.num_heads)
        own = layer.layer_norm(own + attention.out_proj(mixed[None])[0])
        state[first:stop] = layer.final_layer_norm(own + layer.feed_forward(own[None])[0])
        tick(stop - first)


def _by_rows(module, state: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(state)
    for first, stop in _pieces(0, len(state), _ROWS):
        out[first:stop] = module(state[None, first:stop])[0]
    return out


def _attend(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, heads: int) -> torch.Tensor:
    """Attention of some queries [n, width] to all keys; even a kernel that writes out the scores stays bounded."""
    keys, values = (_heads(part, heads) for part in (keys, values))
    most = max(1, _SCORES // (heads * keys.shape[2]))
    out = [F.scaled_dot_product_attention(_heads(part, heads), keys, values) for part in queries.split(most)]
    return torch.cat([part[0].transpose(0, 1).flatten(1) for part in out])


def _heads(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """[n, width] -> [1, heads, n, width / heads]."""
    return rows.view(len(rows), heads, -1).transpose(0, 1)[None]


def _pieces(first: int, stop: int, size: int) -> Iterator[tuple[int, int]]:
    for begin in range(first, stop, size):
        yield begin, min(begin + size, stop)
