"""What the pack adds to the host's start, beside one of the host's own node files.

Starts the host's modules in a process of its own, then times (a) the pack's import, its node list and every
schema, (b) the same for the host's ``comfy_extras/nodes_wan.py``. Bytecode is warm, as on any start but the
first. Median of seven processes. The goal for (a) is under 50 ms.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROBE = ROOT / "tests" / "tools" / "import_probe.py"
HOST = os.environ.get("GENGA_COMFYUI", "")
RUNS, GOAL_MS = 7, 50


def one_run(base: str, files: list[Path]) -> list[dict]:
    done = subprocess.run(
        [sys.executable, PROBE, HOST, base, *files],
        cwd=base,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr[-4000:])
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    if not HOST:
        sys.exit("run it with `python dev.py bench import_time`, which names the host")
    subjects = {
        "ComfyUI-Genga": ROOT / "__init__.py",
        "the host's own comfy_extras/nodes_wan.py": Path(HOST) / "comfy_extras" / "nodes_wan.py",
    }
    with tempfile.TemporaryDirectory() as base:
        (Path(base) / "custom_nodes").mkdir()
        files = list(subjects.values())
        results = [one_run(base, files) for _ in range(RUNS + 1)][1:]  # the first one writes the bytecode
    print(f"{'what':<42}{'nodes':>6}{'median ms':>11}{'min':>8}{'max':>8}")
    medians = []
    for number, name in enumerate(subjects):
        times = [run[number]["seconds"] * 1000 for run in results]
        medians.append(statistics.median(times))
        nodes = len(results[0][number]["nodes"])
        print(f"{name:<42}{nodes:>6}{medians[-1]:>11.1f}{min(times):>8.1f}{max(times):>8.1f}")
    met = medians[0] < GOAL_MS
    print(f"goal: under {GOAL_MS} ms: {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
