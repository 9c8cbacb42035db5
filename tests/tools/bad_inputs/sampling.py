"""Prompts, and what the expert nodes are given."""

from __future__ import annotations

from genga_tests.tiny import files

from .row import NAN, Row, latent, narrow

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
