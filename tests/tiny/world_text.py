"""The world's text encoder: UMT5's format, computed weights, a tokenizer of the world's own words.

A token's output is its random vector plus, half as loud, a trace of the token before it and of the one before that:
the words' order can be heard ("left to right" and "right to left" have the same words), and nothing needs learning.
The weights are drawn from a seed; the tokenizer lies beside the trained weights, because another release of
sentencepiece might make another one.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import torch

from . import text, world

FILE = Path(__file__).resolve().parent / "weights" / "spiece.model"
SEED = 50
LOUD = 0.5
SURE = 30.0  # a bias of attention that leaves nothing for other tokens


def weights() -> dict[str, torch.Tensor]:
    """State dict as in umt5_xxl_fp16.safetensors."""
    generator = torch.Generator().manual_seed(SEED)
    tensors = {name: torch.zeros(shape) for name, shape in text.shapes().items()}
    for tensor in tensors.values():
        if tensor.ndim == 1:
            tensor.fill_(1.0)
    tensors["shared.weight"] = torch.randn(tensors["shared.weight"].shape, generator=generator)
    attention = "encoder.block.0.layer.0.SelfAttention."
    heads, inner = text.SIZES["num_heads"], text.SIZES["num_heads"] * text.SIZES["d_kv"]
    for head in range(heads):  # bucket n of the first half is "n tokens before"
        tensors[attention + "relative_attention_bias.weight"][head + 1, head] = SURE
    tensors[attention + "v.weight"] = torch.randn(inner, text.D_MODEL, generator=generator) * text.D_MODEL**-0.5
    tensors[attention + "o.weight"] = torch.randn(text.D_MODEL, inner, generator=generator) * LOUD * inner**-0.5
    tensors = {name: tensor.half() for name, tensor in tensors.items()}
    tensors[text.MARKER] = torch.empty((10240, 0, text.D_MODEL), dtype=torch.float16)
    tensors["spiece_model"] = torch.frombuffer(bytearray(FILE.read_bytes()), dtype=torch.uint8)
    return tensors


class Encoder:
    """What the host's text encoder makes of a prompt with these weights, for the tokens that are no padding: attention
    of one layer (the others are zero), in a fraction of the time. tests/host/test_world.py compares the two."""

    def __init__(self):
        import sentencepiece

        self.pieces = sentencepiece.SentencePieceProcessor(model_proto=FILE.read_bytes())
        self.weights = {name: tensor.float() for name, tensor in weights().items() if "SelfAttention" in name}
        self.shared = weights()["shared.weight"].float()

    def read(self, texts):
        """(text, rows [n, 4096]) of each text."""
        for words in texts:
            ids = [*self.pieces.encode(words), 1]  # 1 ends a prompt
            yield words, self._rows(self.shared[ids])

    def _rows(self, x: torch.Tensor) -> torch.Tensor:
        name = "encoder.block.0.layer.0.SelfAttention."
        v = (_normal(x) @ self.weights[name + "v.weight"].T).unflatten(-1, (text.SIZES["num_heads"], -1))
        place = torch.arange(len(x))
        back = place[:, None] - place[None, :]
        heads = []
        for head in range(text.SIZES["num_heads"]):
            attention = torch.where(back == head + 1, SURE, 0.0).softmax(-1)
            heads.append(attention @ v[:, head])
        return _normal(x + torch.cat(heads, -1) @ self.weights[name + "o.weight"].T)


def _normal(x: torch.Tensor) -> torch.Tensor:
    return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()


def corpus() -> list[str]:
    """Every kind of sentence that a caption of the world can be."""
    sentences = [world.scene(seed).caption for seed in range(2000)]
    scores = [
        f"aesthetic score: 5.5. motion score: {score:.1f}. There is no text in the video." for score in world.SCORES
    ]
    return [f"{sentence}. {scores[number % len(scores)]}" for number, sentence in enumerate(sentences)]


def make_tokenizer() -> bytes:
    """A SentencePiece model in which every word of those sentences is one token; like UMT5's it falls back to bytes."""
    import sentencepiece

    words = sorted(set(re.findall(r"[A-Za-z]+", " ".join(corpus()))))
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()), model_writer=model, vocab_size=text.SIZES["vocab_size"], model_type="bpe",
        byte_fallback=True, normalization_rule_name="identity", split_digits=True, hard_vocab_limit=False,
        user_defined_symbols=["\u2581" + word for word in words],
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, num_threads=1, minloglevel=2,
    )  # fmt: skip
    return model.getvalue()
