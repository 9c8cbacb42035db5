"""Error against model calls: our solvers beside the host's, and RES4LYF's where it is installed.

The problem is a mixture of Gaussians in 64 dimensions whose denoiser is known exactly (tests/tools/mixture.py), in
the host's flow form: three mixtures, 16 starts each, float64, schedule ``simple``; the reference is Runge-Kutta of
order 4 on 1500 steps. Figures are root mean squares of the error over those of the answer, the geometric mean of
the mixtures. A solver of several calls a step gets fewer steps; calls that differ from the column's are in brackets.

It is the error against the exact ODE, not what a picture looks like. Needs GENGA_COMFYUI for the host's solvers;
RES4LYF is looked for in that host's custom_nodes.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import math
import os
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
HOST = os.environ.get("GENGA_COMFYUI", "")
CALLS, SHIFTS = (8, 20, 30, 60), (3.0, 5.0, 8.0)
HOSTS = ("euler", "dpmpp_2m", "res_multistep", "uni_pc")
THEIRS = ("res_2m_ode", "res_2s_ode", "res_3s_ode", "res_5s_ode")


def load(name: str, file: Path, package: bool = False):
    folders = [str(file.parent)] if package else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=folders)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


load("genga", ROOT / "__init__.py", package=True)
solvers = importlib.import_module("genga.samplers.solvers")
schedules = importlib.import_module("genga.samplers.schedules")
mixture = load("mixture", ROOT / "tests" / "tools" / "mixture.py")


class Level:
    """The noise levels of a flow model of 1000, as the host's solvers ask for them."""

    def __init__(self, shift: float):
        import comfy.model_sampling as sampling

        kind = type("Flow", (sampling.ModelSamplingDiscreteFlow, sampling.CONST), {})
        self.model_sampling = kind()
        self.model_sampling.set_parameters(shift=shift)
        self.device, self.diffusion_model = torch.device("cpu"), torch.nn.Identity()


class Asked:
    """The problem where a host's solver expects its wrapped model."""

    def __init__(self, problem, shift: float):
        self.problem = problem
        self.inner_model = type("Guider", (), {})()
        self.inner_model.inner_model = Level(shift)
        patcher = type("Patcher", (), {"get_model_object": lambda _, __: self.sampling()})()
        self.inner_model.model_patcher, patcher.model = patcher, self.inner_model.inner_model
        self.inner_model.cfg, self.inner_model.conds = 1.0, {}

    def sampling(self):
        return self.inner_model.inner_model.model_sampling

    def __call__(self, x, sigma, **options):
        return self.problem(x, sigma)


def host_solvers() -> dict:
    """The host's solver functions, and RES4LYF's; empty, with a word, without a host."""
    if not HOST:
        print("GENGA_COMFYUI is not set: the host's solvers are left out.")
        return {}
    sys.path.insert(0, HOST)
    sys.argv = [sys.argv[0], "--cpu"]
    import comfy.options

    comfy.options.enable_args_parsing()
    importlib.import_module("utils.extra_config")  # as main.py does: later another "utils" would be found
    import comfy.samplers

    found = {name: comfy.samplers.sampler_object(name).sampler_function for name in HOSTS}
    package = next(iter(sorted(Path(HOST, "custom_nodes").glob("*RES4LYF*/__init__.py"))), None)
    if package is None:
        print("RES4LYF is not installed: left out.")
        return found
    import server

    server.PromptServer(asyncio.new_event_loop())  # RES4LYF adds a page to it
    try:
        load("res4lyf", package, package=True)
    except ImportError as error:
        print(f"RES4LYF could not be loaded ({error}): left out.")
        return found
    import comfy.k_diffusion.sampling as k_diffusion

    theirs = {name: getattr(k_diffusion, f"sample_{name}", None) for name in THEIRS}
    return found | {f"RES4LYF {name}": function for name, function in theirs.items() if function}


def steps_of(name: str, calls: int) -> int:
    """Steps for this many calls; RES4LYF's by the stages in the name."""
    plain = name.removeprefix("RES4LYF ")
    if plain != name:
        return max(1, calls // (int(plain[4]) if plain[5] == "s" else 1))
    return solvers.steps_for(name, calls)


def measure(name: str, function, problems, calls: int, shift: float) -> tuple[float, int]:
    """(error, model calls made)."""
    errors, made = [], 0
    sigmas = schedules.thinned(mixture.simple(calls, shift), steps_of(name, calls))
    for problem, x, exact in problems:
        problem.calls = 0
        model = Asked(problem, shift) if HOST else problem
        kind = torch.float32 if name == "uni_pc" else torch.float64  # it mixes types in float64
        levels = sigmas.to(kind, copy=True)
        extra = {"model_options": {"transformer_options": {}}}
        start = x.to(kind, copy=True).reshape(-1, 1, 8, 8)  # RES4LYF wants pictures
        result = function(model, start, levels, extra_args=extra, callback=None, disable=True)
        result = result.to(torch.float64).reshape(x.shape) / (
            1 - float(levels[-1])
        )  # uni_pc writes its own end into the sigmas
        errors.append(mixture.error(result, exact))
        made = problem.calls
    return math.exp(sum(math.log(error) for error in errors) / len(errors)), made


def own_grid(problems, calls: int, shift: float) -> float:
    """The error of genga on its own grid, at the same calls."""
    sigmas = schedules.genga(steps_of("genga", calls), shift).to(torch.float64)
    errors = [
        mixture.error(solvers.SOLVERS["genga"].function(problem, x, sigmas, disable=True), exact)
        for problem, x, exact in problems
    ]
    return math.exp(sum(math.log(error) for error in errors) / len(errors))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=16, help="start noises per mixture")
    starts = parser.parse_args().starts
    torch.set_num_threads(1)
    functions = {name: solver.function for name, solver in solvers.SOLVERS.items()} | host_solvers()
    problems = []
    for seed in range(3):
        problem, x = mixture.Mixture(seed), mixture.noise(starts)
        problems.append((problem, x, problem.exact(x)))
    columns = [(shift, calls) for shift in SHIFTS for calls in CALLS]
    print(f"{'':20}" + "".join(f"{f'shift {shift:g}: {calls}':>16}" for shift, calls in columns))
    table = {}
    with torch.inference_mode():
        for name, function in functions.items():
            row = table[name] = [measure(name, function, problems, calls, shift) for shift, calls in columns]
            cells = [
                f"{error:.4f}" + ("     " if made == calls else f" ({made:2})")
                for (error, made), (_, calls) in zip(row, columns, strict=True)
            ]
            print(f"{name:20}" + "".join(f"{cell:>16}" for cell in cells), flush=True)
        cells = [f"{own_grid(problems, calls, shift):.4f}     " for shift, calls in columns]
        print(f"{'genga, own schedule':20}" + "".join(f"{cell:>16}" for cell in cells))
    lost = 0
    for k, (shift, calls) in enumerate(columns):
        best = min(table, key=lambda name: table[name][k][0])
        if best != "genga":
            lost += 1
            error, made = table[best][k]
            print(f"genga does not win at shift {shift:g}, {calls} calls: {best} {error:.4f} with {made}.")
    print(f"genga has the least error in {len(columns) - lost} of {len(columns)} columns.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
