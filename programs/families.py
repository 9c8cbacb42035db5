"""What the payload offers: which model has which modes, fields and ranges, and the shipped workflow behind each.

The ranges are those of the contract; the nodes allow more. Whatever a payload leaves out stays as the workflow has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Fields that hold pictures, by mode; every one of them is required there.
PICTURES = {
    "t2v": (),
    "i2v": ("reference_image",),
    "first_last_frame": ("first_frame_image", "last_frame_image"),
    "arbitrary_frame": ("arbitrary_frames",),
    "t2i": (),
    "i2i": ("reference_image",),
}
ALL_PICTURES = tuple(dict.fromkeys(name for names in PICTURES.values() for name in names))
MODE_FIELDS = {
    "i2v": ("reference_strength", "denoising_strength"),
    "first_last_frame": ("reference_strength", "first_strength", "last_strength"),
    "i2i": ("denoising_strength",),
}
COMMON = (
    "model", "mode", "prompt", "negative_prompt", "width", "height", "seed", "steps", "batch_size", "output_format",
    "preset", "lora_set", "files",
)  # fmt: skip
VIDEO = ("num_frames", "fps")
VIDEO_FORMATS, IMAGE_FORMATS = ("mp4", "webm", "gif"), ("png", "jpg")


@dataclass(frozen=True)
class Family:
    """One model. ranges: field -> (least, most); choices: field -> values; tuned_steps: steps it was distilled for."""

    workflows: Mapping[str, str]
    fields: tuple[str, ...]
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    choices: Mapping[str, tuple] = field(default_factory=dict)
    tuned_steps: int | None = None

    def takes(self, mode: str) -> set[str]:
        """Every field that means something for this model in this mode."""
        return {*COMMON, *self.fields, *MODE_FIELDS.get(mode, ()), *PICTURES[mode]}


_PICTURE = {"steps": (10, 50), "denoising_strength": (0.65, 0.75)}
FAMILIES = {
    "anisora": Family(
        {
            "t2v": "AniSora T2V",
            "i2v": "AniSora I2V",
            "first_last_frame": "AniSora FFLF",
            "arbitrary_frame": "AniSora Keyframes",
        },
        (*VIDEO, "guidance_scale", "motion_score"),
        {"num_frames": (16, 161), "guidance_scale": (0.0, 10.0)},
        {"output_format": VIDEO_FORMATS},
        tuned_steps=8,
    ),
    "phr00t": Family(
        {"t2v": "Phr00t T2V", "i2v": "Phr00t I2V", "first_last_frame": "Phr00t FFLF"},
        (*VIDEO, "guidance_scale", "cfg_scale", "lighting_variant"),
        {"num_frames": (16, 161), "guidance_scale": (1.0, 1.0), "cfg_scale": (1.0, 1.0)},
        {"output_format": VIDEO_FORMATS},
        tuned_steps=4,
    ),
    "standard": Family(
        {"i2v": "Standard I2V"},
        (*VIDEO, "guidance_scale"),
        {"num_frames": (16, 241), "guidance_scale": (0.0, 20.0)},
        {"output_format": VIDEO_FORMATS},
    ),
    "pony": Family(
        {"t2i": "Pony T2I", "i2i": "Pony I2I"},
        ("cfg_scale", "sampler", "clip_skip"),
        {**_PICTURE, "cfg_scale": (1.0, 20.0)},
        {"output_format": IMAGE_FORMATS, "sampler": ("Euler a", "DPM++ 2M Karras", "DPM++ SDE Karras")},
    ),
    "flux": Family(
        {"t2i": "Flux T2I", "i2i": "Flux I2I"},
        ("guidance_scale", "sampler"),
        {**_PICTURE, "guidance_scale": (1.0, 10.0)},
        {"output_format": IMAGE_FORMATS, "sampler": ("Euler", "Euler a", "DPM++ 2M")},
    ),
}
