"""From noise to latents: the pair of experts, and seeds."""

from __future__ import annotations

import comfy.samplers
from comfy_api.latest import io
from comfy_extras.nodes_custom_sampler import SamplerCustomAdvanced

from .. import compat
from ..conditioning import attach
from ..errors import InputError
from ..loaders import guard
from ..samplers import checks, experts, nag, noise, registry, solvers
from . import seeds
from .report import Report

ANISORA_STEPS = 8
_SEED = "The same seed gives the same video. -1 draws a new one on every run and reports it. Item i of a batch uses seed + i."
SCHEDULERS = list(comfy.samplers.KSampler.SCHEDULERS)
_BOUNDARY = {"default": attach.BOUNDARY_I2V, "min": 0.0, "max": 1.0, "step": 0.001}


def _expert_inputs() -> list:
    return [
        io.Model.Input("high", tooltip="The high-noise expert: layout and motion."),
        io.Model.Input(
            "low", tooltip="The low-noise expert: detail. One model on both is fine for single-expert versions."
        ),
        io.Conditioning.Input("positive", tooltip="The prompt, with pictures if there are any."),
        io.Conditioning.Input(
            "negative",
            optional=True,
            tooltip="What to avoid. Needed for a CFG other than 1; at CFG 1 the host ignores it.",
        ),
    ]


def _boundary_input():
    return io.Float.Input(
        "boundary",
        optional=True,
        tooltip="Noise level (sigma) at which the low-noise expert takes over: 0.9 image to video (AniSora V3.2, Wan 2.2 "
        "I2V), 0.875 text to video. Not a step number.",
        **_BOUNDARY,
    )


def _guider(report: Report, high, low, positive, negative, cfg_high: float, cfg_low: float, boundary: float):
    """The guider both nodes use, after all that can be checked before sampling."""
    if not 0.0 <= boundary <= 1.0:
        raise InputError("boundary", f"{boundary} is no noise level", "Use 0.9 (image) or 0.875 (text to video).")
    for note in checks.check_pair(high, low):
        report.say(note)
    checks.check_text(positive, "positive")
    if negative is not None:
        checks.check_text(negative, "negative")
    for model in (high, low):
        guard.check_model(model, {"positive": positive, "negative": negative})
    if high is not low:
        checks.check_boundary(boundary, guard.boundaries({"positive": positive, "negative": negative}))
    plain = [cfg == 1.0 for cfg in (cfg_high, cfg_low)]
    for note in (*checks.check_both_shown(positive, negative, not all(plain)), *checks.unseen(high, positive)):
        report.say(note)
    if negative is None and not all(plain):
        cfg = cfg_low if plain[0] else cfg_high
        raise InputError("negative", f"nothing is wired and CFG is {cfg:g}", "Wire a negative prompt, or set CFG to 1.")
    if negative is not None and all(plain):
        report.say(f"CFG is 1, so the host ignores the negative prompt. {nag.hint(high, low)}")
    guider = experts.ExpertGuider(high, low, boundary)
    guider.set_conds(positive, negative)
    guider.set_cfg(cfg_high, cfg_low)
    return guider


class ExpertGuider(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        cfg = {"default": 1.0, "min": 0.0, "max": 100.0, "step": 0.1, "round": 0.01, "optional": True}
        return compat.schema(
            node_id="GengaExpertGuider",
            display_name="Expert Guider (high + low)",
            category="Genga/sampling",
            search_aliases=["ExpertGuider", "Wan 2.2 guider", "high low noise"],
            description="A guider over the two experts of Wan 2.2 or AniSora V3.2 for SamplerCustomAdvanced: one sampler, "
            "one schedule, and the models change over at a noise level instead of a step number.",
            inputs=[
                *_expert_inputs(),
                io.Float.Input("cfg_high", tooltip="CFG of the high-noise expert. AniSora 1, Wan 2.2 I2V 3.5.", **cfg),
                io.Float.Input("cfg_low", tooltip="CFG of the low-noise expert. AniSora 1, Wan 2.2 I2V 3.5.", **cfg),
                _boundary_input(),
            ],
            outputs=[io.Guider.Output(display_name="guider", tooltip="For SamplerCustomAdvanced.")],
        )

    @classmethod
    def execute(
        cls, high, low, positive, negative=None, cfg_high=1.0, cfg_low=1.0, boundary=attach.BOUNDARY_I2V
    ) -> io.NodeOutput:
        report = Report(cls)
        checks.check_numbers(cfg_high=cfg_high, cfg_low=cfg_low)
        guider = _guider(report, high, low, positive, negative, cfg_high, cfg_low, boundary)
        return io.NodeOutput(guider, ui=report.ui())


class ExpertSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaExpertSampler",
            display_name="Expert Sampler (high + low)",
            category="Genga/sampling",
            search_aliases=["ExpertSampler", "Wan 2.2 sampler", "AniSora sampler", "KSampler high low"],
            description="Samples with the two experts of Wan 2.2 or AniSora V3.2 in one node. The defaults are AniSora "
            "V3.2's: 8 steps, CFG 1 (and shift 5, which the loader sets).",
            inputs=[
                *_expert_inputs(),
                io.Latent.Input("latent_image", tooltip="The latent of First + Last Frame or Arbitrary Keyframes."),
                seeds.seed_input(_SEED),
                io.Int.Input(
                    "steps",
                    default=ANISORA_STEPS,
                    min=1,
                    max=10000,
                    tooltip="AniSora V3.2 is tuned for 8. Wan 2.2 without a few-step LoRA wants 20 to 40.",
                ),
                io.Float.Input(
                    "cfg",
                    default=1.0,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    round=0.01,
                    tooltip="Guidance of the high-noise expert: AniSora 1 (0 to 10 possible), Wan 2.2 I2V 3.5.",
                ),
                io.Float.Input(
                    "cfg_low",
                    default=-1.0,
                    min=-1.0,
                    max=100.0,
                    step=0.1,
                    round=0.01,
                    optional=True,
                    tooltip="Guidance of the low-noise expert; -1 is the same as cfg.",
                ),
                io.Combo.Input(
                    "sampler_name",
                    options=sampler_names(),
                    default="uni_pc",
                    optional=True,
                    tooltip="AniSora's reference uses UniPC: uni_pc is the host's, unipc the reference's own. The last names "
                    "are those of Sampler (solvers), each as steps; a step of res_5s is 5 model calls.",
                ),
                io.Combo.Input(
                    "scheduler",
                    options=SCHEDULERS,
                    default="simple",
                    optional=True,
                    tooltip="How the noise levels are spread. simple is the reference's.",
                ),
                _boundary_input(),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    optional=True,
                    tooltip="Below 1 the run starts from the start video wired into the conditioning node (0.7 is usual); "
                    "without one only 1 is possible.",
                ),
            ],
            outputs=[io.Latent.Output(display_name="latent", tooltip="The video's latent, for VAE Decode.")],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )

    @classmethod
    def fingerprint_inputs(cls, seed=None, **_others):
        return seeds.fresh(seed)

    @classmethod
    def execute(
        cls, high, low, positive, negative=None, latent_image=None, seed=0, steps=ANISORA_STEPS, cfg=1.0, cfg_low=-1.0,
        sampler_name="uni_pc", scheduler="simple", boundary=attach.BOUNDARY_I2V, denoise=1.0,
    ) -> io.NodeOutput:  # fmt: skip
        report = Report(cls)
        checks.check_choice("sampler_name", sampler_name, sampler_names())
        checks.check_choice("scheduler", scheduler, SCHEDULERS)
        if steps < 1:
            raise InputError("steps", f"{steps} steps make nothing", f"Use {ANISORA_STEPS}.")
        checks.check_numbers(cfg=cfg, cfg_low=cfg_low)
        checks.check_latent(latent_image, denoise)
        drawn = seeds.drawn(report, seed)  # first, so that it is the first thing the node shows
        guider = _guider(report, high, low, positive, negative, cfg, cfg if cfg_low < 0 else cfg_low, boundary)
        checks.check_fit(latent_image["samples"], [values for _, values in (*positive, *(negative or ()))])
        if steps != ANISORA_STEPS:
            report.say(f"{steps} steps: AniSora V3.2 is tuned for {ANISORA_STEPS}; plain Wan 2.2 wants 20 to 40.")
        if denoise == 1.0 and checks.holds_video(latent_image):
            report.say("denoise is 1, so nothing of the start video is left.")
        sigmas = _sigmas(high, steps, sampler_name, scheduler, denoise)
        switch = experts.split_at(sigmas, boundary) if len(sigmas) > 1 else 0
        rest = max(0, len(sigmas) - 1 - switch)
        report.fact(high_steps=switch, low_steps=rest)
        sampler = _sampler(report, sampler_name, *((0, switch + rest) if guider.is_one else (switch, rest)))
        result = SamplerCustomAdvanced.execute(noise.BatchNoise(drawn), guider, sampler, sigmas, latent_image)
        return io.NodeOutput(result.args[0], ui=report.ui())


def sampler_names() -> list[str]:
    """The host's samplers, then ours; a name of both is the host's."""
    return [*comfy.samplers.KSampler.SAMPLERS, *registry.extra_names()]


def _sampler(report: Report, name: str, high: int, low: int):
    """The SAMPLER of this name for so many steps of the two experts; says what it costs."""
    if name in comfy.samplers.SAMPLER_NAMES and name in solvers.NAMES:
        report.say(f"{name} is the host's here, or another pack's; Sampler (solvers) has ours.")
        return comfy.samplers.sampler_object(name)
    for line in solvers.remarks_on_parts(name, high, low):
        report.say(line)
    return registry.sampler(name)


def _sigmas(model, steps: int, sampler_name: str, scheduler: str, denoise: float):
    """As the host's KSampler has them: for uni_pc, dpm_2 and their kin it leaves out the one before the last."""
    known = sampler_name if sampler_name in comfy.samplers.KSampler.SAMPLERS else "euler"
    return comfy.samplers.KSampler(
        model, steps, model.load_device, known, scheduler, denoise, model.model_options
    ).sigmas


class Noise(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaNoise",
            display_name="Noise (drawn seed)",
            category="Genga/sampling",
            search_aliases=["Noise", "random seed", "RandomNoise"],
            description="Noise for SamplerCustomAdvanced. Seed -1 draws a new seed on every run and reports it; each item of "
            "a batch has a seed of its own.",
            inputs=[seeds.seed_input(_SEED)],
            outputs=[
                io.Noise.Output(display_name="noise", tooltip="For SamplerCustomAdvanced."),
                io.Int.Output(display_name="used_seed", tooltip="The seed used, drawn or given."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )

    @classmethod
    def fingerprint_inputs(cls, seed=None, **_others):
        return seeds.fresh(seed)

    @classmethod
    def execute(cls, seed) -> io.NodeOutput:
        report = Report(cls)
        drawn = seeds.drawn(report, seed)
        return io.NodeOutput(noise.BatchNoise(drawn), drawn, ui=report.ui())


NODES = [ExpertGuider, ExpertSampler, Noise]
