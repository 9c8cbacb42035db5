"""Negative prompts where CFG is 1: normalized attention guidance (NAG, arXiv 2505.21179), as a patch of a Wan MODEL.

In every cross attention the tokens look at the prompt, z+, and at the negative prompt, z-. What the layer goes on with
is z+ pushed away from z-, kept within ``tau`` times the length of z+, and mixed with it. The reference for Wan
(ChenDarYen/ComfyUI-NAG) also does so with the picture's tokens, whose two sides are the same there: no change.

The attention is caught by the host's attention override and not computed anew, so other patches of the same layers
stay in force, before this one or behind it. Rows of other prompts than the positive one are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch

from ..errors import InputError
from ..loaders import guard

KEY = "genga_nag"
POSITIVE = "genga_positive"  # in transformer_options: which of the guider's prompts count as positive; (0,) if missing
SCALE, TAU, ALPHA = 11.0, 2.5, 0.25  # what the packs for Wan have as defaults
_OVERRIDE = "optimized_attention_override"
_TINY = 1e-12

_now: ContextVar[Call | None] = ContextVar(KEY, default=None)


def guide(positive: torch.Tensor, negative: torch.Tensor, scale: float, tau: float, alpha: float) -> torch.Tensor:
    """Algorithm 1 of the paper on attention outputs [..., C] of one shape; lengths are L1 norms over C.

    g = scale z+ - (scale - 1) z-; g' = g min(|g| / |z+|, tau) / (|g| / |z+|); result alpha g' + (1 - alpha) z+.
    """
    pushed = torch.lerp(negative, positive, scale)
    # Sums of 5120 values: not in 16 bit.
    kind = torch.promote_types(positive.dtype, torch.float32)
    kept, reached = (
        torch.linalg.vector_norm(z, 1, dim=-1, keepdim=True, dtype=kind) for z in (positive, pushed)
    )  # fmt: skip
    shortened = (tau * kept / reached.clamp_min(_TINY)).clamp_max_(1.0).mul_(alpha)
    return pushed.mul_(shortened.to(pushed.dtype)).add_(positive, alpha=1.0 - alpha)


def positive_rows(rows: int, prompts: Sequence[int] | None, positive: Sequence[int] = (0,)) -> list[slice]:
    """The rows of a batch that hold a positive prompt, as few slices. ``prompts``: the batch's equal parts, by number.

    The host stacks the prompts it predicts together in any order. None: all rows are positive.
    """
    if not prompts:
        return [slice(0, rows)]
    size = rows // len(prompts)
    found: list[slice] = []
    for part, prompt in enumerate(prompts):
        if prompt in positive:
            start = part * size
            if found and found[-1].stop == start:
                start = found.pop().start
            found.append(slice(start, (part + 1) * size))
    return found


@dataclass
class Call:
    """One call of the model in which the guidance acts. ``text`` [b, L, width]: the negative prompt, once embedded."""

    nag: Nag
    network: torch.nn.Module
    rows: list[slice]
    text: torch.Tensor | None = None

    def negative(self, like: torch.Tensor) -> torch.Tensor:
        """The negative prompt as the network embeds it, in the type and on the device of ``like``."""
        if self.text is None:
            self.text = self.network.text_embedding(self.nag.negative.to(like.device, like.dtype))
        return self.text


class Nag:
    """The guidance of one MODEL. negative: [b, L, 4096] as UMT5 encodes it. start and end: parts of the schedule.

    A copy is itself, since the host copies what hangs on a model.
    """

    def __init__(self, negative: torch.Tensor, scale: float, tau: float, alpha: float, start: float, end: float):
        self.negative = negative
        self.scale, self.tau, self.alpha = scale, tau, alpha
        self.start, self.end = start, end

    def __deepcopy__(self, memo) -> Nag:
        return self

    def call(self) -> Call | None:
        call = _now.get()
        return call if call is not None and call.nag is self else None

    def wrapper(
        self, executor, x, t, c_concat=None, c_crossattn=None, control=None, transformer_options=None, **kwargs
    ):
        """Around the host's apply_model: decides whether, and for which rows of x [B, C, T, h, w], to guide."""
        options = {} if transformer_options is None else transformer_options
        call = None
        if self._in_range(executor.class_obj.model_sampling, t):
            rows = positive_rows(x.shape[0], options.get("cond_or_uncond"), options.get(POSITIVE, (0,)))
            if rows:
                call = Call(self, executor.class_obj.diffusion_model, rows)
        token = _now.set(call)
        try:
            return executor(x, t, c_concat, c_crossattn, control, options, **kwargs)
        finally:
            _now.reset(token)

    def _in_range(self, sampling, sigma: torch.Tensor) -> bool:
        if self.start <= 0.0 and self.end >= 1.0:
            return True  # without asking the device for the noise level
        level = float(sigma.max())
        return sampling.percent_to_sigma(self.end) <= level <= sampling.percent_to_sigma(self.start)


def check(scale: float, tau: float, alpha: float, start: float, end: float) -> None:
    """Raises InputError for settings outside their ranges, and for a part of the schedule that is none."""
    ranges = (("nag_scale", scale, 1.0, 100.0), ("nag_tau", tau, 1.0, 10.0), ("nag_alpha", alpha, 0.0, 1.0),
              ("start_percent", start, 0.0, 1.0), ("end_percent", end, 0.0, 1.0))  # fmt: skip
    for name, value, low, high in ranges:
        if not low <= value <= high:  # NaN too
            raise InputError(name, f"{value} is outside the range", f"Use {low:g} to {high:g}.")
    if start >= end:
        raise InputError(
            "end_percent", f"{end:g} is not behind start_percent ({start:g})", "Use 0 and 1 for all steps."
        )


def is_off(scale: float, alpha: float) -> bool:
    """Whether the formula leaves everything as it is."""
    return scale == 1.0 or alpha == 0.0


def hint(*models) -> str:
    """What to say where a negative prompt is wired and CFG is 1."""
    if all(map(is_on, models)):
        return "The one wired into NAG acts."
    return "Wire it into NAG (negative at CFG 1) in front of this node, and it acts."


def is_on(model) -> bool:
    """Whether a MODEL carries the guidance."""
    from comfy.patcher_extension import WrappersMP

    return bool(model.get_wrappers(WrappersMP.APPLY_MODEL, KEY))


def apply(model, nag: Nag):
    """A clone of ``model`` with ``nag`` on it. Raises for models that are no Wan, and for a second guidance."""
    from comfy.patcher_extension import WrappersMP

    if not guard.traits_of(model).wan:
        raise InputError("model", "this is not a Wan model", "Connect a Wan model: its text attention is known here.")
    if is_on(model):
        remedy = "Put all of it into one negative prompt, and leave one NAG out."
        raise InputError("model", "NAG is on this model already", remedy)
    patched = model.clone()
    for name, attention in _attentions(patched):
        path = f"diffusion_model.{name}.forward"
        # Asked of the patcher: the live module may still wear another clone's patch.
        patched.add_object_patch(path, _look(nag, attention, patched.get_model_object(path)))
    patched.add_wrapper_with_key(WrappersMP.APPLY_MODEL, KEY, nag.wrapper)
    return patched


def _attentions(model) -> Iterator[tuple[str, torch.nn.Module]]:
    """Name and module of every text attention: those of VACE's own blocks too, as in the reference."""
    from comfy.ldm.wan.model import WanI2VCrossAttention, WanT2VCrossAttention

    network = model.get_model_object("diffusion_model")
    for part in ("blocks", "vace_blocks"):
        for index, block in enumerate(getattr(network, part, ())):
            attention = getattr(block, "cross_attn", None)
            if not isinstance(attention, (WanT2VCrossAttention, WanI2VCrossAttention)):
                problem = f"the text attention of {type(network).__name__} is of a kind of its own"
                raise InputError("model", problem, "Use NAG with a Wan I2V, T2V, VACE or Animate model.")
            yield f"{part}.{index}.cross_attn", attention


def _look(nag: Nag, attention: torch.nn.Module, before):
    def cross_attn(x, context, *args, **kwargs):
        call = nag.call()
        if call is None:
            return before(x, context, *args, **kwargs)
        if kwargs.get("transformer_options") is None:
            kwargs["transformer_options"] = {}
        guided = _Guided(call, attention, context)
        with _overriding(kwargs["transformer_options"], guided):
            out = before(x, context, *args, **kwargs)
        if not guided.done:
            problem = "another patch replaces the text attention of its blocks, which NAG needs"
            raise InputError("model", problem, "Leave that patch out, or put NAG behind it.")
        return out

    return cross_attn


@contextmanager
def _overriding(options: dict, guided: _Guided):
    """``guided`` as attention override in the call's own dict: other packs write there what they read later."""
    there, guided.kept = _OVERRIDE in options, options.get(_OVERRIDE)
    options[_OVERRIDE] = guided
    try:
        yield
    finally:
        if there:
            options[_OVERRIDE] = guided.kept
        else:
            options.pop(_OVERRIDE, None)


class _Guided:
    """An attention override for one cross attention. Layers with CLIP vision look at the picture first, then at text."""

    def __init__(self, call: Call, attention: torch.nn.Module, context: torch.Tensor):
        self.call, self.attention, self.context = call, attention, context
        self.kept = None
        self.waiting = int(hasattr(attention, "k_img"))
        self.done = False

    def __call__(self, chosen, q, k, v, heads, *args, **kwargs):
        def attend(q, k, v):
            if self.kept is None:
                return chosen(q, k, v, heads, *args, **kwargs)
            return self.kept(chosen, q, k, v, heads, *args, **kwargs)

        out = attend(q, k, v)
        if self.done or self.waiting:
            self.waiting = max(0, self.waiting - 1)
            return out
        self.done = True
        nag, layer = self.call.nag, self.attention
        text = self.call.negative(self.context)
        unwanted = layer.norm_k(layer.k(text)), layer.v(text)
        for rows in self.call.rows:
            there = (_spread(part, rows.stop - rows.start) for part in unwanted)
            out[rows] = guide(out[rows], attend(q[rows], *there), nag.scale, nag.tau, nag.alpha)
        return out


def _spread(part: torch.Tensor, rows: int) -> torch.Tensor:
    """[b, L, C] over ``rows`` rows; the prompts of a batch in turn."""
    if len(part) == rows:
        return part
    return part[torch.arange(rows, device=part.device) % len(part)]
