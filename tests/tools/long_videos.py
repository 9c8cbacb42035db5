"""What the tests of the shipped long workflows share: small pictures, speeches and films, and what a run left."""

from __future__ import annotations

import math
import wave
from array import array
from pathlib import Path

import av
from PIL import Image, ImageDraw

from . import shipped
from .convert import to_prompt

PICTURE = (64, 48)
SECONDS, RATE, FPS = 3.7, 22050, 25
DRIVEN, DRIVER_RATE = 90, 24


def write_speech(path: Path, samples: int, pitch: float = 180.0) -> None:
    """A tone whose loudness comes and goes as a voice's does, as 16-bit mono at RATE."""
    loud = (abs(math.sin(t * 14 / RATE)) * math.sin(t * pitch * 2 * math.pi / RATE) for t in range(samples))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(array("h", (int(12000 * value) for value in loud)).tobytes())


def write_film(path: Path, paint) -> None:
    """DRIVEN frames at DRIVER_RATE; paint(draw, share of the time) draws one."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=DRIVER_RATE)
        stream.width, stream.height = PICTURE
        stream.pix_fmt = "yuv420p"
        for number in range(DRIVEN):
            picture = Image.new("RGB", PICTURE)
            paint(ImageDraw.Draw(picture), number / DRIVEN)
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode(None))


def figure(draw, share: float) -> None:
    x = 12 + 40 * share
    draw.line([(x, 8), (x, 26), (x - 8, 44)], fill=(255, 120, 0), width=2)
    draw.line([(x, 26), (x + 8, 44)], fill=(0, 255, 120), width=2)


def face(draw, share: float) -> None:
    draw.rectangle((0, 0, 63, 47), fill=(120, 90, 70))
    draw.ellipse((16, 4, 48, 44), fill=(220, 180, 150))
    draw.ellipse((28, 30, 36, 32 + 8 * share), fill=(120, 30, 30))


def scene(draw, share: float) -> None:
    draw.rectangle((0, 0, 63, 47), fill=(60, 120, 60))
    draw.rectangle((12 + 30 * share, 4, 32 + 30 * share, 44), fill=(0, 0, 0))


def silhouette(draw, share: float) -> None:
    draw.rectangle((12 + 30 * share, 4, 32 + 30 * share, 44), fill="white")


def write_material(folder: Path) -> None:
    """Portrait, masks of two halves with a gap, two speeches and four driving films."""
    picture = Image.new("RGB", PICTURE, (90, 120, 160))
    ImageDraw.Draw(picture).ellipse((16, 8, 48, 44), fill=(230, 190, 160))
    picture.save(folder / "portrait.png")
    for name, box in (("left.png", (0, 0, 25, 47)), ("right.png", (38, 0, 63, 47))):
        mask = Image.new("RGB", PICTURE)
        ImageDraw.Draw(mask).rectangle(box, fill="white")
        mask.save(folder / name)
    write_speech(folder / "speech.wav", round(SECONDS * RATE))
    write_speech(folder / "speech_2.wav", round(2.2 * RATE), 260.0)
    for name, paint in (("pose", figure), ("face", face), ("background", scene), ("mask", silhouette)):
        write_film(folder / f"{name}.mp4", paint)


def prompt_of(server, models, name: str, steps: int | None = None) -> tuple[dict, dict]:
    """A shipped workflow with the tiny models and the material's pictures, and the prompt the page makes of it."""
    workflow = shipped.ready(name, models, ["portrait.png"] * 4, ("left.png", "right.png"))
    prompt = to_prompt(workflow, server.get("/object_info"))
    for node in prompt.values():
        if steps is not None and node["class_type"] == "GengaScheduler":
            node["inputs"]["steps"] = steps
    return workflow, prompt


def only(prompt: dict, kind: str) -> dict:
    """The one node of this class."""
    (found,) = [node for node in prompt.values() if node["class_type"] == kind]
    return found


def saved(server, entry) -> Path:
    """The video that a history entry names."""
    shown = [item for output in entry["outputs"].values() for item in output.get("images", [])]
    (file,) = [item for item in shown if item["filename"].endswith(".mp4")]  # the schedule's plot is a picture
    return server.output / file["subfolder"] / file["filename"]


def said(entry) -> str:
    """All that the nodes said."""
    return " ".join(line for output in entry["outputs"].values() for line in output.get("text", []))


def frames_of(path: Path) -> list[bytes]:
    """Every decoded frame."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24").tobytes() for frame in container.decode(video=0)]
