"""UMT5 text encoder of width 4096 (Wan's text width) with tiny layers and a tiny vocabulary.

The host takes the layer sizes from a file of its own; host_pack/umt5.json is what the tests put in its place.
"""

from __future__ import annotations

import io
import json
from pathlib import Path

import sentencepiece
import torch

from .weights import Shapes, fill, norm

SIZES = json.loads((Path(__file__).resolve().parent / "host_pack" / "umt5.json").read_text(encoding="utf-8"))
D_MODEL = 4096
BUCKETS = 32

# The host recognises UMT5-XXL by the shape of this key: 0.3.75 by its last size, 0.29 by its first.
# The tiny encoder has no block 23, so the key may be empty.
MARKER = "encoder.block.23.layer.1.DenseReluDense.wi_1.weight"

CORPUS = (
    "a an the and in on of to with from over under video image frame camera motion moves slowly fast left right",
    "red green blue yellow white black star circle square ball cat dog girl boy woman man hair eyes smile face",
    "walks runs jumps turns looks dances anime style scene sky sea sun moon night day city forest flower tree",
    "wind rain snow light dark close up wide shot pan zoom static aesthetic score high low quality worst best",
    "blurry text watermark subtitles still",
)


def weights() -> dict[str, torch.Tensor]:
    """State dict as in umt5_xxl_fp16.safetensors: encoder, embedding, and the tokenizer as bytes."""
    tensors = fill(shapes(), seed=20)
    tensors[MARKER] = torch.empty((10240, 0, D_MODEL), dtype=torch.float16)
    tensors["spiece_model"] = tokenizer()
    return tensors


def shapes() -> Shapes:
    """Name -> shape of the encoder."""
    inner = SIZES["d_kv"] * SIZES["num_heads"]
    table: Shapes = {"shared.weight": (SIZES["vocab_size"], D_MODEL)}
    for i in range(SIZES["num_layers"]):
        attention = f"encoder.block.{i}.layer.0.SelfAttention"
        for part in "qkv":
            table[f"{attention}.{part}.weight"] = (inner, D_MODEL)
        table[f"{attention}.o.weight"] = (D_MODEL, inner)
        table[f"{attention}.relative_attention_bias.weight"] = (BUCKETS, SIZES["num_heads"])
        norm(table, f"encoder.block.{i}.layer.0.layer_norm", D_MODEL, bias=False)
        dense = f"encoder.block.{i}.layer.1.DenseReluDense"
        for part in ("wi_0", "wi_1"):
            table[f"{dense}.{part}.weight"] = (SIZES["d_ff"], D_MODEL)
        table[f"{dense}.wo.weight"] = (D_MODEL, SIZES["d_ff"])
        norm(table, f"encoder.block.{i}.layer.1.layer_norm", D_MODEL, bias=False)
    norm(table, "encoder.final_layer_norm", D_MODEL, bias=False)
    return table


def tokenizer() -> torch.Tensor:
    """A SentencePiece model as uint8 tensor [bytes]; like UMT5's it falls back to bytes, so any script works."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS),
        model_writer=model,
        vocab_size=SIZES["vocab_size"],
        model_type="bpe",
        byte_fallback=True,
        normalization_rule_name="identity",  # the usual rules are 240 kB of tables
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    return torch.frombuffer(bytearray(model.getvalue()), dtype=torch.uint8)
