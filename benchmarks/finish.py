"""Peak RAM of videos of 64 and 1024 frames in each finishing node, and of the same resize by the host's own nodes.

One process; the video goes from node to node: 48x32 with sound, upscaled by a tiny Real-ESRGAN to 192x128, resized,
matched in colour (two readings), to 24 fps, trimmed, joined with itself (3070 frames). "peak" is the most the process
held while the node worked; it holds PyTorch and the host itself. "as frames" is what the node made, as an IMAGE. The
peer makes four times larger what Resize Video does, with Get Video Components, Upscale Image and Create Video.
The claim: at 1024 frames every node's peak is within 5 % of that at 64. Linux; GENGA_COMFYUI names the host; about a
minute on a free core.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = os.environ.get("GENGA_COMFYUI", "")
FEW, MANY, LIMIT, MB = 64, 1024, 1.05, 1e6
SIZE = (48, 32)


def finish_run():
    """tests/tools/finish_run.py, which does the work in a process of its own."""
    spec = importlib.util.spec_from_file_location("finish_run", ROOT / "tests" / "tools" / "finish_run.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["finish_run"] = module
    spec.loader.exec_module(module)
    return module


def stage(base: Path) -> Path:
    """A base folder with the tiny models of the tests."""
    sys.path.insert(0, str(ROOT / "tests"))
    from tiny import files

    files.install(files.ensure(ROOT / ".dev" / "tiny"), base / "models")
    return base


def line(few, many) -> str:
    frames = many.out * 16 * SIZE[0] * SIZE[1] * 3 * 4 / MB
    peaks = f"{few.peak / MB:>10.0f}{many.peak / MB:>11.0f}{many.peak / few.peak:>8.3f}"
    return f"{many.way:<20}{many.out:>8}{frames:>14.0f}{peaks}{1000 * many.seconds / many.out:>12.1f}"


def main() -> int:
    if not HOST:
        sys.exit("run it with `python dev.py bench finish`, which names the host")
    runs = finish_run()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        base = stage(Path(folder))
        job = runs.Job(HOST, str(base), (FEW, MANY), *SIZE)
        found = runs.measured(job) + runs.measured(runs.Job(HOST, str(base), (FEW, MANY), *SIZE, (runs.PEER,)))
    heads = f"{'way':<20}{'frames':>8}{'MB as frames':>14}{f'peak {FEW}':>10}{f'peak {MANY}':>11}{'ratio':>8}"
    print(f"{heads}{'ms/frame':>12}")
    last = {(each.way, each.frames): each for each in found}
    worst = 0.0
    for way in (*runs.WAYS, runs.PEER):
        few, many = last[way, FEW], last[way, MANY]
        print(line(few, many))
        worst = max(worst, many.peak / few.peak) if way != runs.PEER else worst
    print(f"largest ratio of ours: {worst:.3f} (goal: at most {LIMIT:g}): {'met' if worst <= LIMIT else 'MISSED'}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
