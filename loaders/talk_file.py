"""InfiniteTalk weights in a file: which layout they have and how they are kept, told from the header alone.

The layouts that are about: the authors' own file and the host's repackaging (bare names), WanVideoWrapper's (bare
names, often fp8 with one scale per weight), and whole Wan models with the audio layers merged in. Single and
Multi are the same 330 tensors: only the file's name tells which it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from .header import Header, Tensor, read_header
from .inspect import PREFIXES, describe

INPUT = "infinitetalk_model"
ENCODER_LAYERS, ENCODER_WIDTH = 12, 768  # of wav2vec2-base, whose rows the model hears
FIRST_ROWS, LATER_ROWS = 5, 8  # audio rows behind the first and every later latent frame
WEIGHT_TYPES = ("F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")

_PROJECTIONS = ("audio_proj.", "multitalk_audio_proj.")
_SCALES = (".scale_weight", ".weight_scale")
_BESIDE = (".comfy_quant", ".input_scale", ".scale_input")  # of quantized layers; not needed to read the weights
_BLOCK = re.compile(r"blocks\.(\d+)\.(audio_cross_attn|norm_x)\.")
_EXAMPLES = "wan2.1_infiniteTalk_single_fp16.safetensors or Wan2_1-InfiniteTalk-Single_fp16.safetensors"
_REMEDY = f"Choose InfiniteTalk weights, for example {_EXAMPLES}."


@dataclass(frozen=True)
class TalkFacts:
    """What a file of InfiniteTalk weights holds.

    ``prefix`` and ``projection`` stand before the names in the file. ``dim`` and ``layers`` are those of the Wan
    model it belongs to; ``hidden`` and ``tokens`` those of the audio projection, ``width`` that of a token.
    ``voices`` is 1 (Single), 2 (Multi) or 0 as the file's name says; ``merged`` a Wan model with the layers in it.
    """

    name: str
    prefix: str
    projection: str
    dim: int
    layers: int
    hidden: int
    tokens: int
    width: int
    voices: int = 0
    merged: bool = False

    @property
    def what(self) -> str:
        kind = {1: " for one speaker", 2: " for two speakers"}.get(self.voices, "")
        family = "MultiTalk" if is_multitalk(self.name) else "InfiniteTalk"
        return f"{family} weights{kind}" + (", merged into a Wan model" if self.merged else "")

    def own_name(self, key: str) -> str | None:
        """The name of a tensor of the file in our network; None for one that is not of InfiniteTalk.

        A weight's scale is named as the weight, with ``scale`` in the last place.
        """
        if not key.startswith(self.prefix):
            return None
        key = key[len(self.prefix) :]
        if key.startswith(self.projection):
            key = "audio_proj." + key[len(self.projection) :]
        elif not _BLOCK.match(key):
            return None
        if key.endswith(_BESIDE):
            return None
        for ending in _SCALES:
            if key.endswith(ending):
                return key[: -len(ending)] + ".scale"
        return key


def is_multitalk(name: str) -> bool:
    """Whether a file's name says MultiTalk: InfiniteTalk's forerunner, of the same shapes."""
    return "multitalk" in name.lower() and "infinite" not in name.lower()


def inspect(path: Path, input_name: str = INPUT) -> TalkFacts:
    """The facts of the file at ``path``; InputError when it is anything else or cannot be read."""
    header = read_header(path, input_name)
    facts = _facts(header, input_name)
    found = {facts.own_name(key): tensor for key, tensor in header.tensors.items()}
    found.pop(None, None)
    _check(found, facts, input_name)
    return facts


def shapes(facts: TalkFacts) -> dict[str, tuple[int, ...]]:
    """Every tensor of the network by name."""
    rows = ENCODER_LAYERS * ENCODER_WIDTH
    hidden, dim, width = facts.hidden, facts.dim, facts.width
    table: dict[str, tuple[int, ...]] = {}
    for name, out, of in (
        ("audio_proj.proj1", hidden, FIRST_ROWS * rows),
        ("audio_proj.proj1_vf", hidden, LATER_ROWS * rows),
        ("audio_proj.proj2", hidden, hidden),
        ("audio_proj.proj3", facts.tokens * width, hidden),
        *_block_linears(facts.layers, dim, width),
    ):
        table[f"{name}.weight"], table[f"{name}.bias"] = (out, of), (out,)
    norms = [("audio_proj.norm", width), *((f"blocks.{i}.norm_x", dim) for i in range(facts.layers))]
    for name, size in norms:
        table[f"{name}.weight"] = table[f"{name}.bias"] = (size,)
    return table


def _block_linears(layers: int, dim: int, width: int) -> Iterator[tuple[str, int, int]]:
    for i in range(layers):
        attention = f"blocks.{i}.audio_cross_attn"
        yield f"{attention}.q_linear", dim, dim
        yield f"{attention}.kv_linear", 2 * dim, width
        yield f"{attention}.proj", dim, dim


def _facts(header: Header, input_name: str) -> TalkFacts:
    prefix, projection = _layout(header, input_name)
    tensors = {key[len(prefix) :]: tensor for key, tensor in header.tensors.items() if key.startswith(prefix)}
    norm = tensors.get(projection + "norm.weight")
    attention = next((key for key in tensors if key.endswith("audio_cross_attn.proj.weight")), None)
    if norm is None or attention is None or len(norm.shape) != 1 or norm.shape[0] == 0:
        problem = f"{header.name} holds audio layers, but not those of InfiniteTalk"
        raise InputError(input_name, problem, _REMEDY)
    width = norm.shape[0]
    return TalkFacts(
        name=header.name, prefix=prefix, projection=projection,
        dim=tensors[attention].shape[0],
        layers=len({match[1] for key in tensors if (match := _BLOCK.match(key))}),
        hidden=tensors[projection + "proj1.weight"].shape[0],
        tokens=(tensors.get(projection + "proj3.bias") or norm).shape[0] // width, width=width,
        voices=_voices(header.name), merged="head.modulation" in tensors,
    )  # fmt: skip


def _layout(header: Header, input_name: str) -> tuple[str, str]:
    for prefix in PREFIXES:
        for projection in _PROJECTIONS:
            if prefix + projection + "proj1.weight" in header.tensors:
                return prefix, projection
    if any(key.endswith("audio_proj.proj1.weight._data") for key in header.tensors):
        problem = f"{header.name} is quantized with Quanto, which cannot be read here"
        raise InputError(input_name, problem, f"Choose an fp16 or fp8 file, for example {_EXAMPLES}.")
    raise InputError(input_name, f"{header.name} is {describe(header).what}, not InfiniteTalk weights", _REMEDY)


def _voices(name: str) -> int:
    """1 for Single, 2 for Multi, 0 where the file's name says neither."""
    words = re.sub("multitalk", "", name, flags=re.IGNORECASE)
    found = [number for word, number in (("single", 1), ("multi", 2)) if word in words.lower()]
    return found[0] if len(found) == 1 else 0


def _check(found: dict[str, Tensor], facts: TalkFacts, input_name: str) -> None:
    """Raises where a tensor is missing, foreign, of another shape, or kept in a way that is not read here."""
    expected = shapes(facts)
    scales = {name: tensor for name, tensor in found.items() if name.endswith(".scale")}
    plain = {name: tensor for name, tensor in found.items() if name not in scales}
    missing = [name for name in expected if name not in plain]
    if missing:
        problem = f"{facts.name} is incomplete: {len(missing)} of {len(expected)} tensors are missing ({missing[0]})"
        raise InputError(input_name, problem, "Download the whole file again, or choose another.")
    foreign = [name for name in plain if name not in expected]
    if foreign:
        problem = f"{facts.name} has layers InfiniteTalk does not have ({foreign[0]}): it belongs to another model"
        raise InputError(input_name, problem, _REMEDY)
    wrong = next((name for name in expected if plain[name].shape != expected[name]), None)
    if wrong:
        problem = f"{facts.name}: {wrong} is {list(plain[wrong].shape)}, InfiniteTalk has {list(expected[wrong])}"
        raise InputError(input_name, problem, _REMEDY)
    odd = next((name for name in plain if plain[name].dtype not in WEIGHT_TYPES), None)
    odd = odd or next((name for name in scales if scales[name].size != 1), None)
    if odd:
        tensor = found[odd]
        problem = (
            f"{facts.name} is quantized in a way that is not read here ({odd}: {tensor.dtype} {list(tensor.shape)})"
        )
        raise InputError(input_name, problem, f"Choose an fp16 file or an fp8 one with one scale a layer: {_EXAMPLES}.")
