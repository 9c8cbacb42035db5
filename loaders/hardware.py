"""What this machine is, and which settings suit it: the presets by GPU class, chosen by the device's name and powers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import torch

from ..errors import InputError
from . import attention

AUTO = "auto"
ADA, AMPERE, SMALL = "RTX 4090/4080", "RTX 3090/3080", "RTX 3070/3060"
GPUS = (AUTO, ADA, AMPERE, SMALL)
GIB = 2**30
_AMPLE = 44 * GIB  # both 16 bit experts do not fit at once, one does with 480p beside it
_TIGHT = 8.5 * GIB  # an 8 GB card: the decode of a 480p window alone is reckoned with 5.6 GB
_CLASSES = ((ADA, r"\b40[89]0\b"), (AMPERE, r"\b30[89]0\b"), (SMALL, r"\b30[67]0\b"))


@dataclass(frozen=True)
class Device:
    """kind: cuda, rocm, mps, xpu, cpu or another type of torch's. memory, ram: bytes in all. capability: NVIDIA's."""

    kind: str
    name: str
    memory: int
    ram: int
    capability: tuple[int, int] | None = None

    @property
    def words(self) -> str:
        """One line for a person."""
        parts = [self.name]
        if self.kind in ("cuda", "rocm", "xpu"):
            parts.append(f"{self.memory / GIB:.0f} GB")
        if self.capability:
            parts.append("compute capability {}.{}".format(*self.capability))
        elif self.kind == "rocm":
            parts.append("ROCm")
        return ", ".join([*parts, f"{self.ram / GIB:.0f} GB RAM"])


@dataclass(frozen=True)
class Preset:
    """Values for the loaders' inputs of these names and WindowSampler's ``tiled_vae``. why: sentences, in order."""

    base_precision: str
    weight_dtype: str
    attention: str
    tiled_vae: str = "auto"
    why: tuple[str, ...] = ()


_BY_CLASS = {
    ADA: Preset("bf16", "fp8_e4m3fn_fast", "sageattn_3_fp8",
                why=("fp8 halves the weights' memory, and this class multiplies in fp8.",)),
    AMPERE: Preset("bf16", "fp8_e5m2", "sageattn",
                   why=("fp8 halves the weights' memory; this class does not multiply in fp8, so they are cast to bf16.",)),
    SMALL: Preset("fp16", "default", "sdpa",
                  why=("No quantization: what does not fit lies in RAM. Files that are quantized already (fp8 scaled, "
                       "GGUF) need far less of both.",)),
}  # fmt: skip


def load_device():
    """The device ComfyUI computes on."""
    import comfy.model_management as management

    return management.get_torch_device()


def name_of(device) -> str:
    """A device's name for a person."""
    import comfy.model_management as management

    kind = getattr(device, "type", "other")
    if kind == "cuda":
        return torch.cuda.get_device_name(device)
    return {"cpu": "the CPU", "mps": "Apple's GPU"}.get(kind) or management.get_torch_device_name(device)


def read() -> Device:
    """What ComfyUI computes on."""
    import comfy.model_management as management

    device = load_device()
    kind = getattr(device, "type", "other")
    ram = management.get_total_memory(torch.device("cpu"))
    name, memory = name_of(device), management.get_total_memory(device)
    if kind != "cuda":
        return Device(kind, name, memory, ram)
    if torch.version.hip:
        return Device("rocm", name, memory, ram)
    return Device("cuda", name, memory, ram, torch.cuda.get_device_capability(device))


def choose(device: Device, gpu: str = AUTO, attention_works=None) -> Preset:
    """The preset for ``device``, or for the class ``gpu`` names instead; with sdpa where its attention does not work here.

    attention_works(name) -> "" or what is wrong; by default the kernel is looked for and tried on the load device.
    """
    if gpu not in GPUS:
        raise InputError("gpu", f"{gpu!r} is unknown", f"Use one of {', '.join(GPUS)}.")
    preset = _of_device(device) if gpu == AUTO else _named(gpu)
    return _with_attention(preset, attention_works or _trouble)


def _named(gpu: str) -> Preset:
    return replace(_BY_CLASS[gpu], why=(f"You chose the settings for {gpu}.", *_BY_CLASS[gpu].why))


def _of_device(device: Device) -> Preset:
    if device.kind != "cuda":
        return _without_cuda(device)
    preset, why = _of_nvidia(device)
    if device.memory >= _AMPLE and preset.weight_dtype != "default":
        preset = replace(preset, weight_dtype="default", why=())
        why = f"{why} Its memory holds the weights as they are: no quantization."
    if device.memory <= _TIGHT:
        preset = replace(preset, tiled_vae="on", why=(*preset.why, "Tiled VAE: decoding a window whole would take most "
                                                      "of its memory."))  # fmt: skip
    return replace(preset, why=(why, *preset.why))


def _of_nvidia(device: Device) -> tuple[Preset, str]:
    """By name where the class has one, else by what the GPU can do."""
    laptop = "laptop" in device.name.lower()
    for gpu, pattern in _CLASSES:
        if re.search(pattern, device.name) and not laptop:
            return _BY_CLASS[gpu], f"It is of the class {gpu}."
    capability = device.capability or (0, 0)
    if capability >= (8, 9):
        return _BY_CLASS[ADA], f"It multiplies in fp8, as {ADA} do."
    if capability >= (8, 0) and device.memory > _TIGHT:
        return _BY_CLASS[AMPERE], f"It has bf16 and no fp8 arithmetic, as {AMPERE} do."
    if capability >= (7, 0):
        return _BY_CLASS[SMALL], f"It is treated as {SMALL}: fp16, no fp8 arithmetic."
    preset = Preset("auto", "default", "auto")
    return preset, "It is too old for fp16 at full speed: ComfyUI chooses types and attention."


def _without_cuda(device: Device) -> Preset:
    words = {
        "rocm": "On ROCm ComfyUI knows best which types and which attention a GPU takes. For less memory, set weight_dtype "
        "to fp8_e4m3fn.",
        "mps": "Apple's GPU has no fp8 and no kernels of other packages: ComfyUI chooses.",
        "cpu": "A CPU computes in float32: ComfyUI chooses. Expect hours for a real model.",
    }
    return Preset("auto", "default", "auto", why=(words.get(device.kind, "ComfyUI chooses for this device."),))


def _trouble(name: str) -> str:
    try:
        attention.check(name, load_device())
    except InputError as error:
        return error.problem
    return ""


def _with_attention(preset: Preset, works) -> Preset:
    """sageattn stands in for its fp8 kernel where that is missing, and sdpa for whatever is."""
    if preset.attention in ("auto", "sdpa"):
        return preset
    wanted = (preset.attention, "sageattn") if preset.attention == "sageattn_3_fp8" else (preset.attention,)
    why = preset.why
    for name in wanted:
        trouble = works(name)
        if not trouble:
            return replace(preset, attention=name, why=why)
        why = (*why, f"Attention {name} is not to be had: {trouble}.")
    return replace(preset, attention="sdpa", why=(*why, "So attention is sdpa, which every PyTorch has."))
