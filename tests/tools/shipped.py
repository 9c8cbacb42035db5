"""The shipped workflows made ready for a host that has tiny models and other pictures; nothing else is changed."""

from __future__ import annotations

import json
from pathlib import Path

from .pack import pack_folder

FOLDER = Path(pack_folder()) / "workflows"
DROPPED = "AniSora Keyframes"  # a person drops pictures on it
EMPTY = '{"version": 1, "keyframes": []}'
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def stand_ins(files) -> dict[str, str]:
    """Name of a model in the workflows -> tiny file of the same architecture. ``files``: the module tiny.files."""
    return {
        # Pony, Flux and most of FramePack have the tiny files under the names of the workflows.
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
        "RealESRGAN_x4plus.safetensors": files.UPSCALER,
        "llava_llama3_fp8_scaled.safetensors": files.LLAMA,
    }


def load(name: str) -> dict:
    """A shipped workflow as it is."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def timeline(pictures: list[str], frames: tuple[int, ...]) -> str:
    """The value of the timeline widget: pictures of the input folder at their frames."""
    keys = [
        {"frame": frame, "image": {"name": name, "subfolder": "", "type": "input"}, "strength": 1}
        for frame, name in zip(frames, pictures, strict=False)
    ]
    return json.dumps({"version": 1, "keyframes": keys})


def ready(
    name: str,
    models: dict[str, str],
    pictures: list[str],
    masks: tuple[str, ...] = ("mask.png",),
    frames: tuple[int, ...] = (0, 20, 40, 60, 80),
) -> dict:
    """The workflow with the names of models and pictures exchanged; pictures go to the LoadImage nodes in order,
    masks to the LoadImageMask nodes. In AniSora Keyframes, which opens empty, they go to the timeline, at ``frames``."""
    workflow = load(name)
    if name == DROPPED:
        models = models | {EMPTY: timeline(pictures, frames)}
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
