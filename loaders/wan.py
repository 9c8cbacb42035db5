"""Wan models, their text encoder and VAE, through the host's own loading, checked before it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import comfy.model_management
import comfy.sd
import comfy.utils
import folder_paths

from ..errors import InputError
from . import attention, gguf_file, guard, options, shards
from .inspect import ModelFacts, describe, expect_text_encoder, expect_vae, expect_wan, read_header
from .options import LoadOptions

ENDINGS = (".safetensors", ".sft")
GGUF_FOLDERS = ("diffusion_models", "text_encoders")
LATENT_CHANNELS = 16


class Loaded(NamedTuple):
    """A MODEL and what the loader has to say about it."""

    model: object
    notes: list[str]


def list_files(folder: str) -> list[str]:
    """The files of one of the host's model folders that the loaders here can read; a sharded model is its folder."""
    names = [name for name in folder_paths.get_filename_list(folder) if name.lower().endswith(ENDINGS)]
    names = shards.listed(names) if folder == "diffusion_models" else names
    return sorted({*names, *_gguf_files(folder)}) if folder in GGUF_FOLDERS else names


def _gguf_files(folder: str) -> list[str]:
    """Those the host's own list leaves out, since it does not know their ending."""
    found = (folder_paths.recursive_search(place, [".git"])[0] for place in folder_paths.get_folder_paths(folder))
    return [name for names in found for name in names if name.lower().endswith(gguf_file.ENDING)]


def find(folder: str, name: str, input_name: str) -> Path:
    """The path of a file the combo named; InputError when it has gone since."""
    path = folder_paths.get_full_path(folder, name) or _find_folder(folder, name)
    if path is None:
        raise InputError(
            input_name,
            f"{name} is not in ComfyUI's models/{folder} folder",
            "Put it there and press R, or choose another file.",
        )
    return Path(path)


def _find_folder(folder: str, name: str) -> Path | None:
    """Where the sharded model of this name lies, if it is one of those listed: no other name is looked up."""
    if name not in list_files(folder):
        return None
    places = (Path(place) / name for place in folder_paths.get_folder_paths(folder))
    return next(filter(shards.is_folder, places), None)


def inspect_diffusion(path: Path, input_name: str) -> ModelFacts:
    """The facts of a Wan diffusion model's file, from its header; InputError when it is anything else."""
    if gguf_file.is_gguf(path):
        from . import gguf_model

        return gguf_model.inspect_diffusion(path, input_name)
    header = shards.read(path, input_name).header if path.is_dir() else read_header(path, input_name)
    return expect_wan(describe(header), input_name)


def check_options(chosen: LoadOptions) -> None:
    """Raises InputError for options this machine cannot honour at all, before anything is loaded."""
    device = comfy.model_management.get_torch_device()
    options.check_device(chosen, device)
    attention.check(chosen.attention, device)


def load_diffusion(path: Path, chosen: LoadOptions, facts: ModelFacts, family: str = "wan") -> Loaded:
    """The diffusion model in ``path`` (also from an all-in-one file), with the guard on it."""
    host_options, notes = options.host_options(chosen, facts)
    model = _load_model(path, host_options, facts)
    notes += options.apply(model, chosen, facts)
    guard.attach(model, family, file=path.name, kind=facts.kind)
    return Loaded(model, notes)


def _load_model(path: Path, host_options: dict, facts: ModelFacts):
    if path.is_dir():
        return shards.load(str(path), host_options)
    if gguf_file.is_gguf(path):
        from . import gguf_model

        return gguf_model.load_diffusion(path, host_options, facts.prefix)
    if facts.prefix != "diffusion_model.":
        return comfy.sd.load_diffusion_model(str(path), model_options=host_options)
    return _load_prefixed(str(path), host_options, facts.prefix)


def _load_prefixed(path: str, host_options: dict, prefix: str, **more):
    """A file with the one prefix the host does not take off by itself; the newer host calls it again for a copy."""
    weights, metadata = comfy.utils.load_torch_file(path, return_metadata=True)
    weights = comfy.utils.state_dict_prefix_replace(weights, {prefix: ""}, filter_keys=True)
    model = comfy.sd.load_diffusion_model_state_dict(weights, model_options=host_options, metadata=metadata, **more)
    model.cached_patcher_init = (_load_prefixed, (path, host_options, prefix))
    return model


def check_shift(shift: float) -> None:
    """Raises for a shift that is no positive number, before anything is loaded."""
    if not (math.isfinite(shift) and shift > 0.0):
        raise InputError("shift", f"{shift} is no shift", "Use 5 (AniSora and Wan); 1 leaves the schedule as it is.")


def apply_shift(model, shift: float):
    """A clone of ``model`` with the noise schedule shifted, by the host's own ModelSamplingSD3."""
    from comfy_extras.nodes_model_advanced import ModelSamplingSD3

    return ModelSamplingSD3().patch(model, shift)[0]


def check_text_encoder(name: str, input_name: str = "text_encoder") -> Path:
    """The path of a UMT5 file the host can load; InputError when it is anything else."""
    path = find("text_encoders", name, input_name)
    if gguf_file.is_gguf(path):
        from . import gguf_model

        gguf_model.check_text_encoder(path, input_name)
    else:
        expect_text_encoder(read_header(path, input_name), input_name)
    return path


def load_text_encoder(path: Path):
    """CLIP: the UMT5 text encoder, as the host's CLIPLoader with type "wan" loads it."""
    if gguf_file.is_gguf(path):
        from . import gguf_model

        return gguf_model.load_text_encoder(path)
    return comfy.sd.load_clip(
        ckpt_paths=[str(path)],
        embedding_directory=folder_paths.get_folder_paths("embeddings"),
        clip_type=comfy.sd.CLIPType.WAN,
    )


def check_vae(name: str, input_name: str = "vae") -> str:
    """``name``, if it is a Wan 2.1 VAE; InputError when it is anything else."""
    path = find("vae", name, input_name)
    expect_vae(describe(read_header(path, input_name)), input_name)
    return name


def load_vae(name: str, input_name: str = "vae"):
    """VAE: the Wan 2.1 VAE, by the host's own VAELoader."""
    from nodes import VAELoader  # the host's module: the pack's own folder is only ever imported relatively

    return expect_latent_channels(VAELoader().load_vae(name)[0], name, input_name)


def expect_latent_channels(vae, name: str, input_name: str):
    """``vae``, if its latents are those of Wan 2.1; InputError otherwise."""
    if vae.latent_channels != LATENT_CHANNELS:
        raise InputError(
            input_name,
            f"{name} makes latents of {vae.latent_channels} channels, Wan 2.1 and 2.2 14B take {LATENT_CHANNELS}",
            "Choose the Wan 2.1 VAE.",
        )
    return vae
