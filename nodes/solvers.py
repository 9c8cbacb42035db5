"""Solvers and noise schedules for the host's custom sampling nodes."""

from __future__ import annotations

import copy

import comfy.samplers
from comfy_api.latest import io, ui

from .. import compat
from ..errors import InputError
from ..samplers import collocation, experts, plot, registry, schedules, solvers
from .report import Report

GRIDS = {"wan": schedules.wan, "genga": schedules.genga}
SCHEDULERS = [*GRIDS, *(name for name in comfy.samplers.SCHEDULER_NAMES if name not in GRIDS)]


class Sampler(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaSampler",
            display_name="Sampler (solvers)",
            category="Genga/sampling",
            search_aliases=["Sampler", "res_2m", "res_2s", "res_5s", "gauss-legendre", "unipc", "KSamplerSelect"],
            description="A sampler for SamplerCustomAdvanced and SamplerCustom: Genga's solvers, without noise of their own "
            "unless eta is raised, and the host's.",
            inputs=[
                io.Combo.Input(
                    "sampler_name",
                    options=[*solvers.NAMES, *registry.host_names()],
                    default="genga",
                    tooltip="Model calls a step: genga, unipc, res_2m 1; res_2s 2; res_3s 3; res_5s 5; gauss-legendre_Ns N "
                    "times sweeps. genga makes 2 more in the step into sigma 0. Best for 8 to 30 calls: genga. wuxing-stable "
                    "is genga under another name: above ten steps the published one runs its schedule backwards, and ends "
                    "in noise. The names after it are the host's own.",
                ),
                io.Float.Input(
                    "eta",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    optional=True,
                    tooltip="Fresh noise after each step, from the run's seed: 0 none, 1 as an ancestral sampler. Above 0 a "
                    "solver that builds on earlier steps starts anew at each. Not for the host's samplers.",
                ),
                io.Float.Input(
                    "s_noise",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.01,
                    optional=True,
                    tooltip="Strength of that noise; 1 keeps the noise level right. Without effect at eta 0.",
                ),
                compat.advanced(
                    io.Int.Input(
                        "sweeps",
                        default=collocation.SWEEPS,
                        min=1,
                        max=20,
                        optional=True,
                        tooltip="gauss-legendre only: how often each step's equations are gone through. A step costs its "
                        "number of stages times this in model calls: 5s at 2 sweeps 10.",
                    )
                ),
                io.Combo.Input(
                    "count",
                    options=[solvers.STEPS, solvers.MODEL_CALLS],
                    default=solvers.STEPS,
                    optional=True,
                    tooltip="What the length of the sigmas means. steps: one step for each. model calls: the schedule is "
                    "thinned so that about that many calls are made; res_5s at 30 takes 6 steps, genga 28.",
                ),
            ],
            outputs=[io.Sampler.Output(display_name="sampler", tooltip="For SamplerCustomAdvanced or SamplerCustom.")],
        )

    @classmethod
    def execute(
        cls, sampler_name, eta=0.0, s_noise=1.0, sweeps=collocation.SWEEPS, count=solvers.STEPS
    ) -> io.NodeOutput:
        report = Report(cls)
        _check_range(eta=(eta, 0.0, 1.0), s_noise=(s_noise, 0.0, 2.0), sweeps=(sweeps, 1, 20))
        made = registry.sampler(sampler_name, eta, s_noise, sweeps, count)
        for line in solvers.remarks(sampler_name, eta, sweeps, count):
            report.say(line)
        return io.NodeOutput(made, ui=report.ui())


class Scheduler(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaScheduler",
            display_name="Scheduler (sigmas)",
            category="Genga/sampling",
            search_aliases=["Scheduler", "BasicScheduler", "Wan schedule", "sigmas", "shift"],
            description="Noise levels for SamplerCustomAdvanced: Wan's own grid or one of the host's, with a picture of them "
            "and of where the low-noise expert takes over.",
            inputs=[
                io.Model.Input("model", tooltip="The model to sample; its noise levels and its shift are used."),
                io.Combo.Input(
                    "scheduler",
                    options=SCHEDULERS,
                    default="simple",
                    tooltip="wan: the grid of the reference's UniPC, even from 0.999 down and then shifted. genga: steps "
                    "that close up towards the end, for shift 5 and more; a few less on the high-noise expert. The others "
                    "are the host's; simple is nearest to wan.",
                ),
                io.Int.Input(
                    "steps",
                    default=20,
                    min=1,
                    max=10000,
                    tooltip="Steps. AniSora V3.2 8, Wan 2.2 20 to 40; few-step LoRAs 4 to 8.",
                ),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    optional=True,
                    tooltip="Below 1 only the last steps of a longer schedule, for a start from a video.",
                ),
                io.Float.Input(
                    "shift",
                    default=0.0,
                    min=0.0,
                    max=100.0,
                    step=0.01,
                    optional=True,
                    tooltip="More of the steps at high noise the larger it is. 0: the model's own, which the loader set. "
                    "Wan and AniSora 5, Wan T2V 14B also 12; 6 to 7 more detail, 3 to 4 for 480p.",
                ),
                io.Float.Input(
                    "boundary",
                    default=0.9,
                    min=0.0,
                    max=1.0,
                    step=0.001,
                    optional=True,
                    tooltip="Drawn into the picture and counted: where the low-noise expert takes over. Does not change the "
                    "sigmas. 0: one model.",
                ),
            ],
            outputs=[io.Sigmas.Output(display_name="sigmas", tooltip="For SamplerCustomAdvanced or SamplerCustom.")],
        )

    @classmethod
    def execute(cls, model, scheduler, steps, denoise=1.0, shift=0.0, boundary=0.9) -> io.NodeOutput:
        report = Report(cls)
        if getattr(model, "get_model_object", None) is None:
            raise InputError("model", "this is no diffusion model", "Wire the MODEL of a loader.")
        _check_range(steps=(steps, 1, 10000), denoise=(denoise, 0.01, 1.0), shift=(shift, 0.0, 100.0))
        _check_range(boundary=(boundary, 0.0, 1.0))
        sigmas = _sigmas(model.get_model_object("model_sampling"), scheduler, steps, denoise, shift)
        given = len(sigmas) - 1
        if given != steps:
            report.say(f"{scheduler} gives {given} steps, not {steps}.")
        report.say("sigmas " + " ".join(f"{float(sigma):.3f}" for sigma in sigmas))
        if boundary > 0:
            high = experts.split_at(sigmas, boundary)
            report.say(f"{high} steps on the high-noise expert, {given - high} on the low-noise one.")
        shown = ui.PreviewImage(plot.picture(sigmas, boundary)).as_dict()
        return io.NodeOutput(sigmas, ui={**shown, **(report.ui() or {})})


def _sigmas(sampling, scheduler: str, steps: int, denoise: float, shift: float):
    """Sigmas [steps + 1] on the CPU; the host's schedulers asked on a copy of the model's own with another shift."""
    own = getattr(sampling, "shift", None)
    if shift > 0 and own is None:
        raise InputError("shift", f"{shift:g} does not fit this model: it has no shift", "Use 0.")
    if scheduler in GRIDS:
        if own is None:
            raise InputError("scheduler", f"{scheduler} needs a model with a shift", "Choose one of the host's.")
        return GRIDS[scheduler](steps, shift or float(own), denoise)
    if scheduler not in comfy.samplers.SCHEDULER_NAMES:
        raise InputError("scheduler", f"there is no {scheduler!r}", f"Use one of {', '.join(SCHEDULERS)}.")
    if shift > 0 and shift != own:
        sampling = copy.deepcopy(sampling)
        kept = {name: getattr(sampling, name) for name in ("multiplier",) if hasattr(sampling, name)}
        sampling.set_parameters(shift=shift, **kept)
    total = schedules.steps_in_all(steps, denoise)
    return comfy.samplers.calculate_sigmas(sampling, scheduler, total).cpu()[-(steps + 1) :]


def _check_range(**inputs) -> None:
    """Raises outside (value, low, high), and for broken numbers where low is a whole one."""
    for name, (value, low, high) in inputs.items():
        if not isinstance(value, (int, float)):
            raise InputError(name, f"{value!r} is no number", f"Use a number from {low} to {high}.")
        if not low <= value <= high:
            raise InputError(name, f"{value} is outside the range", f"Use {low} to {high}.")
        if isinstance(low, int) and value != int(value):
            raise InputError(name, f"{value} is a broken number", f"Use a whole number from {low} to {high}.")


NODES = [Sampler, Scheduler]
