"""The main job on a machine that has nothing yet: a shipped workflow through ComfyUI into a playable video.

Real weights are 14 GB and more; here the tests' trained tiny models stand in (tests/tiny/weights), which know a small
world of moving shapes. Everything else is real: the host's server, its loaders and executor, the workflow as shipped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from animation import animate  # beside this file
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT / "tests")  # not the pack's root: its folder nodes/ has the name of the host's module

from tiny import trained, world  # noqa: E402
from tools import pack, shipped  # noqa: E402
from tools.convert import to_prompt  # noqa: E402
from tools.server import Server  # noqa: E402

WORKFLOW = "AniSora Keyframes"
FRAMES, MOMENTS = 81, (0, 16, 40, 64, 80)
RING = world.Shape("red", "ring", "left to right", 0.5, (17.0, 32.0))
SCENE = world.Scene("one", FRAMES, (RING,), world.scene(3, FRAMES).background, score=RING.score)
STAND_INS = {
    "Wan2_2-I2V_AniSoraV3_2_HIGH_14B_fp8_e4m3fn_scaled_KJ.safetensors": trained.HIGH,
    "Wan2_2-I2V_AniSoraV3_2_LOW_14B_fp8_e4m3fn_scaled_KJ.safetensors": trained.LOW,
    "umt5_xxl_fp8_e4m3fn_scaled.safetensors": trained.TEXT,
    "wan_2.1_vae.safetensors": trained.VAE,
}


def say(text: str) -> None:
    print(f"[demo] {text}", flush=True)


def draw_keys(folder: Path) -> dict[int, str]:
    """The key pictures, by moment: five moments of the scene."""
    frames = world.draw(SCENE).frames
    names = {moment: f"key{moment}.png" for moment in MOMENTS}
    for moment, name in names.items():
        Image.fromarray((frames[moment] * 255).round().byte().numpy()).save(folder / name)
    return names


def direct(workflow: dict) -> None:
    """What else a person sets in the page: the prompt with its motion score, and the video's size."""
    values = {node["type"]: node["widgets_values"] for node in workflow["nodes"]}
    values["GengaAniSoraPrompt"][:2] = [SCENE.caption, SCENE.score]
    values["GengaArbitraryKeyframes"][:3] = [world.SIZE, world.SIZE, FRAMES]


def keyframes_of(prompt: dict, beside: dict) -> list[int]:
    """The frames that were really used, as the node reported them to the file's metadata."""
    (identity,) = [i for i, node in prompt.items() if node["class_type"] == "GengaArbitraryKeyframes"]
    return beside["facts"][identity]["keyframes"]


def run(server: Server) -> tuple[Path, list[int], dict]:
    keys = draw_keys(server.input)
    say(f"drew {len(keys)} key pictures of {world.SIZE} x {world.SIZE} (in {server.input})")
    workflow = shipped.ready(WORKFLOW, STAND_INS, list(keys.values()), frames=MOMENTS)
    direct(workflow)
    prompt = to_prompt(workflow, server.get("/object_info"))
    say(f"queueing workflows/{WORKFLOW}.json with the key pictures on its timeline at {', '.join(map(str, keys))}")
    say(f"prompt: {SCENE.caption}; {FRAMES} frames, 8 steps, a few seconds to half a minute")
    started = time.monotonic()
    entry = server.queue(prompt, {"extra_pnginfo": {"workflow": workflow}}, timeout=900)
    say(f"done in {time.monotonic() - started:.0f} s")
    for output in entry["outputs"].values():
        for line in output.get("text", []):
            say(f"  a node says: {line}")
    (file,) = [item for output in entry["outputs"].values() for item in output.get("images", [])]
    video = server.output / file["subfolder"] / file["filename"]
    beside = json.loads(video.with_suffix(".json").read_text(encoding="utf-8"))
    return video, keyframes_of(prompt, beside), beside


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comfyui", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    out = options.out.resolve()
    base = out / "comfyui"
    server = Server(options.comfyui.resolve(), base)
    server.install(ROOT, ROOT / "tests" / "tiny" / "host_pack")
    trained.install(base / "models")
    say("starting ComfyUI's server")
    with server:
        say(f"it listens on {server.url}")
        video, keyframes, beside = run(server)
    show(video, keyframes, beside, out)
    return 0


def show(video: Path, keyframes: list[int], beside: dict, out: Path) -> None:
    """A contact sheet and a moving picture of what was made, and where all of it lies."""
    pack.load_package("genga", ROOT)
    from genga.media.sheet import contact_sheet
    from genga.media.source import read_frames

    sheet = contact_sheet(read_frames(video), keyframes, out / "contact_sheet.png")
    folder = out / "comfyui" / "input"
    keys = {moment: Image.open(folder / f"key{moment}.png") for moment in keyframes}
    moving = animate(read_frames(video), keys, beside["fps"], out / "demo.webp")
    size = f"{beside['width']} x {beside['height']}"
    say(f"video:         {video} ({beside['frames']} frames, {size}, {beside['fps']:g} fps)")
    say(f"contact sheet: {sheet} (keyframes {', '.join(map(str, keyframes))} marked)")
    say(f"animation:     {moving} (the video above its key pictures, four times as large)")
    say(f"parameters:    {video.with_suffix('.json')} (seed, frames, prompt, workflow)")


if __name__ == "__main__":
    sys.exit(main())
