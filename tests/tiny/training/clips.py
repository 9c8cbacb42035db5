"""Stage 2: clips as latents, with captions as embeddings, so that the flow models need neither VAE nor text encoder."""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor

import torch

from .. import vae as computed
from .. import world
from .run import Run
from .shown import between, shown
from .vae import network, pixels, quick

LENGTHS = {17: 0.5, 33: 0.15, 49: 0.1, 81: 0.25}
TAKES = 2  # choices of key pictures for every clip
CHUNK = 25
_MEAN = torch.tensor(computed.MEAN)[:, None, None, None]
_STD = torch.tensor(computed.STD)[:, None, None, None]


def captions(scene: world.Scene) -> list[str]:
    """The ways a caption may be said: plain, and with AniSora's score sentence (twice, for it is the usual one)."""
    from genga.conditioning.prompt import anisora_prompt

    scored = anisora_prompt(scene.caption, scene.score)
    wordless = anisora_prompt(scene.caption.rsplit(",", 1)[0], scene.score)
    return [scene.caption + ".", scored, wordless]


def normal(z: torch.Tensor) -> torch.Tensor:
    """[16, T, h, w] as the host gives it to the model."""
    return (z - _MEAN) / _STD


def make(run: Run, counts: dict[int, int], workers: int, first: int = 1_000_000) -> None:
    """``counts[frames]`` clips of each length into files of CHUNK clips, by ``workers`` processes of one thread.

    first: what seeds begin with, times the length.
    """
    wanted = [(frames, part) for frames, count in counts.items() for part in range(count // CHUNK)]
    missing = [item for item in wanted if not (run.folder / "clips" / name(*item)).exists()]
    (run.folder / "clips").mkdir(exist_ok=True)
    begun = time.monotonic()
    arguments = [(str(run.folder), *item, first) for item in missing]
    done = map(_work, arguments)
    if workers > 1:
        pool = ProcessPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
        done = pool.map(_work, arguments)
    for number, _ in enumerate(done, 1):
        run.say(f"[clips] {number} of {len(missing)} files, {time.monotonic() - begun:.0f} s")


def name(frames: int, part: int) -> str:
    return f"{frames}_{part:04d}.pt"


@torch.no_grad()
def _work(arguments: tuple[str, int, int, int]) -> None:
    from pathlib import Path

    folder, frames, part, first = arguments
    run = Run(Path(folder))
    net = quick(network(run.tensors("vae")))
    made = [clip_of(net, first * frames + part * CHUNK + number, frames) for number in range(CHUNK)]
    path = run.folder / "clips" / name(frames, part)
    torch.save(made, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)


def clip_of(net, seed: int, frames: int) -> dict:
    """One clip: its latent, its captions, TAKES choices of key pictures, its first frame as the only one, and pictures
    inside latent frames; all in the model's own scale."""
    clip = world.draw(world.scene(seed, frames))
    takes = [shown(clip, seed * 7 + number) for number in range(TAKES)]
    begun = torch.full_like(clip.frames, 0.5)  # grey, as where no picture is
    begun[0] = clip.frames[0]
    inside = between(clip, seed * 7 + 5)
    videos = torch.stack([clip.frames, *(take.pixels for take in takes), begun, inside.pixels])
    latents = [normal(z).half() for z in net.encode(pixels(videos))]
    return {
        "x": latents[0],
        "captions": captions(clip.scene),
        "shown": latents[1 : 1 + TAKES],
        "begun": latents[-2],
        "between": [inside.known.half(), latents[-1]],
        "known": [take.known.half() for take in takes],
    }


def load(run: Run) -> dict[int, list[dict]]:
    """All clips by their length."""
    found: dict[int, list[dict]] = {}
    for path in sorted((run.folder / "clips").glob("*.pt")):
        found.setdefault(int(path.name.split("_")[0]), []).extend(torch.load(path, weights_only=True))
    return found


@torch.no_grad()
def grey(net, lengths) -> dict[int, torch.Tensor]:
    """The latent of a clip without pictures, by length."""
    return {frames: normal(net.encode(torch.zeros(1, 3, frames, world.SIZE, world.SIZE))[0]) for frames in lengths}


@torch.no_grad()
def embeddings(texts: set[str]) -> dict[str, torch.Tensor]:
    """Each caption's tokens [n, 4096], without the padding; tests compare them with the host's own text encoder."""
    from .. import world_text

    return {words: rows.half() for words, rows in world_text.Encoder().read(sorted(texts))}
