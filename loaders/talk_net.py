"""InfiniteTalk's audio layers as a torch module: sound to tokens, and one cross attention per block of the Wan model.

Names and arithmetic after MeiGen-AI/InfiniteTalk, ``wan/modules/multitalk_model.py`` and ``attention.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from . import talk_voices
from .talk_file import ENCODER_LAYERS, ENCODER_WIDTH, FIRST_ROWS, LATER_ROWS, TalkFacts

Turn = tuple[torch.Tensor, torch.Tensor]  # positions of the picture's tokens [B, L] and of the sound's [B, N]
_HEADS = 40
_NORM_EPS = 1e-6  # the reference's; the host's own class leaves it at PyTorch's 1e-5
_BUDGET = 1 << 26  # numbers of a chunk of queries


def heads_of(dim: int) -> int:
    """InfiniteTalk has 40 heads whatever the width; one that 40 does not divide has heads of 128, as Wan itself."""
    return _HEADS if dim % _HEADS == 0 else max(1, dim // 128)


class Net(nn.Module):
    """All of it. ``operations`` is the host's (or torch.nn): Linear and LayerNorm that cast weights when used."""

    def __init__(self, facts: TalkFacts, operations, device=None, dtype: torch.dtype | None = None):
        super().__init__()
        kept = {"device": device, "dtype": dtype}
        linear = _scaled(operations)
        self.audio_proj = Projection(facts, linear, operations.LayerNorm, kept)
        self.blocks = nn.ModuleList(
            Block(facts.dim, facts.width, linear, operations.LayerNorm, kept) for _ in range(facts.layers)
        )

    def listen(self, audio: torch.Tensor) -> torch.Tensor:
        """Rows of sound [B, speakers, F, 5, 12, 768], F = 4n + 1, to tokens [B, n + 1, tokens * speakers, width].

        In float32, as the host does: a sum of 46080 products does not fit into float16.
        """
        tokens = self.audio_proj(audio.float())
        return tokens.transpose(1, 2).flatten(2, 3)


class Projection(nn.Module):
    """Audio rows of a latent frame to tokens: 5 rows for the first, 8 for each of the others."""

    def __init__(self, facts: TalkFacts, linear: Callable, layer_norm: Callable, kept: dict):
        super().__init__()
        row = ENCODER_LAYERS * ENCODER_WIDTH
        self.width = facts.width
        self.proj1 = linear(FIRST_ROWS * row, facts.hidden, **kept)
        self.proj1_vf = linear(LATER_ROWS * row, facts.hidden, **kept)
        self.proj2 = linear(facts.hidden, facts.hidden, **kept)
        self.proj3 = linear(facts.hidden, facts.tokens * facts.width, **kept)
        self.norm = layer_norm(facts.width, **kept)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        """[B, speakers, F, 5, 12, 768] to [B, speakers, T, tokens, width]."""
        first, later = rows(audio)
        hidden = torch.cat([self.proj1(first).relu(), self.proj1_vf(later).relu()], dim=2)
        tokens = self.proj3(self.proj2(hidden).relu())
        return self.norm(tokens.unflatten(-1, (-1, self.width)))


def rows(audio: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows [B, speakers, F, 5, 12, 768] of video frames, sorted by latent frame.

    The first latent frame is one video frame, with the five rows around it. Each other one is four: the rows up to
    the first of them, the middle two's own, and the rows from the last on. Returns [B, s, 1, 5 * 12 * 768] and
    [B, s, n, 8 * 12 * 768].
    """
    middle = audio.shape[3] // 2
    groups = audio[:, :, 1:].unflatten(2, (audio.shape[2] // 4, 4))
    later = torch.cat(
        [groups[..., 0, : middle + 1, :, :], groups[..., 1, middle : middle + 1, :, :],
         groups[..., 2, middle : middle + 1, :, :], groups[..., 3, middle:, :, :]], dim=3,
    )  # fmt: skip
    return audio[:, :, :1].flatten(3), later.flatten(3)


class Block(nn.Module):
    """What one block of the Wan model adds for the sound, after its attention to the text."""

    def __init__(self, dim: int, width: int, linear: Callable, layer_norm: Callable, kept: dict):
        super().__init__()
        self.audio_cross_attn = Attention(dim, width, linear, kept)
        self.norm_x = layer_norm(dim, eps=_NORM_EPS, **kept)

    def forward(self, x: torch.Tensor, tokens: torch.Tensor, turn: Turn | None = None) -> torch.Tensor:
        """x: [B, T * S, dim], frame after frame. tokens: [B, T, N, width]. What the sound adds to x, of x's shape.

        A frame hears its own tokens only. ``turn`` gives the rotary positions where there are two speakers.
        """
        batch, length, _ = x.shape
        frames = x.reshape(batch * tokens.shape[1], -1, x.shape[-1])
        heard = tokens.flatten(0, 1)
        places = sounds = None
        if turn is not None:
            places = turn[0].reshape(frames.shape[:2])
            sounds = turn[1].repeat_interleave(tokens.shape[1], dim=0)
        parts = [
            self.audio_cross_attn(
                self.norm_x(frames[some]), heard[some], None if turn is None else (places[some], sounds[some])
            )
            for some in _parts(len(frames), frames[0].numel())
        ]
        return (parts[0] if len(parts) == 1 else torch.cat(parts)).view(batch, length, -1)


def _parts(count: int, size: int) -> Iterator[slice]:
    """Frames of ``size`` numbers in groups that fit the budget: attention runs per frame anyway."""
    step = max(1, _BUDGET // size)
    return (slice(start, start + step) for start in range(0, count, step))


class Attention(nn.Module):
    """Picture tokens attend to sound tokens, each row a latent frame of its own."""

    def __init__(self, dim: int, width: int, linear: Callable, kept: dict):
        super().__init__()
        self.heads = heads_of(dim)
        self.q_linear = linear(dim, dim, **kept)
        self.kv_linear = linear(width, 2 * dim, **kept)
        self.proj = linear(dim, dim, **kept)

    def forward(self, x: torch.Tensor, sound: torch.Tensor, turn: Turn | None = None) -> torch.Tensor:
        """x: [R, S, dim], sound: [R, N, width]; ``turn``: positions [R, S] and [R, N]. Returns [R, S, dim]."""
        from comfy.ldm.modules.attention import optimized_attention

        q = self.q_linear(x).unflatten(-1, (self.heads, -1))
        k, v = self.kv_linear(sound).unflatten(-1, (2, self.heads, -1)).unbind(2)
        if turn is not None:
            q, k = talk_voices.rotate(q, turn[0]), talk_voices.rotate(k, turn[1])
        q, k, v = (part.transpose(1, 2) for part in (q, k, v))
        # Without the model's attention override: 32 keys are no work for its kernels, and mouths want exactness.
        return self.proj(optimized_attention(q, k, v, heads=self.heads, skip_reshape=True))


def _scaled(operations) -> type:
    """The host's Linear for fp8 weights that were divided by a scale: the scale goes onto the input instead."""

    class Linear(operations.Linear):
        scale = 1.0

        def forward(self, x):
            return super().forward(x if self.scale == 1.0 else x * self.scale)

    return Linear
