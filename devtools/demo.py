"""The main job on a machine that has nothing yet: a shipped workflow through ComfyUI into a playable video.

Real weights are 14 GB and more; here tiny checkpoints of the same architecture stand in, which hold the key
pictures at their frames and draw nothing sensible between. Everything else is real: the host's server, its
loaders and executor, the workflow as shipped.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path

from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT / "tests")  # not the pack's root: its folder nodes/ has the name of the host's module

from tiny import files as tiny_files  # noqa: E402
from tools import pack, shipped  # noqa: E402
from tools.convert import to_prompt  # noqa: E402
from tools.server import Server  # noqa: E402

WORKFLOW = "AniSora Keyframes"
WIDTH, HEIGHT = 192, 112
POSES = 5


def say(text: str) -> None:
    print(f"[demo] {text}", flush=True)


def draw_pose(number: int) -> Image.Image:
    """A figure that walks across and lifts its arms, drawn four times as large and shrunk for smooth lines."""
    scale = 4
    picture = Image.new("RGB", (WIDTH * scale, HEIGHT * scale), (118, 178, 224))
    pen = ImageDraw.Draw(picture)
    ground = 92 * scale
    pen.rectangle((0, ground, WIDTH * scale, HEIGHT * scale), fill=(96, 158, 84))
    pen.ellipse((150 * scale, 10 * scale, 176 * scale, 36 * scale), fill=(255, 226, 120))
    x, line = (36 + 30 * number) * scale, 5 * scale
    angle = math.radians(-50 + 35 * number)
    hip, neck = (x, 68 * scale), (x, 44 * scale)
    ink = (52, 40, 66)
    for side in (-1, 1):
        stride = side * (8 + 4 * (number % 2)) * scale
        hand = (neck[0] + side * 20 * scale * math.cos(angle), neck[1] + 4 * scale - 20 * scale * math.sin(angle))
        pen.line((hip, (x + stride, ground)), fill=ink, width=line)
        pen.line(((neck[0], neck[1] + 4 * scale), hand), fill=ink, width=line)
    pen.line((neck, hip), fill=(196, 60, 72), width=3 * line)
    pen.ellipse(
        (x - 10 * scale, 22 * scale, x + 10 * scale, 42 * scale), fill=(250, 220, 196), outline=ink, width=scale
    )
    return picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def keyframes_of(prompt: dict, beside: dict) -> list[int]:
    """The frames that were really used, as the node reported them to the file's metadata."""
    (identity,) = [i for i, node in prompt.items() if node["class_type"] == "GengaArbitraryKeyframes"]
    return beside["facts"][identity]["keyframes"]


def run(server: Server) -> tuple[Path, list[int], dict]:
    pictures = [f"pose{number}.png" for number in range(POSES)]
    for number, name in enumerate(pictures):
        draw_pose(number).save(server.input / name)
    say(f"drew {POSES} key pictures of {WIDTH} x {HEIGHT} (in {server.input})")
    workflow = shipped.ready(WORKFLOW, shipped.stand_ins(tiny_files), pictures)
    prompt = to_prompt(workflow, server.get("/object_info"))
    (direction,) = [node for node in prompt.values() if node["class_type"] == "GengaArbitraryKeyframes"]
    direction["inputs"] |= {"width": WIDTH, "height": HEIGHT}
    say(f"queueing workflows/{WORKFLOW}.json, unchanged but for models, pictures and the size")
    say("81 frames, 8 steps: half a minute to two minutes on two cores")
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
    say("making tiny checkpoints of the true architectures")
    models = tiny_files.ensure(ROOT / ".dev" / "tiny")
    base = out / "comfyui"
    server = Server(options.comfyui.resolve(), base)
    tiny_files.install(models, base / "models")
    server.install(ROOT, ROOT / "tests" / "tiny" / "host_pack")
    say("starting ComfyUI's server")
    with server:
        say(f"it listens on {server.url}")
        video, keyframes, beside = run(server)
    pack.load_package("genga", ROOT)
    from genga.media.sheet import contact_sheet
    from genga.media.source import read_frames

    sheet = contact_sheet(read_frames(video), keyframes, out / "contact_sheet.png")
    size = f"{beside['width']} x {beside['height']}"
    say(f"video:         {video} ({beside['frames']} frames, {size}, {beside['fps']:g} fps)")
    say(f"contact sheet: {sheet} (keyframes {', '.join(map(str, keyframes))} marked)")
    say(f"parameters:    {video.with_suffix('.json')} (seed, frames, prompt, workflow)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
