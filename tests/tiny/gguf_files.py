"""The tiny models as .gguf files, written by the gguf library itself.

What it cannot quantize (the K types) is made of random blocks with sane scales: a test then compares with what the
same library reads in them.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np
import sentencepiece
import torch
from gguf.constants import GGML_QUANT_SIZES
from gguf.constants import GGMLQuantizationType as Type

from . import text

QUANTIZED = ("Q8_0", "Q5_0", "Q5_1", "Q4_0", "Q4_1", "F16", "BF16", "F32")
RANDOM = ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS")
_HALVES = {  # where in a block its float16 scales lie
    "Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,), "IQ4_NL": (0,), "IQ4_XS": (0,),
}  # fmt: skip


def write(
    path: Path, weights: Mapping[str, torch.Tensor], kind: str, architecture: str | None = "wan", flat: bool = True
) -> dict[str, torch.Tensor]:
    """Writes ``weights`` with their matrices in ``kind``; returns the float32 weights the file then stands for.

    ``flat``: what has more than four dimensions is written with one dimension and its shape beside it, as some
    tools do, else as it is.
    """
    writer = gguf.GGUFWriter(path, architecture or "x")
    if architecture is None:
        writer.kv_data[0].clear()
    meant = {key: _add(writer, key, value, kind, flat) for key, value in weights.items()}
    finish(writer)
    return meant


def finish(writer) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add(writer, name: str, value: torch.Tensor, kind: str, flat: bool) -> torch.Tensor:
    data = value.float().numpy()
    wide = Type[kind]
    if data.ndim != 2 or not name.endswith(".weight") or data.shape[1] % GGML_QUANT_SIZES[wide][0] or not data.size:
        return _add_plain(writer, name, data, flat)
    blocks = random_blocks(kind, data.shape, len(name)) if kind in RANDOM else gguf.quants.quantize(data, wide)
    writer.add_tensor(name, blocks, raw_dtype=wide)
    return torch.from_numpy(np.ascontiguousarray(gguf.quants.dequantize(blocks, wide)).reshape(data.shape))


def _add_plain(writer, name: str, data: np.ndarray, flat: bool) -> torch.Tensor:
    if flat and data.ndim > 4:
        writer.add_array(f"comfy.gguf.orig_shape.{name}", [int(size) for size in data.shape])
        writer.add_tensor(name, data.reshape(-1))
    else:
        writer.add_tensor(name, data)
    return torch.from_numpy(data.copy())


def random_blocks(kind: str, shape: tuple[int, int], seed: int) -> np.ndarray:
    """uint8 [rows, bytes a row]: any bits, and scales that make weights of about the usual size."""
    block, width = GGML_QUANT_SIZES[Type[kind]]
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (shape[0], shape[1] // block, width), dtype=np.uint8)
    for at in _HALVES[kind]:
        scale = random.uniform(1e-5, 4e-5, blocks.shape[:2]).astype(np.float16)
        blocks[:, :, at : at + 2] = scale[..., None].view(np.uint8)
    return blocks.reshape(shape[0], -1)


def loras(weights: Mapping[str, torch.Tensor], ranks: tuple[int, ...], scale: float = 0.3) -> list[dict]:
    """A LoRA of every matrix of the blocks, one for each of ``ranks``, in the naming of Wan's LoRAs."""
    made = []
    for number, rank in enumerate(ranks):
        generator = torch.Generator().manual_seed(100 + number)
        lora = {}
        for key, value in weights.items():
            if key.startswith("blocks.") and key.endswith(".weight") and value.dim() == 2:
                base = "diffusion_model." + key.removesuffix(".weight")
                lora[f"{base}.lora_A.weight"] = torch.randn(rank, value.shape[1], generator=generator) * scale / rank
                lora[f"{base}.lora_B.weight"] = torch.randn(value.shape[0], rank, generator=generator) * scale
                lora[f"{base}.alpha"] = torch.tensor(float(rank) / 2)
        made.append(lora)
    return made


def unigram(rule: str = "identity", size: int = text.SIZES["vocab_size"]) -> bytes:
    """A SentencePiece model of UMT5's kind, with pieces for every byte."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text.CORPUS * 4), model_writer=model, vocab_size=size, model_type="unigram",
        hard_vocab_limit=False, byte_fallback=True, normalization_rule_name=rule, pad_id=0, eos_id=1, unk_id=2,
        bos_id=-1, num_threads=1, minloglevel=2,
    )  # fmt: skip
    return model.getvalue()


def add_tokenizer(writer, model: bytes, size: int) -> None:
    """The metadata llama.cpp's converter writes for T5, filled up to ``size`` tokens as it does."""
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
    kinds = (("is_unknown", 2), ("is_control", 3), ("is_unused", 5), ("is_byte", 6))
    tokens, scores, types = [], [], []
    for i in range(pieces.get_piece_size()):
        tokens.append(pieces.id_to_piece(i).encode())
        scores.append(pieces.get_score(i))
        types.append(next((kind for name, kind in kinds if getattr(pieces, name)(i)), 1))
    missing = range(len(tokens), size)
    writer.add_tokenizer_model("t5")
    writer.add_token_list([*tokens, *(f"[PAD{i}]".encode() for i in missing)])
    writer.add_token_scores([*scores, *(-1000.0 for _ in missing)])
    writer.add_token_types([*types, *(5 for _ in missing)])
    writer.add_add_space_prefix(True)
    writer.add_remove_extra_whitespaces(True)
    rules = normalization(model)
    if rules:
        writer.add_precompiled_charsmap(rules)
    writer.add_eos_token_id(1)
    writer.add_unk_token_id(2)
    writer.add_pad_token_id(0)


def normalization(model: bytes) -> bytes:
    """The compiled character map of a SentencePiece model: field 2 of field 3."""
    return _fields(_fields(model).get(3, b"")).get(2, b"")


def _fields(data: bytes) -> dict[int, bytes]:
    """The last value of each length-delimited field of a protobuf message."""
    found, at = {}, 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 2:
            length, at = _varint(data, at)
            found[tag >> 3] = data[at : at + length]
            at += length
        elif tag & 7 == 0:
            _, at = _varint(data, at)
        else:
            at += {1: 8, 5: 4}[tag & 7]
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def write_encoder(path: Path, weights: Mapping[str, torch.Tensor], kind: str, model: bytes) -> dict[str, torch.Tensor]:
    """UMT5 as llama.cpp's converter writes it, names by the library's own tables; returns the weights it stands for."""
    writer = gguf.GGUFWriter(path, "t5encoder")
    add_tokenizer(writer, model, text.SIZES["vocab_size"])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.T5ENCODER, 24)
    meant = {}
    for key, value in weights.items():
        if key == "spiece_model":
            continue
        name = names.get_name(key, try_suffixes=(".weight",))
        meant[key] = _add(writer, name, value, kind, flat=False)
    finish(writer)
    return meant
