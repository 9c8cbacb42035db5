"""Which model files a workflow runs with here: those it names, those the payload or the settings name, or the nearest.

People keep the same model under other names. Where the file a workflow names is not there, the file of the same kind
with most of its words takes its place, and the answer says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..errors import InputError
from ..loaders import phr00t, wan
from ..loaders.names import noise_side
from .graphs import Graph
from .problems import Fault, of_input, pointer

# payload's name -> the loaders' inputs
INPUTS = {
    "high_noise_model": ("high_noise_model",),
    "low_noise_model": ("low_noise_model",),
    "model": ("model", "unet_name"),
    "checkpoint": ("checkpoint", "ckpt_name"),
    "text_encoder": ("text_encoder", "clip_name"),
    "vae": ("vae", "vae_name"),
}
_MODEL = re.compile(r"\.(safetensors|sft|gguf|ckpt|pt|pth|bin)$", re.IGNORECASE)
# Words that say what a file is: one without them is another thing.
_KINDS = ("umt5", "t5xxl", "clip_l", "clip_vision", "i2v", "t2v", "rapid", "pony", "flux", "infinitetalk", "animate")
_NAMED = re.compile("anisora|skyreels|smoothmix|fun")  # models of others on the same weights
_ENOUGH = 0.15  # of the words of both names


def choose(graph: Graph, named: Mapping[str, str | None], renamed: Mapping[str, str]) -> tuple[list[str], list[Fault]]:
    """Puts files in; (what to say, what is missing). named: the payload's own; renamed: the settings'."""
    notes, faults = [], []
    own = {name: (field, file) for field, file in named.items() if file for name in INPUTS[field]}
    used = set()
    for identity, node in graph.nodes.items():
        for name, value in node["inputs"].items():
            if not isinstance(value, str) or not _MODEL.search(value):
                continue
            options = graph.options(identity, name) or []
            field, wanted = own.get(name, (None, renamed.get(value, value)))
            used.add(field)
            found = wanted if wanted in options else nearest(wanted, options) if field is None else None
            if found is None:
                faults.append(_missing(name, wanted, field, options))
                continue
            graph.set((identity, name), found, pointer("files", field) if field else "")
            if found != wanted:
                notes.append(f"{name}: {wanted} is not there, {found} is used. Name another under files.")
    idle = [field for field, file in named.items() if file and field not in used]
    faults += [Fault(pointer("files", field), f"{field}: this workflow has no such file.") for field in idle]
    return notes, faults


def _missing(name: str, wanted: str, field: str | None, options: Sequence[str]) -> Fault:
    listed = ", ".join(options[:5]) or "none"
    remedy = "Put it into ComfyUI's models folder, or name another under files."
    return Fault(pointer("files", field) if field else "", f"{name}: {wanted} is not there ({listed}). {remedy}")


def nearest(wanted: str, options: Sequence[str]) -> str | None:
    """The option of the same kind that shares most words with ``wanted``; None where none shares enough."""
    words = _words(wanted)
    fit = [name for name in options if isinstance(name, str) and _MODEL.search(name) and _kind(name) == _kind(wanted)]
    shares = {name: len(words & _words(name)) / len(words | _words(name)) for name in sorted(fit)}
    same = {
        name: share for name, share in shares.items() if _NAMED.findall(name.lower()) == _NAMED.findall(wanted.lower())
    }
    shares = same or shares
    best = max(shares, key=shares.get, default=None)
    return best if best is not None and shares[best] >= _ENOUGH else None


def _kind(name: str) -> tuple:
    low = name.lower().replace("anisora", "anisora i2v")
    return (noise_side(name), *(word in low for word in _KINDS))


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z]+|\d+", _MODEL.sub("", name).lower()))


def fit_control(graph: Graph) -> list[Fault]:
    """Phr00t's files come as VACE and as inpaint models; the conditioning node is told which this one is."""
    for identity in graph.of_kind("GengaPhr00tLoader"):
        name = graph.nodes[identity]["inputs"]["checkpoint"]
        try:
            kind = phr00t.inspect_all_in_one(wan.find("checkpoints", name, "checkpoint")).kind
        except InputError as error:
            return [of_input(error, "/files/checkpoint")]
        graph.fill(("control",), "vace" if kind == "vace" else "inpaint", "/files/checkpoint")
    return []
