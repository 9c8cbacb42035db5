"""The image modes: Pony V6 XL and Flux.1 dev, from a prompt or from a picture."""

from __future__ import annotations

from .graph import Node
from .sheet import HUB, Sheet, model

BLACK_FOREST, ENCODERS = (
    HUB + "black-forest-labs/FLUX.1-dev/resolve/main/",
    HUB + "comfyanonymous/flux_text_encoders/resolve/main/",
)
PONY = model(
    "ponyDiffusionV6XL_v6StartWithThisOne.safetensors",
    HUB + "LyliaEngine/Pony_Diffusion_V6_XL/resolve/main/",
    "checkpoints",
)
FLUX = model("flux1-dev.safetensors", BLACK_FOREST, "diffusion_models")
FLUX_VAE = model("ae.safetensors", BLACK_FOREST, "vae")
CLIP_L = model("clip_l.safetensors", ENCODERS, "text_encoders")
T5 = model("t5xxl_fp16.safetensors", ENCODERS, "text_encoders")
FLUX_FILES = (FLUX, CLIP_L, T5, FLUX_VAE)

PONY_PROMPT = (
    "score_9, score_8_up, score_7_up, source_anime, 1girl, silver hair, standing in a field of sunflowers at dusk, "
    "wind, detailed background"
)
PONY_NEGATIVE = "score_4, score_5, score_6, blurry, watermark, text, bad hands"
FLUX_PROMPT = (
    "A red fox stands in fresh snow at the edge of a forest and looks into the camera, morning light, photograph."
)
PONY_TIP = (
    "Pony knows tags and the words `score_9, score_8_up, score_7_up`, which ask for its better pictures. 30 steps, CFG 6 "
    "(1 to 20), Euler a, clip skip 2. Other samplers: dpmpp_2m and dpmpp_sde, both with Karras noise levels."
)
FLUX_TIP = (
    "Flux wants sentences, not tags. 25 steps, guidance 3.5 (1 to 10), Euler; the CFG of the sampler stays 1, so there is "
    "no negative prompt. Its licence does not allow every use; the file asks for it on its page."
)
DENOISE_TIP = "`denoise` on the sampler says how much of the picture is drawn anew: 0.65 to 0.75 keeps what it shows."


def settings(sheet: Sheet, **values) -> Node:
    return sheet.place(1, "GengaImageSettings", 560, **values)


def start(sheet: Sheet, numbers: Node, vae, empty: str | None) -> tuple[Node, float]:
    """What the sampler starts from, an empty latent or a picture of the chosen size, and how much is drawn anew."""
    if empty:
        latent = sheet.place(2, empty, 0, width=numbers.out(0), height=numbers.out(1), batch_size=1)
        sheet.group("Start: nothing", [latent])
        return latent, 1.0
    picture = sheet.picture(700, "Picture")
    scaled = sheet.place(
        2, "ImageScale", 0, image=picture.out(), upscale_method="lanczos", width=numbers.out(0), height=numbers.out(1),
        crop="center",
    )  # fmt: skip
    latent = sheet.place(2, "VAEEncode", 240, pixels=scaled.out(), vae=vae)
    sheet.group("Picture", [picture])
    sheet.group("Start: the picture", [scaled, latent])
    return latent, 0.7


def finish(sheet: Sheet, sampler: Node, vae, prefix: str) -> None:
    decoded = sheet.place(4, "VAEDecode", 0, samples=sampler.out(), vae=vae)
    saved = sheet.place(
        4, "GengaSaveImage", 120, images=decoded.out(), filename_prefix=prefix, format="png", quality=95
    )
    sheet.group("Result", [decoded, saved])


def pony(sheet: Sheet, empty: str | None, prefix: str, seed: int) -> None:
    loader = sheet.place(0, "CheckpointLoaderSimple", 0, models=(PONY,), ckpt_name=PONY.name)
    numbers = settings(sheet, model="pony", width=1024, height=1024, steps=30, cfg=6.0, sampler_name="euler_ancestral",
                       clip_skip=2)  # fmt: skip
    layer = sheet.place(0, "CLIPSetLastLayer", 200, clip=loader.out(1), stop_at_clip_layer=numbers.out(6))
    positive = sheet.place(1, "CLIPTextEncode", 0, wide=400, clip=layer.out(), text=PONY_PROMPT, title="Prompt")
    negative = sheet.place(1, "CLIPTextEncode", 260, wide=400, clip=layer.out(), text=PONY_NEGATIVE, title="Negative")
    latent, denoise = start(sheet, numbers, loader.out(2), empty)
    sampler = sheet.place(
        3, "KSampler", 0, model=loader.out(0), seed=seed, steps=numbers.out(2), cfg=numbers.out(3),
        sampler_name=numbers.out(4), scheduler=numbers.out(5), positive=positive.out(), negative=negative.out(),
        latent_image=latent.out(), denoise=denoise,
    )  # fmt: skip
    sheet.group("Model", [loader, layer])
    sheet.group("Prompts", [positive, negative])
    sheet.group("Settings", [numbers])
    sheet.group("Sampling", [sampler])
    finish(sheet, sampler, loader.out(2), prefix)


def flux(sheet: Sheet, empty: str | None, prefix: str, seed: int) -> None:
    loader = sheet.place(0, "UNETLoader", 0, models=(FLUX,), unet_name=FLUX.name, weight_dtype="default")
    encoder = sheet.place(
        0, "DualCLIPLoader", 160, models=(CLIP_L, T5), clip_name1=CLIP_L.name, clip_name2=T5.name, type="flux"
    )
    vae = sheet.place(0, "VAELoader", 400, models=(FLUX_VAE,), vae_name=FLUX_VAE.name)
    numbers = settings(
        sheet, model="flux", width=1024, height=1024, steps=25, cfg=3.5, sampler_name="euler", clip_skip=1
    )
    text = sheet.place(1, "CLIPTextEncode", 0, wide=400, clip=encoder.out(), text=FLUX_PROMPT, title="Prompt")
    guided = sheet.place(1, "FluxGuidance", 260, conditioning=text.out(), guidance=numbers.out(3))
    nothing = sheet.place(1, "ConditioningZeroOut", 400, conditioning=text.out(), title="No negative (CFG 1)")
    latent, denoise = start(sheet, numbers, vae.out(), empty)
    sampler = sheet.place(
        3, "KSampler", 0, model=loader.out(), seed=seed, steps=numbers.out(2), cfg=1.0, sampler_name=numbers.out(4),
        scheduler=numbers.out(5), positive=guided.out(), negative=nothing.out(), latent_image=latent.out(),
        denoise=denoise,
    )  # fmt: skip
    sheet.group("Models", [loader, encoder, vae])
    sheet.group("Prompt", [text, guided, nothing])
    sheet.group("Settings", [numbers])
    sheet.group("Sampling", [sampler])
    finish(sheet, sampler, vae.out(), prefix)


def pony_t2i(sheet: Sheet) -> None:
    pony(sheet, "EmptyLatentImage", "pony/pony_t2i", 10)
    sheet.explain(f"# Pony: text to image\nWrite tags; press Run.\n\n{PONY_TIP}", (PONY,))


def pony_i2i(sheet: Sheet) -> None:
    pony(sheet, None, "pony/pony_i2i", 11)
    sheet.explain(
        f"# Pony: image to image\nChoose a picture, write what it shall become.\n\n{DENOISE_TIP}\n\n{PONY_TIP}",
        (PONY,),
        480,
    )


def flux_t2i(sheet: Sheet) -> None:
    flux(sheet, "EmptySD3LatentImage", "flux/flux_t2i", 12)
    sheet.explain(f"# Flux: text to image\nDescribe the picture; press Run.\n\n{FLUX_TIP}", FLUX_FILES, 480)


def flux_i2i(sheet: Sheet) -> None:
    flux(sheet, None, "flux/flux_i2i", 13)
    sheet.explain(
        f"# Flux: image to image\nChoose a picture, describe what it shall become.\n\n{DENOISE_TIP}\n\n{FLUX_TIP}",
        FLUX_FILES, 540,
    )  # fmt: skip


WORKFLOWS = {"Pony T2I": pony_t2i, "Pony I2I": pony_i2i, "Flux T2I": flux_t2i, "Flux I2I": flux_i2i}
