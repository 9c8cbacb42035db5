"""The shipped workflows of FramePack: standard with keyframes, F1, loop, and one frame with a reference."""

from __future__ import annotations

from .graph import Node
from .sheet import HUB, Sheet, model, size_of

HUNYUAN = HUB + "Comfy-Org/HunyuanVideo_repackaged/resolve/main/split_files/"
STANDARD = model(
    "FramePackI2V_HY_fp8_e4m3fn.safetensors", HUB + "Kijai/HunyuanVideo_comfy/resolve/main/", "diffusion_models"
)
F1 = model(
    "FramePack_F1_I2V_HY_20250503_fp8_e4m3fn.safetensors",
    HUB + "kabachuha/FramePack_F1_I2V_HY_20250503_comfy/resolve/main/",
    "diffusion_models",
)
CLIP_L = model("clip_l.safetensors", HUNYUAN + "text_encoders/", "text_encoders")
LLAMA = model("llava_llama3_fp8_scaled.safetensors", HUNYUAN + "text_encoders/", "text_encoders")
VAE = model("hunyuan_video_vae_bf16.safetensors", HUNYUAN + "vae/", "vae")
SIGLIP = model(
    "sigclip_vision_patch14_384.safetensors", HUB + "Comfy-Org/sigclip_vision_384/resolve/main/", "clip_vision"
)
OTHERS = (CLIP_L, LLAMA, VAE, SIGLIP)

KEPT = (
    "**Never lost.** Each finished section is kept: after a cancel or a crash press Run again, and only what is missing is "
    "drawn. Change the prompt of one section, and those drawn before it stay. While it runs, the sampler shows the sections "
    "that are there as a video that grows."
)
RECIPE = (
    "**Recipe.** 25 steps, CFG 1, `uni_pc`, scheduler `framepack`, window 9 (a section is 36 frames, 1.2 s at 30 fps). The "
    "model was trained on pictures of about 640 x 640; 480p has as many pixels."
)


def models_of(sheet: Sheet, weights) -> dict[str, Node]:
    """The loaders, one below the other."""
    loader = sheet.place(0, "GengaFramePackLoader", 0, models=(weights,), model=weights.name)
    encoder = sheet.place(
        0, "DualCLIPLoader", 190, models=(CLIP_L, LLAMA), clip_name1=CLIP_L.name, clip_name2=LLAMA.name,
        type="hunyuan_video",
    )  # fmt: skip
    vae = sheet.place(0, "VAELoader", 400, models=(VAE,), vae_name=VAE.name)
    seer = sheet.place(0, "CLIPVisionLoader", 530, models=(SIGLIP,), clip_name=SIGLIP.name)
    sheet.group("Models", [loader, encoder, vae, seer])
    return {"model": loader, "clip": encoder, "vae": vae, "seer": seer}


def prompts(sheet: Sheet, clip: Node, text: str) -> tuple[Node, Node]:
    positive = sheet.place(1, "CLIPTextEncode", 0, wide=400, clip=clip.out(), text=text, title="Prompt")
    negative = sheet.place(1, "ConditioningZeroOut", 240, conditioning=positive.out(), title="No negative (CFG 1)")
    sheet.group("Prompt", [positive, negative])
    return positive, negative


def scaled(sheet: Sheet, picture: Node, size: dict, y: int, title: str) -> Node:
    """``picture`` in the video's size, cut around the centre."""
    return sheet.place(
        1, "ImageScale", y, image=picture.out(), upscale_method="lanczos", crop="center", title=title, **size
    )


def seen(sheet: Sheet, parts: dict, pixels: Node, y: int) -> tuple[Node, Node]:
    """The picture as a latent, and as SigLIP sees it."""
    latent = sheet.place(1, "VAEEncode", y, pixels=pixels.out(), vae=parts["vae"].out())
    vision = sheet.place(1, "CLIPVisionEncode", y + 120, clip_vision=parts["seer"].out(), image=pixels.out(),
                         crop="none")  # fmt: skip
    return latent, vision


def film(sheet: Sheet, weights, text: str, prefix: str, sections=None, **values) -> None:
    """Loaders, start picture, FramePack Sampler and result. sections(sheet, parts): the chain, or None."""
    parts = models_of(sheet, weights)
    start = sheet.picture(740, "Start picture")
    positive, negative = prompts(sheet, parts["clip"], text)
    size = size_of(sheet, start, 420, "480p (832x480)")
    pixels = scaled(sheet, start, size, 620, "Start picture in the video's size")
    latent, vision = seen(sheet, parts, pixels, 840)
    chain = {"sections": sections(sheet, parts).out()} if sections else {}
    sheet.group("Start picture", [start])
    sheet.group("What the model sees of it", [pixels, latent, vision])
    sampler = sheet.place(
        3, "GengaFramePackSampler", 0, wide=340, model=parts["model"].out(), positive=positive.out(),
        negative=negative.out(), start_latent=latent.out(), clip_vision_output=vision.out(), vae=parts["vae"].out(),
        **chain, **values,
    )  # fmt: skip
    sheet.group("Sampling: 25 steps a section", [sampler])
    decoded = sheet.place(4, "GengaFramePackDecode", 0, samples=sampler.out(), vae=parts["vae"].out())
    saved = sheet.place(4, "GengaSaveVideo", 270, video=decoded.out(), filename_prefix=prefix)
    sheet.group("Result", [decoded, saved])


KEYFRAMES = (
    (1.2, "She lifts her arms above her head."),
    (2.4, "She turns around once, her dress whirls."),
    (3.6, "She bows and smiles."),
)


def keyframes(sheet: Sheet, parts: dict) -> Node:
    """Three pictures, each from its moment on, with the prompt of the section."""
    placed, chain = [], None
    for row, (moment, text) in enumerate(KEYFRAMES):
        y = 860 * row
        picture = sheet.place(2, "LoadImage", y, wide=300, title=f"Picture from {moment:g} s", image="example.png")
        prompt = sheet.place(2, "CLIPTextEncode", y + 410, wide=300, clip=parts["clip"].out(), text=text,
                             title=f"Prompt from {moment:g} s")  # fmt: skip
        before = {} if chain is None else {"sections": chain.out()}
        chain = sheet.place(2, "GengaSections", y + 660, wide=300, start=moment, positive=prompt.out(),
                            image=picture.out(), **before)  # fmt: skip
        placed += [picture, prompt, chain]
    sheet.group("Three keyframes", placed)
    return chain


def standard(sheet: Sheet) -> None:
    film(
        sheet, STANDARD, "A young woman in a red dress dances on a stage, the camera stands still.",
        "framepack/framepack", keyframes, direction="standard", seconds=5.0, seed=31,
    )  # fmt: skip
    sheet.explain(
        "# FramePack: standard, with three keyframes\nFive seconds from a start picture, with a picture and a prompt for the "
        "moments 1.2, 2.4 and 3.6 s. The end of the video is drawn first, so faces and colours do not drift.\n\nA picture "
        "draws its section near; it is no exact frame. Pictures like the start picture (same place, same person) work best; "
        "take a *Sections* node's `image` wire away where a prompt alone will do. A last picture: wire it, encoded like the "
        f"start picture, into `end_latent`.\n\n{KEPT}\n\n{RECIPE}",
        (STANDARD, *OTHERS), 720,
    )  # fmt: skip


def forward(sheet: Sheet) -> None:
    film(
        sheet, F1, "The girl walks through the market, looks around and laughs; the camera follows her from the front.",
        "framepack/framepack_f1", direction="f1", seconds=10.0, seed=32,
    )  # fmt: skip
    sheet.explain(
        "# FramePack F1: ten seconds forward\nF1 draws from the start forward and is livelier than the standard model. It "
        "sees one picture, the start. Longer ones need no more memory: 60 or 120 s are possible.\n\nMake the video longer "
        "afterwards: raise `seconds` and press Run, and the sections that are there stay.\n\nHold closer to the picture: "
        "`image_influence` 1.005 to 1.02.\n\n"
        f"{KEPT}\n\n{RECIPE}",
        (F1, *OTHERS), 680,
    )  # fmt: skip


def loop(sheet: Sheet) -> None:
    film(
        sheet, STANDARD, "A candle flame flickers softly in a dark room, smoke rises; the camera stands still.",
        "framepack/framepack_loop", direction="standard", seconds=4.0, seed=33, loop=True,
    )  # fmt: skip
    sheet.explain(
        "# FramePack: a loop\n`loop` makes the start picture the end picture, too: the video comes back to where it began. "
        "It is near to seamless, not exact; a calm movement that goes to and fro (wind, water, breath) hides the seam. With "
        "pictures for sections, `fill` even-odd lets them take turns.\n\n"
        f"{KEPT}\n\n{RECIPE}",
        (STANDARD, *OTHERS), 600,
    )  # fmt: skip


def one_frame(sheet: Sheet) -> None:
    parts = models_of(sheet, STANDARD)
    shown, reference = sheet.picture(740, "Input: the person"), sheet.picture(1150, "Reference: the clothes")
    masks = [
        sheet.place(0, "LoadImageMask", 1560 + 420 * row, title=title, image="example.png", channel="red")
        for row, title in enumerate(("Input mask: black over the clothes", "Reference mask: white over the clothes"))
    ]
    sheet.group("Pictures and masks", [shown, reference, *masks])
    text = "The woman stands in the same pose and wears the blue coat of the reference picture."
    positive, negative = prompts(sheet, parts["clip"], text)
    size = size_of(sheet, shown, 420, "480p (832x480)")
    pixels = scaled(sheet, shown, size, 620, "Input in the result's size")
    latent, vision = seen(sheet, parts, pixels, 840)
    other = scaled(sheet, reference, size, 1140, "Reference in the same size")
    wanted = sheet.place(1, "VAEEncode", 1360, pixels=other.out(), vae=parts["vae"].out())
    sheet.group("What the model sees of them", [pixels, latent, vision, other, wanted])
    frame = sheet.place(
        2, "GengaFramePackOneFrame", 0, positive=positive.out(), negative=negative.out(), input_latent=latent.out(),
        reference_latent=wanted.out(), input_mask=masks[0].out(), reference_mask=masks[1].out(),
        clip_vision_output=vision.out(),
    )  # fmt: skip
    shifted = sheet.place(3, "ModelSamplingSD3", 0, model=parts["model"].out(), shift=frame.out(3))
    sampler = sheet.place(
        3, "KSampler", 120, model=shifted.out(), seed=34, steps=25, cfg=1.0, sampler_name="uni_pc", scheduler="simple",
        positive=frame.out(0), negative=frame.out(1), latent_image=frame.out(2), denoise=1.0,
    )  # fmt: skip
    sheet.group("One picture at a chosen time", [frame])
    sheet.group("Sampling: 25 steps, CFG 1", [shifted, sampler])
    decoded = sheet.place(4, "VAEDecode", 0, samples=sampler.out(), vae=parts["vae"].out())
    saved = sheet.place(4, "GengaSaveImage", 120, images=decoded.out(), filename_prefix="framepack/framepack_one_frame",
                        format="png", quality=95)  # fmt: skip
    sheet.group("Result", [decoded, saved])
    sheet.explain(
        "# FramePack: one frame with a reference\nOne picture instead of a video (*kisekaeichi*, a change of clothes): the "
        "input as it would be at another time, with what the reference shows. Masks are black and white pictures: white "
        "parts are shown to the model. Black over the clothes in the input, white over those in the reference.\n\n"
        "`target_index` 1 stays near the input; higher lets it change more. `history_index` 13 is advised. The masks may be "
        "left out, the reference too.\n\nThe shift of the noise comes by wire: about 2 for one picture, where a video has 7. "
        "LoRAs that were trained for one frame are usual: a Load LoRA node behind the loader.",
        (STANDARD, *OTHERS), 640,
    )  # fmt: skip


WORKFLOWS = {
    "FramePack Standard": standard,
    "FramePack F1": forward,
    "FramePack Loop": loop,
    "FramePack One Frame": one_frame,
}
