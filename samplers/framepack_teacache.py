"""TeaCache as FramePack's reference has it: steps in which the network's input has hardly changed are not computed.

What the blocks add to the picture's tokens is kept from the last computed step. The change of the first block's
modulated input, made comparable by a polynomial that was fitted to HunyuanVideo, adds up from step to step; until it
reaches the threshold, the kept addition takes the blocks' place. First and last step are always computed. Reference:
lllyasviel/FramePack ``hunyuan_video_packed.py``; Liu et al., arXiv 2411.19108.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

from ..errors import InputError
from ..loaders import guard

KEY = "genga_teacache"  # in transformer_options: a Settings as set by the node, a Run while sampling
THRESHOLD = 0.15  # the reference's; about twice as fast
_POLYNOMIAL = (7.33226126e02, -4.01131952e02, 6.75869174e01, -3.14987800e00, 9.61237896e-02)  # highest power first
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """``threshold``: how much change may add up before a step is computed; 0 computes all."""

    threshold: float = THRESHOLD


@dataclass
class Memory:
    """What one batch of prompts has left behind: input and addition of its last steps, and the change since."""

    modulated: torch.Tensor | None = None
    added: torch.Tensor | None = None
    change: float = 0.0


@dataclass
class Run:
    """One sampling. ``memories`` by the prompts in a batch, which need not be the same in every call."""

    threshold: float
    memories: dict[tuple, Memory] = field(default_factory=dict)
    calls: int = 0
    skipped: int = 0


def rescaled(change: float) -> float:
    """The reference's polynomial of a relative change (Horner's scheme)."""
    value = 0.0
    for coefficient in _POLYNOMIAL:
        value = value * change + coefficient
    return value


def skips(memory: Memory, modulated: torch.Tensor, threshold: float, edge: bool) -> bool:
    """Whether this step can do without the blocks; notes its input. edge: the first or last step."""
    before, memory.modulated = memory.modulated, modulated
    if edge or threshold <= 0 or before is None or before.shape != modulated.shape or memory.added is None:
        memory.change = 0.0
        return False
    change = (modulated - before).abs().mean() / before.abs().mean()
    memory.change += rescaled(float(change))
    if memory.change < threshold:
        return True
    memory.change = 0.0
    return False


def apply(model, settings: Settings):
    """A clone of ``model`` that samples so; raises for what is no FramePack model or no threshold."""
    from comfy.patcher_extension import WrappersMP

    if not guard.traits_of(model).framepack:
        remedy = "Connect FramePack Loader; other models have EasyCache."
        raise InputError("model", "this is not a FramePack model, whose polynomial TeaCache uses", remedy)
    if not (math.isfinite(settings.threshold) and 0.0 <= settings.threshold <= 1.0):
        raise InputError("threshold", f"{settings.threshold} is outside 0 to 1", "0.15 is the reference's, 0 is off.")
    clone = model.clone()
    clone.model_options["transformer_options"][KEY] = settings
    for kind, wrapper in ((WrappersMP.OUTER_SAMPLE, _sampling), (WrappersMP.DIFFUSION_MODEL, _forward)):
        clone.remove_wrappers_with_key(kind, KEY)
        clone.add_wrapper_with_key(kind, KEY, wrapper)
    return clone


def _sampling(executor, *args, **kwargs):
    """Around one sampling: nothing is carried from a section to the next."""
    import comfy.model_patcher

    guider = executor.class_obj
    usual = guider.model_options
    run = Run(usual["transformer_options"][KEY].threshold)
    guider.model_options = comfy.model_patcher.create_model_options_clone(usual)
    guider.model_options["transformer_options"][KEY] = run
    try:
        return executor(*args, **kwargs)
    finally:
        guider.model_options = usual
        _log.info("TeaCache: %d of %d calls of the model skipped.", run.skipped, run.calls)


def _forward(executor, *args, **kwargs):
    """Around one call of the network: its blocks are watched, and left out where the kept addition will do."""
    place = max((index for index, value in enumerate(args) if isinstance(value, dict)), default=None)
    options = kwargs["transformer_options"] if place is None else args[place]
    run = options.get(KEY)
    if not isinstance(run, Run) or run.threshold <= 0:
        return executor(*args, **kwargs)
    memory = run.memories.setdefault(tuple(options.get("uuids") or ()), Memory())
    step = _Step(executor.class_obj, run, memory, is_edge(options))
    watched = step.options(options)
    if place is None:
        kwargs = {**kwargs, "transformer_options": watched}
    else:
        args = (*args[:place], watched, *args[place + 1 :])
    hook = step.network.final_layer.register_forward_pre_hook(step.finish)
    try:
        return executor(*args, **kwargs)
    finally:
        hook.remove()


def is_edge(options: Mapping) -> bool:
    """Whether a call belongs to the first step of the schedule or the last."""
    sigma, schedule = options.get("sigmas"), options.get("sample_sigmas")
    if sigma is None or schedule is None or len(schedule) < 3:
        return True
    level = float(sigma.max())
    return level >= float(schedule[0]) or level <= float(schedule[-2])


class _Step:
    """One call of the network."""

    def __init__(self, network, run: Run, memory: Memory, edge: bool):
        self.network, self.run, self.memory, self.edge = network, run, memory, edge
        self.start: torch.Tensor | None = None
        self.skip = False

    def options(self, options: Mapping) -> dict:
        """``options`` with every block behind a door; what replaced a block before goes on doing so."""
        replaced = options.get("patches_replace", {})
        blocks = dict(replaced.get("dit", {}))
        counts = {"double_block": len(self.network.double_blocks), "single_block": len(self.network.single_blocks)}
        for kind, count in counts.items():
            for index in range(count):
                blocks[kind, index] = self._door(kind, index, blocks.get((kind, index)))
        return {**options, "patches_replace": {**replaced, "dit": blocks}}

    def _door(self, kind: str, index: int, before: Callable | None) -> Callable:
        first = (kind, index) == ("double_block", 0)

        def block(args: dict, extra: dict) -> dict:
            if first:
                self._decide(args["img"], args["vec"])
            if self.skip:
                return {name: args[name] for name in ("img", "txt") if name in args}
            return extra["original_block"](args) if before is None else before(args, extra)

        return block

    def _decide(self, tokens: torch.Tensor, vec: torch.Tensor) -> None:
        block = self.network.double_blocks[0]
        shift_scale, _ = block.img_mod(vec)
        modulated = block.img_norm1(tokens) * (1 + shift_scale.scale) + shift_scale.shift
        self.start = tokens.clone()  # blocks of the host may add in place
        self.skip = skips(self.memory, modulated, self.run.threshold, self.edge)
        self.run.calls += 1
        self.run.skipped += self.skip

    def finish(self, _module, args: tuple):
        """In front of the last layer, which sees the drawn tokens alone: what the blocks added is put on or kept."""
        tokens, *others = args
        start = self.start[:, -tokens.shape[1] :]
        if self.skip:
            return (start + self.memory.added, *others)
        self.memory.added = tokens - start
        return None
