"""Colour transfer: ms per 832x480 frame and method, beside color-matcher and the host's Transfer Color.

One process, one set of frames, the contenders in turn within each round, so that what else the machine does
falls on all alike; medians of the rounds, and the range of the rounds' ratios. Each does the whole job of a node,
IMAGE in and IMAGE out. The peer is driven as its nodes drive it: one frame at a time as float32, the reference given
with each, the results stacked, converted to float32 and clamped. Then what the memory can do: a copy of the frames
gives the bandwidth, and the bytes that must be moved (read once for statistics, once for the map, written once) over
it the least time there is.

Needs color-matcher (``pip install color-matcher``); the host's node is timed where GENGA_COMFYUI has it.
OMP_NUM_THREADS says how many threads all may use.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
WIDTH, HEIGHT, FRAMES, ROUNDS, SECONDS = 832, 480, 12, 5, 0.7
GOALS = {"mkl": 10.0, "mvgd": 10.0, "reinhard": 4.0, "hm": 4.0}
METHODS = (*GOALS, "mvgd-aligned", "hm-mkl-hm")  # hm-mvgd-hm is the latter
HOST_METHODS = {"mkl": "mkl_lab", "reinhard": "reinhard_lab", "hm": "histogram"}


def pack():
    """The pack under the alias its tests use."""
    spec = importlib.util.spec_from_file_location("genga", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    module = importlib.util.module_from_spec(spec)
    sys.modules["genga"] = module
    spec.loader.exec_module(module)
    return importlib.import_module("genga.media.color")


def clip(frames: int, seed: int) -> torch.Tensor:
    """Smooth colours with grain, as a decoded video has them: float32, hardly two values alike."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(frames, 3, 5, 8, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (HEIGHT, WIDTH), mode="bicubic", align_corners=True)
    grain = 0.02 * torch.randn(frames, HEIGHT, WIDTH, 3, generator=generator)
    return (0.1 + 0.7 * smooth.permute(0, 2, 3, 1) + grain).clamp(0, 1).contiguous()


def peer(method: str, frames: torch.Tensor, reference: torch.Tensor):
    """color-matcher as nodes use it. Its reinhard writes into what it is given, so it gets copies, untimed."""
    from color_matcher import ColorMatcher

    pairs = [(frame.numpy().copy(), reference[0].numpy().copy()) for frame in frames]

    def match(source, target):
        if method == "mvgd-aligned":  # its analytical solver is reached through the constructor only
            return ColorMatcher(src=source, ref=target, method="mvgd").transfer(method="mvgd")
        return ColorMatcher().transfer(src=source, ref=target, method=method)

    return lambda: torch.stack([torch.from_numpy(match(*pair)) for pair in pairs]).float().clamp_(0, 1)


def host_node():
    """The host's ColorTransfer, or None where this host has none."""
    host = os.environ.get("GENGA_COMFYUI")
    if not host or "class ColorTransfer" not in _text(Path(host) / "comfy_extras" / "nodes_post_processing.py"):
        return None
    sys.path.insert(0, host)
    sys.argv = ["main.py", "--cpu"]
    import comfy.options

    comfy.options.enable_args_parsing()
    from comfy_extras.nodes_post_processing import ColorTransfer

    return ColorTransfer


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def rounds(contenders: dict) -> dict[str, list[float]]:
    """ms per frame of each, in turn within every round; the first round warms up and does not count."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS + 1):
        for name, work in contenders.items():
            times[name].append(_ms(work))
    return {name: found[1:] for name, found in times.items()}


def _ms(work) -> float:
    """ms per frame, over about as long a time for every contender: what disturbs them comes and goes."""
    start, runs = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < SECONDS or not runs:
        work()
        runs += 1
    return passed * 1000 / FRAMES / runs


def contenders(color, host, method: str, frames: torch.Tensor, reference: torch.Tensor) -> dict:
    found = {
        "ours": lambda: color.ColorTransfer.fit(reference, method).apply(frames),
        "color-matcher": peer(method, frames, reference),
    }
    if host is not None and method in HOST_METHODS:
        options = {"source_stats": "per_frame"}
        found["host"] = lambda: host.execute(frames, reference, HOST_METHODS[method], options)
    return found


def line(method: str, times: dict[str, list[float]], least: float) -> tuple[str, bool]:
    """What to print, and whether the goal was missed."""
    middle = {name: statistics.median(found) for name, found in times.items()}
    ratios = sorted(theirs / ours for ours, theirs in zip(times["ours"], times["color-matcher"], strict=True))
    ratio, goal = statistics.median(ratios), GOALS.get(method)
    beside = f"{middle['host']:9.1f}" if "host" in middle else f"{'-':>9}"
    verdict = "" if goal is None else f"{goal:g}x {'met' if ratio >= goal else 'MISSED'}"
    numbers = f"{middle['ours']:9.2f}{middle['color-matcher']:15.1f}{ratio:7.1f}x"
    between = f"{ratios[0]:.1f}-{ratios[-1]:.1f}"
    text = f"{method:<14}{numbers}{between:>12}{beside}{least / middle['ours']:18.0%}  {verdict}"
    return text, goal is not None and ratio < goal


def main() -> int:
    try:
        import color_matcher  # noqa: F401
    except ImportError:
        sys.exit("this benchmark compares with color-matcher: pip install color-matcher")
    color, host = pack(), host_node()
    frames, reference = clip(FRAMES, 1), clip(1, 2)
    copy, size = torch.empty_like(frames), WIDTH * HEIGHT * 3 * 4
    copy_ms = min(rounds({"copy": lambda: copy.copy_(frames)})["copy"])
    least = copy_ms * 1.5  # two reads and a write, where the copy has one of each
    print(f"{torch.get_num_threads()} threads; a copy moves {2 * size / copy_ms / 1e6:.1f} GB/s")
    print(f"bytes moved per frame: {3 * size / 1e6:.1f} MB, so at least {least:.2f} ms")
    heads = f"{'method':<14}{'ours ms':>9}{'color-matcher':>15}{'ratio':>8}{'range':>12}{'host ms':>9}"
    print(f"{heads}{'of the bandwidth':>18}  goal", flush=True)
    missed = 0
    for method in METHODS:
        text, short = line(method, rounds(contenders(color, host, method, frames, reference)), least)
        print(text, flush=True)
        missed += short
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
