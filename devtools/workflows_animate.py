"""The shipped workflows of WanAnimate: animate a picture, replace a character in a scene, and any length."""

from __future__ import annotations

from .graph import Node
from .sheet import HUB, NEGATIVE, TEXT, VAE, VISION, Sheet, model, size_of

W22 = HUB + "Comfy-Org/Wan_2.2_ComfyUI_Repackaged/resolve/main/split_files/"
ANIMATE = model("wan2.2_animate_14B_bf16.safetensors", W22 + "diffusion_models/", "diffusion_models")
FILES = (ANIMATE, TEXT, VAE, VISION)

RECIPE = (
    "**Recipe.** Trained: shift 5, 20 steps, CFG 1 (a higher CFG only to press the expression; the negative then sees a blank "
    "face). With a distillation LoRA (lightx2v) 4 to 6 steps: a Load LoRA node behind the model loader. The guide of "
    "WanVideo Genesis names res_5s, 30 steps, CFG 7: choose them in the nodes if you want its look.\n\n"
    "**Poses and faces** come from other packs: a DWPose or ViTPose drawing on black as `pose_video`, square photographs of "
    "the face (no landmarks) as `face_video`. Strength 0 ignores a control, 1 is trained, 2 and more presses it."
)


def film(sheet: Sheet, y: int, title: str, name: str) -> Node:
    return sheet.place(0, "LoadVideo", y, title=title, file=name)


def animate(sheet: Sheet, text: str, films: dict[str, tuple[str, str]], seed: int, note: str, **values) -> None:
    """The whole sheet. films: input of the window node -> (title, file). values: further inputs of that node."""
    base = sheet.place(0, "GengaWanModelLoader", 0, models=(ANIMATE,), model=ANIMATE.name, shift=5.0)
    encoder = sheet.place(0, "CLIPLoader", 240, models=(TEXT,), clip_name=TEXT.name, type="wan")
    vae = sheet.place(0, "VAELoader", 400, models=(VAE,), vae_name=VAE.name)
    seer = sheet.place(0, "CLIPVisionLoader", 510, models=(VISION,), clip_name=VISION.name)
    sheet.group("Models", [base, encoder, vae, seer])
    picture = sheet.picture(720, "Character")
    loaded = {name: film(sheet, 1100 + 140 * row, *film_) for row, (name, film_) in enumerate(films.items())}
    sheet.group("Character and driving videos", [picture, *loaded.values()])
    positive = sheet.place(1, "CLIPTextEncode", 0, wide=400, clip=encoder.out(), text=text, title="Prompt")
    negative = sheet.place(
        1, "CLIPTextEncode", 240, wide=400, clip=encoder.out(), text=NEGATIVE, title="Negative (ignored at CFG 1)"
    )
    sheet.group("Prompts", [positive, negative])
    vision = sheet.place(1, "CLIPVisionEncode", 530, clip_vision=seer.out(), image=picture.out(), crop="none")
    size = size_of(sheet, picture, 680, "480p (832x480)")
    windows = sheet.place(
        2, "GengaWanAnimatePose", 0, model=base.out(), vae=vae.out(), reference_image=picture.out(),
        clip_vision_output=vision.out(), length=0, **size, **values,
        **{name: node.out() for name, node in loaded.items()},
    )  # fmt: skip
    sheet.group("Windows", [windows])
    guider = sheet.place(
        3, "CFGGuider", 0, model=windows.out(0), positive=positive.out(), negative=negative.out(), cfg=1.0
    )
    sampler = sheet.place(3, "GengaSampler", 180, sampler_name="unipc")
    sigmas = sheet.place(3, "GengaScheduler", 440, model=windows.out(0), scheduler="simple", steps=20)
    sheet.group("Sampling: 20 steps", [guider, sampler, sigmas])
    result = sheet.place(
        4, "GengaWindowSampler", 0, guider=guider.out(), sampler=sampler.out(), sigmas=sigmas.out(), vae=vae.out(),
        windows=windows.out(1), seed=seed, color_match="disabled", filename_prefix="i2v/i2v_wananimate",
    )  # fmt: skip
    sheet.group("Result", [result])
    sheet.explain(f"{note}\n\n{RECIPE}", FILES, 760)


POSE_AND_FACE = {"pose_video": ("Pose", "pose.mp4"), "face_video": ("Face", "face.mp4")}


def pose(sheet: Sheet) -> None:
    animate(
        sheet, "The character dances on a plain stage.", POSE_AND_FACE, 21,
        "# WanAnimate: pose and face\nThe character of the picture moves as the pose video does and makes the faces of the "
        "face video. The length is the pose video's.",
    )  # fmt: skip


def replace(sheet: Sheet) -> None:
    films = {
        **POSE_AND_FACE,
        "background_video": ("Scene, the character blacked out", "background.mp4"),
        "character_mask": ("Mask: white where the character is", "mask.mp4"),
    }
    animate(
        sheet, "The character walks through the street.", films, 22,
        "# WanAnimate: replace a character\nThe character of the picture takes the place of the one in the scene. Wire both "
        "`background_video` and `character_mask`; a SAM2 node makes the mask, a little larger than the person. For "
        "matching light add the relight LoRA of WanAnimate here, and only here.",
    )  # fmt: skip


def long(sheet: Sheet) -> None:
    animate(
        sheet, "The character dances through the whole song.", POSE_AND_FACE, 23,
        "# WanAnimate: any length\nAs pose and face, for minutes: windows of 77 frames that share 5. Memory does not grow: the "
        "driving videos are read window by window, and each finished window is kept. After a cancel or a crash press Run "
        "again; a change of the driving video from some moment on makes only the windows from there on.\n\nColours are "
        "left as the model draws them, as in the reference; if they drift, set `color_match` to overlap. For the sound wire "
        "the driving video's into `audio`.",
        overlap=5,
    )  # fmt: skip


WORKFLOWS = {"WanAnimate Animate": pose, "WanAnimate Replace": replace, "WanAnimate Long": long}
