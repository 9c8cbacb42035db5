"""Guidance beyond the host's: text and sound with a strength each, and negative prompts where CFG is 1."""

from __future__ import annotations

from comfy_api.latest import io

from .. import compat
from ..errors import InputError
from ..loaders import guard, talk
from ..samplers import audio_guider, checks, nag
from .report import Report


class AudioGuider(io.ComfyNode):
    """A GUIDER over a model from the InfiniteTalk Loader."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        strength = {"min": 0.0, "max": 100.0, "step": 0.1, "round": 0.01, "optional": True}
        return compat.schema(
            node_id="GengaAudioGuider",
            display_name="Audio Guider",
            category="Genga/sampling",
            search_aliases=["AudioGuider", "audio CFG", "InfiniteTalk guider", "lip sync strength"],
            description="A guider with one strength for the text and one for the sound, as InfiniteTalk defines them. "
            "Each strength that is not 1 costs a further prediction per step.",
            inputs=[
                io.Model.Input("model", tooltip="The model of the InfiniteTalk Loader."),
                io.Conditioning.Input("positive", tooltip="The prompt. Pictures and sound come from the windows."),
                io.Conditioning.Input(
                    "negative", optional=True, tooltip="What to avoid. Needed for a CFG other than 1."
                ),
                io.Float.Input(
                    "cfg", default=5.0, **strength,
                    tooltip="How strictly to follow the text. InfiniteTalk was trained for 5; with a distillation LoRA "
                    "(4 to 8 steps) 1, which also leaves the negative prompt out.",
                ),
                io.Float.Input(
                    "audio_cfg", default=4.0, **strength,
                    tooltip="How strictly to follow the sound: 3 to 5 are useful, 4 is InfiniteTalk's own. With a "
                    "distillation LoRA 2, or 1 for the fastest run: one prediction per step.",
                ),
            ],
            outputs=[io.Guider.Output(display_name="guider", tooltip="For Window Sampler.")],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )  # fmt: skip

    @classmethod
    def execute(cls, model, positive, negative=None, cfg=5.0, audio_cfg=4.0) -> io.NodeOutput:
        report = Report(cls)
        checks.check_numbers(cfg=cfg, audio_cfg=audio_cfg)
        checks.check_text(positive, "positive")
        if negative is not None:
            checks.check_text(negative, "negative")
        guard.check_model(model, {"positive": positive, "negative": negative})
        if talk.facts_of(model) is None:
            raise InputError(
                "model",
                "it has no InfiniteTalk weights, so it hears nothing",
                "Wire the model of the InfiniteTalk Loader.",
            )
        guider = audio_guider.AudioGuider(model, positive, negative, cfg, audio_cfg)
        if negative is not None and audio_guider.is_one(cfg):
            report.say(f"CFG is 1, so the negative prompt plays no part. {nag.hint(model)}")
        passes = len(guider.original_conds)
        report.say(f"{passes} prediction{'s' if passes > 1 else ''} per step.")
        report.fact(cfg=cfg, audio_cfg=audio_cfg)
        return io.NodeOutput(guider, ui=report.ui())


class NAG(io.ComfyNode):
    """Normalized attention guidance on a Wan model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        part = {"min": 0.0, "max": 1.0, "step": 0.01, "optional": True}
        return compat.schema(
            node_id="GengaNAG", display_name="NAG (negative at CFG 1)", category="Genga/sampling",
            search_aliases=["NAG", "normalized attention guidance", "WanVideoNAG", "negative prompt", "CFG 1"],
            description="A negative prompt that acts where CFG is 1 and the host drops it: in every layer the picture is "
            "pushed away from it. Costs one more text attention in each layer, not a second prediction.",
            inputs=[
                io.Model.Input("model", tooltip="A Wan model: I2V, T2V, VACE or Animate; of a pair each its own NAG."),
                io.Conditioning.Input(
                    "negative", tooltip="What not to show, encoded by UMT5. Short and plain: only what you do not want.",
                ),
                io.Float.Input(
                    "nag_scale", default=nag.SCALE, min=1.0, max=100.0, step=0.1, round=0.01,
                    tooltip="How far to push: 11 is usual for Wan, 4 to 6 is gentle. 1 is off, exactly.",
                ),
                io.Float.Input(
                    "nag_tau", default=nag.TAU, min=1.0, max=10.0, step=0.1, round=0.01,
                    tooltip="What was pushed stays within this many times its former length. Lower keeps closer to the "
                    "picture given.",
                ),
                io.Float.Input(
                    "nag_alpha", default=nag.ALPHA, min=0.0, max=1.0, step=0.01,
                    tooltip="How much of the pushed result is mixed in. 0 is off, exactly; 0.5 for few-step T2V.",
                ),
                io.Float.Input("start_percent", default=0.0, tooltip="Where in the schedule it begins to act.", **part),
                io.Float.Input("end_percent", default=1.0, tooltip="Where in the schedule it ends: the first steps count "
                               "most, later ones can do without and save time.", **part),
            ],
            outputs=[io.Model.Output(display_name="MODEL")],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, model, negative, nag_scale=nag.SCALE, nag_tau=nag.TAU, nag_alpha=nag.ALPHA,
        start_percent=0.0, end_percent=1.0,
    ) -> io.NodeOutput:  # fmt: skip
        report = Report(cls)
        nag.check(nag_scale, nag_tau, nag_alpha, start_percent, end_percent)
        checks.check_text(negative, "negative")
        if nag.is_off(nag_scale, nag_alpha):
            report.say("This scale or alpha is off: the model is passed on as it is.")
            return io.NodeOutput(model, ui=report.ui())
        if len(negative) > 1:
            report.say(f"The negative has {len(negative)} entries; the first one is used.")
        guidance = nag.Nag(negative[0][0], nag_scale, nag_tau, nag_alpha, start_percent, end_percent)
        patched = nag.apply(model, guidance)
        report.fact(nag_scale=nag_scale, nag_tau=nag_tau, nag_alpha=nag_alpha)
        return io.NodeOutput(patched, ui=report.ui())


NODES = [AudioGuider, NAG]
