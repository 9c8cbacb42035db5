"""Layers whose weights stay in ggml blocks: the host moves the bytes, they become numbers where they are needed.

To the host a layer's weight is a uint8 parameter [rows, bytes a row]; its partial loading, pinned memory, async
copies and dynamic VRAM see nothing unusual. Each forward has it fetched by the host, dequantizes it into one buffer
that all layers of the model share, and applies the LoRA there.
"""

from __future__ import annotations

import comfy.ops
import torch

from . import ggml, gguf_lora
from .gguf_weights import Blocks

_LEAST_ROWS = 1024  # a smaller table is read in other places than its own layer: it is kept as numbers


class Scratch:
    """One buffer a device and type, as large as the largest weight it was asked for."""

    def __init__(self):
        self._kept: dict[tuple[torch.device, torch.dtype], torch.Tensor] = {}

    def take(self, rows: int, columns: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        """An uninitialised [rows, columns]; it is the caller's until the next call."""
        key, count = (device, dtype), rows * columns
        kept = self._kept.get(key)
        if kept is None or kept.numel() < count:
            with torch.inference_mode(False):  # so that it can be written to in either mode
                kept = self._kept[key] = torch.empty(count, device=device, dtype=dtype)
        return kept[:count].view(rows, columns)

    def clear(self) -> None:
        self._kept.clear()


class _Quantized:
    """What both kinds of layer do. ``ggml_kind`` is None for a layer whose weight is plain."""

    ggml_kind = None
    ggml_steps: tuple = ()  # the LoRA, as gguf_lora.steps
    ggml_hooked: tuple = ()  # the LoRA of the hooks of one conditioning
    ggml_wrapped: tuple = ()  # the host's weight wrappers
    scratch: Scratch

    def _take(self, blocks: Blocks, prefix: str, arguments: tuple) -> None:
        """Loads blocks as the weight and lets the host load the rest. ``arguments``: of _load_from_state_dict."""
        state_dict, _, *others = arguments
        self.weight = None
        rest = {key: value for key, value in state_dict.items() if key != prefix + "weight"}
        super()._load_from_state_dict(rest, prefix, *others)
        self.weight = torch.nn.Parameter(blocks.data_blocks, requires_grad=False)
        self.ggml_kind = blocks.kind

    @property
    def ggml_shape(self) -> tuple[int, int]:
        """Of the weight as numbers: rows and columns."""
        return self.weight.shape[0], self.weight.shape[1] // self.ggml_kind.type_size * self.ggml_kind.block_size

    def _make_room(self, rows: int, columns: int) -> None:
        """An empty plain weight for the host to load into."""
        weight = torch.empty(rows, columns, **self._made_with)
        self.weight = torch.nn.Parameter(weight, requires_grad=False)
        self.weight_comfy_model_dtype = weight.dtype

    def _fetch(self, x: torch.Tensor, bias_dtype: torch.dtype):
        return comfy.ops.cast_bias_weight(
            self, dtype=torch.uint8, device=x.device, bias_dtype=bias_dtype, offloadable=True
        )

    def _wrap(self, weight: torch.Tensor) -> torch.Tensor:
        for function in self.ggml_wrapped:
            weight = function(weight)
        return weight

    def convert_weight(self, weight: torch.Tensor, inplace: bool = False, **_) -> torch.Tensor:
        """The host's hook for weights that are not numbers: it asks where another model is merged with this one."""
        if self.ggml_kind is None:
            return weight
        return ggml.dequantize(weight.to(torch.uint8), self.ggml_kind, torch.float32)  # it may have made floats of them


class Linear(_Quantized, comfy.ops.manual_cast.Linear):
    """A linear layer with blocks or with a plain weight, whichever the file has."""

    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
        torch.nn.Module.__init__(self)
        self.in_features, self.out_features = in_features, out_features
        self.register_parameter("weight", None)  # no memory for what the file may have in another form
        self.register_parameter("bias", None)
        if bias:
            self.bias = torch.nn.Parameter(torch.empty(out_features, device=device, dtype=dtype), requires_grad=False)
        self._made_with = {"device": device, "dtype": dtype}

    def _load_from_state_dict(self, state_dict, prefix, *others):
        blocks = state_dict.get(prefix + "weight")
        fits = isinstance(blocks, Blocks) and blocks.in_rows
        if fits and tuple(blocks.shape) == (self.out_features, self.in_features):
            self._take(blocks, prefix, (state_dict, prefix, *others))
            return
        self._make_room(self.out_features, self.in_features)
        super()._load_from_state_dict(state_dict, prefix, *others)

    def forward_comfy_cast_weights(self, input):
        if self.ggml_kind is None:
            return super().forward_comfy_cast_weights(input)
        blocks, bias, stream = self._fetch(input, input.dtype)
        weight = self._numbers(blocks, input)
        steps, resident = self.ggml_steps + self.ggml_hooked, self.weight.device == input.device
        out = gguf_lora.product(input, weight, bias, steps, keep=resident)
        comfy.ops.uncast_bias_weight(self, blocks, bias, stream)
        return out

    def _numbers(self, blocks: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled() and x.requires_grad:  # the graph keeps it
            return self._wrap(ggml.dequantize(blocks, self.ggml_kind, x.dtype))
        room = self.scratch.take(self.out_features, self.in_features, x.device, x.dtype)
        return self._wrap(ggml.dequantize(blocks, self.ggml_kind, x.dtype, out=room))


class Embedding(_Quantized, comfy.ops.manual_cast.Embedding):
    """A table of which only the rows asked for are dequantized."""

    def __init__(self, num_embeddings, embedding_dim, padding_idx=None, device=None, dtype=None, **_):
        torch.nn.Module.__init__(self)
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse = None, 2.0, False, False
        self.register_parameter("weight", None)
        self.bias = None
        self._made_with = {"device": device, "dtype": dtype}

    def _load_from_state_dict(self, state_dict, prefix, *others):
        blocks = state_dict.get(prefix + "weight")
        fits = isinstance(blocks, Blocks) and blocks.in_rows
        if fits and tuple(blocks.shape) == (self.num_embeddings, self.embedding_dim) and len(blocks) >= _LEAST_ROWS:
            self._take(blocks, prefix, (state_dict, prefix, *others))
            return
        self._make_room(self.num_embeddings, self.embedding_dim)
        super()._load_from_state_dict(state_dict, prefix, *others)

    def forward_comfy_cast_weights(self, input, out_dtype=None):
        if self.ggml_kind is None:
            return super().forward_comfy_cast_weights(input, out_dtype=out_dtype)
        dtype = out_dtype or torch.float32
        blocks, _, stream = self._fetch(input, dtype)
        if self.ggml_steps or self.ggml_hooked or self.ggml_wrapped:
            table = self._wrap(ggml.dequantize(blocks, self.ggml_kind, dtype))
            for step in self.ggml_steps + self.ggml_hooked:
                table = step.into(table, False)
            out = torch.nn.functional.embedding(input, table)
        else:
            rows = blocks.index_select(0, input.reshape(-1))
            out = ggml.dequantize(rows, self.ggml_kind, dtype).reshape(*input.shape, self.embedding_dim)
        comfy.ops.uncast_bias_weight(self, blocks, None, stream)
        return out


def operations() -> type:
    """The host's ``custom_operations`` for one model: its layers share a buffer of their own."""
    shared = Scratch()
    parts = {layer.__name__: type(layer.__name__, (layer,), {"scratch": shared}) for layer in (Linear, Embedding)}
    return type("GgmlOperations", (comfy.ops.manual_cast,), {**parts, "scratch": shared})
