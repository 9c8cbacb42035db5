"""LoRA files on a MODEL by the host's own reading and patching, with one line on what does not fit instead of hundreds.

What the host takes of a file is told by watching it read; what would fail on the weights' shapes only while sampling is
left out beforehand. Nothing of the host is patched for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from ..errors import InputError
from . import guard, lora_reasons
from .names import noise_side, sibling

KEY = "genga_loras"
ENDINGS = (".safetensors", ".sft")
AUTO = "auto"


class Use(NamedTuple):
    """One LoRA on a model: its file as the combo names it, and its strength."""

    file: str
    strength: float


@dataclass(frozen=True)
class Fit:
    """What of a LoRA a model takes. ``patches`` as the host adds them; ``unknown``: the file's names that lead nowhere;
    ``misfits``: the model's weights of another shape, with the shape the LoRA is for and the model's."""

    patches: dict
    unknown: tuple[str, ...]
    misfits: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]


class _Watched(dict):
    """A state dict that remembers what was taken out of it."""

    def __init__(self, *args):
        super().__init__(*args)
        self.taken: set[str] = set()

    def __getitem__(self, key):
        self.taken.add(key)
        return super().__getitem__(key)

    def get(self, key, default=None):
        self.taken.update({key} & self.keys())
        return super().get(key, default)


def list_files() -> list[str]:
    """The LoRA files that can be chosen, from models/loras."""
    import folder_paths

    return [name for name in folder_paths.get_filename_list("loras") if name.lower().endswith(ENDINGS)]


def find(name: str, input_name: str = "lora_name") -> Path:
    """The path of one of the files listed; InputError for any other name."""
    import folder_paths

    path = folder_paths.get_full_path("loras", name) if name in list_files() else None
    if path is None:
        problem = f"there is no LoRA {name} in ComfyUI's models/loras folder"
        raise InputError(input_name, problem, "Put it there and press R, or choose another file.")
    return Path(path)


def low_file(name: str, chosen: str) -> str:
    """The file for the low-noise expert: the one chosen, or with "auto" the other half of ``name`` if it is there.

    The other half bears the same name with high and low exchanged; without one it is ``name`` itself.
    """
    if chosen != AUTO:
        return chosen
    other = sibling(name)
    if other is None or noise_side(name) != "high":
        return name
    present = {known.lower(): known for known in list_files()}
    return present.get(other.lower(), name)


def apply(model, uses: Sequence[Use], role: str = "", input_name: str = "lora_name"):
    """A clone of ``model`` with ``uses`` on it in this order, and what there is to say about them.

    ``role``: "high" or "low" where the model stands for that expert. Raises InputError for a file that is missing or
    no LoRA, and for one of which nothing fits. A strength of 0 leaves the file out.
    """
    wanted = [use for use in uses if use.strength != 0.0]
    paths = [find(use.file, input_name) for use in wanted]
    notes: list[str] = []
    for use, path in zip(wanted, paths, strict=True):
        model, said = _one(model, use, path, role, input_name)
        notes += said
    return model, notes


def used(model) -> tuple[Use, ...]:
    """The LoRAs that nodes of ours put on a MODEL, in order."""
    return model.get_attachment(KEY) or ()


def _one(model, use: Use, path: Path, role: str, input_name: str):
    import comfy.utils

    try:
        weights = comfy.utils.load_torch_file(str(path), safe_load=True)
    except Exception as error:  # the library has many kinds, none of them public
        problem = f"{use.file} cannot be read ({error})"
        raise InputError(input_name, problem, "Download it again, and compare its size with the page's.") from error
    fit = match(model, weights)
    if not fit.patches:
        problem = f"nothing of {use.file} fits this model: {lora_reasons.explain(fit, guard.traits_of(model))}"
        raise InputError(input_name, problem, lora_reasons.REMEDY)
    patched = model.clone()
    added = patched.add_patches(fit.patches, use.strength)
    patched.set_attachments(KEY, (*used(model), use))
    notes = []
    left = len(lora_reasons.layers(fit.unknown)) + len(fit.misfits) + len(fit.patches) - len(added)
    if left:
        why = lora_reasons.explain(fit, guard.traits_of(model))
        notes.append(f"{use.file}: {len(added)} of {len(added) + left} layers fit, {left} do not: {why}.")
    mixed = _mixed(use.file, model, role)
    return patched, [*notes, *([mixed] if mixed else [])]


def match(model, weights: dict[str, torch.Tensor]) -> Fit:
    """What of a LoRA's state dict the host would put on ``model``."""
    import comfy.lora
    import comfy.lora_convert

    watched = _Watched(comfy.lora_convert.convert_lora(weights))
    names = comfy.lora.model_lora_keys_unet(model.model, {})
    if guard.traits_of(model).framepack:
        from .framepack import lora as framepack

        names = framepack.names(_shapes(model)) | names
    found = comfy.lora.load_lora(watched, names, log_missing=False)
    patches, misfits = {}, []
    for target, patch in found.items():
        made, needed = _made(patch), _needed(model, target)
        if made is None or needed is None or made == needed:
            patches[target] = patch
        else:
            misfits.append((target, made, needed))
    return Fit(patches, tuple(key for key in watched if key not in watched.taken), tuple(misfits))


def _shapes(model) -> dict[str, tuple[int, ...]]:
    """Rows and columns of the weights of a MODEL's linear layers, quantized ones too, by their keys."""
    return {
        f"{name}.weight": (module.out_features, module.in_features)
        for name, module in model.model.named_modules()
        if isinstance(getattr(module, "in_features", None), int)
    }


def _made(patch) -> tuple[int, ...] | None:
    """Rows and columns of what a patch adds; None where only the host can tell."""
    if isinstance(patch, tuple):
        tensor = patch[1][0] if patch[0] in ("diff", "set") else None
        return None if tensor is None else _flat(tensor.shape)
    if getattr(patch, "name", None) != "lora":
        return None
    up, down, _alpha, mid, _dora, reshape = (*patch.weights, None, None)[:6]
    if mid is not None or reshape is not None or up.shape[1] != down.shape[0]:
        return None
    return up.shape[0], down[0].numel()


def _needed(model, target) -> tuple[int, ...] | None:
    """Rows and columns of the weight a patch is for; None where they cannot be told (parts of fused weights)."""
    if not isinstance(target, str):
        return None
    path, _, name = target.rpartition(".")
    try:
        module = model.model.get_submodule(path)
    except AttributeError:
        return None
    if name == "weight" and isinstance(getattr(module, "in_features", None), int):
        return module.out_features, module.in_features  # a quantized weight has another shape than its layer
    weight = getattr(module, name, None)
    return None if weight is None else _flat(weight.shape)


def _flat(shape) -> tuple[int, ...]:
    rows = shape[0] if len(shape) else 1
    columns = 1
    for size in shape[1:]:
        columns *= size
    return (rows, columns) if len(shape) > 1 else (rows,)


def _mixed(file: str, model, role: str) -> str | None:
    """Says where a file's name names the other expert than the model's file or the place in the graph does."""
    mine = noise_side(file)
    of_file = (model.get_attachment(guard.MARK) or {}).get("file", "")
    theirs = (noise_side(of_file) if of_file else None) or role
    if mine is None or not theirs or mine == theirs:
        return None
    return f"{file} is made for the {mine}-noise expert by its name, and goes on the {theirs}-noise one."
