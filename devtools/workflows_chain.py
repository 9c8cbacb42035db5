"""The shipped workflow of Wan by sections: from picture to picture, with a prompt for each part."""

from __future__ import annotations

from .graph import Node
from .sheet import I2V, NEGATIVE, TEXT, VAE, VISION, Sheet, size_of

PARTS = (  # seconds at which a section begins, and what happens in it; 4.75 s fill one window
    (0.0, "A woman in a red coat stands on a bridge in the morning mist and begins to walk. The camera follows her."),
    (
        4.75,
        "The woman in the red coat leaves the bridge and walks down a street with lanterns. The camera follows her.",
    ),
    (9.5, "The woman in the red coat stops at a door, turns around and smiles. The camera moves in slowly."),
)
LENGTH = 229  # 1 + 3 * 76 frames


def models_of(sheet: Sheet) -> dict[str, Node]:
    """The loaders, one below the other."""
    model = sheet.place(0, "GengaWanModelLoader", 0, models=(I2V,), model=I2V.name)
    clip = sheet.place(0, "CLIPLoader", 240, models=(TEXT,), clip_name=TEXT.name, type="wan")
    vae = sheet.place(0, "VAELoader", 400, models=(VAE,), vae_name=VAE.name)
    seer = sheet.place(0, "CLIPVisionLoader", 510, models=(VISION,), clip_name=VISION.name)
    sheet.group("Models", [model, clip, vae, seer])
    return {"model": model, "clip": clip, "vae": vae, "seer": seer}


def chain_of(sheet: Sheet, clip: Node) -> Node:
    """One row for each section: the picture it ends with, its prompt, its Sections node."""
    chain, placed = None, []
    for row, (start, text) in enumerate(PARTS):
        y = 1280 + 480 * row
        picture = sheet.picture(y, f"Section {row + 1} ends with")
        prompt = sheet.place(1, "CLIPTextEncode", y, wide=400, clip=clip.out(), text=text, title=f"From {start:g} s")
        before = {} if chain is None else {"sections": chain.out()}
        chain = sheet.place(
            1, "GengaSections", y + 230, start=start, positive=prompt.out(), image=picture.out(), **before
        )
        placed += [picture, prompt, chain]
    sheet.group("Sections", placed)
    return chain


def wan_sections(sheet: Sheet) -> None:
    parts = models_of(sheet)
    first = sheet.picture(800, "First frame")
    positive = sheet.place(
        1,
        "CLIPTextEncode",
        0,
        wide=400,
        clip=parts["clip"].out(),
        text=PARTS[0][1],
        title="Prompt (where no section has one)",
    )
    negative = sheet.place(
        1, "CLIPTextEncode", 240, wide=400, clip=parts["clip"].out(), text=NEGATIVE, title="Negative"
    )
    vision = sheet.place(1, "CLIPVisionEncode", 560, clip_vision=parts["seer"].out(), image=first.out(), crop="center")
    size = size_of(sheet, first, 760, "480p (832x480)")
    windows = sheet.place(
        2, "GengaWanI2VWindow", 0, vae=parts["vae"].out(), start_image=first.out(), clip_vision_output=vision.out(),
        sections=chain_of(sheet, parts["clip"]).out(), length=LENGTH, **size,
    )  # fmt: skip
    guider = sheet.place(
        3, "CFGGuider", 0, model=parts["model"].out(), positive=positive.out(), negative=negative.out(), cfg=6.0
    )
    sampler = sheet.place(3, "KSamplerSelect", 180, sampler_name="uni_pc")
    sigmas = sheet.place(3, "GengaScheduler", 290, model=parts["model"].out(), scheduler="simple", steps=30)
    result = sheet.place(
        4, "GengaWindowSampler", 0, guider=guider.out(), sampler=sampler.out(), sigmas=sigmas.out(),
        vae=parts["vae"].out(), windows=windows.out(0), seed=14, filename_prefix="i2v/i2v_sections",
    )  # fmt: skip
    for title, nodes in (
        ("First frame", [first]), ("Prompts", [positive, negative]), ("Windows", [windows]),
        ("Sampling: 30 steps, CFG 6", [guider, sampler, sigmas]), ("Result", [result]),
    ):  # fmt: skip
        sheet.group(title, nodes)
    sheet.explain(
        "# Wan by sections\nA first frame, and for each section a prompt and the picture it ends with: the video goes from "
        "picture to picture, without a cut. Each section begins with the last frames of the one before; the colours of the "
        "seams are matched.\n\nA section of 4.75 s fills one window of 81 frames; longer ones take several windows. Leave a "
        "picture out, and the section ends as it likes. For a loop give the last section the first frame.\n\nEach finished "
        "window is kept: after a cancel press Run again, and after another prompt or picture only the windows from there "
        "on are made.\n\nFor the pair of Wan 2.2 or AniSora put Expert Guider in the place of CFGGuider.",
        (I2V, TEXT, VAE, VISION), 640,
    )  # fmt: skip


WORKFLOWS = {"Wan Sections": wan_sections}
