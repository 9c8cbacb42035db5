"""Attention kernels of other packages: what each needs, and how it is called.

sageattn and sageattn_3_fp8: SageAttention 1 and 2 (8 bit). sage3: SageAttention 3 (4 bit, Blackwell). flash:
FlashAttention 2. All are called as kernel(q, k, v, tensor_layout=...), with tensors [B, L, H, D] for "NHD" and
[B, H, L, D] for "HND", and give the layout they were given.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

import torch

HALF = (torch.float16, torch.bfloat16)
_SAGE = "Install it into ComfyUI's Python (https://github.com/thu-ml/SageAttention)"
_FLASH = "Install it into ComfyUI's Python (pip install flash-attn --no-build-isolation)"
REMEDIES = {"xformers": "Install it into ComfyUI's Python (pip install xformers), without --disable-xformers"}


class Unavailable(Exception):
    """Says what is missing, as in "flash <text>"; ``remedy`` ends without a full stop, "" where there is none."""

    def __init__(self, text: str, remedy: str = ""):
        super().__init__(text)
        self.remedy = remedy


@dataclass(frozen=True)
class Kernel:
    """call: the kernel, or with ``by_host`` one of the host's own functions. widest: the widest head it takes."""

    name: str
    call: Callable
    widest: int = 128
    by_host: bool = False


def own(name: str, device: torch.device) -> Kernel:
    """One of OWN on ``device``. Raises Unavailable."""
    if device.type != "cuda":
        raise Unavailable(f"needs an NVIDIA GPU, models run on {device} here")
    return OWN[name](name, device)


def _package(module: str, package: str, remedy: str):
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:
        raise Unavailable(f"needs the package {package}, which cannot be imported here ({error})", remedy) from error


def _sage(name: str, _device: torch.device) -> Kernel:
    return Kernel(name, _package("sageattention", "sageattention", _SAGE).sageattn)


def _sage_fp8(name: str, device: torch.device) -> Kernel:
    """SageAttention 2's kernel with fp8 values, by GPU generation as its own dispatcher chooses it."""
    package = _package("sageattention", "sageattention", _SAGE)
    capability = torch.cuda.get_device_capability(device)
    if capability < (8, 9):
        raise Unavailable(
            f"needs fp8 arithmetic (compute capability 8.9, RTX 40 series), this GPU has {_dotted(capability)}",
            "Set attention to sageattn",
        )
    kernel_name = "sageattn_qk_int8_pv_fp8_cuda" + ("_sm90" if capability[0] == 9 else "")
    kernel = getattr(package, kernel_name, None)
    if kernel is None:
        raise Unavailable(
            f"needs {kernel_name}, which the installed sageattention does not have (version 1 has none)",
            "Install SageAttention 2.1 or newer, set attention to sageattn",
        )
    if capability[0] < 12:
        return Kernel(name, kernel)

    def per_warp(q, k, v, tensor_layout):
        return kernel(q, k, v, tensor_layout=tensor_layout, qk_quant_gran="per_warp")

    return Kernel(name, per_warp)


def _sage3(name: str, device: torch.device) -> Kernel:
    capability = torch.cuda.get_device_capability(device)
    if capability < (10, 0):
        raise Unavailable(
            f"needs 4 bit arithmetic (Blackwell, RTX 50 series), this GPU has compute capability {_dotted(capability)}",
            "Set attention to sageattn",
        )
    kernel = _package("sageattn3", "sageattn3", _SAGE).sageattn3_blackwell

    def heads_first(q, k, v, tensor_layout):
        if tensor_layout == "HND":
            return kernel(q, k, v, is_causal=False)
        turned = (t.transpose(1, 2).contiguous() for t in (q, k, v))
        return kernel(*turned, is_causal=False).transpose(1, 2)

    return Kernel(name, heads_first)


def _flash(name: str, device: torch.device) -> Kernel:
    capability = torch.cuda.get_device_capability(device)
    if capability < (8, 0):
        raise Unavailable(f"needs compute capability 8.0 (RTX 30 series), this GPU has {_dotted(capability)}")
    kernel = _package("flash_attn", "flash-attn", _FLASH).flash_attn_func

    def tokens_first(q, k, v, tensor_layout):
        if tensor_layout == "NHD":
            return kernel(q, k, v, dropout_p=0.0, causal=False)
        return kernel(*(t.transpose(1, 2) for t in (q, k, v)), dropout_p=0.0, causal=False).transpose(1, 2)

    return Kernel(name, tokens_first, widest=256)


def _dotted(capability: tuple[int, int]) -> str:
    return f"{capability[0]}.{capability[1]}"


OWN = {"sageattn": _sage, "sageattn_3_fp8": _sage_fp8, "sage3": _sage3, "flash": _flash}
