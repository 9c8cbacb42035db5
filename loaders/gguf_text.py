"""UMT5 as llama.cpp writes it: its tensors under the host's names, its tokenizer as the SentencePiece model it was.

Names: the gguf library's tables for t5 and t5encoder. SentencePiece's format: sentencepiece_model.proto, of which
the few fields below are written by hand, so that no protobuf library is needed.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable

import torch

from ..errors import InputError
from .gguf_file import GgufFile
from .header import Header, Tensor

TOKENIZER = "spiece_model"
_BLOCK = re.compile(r"enc\.blk\.(\d+)\.(\w+)\.weight")
_PARTS = {
    "attn_q": "layer.0.SelfAttention.q",
    "attn_k": "layer.0.SelfAttention.k",
    "attn_v": "layer.0.SelfAttention.v",
    "attn_o": "layer.0.SelfAttention.o",
    "attn_norm": "layer.0.layer_norm",
    "attn_rel_b": "layer.0.SelfAttention.relative_attention_bias",
    "ffn_gate": "layer.1.DenseReluDense.wi_0",
    "ffn_up": "layer.1.DenseReluDense.wi_1",
    "ffn_down": "layer.1.DenseReluDense.wo",
    "ffn_norm": "layer.1.layer_norm",
}
_WHOLE = {"token_embd.weight": "shared.weight", "enc.output_norm.weight": "encoder.final_layer_norm.weight"}
_META = "tokenizer.ggml."
_UNIGRAM, _BYTE = 1, 6
_REMEDY = "Choose another GGUF of UMT5 XXL (an encoder converted by llama.cpp), or the .safetensors version."


def host_name(name: str) -> str:
    """The host's name of an encoder tensor; any other name stays as it is."""
    block = _BLOCK.fullmatch(name)
    if block is None:
        return _WHOLE.get(name, name)
    part = _PARTS.get(block[2])
    return name if part is None else f"encoder.block.{block[1]}.{part}.weight"


def host_header(file: GgufFile) -> Header:
    """The header under the host's names, with the tokenizer as the host's own files have it."""
    header = file.header()
    tensors = {host_name(key): tensor for key, tensor in header.tensors.items()}
    if file.text(_META + "model") == "t5" and TOKENIZER not in tensors:
        tensors[TOKENIZER] = Tensor("U8", ())
    return Header(header.name, tensors)


def tokenizer(file: GgufFile, input_name: str) -> torch.Tensor:
    """The file's vocabulary as a SentencePiece model, uint8 [bytes]."""
    pieces = file.texts(_META + "tokens")
    scores, kinds = file.numbers(_META + "scores"), file.numbers(_META + "token_type")
    if not pieces or not len(pieces) == len(scores) == len(kinds):
        raise InputError(input_name, f"{file.name} has no whole tokenizer", _REMEDY)
    if not all(type(kind) is int and 1 <= kind <= _BYTE for kind in kinds):
        raise InputError(input_name, f"{file.name} has a tokenizer of unknown kind", _REMEDY)
    parts = [_message(1, _piece(*entry)) for entry in zip(pieces, scores, kinds, strict=True)]
    parts += [_message(2, _training(file, kinds)), _message(3, _normalizing(file))]
    model = b"".join(parts)
    _check(model, file.name, input_name)
    return torch.frombuffer(bytearray(model), dtype=torch.uint8)


def _check(model: bytes, name: str, input_name: str) -> None:
    import sentencepiece

    try:
        sentencepiece.SentencePieceProcessor(model_proto=model)
    except (RuntimeError, ValueError) as error:  # what it says of damage, and of tokens that are no text
        raise InputError(input_name, f"{name} has a tokenizer that cannot be used ({error})", _REMEDY) from error


def _piece(text: bytes, score: float, kind: int) -> bytes:
    return _message(1, text) + b"\x15" + struct.pack("<f", score) + _integer(3, kind)


def _training(file: GgufFile, kinds: tuple) -> bytes:
    fields = [(3, _UNIGRAM), (4, len(kinds)), (35, int(kinds.count(_BYTE) == 256))]
    for number, name, usual in ((40, "unknown", 2), (41, "bos", -1), (42, "eos", 1), (43, "padding", 0)):
        fields.append((number, _one(file, f"{name}_token_id", usual)))
    return b"".join(_integer(*field) for field in fields)


def _normalizing(file: GgufFile) -> bytes:
    rules = file.numbers(_META + "precompiled_charsmap")
    table = bytes(int(value) & 0xFF for value in rules)
    flags = [(3, _one(file, "add_space_prefix", 1)), (4, _one(file, "remove_extra_whitespaces", 1)), (5, 1)]
    return _message(2, table) + b"".join(_integer(*flag) for flag in flags)


def _one(file: GgufFile, name: str, usual: int) -> int:
    found = file.numbers(_META + name)
    return int(found[0]) if found and isinstance(found[0], int) else usual


def _message(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _integer(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    value &= 2**64 - 1  # negative numbers are written in two's complement
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])


def state_dict(weights: Iterable[tuple[str, torch.Tensor]], model: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """The host's state dict from named weights and the tokenizer; a decoder's are left out."""
    named = {host_name(key): value for key, value in weights if not key.startswith("dec.")}
    return named if model is None else {**named, TOKENIZER: model}
