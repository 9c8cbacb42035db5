"""Run as a program: makes one FramePack F1 video in a fresh process and tells what memory and time it took.

``framepack_run.py JSON`` with the fields of ``Job``; the last line it prints is the JSON of long_run.Measured, whose
``held`` is what the process held before it sampled, after that, after decoding, and when the file was written. The way
"windowed" goes through FramePack Sampler, FramePack Decode and Save Video; "whole" decodes with the host's VAE Decode.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """host, base: folders; a run writes into a folder of its own in base. width, height: of the frames."""

    host: str
    base: str
    seconds: float
    way: str = "windowed"
    width: int = 192
    height: int = 112
    steps: int = 1

    @property
    def sections(self) -> int:
        return max(round(self.seconds * 30 / 36), 1)

    @property
    def frames(self) -> int:
        return 36 * self.sections + 1


def start(job: Job, steady: bool = True) -> subprocess.Popen:
    """A process of its own for ``job``; wait for it with long_run.finish. steady: as in long_run.start."""
    command = [sys.executable, str(Path(__file__).resolve()), json.dumps(asdict(job))]
    environ = {**os.environ, **({"MALLOC_MMAP_THRESHOLD_": str(1 << 20)} if steady else {})}
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8", "errors": "replace"}
    return subprocess.Popen(command, cwd=job.base, env=environ, **pipe)


def main() -> None:
    import long_run  # beside this file

    job, measured = Job(**json.loads(sys.argv[1])), long_run.Measured()
    found = long_run.tools()
    own = Path(job.base) / f"{job.way}_{job.sections}"
    folders = [f"--{name}-directory={own / name}" for name in ("user", "output", "temp")]
    for name in ("user", "output", "temp"):
        (own / name).mkdir(parents=True)
    found.host.aim(Path(job.host), Path(job.base), ("--cpu", *folders))
    found.pack.load_package("genga", found.pack.pack_folder())
    host = found.host.boot(Path(job.host), Path(job.base))
    import torch

    with torch.inference_mode():
        run(job, measured, long_run)
    measured.peak, measured.version = long_run.peak(), host.version
    sys.stdout.write("\n" + long_run.DONE + json.dumps(asdict(measured)) + "\n")


def material(job: Job) -> dict:
    """The tiny F1 model, a VAE that costs nothing, and random inputs."""
    import torch
    from genga.loaders.framepack import files as loader
    from genga.loaders.options import LoadOptions
    from genga_tests.tiny import files, hunyuan, images
    from genga_tests.tools.pack import ROOT
    from genga_tests.tools.quick_vae import quick

    import nodes

    models = Path(job.base) / "models"
    files.install(files.ensure(ROOT / ".dev" / "tiny"), models)
    path = models / "diffusion_models" / files.FRAMEPACK_F1
    generator = torch.Generator().manual_seed(1)
    text = torch.randn(1, 7, hunyuan.LLAMA["hidden_size"], generator=generator)
    pooled = torch.randn(1, images.CLIP_L["hidden_size"], generator=generator)
    return {
        "model": loader.load(path, LoadOptions(), loader.inspect(path)).model,
        "vae": quick(nodes.VAELoader().load_vae(files.HUNYUAN_VAE)[0]),
        "prompt": [[text, {"pooled_output": pooled}]],
        "start": {"samples": torch.randn(1, 16, 1, job.height // 8, job.width // 8, generator=generator)},
    }


def run(job: Job, measured, long_run) -> None:
    from genga.nodes import framepack, framepack_video, output

    import nodes

    given = material(job)
    long_run.settle()
    began = time.perf_counter()
    measured.held.append(long_run.resident())
    latent, frames, _ = framepack.FramePackSampler.execute(
        given["model"], given["prompt"], given["prompt"], given["start"], "f1", job.seconds, 9, 3, job.steps, 1.0, "euler",
        "framepack", "auto", "none", False, True, vae=given["vae"],
    ).args  # fmt: skip
    measured.held.append(long_run.resident())
    if job.way == "windowed":
        film = {"video": framepack_video.FramePackDecode.execute(latent, given["vae"]).args[0]}
    else:
        film = {"images": nodes.VAEDecode().decode(given["vae"], latent)[0]}
    measured.held.append(long_run.resident())
    output.SaveVideo.execute("framepack/framepack", fps=30.0, **film)
    measured.held.append(long_run.resident())
    measured.seconds = time.perf_counter() - began
    if frames != job.frames:
        raise RuntimeError(f"{frames} frames came out, not {job.frames}")


if __name__ == "__main__":
    main()
