"""InfiniteTalk on a Wan 2.1 I2V model: which files there are, whether one fits, and loading it through the host."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import torch

from .. import compat
from ..errors import InputError
from . import guard, talk_file, wan
from .talk_file import INPUT, TalkFacts
from .talk_net import Net
from .talk_patch import KEY, Talk, patch

FOLDERS = ("model_patches", "diffusion_models")
_BASE = "Wire a Wan 2.1 I2V 14B model (wan2.1_i2v_480p_14B or 720p), or one made from it."
_OTHER_MODELS = ("vace_patch_embedding", "face_adapter", "control_adapter", "patch_embedding_pose",
                 "patch_embedding_mask", "patch_embedding_global")  # fmt: skip


def list_files() -> list[str]:
    """All files that may hold the weights, those whose names say so first: no file is opened for a list."""
    names = dict.fromkeys(name for folder in FOLDERS for name in wan.list_files(folder))
    return sorted(names, key=lambda name: "talk" not in name.lower())


def find(name: str) -> Path:
    """The path of a file the combo named, in either folder; InputError when it has gone since."""
    import folder_paths

    known = any(folder_paths.get_full_path(folder, name) for folder in FOLDERS[:1])
    return wan.find(FOLDERS[0] if known else FOLDERS[1], name, INPUT)


def check_base(model) -> None:
    """Raises where ``model`` is no Wan 2.1 I2V model, or has InfiniteTalk's layers already."""
    traits = guard.traits_of(model)
    network = getattr(model.model, "diffusion_model", None)
    if not traits.wan:
        raise InputError("model", "this is not a Wan model", _BASE)
    if any(hasattr(network, part) for part in _OTHER_MODELS):
        problem = f"this is a Wan model of another kind ({type(model.model).__name__}), not plain image to video"
        raise InputError("model", problem, _BASE)
    if not traits.sees_pictures or traits.out_dim != wan.LATENT_CHANNELS:
        problem = f"it takes {traits.in_dim} input channels, InfiniteTalk was trained on Wan 2.1 I2V with 36"
        raise InputError("model", problem, _BASE)
    if getattr(network, "img_emb", None) is None:
        problem = "this is a Wan 2.2 I2V model (it has no image embedding), InfiniteTalk was trained on Wan 2.1 I2V"
        raise InputError("model", problem, _BASE)
    if facts_of(model) is not None:
        problem = f"it has InfiniteTalk weights already ({facts_of(model)['file']})"
        raise InputError("model", problem, "Wire the model from before that loader.")


def check_fit(model, facts: TalkFacts) -> None:
    """Raises where the audio layers are made for a model of another size."""
    network = model.model.diffusion_model
    made_for, there = (facts.dim, facts.layers), (network.dim, len(network.blocks))
    if made_for != there:
        problem = (
            f"{facts.name} is made for a model of width {made_for[0]} with {made_for[1]} layers, "
            f"this one has width {there[0]} and {there[1]} layers"
        )
        raise InputError(INPUT, problem, "Wire the 14B model (width 5120, 40 layers) the weights were trained on.")


def facts_of(model) -> MappingProxyType | None:
    """What the loader noted on a MODEL with InfiniteTalk: file, and voices (1, 2, or 0 for unknown). None without."""
    return model.get_attachment(KEY)


def load(model, name: str):
    """A clone of ``model`` that hears, and what there is to say. Everything is checked before a weight is read."""
    check_base(model)
    path = find(name)
    facts = talk_file.inspect(path)
    check_fit(model, facts)
    return attach(model, _read(path, facts, model), facts), _notes(facts)


def attach(model, audio, facts: TalkFacts):
    """A clone of ``model`` with the layers of ``audio`` (a ModelPatcher around a Net) put to work.

    The host loads, offloads and counts them with the model.
    """
    model = model.clone()
    patch(model, Talk(audio.model), facts.layers)
    model.set_additional_models(KEY, [audio])
    model.set_attachments(KEY, MappingProxyType({"file": facts.name, "voices": facts.voices}))
    return model


def _read(path: Path, facts: TalkFacts, model):
    """The weights in a ModelPatcher of their own, kept in the types they have in the file."""
    import comfy.ops
    import comfy.utils

    found = comfy.utils.load_torch_file(str(path))
    named = {facts.own_name(key): tensor for key, tensor in found.items()}
    named.pop(None, None)
    del found
    net = Net(facts, comfy.ops.manual_cast, device="meta").requires_grad_(False)
    audio = compat.model_patcher(net, load_device=model.load_device, offload_device=model.offload_device)
    _fill(net, named, keep_mapped=compat.is_dynamic(audio))
    return audio


def _fill(net: Net, named: dict[str, torch.Tensor], keep_mapped: bool) -> None:
    """Gives the network its weights. ``keep_mapped``: the host reads them from the file itself when they are used."""
    scales = {name: named.pop(name) for name in [name for name in named if name.endswith(".scale")]}
    if not keep_mapped:
        named = {name: tensor.clone() for name, tensor in named.items()}
    net.load_state_dict(named, assign=True)
    for name, scale in scales.items():
        net.get_submodule(name.removesuffix(".scale")).scale = float(scale)


def _notes(facts: TalkFacts) -> list[str]:
    notes = [f"{facts.name}: {facts.what}, {facts.layers} layers."]
    if facts.voices == 1:
        notes.append("Trained for one speaker: take the Multi weights where two speak.")
    if talk_file.is_multitalk(facts.name):
        notes.append("MultiTalk is InfiniteTalk's forerunner: it runs, but was not trained to continue a window.")
    return notes
