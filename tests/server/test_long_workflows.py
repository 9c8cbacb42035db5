"""The shipped long workflows through the host's HTTP API: length from the sound, resume, edit and continue."""

from __future__ import annotations

import json
import math
import wave
from array import array
from pathlib import Path

import av
import pytest
from genga_tests.tools import shipped
from genga_tests.tools.convert import to_prompt
from PIL import Image, ImageDraw

PICTURE = (64, 48)
SECONDS, RATE, FPS = 3.7, 22050, 25
FRAMES = int(SECONDS * FPS)
DRIVEN, DRIVER_RATE = 90, 24
NAMES = ("InfiniteTalk Single", "InfiniteTalk Two Speakers", "InfiniteTalk Sections")


def write_speech(path: Path, seconds: float, pitch: float) -> None:
    """A tone whose loudness comes and goes as a voice's does, as 16-bit mono."""
    count = round(seconds * RATE)
    loud = (abs(math.sin(t * 7 / RATE * 2)) * math.sin(t * pitch * 2 * math.pi / RATE) for t in range(count))
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


@pytest.fixture(scope="module")
def material(server, tiny):
    """Portrait, masks of two halves with a gap, two speeches and four driving films in the host's input folder."""
    picture = Image.new("RGB", PICTURE, (90, 120, 160))
    ImageDraw.Draw(picture).ellipse((16, 8, 48, 44), fill=(230, 190, 160))
    picture.save(server.input / "portrait.png")
    for name, box in (("left.png", (0, 0, 25, 47)), ("right.png", (38, 0, 63, 47))):
        mask = Image.new("RGB", PICTURE)
        ImageDraw.Draw(mask).rectangle(box, fill="white")
        mask.save(server.input / name)
    write_speech(server.input / "speech.wav", SECONDS, 180.0)
    write_speech(server.input / "speech_2.wav", 2.2, 260.0)
    for name, paint in (("pose", figure), ("face", face), ("background", scene), ("mask", silhouette)):
        write_film(server.input / f"{name}.mp4", paint)
    return shipped.stand_ins(tiny.files)


def prompt_of(server, models, name: str, steps: int | None = None) -> tuple[dict, dict]:
    workflow = shipped.ready(name, models, ["portrait.png"], ("left.png", "right.png"))
    prompt = to_prompt(workflow, server.get("/object_info"))
    for node in prompt.values():
        if steps is not None and node["class_type"] == "GengaScheduler":
            node["inputs"]["steps"] = steps
    return workflow, prompt


def only(prompt: dict, kind: str) -> dict:
    (found,) = [node for node in prompt.values() if node["class_type"] == kind]
    return found


def saved(server, entry) -> Path:
    shown = [item for output in entry["outputs"].values() for item in output.get("images", [])]
    (file,) = [item for item in shown if item["filename"].endswith(".mp4")]  # the schedule's plot is a picture
    return server.output / file["subfolder"] / file["filename"]


def said(entry) -> str:
    return " ".join(line for output in entry["outputs"].values() for line in output.get("text", []))


def frames_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24").tobytes() for frame in container.decode(video=0)]


@pytest.mark.parametrize("name", NAMES)
def test_a_talking_video_is_as_long_as_its_speech(server, material, name, request):
    steps = None if request.config.getoption("--full") else 2
    workflow, prompt = prompt_of(server, material, name, steps)
    entry = server.queue(prompt, {"extra_pnginfo": {"workflow": workflow}}, timeout=1200)
    path = saved(server, entry)
    assert path.name.startswith("i2v_infinitetalk_") and path.parent.name == "i2v"
    with av.open(str(path)) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        assert sum(1 for _ in container.decode(video)) == FRAMES
        assert (video.width, video.height, video.average_rate) == (*PICTURE, FPS)
        assert abs(float(sound.duration * sound.time_base) - FRAMES / FPS) < 1 / FPS
        assert json.loads(container.metadata["workflow"]) == workflow
    beside = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert beside["frames"] == FRAMES and beside["prompt"] == prompt
    assert f"2 windows, {FRAMES} frames" in said(entry)


def test_another_prompt_in_the_last_section_makes_only_its_window_anew(server, material):
    _, prompt = prompt_of(server, material, "InfiniteTalk Sections", 2)
    first, second = [node for node in prompt.values() if node["class_type"] == "GengaSections"]
    first["inputs"]["start"], second["inputs"]["start"] = 0.5, 3.0
    window = only(prompt, "GengaInfiniteTalkWindow")["inputs"]
    window["frame_window"], window["motion_frames"] = 33, 9  # 92 frames: four windows, the last from 3.24 s
    before = server.queue(prompt)
    assert "4 windows" in said(before) and "from the store" not in said(before)
    text = prompt[second["inputs"]["positive"][0]]["inputs"]
    text["text"] = "She sings."
    after = server.queue(prompt)
    assert f"4 windows, {FRAMES} frames, 3 of them from the store" in said(after)
    old, new = frames_of(saved(server, before)), frames_of(saved(server, after))
    assert old[:81] == new[:81] and old[81:] != new[81:]


@pytest.mark.parametrize(("name", "frames"), [("Animate", 24), ("Replace", 24), ("Long", DRIVEN)])
def test_a_character_follows_its_drivers(server, material, name, frames):
    """The face encoder takes minutes on a CPU, so the faces are left out here; tests/host/test_animate.py has them."""
    workflow, prompt = prompt_of(server, material, f"WanAnimate {name}", 2)
    pose = only(prompt, "GengaWanAnimatePose")["inputs"]
    pose["face_strength"] = 0.0
    if frames != DRIVEN:
        pose["length"] = frames
    entry = server.queue(prompt, {"extra_pnginfo": {"workflow": workflow}}, timeout=600)
    path = saved(server, entry)
    assert path.name.startswith("i2v_wananimate_") and path.parent.name == "i2v"
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        assert sum(1 for _ in container.decode(video)) == frames
        assert (video.width, video.height, video.average_rate) == (*PICTURE, DRIVER_RATE)
    count = 2 if frames == DRIVEN else 1
    assert f"{count} window{'s' * (count > 1)}, {frames} frames" in said(entry)
