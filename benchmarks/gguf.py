"""Dequantization of ggml blocks: GB/s for every type, beside ComfyUI-GGUF's torch code and gguf-py.

One process, one tensor per type, the contenders in turn within each round, so that what else the machine does falls on
all alike; medians of the rounds, and ratios taken within rounds. GB/s counts the bytes that must be moved: blocks read
and weights written, once each. "of a copy" is that over what copying a large tensor moves in the same rounds.
Then a whole layer, dequantize and multiply, for a short and a long input, where the product alone is the limit, and
for Q8_0 on a CPU nothing but the three passes that PyTorch has for it (bytes to floats, times scales that are ready,
rounded): what no code of torch calls can be faster than.

Needs gguf (``pip install gguf``). ComfyUI-GGUF is timed where GENGA_COMFYUI_GGUF names a checkout of it; nothing is
downloaded. OMP_NUM_THREADS says how many threads torch may use (gguf-py uses one).
``python benchmarks/gguf.py [float16|bfloat16|float32] [--device cuda] [type ...]``
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT / "benchmarks"]  # this is no gguf
WIDTH, ROWS, ROUNDS = 5120, 2560, 7
K_QUANTS = ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K")
PEER_GOAL, COPY_GOAL = 2.0, 0.5  # K-quants against the peer, Q8_0 against a copy
TOKENS = (64, 512)


def load(name: str, path: Path, folders: list[str] | None = None):
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=folders)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def ours():
    """The pack under the alias its tests use."""
    load("genga", ROOT / "__init__.py", [str(ROOT)])
    return importlib.import_module("genga.loaders.ggml")


def peer():
    """ComfyUI-GGUF's dequant.py, or None."""
    path = Path(os.environ.get("GENGA_COMFYUI_GGUF", "")) / "dequant.py"
    return load("comfyui_gguf_dequant", path) if path.is_file() else None


def blocks_of(kind, device: str) -> torch.Tensor:
    """Random codes with scales as trained weights have them (random scales would be NaN here and there)."""
    generator = np.random.default_rng(kind.number)
    bytes_ = generator.integers(0, 256, (ROWS * WIDTH // kind.block_size, kind.type_size), dtype=np.uint8)
    scale = np.frombuffer(np.float16(0.01).tobytes(), np.uint8)
    for at in {"Q6_K": (208,), "Q3_K": (108,), "Q2_K": (80, 82)}.get(kind.name, (0, 2)):
        bytes_[:, at : at + 2] = scale  # bytes 2 and 3 may be codes as well: no harm
    return torch.from_numpy(bytes_.reshape(ROWS, -1)).to(device)


def rounds(contenders: dict, device: str) -> dict[str, list[float]]:
    """Seconds of each, in turn within every round; the first round warms up and does not count."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS + 1):
        for name, work in contenders.items():
            start = time.perf_counter()
            work()
            if device != "cpu":
                torch.cuda.synchronize()
            times[name].append(time.perf_counter() - start)
    return {name: found[1:] for name, found in times.items()}


def dequantizers(ggml, city, kind, blocks: torch.Tensor, out: torch.Tensor) -> dict:
    """What each does to get the same weights in ``out``'s type: ours into a buffer that is there, others as they do."""
    import gguf

    number, raw = gguf.GGMLQuantizationType(kind.number), blocks.cpu().numpy()
    found = {"ours": lambda: ggml.dequantize(blocks, kind, out.dtype, out)}
    if city is not None:
        # as its loader does unless told otherwise: in float16, whatever type the weights are for
        found["city96"] = lambda: city.dequantize(blocks, number, out.shape, None).to(out.dtype)
        # its arithmetic in float32, which is what equals ggml's
        found["city96 exact"] = lambda: city.dequantize(blocks, number, out.shape, torch.float32).to(out.dtype)
    if blocks.device.type == "cpu":
        found["gguf-py"] = lambda: torch.from_numpy(gguf.quants.dequantize(raw, number)).to(out.dtype)
    return found


def ratio(times: dict, other: str) -> float | None:
    """How many times as long the other took, at the median of the rounds."""
    if other not in times:
        return None
    return statistics.median(theirs / mine for mine, theirs in zip(times["ours"], times[other], strict=True))


def shown(value: float | None, suffix: str = "x") -> str:
    return f"{'-':>9}" if value is None else f"{value:8.1f}{suffix}"


def verdict(name: str, against: float | None, share: float) -> tuple[str, bool]:
    if name in K_QUANTS and against is not None:
        met, goal = against >= PEER_GOAL, f"{PEER_GOAL:g}x city96"
    elif name == "Q8_0":
        met, goal = share >= COPY_GOAL, f"{COPY_GOAL:.0%} of a copy"
    else:
        return "", False
    return f"{goal} {'met' if met else 'MISSED'}", not met


def weights_table(ggml, city, kinds: list, dtype: torch.dtype, device: str) -> int:
    """Prints a line for each type; returns how many goals were missed."""
    out, missed = torch.empty(ROWS, WIDTH, dtype=dtype, device=device), 0
    large = torch.empty(64_000_000 if device == "cpu" else 512_000_000, dtype=torch.uint8, device=device)
    twin = torch.empty_like(large).fill_(1)
    print(f"{'type':<8}{'ours GB/s':>10}{'copy':>7}{'of a copy':>11}{'city96':>9}{'exact':>9}{'gguf-py':>9}  goal")
    for kind in kinds:
        blocks = blocks_of(kind, device)
        work = {"copy": lambda: large.copy_(twin), **dequantizers(ggml, city, kind, blocks, out)}
        times = rounds(work, device)
        moved = (blocks.numel() + out.numel() * out.element_size()) / 1e9
        speed = moved / statistics.median(times["ours"])
        copy = 2 * large.numel() / 1e9 / statistics.median(times["copy"])
        against = ratio(times, "city96")
        text, short = verdict(kind.name, against, speed / copy)
        others = "".join(shown(ratio(times, other)) for other in ("city96", "city96 exact", "gguf-py"))
        print(f"{kind.name:<8}{speed:10.2f}{copy:7.1f}{speed / copy:11.0%}{others}  {text}", flush=True)
        missed += short
    return missed


def layer_table(ggml, city, kinds: list, dtype: torch.dtype, device: str) -> None:
    """ms of a linear layer from blocks: weights, then the product; "product" is the latter alone."""
    out = torch.empty(ROWS, WIDTH, dtype=dtype, device=device)
    heads = "".join(f"{name:>9}" for name in ("ours", "city96", "gguf-py", "product"))
    print(f"\nlayer {WIDTH} -> {ROWS}, ms\n{'type':<8}{'tokens':>7}{heads}")
    for kind in kinds:
        makers = dequantizers(ggml, city, kind, blocks_of(kind, device), out)
        makers.pop("city96 exact", None)
        for tokens in TOKENS:
            x = torch.randn(tokens, WIDTH, device=device).to(dtype)
            work = {name: lambda make=make, x=x: torch.nn.functional.linear(x, make()) for name, make in makers.items()}
            times = rounds({**work, "product": lambda x=x: torch.nn.functional.linear(x, out)}, device)
            middle = {name: statistics.median(found) * 1e3 for name, found in times.items()}
            columns = "".join(shown(middle.get(name), " ") for name in ("ours", "city96", "gguf-py", "product"))
            print(f"{kind.name:<8}{tokens:>7}{columns}", flush=True)


def passes_table(ggml, kind, dtype: torch.dtype) -> None:
    """Q8_0 by nothing but torch's calls, with the scales ready: what no code made of them can be faster than."""
    from genga.loaders.ggml.pieces import THREAD_PIECE

    blocks, out = blocks_of(kind, "cpu"), torch.empty(ROWS, WIDTH, dtype=dtype)
    rows = THREAD_PIECE * torch.get_num_threads() // kind.block_size
    wide, product, scale = torch.empty(rows, kind.type_size), torch.empty(rows, kind.block_size), torch.rand(rows, 1)
    large = torch.empty(64_000_000, dtype=torch.uint8)
    twin = torch.empty_like(large).fill_(1)

    def bare():
        pieces = blocks.view(torch.int8).view(-1, kind.type_size).split(rows)
        for codes, target in zip(pieces, out.view(-1, kind.block_size).split(rows), strict=True):
            count = len(codes)
            wide[:count].copy_(codes)
            result = target if dtype == torch.float32 else product[:count]
            torch.mul(wide[:count, 2:], scale[:count], out=result)
            if result is not target:
                target.copy_(result)

    work = {"copy": lambda: large.copy_(twin), "bare": bare, "ours": lambda: ggml.dequantize(blocks, kind, dtype, out)}
    middle = {name: statistics.median(found) for name, found in rounds(work, "cpu").items()}
    copy = 2 * large.numel() / 1e9 / middle["copy"]
    moved = (blocks.numel() + out.numel() * out.element_size()) / 1e9
    parts = (f"{name} {moved / middle[name]:.2f} GB/s, {moved / middle[name] / copy:.0%}" for name in ("bare", "ours"))
    print("\nQ8_0, torch's calls alone and ours, of a copy:", "; ".join(parts))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dtype", nargs="?", default="float16", choices=("float16", "bfloat16", "float32"))
    parser.add_argument("types", nargs="*", help="ggml types; all of them by default")
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    if given.device != "cpu" and not torch.cuda.is_available():
        sys.exit(f"there is no {given.device} here")
    if importlib.util.find_spec("gguf") is None:
        sys.exit("this benchmark compares with gguf: pip install gguf")
    ggml, city = ours(), peer()
    kinds = [kind for kind in ggml.TYPES.values() if not given.types or kind.name in given.types]
    dtype = getattr(torch, given.dtype)
    print(f"{torch.get_num_threads()} threads, {given.device}, weights as {given.dtype}; ratios: their time over ours")
    if city is None:
        print("ComfyUI-GGUF is not timed: GENGA_COMFYUI_GGUF names no checkout of it")
    missed = weights_table(ggml, city, [kind for kind in kinds if kind.block_size > 1], dtype, given.device)
    layer_table(ggml, city, [kind for kind in kinds if kind.name in ("Q8_0", "Q4_K", "Q6_K")], dtype, given.device)
    if given.device == "cpu" and "Q8_0" in {kind.name for kind in kinds}:
        passes_table(ggml, next(kind for kind in kinds if kind.name == "Q8_0"), dtype)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
