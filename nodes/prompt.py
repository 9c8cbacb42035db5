"""Words in: AniSora's prompt with its motion score."""

from __future__ import annotations

from comfy_api.latest import io

from .. import compat
from ..conditioning import prompt as prompts
from ..errors import InputError
from .report import Report


class AniSoraPrompt(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return compat.schema(
            node_id="GengaAniSoraPrompt",
            display_name="AniSora Prompt",
            category="Genga/conditioning",
            search_aliases=["AniSoraPrompt", "motion score"],
            description="Encodes a prompt with the score sentence AniSora was trained on. Write the scene, the motion and "
            "the camera; for first and last frame say what the transition is; for keyframes describe the whole movement, "
            "not the single frames, and say smooth and consistent.",
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoder (UMT5-XXL) of the AniSora Loader."),
                io.String.Input(
                    "prompt",
                    multiline=True,
                    dynamic_prompts=True,
                    tooltip="What happens and how the camera moves. Long, detailed, English descriptions work best. The "
                    "score sentence is added; one that is there already is rewritten, not doubled.",
                ),
                io.Float.Input(
                    "motion_score",
                    default=3.0,
                    min=0.0,
                    max=5.0,
                    step=0.1,
                    tooltip="How much moves: 0 to 1.5 subtle, 2 to 3.5 moderate, 4 to 5 energetic. The authors document "
                    "2 to 4 for V3.2.",
                ),
                io.Float.Input(
                    "aesthetic_score",
                    default=prompts.AESTHETIC,
                    min=0.0,
                    max=10.0,
                    step=0.1,
                    optional=True,
                    tooltip="The picture quality asked for; the authors use 5.5 in every sample, range 5 to 7.",
                ),
            ],
            outputs=[io.Conditioning.Output(display_name="conditioning", tooltip="The encoded prompt.")],
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, clip, prompt, motion_score=3.0, aesthetic_score=prompts.AESTHETIC) -> io.NodeOutput:
        if clip is None:
            raise InputError("clip", "there is no text encoder", "Load UMT5-XXL with the AniSora Loader.")
        report = Report(cls)
        text = prompts.anisora_prompt(prompt, motion_score, aesthetic_score)
        if len(text) > prompts.MAX_CHARACTERS:
            limit = prompts.MAX_CHARACTERS
            report.say(f"The prompt has {len(text)} characters; AniSora is documented for up to {limit}.")
        report.fact(prompt=text)
        return io.NodeOutput(clip.encode_from_tokens_scheduled(clip.tokenize(text)), ui=report.ui())


NODES = [AniSoraPrompt]
