"""Key frames to CONDITIONING and the latent to start from: the one path behind WanFFLF and ArbitraryKeyframes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import comfy.clip_vision
import comfy.model_management
import comfy.utils
import torch

from .. import tiles
from ..errors import InputError
from . import attach, clip, latent_time, vace
from .fit import FITS, check_size, refuse_empty_crop
from .keyframes import Keyframe, check_values, place

CONTROLS = ("inpaint", "vace")
CLIP_WIDTH = 1280  # ViT-H
MARK = "genga"  # what the loaders' guard reads, so that pictures are never dropped without a word


@dataclass(frozen=True)
class Plan:
    """What a conditioning node was asked for."""

    width: int
    height: int
    length: int
    batch_size: int = 1
    control: str = "inpaint"
    fit: str = "crop"
    mask_mode: str = "exact"
    snap: str = "none"
    boundary: float = attach.BOUNDARY_I2V
    node: str = "First + Last Frame"  # as the page shows it
    arbitrary: bool = False


@dataclass(frozen=True)
class Directed:
    """What it became: conditioning, the latent to start from, and what to tell the person."""

    positive: list
    negative: list
    latent: dict
    notes: tuple[str, ...]
    frames: tuple[int, ...]
    length: int


def check_plan(plan: Plan) -> Plan:
    """The plan with its length rounded up to 4n + 1; raises InputError for what cannot be made."""
    check_size(plan.width, plan.height)
    if plan.batch_size < 1:
        raise InputError("batch_size", f"{plan.batch_size} videos is none", "Use 1 or more.")
    for name, value, known in (
        ("control", plan.control, CONTROLS),
        ("fit", plan.fit, FITS),
        ("mask_mode", plan.mask_mode, clip.MASK_MODES),
        ("snap", plan.snap, latent_time.SNAPS),
    ):
        if value not in known:
            raise InputError(name, f"{value!r} is unknown", f"Use one of {', '.join(known)}.")
    if not 0.0 < plan.boundary < 1.0:
        raise InputError("boundary", f"{plan.boundary} is no noise level", "Use 0.9 (image) or 0.875 (text to video).")
    return replace(plan, length=latent_time.round_length(plan.length))


def direct(
    positive: list,
    negative: list,
    vae,
    keys: list[Keyframe],
    plan: Plan,
    clip_vision=None,
    start_video: torch.Tensor | None = None,
) -> Directed:
    """Puts key frames into the conditioning. Errors come before the first VAE encode."""
    asked, plan = plan.length, check_plan(plan)
    for name, conditioning in (("positive", positive), ("negative", negative)):
        check_conditioning(conditioning, name, plan.control)
    check_vae(vae)
    if plan.width % (2 * vae.spacial_compression_encode()) or plan.height % (2 * vae.spacial_compression_encode()):
        raise InputError("vae", "its latent grid does not fit width and height", "Use the Wan 2.1 VAE.")
    hold = plan.control == "vace" or plan.mask_mode == "hold"
    placed, notes = place(keys, plan.length, plan.snap, hold)
    if asked != plan.length:
        notes.insert(0, f"length {asked}: {plan.length} frames used (Wan makes 4n + 1).")
    if plan.control == "vace" and plan.mask_mode == "exact" and any(key.frame for key in placed):
        notes.append("control vace: the model's mask has no single frames, so each picture holds its latent frame.")
    if start_video is not None:
        check_start_video(start_video)
        refuse_empty_crop(start_video, plan.width / plan.height, "start_video", "Scale the video first.")

    size = clip.Frame(plan.width, plan.height, plan.length, plan.fit, vae.spacial_compression_encode())
    if any(key.strength != key.strength_low for key in placed):
        for name, conditioning in (("positive", positive), ("negative", negative)):
            attach.refuse_ranges(conditioning, name)
    build = _Builder(vae, placed, size, plan.control, hold)
    mark = {"pictures": len(build.seen), "control": plan.control, "node": plan.node}
    high, low = build.values(low=False), build.values(low=True)
    mark |= {"arbitrary": plan.arbitrary, "boundary": None if high is low else plan.boundary}
    common = {MARK: mark} | ({} if clip_vision is None else {"clip_vision_output": clip_vision})
    return Directed(
        _attach(positive, high, low, common, plan.boundary, "positive"),
        _attach(negative, high, low, common, plan.boundary, "negative"),
        start_latent(vae, plan, start_video, notes),
        tuple(notes),
        tuple(key.frame for key in build.seen),
        plan.length,
    )


def _attach(conditioning: list, high: Mapping, low: Mapping, common: Mapping, boundary: float, name: str) -> list:
    if high is low:
        return attach.set_values(conditioning, {**high, **common})
    return attach.set_per_expert(conditioning, {**high, **common}, {**low, **common}, boundary, name)


class _Builder:
    """Conditioning values for one expert; work that both experts share is done once."""

    def __init__(self, vae, keys: list[Keyframe], size: clip.Frame, control: str, hold: bool):
        self.vae, self.size, self.control, self.hold = vae, size, control, hold
        # Strength 0 is the key frame's absence, so such pictures never reach the VAE.
        self.seen = [key for key in keys if key.strength > 0.0 or key.strength_low > 0.0]
        self.pictures = {key.frame: clip.fit_key(key, size) for key in self.seen}
        self.made: dict[tuple, dict] = {}
        self.encoded: dict[tuple, torch.Tensor] = {}

    def values(self, low: bool) -> dict:
        strengths = tuple((key.frame, key.for_expert(low)) for key in self.seen if key.for_expert(low) > 0.0)
        if strengths not in self.made:
            pictures = [self.pictures[frame] for frame, _ in strengths]
            amounts = [strength for _, strength in strengths]
            make = self._inpaint if self.control == "inpaint" else self._vace
            self.made[strengths] = make(pictures, amounts)
        return self.made[strengths]

    def _inpaint(self, pictures: list[clip.Picture], strengths: list[float]) -> dict:
        frames = tuple(picture.frame for picture in pictures)
        if frames not in self.encoded:  # strengths change the mask only
            self.encoded[frames] = tiles.encode(self.vae, clip.pixel_clip(pictures, self.size, self.hold)[:, :, :, :3])
        mask = clip.concat_mask(pictures, strengths, self.size, self.hold)
        return {"concat_latent_image": self.encoded[frames], "concat_mask": mask}

    def _vace(self, pictures: list[clip.Picture], strengths: list[float]) -> dict:
        return vace.vace_values(
            pictures, strengths, self.size, lambda pixels: tiles.encode(self.vae, pixels[:, :, :, :3])
        )


def check_conditioning(conditioning, name: str, control: str) -> None:
    """Raises unless ``conditioning`` is a list of prompts without pictures of an earlier node, which would be lost."""
    if not isinstance(conditioning, list) or not conditioning:
        raise InputError(name, "there is no conditioning", "Wire an encoded prompt.")
    for _, old in conditioning:
        if MARK in old or (control == "inpaint" and "concat_latent_image" in old):
            earlier = old.get(MARK, {}).get("node", "another node")
            remedy = "Wire the prompt itself; several pictures go into one Arbitrary Keyframes node."
            raise InputError(name, f"it already has the pictures of {earlier}, which would be lost", remedy)


def check_clip_vision(output, name: str):
    """``output``; raises unless the CLIP vision tokens are those of ViT-H, 1280 wide, the only ones Wan takes."""
    width = CLIP_WIDTH if output is None else output.penultimate_hidden_states.shape[-1]
    if width != CLIP_WIDTH:
        problem = f"its tokens are {width} wide, Wan takes {CLIP_WIDTH}"
        raise InputError(name, problem, "Load clip_vision_h.safetensors.")
    return output


def check_vae(vae) -> None:
    """Raises unless the VAE is the 16-channel one of Wan 2.1 (which 2.2 A14B, AniSora and Phr00t use)."""
    if vae is None:
        raise InputError("vae", "there is none", "Load wan_2.1_vae.safetensors.")
    channels = getattr(vae, "latent_channels", None)
    if channels != 16 or getattr(vae, "latent_dim", 3) != 3:
        problem = (
            f"this VAE makes {channels} channels for {'video' if getattr(vae, 'latent_dim', 2) == 3 else 'images'}"
        )
        raise InputError("vae", f"{problem}; Wan I2V models need 16 for video", "Load wan_2.1_vae.safetensors.")


def check_start_video(video: torch.Tensor) -> None:
    """Raises unless ``video`` is a batch of RGB frames [N, H, W, 3]."""
    if video.ndim != 4 or video.numel() == 0 or video.shape[-1] != 3:
        remedy = "Wire the frames of a video as IMAGE, for example from Get Video Components."
        raise InputError(
            "start_video", f"its shape is {tuple(video.shape)}, [frames, height, width, 3] is expected", remedy
        )
    check_values(video, "start_video")


def start_latent(vae, plan: Plan, video: torch.Tensor | None, notes: list[str]) -> dict:
    """The empty latent [B, 16, T, h, w], or ``video`` fitted, held or cut to the length, and encoded."""
    shrink = vae.spacial_compression_encode()
    if video is None:
        shape = (
            plan.batch_size,
            16,
            latent_time.latent_length(plan.length),
            plan.height // shrink,
            plan.width // shrink,
        )
        return {"samples": torch.zeros(shape, device=comfy.model_management.intermediate_device())}
    if video.shape[0] != plan.length:
        how = "cut" if video.shape[0] > plan.length else "last frame held"
        notes.append(f"start_video: {video.shape[0]} frames for a length of {plan.length}: {how}.")
    frames = video[: plan.length].float()
    frames = comfy.utils.common_upscale(frames.movedim(-1, 1), plan.width, plan.height, "bilinear", "center")
    frames = frames.movedim(1, -1)
    if frames.shape[0] < plan.length:
        frames = torch.cat((frames, frames[-1:].expand(plan.length - frames.shape[0], -1, -1, -1)))
    return {"samples": tiles.encode(vae, frames).repeat(plan.batch_size, 1, 1, 1, 1)}


def join_clip_vision(first, last):
    """First and last picture as the host's first-last-frame node joins them: tokens one after the other."""
    check_clip_vision(first, "clip_vision_first")
    check_clip_vision(last, "clip_vision_last")
    if first is None or last is None:
        return last if first is None else first
    joined = comfy.clip_vision.Output()
    states = (first.penultimate_hidden_states, last.penultimate_hidden_states)
    joined.penultimate_hidden_states = torch.cat(states, dim=-2)
    return joined
