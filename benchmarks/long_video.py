"""Peak RAM and seconds per window of videos of 2 to 128 windows: the window engine beside the host's own nodes.

A process of its own for every length and way. A random InfiniteTalk model (width 640, 2 layers) speaks as long as
there are windows, 17 frames of 256x160 that share 5, in one step; a stand-in for the VAE, so that a window takes half
a second and the frames weigh: 5.9 MB a window, as what a graph holds. "windows" is InfiniteTalk Window and Window
Sampler with everything they do: features, segments, store, the joined file. "chain" is the host's own nodes one after
the other: WanInfiniteTalkToVideo, which wants all frames so far, or, where the host is too old to have it,
WanImageToVideo on the last frames, without sound; then VAE Decode, one batch of all frames, a file. Nothing else is
kept of the chain: a graph's cache may hold more.

"peak" is the most the process held once models were loaded; "begin" and "end" what it held when the second window began
and at the end. The GNU C library keeps what is freed in blocks of up to 32 MB, and how much of that is in memory
differs by three per cent from run to run; so it is told to give them back, and "as it is" shows two runs without.
The claim: the engine's peak at 128 windows is within 5 % of that at 4. On a machine with an NVIDIA GPU it also runs a
random 14B-sized model there (as many layers as fit) and tells the most VRAM of window 2 and of those after it.
GENGA_COMFYUI names the host; about 5 minutes.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = os.environ.get("GENGA_COMFYUI", "")
COUNTS, COMPARED, LIMIT = (2, 4, 8, 32, 128), (4, 128), 1.05
CHAINED = (2, 8, 32, 128)
MB = 1e6
GPU_WINDOWS, GPU_STEPS, FULL_LAYERS = 6, 4, 40
_LAYER_BYTES = 0.9e9  # of the 14B-sized model with its audio layers, in fp16
_SPARE_BYTES = 12e9  # for the rest of the model and what a window needs


def long_run():
    """tests/tools/long_run.py, which does the work in processes of its own."""
    path = ROOT / "tests" / "tools" / "long_run.py"
    spec = importlib.util.spec_from_file_location("long_run", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["long_run"] = module
    spec.loader.exec_module(module)
    return module


def measure(runs, job, steady: bool = True):
    """``job`` in a fresh process, with the model that is in its base already."""
    return runs.finish(runs.start(job, steady))


@contextlib.contextmanager
def stage(runs, job):
    """``job`` with a folder that holds its model."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as base:
        job = replace(job, host=HOST, base=base)
        measure(runs, replace(job, way="models"))
        yield job


def way_of_the_host(host: Path) -> str:
    text = (host / "comfy_extras" / "nodes_wan.py").read_text(encoding="utf-8")
    return "WanInfiniteTalkToVideo" if "class WanInfiniteTalkToVideo" in text else "WanImageToVideo, no sound"


def line(name: str, job, found) -> str:
    frames = f"{job.frames * job.width * job.height * 3 * 4 / MB:.0f}"
    memory = f"{found.peak / MB:>9.0f}{found.held[1] / MB:>9.0f}{found.held[-1] / MB:>9.0f}"
    return f"{name:<34}{job.windows:>8}{job.frames:>8}{frames:>10}{memory}{found.seconds / job.windows:>10.2f}"


def on_the_cpu(runs) -> int:
    """Prints the table; 1 where the engine's memory grows."""
    heads = f"{'way':<34}{'windows':>8}{'frames':>8}{'MB of RGB':>10}{'peak MB':>9}{'begin':>9}{'end':>9}"
    print(f"{heads}{'s/window':>10}", flush=True)
    chain = f"chain of {way_of_the_host(Path(HOST))}"
    rows = [("Window Sampler", "windows", True, COUNTS), ("Window Sampler, libc as it is", "windows", False, COMPARED)]
    rows.append((chain, "chain", True, CHAINED))
    peaks = {}
    for name, way, steady, counts in rows:
        with stage(runs, runs.Job("", "", 1)) as base:
            for count in counts:
                job = replace(base, windows=count, way=way)
                found = measure(runs, job, steady)
                peaks[name, count] = found.peak
                print(line(name, job, found), flush=True)
    few, many = (peaks["Window Sampler", count] for count in COMPARED)
    verdict = "met" if many <= LIMIT * few else "MISSED"
    goal = f"(goal: at most {LIMIT:g}): {verdict}"
    print(f"peak at {COMPARED[1]} windows: {many / few:.3f} of that at {COMPARED[0]} {goal}", flush=True)
    return int(many > LIMIT * few)


def on_the_gpu(runs) -> None:
    """One line on VRAM where PyTorch has CUDA: not a goal, because what else the GPU does counts, too."""
    import torch

    if not torch.cuda.is_available():
        print("no NVIDIA GPU here: VRAM is not measured")
        return
    free, _ = torch.cuda.mem_get_info()
    layers = int(min(FULL_LAYERS, max(1, (free - _SPARE_BYTES) // _LAYER_BYTES)))
    job = runs.Job(
        "", "", GPU_WINDOWS, width=832, height=480, window=81, overlap=9, steps=GPU_STEPS, dim=5120, layers=layers,
        true_vae=True, gpu=True,
    )  # fmt: skip
    with stage(runs, job) as job:
        found = measure(runs, job)
    second, later = found.vram[1], max(found.vram[2:])
    print(
        f"{torch.cuda.get_device_name()}: random model of width 5120, {layers} layers, windows of 81 frames 832x480, "
        f"{GPU_STEPS} steps; VRAM at most {second / MB:.0f} MB in window 2, {later / MB:.0f} MB after it; "
        f"RAM {found.held[2] / MB:.0f} MB when window 3 began, {found.held[-1] / MB:.0f} MB at the end; "
        f"{found.seconds / GPU_WINDOWS:.0f} s/window"
    )


def main() -> int:
    if not HOST:
        sys.exit("run it with `python dev.py bench long_video`, which names the host")
    runs = long_run()
    result = on_the_cpu(runs)
    on_the_gpu(runs)
    return result


if __name__ == "__main__":
    sys.exit(main())
