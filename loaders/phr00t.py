"""Phr00t's WAN 2.2 Rapid All-In-One files: which half of a merge, which kind, what suits it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from .inspect import Header, ModelFacts, describe, expect_text_encoder, expect_vae, expect_wan, read_header
from .names import noise_side, sibling
from .options import LoadOptions

FAMILY = "phr00t"
VARIANTS = ("low noise", "high noise")
_TEXT_PREFIX = "text_encoders.umt5xxl.transformer."
_TWO = "To use both as experts: two Phr00t Loaders, one per variant, into an Expert Sampler."
_ADVICE = {
    "i2v": "I2V: pictures through First + Last Frame with control inpaint. 4 steps, cfg 1, sampler sa_solver, scheduler beta.",
    "t2v": "T2V: it cannot see pictures; First + Last Frame without pictures makes its conditioning. "
    "4 steps, cfg 1, sampler euler_ancestral, scheduler beta.",
    "vace": "MEGA (VACE): First + Last Frame with control vace, with pictures or without. "
    "4 steps, cfg 1, sampler euler_ancestral, scheduler beta; its author samples with shift 8 (ModelSamplingSD3).",
}


class AllInOne(NamedTuple):
    """What Phr00tLoader returns, and what it has to say."""

    model: object
    clip: object
    vae: object
    notes: list[str]


def siblings(checkpoint: str) -> dict[str, str] | None:
    """The two files of a two-file merge by variant, from either one's name; None for a one-file merge."""
    other = sibling(checkpoint)
    if other is None:
        return None
    low_first = noise_side(checkpoint) == "low"
    low, high = (checkpoint, other) if low_first else (other, checkpoint)
    return {"low noise": low, "high noise": high}


def pick(checkpoint: str, variant: str, names: Sequence[str]) -> tuple[str, list[str]]:
    """The file ``variant`` means, of ``names`` in the checkpoints folder, and what to say about it.

    Raises InputError when the sibling it means is not there.
    """
    if variant not in VARIANTS:
        raise InputError("lighting_variant", f"{variant!r} is unknown", f"Use one of {', '.join(VARIANTS)}.")
    pair = siblings(checkpoint)
    if pair is None:
        return checkpoint, [f"{checkpoint} is a one-file merge: lighting_variant has nothing to choose between."]
    wanted = pair[variant]
    if wanted == checkpoint:
        return checkpoint, [f"{checkpoint} is the {variant} file of a two-file merge. {_TWO}"]
    present = {name.lower(): name for name in names}.get(wanted.lower())
    if present is None:
        raise InputError(
            "lighting_variant",
            f"{variant!r} of {checkpoint} would be {wanted}, which is not beside it",
            f"Put {Path(wanted).name} into the same folder, or set lighting_variant to "
            f"{'high noise' if variant == 'low noise' else 'low noise'!r}.",
        )
    return present, [f"lighting_variant {variant}: {present} is loaded, the sibling of {checkpoint}. {_TWO}"]


def inspect_all_in_one(path: Path, input_name: str = "checkpoint") -> ModelFacts:
    """The facts of an all-in-one file; InputError when model, text encoder or VAE is missing or another's."""
    header = read_header(path, input_name)
    facts = expect_wan(describe(header), input_name)
    if facts.kind not in _ADVICE:
        raise InputError(input_name, f"{facts.name} is {facts.what}", "Choose a Phr00t Rapid All-In-One file.")
    missing = [what for what, there in (("text encoder", facts.has_text_encoder), ("VAE", facts.has_vae)) if not there]
    if missing:
        raise InputError(
            input_name,
            f"{facts.name} is {facts.what} without {' and '.join(missing)} inside: not an all-in-one file",
            "Load it with the Wan Model Loader (from models/diffusion_models), Load CLIP and Load VAE.",
        )
    expect_text_encoder(_text_part(header), input_name)
    expect_vae(describe(header.under("vae.")), input_name)
    return facts


def _text_part(header: Header) -> Header:
    part = header.under(_TEXT_PREFIX)
    tokenizer = header.tensors.get("text_encoders.spiece_model")
    tensors = {**part.tensors, **({"spiece_model": tokenizer} if tokenizer is not None else {})}
    return Header(header.name, tensors, header.metadata)


def load(path: Path, chosen: LoadOptions, facts: ModelFacts) -> AllInOne:
    """MODEL, CLIP and VAE out of one file, through the host's own loading.

    The host reads the file twice, mapped into memory both times, so nothing is held twice: its checkpoint
    loader has no precision options for the model on every version, its diffusion model loader has.
    """
    import comfy.sd
    import folder_paths

    from . import wan

    _, clip, vae, _ = comfy.sd.load_checkpoint_guess_config(
        str(path), output_model=False, embedding_directory=folder_paths.get_folder_paths("embeddings")
    )
    wan.expect_latent_channels(vae, path.name, "checkpoint")
    vae.genga_family = FAMILY
    model, notes = wan.load_diffusion(path, chosen, facts, FAMILY)
    return AllInOne(model, clip, vae, [_ADVICE[facts.kind], *notes])
