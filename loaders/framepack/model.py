"""FramePack as a model of the host's: what it takes from CONDITIONING, its defaults, its memory."""

from __future__ import annotations

from collections.abc import Mapping

import comfy.conds
import comfy.model_base
import comfy.supported_models
import torch

from ...errors import InputError
from .net import STRIDES, FramePackNet, token_count

KEY = "genga_framepack"  # of a CONDITIONING: {"target": times, "clean": {stride: (latents, times)}}
GUIDANCE = 10.0  # the distilled one; the host's own default is that of HunyuanVideo
_PATCH = 4  # latent pixels of a token


class FramePackModel(comfy.model_base.HunyuanVideo):
    """The host's HunyuanVideo, so that its LoRA names and all that asks for the class keep working."""

    def __init__(self, model_config, model_type=comfy.model_base.ModelType.FLOW, device=None):
        # The parent's own step only names its network.
        super(comfy.model_base.HunyuanVideo, self).__init__(
            model_config, model_type, device=device, unet_model=FramePackNet
        )
        self.memory_usage_factor_conds = tuple(f"framepack_{stride}x" for stride in STRIDES)
        self.memory_usage_shape_process = {
            f"framepack_{stride}x": lambda shape, stride=stride: _area(shape, stride) for stride in STRIDES
        }

    def extra_conds(self, **kwargs):
        if kwargs.get("guidance") is None:
            kwargs["guidance"] = GUIDANCE
        out = super().extra_conds(**kwargs)
        vision = kwargs.get("clip_vision_output")
        if vision is not None:
            out["clip_fea"] = comfy.conds.CONDRegular(self._features(vision.last_hidden_state))
        section = kwargs.get(KEY)
        if section is not None:
            out |= self._section_conds(section, kwargs["noise"])
        return out

    def _features(self, features: torch.Tensor) -> torch.Tensor:
        wanted = self.diffusion_model.vision_in.up.in_features
        if features.shape[-1] != wanted:
            raise InputError(
                "clip_vision_output",
                f"its features are {features.shape[-1]} wide, FramePack takes {wanted}",
                "Load sigclip_vision_patch14_384.safetensors, and CLIP Vision Encode with crop none.",
            )
        return features

    def _section_conds(self, section: Mapping, noise: torch.Tensor) -> dict:
        target = tuple(section["target"])
        if len(target) != noise.shape[2]:
            raise InputError(
                "latent_image",
                f"it has {noise.shape[2]} latent frames, the section's conditioning is for {len(target)}",
                "Use the latent that comes from the same node as the conditioning.",
            )
        out = {"framepack_target": comfy.conds.CONDConstant(target)}
        for stride, (latents, times) in section["clean"].items():
            if latents.shape[-2:] != noise.shape[-2:]:
                raise InputError(
                    "latent_image",
                    f"its frames are {_size(noise)}, those of the section's conditioning {_size(latents)}",
                    "Use the latent that comes from the same node as the conditioning.",
                )
            out[f"framepack_{stride}x"] = comfy.conds.CONDRegular(self.process_latent_in(latents))
            out[f"framepack_{stride}x_times"] = comfy.conds.CONDConstant(tuple(times))
        return out

    def extra_conds_shapes(self, **kwargs):
        section = kwargs.get(KEY)
        if section is None:
            return {}
        return {f"framepack_{stride}x": list(latents.shape) for stride, (latents, _) in section["clean"].items()}


def _area(shape, stride: int) -> list[int]:
    """[B, 16, T, h, w] of clean latents as a shape of as many latent pixels as their tokens would have at 1x."""
    grid = (shape[3] // 2, shape[4] // 2)
    return [shape[0], shape[1], token_count(shape[2], grid, stride) * _PATCH]


def _size(latents: torch.Tensor) -> str:
    return f"{latents.shape[-1] * 8} x {latents.shape[-2] * 8}"


class FramePackConfig(comfy.supported_models.HunyuanVideo):
    """The host's settings for HunyuanVideo (shift 7, number types) around our model."""

    def get_model(self, state_dict, prefix="", device=None):
        self.unet_config["image_dim"] = state_dict[f"{prefix}vision_in.up.weight"].shape[1]
        return FramePackModel(self, device=device)
