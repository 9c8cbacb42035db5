"""A SAMPLER that stops a run where a test wants it: in the middle of one call, at one step.

The test sets it from outside with ``<input folder>/trap.json``, so that the prompt is the same with and without it:
``{"token": "…", "call": 2, "step": 0, "deed": "hold"}``. Calls are counted from the first after a new token. ``hold``
leaves ``trap.reached`` beside it and waits until somebody interrupts or kills; ``raise`` raises.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import comfy.model_management
import comfy.samplers
import folder_paths

ORDER, REACHED = "trap.json", "trap.reached"
MESSAGE = "the trap was set for this step"
PATIENCE = 120  # seconds; nobody came

_calls: dict[str, int] = {}


class Trapped(comfy.samplers.Sampler):
    """``inner``, with the trap at its steps."""

    def __init__(self, inner):
        self.inner = inner

    def sample(self, model_wrap, sigmas, extra_args, callback, noise, *others, **named):
        order = _order()
        call = _calls[order["token"]] = _calls.get(order["token"], -1) + 1

        def after_step(step, *told):
            if (order["call"], order["step"]) == (call, step):
                _spring(order)
            if callback is not None:
                callback(step, *told)

        return self.inner.sample(model_wrap, sigmas, extra_args, after_step, noise, *others, **named)


class TestsTrap:
    """The node; it goes between any SAMPLER and what uses it."""

    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "trapped", ("SAMPLER",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"sampler": ("SAMPLER",)}}

    def trapped(self, sampler):
        return (Trapped(sampler),)


def _folder() -> Path:
    return Path(folder_paths.get_input_directory())


def _order() -> dict:
    path = _folder() / ORDER
    return json.loads(path.read_text()) if path.exists() else {"token": "", "call": -1, "step": -1}


def _spring(order: dict) -> None:
    if order["deed"] == "raise":
        raise RuntimeError(MESSAGE)
    (_folder() / REACHED).write_text(order["token"])
    end = time.monotonic() + PATIENCE
    while not comfy.model_management.processing_interrupted() and time.monotonic() < end:
        time.sleep(0.01)
