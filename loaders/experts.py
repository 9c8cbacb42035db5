"""Two experts that are to be one model: do these two files belong together?"""

from __future__ import annotations

from typing import NamedTuple

from ..errors import InputError
from .inspect import ModelFacts
from .names import noise_side
from .options import LoadOptions

HIGH, LOW = "high_noise_model", "low_noise_model"


def check_pair(high_name: str, high: ModelFacts, low_name: str | None, low: ModelFacts | None) -> list[str]:
    """What there is to say about a pair of I2V experts; InputError where they cannot be one.

    ``low`` is None for a single-expert version. Names are as the combo shows them, folders included.
    The weights of a high- and a low-noise expert have the same shapes: only the names tell them apart.
    """
    _expect_i2v(high, HIGH)
    if low is None or low_name is None:
        return _single(high_name, high)
    _expect_i2v(low, LOW)
    _check_sides(high_name, low_name)
    for what, mine, other in (
        ("width", high.dim, low.dim),
        ("number of layers", high.layers, low.layers),
        ("image embedding (CLIP vision)", high.has_image_embedding, low.has_image_embedding),
    ):
        if mine != other:
            raise InputError(
                LOW,
                f"{low_name} does not belong to {high_name}: {what} {_say(other)} against {_say(mine)}",
                "Choose the two files of one release.",
            )
    if high_name == low_name:
        return [f"{high_name} is chosen for high and low noise: it runs as a single expert."]
    return []


def _expect_i2v(facts: ModelFacts, input_name: str) -> None:
    if facts.kind != "i2v":
        raise InputError(
            input_name,
            f"{facts.name} is {facts.what}, AniSora V3 to V3.2 are image-to-video models (36 input channels)",
            "Choose an AniSora file, or load this one with the Wan Model Loader.",
        )


def _single(name: str, facts: ModelFacts) -> list[str]:
    notes = [f"One expert: {name} runs at every noise level."]
    if noise_side(name) is not None or not facts.has_image_embedding:
        notes.append(
            "It looks like one half of a two-expert version (AniSora V3.2): choose the other file as "
            "low_noise_model for a clean picture."
        )
    return notes


def _check_sides(high_name: str, low_name: str) -> None:
    high_side, low_side = noise_side(high_name), noise_side(low_name)
    if high_side == "low" and low_side == "high":
        raise InputError(
            HIGH, f"high and low are exchanged ({high_name} is here, {low_name} is low_noise_model)",
            "Swap the two files.",
        )  # fmt: skip
    if high_side == "low" and high_name != low_name:
        raise InputError(HIGH, f"{high_name} is the low-noise expert by its name", "Choose the high-noise file.")
    if low_side == "high" and high_name != low_name:
        raise InputError(LOW, f"{low_name} is the high-noise expert by its name", "Choose the low-noise file.")


def _say(value) -> str:
    return {True: "yes", False: "no"}.get(value) if isinstance(value, bool) else str(value)


class Pair(NamedTuple):
    """What AniSoraLoader returns, and what it has to say. ``low`` is ``high`` for a single expert."""

    high: object
    low: object
    clip: object
    vae: object
    notes: list[str]


def load(
    high_name: str, low_name: str | None, text_name: str, vae_name: str, chosen: LoadOptions, shift: float
) -> Pair:
    """Two experts (or one), text encoder and VAE: every file is checked before the first is loaded."""
    from . import wan

    wan.check_options(chosen)
    wan.check_shift(shift)
    high_path = wan.find("diffusion_models", high_name, HIGH)
    low_path = None if low_name is None else wan.find("diffusion_models", low_name, LOW)
    high = wan.inspect_diffusion(high_path, HIGH)
    low = None if low_path is None else wan.inspect_diffusion(low_path, LOW)
    notes = check_pair(high_name, high, low_name, low)
    text_path = wan.check_text_encoder(text_name)
    wan.check_vae(vae_name)

    clip = wan.load_text_encoder(text_path)
    vae = wan.load_vae(vae_name)
    loaded = wan.load_diffusion(high_path, chosen, high)
    first = second = wan.apply_shift(loaded.model, shift)
    notes += loaded.notes
    if low is not None and low_name != high_name:
        loaded = wan.load_diffusion(low_path, chosen, low)
        second = wan.apply_shift(loaded.model, shift)
        notes += loaded.notes
    return Pair(first, second, clip, vae, notes)
