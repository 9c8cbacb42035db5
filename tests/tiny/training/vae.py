"""Stage 1: a Wan 2.1 VAE of width 8 that knows the world.

It begins as tests/tiny/vae.py, which passes a downsampled video (23.7 dB), and learns single frames first, then clips.
At the end two 1x1 convolutions are folded in, so that its latents have the mean that the host expects of Wan's and
uncorrelated channels, the loudest of Wan's spread and the others the less, the less they show in the picture. (With
all of them equally loud, the flow model spends most of what it can learn on detail that nobody sees.)
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from .. import vae as computed
from .. import world
from .run import Run

LATENT = 16
WARMUP = 30
MAIN = 0.5  # of the rate for what is no branch: it carries the offsets
MEASURED_ON = 24  # batches of four clips
LOUDEST, QUIETEST, EVENING = 1.4, 0.06, 0.75  # spread of the first channel; least weight; 0 would be all alike
NOISE = 0.05  # added to the latents while learning, in their own spread: what the flow model leaves is about that
SHAPES_COUNT = 4.0  # how much more a pixel of a shape weighs than one of the background


def network(weights: dict[str, torch.Tensor] | None = None):
    """The host's own class with ``weights``, or with the computed ones."""
    from comfy.ldm.wan.vae import WanVAE

    net = WanVAE(
        dim=computed.WIDTH, z_dim=LATENT, dim_mult=list(computed.MULT), num_res_blocks=2, attn_scales=[],
        temperal_downsample=[False, True, True], dropout=0.0,
    )  # fmt: skip
    weights = computed.weights() if weights is None else weights
    net.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    for module in net.modules():
        if isinstance(module, torch.nn.Conv3d):  # a CPU takes a third less time for it
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last_3d)
    return net


def branched(weights: dict[str, torch.Tensor], part: str = "") -> dict[str, torch.Tensor]:
    """``weights`` (those of ``part``) with something in the first layer of each branch: the computed ones are zero at both
    ends, and such a branch has no gradient. Its kernels sum to zero, since the channels stand at a large offset that says
    nothing."""
    generator = torch.Generator().manual_seed(1)
    fresh = {}
    for name, tensor in weights.items():
        if name.startswith(part) and name.endswith(("residual.2.weight", "to_qkv.weight")):
            drawn = torch.randn(tensor.shape, generator=generator)
            drawn -= drawn.flatten(1).mean(1).view(-1, *[1] * (drawn.ndim - 1))
            fresh[name] = drawn * 2 * tensor[0].numel() ** -0.5
    return {**weights, **fresh}


@torch.no_grad()
def quick(net):
    """``net`` without the branches that add a constant only (those of the plain phase never learnt more): the same
    numbers in a tenth of the time."""
    for block in net.encoder.modules():
        if hasattr(block, "shortcut") and hasattr(block, "residual") and not block.residual[6].weight.any():
            block.forward = _constant(block)
    return net


def _constant(block):
    bias = block.residual[6].bias[None, :, None, None, None]

    def forward(x, feat_cache=None, feat_idx=(0,)):
        return block.shortcut(x) + bias

    return forward


def pixels(frames: torch.Tensor) -> torch.Tensor:
    """[B, F, H, W, 3] in 0..1 -> [B, 3, F, H, W] in -1..1."""
    return frames.movedim(-1, 1) * 2 - 1


def batch(seed: int, count: int, frames: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Clips [B, 3, F, H, W] and the weight of each pixel [B, 1, F, H, W]."""
    clips = [world.draw(world.scene(seed * count + number, frames)) for number in range(count)]
    weight = torch.stack([1 + SHAPES_COUNT * clip.masks.amax(0) for clip in clips])
    return pixels(torch.stack([clip.frames for clip in clips])), weight[:, None]


@dataclass(frozen=True)
class Phase:
    """A part of the training. seed: of its first clips. batches: (clips, frames) in turn. decoder: only the decoder
    learns, latents stay."""

    name: str
    seed: int
    steps: int
    rate: float
    batches: tuple[tuple[int, int], ...]
    branches: bool = False
    decoder: bool = False


def train(run: Run, phase: Phase, begin: dict[str, torch.Tensor] | None) -> dict[str, torch.Tensor]:
    """The averaged weights after a phase that goes on from ``begin`` (None: from the computed weights)."""
    state = run.load(phase.name)
    if state is None and phase.branches:
        begin = branched(begin or computed.weights(), "decoder." if phase.decoder else "")
    net = network(state["net"] if state else begin)
    average = {name: tensor.clone() for name, tensor in (state["average"] if state else net.state_dict()).items()}
    learn = [p for name, p in net.named_parameters() if not phase.decoder or name.startswith("decoder.")]
    branch = [p for name, p in net.named_parameters() if ".residual." in name or ".middle.1." in name]
    inside = {id(p) for p in branch}
    groups = [
        {"params": [p for p in learn if id(p) in inside], "share": 1.0},
        {"params": [p for p in learn if id(p) not in inside], "share": MAIN},
    ]
    optimizer = torch.optim.AdamW(groups, lr=phase.rate, weight_decay=0.0, betas=(0.9, 0.99))
    if state:
        optimizer.load_state_dict(state["optimizer"])
    begun = time.monotonic()
    for step in range(state["step"] if state else 0, phase.steps):
        x, weight = batch(phase.seed + step, *phase.batches[step % len(phase.batches)])
        for group in optimizer.param_groups:
            group["lr"] = (
                phase.rate * group["share"] * min(1.0, (step + 1) / WARMUP) * max(0.05, 1 - step / phase.steps)
            )
        loss = _loss(net, x, weight, torch.Generator().manual_seed(step), phase.decoder)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learn, 1.0)
        optimizer.step()
        keep = min(0.99, (step + 1) / (step + 10))
        for name, tensor in net.state_dict().items():
            average[name].lerp_(tensor, 1 - keep)
        run.note(phase.name, step, phase.steps, float(loss.detach()), begun)
        if step % 100 == 99 or step == phase.steps - 1:
            run.save(phase.name, {"net": net.state_dict(), "average": average, "optimizer": optimizer.state_dict(),
                                  "step": step + 1})  # fmt: skip
    return average


def _loss(net, x: torch.Tensor, weight: torch.Tensor, generator: torch.Generator, fixed: bool) -> torch.Tensor:
    with torch.set_grad_enabled(not fixed):
        z = net.encode(x)
    spread = z.detach().std((0, 2, 3, 4), keepdim=True)
    noisy = z + NOISE * spread * torch.randn(z.shape, generator=generator)
    off = net.decode(noisy) - x
    plain = (weight * (off.abs() + 2 * off.square())).sum() / (3 * weight.sum())
    edges = sum(off.diff(dim=side).abs().mean() for side in (3, 4))  # what a blur gets wrong
    return plain + edges


@torch.no_grad()
def balanced(net) -> dict[str, torch.Tensor]:
    """The state dict with latents whose channels are uncorrelated over the world's clips, the loudest first.

    Channel k is the k-th direction in which the decoder's first layer is moved most by what really occurs.
    """
    seen = torch.cat([net.encode(batch(500_000 + number, 4, 17)[0]) for number in range(MEASURED_ON)])
    flat = seen.movedim(1, 0).flatten(1).double()
    mean = flat.mean(1)
    values, vectors = torch.linalg.eigh(torch.cov(flat))
    values = values.clamp_min(values.max() * 1e-4)  # channels that hold nothing must not blow up noise
    whiten = vectors @ torch.diag(values**-0.5) @ vectors.T
    second = net.conv2.weight[:, :, 0, 0, 0].double()
    _, shown, axes = torch.linalg.svd(second @ torch.linalg.inv(whiten))
    spread = LOUDEST * (shown.clamp_min(QUIETEST) / shown[0]) ** EVENING
    whiten = torch.diag(spread) @ axes @ whiten
    wan_mean, wan_std = (torch.tensor(v, dtype=torch.float64) for v in (computed.MEAN, computed.STD))
    to, back = torch.diag(wan_std) @ whiten, torch.linalg.inv(whiten) @ torch.diag(1 / wan_std)
    weights = {name: tensor.double() for name, tensor in net.state_dict().items()}
    first = weights["conv1.weight"][:LATENT, :, 0, 0, 0]
    weights["conv1.weight"][:LATENT] = (to @ first)[:, :, None, None, None]
    weights["conv1.bias"][:LATENT] = to @ (weights["conv1.bias"][:LATENT] - mean) + wan_mean
    weights["conv2.bias"] += second @ mean - second @ back @ wan_mean
    weights["conv2.weight"] = (second @ back)[:, :, None, None, None]
    return {name: tensor.half() for name, tensor in weights.items()}


@torch.no_grad()
def quality(net, seeds: range, frames: int = 17) -> float:
    """Mean PSNR of the round trip over the clips of ``seeds``, in dB."""
    found = []
    for seed in seeds:
        x = pixels(world.draw(world.scene(seed, frames)).frames[None])
        error = ((net.decode(net.encode(x)).clamp(-1, 1) - x) / 2).square().mean()
        found.append(-10 * torch.log10(error))
    return float(torch.stack(found).mean())
