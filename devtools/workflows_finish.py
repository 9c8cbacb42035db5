"""The shipped workflow that finishes a video: larger, of one colour, at another frame rate."""

from __future__ import annotations

from .sheet import HUB, Sheet, model

UPSCALER = model(
    "RealESRGAN_x4plus.safetensors", HUB + "Comfy-Org/Real-ESRGAN_repackaged/resolve/main/", "upscale_models"
)


def finish(sheet: Sheet) -> None:
    video = sheet.place(0, "LoadVideo", 0, title="Video", file="video.mp4")
    loader = sheet.place(0, "UpscaleModelLoader", 420, models=(UPSCALER,), model_name=UPSCALER.name)
    larger = sheet.place(1, "GengaUpscaleVideo", 0, wide=400, video=video.out(), upscale_model=loader.out())
    sized = sheet.place(1, "GengaResizeVideo", 180, wide=400, video=larger.out(), width=1920, height=0)
    colours = sheet.place(2, "GengaColorMatchVideo", 0, video=sized.out(), method="mkl", statistics="uniform")
    timed = sheet.place(3, "GengaChangeFps", 0, video=colours.out(), fps=24.0, motion="nearest")
    saved = sheet.place(4, "GengaSaveVideo", 0, video=timed.out(), filename_prefix="finished/finished")
    sheet.group("Video and upscale model", [video, loader])
    sheet.group("Size", [larger, sized])
    sheet.group("Colours", [colours])
    sheet.group("Frame rate", [timed])
    sheet.group("Result", [saved])
    sheet.explain(
        "# Finish a video\nChoose a video of any length and press Run: it is made four times larger, brought to 1920 "
        "pixels in width, matched in colour and changed to 24 fps, with its sound. A few frames at a time are in memory, so "
        "an hour takes no more than a second.\n\nEach step keeps what it makes without loss, in ComfyUI's temp folder (about "
        "1.3 bytes per pixel and frame). Leave out what you do not need: bypass the node.\n\n**Colours**: wire a picture "
        "into `reference` to take its colours; without one, the first frame's. *per_frame* evens out drift, and intended "
        "changes of light, too.\n\n**Frame rate**: frames are repeated or left out; for true frames in between use an "
        "interpolation node of another pack.\n\n**Trim Video** and **Join Videos** fit anywhere in the chain.",
        (UPSCALER,), 620,
    )  # fmt: skip


WORKFLOWS = {"Finish Video": finish}
