"""Hashes of all that a window's result depends on: equal in every process that builds the same graph.

Weights are sampled, never read in full, and always those without the patches: while a model is loaded the host
keeps patched weights in their place. Whatever cannot be told apart by content (an object of a class from C, say)
counts by its class; ``lineage`` of the graph covers what that leaves out.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping

import torch

from .hashing import Hasher, class_name, combine, own_weights

# What a guider holds only while it samples, and after a run that was cut short.
_OF_A_RUN = frozenset({"conds", "inner_model", "loaded_models"})
_UNIMPORTANT = frozenset({"device", "output_device", "size"})  # of a VAE
# What in a model under patches shapes the result, besides the network itself.
_SHAPING = (
    "additional_models",  # first: patches may point at their modules
    "model_options",
    "patches",
    "object_patches",
    "weight_wrapper_patches",
    "wrappers",
    "callbacks",
    "injections",
    "attachments",
    "forced_hooks",
    "force_cast_weights",
)
_SAMPLED = frozenset({"patches", "forced_hooks"})
_HASHED_APART = "model_sampling"


def digest(*values) -> str:
    """A hash of any values by their content, as 64 hexadecimal digits. Tensors count in full."""
    return combine("values", *_hasher().all(values)).hex()


def of_guider(guider) -> str:
    """Models, patches, conditioning and settings of any GUIDER."""
    return _of_holder("guider", guider, lambda name: name not in _OF_A_RUN)


def of_vae(vae) -> str:
    """Weights and settings of a VAE."""
    return _of_holder("vae", vae, lambda name: name not in _UNIMPORTANT and not name.startswith("memory_used"))


def _of_holder(kind: str, holder, counts: Callable[[str], bool]) -> str:
    """An object that holds models: those first, so that their modules are known wherever else they turn up."""

    def parts(hasher: Hasher, _holder) -> bytes:
        held = {name: value for name, value in vars(holder).items() if counts(name)}
        for value in held.values():
            if _is_patcher(value):
                hasher(value)
        return combine(kind, class_name(type(holder)), hasher.mapping(held.items()))

    return _hasher((lambda value: value is holder, parts))(holder).hex()


def of_sampler(sampler) -> str:
    """Function and options of a SAMPLER, closures included."""
    return combine("sampler", _hasher()(sampler)).hex()


def surroundings() -> str:
    """The host's and torch's versions: another version may draw other pictures."""
    try:
        host = importlib.import_module("comfyui_version").__version__
    except ImportError:
        host = ""
    return digest(host, torch.__version__)


# Nodes that hand a model on and make windows beside it: of their inputs only these shape the model. The others reach
# the keys by content, window by window, so that a longer video or another film keeps the windows it does not touch.
_MODEL_INPUTS = {"GengaWanAnimatePose": ("model", "pose_strength", "face_strength")}


def lineage(prompt: dict | None, node_id: str, inputs: tuple[str, ...]) -> str:
    """A hash of what is wired into some inputs of a node, through all links; "" without a prompt.

    Classes and inputs count, the numbers of nodes do not.
    """
    if not prompt or str(node_id) not in prompt:
        return ""
    wired = prompt[str(node_id)].get("inputs", {})
    chosen = {name: wired[name] for name in inputs if name in wired}
    done: dict[str, str] = {}
    for node in _upstream_first(prompt, chosen):
        done[node] = digest(prompt[node].get("class_type"), _resolved(prompt, _counted(prompt[node]), done))
    return digest(_resolved(prompt, chosen, done))


def _resolved(prompt: dict, inputs: Mapping, done: dict[str, str]) -> dict:
    """Inputs with the hash of the node in place of each link to it; within a circle there is none yet."""
    return {
        name: ("link", done.get(str(value[0]), "circle"), value[1]) if _is_link(prompt, value) else value
        for name, value in inputs.items()
    }


def _upstream_first(prompt: dict, inputs: Mapping) -> list[str]:
    """The nodes behind some inputs, each after those it is fed by, as far as there is no circle."""
    order: list[str] = []
    met: set[str] = set()
    open_nodes = [(None, _sources(prompt, inputs))]
    while open_nodes:
        node, left = open_nodes[-1]
        source = next((name for name in left if name not in met), None)
        if source is None:
            open_nodes.pop()
            order += [] if node is None else [node]
        else:
            met.add(source)
            open_nodes.append((source, _sources(prompt, _counted(prompt[source]))))
    return order


def _counted(node: dict) -> dict:
    """The inputs of a node that its share in the guider depends on."""
    inputs, some = node.get("inputs", {}), _MODEL_INPUTS.get(node.get("class_type"))
    return inputs if some is None else {name: inputs[name] for name in some if name in inputs}


def _sources(prompt: dict, inputs: Mapping) -> Iterator[str]:
    return iter([str(inputs[name][0]) for name in sorted(inputs) if _is_link(prompt, inputs[name])])


def _is_link(prompt: dict, value) -> bool:
    linked = isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[0], (str, int))
    return linked and isinstance(value[1], int) and str(value[0]) in prompt


def _hasher(*rules) -> Hasher:
    return Hasher(rules=(*rules, (_is_patcher, _patched_model)))


def _is_patcher(value) -> bool:
    """The host's ModelPatcher and its kin (GGUF's, the dynamic one), without importing the host."""
    names = ("model", "patches", "object_patches", "model_options", "backup")
    return not isinstance(value, torch.nn.Module) and all(name in getattr(value, "__dict__", ()) for name in names)


def _patched_model(hasher: Hasher, patcher) -> bytes:
    parts = [_network(hasher, patcher)]
    for name in ("manual_cast_dtype", _HASHED_APART):
        parts.append(hasher(_object(patcher, name)))
    for name in _SHAPING:
        value = getattr(patcher, name, None)
        parts.append(hasher.samples(value) if name in _SAMPLED else hasher(_filled(value)))
    return combine("patched model", *parts)


def _network(hasher: Hasher, patcher) -> bytes:
    """Class, configuration and weights of the model itself; from now on its modules stand for their names."""
    model = patcher.model
    if id(model) in hasher.networks:
        return hasher.networks[id(model)]
    hasher.kept.append(model)
    weights = []
    for prefix, module in _modules(patcher):
        for name, weight in own_weights(module):
            full = f"{prefix}.{name}" if prefix else name
            weights.append((full, _unpatched(patcher, full, weight)))
        if prefix.partition(".")[0] != _HASHED_APART:
            hasher.known[id(module)] = f"{len(hasher.networks)}:{prefix}"
            hasher.kept.append(module)
    classes = map(class_name, type(model).__mro__)
    config = getattr(getattr(model, "model_config", None), "unet_config", None)
    held = hasher.all((config, getattr(model, "latent_format", None)))
    sampled = hasher.samples(sorted(weights, key=lambda pair: pair[0]))
    return hasher.networks.setdefault(id(model), combine("network", *classes, *held, sampled))


def _modules(patcher) -> Iterator[tuple[str, torch.nn.Module]]:
    """The model's modules by name as they are without object patches, whether those are in place now or not."""
    originals = getattr(patcher, "object_patches_backup", {})
    replaced = set(originals) | set(patcher.object_patches)
    under = tuple(f"{name}." for name in replaced)
    for name, module in patcher.model.named_modules():
        if name not in replaced and not name.startswith(under):
            yield name, module
    for name in sorted(replaced):
        original = originals[name] if name in originals else _live(patcher.model, name)
        if isinstance(original, torch.nn.Module) and not name.startswith(under):
            for inner, module in original.named_modules():
                yield f"{name}.{inner}" if inner else name, module


def _unpatched(patcher, name: str, weight: torch.Tensor) -> torch.Tensor:
    """The weight the file had: the host's backup of it while a patched one, or one of another type, is in use."""
    if name in patcher.backup:
        return patcher.backup[name].weight
    if name in getattr(patcher, "hook_backup", {}):
        return patcher.hook_backup[name][0]
    return getattr(patcher, "backup_buffers", {}).get(name, weight)


def _object(patcher, name: str):
    """An attribute of the model, or what is patched into its place."""
    for patches in (patcher.object_patches, getattr(patcher, "object_patches_backup", {})):
        if name in patches:
            return patches[name]
    return _live(patcher.model, name)


def _live(model, name: str):
    for part in name.split("."):
        model = getattr(model, part, None)
    return model


def _filled(value):
    """Without the empty lists and dicts that the host adds and drops as it likes."""
    if not isinstance(value, dict):
        return value
    parts = {name: _filled(inner) for name, inner in value.items()}
    return {name: part for name, part in parts.items() if not isinstance(part, (dict, list)) or part}
