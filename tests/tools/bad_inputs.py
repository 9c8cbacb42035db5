"""The bad-input table: what a person may give a node, the input the error names, and the remedy it offers.

Each row's ``call`` takes the bench of ``tests/host/test_bad_inputs.py`` and makes one call of one node. A row holds
when that call is an InputError for ``input_name`` with ``remedy`` in its advice, and nothing expensive was done.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import torch
from genga_tests.tiny import files

NAN = float("nan")


@dataclass(frozen=True)
class Row:
    """One wrong call."""

    name: str
    call: Callable
    input_name: str
    remedy: str


def picture(*shape: int) -> torch.Tensor:
    """Random pixels of ``shape`` (one 32x32 RGB picture when left out), the same every time."""
    return torch.rand(shape or (1, 32, 32, 3), generator=torch.Generator().manual_seed(4))


BYTES = picture() * 255


def latent(*shape: int, value: float = 0.0) -> dict:
    return {"samples": torch.full(shape or (1, 16, 3, 4, 4), value)}


def ones(*shape: int) -> torch.Tensor:
    return torch.ones(shape or (1, 32, 32))


def corner(height: int, width: int) -> torch.Tensor:
    """A mask that is white in its upper left corner only."""
    mask = torch.zeros(1, height, width)
    mask[:, :4, :4] = 1.0
    return mask


def narrow() -> list:
    """A prompt as CLIP-L encodes it."""
    return [[torch.zeros(1, 8, 768), {}]]


def tokens(width: int):
    """What a CLIP vision encoder of this width gives."""
    return SimpleNamespace(penultimate_hidden_states=torch.zeros(1, 257, width))


def timeline(*entries, version: int = 1) -> str:
    return json.dumps({"version": version, "keyframes": list(entries)})


def image(name: str, **more) -> dict:
    return {"name": name, "subfolder": "", "type": "input", **more}


def entry(**more) -> str:
    """A timeline of one keyframe that is right but for ``more``."""
    return timeline({"frame": 4, "image": image("good.png"), **more})


SIZES = [
    Row("a width that is no multiple of 16", lambda b: b.fflf(width=500), "width", "Use 496 or 512."),
    Row("a height that is no multiple of 16", lambda b: b.fflf(height=24), "height", "Use 16 or 32."),
    Row("a width of 0", lambda b: b.fflf(width=0), "width", "Use 16 or more."),
    Row("a negative height", lambda b: b.fflf(height=-16), "height", "Use 16 or more."),
    Row("a height in Arbitrary Keyframes", lambda b: b.af(b.key(), height=40), "height", "Use 32 or 48."),
    Row("a length of 0", lambda b: b.fflf(length=0), "length", "at least 1 frame"),
    Row("a negative length", lambda b: b.fflf(length=-81), "length", "81 is usual"),
    Row("no video in the batch", lambda b: b.fflf(batch_size=0), "batch_size", "1 or more"),
    Row(
        "a last picture for one frame", lambda b: b.fflf(last_image=picture(), length=1), "length", "Use 5 or more.",
    ),
    Row("a size from a picture without pixels", lambda b: b.size(picture(1, 0, 32, 3)), "image", "Wire a picture."),
    Row("a size from a budget of nothing", lambda b: b.size(picture(), "custom", 0.0), "megapixels", "at least 256"),
    Row("a width far too large", lambda b: b.fflf(width=160000), "width", "up to about 1280"),
    Row("a size from nothing", lambda b: b.size(None), "image", "Wire a picture."),
    Row("a size from an unknown budget", lambda b: b.size(picture(), "8k"), "budget", "720p (1280x720), custom"),
    Row("a size from a budget of NaN", lambda b: b.size(picture(), "custom", NAN), "megapixels", "0.4 is 480p"),
]  # fmt: skip

PICTURES = [
    Row("a picture without pixels", lambda b: b.key(picture(1, 0, 32, 3)), "keyframe 1", "at least 1x1 pixel"),
    Row("an empty batch", lambda b: b.fflf(first_image=picture(0, 32, 32, 3)), "first_image", "at least 1x1 pixel"),
    Row("a mask wired as picture", lambda b: b.key(ones()), "keyframe 1", "Wire a picture"),
    Row("a picture with alpha", lambda b: b.key(picture(1, 32, 32, 4)), "keyframe 1", "Split Image with Alpha"),
    Row("a last picture with alpha", lambda b: b.fflf(last_image=picture(1, 32, 32, 4)), "last_image", "background"),
    Row("a grey picture of one channel", lambda b: b.key(picture(1, 32, 32, 1)), "keyframe 1", "background"),
    Row("two pictures for one keyframe", lambda b: b.key(picture(2, 32, 32, 3)), "keyframe 1", "ImageFromBatch"),
    Row("a video as first picture", lambda b: b.fflf(first_image=picture(9, 32, 32, 3)), "first_image", "Pick one"),
    Row("a picture of NaN", lambda b: b.key(picture() * NAN), "keyframe 1", "look at the picture before this node"),
    Row("an infinite picture", lambda b: b.fflf(last_image=picture() / 0.0), "last_image", "look at the picture"),
    Row(
        "the second picture in a chain",
        lambda b: b.key(picture(2, 8, 8, 3), 4, keyframes=b.key()),
        "keyframe 2",
        "Pick",
    ),
    Row("a start video with alpha", lambda b: b.fflf(start_video=picture(5, 32, 32, 4)), "start_video", "as IMAGE"),
    Row("a start video without frames", lambda b: b.fflf(start_video=picture(0, 32, 32, 3)), "start_video", "as IMAGE"),
    Row(
        "a start video of NaN",
        lambda b: b.fflf(start_video=picture(5, 32, 32, 3) * NAN),
        "start_video",
        "look at the picture",
    ),
    Row("no picture", lambda b: b.key(None), "keyframe 1", "Wire an IMAGE."),
    Row("a picture of whole numbers", lambda b: b.key(BYTES.to(torch.uint8)), "keyframe 1", "Divide them by 255"),
    Row("a picture in 0..255", lambda b: b.key(BYTES), "keyframe 1", "convert them from 0..255"),
    Row("a picture in -1..1", lambda b: b.fflf(last_image=picture() * 2 - 1), "last_image", "or -1..1"),
    Row("a start video of whole numbers", lambda b: b.fflf(start_video=BYTES.to(torch.uint8)), "start_video", "by 255"),
    Row("a start video in 0..255", lambda b: b.fflf(start_video=BYTES), "start_video", "convert them from 0..255"),
    Row("a start video in -1..1", lambda b: b.fflf(start_video=picture() * 2 - 1), "start_video", "or -1..1"),
    Row("a strip of a start video", lambda b: b.fflf(start_video=picture(5, 4000, 1, 3)), "start_video", "Scale the"),
    Row("a high strip, cropped", lambda b: b.fflf(first_image=picture(1, 4000, 1, 3)), "fit", "Use pad or stretch."),
    Row("a wide strip, cropped", lambda b: b.af(b.key(picture(1, 1, 4000, 3))), "fit", "Use pad or stretch."),
]

KEYFRAMES = [
    Row("no keyframes", lambda b: b.af(), "keyframes", "Wire a Keyframe node"),
    Row("a frame after the end", lambda b: b.af(b.key(frame=18)), "keyframe 1 frame_index", "Frames run from 0 to 16"),
    Row("a frame before the start", lambda b: b.af(b.key(frame=-18)), "keyframe 1 frame_index", "(last) back to -17"),
    Row("two keyframes on a frame", lambda b: b.af(b.keys(8, 8)), "keyframes", "Move one of them"),
    Row("the end counted twice", lambda b: b.af(b.keys(16, -1)), "keyframes", "Move one of them"),
    Row("two on a frame after snap latent", lambda b: b.af(b.keys(7, 8), snap="latent"), "keyframes", "a finer snap"),
    Row("two on a frame after snap anisora", lambda b: b.af(b.keys(0, 4), snap="anisora"), "keyframes", "than anisora"),
    Row(
        "two in one held latent frame",
        lambda b: b.af(b.keys(5, 8), snap="none", mask_mode="hold"),
        "keyframes",
        "mask_mode exact",
    ),
    Row("a strength above 1", lambda b: b.key(strength=1.01), "keyframe 1 strength", "0 (absent) to 1 (exact)"),
    Row("a strength below 0", lambda b: b.key(strength=-0.01), "keyframe 1 strength", "0 (absent) to 1 (exact)"),
    Row("a strength that is no number", lambda b: b.key(strength=NAN), "keyframe 1 strength", "0 (absent) to 1"),
    Row("a low strength above 1", lambda b: b.key(strength_low=2.0), "keyframe 1 strength_low", "0 (absent) to 1"),
    Row("negative noise on a picture", lambda b: b.key(noise_aug=-0.1), "keyframe 1 noise_aug", "0 for none"),
    Row("an all-black mask", lambda b: b.key(mask=ones() * 0), "keyframe 1 mask", "invert the mask"),
    Row("a batch of masks", lambda b: b.key(mask=ones(2, 32, 32)), "keyframe 1 mask", "Wire one mask."),
    Row("a mask above 1", lambda b: b.key(mask=ones() * 255), "keyframe 1 mask", "1 where the picture applies"),
    Row("a mask of NaN", lambda b: b.key(mask=ones() * NAN), "keyframe 1 mask", "1 where the picture applies"),
    Row("a picture wired as mask", lambda b: b.key(mask=picture()), "keyframe 1 mask", "Wire a mask"),
    Row("a mask of four dimensions", lambda b: b.key(mask=ones(1, 1, 32, 32)), "keyframe 1 mask", "Wire a mask"),
    Row("an unknown snap", lambda b: b.af(b.key(), snap="8"), "snap", "none, latent, anisora"),
    Row("an unknown fit", lambda b: b.fflf(fit="cover"), "fit", "crop, pad, stretch"),
    Row("an unknown mask mode", lambda b: b.fflf(mask_mode="soft"), "mask_mode", "exact, hold"),
    Row("an unknown control", lambda b: b.fflf(control="canny"), "control", "inpaint, vace"),
    Row("a boundary of 1", lambda b: b.fflf(boundary=1.0), "boundary", "0.875 (text to video)"),
    Row("a VAE of Wan 2.2 5B", lambda b: b.fflf(vae=b.other_vae(48, 3)), "vae", "wan_2.1_vae.safetensors"),
    Row("a VAE for images", lambda b: b.fflf(vae=b.other_vae(16, 2)), "vae", "wan_2.1_vae.safetensors"),
    Row("keyframes with Phr00t's VAE", lambda b: b.af(b.key(), vae=b.aio("i2v").vae), "vae", "First + Last Frame"),
    Row("a picture's name as mask", lambda b: b.key(mask="m.png"), "keyframe 1 mask", "Wire a MASK."),
    Row("a strip of a mask, cropped", lambda b: b.af(b.key(mask=ones(1, 1, 4000))), "fit", "Use pad or stretch."),
    Row("a mask that the crop cuts off", lambda b: b.af(b.key(mask=corner(32, 96))), "keyframe 1 mask", "another fit"),
    Row("a mask too small for the size", lambda b: b.af(b.key(mask=corner(999, 999))), "keyframe 1 mask", "Widen the"),
    Row("half a frame", lambda b: b.af(b.key(frame=8.5)), "keyframe 1 frame_index", "Use 0 to 16"),
    Row("a frame that is true by wire", lambda b: b.af(b.key(frame=True)), "keyframe 1 frame_index", "Use 0 to 16"),
    Row("a word as chain", lambda b: b.key(keyframes="keyframe 1"), "keyframes", "Wire a Keyframe node."),
    Row("a word as keyframes", lambda b: b.af("keyframe 1"), "keyframes", "Wire a Keyframe node."),
    Row(
        "a first strength of 2",
        lambda b: b.fflf(first_image=picture(), first_strength=2.0),
        "first_strength",
        "(exact)",
    ),
    Row(
        "a low last strength of 2",
        lambda b: b.fflf(last_image=picture(), last_strength_low=2.0),
        "last_strength_low",
        "0 (absent) to 1 (exact)",
    ),
    Row("no positive", lambda b: b.fflf(texts=(None, b.texts[1])), "positive", "Wire an encoded prompt."),
    Row("no negative", lambda b: b.af(b.key(), texts=(b.texts[0], None)), "negative", "Wire an encoded prompt."),
    Row("two nodes in a row", lambda b: b.fflf(texts=(b.shown("inpaint"),) * 2), "positive", "Wire the prompt itself"),
    Row(
        "two vace nodes in a row", lambda b: b.fflf(texts=(b.shown("vace"),) * 2, control="vace"), "positive", "itself"
    ),
    Row(
        "keyframes after keyframes", lambda b: b.af(b.key(), texts=(b.shown("keyframes"),) * 2), "positive", "into one"
    ),
    Row(
        "a negative that has been through a node",
        lambda b: b.fflf(texts=(b.texts[0], b.shown("inpaint"))),
        "negative",
        "Wire the prompt itself",
    ),
    Row(
        "a timestep range and a strength for each expert",
        lambda b: b.fflf(texts=(b.ranged(), b.texts[1]), first_image=picture(), first_strength_low=0.5),
        "positive",
        "remove the timestep range",
    ),
    Row(
        "ViT-L for the first picture", lambda b: b.fflf(clip_vision_first=tokens(1024)), "clip_vision_first", "vision_h"
    ),
    Row("ViT-L for the last picture", lambda b: b.fflf(clip_vision_last=tokens(1024)), "clip_vision_last", "vision_h"),
    Row(
        "ViT-L for keyframes",
        lambda b: b.af(b.key(), clip_vision_output=tokens(1024)),
        "clip_vision_output",
        "clip_vision_h.safetensors",
    ),
]

TIMELINES = [
    Row("a timeline that is no JSON", lambda b: b.af(timeline="frame 40: a.png"), "timeline", "Clear it"),
    Row("a timeline without keyframes", lambda b: b.af(timeline='{"version": 1}'), "timeline", '"keyframes": []'),
    Row("a timeline that is a list", lambda b: b.fflf(timeline="[]"), "timeline", '"keyframes": []'),
    Row("a timeline of another version", lambda b: b.af(timeline=timeline(version=2)), "timeline", "update the pack"),
    Row("no frame", lambda b: b.af(timeline=timeline({"image": image("a.png")})), "timeline keyframe 1", '"frame": 40'),
    Row("a frame in words", lambda b: b.af(timeline=entry(frame="4")), "timeline keyframe 1", '"frame": 40'),
    Row("a broken frame", lambda b: b.af(timeline=entry(frame=4.5)), "timeline keyframe 1", '"frame": 40'),
    Row("a frame that is true", lambda b: b.af(timeline=entry(frame=True)), "timeline keyframe 1", '"frame": 40'),
    Row(
        "a frame outside", lambda b: b.af(timeline=entry(frame=40)), "timeline keyframe 1 frame_index", "from 0 to 16",
    ),
    Row("a strength in words", lambda b: b.af(timeline=entry(strength="1")), "timeline keyframe 1 strength", "(exact)"),
    Row("a strength of 2", lambda b: b.af(timeline=entry(strength=2)), "timeline keyframe 1 strength", "(exact)"),
    Row("pixels for a file", lambda b: b.af(timeline=entry(image="data:")), "timeline keyframe 1", '"subfolder": ""'),
    Row("a mask of no file", lambda b: b.af(timeline=entry(mask="m.png")), "timeline keyframe 1", "as the image is"),
    Row(
        "a file that is gone", lambda b: b.af(timeline=entry(image=image("gone.png"))),
        "timeline keyframe 1 image", "choose the picture again",
    ),
    Row(
        "a file above the folder", lambda b: b.af(timeline=entry(image=image("../good.png"))),
        "timeline keyframe 1 image", "Put the file into",
    ),
    Row(
        "a folder above the folder", lambda b: b.af(timeline=entry(image=image("good.png", subfolder="../input_2"))),
        "timeline keyframe 1 image", "Put the file into",
    ),
    Row(
        "an absolute file", lambda b: b.af(timeline=entry(image=image(str(b.base / "outside.png")))),
        "timeline keyframe 1 image", "Put the file into",
    ),
    Row(
        "an unknown folder", lambda b: b.af(timeline=entry(image=image("good.png", type="models"))),
        "timeline keyframe 1 image", "input, output, temp",
    ),
    Row(
        "a text file as picture", lambda b: b.af(timeline=entry(image=image("text.png"))),
        "timeline keyframe 1 image", "Save it as PNG or JPEG.",
    ),
    Row(
        "half a picture", lambda b: b.af(timeline=entry(image=image("half.png"))),
        "timeline keyframe 1 image", "Save it as PNG or JPEG.",
    ),
    Row(
        "a black picture as mask", lambda b: b.af(timeline=entry(mask=image("black.png"))),
        "timeline keyframe 1 mask", "invert the mask",
    ),
    Row(
        "a keyframe in the middle of First + Last", lambda b: b.fflf(timeline=entry(frame=4)),
        "timeline keyframe 1 frame", "Arbitrary Keyframes",
    ),
    Row(
        "a first picture by wire and by timeline", lambda b: b.fflf(first_image=picture(), timeline=entry(frame=0)),
        "keyframes", "Move one of them",
    ),
    Row("a misspelt key", lambda b: b.af(timeline=entry(strenght=0.5)), "timeline keyframe 1", "Use only frame, image"),
    Row(
        "a misspelt folder", lambda b: b.af(timeline=entry(image=image("good.png", subfoldr="a"))),
        "timeline keyframe 1", '"subfolder": ""',
    ),
    Row(
        "a name no file can have", lambda b: b.af(timeline=entry(image=image("a\0.png"))),
        "timeline keyframe 1 image", "Choose the picture again.",
    ),
    Row(
        "a folder type that is a list", lambda b: b.af(timeline=entry(image=image("good.png", type=[]))),
        "timeline keyframe 1 image", "input, output, temp",
    ),
    Row("a timeline without end", lambda b: b.af(timeline="[" * 100_000), "timeline", "Clear it"),
    Row("a number of 5000 digits", lambda b: b.af(timeline="9" * 5000), "timeline", "Clear it"),
    Row("a frame of 400 digits", lambda b: b.af(timeline=entry(frame=10**400)), "timeline keyframe 1 frame_index", "16"),
    Row("a strength of 400 digits", lambda b: b.af(timeline=entry(strength=10**400)), "timeline keyframe 1 strength", "0"),
]  # fmt: skip

PROMPTS = [
    Row("no prompt", lambda b: b.prompt(""), "prompt", "Describe the scene"),
    Row("a prompt of blanks", lambda b: b.prompt(" \n "), "prompt", "Describe the scene"),
    Row("a score and no prompt", lambda b: b.prompt("motion score: 3.0."), "prompt", "Describe the scene"),
    Row("a motion score above 5", lambda b: b.prompt(motion=5.5), "motion_score", "Use 0 to 5"),
    Row("a motion score below 0", lambda b: b.prompt(motion=-1.0), "motion_score", "Use 0 to 5"),
    Row("a motion score of NaN", lambda b: b.prompt(motion=NAN), "motion_score", "Use 0 to 5"),
    Row("an aesthetic score above 10", lambda b: b.prompt(aesthetic=11.0), "aesthetic_score", "5.0 to 7.0"),
    Row("no text encoder", lambda b: b.prompt(clip=None), "clip", "AniSora Loader"),
]

SAMPLING = [
    Row("I2V and T2V as a pair", lambda b: b.guide(low=b.model(files.T2V)), "low", "two experts of the same model"),
    Row("CFG without a negative", lambda b: b.guide(cfg_high=3.5), "negative", "set CFG to 1"),
    Row("low CFG without a negative", lambda b: b.guide(cfg_low=3.5), "negative", "Wire a negative prompt"),
    Row("a boundary above 1", lambda b: b.guide(boundary=900.0), "boundary", "Use 0.9 (image)"),
    Row("a boundary of NaN", lambda b: b.sample(boundary=NAN), "boundary", "Use 0.9 (image)"),
    Row("no latent", lambda b: b.sample(None), "latent_image", "Wire the latent of First + Last Frame"),
    Row("a latent without samples", lambda b: b.sample({}), "latent_image", "Wire the latent"),
    Row("the latent of a picture", lambda b: b.sample(latent(1, 16, 4, 4)), "latent_image", "Wire the latent"),
    Row("a latent of 4 channels", lambda b: b.sample(latent(1, 4, 3, 4, 4)), "latent_image", "Wire the latent"),
    Row("a latent of 48 channels", lambda b: b.sample(latent(1, 48, 3, 4, 4)), "latent_image", "Wire the latent"),
    Row("a latent without frames", lambda b: b.sample(latent(1, 16, 0, 4, 4)), "latent_image", "Wire the latent"),
    Row("denoise without a start video", lambda b: b.sample(denoise=0.7), "denoise", "start_video"),
    Row("a seed below -1", lambda b: b.sample(seed=-2), "seed", "Use -1 (draw one)"),
    Row("a seed beyond 64 bits", lambda b: b.noise(2**64), "seed", "18446744073709551615"),
    Row("pictures on a T2V model", lambda b: b.guide("inpaint", b.model(files.T2V)), "model", "image-to-video (I2V)"),
    Row("vace on an I2V model", lambda b: b.guide("vace"), "control", "Set control to inpaint"),
    Row("inpaint on a VACE model", lambda b: b.guide("inpaint", b.model(files.VACE)), "control", "control to vace"),
    Row("inpaint on MEGA", lambda b: b.guide("inpaint", b.aio("mega").model), "control", "Set control to vace"),
    Row("keyframes on a VACE model", lambda b: b.guide("keyframes", b.model(files.VACE)), "model", "AniSora V3.2"),
    Row("keyframes on Phr00t I2V", lambda b: b.guide("keyframes", b.aio("i2v").model), "keyframes", "Use First + Last Frame"),
    Row("keyframes on MEGA", lambda b: b.guide("keyframes", b.aio("mega").model), "keyframes", "AniSora V3.2"),
    Row(
        "keyframes on Phr00t in the host's own sampler",
        lambda b: b.host_sampler("keyframes", b.aio("i2v").model), "keyframes", "Use First + Last Frame",
    ),
    Row(
        "inpaint on MEGA in the host's own sampler",
        lambda b: b.host_sampler("inpaint", b.aio("mega").model), "control", "Set control to vace",
    ),
    Row("an unknown sampler", lambda b: b.sample(sampler_name="eulr"), "sampler_name", "euler"),
    Row("an unknown scheduler", lambda b: b.sample(scheduler="linear"), "scheduler", "simple"),
    Row("no steps", lambda b: b.sample(steps=0), "steps", "Use 8."),
    Row("fewer steps than none", lambda b: b.sample(steps=-1), "steps", "Use 8."),
    Row("a denoise below 0", lambda b: b.sample(latent(value=1.0), denoise=-1.0), "denoise", "with a start video"),
    Row("a CFG of NaN", lambda b: b.sample(cfg=NAN), "cfg", "Give a finite number."),
    Row("a high CFG of NaN", lambda b: b.guide(cfg_high=NAN), "cfg_high", "Give a finite number."),
    Row("an infinite low CFG", lambda b: b.guide(cfg_low=float("inf")), "cfg_low", "Give a finite number."),
    Row("a latent of NaN", lambda b: b.sample(latent(value=NAN)), "latent_image", "Look at what made it."),
    Row(
        "a latent larger than the pictures", lambda b: b.sample(latent(1, 16, 3, 8, 8), "inpaint"),
        "latent_image", "the node that placed the pictures",
    ),
    Row(
        "a latent longer than the pictures", lambda b: b.sample(latent(1, 16, 5, 4, 4), "inpaint"),
        "latent_image", "the node that placed the pictures",
    ),
    Row(
        "a latent longer than vace's pictures", lambda b: b.sample(latent(1, 16, 5, 4, 4), "vace", b.model(files.VACE)),
        "latent_image", "the node that placed the pictures",
    ),
    Row(
        "a latent longer than the guider's pictures", lambda b: b.custom(b.guide("inpaint"), latent(1, 16, 5, 4, 4)),
        "latent_image", "the node that placed the pictures",
    ),
    Row("exchanged wires", lambda b: b.guide(high=b.own[1], low=b.own[0]), "high", "Exchange the wires"),
    Row("Wan 2.2 with Wan 2.1", lambda b: b.guide(low=b.model(files.I2V_21)), "low", "two experts of the same model"),
    Row("pictures in the negative only", lambda b: b.guide(negative=b.shown("inpaint")), "positive", "each to its own"),
    Row("a prompt of another encoder", lambda b: b.guide(narrow()), "positive", "UMT5-XXL"),
    Row("a negative of another encoder", lambda b: b.guide(negative=narrow()), "negative", "UMT5-XXL"),
]  # fmt: skip

FILES = [
    Row("a model that is gone", lambda b: b.wan("gone.safetensors"), "model", "choose another file"),
    Row("a model in another folder", lambda b: b.wan(f"../vae/{files.VAE}"), "model", "choose another file"),
    Row("a text file as model", lambda b: b.wan("text.safetensors"), "model", "Choose the .safetensors file"),
    Row("half a model", lambda b: b.wan("half.safetensors"), "model", "Download it again"),
    Row("a cut header", lambda b: b.wan("start.safetensors"), "model", "Download it again"),
    Row("an empty file", lambda b: b.wan("empty.safetensors"), "model", "Download it again"),
    Row("a web page as model", lambda b: b.wan("page.safetensors"), "model", "signed in"),
    Row("a GGUF renamed", lambda b: b.wan("gguf.safetensors"), "model", "the .safetensors version"),
    Row("a VAE as model", lambda b: b.wan("vae.safetensors"), "model", "belongs in the vae input"),
    Row("a text encoder as model", lambda b: b.wan("text_encoder.safetensors"), "model", "the text_encoder input"),
    Row("an unknown precision", lambda b: b.wan(base_precision="fp64"), "base_precision", "auto, bf16, fp16"),
    Row("an unknown weight type", lambda b: b.wan(weight_dtype="int8"), "weight_dtype", "default, fp8_e4m3fn"),
    Row("an unknown attention", lambda b: b.wan(attention="flash"), "attention", "auto, sdpa"),
    Row("sage attention on a CPU", lambda b: b.wan(attention="sageattn"), "attention", "auto or sdpa"),
    Row("a T2V model as expert", lambda b: b.anisora(high=files.T2V), "high_noise_model", "Wan Model Loader"),
    Row("exchanged experts", lambda b: b.anisora(files.I2V_LOW, files.I2V_HIGH), "high_noise_model", "Swap the two"),
    Row("experts of two releases", lambda b: b.anisora(files.I2V_21), "low_noise_model", "two files of one release"),
    Row("a model as VAE", lambda b: b.anisora(vae="model.safetensors"), "vae", "Wan 2.1 VAE"),
    Row("a VAE as text encoder", lambda b: b.anisora(text="vae.safetensors"), "text_encoder", "umt5_xxl_fp16"),
    Row("a lone model as all-in-one", lambda b: b.phr00t("model.safetensors"), "checkpoint", "Wan Model Loader"),
    Row("half an all-in-one", lambda b: b.phr00t("half.safetensors"), "checkpoint", "Download it again"),
    Row("an unknown variant", lambda b: b.phr00t(files.AIO_I2V, "bright"), "lighting_variant", "low noise, high noise"),
    Row(
        "the other half of a merge is missing", lambda b: b.phr00t("merge_high.safetensors"),
        "lighting_variant", "set lighting_variant to 'high noise'",
    ),
    Row("a shift of 0", lambda b: b.wan(shift=0.0), "shift", "1 leaves the schedule"),
    Row("a negative shift", lambda b: b.wan(shift=-1.0), "shift", "Use 5"),
    Row("a shift of NaN for a pair", lambda b: b.anisora(shift=NAN), "shift", "Use 5"),
]  # fmt: skip

SAVING = [
    Row("nothing to save", lambda b: b.save(images=None), "images, video", "Wire either images or video."),
    Row("two things to save", lambda b: b.save(video=object()), "images, video", "Wire either images or video."),
    Row("frames with alpha", lambda b: b.save(images=picture(2, 32, 32, 4)), "images", "Split Image with Alpha"),
    Row("frames of one channel", lambda b: b.save(images=picture(2, 32, 32, 1)), "images", "Give RGB pictures"),
    Row("no frames", lambda b: b.save(images=picture(0, 32, 32, 3)), "images", "at least one frame"),
    Row("frames of NaN", lambda b: b.save(images=picture() * NAN), "images", "--fp32-vae"),
    Row("frames of whole numbers", lambda b: b.save(images=picture().to(torch.uint8)), "images", "Wire an IMAGE."),
    Row("a rate factor of 52", lambda b: b.save(crf=52), "crf", "0 to 51"),
    Row("a negative rate factor", lambda b: b.save(crf=-1), "crf", "0 to 51"),
    Row("0 frames per second", lambda b: b.save(fps=0.0), "fps", "more than 0"),
    Row("NaN frames per second", lambda b: b.save(fps=NAN), "fps", "more than 0"),
    Row("an unknown format", lambda b: b.save(format="webm"), "format", "Choose mp4."),
    Row("no name", lambda b: b.save(" "), "filename_prefix", "like i2v/my_video"),
    Row("a name above the folder", lambda b: b.save("i2v/../../video"), "filename_prefix", "inside ComfyUI's output"),
    Row("an absolute name", lambda b: b.save(str(b.base / "video")), "filename_prefix", "inside ComfyUI's output"),
    Row("a name on another drive", lambda b: b.save("D:\\video"), "filename_prefix", "inside ComfyUI's output"),
    Row("a name with a question mark", lambda b: b.save("what?"), "filename_prefix", "Leave it out."),
    Row("sound without samples", lambda b: b.save(audio=b.sound(1, 0)), "audio", "Disconnect it"),
    Row("sound of three channels", lambda b: b.save(audio=b.sound(3, 100)), "audio", "mono, stereo or 5.1"),
    Row("frames in 0..255", lambda b: b.save(images=BYTES), "images", "convert them from 0..255"),
    Row("frames in -1..1", lambda b: b.save(images=picture() * 2 - 1), "images", "or -1..1"),
    Row("a video that is gone", lambda b: b.save(images=None, video=b.video("gone.mp4")), "video", "can be played"),
    Row("a text file as video", lambda b: b.save(images=None, video=b.video("text.mp4")), "video", "can be played"),
    Row("a sound as video", lambda b: b.save(images=None, video=b.video("sound.wav")), "video", "can be played"),
    Row("a name as video", lambda b: b.save(images=None, video="a.mp4"), "video", "Wire a VIDEO."),
]

FAMILIES = {
    "size": SIZES, "picture": PICTURES, "keyframe": KEYFRAMES, "timeline": TIMELINES, "prompt": PROMPTS,
    "sampling": SAMPLING, "file": FILES, "saving": SAVING,
}  # fmt: skip
