"""Run as a program: makes one long video in a fresh process and tells what memory and time it took.

``long_run.py JSON`` with the fields of ``Job``; the last line it prints is the JSON of ``Measured``. The way
"windows" goes through the pack's nodes; "chain" through the host's own, one window after the other by hand; "models"
only writes the random model for them, so that making it leaves no traces in the memory of those processes.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib.util
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
RATE, FPS = 16000, 25
DONE = "long_run: "
BASE_MODEL, AUDIO_LAYERS = "random_wan2.1_i2v.safetensors", "random_InfiniteTalk.safetensors"


@dataclass(frozen=True)
class Job:
    """host, base: folders. In base there are to be the models that the way "models" makes; what a run of one way and
    length writes goes into a folder of its own there, so that another finds nothing of it.

    width, height, window, overlap: of the video; windows: how many. film: the reference is a VIDEO read by time.
    dim, layers: of the random model; 5120 and 40 are Wan 14B's. true_vae: with Wan's layers (slow), in place of
    tests/tools/quick_vae.py. gpu: let the host use it.
    """

    host: str
    base: str
    windows: int
    way: str = "windows"
    width: int = 256
    height: int = 160
    window: int = 17
    overlap: int = 5
    steps: int = 1
    film: bool = False
    dim: int = 640
    layers: int = 2
    true_vae: bool = False
    gpu: bool = False

    @property
    def frames(self) -> int:
        """So many that the last window is full."""
        return self.window + (self.windows - 1) * (self.window - self.overlap)


@dataclass
class Measured:
    """Bytes and seconds. peak: the most the process held since its models were loaded. held: what it held when each
    window began, and at the end. vram: the most on the GPU during each window. seconds: of the whole run."""

    peak: int = 0
    held: list[int] = field(default_factory=list)
    vram: list[int] = field(default_factory=list)
    seconds: float = 0.0
    version: str = ""


def start(job: Job, steady: bool = True) -> subprocess.Popen:
    """A process of its own for ``job``. steady: what it frees is given back at once, where the C library is GNU's.

    By itself that library keeps freed blocks of up to 32 MB for later; how much of them is in memory at a moment
    differs by some per cent from run to run, and would hide or feign growth.
    """
    command = [sys.executable, str(Path(__file__).resolve()), json.dumps(asdict(job))]
    return subprocess.Popen(
        command,
        cwd=job.base,
        env={**os.environ, **({"MALLOC_MMAP_THRESHOLD_": str(1 << 20)} if steady else {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )


def finish(process: subprocess.Popen) -> Measured:
    """Waits for it; RuntimeError with the end of what it said, if it failed."""
    said, _ = process.communicate()
    last = next((line for line in reversed(said.splitlines()) if line.startswith(DONE)), None)
    if process.returncode or last is None:
        raise RuntimeError(f"exit code {process.returncode}:\n{said[-4000:]}")
    return Measured(**json.loads(last[len(DONE) :]))


# ---------------------------------------------------------------- memory of this process


def _status(name: str) -> int | None:
    """Bytes, from Linux's account of this process; None elsewhere."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), None)


def resident() -> int:
    import psutil

    return psutil.Process().memory_info().rss


def peak() -> int:
    """The most this process held: since ``settle`` on Linux, else since its start.

    Not getrusage on Linux: a child's figure begins with what its parent held when it was started.
    """
    import psutil

    counted = _status("VmHWM") or getattr(psutil.Process().memory_info(), "peak_wset", None)
    if counted is None:
        import resource

        counted = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
    return counted


def settle() -> None:
    """Memory as it is from here on counts, where that can be told: without what loading left in the C library's
    hands, which differs by a tenth from run to run, and without the peak of loading."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


class Watch:
    """Notes memory whenever a window begins."""

    def __init__(self, measured: Measured, gpu: bool):
        self.measured, self.gpu = measured, gpu

    def window(self) -> None:
        if self.gpu:
            import torch

            if self.measured.held:
                self.measured.vram.append(torch.cuda.max_memory_allocated())
            torch.cuda.reset_peak_memory_stats()
        self.measured.held.append(resident())


# ---------------------------------------------------------------- models


@dataclass
class Stage:
    """The host, and what both ways begin with."""

    job: Job
    host: object
    model: object
    vae: object
    encoder: object
    positive: list
    picture: object
    audio: dict


def set_up(job: Job) -> Stage:
    """A random Wan 2.1 I2V model, the tests' VAE and audio encoder, a portrait and a speech of the right length."""
    found = tools()
    base = Path(job.base)
    own = Path(job.base) / f"{job.way}_{job.windows}"
    folders = ("--user-directory", str(own / "user"), "--output-directory", str(own / "output"))
    for folder in folders[1::2]:
        Path(folder).mkdir(parents=True)
    found.host.aim(Path(job.host), base, folders if job.gpu else ("--cpu", *folders))
    found.pack.load_package("genga", found.pack.pack_folder())
    host = found.host.boot(Path(job.host), base)
    from genga_tests.tiny import files

    files.install(files.ensure(found.pack.ROOT / ".dev" / "tiny"), base / "models")
    import torch
    from comfy_extras.nodes_audio_encoder import AudioEncoderLoader
    from genga_tests.tools.quick_vae import quick

    import nodes

    generator = torch.Generator().manual_seed(1)
    vae = nodes.VAELoader().load_vae(files.VAE)[0]
    return Stage(
        job=job,
        host=host,
        model=nodes.UNETLoader().load_unet(BASE_MODEL, "default")[0],
        vae=vae if job.true_vae else quick(vae),
        encoder=AudioEncoderLoader.execute(files.AUDIO_ENCODER).args[0],
        positive=[[0.1 * torch.randn(1, 8, 4096, generator=generator), {}]],
        picture=torch.rand(1, job.height, job.width, 3, generator=generator),
        audio={
            "waveform": 0.1 * torch.randn(1, 1, job.frames * RATE // FPS, generator=generator),
            "sample_rate": RATE,
        },
    )


def tools():
    """The tests' tools under the name they have in tests."""
    spec = importlib.util.spec_from_file_location("genga_bootstrap", TESTS / "tools" / "pack.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.alias_tests()
    from types import SimpleNamespace

    from genga_tests.tools import host, pack

    return SimpleNamespace(host=host, pack=pack)


def audio_layers(job: Job) -> Path:
    return Path(job.base) / "models" / "model_patches" / AUDIO_LAYERS


def make_models(job: Job) -> None:
    """Writes the random model and its audio layers, each where the host looks for it."""
    from safetensors.torch import save_file

    model = Path(job.base) / "models" / "diffusion_models" / BASE_MODEL
    for path, weights in ((model, base_weights), (audio_layers(job), talk_weights)):
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(weights(job), path)


def base_weights(job: Job) -> dict:
    """A random Wan 2.1 I2V model of the job's width and depth."""
    from genga_tests.tiny import wan

    sizes = {wan.DIM: job.dim, 6 * wan.DIM: 6 * job.dim}
    narrow = wan.shapes("i2v_clip", job.layers)
    return filled({name: tuple(sizes.get(size, size) for size in shape) for name, shape in narrow.items()})


def talk_weights(job: Job) -> dict:
    """InfiniteTalk's audio layers for that model."""
    from genga_tests.tiny import talk

    return filled(talk.shapes(job.dim, job.layers))


def filled(shapes: dict) -> dict:
    """Random fp16 tensors of these shapes out of one pool: numbers for 14B weights would take minutes to draw."""
    import torch

    pool = torch.randn(1 << 22, generator=torch.Generator().manual_seed(2)).half()
    found = {}
    for name, shape in shapes.items():
        flat = len(shape) == 1
        tensor = torch.full(shape, 0.0 if name.endswith("bias") else 1.0, dtype=torch.float16)
        if not flat:
            count = tensor.numel()
            rows = pool.repeat(-(-count // len(pool)))[:count]
            tensor = rows.view(shape) * (count // shape[0]) ** -0.5
        found[name] = tensor
    return found


# ---------------------------------------------------------------- the pack's way


def by_windows(stage: Stage, measured: Measured) -> None:
    """InfiniteTalk Loader, Audio Guider, InfiniteTalk Window, Window Sampler."""
    import comfy.samplers
    import torch
    from genga.nodes import guiding, loading, talking, windows

    job = stage.job
    model = loading.InfiniteTalkLoader.execute(stage.model, AUDIO_LAYERS).args[0]
    guider = guiding.AudioGuider.execute(model, stage.positive, None, 1.0, 1.0).args[0]
    picture = film(job) if job.film else stage.picture
    settle()
    began = time.perf_counter()
    shown = talking.InfiniteTalkWindow.execute(
        stage.vae, picture, stage.audio, stage.encoder, job.width, job.height, job.frames, job.window, job.overlap,
        1.0, reference_by="time" if job.film else "fixed",
    ).args[0]  # fmt: skip
    watch = Watch(measured, job.gpu)
    shown = replace(shown, provider=Watched(shown.provider, watch))
    sigmas = torch.linspace(1.0, 0.0, job.steps + 1)
    out = windows.WindowSampler.execute(guider, comfy.samplers.sampler_object("euler"), sigmas, stage.vae, shown, 5)
    watch.window()
    measured.seconds = time.perf_counter() - began
    if out.args[3] != job.frames:
        raise RuntimeError(f"{out.args[3]} frames came out, not {job.frames}")


class Watched:
    """A provider that tells when a window begins."""

    def __init__(self, provider, watch: Watch):
        self.provider, self.watch = provider, watch
        self.width, self.height = provider.width, provider.height

    def digest(self, window) -> str:
        return self.provider.digest(window)

    def show(self, window, carried):
        self.watch.window()
        return self.provider.show(window, carried)


def film(job: Job):
    """A VIDEO of another rate, as long as the speech, whose picture moves."""
    import torch
    from comfy_api.latest import InputImpl
    from genga.media.video import VideoWriter

    path = Path(job.base) / f"film_{job.windows}.mp4"
    generator = torch.Generator().manual_seed(3)
    wide = torch.rand(job.height // 8, job.width // 4, 3, generator=generator)
    wide = wide.repeat_interleave(8, 0).repeat_interleave(8, 1)
    with VideoWriter(path, Fraction(12)) as writer:
        for number in range(job.frames * 12 // FPS + 1):
            writer.write(wide.roll(number, 1)[:, : job.width])
    return InputImpl.VideoFromFile(str(path))


# ---------------------------------------------------------------- the host's nodes


def by_hand(stage: Stage, measured: Measured) -> None:
    """The host's nodes as a graph chains them, window by window, all frames so far held: it needs them (0.29) or has
    no other place for them. Only the frames and one window are kept; a graph's cache may hold more."""
    import torch
    from comfy_api.latest import InputImpl, Types

    import nodes

    job, vae = stage.job, stage.vae
    settle()
    began = time.perf_counter()
    window_of = _talking_window(stage) or _plain_window(stage)
    watch, frames = Watch(measured, job.gpu), None
    for number in range(job.windows):
        watch.window()
        model, positive, latent, known = window_of(frames)
        sampled = _sample(model, positive, latent, job.steps, number)
        pixels = nodes.VAEDecode().decode(vae, sampled)[0]
        frames = pixels if frames is None else torch.cat((frames, pixels[known:]))
        del model, positive, latent, sampled, pixels
    watch.window()
    parts = Types.VideoComponents(images=frames, audio=stage.audio, frame_rate=Fraction(FPS))
    InputImpl.VideoFromComponents(parts).save_to(str(Path(job.base) / f"chain_{job.windows}.mp4"))
    measured.seconds = time.perf_counter() - began
    if len(frames) != job.frames:
        raise RuntimeError(f"{len(frames)} frames came out, not {job.frames}")


def _talking_window(stage: Stage):
    """Window by the host's own InfiniteTalk node; None where it has none."""
    import comfy.model_patcher
    import comfy.ops
    import comfy.utils
    from comfy_extras import nodes_audio_encoder, nodes_wan
    from genga_tests.tiny import talk

    node = getattr(nodes_wan, "WanInfiniteTalkToVideo", None)
    if node is None:
        return None
    from comfy_extras.nodes_model_patch import MultiTalkModelPatch

    job = stage.job
    audio = MultiTalkModelPatch(
        in_dim=job.dim, intermediate_dim=talk.HIDDEN, num_layers=job.layers, operations=comfy.ops.manual_cast
    )
    audio.load_state_dict(comfy.utils.load_torch_file(str(audio_layers(job))))
    patch = comfy.model_patcher.CoreModelPatcher(audio, stage.model.load_device, stage.model.offload_device)
    heard = nodes_audio_encoder.AudioEncoderEncode.execute(stage.encoder, stage.audio).args[0]

    def window(frames):
        model, positive, _, latent, trim = node.execute(
            {"mode": "single_speaker"}, stage.model, patch, stage.positive, stage.positive, stage.vae, job.width,
            job.height, job.window, heard, job.overlap, start_image=stage.picture, previous_frames=frames,
            audio_scale=1.0,
        ).args  # fmt: skip
        return model, positive, latent, trim

    return window


def _plain_window(stage: Stage):
    """Window by WanImageToVideo, which goes on from the last frames and hears nothing."""
    from comfy_extras.nodes_wan import WanImageToVideo

    job = stage.job

    def window(frames):
        start_image = stage.picture if frames is None else frames[-job.overlap :]
        positive, _, latent = WanImageToVideo.execute(
            stage.positive, stage.positive, stage.vae, job.width, job.height, job.window, 1, start_image=start_image
        ).args
        return stage.model, positive, latent, 0 if frames is None else job.overlap

    return window


def _sample(model, positive, latent: dict, steps: int, seed: int) -> dict:
    import comfy.samplers
    import torch
    from comfy_extras.nodes_custom_sampler import Guider_Basic, Noise_RandomNoise, SamplerCustomAdvanced

    guider = Guider_Basic(model)
    guider.set_conds(positive)
    euler = comfy.samplers.sampler_object("euler")
    sigmas = torch.linspace(1.0, 0.0, steps + 1)
    return SamplerCustomAdvanced.execute(Noise_RandomNoise(seed), guider, euler, sigmas, latent).args[0]


def main() -> None:
    job = Job(**json.loads(sys.argv[1]))
    measured = Measured()
    if job.way == "models":
        tools()
        make_models(job)
    else:
        run(job, measured)
    sys.stdout.write("\n" + DONE + json.dumps(asdict(measured)) + "\n")


def run(job: Job, measured: Measured) -> None:
    stage = set_up(job)
    import torch

    with torch.inference_mode():
        {"windows": by_windows, "chain": by_hand}[job.way](stage, measured)
    measured.peak, measured.version = peak(), stage.host.version


if __name__ == "__main__":
    main()
