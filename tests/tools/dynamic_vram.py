"""The newer host's dynamic VRAM in this process, with RAM in the place of a GPU's memory.

What stands in: the library that maps memory on the device (a buffer in RAM, always granted), pinned memory (none), and
the host's test for a CPU. The host's loading, its moving of bytes into the buffers, its casting and its copies are real.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

CPU = torch.device("cpu")


class Vram:
    """A model's part of the device's memory. ``granted``: whether there is room for what is asked for."""

    granted = True

    def alloc(self, size):
        return torch.zeros(size, dtype=torch.uint8)

    def prioritize(self):
        pass

    def loaded_size(self):
        return 0

    def free_memory(self, size):
        return 0


def switch_on(monkeypatch) -> Vram:
    """Sets the host to dynamic VRAM until ``monkeypatch`` is undone; skips on a host that has none."""
    import comfy.model_management as management
    import comfy.model_patcher as patchers

    if not hasattr(patchers, "ModelPatcherDynamic"):
        pytest.skip("this host has no dynamic VRAM")
    import comfy_aimdo.host_buffer
    import comfy_aimdo.model_vbar
    import comfy_aimdo.torch

    none = SimpleNamespace(size=0)
    vram = Vram()
    stand_ins = (
        (patchers, "CoreModelPatcher", patchers.ModelPatcherDynamic),
        (patchers.ModelPatcherDynamic, "_vbar_get", lambda self, create=False: vram),
        (patchers.ModelPatcherDynamic, "partially_unload", lambda self, *args: self.restore_loaded_backups()),
        (management, "is_device_cpu", lambda device: False),
        (comfy_aimdo.host_buffer, "HostBuffer", lambda *args: none),
        (comfy_aimdo.model_vbar, "vbar_fault", lambda place: (id(place),) if vram.granted else None),
        (comfy_aimdo.model_vbar, "vbar_signature_compare", lambda one, other: one == other and one is not None),
        (comfy_aimdo.model_vbar, "vbar_unpin", lambda place: None),
        (comfy_aimdo.torch, "aimdo_to_tensor", lambda place, device: place),
        (management.args, "disable_pinned_memory", True),
    )
    for where, name, value in stand_ins:
        monkeypatch.setattr(where, name, value)
    _move_as_to_a_device(monkeypatch)
    return vram


def _move_as_to_a_device(monkeypatch):
    """The host moves weights where their device is another than the input's. Here both are the CPU: it is told so."""
    import comfy.ops

    plain = comfy.ops.cast_bias_weight

    def moved(layer, input=None, dtype=None, device=None, bias_dtype=None, **options):
        if not hasattr(layer, "_v"):
            return plain(layer, input, dtype=dtype, device=device, bias_dtype=bias_dtype, **options)
        dtype = dtype or input.dtype
        comfy.ops.cast_modules_with_vbar([layer], dtype, CPU, bias_dtype or dtype, False)
        weight, bias = comfy.ops.resolve_cast_module_with_vbar(layer, dtype, CPU, bias_dtype or dtype, None, False)
        del layer._prefetch
        return weight, bias, None

    monkeypatch.setattr(comfy.ops, "cast_bias_weight", moved)
