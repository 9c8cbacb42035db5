"""How far colours drift over 24 windows, by ways to match them: which default Window Sampler should have.

A model that continues what it is shown stands for the real one: it is given the true scene, and draws it in the
colours of the frames it was handed, as far as ``memory`` says (1: all that has changed is carried on; 0: it returns to
the reference at every window). The VAE passes blocks of 8x8 to the last bit and then changes what it decodes: a gain
and an offset by channel, gamma, softness, or grain of its own. The engine is the pack's: head, decode, match, carry.

Figures: how much the mean of the last window's frames is off the true scene's, over what it was in window 0, in levels
of 255 (the worst channel); behind the stroke the same for the standard deviation, in per cent. Then the worst jump of
mean colour at a seam, in levels, beside that of the scene itself. "light" is a scene in which a lamp is lit half-way
(a method that undoes it is as far off as the lamp), "pan" a camera over a wide picture. "not held, 1 late": the model
draws the shared frames anew, a frame late, and overlap takes that for the VAE's doing; windows go on by 8 frames here
and by 72 in life, where a frame should weigh a ninth of it. The last rows run Wan's own layers: the tests' tiny VAE, which
interpolates its blocks, so that most of the contrast is gone after six windows, whatever is done.

Of a steady gain and offset, overlap leaves about one trip through the VAE at most (1.5 levels here, at the first seam,
where the model returns to the reference by itself); without it, all trips add up where the model does not. Needs
GENGA_COMFYUI; about five minutes on two cores.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import torch

ROOT = Path(__file__).resolve().parent.parent
HOST = os.environ.get("GENGA_COMFYUI", "")
WIDTH, HEIGHT, BLOCK = 128, 96, 8
FRAMES, OVERLAP, WINDOWS = 17, 9, 24
TINY_SIZE, TINY_WINDOWS = (64, 48), 6
WAYS = {
    "disabled": ("disabled", 1.0),
    "overlap": ("overlap", 1.0),
    "overlap .5": ("overlap", 0.5),
    "mkl": ("mkl", 1.0),
    "mkl .5": ("mkl", 0.5),
    "reinhard": ("reinhard", 1.0),
}


def length_of(windows: int) -> int:
    return FRAMES + (windows - 1) * (FRAMES - OVERLAP)


# ---------------------------------------------------------------- scenes, [N, H, W, 3] in blocks


def blocks(height: int, width: int, seed: int) -> torch.Tensor:
    """A soft random picture of one value a block, [height / 8, width / 8, 3], 0.1..0.9."""
    grid = (4, 5) if width >= WIDTH else (2, 2)  # a small one is softer, because the tiny VAE blurs
    coarse = torch.rand(1, 3, *grid, generator=torch.Generator().manual_seed(seed))
    size = (height // BLOCK, width // BLOCK)
    soft = torch.nn.functional.interpolate(coarse, size=size, mode="bicubic", align_corners=True)
    soft = (soft - soft.mean((2, 3), keepdim=True)) * 0.55 + torch.tensor([0.52, 0.45, 0.4])[None, :, None, None]
    return soft[0].permute(1, 2, 0).clamp(0.1, 0.9)


def whole(small: torch.Tensor) -> torch.Tensor:
    """[N, h, w, 3] -> [N, 8 h, 8 w, 3]."""
    return small.repeat_interleave(BLOCK, 1).repeat_interleave(BLOCK, 2)


def portrait(count: int, size: tuple[int, int]) -> torch.Tensor:
    """A still picture in which something moves."""
    width, height = size
    frames = blocks(height, width, 1).expand(count, -1, -1, -1).clone()
    spot = torch.tensor([0.75, 0.6, 0.55])
    for number, frame in enumerate(frames):
        column = number // 3 % (width // BLOCK - 2)
        frame[1:3, column : column + 2] = spot
    return frames


def pan(count: int, size: tuple[int, int]) -> torch.Tensor:
    """A camera over a picture six times as wide, a block every fourth frame, there and back."""
    width, height = size
    far = 5 * width // BLOCK
    wide = torch.cat([blocks(height, 3 * width, seed) * bright for seed, bright in ((1, 1.0), (5, 0.8))], 1)
    frames = []
    for number in range(count):
        step = number // 4 % (2 * far)
        start = step if step <= far else 2 * far - step
        frames.append(wide[:, start : start + width // BLOCK])
    return torch.stack(frames)


def light(count: int, size: tuple[int, int]) -> torch.Tensor:
    """The portrait; in its middle third a warm lamp is lit, a gain of 1.5 in red and 1.2 in blue."""
    still = portrait(count, size)
    lit = ((torch.arange(count) - count / 3) / (count / 3)).clamp(0, 1)[:, None, None, None]
    return still * (0.65 + lit * (torch.tensor([0.975, 0.88, 0.78]) - 0.65))


def white(count: int, size: tuple[int, int]) -> torch.Tensor:
    """The portrait before a wall at the end of the scale, with a part as dark as can be."""
    frames = portrait(count, size)
    frames[:, :, : frames.shape[2] // 3] = 1.0
    frames[:, -2:, frames.shape[2] // 2 :] = 0.0
    return frames


def mist(count: int, size: tuple[int, int]) -> torch.Tensor:
    """The portrait with next to no contrast: a standard deviation of 2 levels."""
    frames = portrait(count, size)
    return 0.7 + 0.06 * (frames - frames.mean())


SCENES = {"portrait": portrait, "pan": pan, "light": light, "white": white, "mist": mist}


# ---------------------------------------------------------------- what decoding does, [1, 3, F, H, W], -1..1


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values)[None, :, None, None, None]


def shifted(x: torch.Tensor) -> torch.Tensor:
    return x * column(1.015, 1.01, 1.02) + column(0.008, -0.004, -0.008)


def gamma(x: torch.Tensor) -> torch.Tensor:
    return 2 * ((x + 1) / 2).clamp(0, 1) ** 0.98 - 1


def soft(x: torch.Tensor) -> torch.Tensor:
    """A blur over blocks and their neighbours."""
    flat = x[0].transpose(0, 1)
    padded = torch.nn.functional.pad(flat, (BLOCK, BLOCK, BLOCK, BLOCK), mode="replicate")
    near = torch.nn.functional.avg_pool2d(padded, 2 * BLOCK + 1, 1)
    return (0.8 * flat + 0.2 * near).transpose(0, 1)[None]


def grain(x: torch.Tensor) -> torch.Tensor:
    """Detail that was not there: 4 per cent of noise, another at every call."""
    return x + 0.08 * torch.randn(x.shape, generator=torch.Generator().manual_seed(int(x.abs().sum())))


def unsteady(x: torch.Tensor) -> torch.Tensor:
    """Another offset and gain at every call."""
    generator = torch.Generator().manual_seed(int(x.abs().sum() * 16))
    off, gain = 0.01 * torch.randn(2, 1, 3, 1, 1, 1, generator=generator)
    return x * (1 + gain) + off


SHIFTS = {"none": None, "gain+offset": shifted, "gamma": gamma, "soft": soft, "grain": grain, "unsteady": unsteady}


# ---------------------------------------------------------------- the stand-in for the model


@dataclass(frozen=True)
class Case:
    """scene, shift: names. memory: how much of the shown frames' look the model goes on with. own: what the model adds
    to contrast at every window by itself. held: the shared latents are those of the carried frames, as InfiniteTalk
    has it; else the model draws them again, as WanAnimate. late: and draws them so many frames late. tiny: Wan's
    layers."""

    scene: str
    shift: str
    memory: float = 1.0
    own: float = 0.0
    held: bool = True
    late: int = 0
    tiny: bool = False

    @property
    def windows(self) -> int:
        return TINY_WINDOWS if self.tiny else WINDOWS

    @property
    def size(self) -> tuple[int, int]:
        return TINY_SIZE if self.tiny else (WIDTH, HEIGHT)

    @property
    def name(self) -> str:
        more = f", memory {self.memory:g}" if self.memory != 1 else ""
        more += f", model adds {100 * self.own:g} %" if self.own else ""
        more += "" if self.held else ", not held"
        more += f", {self.late} late" if self.late else ""
        return f"{self.scene}, {self.shift}{more}{', tiny VAE' if self.tiny else ''}"


class Continues:
    """A provider whose window is the true scene in the look of what is carried over."""

    def __init__(self, vae, case: Case, truth: torch.Tensor):
        self.vae, self.case, self.truth = vae, case, truth
        self.width, self.height = case.size

    def digest(self, window) -> str:
        return f"{window.index:064x}"

    def show(self, window, carried):
        frames = whole(self.truth[window.first : window.first + window.frames])
        if carried is not None:
            drawn = self.look(carried.frames, frames[: window.overlap], self.late(window, frames))
            frames = torch.cat((carried.frames, drawn[window.overlap :])) if self.case.held else drawn
        latents = self.vae.encode(frames)
        head = latents[:, :, : window.held].clone() if carried is not None and self.case.held else None
        return SimpleNamespace(
            edit=lambda name, conds: [{**cond, "answer": latents} for cond in conds],
            latent_shape=tuple(latents.shape),
            head=head,
            skip=0,
        )

    def late(self, window, frames: torch.Tensor) -> torch.Tensor:
        """``frames``, of which those that are shared are from a little earlier, where the case says so."""
        if not self.case.late:
            return frames
        first = window.first - self.case.late
        return torch.cat((whole(self.truth[first : first + window.overlap]), frames[window.overlap :]))

    def look(self, given: torch.Tensor, known: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        """``new`` as it would be where ``known`` is as ``given``: a line by channel through the blocks' colours."""
        x, y = (torch.nn.functional.avg_pool2d(each.permute(0, 3, 1, 2), BLOCK).double() for each in (known, given))
        x, y = (each.permute(0, 2, 3, 1).reshape(-1, 3) for each in (x, y))
        centred = x - x.mean(0)
        gain = (centred * (y - y.mean(0))).sum(0) / centred.square().sum(0)
        offset = y.mean(0) - gain * x.mean(0)
        memory = self.case.memory
        changed = new * (1 + memory * (gain - 1)).float() + (memory * offset).float()
        return (changed - 0.5) * (1 + self.case.own) + 0.5


def answering(model):
    """A GUIDER whose answer is in its conditioning."""
    import comfy.samplers

    class Answering(comfy.samplers.CFGGuider):
        def sample(self, noise, latent_image, *args, **options):
            return self.original_conds["positive"][0]["answer"].clone()

    guider = Answering(model)
    guider.set_conds([[torch.zeros(1, 1, 4096), {}]], [[torch.zeros(1, 1, 4096), {}]])
    return guider


# ---------------------------------------------------------------- measuring


@dataclass(frozen=True)
class Drift:
    """level: of means, of 255. contrast: of standard deviations, in per cent. seam: the worst jump, of 255."""

    level: float
    contrast: float
    seam: float


def drift_of(frames: torch.Tensor, truth: torch.Tensor) -> Drift:
    """Of a video against the scene, what both have in window 0 left out."""
    flat, true = frames.flatten(1, 2), truth.flatten(1, 2)
    off, spread = flat.mean(1) - true.mean(1), flat.std(1) / true.std(1)
    last = slice(len(frames) - (FRAMES - OVERLAP), None)
    level = (off[last].mean(0) - off[:FRAMES].mean(0)).abs().max()
    contrast = (spread[last].mean(0) / spread[:FRAMES].mean(0) - 1).abs().max()
    seams = range(FRAMES, len(frames), FRAMES - OVERLAP)
    seam = max(float((off[place] - off[place - 1]).abs().max()) for place in seams)
    return Drift(255 * float(level), 100 * float(contrast), 255 * seam)


class Bench:
    """Host, model and VAEs, and the rooms of the pack that are needed."""

    def __init__(self, base: Path):
        path = ROOT / "tests" / "tools" / "long_run.py"
        spec = importlib.util.spec_from_file_location("long_run", path)
        runs = sys.modules["long_run"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(runs)
        tools = runs.tools()
        tools.host.aim(Path(HOST), base)
        tools.pack.load_package("genga", tools.pack.pack_folder())
        tools.host.boot(Path(HOST), base)
        from genga_tests.tiny import files

        files.install(files.ensure(ROOT / ".dev" / "tiny"), base / "models")
        import nodes

        self.model = nodes.UNETLoader().load_unet(files.I2V_21, "default")[0]
        self.vae = nodes.VAELoader().load_vae(files.VAE)[0]
        self.base = base

    def vae_of(self, case: Case):
        from genga_tests.tools.quick_vae import quick

        shift = SHIFTS[case.shift]
        if not case.tiny:
            return quick(self.vae, shift=shift)
        if shift is None:
            return self.vae
        return shifting(self.vae, shift)

    def run(self, case: Case, way: str) -> Drift:
        import comfy.samplers
        from genga.samplers.windows import engine, plan, provider, store
        from genga_tests.tools.windowed import Silent, exact, frames_of

        count = length_of(case.windows)
        truth, vae = SCENES[case.scene](count, case.size), self.vae_of(case)
        windows = provider.Windows(plan.make(count, FRAMES, OVERLAP), Continues(vae, case, truth), Fraction(25))
        job = engine.Job(
            answering(self.model), comfy.samplers.sampler_object("euler"), torch.tensor([1.0, 0.0]), vae, windows, 0,
            colour=engine.Colour(*WAYS[way]),
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder, store.Store(Path(folder)) as kept:
            frames = frames_of(engine.run(job, kept, Silent(), exact))
        return drift_of(frames, whole(truth))


def shifting(vae, shift):
    """A copy of a host VAE whose pictures are shifted."""
    import copy

    twin = copy.copy(vae)
    inner = vae.first_stage_model
    twin.first_stage_model = SimpleNamespace(
        encode=inner.encode, decode=lambda z, *args, **options: shift(inner.decode(z, *args, **options))
    )
    return twin


def cases() -> list[Case]:
    found = [Case("portrait", shift) for shift in SHIFTS]
    found += [Case("portrait", "gain+offset", memory) for memory in (0.5, 0.0)]
    found += [Case("portrait", "gain+offset", memory, held=False) for memory in (1.0, 0.5, 0.0)]
    found += [Case("portrait", "none", own=0.015, held=held) for held in (True, False)]
    found += [Case(scene, "none", held=False, late=1) for scene in ("pan", "light")]
    scenes, shifts = ("pan", "light", "white", "mist"), ("none", "gain+offset", "grain")
    found += [Case(scene, shift) for scene in scenes for shift in shifts]
    return found + [Case(scene, "none", tiny=True) for scene in ("portrait", "light")]


def main() -> int:
    if not HOST:
        sys.exit("run it with `python dev.py bench drift`, which names the host")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as base, torch.inference_mode():
        bench = Bench(Path(base))
        print(f"{'scene, VAE':<38}" + "".join(f"{way:>18}" for way in WAYS), flush=True)
        for case in cases():
            found = [bench.run(case, way) for way in WAYS]
            texts = (f"{each.level:.1f}/{each.contrast:.1f}/{each.seam:.1f}" for each in found)
            print(f"{case.name:<38}" + "".join(f"{text:>18}" for text in texts), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
