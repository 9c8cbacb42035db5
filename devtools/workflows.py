"""Writes the shipped workflows: ``python devtools/workflows.py --server http://127.0.0.1:8188``.

The server must be a ComfyUI of the oldest supported version with this pack; its node definitions are the only
thing asked of it.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.request
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if not __package__:  # run as a script
    sys.path[0] = str(ROOT)
    __package__ = "devtools"

from . import (  # noqa: E402
    workflows_animate,
    workflows_chain,
    workflows_finish,
    workflows_framepack,
    workflows_images,
    workflows_talk,
)
from .graph import Node  # noqa: E402
from .sheet import HIGH, I2V, LOW, MEGA, NEGATIVE, PICTURE, TEXT, VAE, VISION, Sheet, size_of  # noqa: E402


def anisora(sheet: Sheet, prompt: str, motion: float) -> tuple[Node, Node, Node]:
    """Loader, positive and negative prompt of an AniSora workflow."""
    loader = sheet.place(
        0, "GengaAniSoraLoader", 0, models=(HIGH, LOW, TEXT, VAE), high_noise_model=HIGH.name, low_noise_model=LOW.name,
        text_encoder=TEXT.name, vae=VAE.name,
    )  # fmt: skip
    positive = sheet.place(1, "GengaAniSoraPrompt", 0, wide=400, clip=loader.out(2), prompt=prompt, motion_score=motion)
    negative = sheet.place(
        1, "CLIPTextEncode", 300, wide=400, clip=loader.out(2), text=NEGATIVE, title="Negative (ignored at CFG 1)"
    )
    sheet.group("Models", [loader])
    sheet.group("Prompts", [positive, negative])
    return loader, positive, negative


def direct_and_sample(sheet: Sheet, loader: Node, node: Node, seed: int) -> None:
    sampler = sheet.place(
        3, "GengaExpertSampler", 0, high=loader.out(0), low=loader.out(1), positive=node.out(0), negative=node.out(1),
        latent_image=node.out(2), seed=seed,
    )  # fmt: skip
    sheet.group("Sampling: 8 steps", [sampler])
    sheet.finish(sampler, loader.out(3), "anisora/anisora")


ANISORA = (HIGH, LOW, TEXT, VAE)


def anisora_t2v(sheet: Sheet) -> None:
    text = "An anime girl with silver hair walks through a field of sunflowers at dusk, the wind moves her dress. "
    loader, positive, negative = anisora(sheet, text + "The camera follows her slowly from the side.", 3.0)
    node = sheet.place(
        2, "GengaWanFFLF", 0, positive=positive.out(), negative=negative.out(), vae=loader.out(3), width=832, height=480,
        length=81,
    )  # fmt: skip
    sheet.group("Direction: no picture", [node])
    direct_and_sample(sheet, loader, node, 1)
    sheet.explain(
        "# AniSora: text to video\nWrite the scene, the motion and the camera; press Run.\n\nAniSora V3.2 is an image to "
        "video model: without a picture it gets a grey clip in which everything is to be made. That works, but it was not "
        "trained for it; with a first frame (AniSora I2V) it is better.\n\n`motion_score`: 0 to 1.5 subtle, 2 to 3.5 "
        "moderate, 4 to 5 energetic.",
        ANISORA,
    )


def anisora_i2v(sheet: Sheet) -> None:
    text = "The girl turns her head to the camera and smiles, her hair sways in the wind. The camera moves in slowly."
    loader, positive, negative = anisora(sheet, text, 3.0)
    first = sheet.picture(500, "First frame")
    size = size_of(sheet, first, 580, "480p (832x480)")
    node = sheet.place(
        2, "GengaWanFFLF", 0, positive=positive.out(), negative=negative.out(), vae=loader.out(3), length=81,
        first_image=first.out(), first_strength=0.85, **size,
    )  # fmt: skip
    sheet.group("Picture", [first])
    sheet.group("Direction: first frame", [node])
    direct_and_sample(sheet, loader, node, 2)
    sheet.explain(
        "# AniSora: image to video\nChoose a picture, describe what moves, press Run.\n\n`first_strength` 0.85: 0 to 0.3 "
        "loose, 0.4 to 0.7 balanced, 0.8 to 1 strict.\n\n**360 degree turnaround**: one full figure from the front, motion "
        "score 3.0, and a prompt that begins with *A 360-degree turning and circling video of an anime character. This is "
        "a long shot with a plain white background.*\n\nThe size follows the picture; a smaller picture is not enlarged.",
        ANISORA, 520,
    )  # fmt: skip


def anisora_fflf(sheet: Sheet) -> None:
    text = (
        "The character stands up from the chair and walks to the window in one smooth movement. The camera stays still."
    )
    loader, positive, negative = anisora(sheet, text, 3.0)
    first, last = sheet.picture(500, "First frame"), sheet.picture(920, "Last frame")
    size = size_of(sheet, first, 580, "480p (832x480)")
    node = sheet.place(
        2, "GengaWanFFLF", 0, positive=positive.out(), negative=negative.out(), vae=loader.out(3), length=81,
        first_image=first.out(), last_image=last.out(), **size,
    )  # fmt: skip
    sheet.group("Pictures", [first, last])
    sheet.group("Direction: first and last frame", [node])
    direct_and_sample(sheet, loader, node, 3)
    sheet.explain(
        "# AniSora: first and last frame\nTwo pictures, and a prompt that says what happens between them.\n\n**Expression "
        "change**: the same face twice, neutral and laughing; motion score 2. The strengths may be lowered one by one: "
        "a last frame at 0.6 is a direction, not a command.",
        ANISORA,
    )


def keyframe_chain(sheet: Sheet, frames: list[int], masks: dict[int, object] | None = None) -> tuple[Node, Node]:
    """Pictures and their Keyframe nodes, one row each; returns the first picture and the last of the chain."""
    chain, pictures = [], []
    for row, frame in enumerate(frames):
        y = 660 + 360 * row
        pictures.append(sheet.picture(y, f"Picture at frame {frame}"))
        values = {"keyframes": chain[-1].out()} if chain else {}
        mask = (masks or {}).get(frame)
        if mask is not None:
            values["mask"] = mask
        chain.append(
            sheet.place(1, "GengaKeyframe", y, image=pictures[-1].out(), frame_index=frame, strength=1.0, **values)
        )
    sheet.group("Keyframes", pictures + chain)
    return pictures[0], chain[-1]


def anisora_keyframes(sheet: Sheet) -> None:
    text = "The dancer lifts her arms, turns around once and bows in one smooth, consistent, flowing movement."
    sheet.COLUMNS = (0, 400, 860, 1420, 1840)  # a wide timeline, and Vue nodes of 1.32 make nodes a fifth larger
    loader, positive, negative = anisora(sheet, text, 3.5)
    node = sheet.place(
        2, "GengaArbitraryKeyframes", 0, wide=460, positive=positive.out(), negative=negative.out(), vae=loader.out(3),
        width=832, height=480, length=81, snap="anisora",
    )  # fmt: skip
    sheet.group("Direction: keyframes anywhere", [node])
    direct_and_sample(sheet, loader, node, 4)
    sheet.explain(
        "# AniSora: keyframes\nDrop your key drawings on the timeline of *Arbitrary Keyframes*: several at once are spread from "
        "the first frame to the last. Drag one to its moment, set its strength, press Run. Five at 0, 20, 40, 60 and 80 are "
        "a good beginning; one alone may stand anywhere, at frame 40 say.\n\nDescribe the whole movement, not the single "
        "frames; say *smooth* and *consistent*.\n\n`width` and `height`: the video's, as the drawings are; 832x480 lies "
        "down, 480x832 stands. `snap` anisora has multiples of 8, as the reference does; latent has multiples of 4.\n\nA "
        "picture that another node makes comes in by a *Keyframe* node (workflow *AniSora Localized*).\n\n**Pose "
        "sequence**: a keyframe every 16 frames. **Dance**: six keyframes on the beat, motion score 4.",
        ANISORA, 600,
    )  # fmt: skip


def anisora_localized(sheet: Sheet) -> None:
    text = (
        "The camera pulls back slowly and more and more of the landscape appears; the character keeps standing still."
    )
    loader, positive, negative = anisora(sheet, text, 3.0)
    painted = sheet.place(0, "LoadImageMask", 1400, title="Mask for frame 40", image=PICTURE, channel="red")
    first, chain = keyframe_chain(sheet, [0, 40], {40: painted.out()})
    size = sheet.place(2, "GengaSizeFromImage", 700, image=first.out(), budget="480p (832x480)")
    node = sheet.place(
        2, "GengaArbitraryKeyframes", 0, positive=positive.out(), negative=negative.out(), vae=loader.out(3), length=81,
        keyframes=chain.out(), snap="anisora", width=size.out(0), height=size.out(1),
    )  # fmt: skip
    sheet.group("Direction: a keyframe inside a mask", [node, size])
    direct_and_sample(sheet, loader, node, 5)
    sheet.explain(
        "# AniSora: localized guidance\nThe picture at frame 40 applies only where its mask is white; elsewhere the model "
        "draws freely. Here the mask is a black and white picture (its red channel is read); a mask painted in the mask "
        "editor works too: wire the MASK output of Load Image.\n\n**Camera pull-back with a locked character**: the "
        "character in both pictures, smaller in the second, and a mask around it there.\n\nV3.2 was not trained on masks in "
        "space; expect to try a few seeds.",
        ANISORA, 560,
    )  # fmt: skip


def phr00t(sheet: Sheet, prompt: str) -> tuple[Node, Node, Node]:
    loader = sheet.place(0, "GengaPhr00tLoader", 0, models=(MEGA,), checkpoint=MEGA.name)
    positive = sheet.place(1, "CLIPTextEncode", 0, wide=400, clip=loader.out(1), text=prompt, title="Prompt")
    negative = sheet.place(
        1, "CLIPTextEncode", 260, wide=400, clip=loader.out(1), text="", title="Negative (ignored at CFG 1)"
    )
    sheet.group("Models", [loader])
    sheet.group("Prompts", [positive, negative])
    return loader, positive, negative


def phr00t_sample(sheet: Sheet, loader: Node, node: Node, seed: int) -> None:
    shifted = sheet.place(3, "ModelSamplingSD3", 0, model=loader.out(0), shift=8.0)
    sampler = sheet.place(
        3, "KSampler", 120, model=shifted.out(), seed=seed, steps=4, cfg=1.0, sampler_name="euler_ancestral",
        scheduler="beta", positive=node.out(0), negative=node.out(1), latent_image=node.out(2), denoise=1.0,
    )  # fmt: skip
    sheet.group("Sampling: 4 steps, CFG 1", [shifted, sampler])
    sheet.finish(sampler, loader.out(2), "phr00t/phr00t")


PHR00T_TIP = (
    "Tuned for 4 steps and CFG 1: change neither lightly. MEGA is a VACE model, so `control` is vace; with the separate "
    "I2V checkpoint set it to inpaint (the loader says what the file is). Keyframes between first and last are not "
    "possible with it: use AniSora."
)


def phr00t_t2v(sheet: Sheet) -> None:
    loader, positive, negative = phr00t(sheet, "A red fox runs through fresh snow, the camera tracks it from the side.")
    node = sheet.place(
        2, "GengaWanFFLF", 0, positive=positive.out(), negative=negative.out(), vae=loader.out(2), width=832, height=480,
        length=81, control="vace",
    )  # fmt: skip
    sheet.group("Direction: no picture", [node])
    phr00t_sample(sheet, loader, node, 6)
    sheet.explain(f"# Phr00t Rapid: text to video\nWrite motion and camera; press Run.\n\n{PHR00T_TIP}", (MEGA,))


def phr00t_i2v(sheet: Sheet) -> None:
    loader, positive, negative = phr00t(sheet, "The woman looks up and laughs; the camera moves in slowly.")
    first = sheet.picture(500, "First frame")
    size = size_of(sheet, first, 580, "480p (832x480)")
    node = sheet.place(
        2, "GengaWanFFLF", 0, positive=positive.out(), negative=negative.out(), vae=loader.out(2), length=81,
        first_image=first.out(), first_strength=0.85, control="vace", **size,
    )  # fmt: skip
    sheet.group("Picture", [first])
    sheet.group("Direction: first frame", [node])
    phr00t_sample(sheet, loader, node, 7)
    sheet.explain(
        f"# Phr00t Rapid: image to video\nChoose a picture, describe what moves.\n\n{PHR00T_TIP}\n\nA smaller picture is not "
        "enlarged.",
        (MEGA,),
    )


def phr00t_fflf(sheet: Sheet) -> None:
    loader, positive, negative = phr00t(sheet, "The flower opens from bud to full bloom in one smooth time lapse.")
    first, last = sheet.picture(500, "First frame"), sheet.picture(920, "Last frame")
    size = size_of(sheet, first, 580, "480p (832x480)")
    node = sheet.place(
        2, "GengaWanFFLF", 0, positive=positive.out(), negative=negative.out(), vae=loader.out(2), length=81,
        first_image=first.out(), last_image=last.out(), control="vace", **size,
    )  # fmt: skip
    sheet.group("Pictures", [first, last])
    sheet.group("Direction: first and last frame", [node])
    phr00t_sample(sheet, loader, node, 8)
    sheet.explain(
        f"# Phr00t Rapid: first and last frame\nTwo pictures, and a prompt that says what the transition is.\n\n{PHR00T_TIP}",
        (MEGA,),
    )


def standard_i2v(sheet: Sheet) -> None:
    loader = sheet.place(0, "GengaWanModelLoader", 0, models=(I2V,), model=I2V.name)
    encoder = sheet.place(0, "CLIPLoader", 240, models=(TEXT,), clip_name=TEXT.name, type="wan")
    vae = sheet.place(0, "VAELoader", 400, models=(VAE,), vae_name=VAE.name)
    seer = sheet.place(0, "CLIPVisionLoader", 510, models=(VISION,), clip_name=VISION.name)
    first = sheet.picture(800, "First frame")
    prompt = "The boat rocks on the waves, the sail fills with wind. The camera circles slowly to the right."
    positive = sheet.place(1, "CLIPTextEncode", 0, wide=400, clip=encoder.out(), text=prompt, title="Prompt")
    negative = sheet.place(1, "CLIPTextEncode", 240, wide=400, clip=encoder.out(), text=NEGATIVE, title="Negative")
    vision = sheet.place(1, "CLIPVisionEncode", 560, clip_vision=seer.out(), image=first.out(), crop="center")
    size = size_of(sheet, first, 760, "480p (832x480)")
    node = sheet.place(
        2, "GengaWanFFLF", 0, positive=positive.out(), negative=negative.out(), vae=vae.out(), length=81,
        first_image=first.out(), first_strength=0.85, clip_vision_first=vision.out(), **size,
    )  # fmt: skip
    sampler = sheet.place(
        3, "KSampler", 0, model=loader.out(), seed=9, steps=30, cfg=6.0, sampler_name="uni_pc", scheduler="simple",
        positive=node.out(0), negative=node.out(1), latent_image=node.out(2), denoise=1.0,
    )  # fmt: skip
    sheet.group("Models", [loader, encoder, vae, seer])
    sheet.group("Picture", [first])
    sheet.group("Prompts", [positive, negative])
    sheet.group("Direction: first frame", [node])
    sheet.group("Sampling: 30 steps, CFG 6", [sampler])
    sheet.finish(sampler, vae.out(), "i2v/i2v_standard")
    sheet.explain(
        "# Standard image to video\nFor any Wan I2V model. Wan 2.1 models also look at the picture through CLIP vision; for "
        "Wan 2.2 experts use the AniSora I2V workflow with your pair.\n\nShift 5 is standard, 6 to 7 gives more detail, 4 to "
        "5 less noise. A smaller picture is not enlarged.",
        (I2V, TEXT, VAE, VISION),
    )


WORKFLOWS = {
    "AniSora T2V": anisora_t2v,
    "AniSora I2V": anisora_i2v,
    "AniSora FFLF": anisora_fflf,
    "AniSora Keyframes": anisora_keyframes,
    "AniSora Localized": anisora_localized,
    "Phr00t T2V": phr00t_t2v,
    "Phr00t I2V": phr00t_i2v,
    "Phr00t FFLF": phr00t_fflf,
    "Standard I2V": standard_i2v,
    **workflows_chain.WORKFLOWS,
    **workflows_talk.WORKFLOWS,
    **workflows_animate.WORKFLOWS,
    **workflows_finish.WORKFLOWS,
    **workflows_images.WORKFLOWS,
    **workflows_framepack.WORKFLOWS,
}


def build(name: str, object_info: dict) -> dict:
    """One workflow as JSON; the same definitions give the same file."""
    sheet = Sheet(object_info, name)
    WORKFLOWS[name](sheet)
    return sheet.json() | {"id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"genga/{name}"))}


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes the shipped workflows.")
    parser.add_argument("--server", default="http://127.0.0.1:8188")
    with urllib.request.urlopen(parser.parse_args().server + "/object_info", timeout=60) as answer:
        info = json.load(answer)
    for name in WORKFLOWS:
        path = ROOT / "workflows" / f"{name}.json"
        path.write_text(json.dumps(build(name, info), indent=2) + "\n", encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
