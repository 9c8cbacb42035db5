"""Attention per model: the host's override hook filled with the kernel a person asked for.

The host's own sage function falls back to PyTorch when the kernel fails and only logs it; here the kernel is
called directly, so that a failure is seen. Calls no sage kernel takes (masks, float32, wide heads) go to
PyTorch's attention by design.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

import torch

from ..errors import InputError

NAMES = ("auto", "sdpa", "sageattn", "sageattn_3_fp8")
_HALF = (torch.float16, torch.bfloat16)
_WIDEST_HEAD = 128
_SDPA = "or set attention to sdpa."


def override(name: str, device, dtype: torch.dtype) -> Callable | None:
    """The function for transformer_options["optimized_attention_override"]; None leaves the host's choice.

    Raises InputError when the kernel cannot run on ``device`` or with ``dtype``.
    """
    if name == "auto":
        return None
    if name == "sdpa":
        return _sdpa_override()
    kernel = find_kernel(name, device)
    if dtype not in _HALF:
        raise InputError(
            "attention",
            f"{name} works in float16 and bfloat16 only, this model computes in {dtype}",
            f"Set base_precision to bf16 or fp16, {_SDPA}",
        )
    return _sage_override(kernel)


def find_kernel(name: str, device) -> Callable | None:
    """The kernel ``name`` stands for on ``device``, called as kernel(q, k, v, tensor_layout=...).

    None for auto and sdpa. Loads no model: loaders ask before they load.
    """
    if name in ("auto", "sdpa"):
        return None
    device = torch.device(device)
    if device.type != "cuda":
        raise InputError("attention", f"{name} needs an NVIDIA GPU, models run on {device} here",
                         "Set attention to auto or sdpa.")  # fmt: skip
    package = _sageattention(name)
    if name == "sageattn":
        return package.sageattn
    return _fp8_kernel(name, package, torch.cuda.get_device_capability(device))


def _sageattention(name: str):
    try:
        return importlib.import_module("sageattention")
    except (ImportError, OSError) as error:
        raise InputError(
            "attention",
            f"{name} needs the package sageattention, which cannot be imported here ({error})",
            f"Install it into ComfyUI's Python (https://github.com/thu-ml/SageAttention), {_SDPA}",
        ) from error


def _fp8_kernel(name: str, package, capability: tuple[int, int]) -> Callable:
    """SageAttention 2's kernel with fp8 values, by GPU generation as its own dispatcher chooses it."""
    if capability < (8, 9):
        raise InputError(
            "attention",
            f"{name} needs fp8 arithmetic (compute capability 8.9, RTX 40 series), this GPU has "
            f"{capability[0]}.{capability[1]}",
            f"Set attention to sageattn, {_SDPA}",
        )
    kernel_name = "sageattn_qk_int8_pv_fp8_cuda" + ("_sm90" if capability[0] == 9 else "")
    kernel = getattr(package, kernel_name, None)
    if kernel is None:
        raise InputError(
            "attention",
            f"{name} needs {kernel_name}, which the installed sageattention does not have (version 1 has none)",
            f"Install SageAttention 2.1 or newer, set attention to sageattn, {_SDPA}",
        )
    if capability[0] < 12:
        return kernel

    def per_warp(q, k, v, tensor_layout):
        return kernel(q, k, v, tensor_layout=tensor_layout, qk_quant_gran="per_warp")

    return per_warp


def _sdpa_override() -> Callable:
    from comfy.ldm.modules.attention import attention_pytorch

    def sdpa(_chosen_by_host, *args, **kwargs):
        return attention_pytorch(*args, **kwargs)

    return sdpa


def _sage_override(kernel: Callable) -> Callable:
    """``kernel`` behind the host's calling convention.

    q, k, v are [B, L, heads * D], or [B, heads, L, D] with skip_reshape; the result is [B, L, heads * D],
    or [B, heads, L, D] with skip_output_reshape.
    """
    from comfy.ldm.modules.attention import attention_pytorch

    def sage(_chosen_by_host, q, k, v, heads, mask=None, attn_precision=None, skip_reshape=False,
             skip_output_reshape=False, **kwargs):  # fmt: skip
        width = q.shape[-1] if skip_reshape else q.shape[-1] // heads
        plain = mask is None and not kwargs.get("enable_gqa") and kwargs.get("scale") is None
        if not plain or q.dtype not in _HALF or width > _WIDEST_HEAD:
            return attention_pytorch(q, k, v, heads, mask=mask, attn_precision=attn_precision,
                                     skip_reshape=skip_reshape, skip_output_reshape=skip_output_reshape,
                                     **kwargs)  # fmt: skip
        if not skip_reshape:
            q, k, v = (t.reshape(t.shape[0], -1, heads, width) for t in (q, k, v))
        out = kernel(q, k, v, tensor_layout="HND" if skip_reshape else "NHD")
        if skip_reshape != skip_output_reshape:
            out = out.transpose(1, 2)
        return out if skip_output_reshape else out.reshape(out.shape[0], -1, heads * width)

    return sage
