"""Guidance by text and by sound, as MeiGen-AI/InfiniteTalk defines it (``wan/multitalk.py``).

With u the prediction of the negative prompt without sound, d that of the negative prompt with sound and c that of
the prompt with sound: ``u + cfg (c - d) + audio_cfg (d - u)``. At cfg 1 the negative prompt plays no part; with s
the prompt without sound: ``s + audio_cfg (c - s)``. Without sound means zeros in the sound's place.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import comfy.samplers
import torch

from ..errors import InputError
from ..loaders.talk_patch import AUDIO
from . import nag

SILENT = "silent_"


class AudioGuider(comfy.samplers.CFGGuider):
    """A GUIDER with two strengths. It runs as many predictions as they need: one, two or three.

    ``original_conds`` holds those it shows the model: "positive"; "negative" unless cfg is 1; and unless audio_cfg
    is 1 "silent_negative", or at cfg 1 "silent_positive". A shallow copy may be given other conds without touching
    this one; the sound of silent conds is set to zero when sampling starts, whoever put it there.
    """

    def __init__(self, model, positive: list, negative: list | None, cfg: float, audio_cfg: float):
        super().__init__(model)
        self.cfg, self.audio_cfg = cfg, audio_cfg
        plain = is_one(cfg)
        conds = {"positive": positive}
        if not plain:
            if negative is None:
                problem = f"nothing is wired and CFG is {cfg:g}"
                raise InputError("negative", problem, "Wire a negative prompt, or set CFG to 1.")
            conds["negative"] = negative
        if not is_one(audio_cfg):
            conds[SILENT + ("positive" if plain else "negative")] = positive if plain else negative
        self.inner_set_conds(conds)

    def __copy__(self):
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.original_conds = dict(self.original_conds)
        return twin

    def sample(self, *args, **kwargs):
        """As CFGGuider.sample."""
        self.original_conds = {
            name: silenced(conds) if name.startswith(SILENT) else conds for name, conds in self.original_conds.items()
        }
        return super().sample(*args, **kwargs)

    def predict_noise(self, x, timestep, model_options=None, seed=None):
        """The guided prediction [B, C, T, h, w], through the host's own CFG and all that is hooked into it."""
        options = model_options or {}
        positive, negative = self.conds["positive"], self.conds.get("negative")
        cfg = self.cfg
        if is_one(cfg) and not is_one(self.audio_cfg):
            negative, cfg = self.conds[SILENT + "positive"], self.audio_cfg
            options = _both_positive(options)
        elif not is_one(self.audio_cfg):
            options = self._with_third(options)
        return comfy.samplers.sampling_function(
            self.inner_model, x, timestep, negative, positive, cfg, model_options=options, seed=seed
        )

    def _with_third(self, options: dict) -> dict:
        """``options`` with a third prediction behind the host's two.

        u + cfg (c - d) + audio_cfg (d - u) is plain CFG between c and d once both are moved by
        (audio_cfg - 1) (d - u): so the host's CFG, and other packs' functions in it, see two predictions as ever.
        """
        silent = self.conds[SILENT + "negative"]
        before = options.get("sampler_calc_cond_batch_function", _predict)

        def predict(args: dict) -> list[torch.Tensor]:
            shown = {**args, "conds": [*args["conds"], silent], "model_options": options}
            with_text, heard, unheard = before(shown)
            push = (heard - unheard) * (self.audio_cfg - 1.0)
            return [with_text + push, heard + push]

        return {**options, "sampler_calc_cond_batch_function": predict}


def _both_positive(options: dict) -> dict:
    """``options`` that say that both prompts are the positive one: NAG is for it with sound and without alike."""
    inner = {**options.get("transformer_options", {}), nag.POSITIVE: (0, 1)}
    return {**options, "transformer_options": inner}


def _predict(args: dict) -> list[torch.Tensor]:
    return comfy.samplers.calc_cond_batch(
        args["model"], args["conds"], args["input"], args["sigma"], args["model_options"]
    )


def is_one(strength: float) -> bool:
    """Whether a strength is 1 for the host, which then leaves a prediction out."""
    return math.isclose(strength, 1.0)


def silenced(conds: Iterable[dict]) -> list[dict]:
    """Copies of the entries with zeros in the place of their sound; those without any are left as they are."""
    return [_silenced(entry) for entry in conds]


def _silenced(entry: dict) -> dict:
    sound = entry.get("model_conds", {}).get(AUDIO)
    if sound is None:
        return entry
    quiet = type(sound)(torch.zeros_like(sound.cond))
    return {**entry, "model_conds": {**entry["model_conds"], AUDIO: quiet}}
