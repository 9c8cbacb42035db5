"""Frames per second while a keyframe is dragged on a timeline of 40, in canvas and in Vue nodes.

The host's real page in headless Chromium, which draws in software: a page with a graphics card is faster. A pointer
event comes before every frame the browser draws; it draws 60 in a second at most. Goal: above 50. Needs GENGA_COMFYUI,
Chromium and Node.js.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # no host is imported here, so its module `nodes` cannot be mistaken for ours

from devtools import browser  # noqa: E402
from tests.tools.server import Server  # noqa: E402

HOST = os.environ.get("GENGA_COMFYUI", "")
GOAL = 50
MODES = {"canvas": "0", "Vue nodes": "1"}


def measure(url: str, programs: dict[str, str], vue: str) -> dict:
    command = [programs["GENGA_NODE"], "drag_speed.mjs", url, programs["GENGA_CHROMIUM"], vue]
    done = subprocess.run(command, cwd=browser.FOLDER, capture_output=True, text=True, timeout=300, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    if not HOST:
        sys.exit("run it with `python dev.py bench timeline`, which names the host")
    programs = browser.variables(required=True)
    with tempfile.TemporaryDirectory() as base, Server(Path(HOST), Path(base)).install(ROOT) as server:
        found = {name: measure(server.url, programs, vue) for name, vue in MODES.items()}
    print(f"{'renderer':<12}{'keyframes':>10}{'fps':>8}{'slowest 5 %':>13}")
    for name, result in found.items():
        print(f"{name:<12}{result['keyframes']:>10}{result['fps']:>8.1f}{result['slowest5']:>13.1f}")
    met = all(result["fps"] > GOAL for result in found.values())
    print(f"goal: above {GOAL} fps: {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
