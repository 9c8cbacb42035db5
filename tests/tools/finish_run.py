"""Run as a program: puts videos through the finishing nodes in a fresh process and tells what memory and time it took.

``finish_run.py JSON`` with the fields of ``Job``; the last line it prints is the JSON of a list of ``Measured``.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
DONE = "finish_run: "
RATE, FPS = 44100, Fraction(16)
PEER = "the host's nodes"
WAYS = ("UpscaleVideo", "ResizeVideo", "ColorMatchVideo", "ChangeFps", "TrimVideo", "JoinVideos")


@dataclass(frozen=True)
class Job:
    """host, base: folders. counts: frames of the videos that go through ``ways``, one node after the other; width,
    height: of them."""

    host: str
    base: str
    counts: tuple[int, ...]
    width: int = 32
    height: int = 24
    ways: tuple[str, ...] = WAYS


@dataclass(frozen=True)
class Measured:
    """peak: the most bytes the process held while the node worked. out: frames it made. seconds: of the processor."""

    way: str
    frames: int
    peak: int
    out: int
    seconds: float


def measured(job: Job) -> list[Measured]:
    """``job`` in a process of its own; RuntimeError with the end of what it said, if it failed."""
    program = subprocess.run(
        [sys.executable, str(Path(__file__).resolve()), json.dumps(asdict(job))],
        cwd=job.base,
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": str(1 << 20)},  # as in long_run.start
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    last = next((line for line in reversed(program.stdout.splitlines()) if line.startswith(DONE)), None)
    if program.returncode or last is None:
        raise RuntimeError(f"exit code {program.returncode}:\n{program.stdout[-4000:]}")
    return [Measured(**each) for each in json.loads(last[len(DONE) :])]


def write_source(path: Path, job: Job, count: int) -> Path:
    """A moving gradient with a tone, H.264 and AAC, written as it is made."""
    import av
    import numpy as np

    rows, columns = np.mgrid[: job.height, : job.width]
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = job.width, job.height, "yuv420p"
        sound = container.add_stream("aac", rate=RATE, layout="stereo")
        for n in range(count):
            picture = np.stack([rows * 2 + n, columns * 2 + n, rows + columns + 3 * n], -1) % 256
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="rgb24")))
            first, last = (int(place * RATE / FPS) for place in (n, n + 1))
            tone = (0.3 * np.sin(np.arange(first, last) * 0.06)).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(np.stack([tone, tone]), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = RATE, first, Fraction(1, RATE)
            container.mux(sound.encode(frame))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    return path


def steps(job: Job, nodes: dict, upscaler) -> dict[str, Callable]:
    """Each node with settings that make it work."""
    larger = (4 * job.width, 4 * job.height)
    return {
        "UpscaleVideo": lambda video: nodes["UpscaleVideo"].execute(video, upscaler),
        "ResizeVideo": lambda video: nodes["ResizeVideo"].execute(video, *larger, "crop", "lanczos"),
        "ColorMatchVideo": lambda video: nodes["ColorMatchVideo"].execute(video, "mkl", 1.0, "uniform"),
        "ChangeFps": lambda video: nodes["ChangeFps"].execute(video, 24.0, "blend"),
        "TrimVideo": lambda video: nodes["TrimVideo"].execute(video, "frames", 1.0, 0.0),
        "JoinVideos": lambda video: nodes["JoinVideos"].execute(video, video),
        PEER: lambda video: by_the_host(video, larger, Path(job.base)),
    }


def by_the_host(video, size: tuple[int, int], base: Path):
    """What ResizeVideo does, by the host's own nodes: Get Video Components, Upscale Image, Create Video, a file."""
    from comfy_api.latest import InputImpl, Types, io

    import nodes

    parts = video.get_components()
    (images,) = nodes.ImageScale().upscale(parts.images, "lanczos", *size, "center")
    made = Types.VideoComponents(images=images, audio=parts.audio, frame_rate=parts.frame_rate)
    path = str(base / "host.mp4")
    InputImpl.VideoFromComponents(made).save_to(path)
    return io.NodeOutput(InputImpl.VideoFromFile(path))


def run(job: Job) -> Iterator[Measured]:
    memory, tools = _load("long_run"), _load("pack")
    tools.alias_tests()
    from genga_tests.tools import host as host_tools

    base = Path(job.base)
    host_tools.aim(Path(job.host), base)
    tools.load_package("genga", tools.pack_folder())
    host_tools.boot(Path(job.host), base)
    import torch
    from comfy_api.latest import InputImpl
    from comfy_extras.nodes_upscale_model import UpscaleModelLoader
    from genga.nodes import finishing
    from genga_tests.tiny import files

    upscaler = UpscaleModelLoader.execute(files.UPSCALER).args[0]
    ways = steps(job, {node.__name__: node for node in finishing.NODES}, upscaler)
    sources = {count: write_source(base / f"{count}.mp4", job, count) for count in job.counts}
    with torch.inference_mode():
        for count in (min(job.counts), *job.counts):  # the first time, what nodes need once comes into memory
            video = InputImpl.VideoFromFile(str(sources[count]))
            for way in job.ways:
                memory.settle()
                begun = time.process_time()
                video = ways[way](video).args[0]
                yield Measured(way, count, memory.peak(), video.get_frame_count(), time.process_time() - begun)


def _load(name: str):
    spec = importlib.util.spec_from_file_location(f"genga_{name}", TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def main() -> None:
    job = json.loads(sys.argv[1])
    found = list(run(Job(**{**job, "counts": tuple(job["counts"]), "ways": tuple(job["ways"])})))
    sys.stdout.write("\n" + DONE + json.dumps([asdict(each) for each in found]) + "\n")


if __name__ == "__main__":
    main()
