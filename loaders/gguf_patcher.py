"""The host's ModelPatcher for a model with quantized layers: moving and counting stay the host's, patching is ours.

The host adds LoRA to a weight, or to the copy a layer computes with. A weight in blocks has neither: here the
patches of such a weight go to its layer, which applies them to the numbers it makes (gguf_lora). The class is mixed
into whichever patcher the host made, so its dynamic VRAM works as well as its partial loading.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import comfy.model_management
import comfy.utils

from ..errors import InputError
from . import gguf_lora

_WEIGHT = ".weight"


class _Backup(NamedTuple):
    """As the host keeps a weight it has replaced."""

    weight: object
    inplace_update: bool


class GgmlPatcher:
    """Goes before the host's class."""

    def load(self, *args, **kwargs):
        done = super().load(*args, **kwargs)
        self._hand_over()
        self.model.model_loaded_weight_memory += self._factors_kept()
        return done

    def partially_unload(self, *args, **kwargs):
        freed = super().partially_unload(*args, **kwargs)
        self._hand_over()
        return freed

    def unpatch_model(self, device_to=None, unpatch_weights=True):
        if unpatch_weights:
            for _, layer in self._layers():
                layer.ggml_steps, layer.ggml_wrapped = (), ()
                layer.scratch.clear()
        return super().unpatch_model(device_to, unpatch_weights)

    def cleanup(self):
        super().cleanup()
        for _, layer in self._layers():
            layer.scratch.clear()

    def patch_weight_to_device(self, key, *args, **kwargs):
        layer = self._layer(key)
        if layer is None:
            return super().patch_weight_to_device(key, *args, **kwargs)
        if kwargs.get("force_cast"):  # dynamic VRAM: a weight too small to be moved by itself stays on the device
            self.backup.setdefault(key, _Backup(layer.weight, False))
            comfy.utils.set_attr_param(self.model, key, layer.weight.to(kwargs.get("device_to")))
        return layer.weight

    def pin_weight_to_device(self, key):
        layer = self._layer(key)
        if layer is not None and comfy.model_management.is_device_cuda(self.load_device):
            layer.weight.data = layer.weight.data.clone()  # a file's map cannot be pinned
        return super().pin_weight_to_device(key)

    def patch_hooks(self, hooks):
        super().patch_hooks(hooks)
        combined = self.get_combined_hook_patches(hooks=hooks) if hooks is not None else {}
        for key, layer in self._layers():
            layer.ggml_hooked = self._steps(layer, key, combined.get(key, []))

    def patch_hook_weight_to_device(self, hooks, combined_patches, key, *args, **kwargs):
        if self._layer(key) is None:
            return super().patch_hook_weight_to_device(hooks, combined_patches, key, *args, **kwargs)
        return None  # patch_hooks has given it to the layer

    def unpatch_hooks(self, whitelist_keys_set=None):
        super().unpatch_hooks(whitelist_keys_set)
        for key, layer in self._layers():
            if not whitelist_keys_set or key in whitelist_keys_set:
                layer.ggml_hooked = ()

    def clone(self, *args, **kwargs):
        return adopt(super().clone(*args, **kwargs))

    def model_state_dict_for_saving(self, *args, **kwargs):
        refuse_saving()

    def state_dict_for_saving(self, *args, **kwargs):
        refuse_saving()

    def _layer(self, key: str):
        """The quantized layer whose weight ``key`` names, else None."""
        if not key.endswith(_WEIGHT):
            return None
        layer = comfy.utils.get_attr(self.model, key.removesuffix(_WEIGHT))
        return layer if getattr(layer, "ggml_kind", None) is not None else None

    def _layers(self):
        for name, module in self.model.named_modules():
            if getattr(module, "ggml_kind", None) is not None:
                yield name + _WEIGHT, module

    def _hand_over(self) -> None:
        """Gives every quantized layer its patches, and takes from it what the host had prepared for numbers."""
        for key, layer in self._layers():
            layer.ggml_steps = self._steps(layer, key, self.patches.get(key, []))
            layer.ggml_wrapped = tuple(self.weight_wrapper_patches.get(key, ()))
            layer.weight_function = []
            layer.weight_lowvram_function = None

    def _factors_kept(self) -> int:
        """Bytes of LoRA that will stay on the device with the weights that do."""
        if comfy.model_management.is_device_cpu(self.load_device):
            return 0
        here = (layer for _, layer in self._layers() if layer.weight.device == self.load_device)
        return sum(step.nbytes for layer in here for step in layer.ggml_steps)

    @staticmethod
    def _steps(layer, key: str, patches: list) -> tuple:
        shape = layer.ggml_shape
        return gguf_lora.steps(patches, key, shape) if patches else ()


@functools.cache
def _mixed(host_class: type) -> type:
    return type(f"Ggml{host_class.__name__}", (GgmlPatcher, host_class), {})


def adopt(patcher):
    """``patcher`` itself, now of a class that knows quantized layers."""
    if not isinstance(patcher, GgmlPatcher):
        patcher.__class__ = _mixed(type(patcher))
    return patcher


def refuse_saving(*_, **__):
    """Stands where the host would collect the weights for a file."""
    raise InputError(
        "model",
        "it was loaded from a .gguf file, and its quantized weights cannot be written to a .safetensors file",
        "Load the .safetensors version of the model to save or merge it.",
    )
