"""Peak RAM of FramePack F1 videos of 10 to 120 seconds: FramePack Decode beside the host's VAE Decode.

A process of its own for every row. A tiny F1 model draws sections of 36 frames of 192x112 in one step, and a stand-in
for the VAE decodes them, so that the frames weigh and the work does not: 9.3 MB a section, as what a graph holds.
"windowed" is FramePack Sampler, FramePack Decode and Save Video with all they do: sections kept in the store, the
lossless file, the encoded one. "whole" has the host's VAE Decode in its place, which gives all frames at once.

"peak" is the most the process held once its models were loaded; the other columns what it held before sampling, after
it, after decoding, and at the end. As in long_video.py the GNU C library is told to give back what is freed.
The claim: the peak of 60 s, windowed, is within 5 % of that of 10 s. GENGA_COMFYUI names the host; about 4 minutes.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = os.environ.get("GENGA_COMFYUI", "")
ROWS = (("windowed", 10), ("windowed", 60), ("windowed", 120), ("whole", 10), ("whole", 60))
COMPARED, LIMIT = (10, 60), 1.05
MB = 1e6


def tool(name: str):
    """A module of tests/tools, which does the work in processes of its own."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def main() -> int:
    if not HOST:
        sys.exit("run it with `python dev.py bench framepack_memory`, which names the host")
    long_run, framepack_run = tool("long_run"), tool("framepack_run")
    columns = ("peak MB", "before", "sampled", "decoded", "end")
    heads = f"{'way':<10}{'seconds':>8}{'frames':>8}{'MB of RGB':>11}"
    print(heads + "".join(f"{name:>9}" for name in columns) + f"{'time':>9}", flush=True)
    peaks = {}
    for way, seconds in ROWS:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as base:
            job = framepack_run.Job(HOST, base, seconds, way)
            found = long_run.finish(framepack_run.start(job))
        peaks[way, seconds] = found.peak
        held = "".join(f"{value / MB:>9.0f}" for value in (found.peak, *found.held))
        weight = job.frames * job.width * job.height * 3 * 4 / MB
        print(f"{way:<10}{seconds:>8}{job.frames:>8}{weight:>11.0f}{held}{found.seconds:>7.0f} s", flush=True)
    few, many = (peaks["windowed", seconds] for seconds in COMPARED)
    verdict = "met" if many <= LIMIT * few else "MISSED"
    goal = f"(goal: at most {LIMIT:g}): {verdict}"
    print(f"peak of {COMPARED[1]} s: {many / few:.3f} of that of {COMPARED[0]} s {goal}", flush=True)
    return int(many > LIMIT * few)


if __name__ == "__main__":
    sys.exit(main())
