"""The shipped workflows of InfiniteTalk: one speaker, two speakers, three minutes with sections."""

from __future__ import annotations

from .graph import Node
from .sheet import I2V, NEGATIVE, TEXT, VAE, VISION, W21, Sheet, model, size_of

TALK_HUB = "https://huggingface.co/Comfy-Org/Wan_2.1_ComfyUI_repackaged/resolve/main/split_files/model_patches/"
SINGLE = model("wan2.1_infiniteTalk_single_fp16.safetensors", TALK_HUB, "model_patches")
MULTI = model("wan2.1_infiniteTalk_multi_fp16.safetensors", TALK_HUB, "model_patches")
EARS = model("wav2vec2-chinese-base_fp16.safetensors", W21 + "audio_encoders/", "audio_encoders")
SPEECH, SPEECH_2 = "speech.wav", "speech_2.wav"

RECIPE = (
    "**Recipe.** The models' authors trained shift 7 at 480p (11 at 720p), euler, 40 steps, text CFG 5, audio CFG 4 (3 to 5 "
    "is useful). With a distillation LoRA (lightx2v) 4 to 8 steps, text CFG 1, audio CFG 2 or 1: put a Load LoRA node between "
    "the two loaders. The guide of WanVideo Genesis names res_2m, 30 steps, CFG 6, frame window 77 and motion frames 4 "
    "(used as 5): choose them in the nodes if you want its look.\n\n"
    "**Length** is that of the sound; memory does not grow with it. Each finished window is kept: after a cancel or a "
    "crash press Run again, and only what is missing is made."
)


def models_of(sheet: Sheet, talk) -> dict[str, Node]:
    """The loaders of a talking video, one below the other."""
    base = sheet.place(0, "GengaWanModelLoader", 0, models=(I2V,), model=I2V.name, shift=7.0)
    heard = sheet.place(
        0, "GengaInfiniteTalkLoader", 240, models=(talk,), model=base.out(), infinitetalk_model=talk.name
    )
    encoder = sheet.place(0, "CLIPLoader", 380, models=(TEXT,), clip_name=TEXT.name, type="wan")
    vae = sheet.place(0, "VAELoader", 540, models=(VAE,), vae_name=VAE.name)
    seer = sheet.place(0, "CLIPVisionLoader", 650, models=(VISION,), clip_name=VISION.name)
    ears = sheet.place(0, "AudioEncoderLoader", 760, models=(EARS,), audio_encoder_name=EARS.name)
    sheet.group("Models", [base, heard, encoder, vae, seer, ears])
    return {"model": heard, "clip": encoder, "vae": vae, "seer": seer, "ears": ears}


def sound(sheet: Sheet, y: int, title: str, name: str) -> Node:
    return sheet.place(0, "LoadAudio", y, title=title, audio=name)


def prompts(sheet: Sheet, clip: Node, text: str) -> tuple[Node, Node]:
    positive = sheet.place(1, "CLIPTextEncode", 0, wide=400, clip=clip.out(), text=text, title="Prompt")
    negative = sheet.place(1, "CLIPTextEncode", 240, wide=400, clip=clip.out(), text=NEGATIVE, title="Negative")
    sheet.group("Prompts", [positive, negative])
    return positive, negative


def sample(sheet: Sheet, parts: dict, said: tuple[Node, Node], windows: Node, seed: int) -> None:
    """Guider, solver, schedule, Window Sampler."""
    guider = sheet.place(
        3, "GengaAudioGuider", 0, model=parts["model"].out(), positive=said[0].out(), negative=said[1].out(), cfg=5.0,
        audio_cfg=4.0,
    )  # fmt: skip
    sampler = sheet.place(3, "KSamplerSelect", 220, sampler_name="euler")
    sigmas = sheet.place(3, "GengaScheduler", 330, model=parts["model"].out(), scheduler="simple", steps=40)
    sheet.group("Sampling", [guider, sampler, sigmas])
    result = sheet.place(
        4, "GengaWindowSampler", 0, guider=guider.out(), sampler=sampler.out(), sigmas=sigmas.out(),
        vae=parts["vae"].out(), windows=windows.out(0), seed=seed, filename_prefix="i2v/i2v_infinitetalk",
    )  # fmt: skip
    sheet.group("Result", [result])


def portrait(sheet: Sheet, seer: Node, y: int) -> tuple[Node, Node, dict]:
    """The picture, what CLIP sees of it, and the size that follows it."""
    picture = sheet.picture(y, "Portrait")
    vision = sheet.place(1, "CLIPVisionEncode", 530, clip_vision=seer.out(), image=picture.out(), crop="center")
    return picture, vision, size_of(sheet, picture, 680, "480p (832x480)")


def single(sheet: Sheet) -> None:
    parts = models_of(sheet, SINGLE)
    picture, vision, size = portrait(sheet, parts["seer"], 960)
    voice = sound(sheet, 1340, "Speech", SPEECH)
    said = prompts(sheet, parts["clip"], "A woman talks to the camera with lively gestures in a bright kitchen.")
    windows = sheet.place(
        2, "GengaInfiniteTalkWindow", 0, vae=parts["vae"].out(), start_image=picture.out(),
        clip_vision_output=vision.out(), audio=voice.out(), audio_encoder=parts["ears"].out(), length=0, **size,
    )  # fmt: skip
    sheet.group("Portrait and speech", [picture, voice])
    sheet.group("Windows", [windows])
    sample(sheet, parts, said, windows, 11)
    sheet.explain(
        "# InfiniteTalk: one speaker\nA portrait, a speech (any rate; 16 kHz is what the model hears), a prompt that says who "
        f"talks and how. Press Run.\n\n{RECIPE}",
        (I2V, SINGLE, TEXT, VAE, VISION, EARS), 700,
    )  # fmt: skip


def two(sheet: Sheet) -> None:
    parts = models_of(sheet, MULTI)
    picture, vision, size = portrait(sheet, parts["seer"], 960)
    masks = [
        sheet.place(0, "LoadImageMask", 1340 + 340 * i, title=f"Mask of speaker {i + 1}", image="example.png",
                    channel="red")
        for i in range(2)
    ]  # fmt: skip
    voices = [sound(sheet, 2040, "Speaker 1", SPEECH), sound(sheet, 2200, "Speaker 2", SPEECH_2)]
    said = prompts(sheet, parts["clip"], "A man and a woman sit at a table and talk with each other.")
    windows = sheet.place(
        2, "GengaInfiniteTalkWindow", 0, vae=parts["vae"].out(), start_image=picture.out(),
        clip_vision_output=vision.out(), audio=voices[0].out(), audio_2=voices[1].out(), mask_1=masks[0].out(),
        mask_2=masks[1].out(), audio_encoder=parts["ears"].out(), length=0, **size,
    )  # fmt: skip
    sheet.group("Portrait, masks and speeches", [picture, *masks, *voices])
    sheet.group("Windows", [windows])
    sample(sheet, parts, said, windows, 12)
    sheet.explain(
        "# InfiniteTalk: two speakers\nOne picture with both, a black and white mask for each (white where the person is; "
        "the masks must not overlap, what neither covers is background), and one sound for each. `two_speakers` para: both "
        "sounds run from the start, silence where one listens; add: the second begins when the first ends.\n\nOnly the Multi "
        f"weights know two speakers, and no more than two.\n\n{RECIPE}",
        (I2V, MULTI, TEXT, VAE, VISION, EARS), 800,
    )  # fmt: skip


def sections(sheet: Sheet) -> None:
    parts = models_of(sheet, SINGLE)
    picture, vision, size = portrait(sheet, parts["seer"], 960)
    voice = sound(sheet, 1340, "Speech of three minutes", SPEECH)
    said = prompts(sheet, parts["clip"], "A woman talks to the camera, calmly, sitting at her desk.")
    chain = None
    for row, (start, text) in enumerate(
        ((60.0, "The woman leans forward and talks with emphasis, pointing at the camera."),
         (120.0, "The woman laughs and talks cheerfully, her hands move a lot."))
    ):  # fmt: skip
        y = 900 + 460 * row
        prompt = sheet.place(1, "CLIPTextEncode", y, wide=400, clip=parts["clip"].out(), text=text,
                             title=f"Prompt from {start:g} s")  # fmt: skip
        values = {} if chain is None else {"sections": chain.out()}
        chain = sheet.place(1, "GengaSections", y + 270, start=start, positive=prompt.out(), **values)
    windows = sheet.place(
        2, "GengaInfiniteTalkWindow", 0, vae=parts["vae"].out(), start_image=picture.out(),
        clip_vision_output=vision.out(), audio=voice.out(), audio_encoder=parts["ears"].out(), length=0,
        sections=chain.out(), **size,
    )  # fmt: skip
    sheet.group("Portrait and speech", [picture, voice])
    sheet.group("Windows", [windows])
    sample(sheet, parts, said, windows, 13)
    sheet.explain(
        "# InfiniteTalk: three minutes with sections\nOne speech, and another prompt from 60 s and from 120 s on. A section "
        "may also bring another picture. Change the last section's prompt and press Run: the windows before it are taken "
        "from the store, only those from there on are made again.\n\nThree minutes are 4500 frames in 63 windows. "
        "`color_match` overlap keeps the VAE from shifting their colours.\n\n"
        f"{RECIPE}",
        (I2V, SINGLE, TEXT, VAE, VISION, EARS), 800,
    )  # fmt: skip


WORKFLOWS = {
    "InfiniteTalk Single": single,
    "InfiniteTalk Two Speakers": two,
    "InfiniteTalk Sections": sections,
}
