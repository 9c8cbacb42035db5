"""A state dict into a MODEL by the host's own steps (comfy.sd.load_diffusion_model_state_dict), with our model class.

The host chooses the class from a list that is the same for the whole program; so its steps are taken here, and
nothing of that list is touched.
"""

from __future__ import annotations

import comfy.model_detection
import comfy.model_management as management
import comfy.model_patcher
import comfy.supported_models
import comfy.utils

from ... import compat
from ...errors import InputError
from . import fuse
from .model import FramePackConfig

_QUANTIZED = ("scaled_fp8", "layer_quant_config", "quant_config")  # as one host or the other calls it


def build(state: dict, host_options: dict, name: str, disable_dynamic: bool = False):
    """MODEL from ``state`` (fuse.convert's). ``host_options``: as for comfy.sd.load_diffusion_model."""
    state = _host_quants(state, host_options)
    config = comfy.model_detection.model_config_from_unet(state, "")
    if not isinstance(config, comfy.supported_models.HunyuanVideo):
        raise InputError("model", f"ComfyUI does not know the model in {name}", "Choose another file.")
    config.__class__ = FramePackConfig
    _choose_types(config, state, host_options)
    model = config.get_model(state, "")
    patcher = _patcher(model, disable_dynamic)
    if not management.is_device_cpu(patcher.offload_device):
        model.to(patcher.offload_device)
    model.load_model_weights(state, "", **({"assign": True} if compat.is_dynamic(patcher) else {}))
    return patcher


def _host_quants(state: dict, host_options: dict) -> dict:
    """Scaled fp8 as either host takes it: the newer one has a form of its own, the older one wants all of it scaled."""
    if fuse.SCALED not in state or host_options.get("custom_operations") is not None:
        return state
    convert = getattr(comfy.utils, "convert_old_quants", None)
    return fuse.scale_all(state) if convert is None else convert(state, "", metadata={})[0]


def _choose_types(config, state: dict, host_options: dict) -> None:
    """The types of weights and arithmetic, chosen as the host does."""
    supported = list(config.supported_inference_dtypes)
    quantized = [name for name in _QUANTIZED if getattr(type(config), name, None) or vars(config).get(name)]
    weight = None if quantized else comfy.utils.weight_dtype(state)
    dtype = host_options.get("dtype") or management.unet_dtype(
        model_params=comfy.utils.calculate_parameters(state), supported_dtypes=supported, weight_dtype=weight
    )
    mixed = any(name != "scaled_fp8" for name in quantized)
    cast = management.unet_manual_cast(None if mixed else dtype, management.get_torch_device(), supported)
    config.set_inference_dtype(dtype, cast)
    if host_options.get("custom_operations") is not None:
        config.custom_operations = host_options["custom_operations"]
    if host_options.get("fp8_optimizations"):
        config.optimizations["fp8"] = True


def _patcher(model, disable_dynamic: bool):
    devices = {"load_device": management.get_torch_device(), "offload_device": management.unet_offload_device()}
    if disable_dynamic:
        return comfy.model_patcher.ModelPatcher(model, **devices)
    return compat.model_patcher(model, **devices)
