"""Who speaks where: with two speakers every token of the picture belongs to one of them or to the background.

A block's own self-attention decides: how much a token looks at the places of each speaker in the first latent
frame. Its class and how clearly it belongs to it become a rotary position, near which the speaker's sound lies.
Formulas after MeiGen-AI/InfiniteTalk, ``wan/modules/attention.py`` and ``wan/utils/multitalk_utils.py``.
"""

from __future__ import annotations

import torch

CLASSES = 3  # speaker 1, speaker 2, background
SPAN = 4.0
STARTS = (0.0, 20.0)
BACKGROUND = 12.0
HEARD_AT = (2.0, 22.0)
_BASE = 10000.0
_TINY = 1e-8
_BUDGET = 1 << 26  # numbers of a chunk of attention weights


def scores(q: torch.Tensor, first: torch.Tensor, places: torch.Tensor, heads: int) -> torch.Tensor:
    """How much each token looks at each class in the first latent frame: [B, 3, L], float32.

    q: [B, L, C], as attention sees it (after its rotary embedding). first: [B, S, C], keys of the first latent
    frame. places: [B, 3, S], 0 or 1; a class without a place scores 0. The mean is over places and over heads.
    """
    places = places.to(torch.float32)
    shares = places / places.sum(-1, keepdim=True).clamp_min(1.0)
    return torch.stack([_row_scores(*row, heads) for row in zip(q, first, shares, strict=True)])


def _row_scores(q: torch.Tensor, first: torch.Tensor, shares: torch.Tensor, heads: int) -> torch.Tensor:
    seen, width = first.shape[0], q.shape[-1] // heads
    keys = first.view(seen, heads, width).permute(1, 2, 0)
    step = max(1, _BUDGET // (heads * seen))
    parts = []
    for some in q.split(step):
        looks = (some.view(-1, heads, width).transpose(0, 1) * width**-0.5) @ keys
        parts.append(shares @ looks.float().softmax(-1).mean(0).T)
    return torch.cat(parts, dim=-1)


def positions(scored: torch.Tensor) -> torch.Tensor:
    """Rotary position of each token from its scores [B, 3, L]: [B, L].

    A speaker's tokens lie within SPAN from the speaker's start, the surest last, the background at 12.
    """
    speakers = scored[:, :2]
    low, high = speakers.amin(-1, keepdim=True), speakers.amax(-1, keepdim=True)
    starts = torch.tensor(STARTS, device=scored.device).view(1, 2, 1)
    placed = (speakers - low) / (high - low + _TINY) * SPAN + starts
    table = torch.cat([placed, torch.full_like(placed[:, :1], BACKGROUND)], dim=1)
    return table.gather(1, scored.argmax(1, keepdim=True)).squeeze(1)


def heard_at(tokens: int, device) -> torch.Tensor:
    """Rotary positions of a latent frame's sound: the first half is speaker 1's, the second speaker 2's. [tokens]."""
    return torch.tensor(HEARD_AT, device=device).repeat_interleave(tokens // 2)


def rotate(x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """``x`` [R, L, H, D] turned by the positions [R, L] in D / 2 planes of neighbouring values; computed in float32."""
    width = x.shape[-1]
    speed = _BASE ** (-torch.arange(0, width, 2, device=x.device, dtype=torch.float32) / width)
    angle = (at.unsqueeze(-1) * speed).unsqueeze(2)  # [R, L, 1, D / 2]
    cos, sin = angle.cos(), angle.sin()
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1).flatten(-2).to(x.dtype)
