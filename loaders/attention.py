"""Attention per model: the host's override hook filled with the kernel a person asked for.

The host's own sage, sage3 and flash functions go to PyTorch when their kernel fails, and only log it; here kernels are
called directly, so that a failure is seen, and tried with one small call before a model is loaded. Calls no such kernel
takes (masks, float32, wide heads) go to PyTorch's attention by design.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch

from ..errors import InputError
from . import kernels
from .kernels import HALF, Kernel, Unavailable

NAMES = ("auto", "sdpa", "sageattn", "sageattn_3_fp8", "sage3", "flash", "xformers", "sub_quad", "split")
_CHOSEN_BY_OTHERS = ("auto", "sdpa")  # need no kernel of their own
_TWINS = ("pytorch", "sage")  # the host's names for sdpa, and for sageattn with a silent way out
_HOST_MODULE = "comfy.ldm.modules.attention"
_SDPA = "or set attention to sdpa."
_LOOSEST = 0.25  # of the result's own size: fp4 kernels stay below, wrong results do not
_FAILURES = (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, OSError, RuntimeError, TypeError,
             ValueError)  # fmt: skip  # anything else a kernel raises goes up as it is: an error, too
_probed: dict[tuple, str] = {}


def names() -> tuple[str, ...]:
    """Every name that can be chosen: ours, then what other packs have registered with the host."""
    registered = getattr(sys.modules.get(_HOST_MODULE), "REGISTERED_ATTENTION_FUNCTIONS", {})
    return (*NAMES, *(name for name in registered if name not in NAMES and name not in _TWINS))


def override(name: str, device, dtype: torch.dtype) -> Callable | None:
    """The function for transformer_options["optimized_attention_override"]; None leaves the host's choice.

    Raises InputError when the kernel cannot run on ``device`` or with ``dtype``.
    """
    if name == "auto":
        return None
    if name == "sdpa":
        return _through(_host_function("pytorch"))
    kernel = find_kernel(name, device)
    if kernel.by_host:
        return _through(kernel.call)
    if dtype not in HALF:
        raise InputError(
            "attention",
            f"{name} works in float16 and bfloat16 only, this model computes in {dtype}",
            f"Set base_precision to bf16 or fp16, {_SDPA}",
        )
    return _direct(kernel)


def note(name: str) -> str | None:
    """What a person should know who chose ``name``."""
    if name != "sageattn_3_fp8":
        return None
    return "attention sageattn_3_fp8: no kernel of that name exists; this is SageAttention 2's with fp8 values."


def check(name: str, device) -> None:
    """Raises InputError unless ``name`` can be chosen and has passed one small call on ``device``."""
    kernel = find_kernel(name, device)
    if kernel is None:
        return
    key = (name, str(device))
    if key not in _probed:
        _probed[key] = probe(kernel, torch.device(device))
    if _probed[key]:
        raise InputError("attention", f"{name} fails on {device}: {_probed[key]}",
                         f"Update its package to suit your GPU and PyTorch, {_SDPA}")  # fmt: skip


def find_kernel(name: str, device) -> Kernel | None:
    """The kernel ``name`` stands for on ``device``; None for auto and sdpa. Loads no model, makes no call."""
    if name in _CHOSEN_BY_OTHERS:
        return None
    if name not in names():
        raise InputError("attention", f"{name!r} is unknown", f"Use one of {', '.join(names())}.")
    device = torch.device(device)
    try:
        if name in kernels.OWN:
            return kernels.own(name, device)
        return Kernel(name, _registered(name), by_host=True)
    except Unavailable as error:
        remedy = f"{error.remedy.rstrip('.')}, {_SDPA}" if error.remedy else "Set attention to auto or sdpa."
        raise InputError("attention", f"{name} {error}", remedy) from error


def unavailable(device) -> dict[str, str]:
    """Every name that cannot be chosen on ``device``, with the reason and the remedy. Imports packages that are there."""
    found = {}
    for name in names():
        try:
            find_kernel(name, device)
        except InputError as error:
            found[name] = f"{error.problem}. {error.remedy}"
    return found


def probe(kernel: Kernel, device: torch.device) -> str:
    """What goes wrong in one small call (1 x 8 heads x 256 tokens x 128), against PyTorch's attention; "" if nothing."""
    import comfy.model_management as management

    dtype = torch.float32 if kernel.by_host and device.type == "cpu" else torch.float16
    if device.type == "cuda" and management.should_use_bf16(device):
        dtype = torch.bfloat16
    heads, width = 8, 128
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 256, heads * width, generator=generator).to(device, dtype) for _ in range(3))
    call = _through(kernel.call) if kernel.by_host else _direct(kernel)
    try:
        made = call(None, q, k, v, heads, _inside_attn_wrapper=True)
        true = _host_function("pytorch")(q, k, v, heads)
        off = float((made.float() - true.float()).norm() / true.float().norm())
    except _FAILURES as error:
        return f"{type(error).__name__}: {str(error).strip() or 'no message'}".splitlines()[0]
    return "" if off < _LOOSEST else f"its result is off by {off:.0%} in a small test"


def _registered(name: str) -> Callable:
    function = _host_function(name)
    if function is None:
        what = "which this ComfyUI does not offer here"
        raise Unavailable(f"needs the attention function {name}, {what}", kernels.REMEDIES.get(name, ""))
    return function


def _host_function(name: str) -> Callable | None:
    from comfy.ldm.modules import attention as host

    if name == "pytorch":
        return lambda *args, **kwargs: host.attention_pytorch(*args, **kwargs)
    return host.get_attention_function(name, default=None)


def _through(function: Callable) -> Callable:
    """One of the host's functions as an override. Its calls carry a mark that keeps it from coming here again."""

    def chosen(_chosen_by_host, *args, **kwargs):
        return function(*args, **kwargs)

    return chosen


def _direct(kernel: Kernel) -> Callable:
    """``kernel`` behind the host's calling convention.

    q, k, v are [B, L, heads * D], or [B, heads, L, D] with skip_reshape; the result is [B, L, heads * D],
    or [B, heads, L, D] with skip_output_reshape.
    """
    from comfy.ldm.modules.attention import attention_pytorch

    def direct(_chosen_by_host, q, k, v, heads, mask=None, attn_precision=None, skip_reshape=False,
               skip_output_reshape=False, **kwargs):  # fmt: skip
        width = q.shape[-1] if skip_reshape else q.shape[-1] // heads
        plain = mask is None and not kwargs.get("enable_gqa") and kwargs.get("scale") is None
        if not plain or q.dtype not in HALF or width > kernel.widest:
            return attention_pytorch(q, k, v, heads, mask=mask, attn_precision=attn_precision,
                                     skip_reshape=skip_reshape, skip_output_reshape=skip_output_reshape,
                                     **kwargs)  # fmt: skip
        if not skip_reshape:
            q, k, v = (t.reshape(t.shape[0], -1, heads, width) for t in (q, k, v))
        out = kernel.call(q, k, v, tensor_layout="HND" if skip_reshape else "NHD")
        if skip_reshape != skip_output_reshape:
            out = out.transpose(1, 2)
        return out if skip_output_reshape else out.reshape(out.shape[0], -1, heads * width)

    return direct
