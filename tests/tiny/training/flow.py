"""Stage 3: Wan transformers that draw the world, by the rectified-flow loss.

The image-to-video model learns with 0 to 5 key pictures anywhere; both experts go on from it, each on its side of the
boundary. The text-to-video model goes on from the high-noise expert, which has learnt to heed the words. The network
is the host's class; only its attention to the words is computed otherwise while learning: 512 tokens of which all but
30 are padding count as 30 and one with a weight.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch
from torch.nn.functional import scaled_dot_product_attention

from .run import Run

DIM, FFN, LAYERS, HEADS = 256, 256, 4, 2
TOKENS = 512  # what the host pads prompts to
RATE, WARMUP, LAST = 1.2e-3, 100, 0.03
MUON = 5.0  # times the rate
NO_WORDS, NO_PICTURES = 0.1, 0.35
GIVEN_COUNTS = 3.0  # how much more a given cell weighs
SAVE = 200
HALF = torch.ops.mkldnn._is_mkldnn_bf16_supported()  # bfloat16 where the processor has it: a third faster


@dataclass(frozen=True)
class Task:
    """What one model learns. sigmas: the noise levels. batch: clips a step, of 17 frames; longer ones are fewer.
    begun: the share of clips of which the first frame is all that is shown, so that where to and how fast is for the
    words to say. between: the share that shows pictures inside latent frames only. none: of which nothing is shown."""

    name: str
    pictures: bool
    steps: int
    sigmas: tuple[float, float] = (0.0, 1.0)
    rate: float = RATE
    begin: str | None = None
    begun: float = 0.0
    between: float = 0.0
    none: float = NO_PICTURES
    shift: float = 3.0
    batch: int = 16


def network(pictures: bool, weights: dict[str, torch.Tensor] | None = None):
    """The host's Wan model; ``pictures``: it takes a mask and an encoded clip beside the noise."""
    import comfy.ops
    from comfy.ldm.wan.model import WanModel

    net = WanModel(
        model_type="t2v", dim=DIM, ffn_dim=FFN, num_heads=HEADS, num_layers=LAYERS, in_dim=36 if pictures else 16,
        text_dim=4096, out_dim=16, dtype=torch.float32, operations=comfy.ops.disable_weight_init,
    )  # fmt: skip
    if weights is None:
        _begin(net)
    else:
        net.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    return net


@torch.no_grad()
def _begin(net) -> None:
    """Small random weights; every branch adds a little, the head nothing."""
    generator = torch.Generator().manual_seed(1)
    for name, p in net.named_parameters():
        if name.endswith("bias"):
            p.zero_()
        elif p.ndim == 1:
            p.fill_(1.0)
        elif "modulation" in name:
            p.zero_()
        else:
            p.normal_(0.0, math.prod(p.shape[1:]) ** -0.5, generator=generator)
        if name.endswith((".o.weight", "ffn.2.weight")):
            p.mul_(0.5)
        if name.startswith("time_projection") and p.ndim > 1:
            p.mul_(0.2)
        if name.startswith("head.head"):
            p.zero_()
    for block in net.blocks:
        block.modulation[:, 2], block.modulation[:, 5] = 0.5, 0.5


def without_pictures(weights: dict[str, torch.Tensor], grey: torch.Tensor) -> dict[str, torch.Tensor]:
    """A model that takes pictures made one that takes none: what a clip without any always adds goes into the bias."""
    weight, bias = weights["patch_embedding.weight"].float(), weights["patch_embedding.bias"].float()
    middle = grey[:, 2, 3, 3]
    always = weight[:, 20:, 0].sum((-2, -1)) @ middle.float()
    return {**weights, "patch_embedding.weight": weight[:, :16], "patch_embedding.bias": bias + always}


class Words:
    """Attention of every block to the words that ``set`` names."""

    def __init__(self, net):
        self.bias = None
        for block in net.blocks:
            block.cross_attn.forward = self._of(block.cross_attn)

    def set(self, rows: list[torch.Tensor]) -> torch.Tensor:
        """Embeddings of a batch, [n, 4096] each -> [B, L, 4096], where what is over stands for all the padding."""
        length = max(len(each) for each in rows) + 1
        context = torch.zeros(len(rows), length, rows[0].shape[-1])
        self.bias = torch.zeros(len(rows), 1, 1, length)
        for number, each in enumerate(rows):
            context[number, : len(each)] = each.float()
            self.bias[number, ..., len(each) :] = math.log((TOKENS - len(each)) / (length - len(each)))
        return context

    def _of(self, layer):
        def forward(x, context, **_):
            q, k, v = layer.norm_q(layer.q(x)), layer.norm_k(layer.k(context)), layer.v(context)
            q, k, v = (each.unflatten(-1, (HEADS, -1)).transpose(1, 2) for each in (q, k, v))
            return layer.o(scaled_dot_product_attention(q, k, v, attn_mask=self.bias).transpose(1, 2).flatten(2))

        return forward


class Data:
    """Batches drawn from the cached clips."""

    def __init__(self, clips: dict[int, list[dict]], grey: dict[int, torch.Tensor], words: dict[str, torch.Tensor],
                 shares: dict[int, float]):  # fmt: skip
        self.clips, self.grey, self.words = clips, grey, words
        self.lengths = [length for length in shares if length in clips]
        self.shares = torch.tensor([shares[length] for length in self.lengths])

    def batch(self, task: Task, generator: torch.Generator, length: int | None = None):
        """(x0 [B, 16, T, h, w], shown [B, 20, T, h, w] or None, the captions' embeddings)."""
        if length is None:
            length = self.lengths[int(torch.multinomial(self.shares, 1, generator=generator))]
        count = max(2, round(task.batch * 5 / ((length - 1) // 4 + 1)))
        items = self.clips[length]
        picks = torch.randint(len(items), (count,), generator=generator).tolist()
        dice = torch.rand(count, 4, generator=generator).tolist()
        x, given, words = [], [], []
        for pick, (silent, word, picture, take) in zip(picks, dice, strict=True):
            item = items[pick]
            said = item["captions"][int(word * len(item["captions"]))]
            words.append(self.words["" if silent < NO_WORDS else said])
            x.append(item["x"].float())
            if picture < task.none:
                given.append(torch.cat((torch.zeros(4, *self.grey[length].shape[1:]), self.grey[length])))
            elif picture < task.none + task.begun:
                known = torch.zeros(4, *self.grey[length].shape[1:])
                known[:, 0] = 1
                given.append(torch.cat((known, item["begun"].float())))
            elif picture < task.none + task.begun + task.between:
                given.append(torch.cat([part.float() for part in item["between"]]))
            else:
                take = int(take * len(item["shown"]))
                given.append(torch.cat((item["known"][take].float(), item["shown"][take].float())))
        return torch.stack(x), torch.stack(given) if task.pictures else None, words


def draw_sigmas(task: Task, count: int, generator: torch.Generator) -> torch.Tensor:
    """Noise levels inside the task's range: even after the shift, which is where sampling spends its steps."""
    low, high = (s / (task.shift - (task.shift - 1) * s) for s in task.sigmas)
    even = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    u = low + (high - low) * even
    return task.shift * u / (1 + (task.shift - 1) * u)


def loss_of(net, words: Words, batch, sigmas: torch.Tensor, noise: torch.Tensor, even: bool = False) -> torch.Tensor:
    """Mean squared error of the velocity noise - x0; given cells count more unless ``even``."""
    x0, given, rows = batch
    level = sigmas[:, None, None, None, None]
    x = (1 - level) * x0 + level * noise
    inputs = x if given is None else torch.cat((x, given), 1)
    found = net(inputs, sigmas * 1000, words.set(rows))
    off = (found.float() - (noise - x0)).square()
    if even or given is None:
        return off.mean()
    weight = 1 + GIVEN_COUNTS * given[:, :4].amax(1, keepdim=True)
    return (off * weight).sum() / (weight.sum() * x0.shape[1])


def _optimizers(net) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices, which learns in about half the steps; AdamW for the rest."""
    matrices, wide, slow = [], [], []
    for name, p in net.named_parameters():
        group = matrices if name.startswith("blocks.") and p.ndim == 2 else wide if p.ndim >= 2 else slow
        group.append(p)
    groups = [{"params": slow, "weight_decay": 0.0}, {"params": wide, "weight_decay": 0.01}]
    return [
        torch.optim.Muon(matrices, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(groups, betas=(0.9, 0.98)),
    ]


def train(run: Run, task: Task, load) -> dict[str, torch.Tensor]:
    """The averaged weights after ``task.steps`` steps, in fp16. load(): the Data; asked again at every save, so that a
    model may begin before the last clips are encoded."""
    data = load()
    state = run.load(task.name)
    begin = run.tensors(task.begin) if task.begin else None
    if begin and not task.pictures:
        begin = without_pictures(begin, data.grey[17])
    net = network(task.pictures, state["net"] if state else begin)
    words = Words(net)
    average = {name: tensor.clone() for name, tensor in (state["average"] if state else net.state_dict()).items()}
    optimizers = _optimizers(net)
    if state:
        for optimizer, kept in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
    begun = time.monotonic()
    for step in range(state["step"] if state else 0, task.steps):
        generator = torch.Generator().manual_seed(step)
        batch = data.batch(task, generator)
        noise = torch.randn(batch[0].shape, generator=generator)
        share = step / task.steps
        rate = task.rate * min(1.0, (step + 1) / WARMUP) * max(LAST, 0.5 + 0.5 * math.cos(math.pi * share))
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * (MUON if isinstance(optimizer, torch.optim.Muon) else 1.0)
        with torch.autocast("cpu", torch.bfloat16, enabled=HALF):
            loss = loss_of(net, words, batch, draw_sigmas(task, len(noise), generator), noise)
        net.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        keep = min(0.998, (step + 1) / (step + 10))
        torch._foreach_lerp_(list(average.values()), list(net.state_dict().values()), 1 - keep)
        run.note(task.name, step, task.steps, float(loss.detach()), begun)
        if step % SAVE == SAVE - 1 or step == task.steps - 1:
            run.save(task.name, {"net": net.state_dict(), "average": average, "step": step + 1,
                                 "optimizers": [each.state_dict() for each in optimizers]})  # fmt: skip
            data = load()
    return {name: tensor.half() for name, tensor in average.items()}


@torch.no_grad()
def held_out_loss(weights: dict[str, torch.Tensor], task: Task, data: Data, sigmas: list[float]) -> list[float]:
    """Mean loss at each noise level over the same clips and noise, every cell alike."""
    net = network(task.pictures, weights)
    words, found = Words(net), []
    for sigma in sigmas:
        generator = torch.Generator().manual_seed(77)
        losses = []
        for _ in range(4):
            batch = data.batch(task, generator, length=17)
            noise = torch.randn(batch[0].shape, generator=generator)
            losses.append(float(loss_of(net, words, batch, torch.full((len(noise),), sigma), noise, even=True)))
        found.append(sum(losses) / len(losses))
    return found
