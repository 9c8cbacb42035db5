"""What Wan 2.2's own UniPC makes of a small problem, recorded; and the program that recorded it.

The reference: FlowUniPCMultistepScheduler with its defaults (order 2, bh2, predicts x0, lower order at the end), from
``wan/utils/fm_solvers_unipc.py`` of Wan-Video/Wan2.2 at commit 42bf4cfaa384bc21833865abc2f9e6c0e67233dc, with
diffusers 0.42.1 and the sigmas below as float64. To record again, with torch and diffusers installed:

    python tests/tools/unipc_reference.py path/to/Wan2.2
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import torch

START = (1.5, -0.7, 0.2, -2.0)
SPREAD = 0.4

# (steps, shift, first level before the shift) -> the four numbers that START comes to
RECORDED = {
    (1, 5.0, 0.999): (0.000348418075, -0.000162595105, 0.000046455744, -0.000464557423),
    (2, 5.0, 0.999): (0.336121077131, -0.159945300782, 0.045932203550, -0.439845434786),
    (3, 5.0, 0.999): (0.629710590300, -0.316829019154, 0.092446587660, -0.786389022493),
    (8, 5.0, 0.999): (1.214799186054, -0.917428717003, 0.377979018602, -1.336847954313),
    (20, 3.0, 0.999): (1.420286229332, -1.027045383061, 0.679538870711, -1.638422369623),
    (30, 12.0, 0.999): (1.322397737298, -1.034000892538, 0.616328180005, -1.473393737706),
    (2, 1.0, 1.0): (0.948221700256, -0.561636843194, 0.174763314898, -1.084792554392),
    (5, 1.0, 1.0): (1.409815347609, -1.077043090925, 0.599179242428, -1.584982041916),
    (8, 5.0, 1.0): (1.214446399429, -0.916941674828, 0.377441872285, -1.336437822667),
}

# (steps, shift) -> the sigmas that the reference sets by itself
GRIDS = {
    (8, 5.0): (
        0.99979985,
        0.97200602,
        0.93726546,
        0.89260185,
        0.83305538,
        0.74969983,
        0.62468737,
        0.41638881,
        0.00000000,
    ),
    (5, 12.0): (0.99991661, 0.97949177, 0.94724363, 0.88872415, 0.74976546, 0.00000000),
}


def clean(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """The clean x expected at a noise level, where clean is -1 or 1, spread by SPREAD, and noise is added as for flow."""
    kept = 1.0 - sigma
    variance = (kept * SPREAD) ** 2 + sigma**2
    middle = torch.tanh(kept * x / variance)
    return middle + kept * SPREAD**2 / variance * (x - kept * middle)


def start() -> torch.Tensor:
    return torch.tensor([START], dtype=torch.float64)


def levels(steps: int, shift: float, top: float) -> torch.Tensor:
    """Even levels from ``top`` to 0, then shifted; [steps + 1], float64."""
    even = torch.linspace(top, 0, steps + 1, dtype=torch.float64)
    return shift * even / (1 + (shift - 1) * even)


def scheduler_of(checkout: Path):
    """The reference's class, from its file alone."""
    spec = importlib.util.spec_from_file_location("reference", checkout / "wan" / "utils" / "fm_solvers_unipc.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda: module.FlowUniPCMultistepScheduler(num_train_timesteps=1000, shift=1, use_dynamic_shifting=False)


def answer(scheduler, sigmas: torch.Tensor) -> list[float]:
    scheduler.set_timesteps(len(sigmas) - 1, device="cpu", shift=1.0)
    scheduler.sigmas = sigmas
    x = start()
    for timestep, sigma in zip(scheduler.timesteps, sigmas.tolist()[:-1], strict=True):
        velocity = (x - clean(x, sigma)) / sigma
        x = scheduler.step(velocity, timestep, x, return_dict=False)[0]
    return x[0].tolist()


def main(checkout: str) -> None:
    scheduler = scheduler_of(Path(checkout))
    rows = [(1, 5.0, 0.999), (2, 5.0, 0.999), (3, 5.0, 0.999), (8, 5.0, 0.999), (20, 3.0, 0.999), (30, 12.0, 0.999)]
    for row in (*rows, (2, 1.0, 1.0), (5, 1.0, 1.0), (8, 5.0, 1.0)):
        print(f"    {row}: ({', '.join(f'{number:.12f}' for number in answer(scheduler(), levels(*row)))}),")
    for steps, shift in ((8, 5.0), (5, 12.0)):
        made = scheduler()
        made.set_timesteps(steps, device="cpu", shift=shift)
        print(f"    {(steps, shift)}: ({', '.join(f'{number:.8f}' for number in made.sigmas.tolist())}),")


if __name__ == "__main__":
    main(sys.argv[1])
