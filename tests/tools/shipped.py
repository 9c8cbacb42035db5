"""The shipped workflows made ready for a host that has tiny models and other pictures; nothing else is changed."""

from __future__ import annotations

import json
from pathlib import Path

from .pack import pack_folder

FOLDER = Path(pack_folder()) / "workflows"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def stand_ins(files) -> dict[str, str]:
    """Name of a model in the workflows -> tiny file of the same architecture. ``files``: the module tiny.files."""
    return {
        "Wan2_2-I2V_AniSoraV3_2_HIGH_14B_fp8_e4m3fn_scaled_KJ.safetensors": files.I2V_HIGH,
        "Wan2_2-I2V_AniSoraV3_2_LOW_14B_fp8_e4m3fn_scaled_KJ.safetensors": files.I2V_LOW,
        "wan2.1_i2v_480p_14B_fp16.safetensors": files.I2V_21,
        "umt5_xxl_fp8_e4m3fn_scaled.safetensors": files.TEXT,
        "wan_2.1_vae.safetensors": files.VAE,
        "clip_vision_h.safetensors": files.CLIP_VISION,
        "wan2.2-rapid-mega-aio-v12.safetensors": files.AIO_MEGA,
        "wan2.1_infiniteTalk_single_fp16.safetensors": files.TALK_SINGLE,
        "wan2.1_infiniteTalk_multi_fp16.safetensors": files.TALK_MULTI,
        "wan2.2_animate_14B_bf16.safetensors": files.ANIMATE,
        "wav2vec2-chinese-base_fp16.safetensors": files.AUDIO_ENCODER,
    }


def load(name: str) -> dict:
    """A shipped workflow as it is."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def ready(name: str, models: dict[str, str], pictures: list[str], masks: tuple[str, ...] = ("mask.png",)) -> dict:
    """The workflow with the names of models and pictures exchanged; pictures go to the LoadImage nodes in order,
    masks to the LoadImageMask nodes."""
    workflow = load(name)
    left, left_masks = iter(pictures), iter(masks)
    for node in workflow["nodes"]:
        values = node["widgets_values"]
        if node["type"] == "LoadImage":
            values[0] = next(left)
        elif node["type"] == "LoadImageMask":
            values[0] = next(left_masks)
        else:
            node["widgets_values"] = [models.get(v, v) if isinstance(v, str) else v for v in values]
    return workflow
