"""LoRAs on one model or on a pair of experts, one at a time or as a set with a name."""

from __future__ import annotations

from collections.abc import Sequence

from comfy_api.latest import io

from .. import compat
from ..errors import InputError
from ..loaders import lora, lora_sets
from ..loaders.lora import Use
from .report import Report

CATEGORY = "Genga/loaders"
NONE = "none"
_HIDDEN = [io.Hidden.prompt, io.Hidden.unique_id]
_LIMIT = 100.0


def _models(high: str, low: str) -> list:
    return [io.Model.Input("high", tooltip=high), io.Model.Input("low", optional=True, tooltip=low)]


def _outputs() -> list:
    return [
        io.Model.Output(display_name="high"),
        io.Model.Output(display_name="low", tooltip="The same model as high where no second one is wired."),
    ]


def _strength(name: str, tooltip: str):
    return io.Float.Input(
        name, default=1.0, min=-_LIMIT, max=_LIMIT, step=0.01, optional=name != "strength_high", tooltip=tooltip
    )


def _check(**strengths: float) -> None:
    for name, strength in strengths.items():
        if not -_LIMIT <= strength <= _LIMIT:  # NaN too
            raise InputError(name, f"{strength} is no strength", "Use 1; 0 leaves the LoRA out.")


def _both(report: Report, high, low, chosen: lora_sets.LoraSet, input_names=("lora_name", "lora_low")):
    """high and low with their LoRAs. One model on both sides that gets the same stays one."""
    single = low is None or low is high
    patched, notes = lora.apply(high, chosen.high, "" if single else "high", input_names[0])
    other = patched
    if low is not None and not (low is high and chosen.low == chosen.high):
        other, more = lora.apply(low, chosen.low, "" if single else "low", input_names[1])
        notes += more
    for note in dict.fromkeys(notes):
        report.say(note)
    report.fact(loras_high=_said(lora.used(patched)), loras_low=_said(lora.used(other)))
    return patched, other


def _said(uses: Sequence[Use]) -> list[list]:
    return [[use.file, use.strength] for use in uses]


class Lora(io.ComfyNode):
    """One LoRA on a model or on both experts."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        names = lora.list_files() or [NONE]
        return compat.schema(
            node_id="GengaLora", display_name="LoRA (high + low)", category=CATEGORY,
            description="Puts a LoRA on a model or on a pair of experts, and says in one line what of it does not fit and "
            "why. For several, put several of these in a row; Save LoRA Set keeps them under a name.",
            search_aliases=["Lora", "LoraLoaderModelOnly", "Power Lora Loader", "Wan LoRA", "lightx2v"],
            inputs=[
                *_models("The high-noise expert, or the only model.", "The low-noise expert, if there is one."),
                io.Combo.Input("lora_name", options=names,
                               tooltip="From models/loras. For a pair of files: the one for high noise."),
                _strength("strength_high", "Strength on high; 0 leaves it out."),
                io.Combo.Input("lora_low", options=[lora.AUTO, *names], optional=True,
                               tooltip="The file for low. auto: the one with low in place of high in its name, if there is "
                               "one beside lora_name; else the same file. The node says which."),
                _strength("strength_low", "Strength on low; 0 leaves it out."),
            ],
            outputs=_outputs(),
            hidden=_HIDDEN,
        )  # fmt: skip

    @classmethod
    def execute(cls, high, lora_name, strength_high=1.0, low=None, lora_low=lora.AUTO, strength_low=1.0):
        report = Report(cls)
        _check(strength_high=strength_high, strength_low=strength_low)
        if lora_name == NONE:
            raise InputError(
                "lora_name", "there is no LoRA in ComfyUI's models/loras folder", "Put one there, press R."
            )
        second = lora.low_file(lora_name, lora_low)
        if low is not None and second != lora_name and lora_low == lora.AUTO:
            report.say(f"low gets {second}.")
        chosen = lora_sets.LoraSet((Use(lora_name, strength_high),), (Use(second, strength_low),))
        return io.NodeOutput(*_both(report, high, low, chosen), ui=report.ui())


class LoraSet(io.ComfyNode):
    """A stored set of LoRAs on a model or on both experts."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return compat.schema(
            node_id="GengaLoraSet", display_name="LoRA Set", category=CATEGORY,
            description="Puts a set of LoRAs that was saved with Save LoRA Set on a model or on a pair of experts.",
            search_aliases=["LoraSet", "LoRA set", "LoRA preset", "LoRA stack"],
            inputs=[
                *_models("The high-noise expert, or the only model.", "The low-noise expert, if there is one."),
                io.Combo.Input("lora_set", options=[NONE, *lora_sets.names()],
                               tooltip="A set saved with Save LoRA Set; press R after saving one. none changes nothing."),
                io.Float.Input("strength", default=1.0, min=-10.0, max=10.0, step=0.01, optional=True,
                               tooltip="Every strength of the set times this."),
            ],
            outputs=_outputs(),
            hidden=_HIDDEN,
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, lora_set=NONE, **_others):
        """A set saved anew under its name is another one."""
        if lora_set not in lora_sets.names():
            return None
        return repr(lora_sets.read(lora_set))

    @classmethod
    def execute(cls, high, lora_set, low=None, strength=1.0) -> io.NodeOutput:
        report = Report(cls)
        _check(strength=strength)
        if lora_set == NONE:
            return io.NodeOutput(high, high if low is None else low)
        stored = lora_sets.read(lora_set)
        chosen = lora_sets.LoraSet(*(lora_sets.scaled(uses, strength) for uses in stored))
        for side, uses in zip(chosen._fields, chosen, strict=True):
            if uses and (side == "high" or low is not None):
                report.say(f"{side}: " + ", ".join(f"{use.file} {use.strength:g}" for use in uses))
        result = _both(report, high, low, chosen, ("lora_set", "lora_set"))
        return io.NodeOutput(*result, ui=report.ui())


class SaveLoraSet(io.ComfyNode):
    """Stores the LoRAs that are on the models."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return compat.schema(
            node_id="GengaSaveLoraSet", display_name="Save LoRA Set", category=CATEGORY,
            description="Saves the LoRAs that LoRA (high + low) and LoRA Set put on these models, with their strengths, "
            "under a name: a choice in LoRA Set from then on (press R). The models are passed on.",
            search_aliases=["SaveLoraSet", "save LoRA set", "save LoRA preset"],
            inputs=[
                *_models("The high-noise expert with its LoRAs, or the only model.", "The low-noise expert with its LoRAs."),
                io.String.Input("name", default="my set",
                                tooltip="A set of this name is replaced. It is kept in the user folder, under "
                                "genga/lora_sets."),
            ],
            outputs=_outputs(),
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def execute(cls, high, name, low=None) -> io.NodeOutput:
        report = Report(cls)
        low = high if low is None else low
        chosen = lora_sets.LoraSet(lora.used(high), lora.used(low))
        if not (chosen.high or chosen.low):
            raise InputError("high", "no LoRA of LoRA (high + low) is on it", "Put this node behind the LoRA nodes.")
        replaced = lora_sets.save(name, chosen)
        counts = f"{len(chosen.high)} LoRAs for high, {len(chosen.low)} for low"
        report.say(f"{'Replaced' if replaced else 'Saved'} {name!r}: {counts}.")
        return io.NodeOutput(high, low, ui=report.ui())


NODES = [Lora, LoraSet, SaveLoraSet]
