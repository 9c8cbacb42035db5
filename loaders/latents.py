"""Latents as files: .safetensors with the keys of the host's own Save Latent, and their place in time beside them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path, PureWindowsPath

import safetensors.torch
import torch

from ..conditioning.latent_place import Place, placed, read_place, samples_of
from ..errors import InputError
from .framepack import latents as eichi
from .header import Header, read_header

ENDINGS = (".safetensors", ".latent")
SAMPLES, VERSION, MASK, ABOUT = "latent_tensor", "latent_format_version_0", "noise_mask", "genga_latent"
HOST, EICHI = "ComfyUI", "FramePack-eichi"
LAYOUTS = (HOST, EICHI)
_UNSCALED = 1.0 / 0.18215  # what the host multiplies files with that lack VERSION
_FLOATS = ("F16", "BF16", "F32", "F64")
_ANOTHER = "Save the latent again, or choose another file."


def write(path: Path, latent: Mapping, place: Place, tags: Mapping[str, str], layout: str = HOST) -> None:
    """Writes a LATENT to ``path``, which may be an empty file that holds the name. ``tags``: further metadata.

    layout: one of LAYOUTS; FramePack-eichi's knows neither place nor mask. Made as ``<stem>.part<suffix>`` beside it;
    after an error neither is left.
    """
    samples = samples_of(latent, "samples")
    if layout == EICHI:
        _save(path, eichi.tensors(samples), tags)
        return
    tensors = {SAMPLES: samples.cpu().contiguous(), VERSION: torch.tensor([])}
    mask = latent.get("noise_mask")
    if isinstance(mask, torch.Tensor):
        tensors[MASK] = mask.cpu().contiguous()
    frames = place.frames(samples.shape[2]) if samples.ndim == 5 else 1
    about = {"version": 1, **asdict(place), "frames": frames, "batch_index": latent.get("batch_index")}
    _save(path, tensors, {**tags, ABOUT: json.dumps(about)})


def _save(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    part = path.with_name(f"{path.stem}.part{path.suffix}")
    try:
        safetensors.torch.save_file(dict(tensors), part, dict(metadata))
        os.replace(part, path)
    except BaseException:
        for made in (part, path):
            with contextlib.suppress(OSError):
                made.unlink(missing_ok=True)
        raise


def read(path: Path, name: str = "latent") -> dict:
    """The LATENT in a file of ours, the host's or FramePack-eichi's, with its place; the header is checked first.

    Raises InputError, naming the input, for what is no latent, is damaged or cut off, or holds NaN.
    """
    try:
        header = read_header(path, name)
    except InputError as error:
        raise InputError(name, error.problem, _ANOTHER) from error
    if eichi.is_eichi(header):
        return placed({"samples": eichi.read(path, header, name)}, Place(fps=eichi.FPS))
    _check(header, name)
    place, batch_index = _about(header, name)
    try:
        tensors = safetensors.torch.load_file(path, device="cpu")
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(name, f"{path.name} cannot be read ({error})", _ANOTHER) from error
    samples = tensors[SAMPLES].float() * (1.0 if VERSION in tensors else _UNSCALED)
    if not bool(torch.isfinite(samples).all()):
        raise InputError(
            name, f"{path.name} holds NaN or infinite values", "The run that made it failed: make it anew."
        )
    latent = {"samples": samples}
    if MASK in tensors:
        latent["noise_mask"] = tensors[MASK].float()
    if batch_index is not None:
        latent["batch_index"] = batch_index
    return placed(latent, place)


def _check(header: Header, name: str) -> None:
    tensor = header.tensors.get(SAMPLES)
    if tensor is None:
        problem = f"{header.name} holds no latent: it lacks the tensor {SAMPLES}"
        raise InputError(name, problem, "Choose a file of Save Latent (Genga) or of the host's Save Latent.")
    if tensor.dtype not in _FLOATS or len(tensor.shape) not in (3, 4, 5) or tensor.size == 0:
        raise InputError(name, f"{header.name} holds {tensor.dtype} of shape {tensor.shape}, no latent", _ANOTHER)
    mask = header.tensors.get(MASK)
    if mask is not None and (mask.dtype not in _FLOATS or len(mask.shape) not in (2, 3, 4, 5) or mask.size == 0):
        raise InputError(name, f"{header.name} holds a mask of shape {mask.shape}, which is none", _ANOTHER)


def _about(header: Header, name: str) -> tuple[Place, list | None]:
    """Place and batch index; frame 0 for a file of the host's."""
    text = header.metadata.get(ABOUT)
    if text is None:
        return Place(), None
    try:
        facts = json.loads(text)
        place = read_place(facts)
    except (ValueError, RecursionError) as error:
        raise InputError(name, f"the place in time in {header.name} cannot be read ({error})", _ANOTHER) from error
    index = facts.get("batch_index")
    return place, index if isinstance(index, list) and all(type(each) is int for each in index) else None


def listed(output: Path, inputs: Path) -> list[str]:
    """The names that Load Latent offers: of files below output/latents, as the host marks them, and of the input."""
    saved = [path for path in (output / "latents").rglob("*") if path.suffix in ENDINGS and path.is_file()]
    given = [path for path in inputs.glob("*") if path.suffix in ENDINGS and path.is_file()]
    names = [f"{path.relative_to(output).as_posix()} [output]" for path in saved if ".part." not in path.name]
    return sorted(names) + sorted(path.name for path in given)


def find(name: str) -> Path:
    """The file of an annotated name (``latents/a.safetensors [output]``). InputError where it leads out of the host's
    folders or nothing lies there."""
    import folder_paths

    plain, folder = folder_paths.annotated_filepath(str(name))
    root = Path(folder or folder_paths.get_input_directory()).resolve()
    try:
        path = (root / plain).resolve()
        inside = root in path.parents and not PureWindowsPath(plain).drive
        there = inside and path.is_file()
    except (OSError, ValueError):  # a name no disk takes
        inside = there = False
    if not inside or path.suffix not in ENDINGS:
        problem = f"{name!r} is no latent file inside {root.name}"
        raise InputError("latent", problem, f"Choose a file of the list; it ends in {' or '.join(ENDINGS)}.")
    if not there:
        raise InputError("latent", f"{name!r} is not there", "Press R on the page, and choose another file.")
    return path
