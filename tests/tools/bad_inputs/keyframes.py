"""Keyframes: places, strengths, masks, and how the nodes are wired."""

from __future__ import annotations

from .row import NAN, Row, corner, ones, picture, tokens

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
