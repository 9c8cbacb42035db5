"""What the shipped workflows are drawn on: four columns, model files with their addresses, a note, a result."""

from __future__ import annotations

from dataclasses import dataclass

from .graph import Graph, Node

HUB = "https://huggingface.co/"
W21 = HUB + "Comfy-Org/Wan_2.1_ComfyUI_repackaged/resolve/main/split_files/"
KJ8 = HUB + "Kijai/WanVideo_comfy_fp8_scaled/resolve/main/I2V/AniSora/"
PHR = HUB + "Phr00t/WAN2.2-14B-Rapid-AllInOne/resolve/main/"
PICTURE = "example.png"  # what every ComfyUI has in its input folder


@dataclass(frozen=True)
class Model:
    """A model file: its name, where it comes from, and the folder under models/."""

    name: str
    url: str
    directory: str

    def entry(self) -> dict:
        return {"name": self.name, "url": self.url, "directory": self.directory}

    def line(self) -> str:
        return f"- `models/{self.directory}/` [{self.name}]({self.url})"


def model(name: str, root: str, directory: str) -> Model:
    return Model(name, root + name, directory)


HIGH = model("Wan2_2-I2V_AniSoraV3_2_HIGH_14B_fp8_e4m3fn_scaled_KJ.safetensors", KJ8, "diffusion_models")
LOW = model("Wan2_2-I2V_AniSoraV3_2_LOW_14B_fp8_e4m3fn_scaled_KJ.safetensors", KJ8, "diffusion_models")
I2V = model("wan2.1_i2v_480p_14B_fp16.safetensors", W21 + "diffusion_models/", "diffusion_models")
TEXT = model("umt5_xxl_fp8_e4m3fn_scaled.safetensors", W21 + "text_encoders/", "text_encoders")
VAE = model("wan_2.1_vae.safetensors", W21 + "vae/", "vae")
VISION = model("clip_vision_h.safetensors", W21 + "clip_vision/", "clip_vision")
MEGA = model("wan2.2-rapid-mega-aio-v12.safetensors", PHR + "Mega-v12/", "checkpoints")

NEGATIVE = "blurry, low quality, static picture, subtitles, watermark, deformed hands, extra fingers, flicker"


class Sheet(Graph):
    """A workflow in four columns: models and pictures, prompts, direction, result."""

    COLUMNS = (0, 400, 860, 1300, 1720)

    def place(self, column: int, kind: str, y: int, **values) -> Node:
        return self.add(kind, (self.COLUMNS[column], y), **values)

    def picture(self, y: int, title: str) -> Node:
        return self.place(0, "LoadImage", y, title=title, image=PICTURE)

    def explain(self, text: str, models: tuple[Model, ...], height: int = 420) -> None:
        files = "\n".join(item.line() for item in models)
        body = f"{text}\n\n**Model files**\n{files}\n\nNames may differ: choose yours in the loader."
        self.note(body, (-460, 0), (420, height), "Read me")

    def finish(self, latent: Node, vae, prefix: str) -> None:
        decoded = self.place(4, "VAEDecode", 0, samples=latent.out(), vae=vae)
        saved = self.place(4, "GengaSaveVideo", 120, images=decoded.out(), filename_prefix=prefix, fps=16.0)
        self.group("Result", [decoded, saved])


def size_of(sheet: Sheet, picture: Node, y: int, budget: str) -> dict:
    size = sheet.place(1, "GengaSizeFromImage", y, image=picture.out(), budget=budget)
    return {"width": size.out(0), "height": size.out(1)}
