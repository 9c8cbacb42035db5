"""ggml blocks as weights: float32 equal to gguf-py's bit by bit, other types equal to that rounded once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from genga.loaders import ggml
from genga.loaders.ggml import pieces
from hypothesis import given, settings
from hypothesis import strategies as st

gguf = pytest.importorskip("gguf")
KINDS = list(ggml.TYPES.values())
QUANTIZED = [kind for kind in KINDS if kind.block_size > 1]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
quantized = pytest.mark.parametrize("kind", QUANTIZED, ids=lambda kind: kind.name)
WITHOUT_NUMBER = 9.0


def reference(raw: np.ndarray, kind) -> torch.Tensor:
    with np.errstate(all="ignore"):
        return torch.from_numpy(np.array(gguf.quants.dequantize(raw, gguf.GGMLQuantizationType(kind.number))))


def noise(kind, rows: int = 3, blocks: int = 5, seed: int = 0) -> np.ndarray:
    """Any bytes at all: scales are NaN, infinite, subnormal and negative zero among them."""
    return np.random.default_rng(seed).integers(0, 256, (rows, blocks * kind.type_size), dtype=np.uint8)


def assert_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Bit by bit, the sign of zero as well; NaN where NaN, whatever its bits."""
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert torch.equal(found.isnan(), expected.isnan())
    integer = {4: torch.int32, 2: torch.int16}[found.element_size()]
    bits = [tensor.nan_to_num(WITHOUT_NUMBER, torch.inf, -torch.inf).view(integer) for tensor in (found, expected)]
    assert torch.equal(*bits)


@every_kind
def test_sizes_and_numbers_are_ggufs(kind):
    found = gguf.GGMLQuantizationType[kind.name]
    assert found == kind.number
    assert gguf.GGML_QUANT_SIZES[found] == (kind.block_size, kind.type_size)
    assert ggml.find(found) is ggml.find(kind.name) is ggml.find(kind) is kind


def test_what_is_supported():
    numbers = (0, 1, 2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 20, 23, 30)  # F32 to Q6_K, IQ4_NL, IQ4_XS, BF16
    assert all(ggml.supported(gguf.GGMLQuantizationType(number)) for number in numbers)
    assert not ggml.supported(gguf.GGMLQuantizationType.IQ1_S)
    assert not ggml.supported("Q9_9") and not ggml.supported(-1)


@every_kind
@settings(max_examples=40)
@given(data=st.data())
def test_float32_is_ggufs_bit_by_bit(kind, data):
    count = data.draw(st.integers(1, 3 if kind.block_size > 1 else 40), "blocks")
    raw = np.frombuffer(
        data.draw(st.binary(min_size=count * kind.type_size, max_size=count * kind.type_size)), np.uint8
    )
    assert_same(ggml.dequantize(torch.from_numpy(raw.copy()), kind), reference(raw, kind))


@every_kind
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 4), blocks=st.integers(1, 9))
def test_float32_is_ggufs_on_dense_noise(kind, seed, rows, blocks):
    raw = noise(kind, rows, blocks, seed)
    assert_same(ggml.dequantize(torch.from_numpy(raw), kind), reference(raw, kind))


@pytest.mark.slow
@quantized
@pytest.mark.parametrize("bits", [0x0000, 0x8000, 0x0001, 0x83FF, 0x7BFF, 0x7C00, 0xFC00, 0x7E00, 0x3C01], ids=hex)
def test_every_odd_scale(kind, bits):
    """Zeros, subnormals, the largest, infinities, NaN: whichever 16 bits of a block are the scale, they are this."""
    for at in range(0, kind.type_size - 1, 2):
        raw = noise(kind, 1, 4, at).reshape(4, -1)
        raw[:, at : at + 2] = np.frombuffer(np.uint16(bits).tobytes(), np.uint8)
        assert_same(ggml.dequantize(torch.from_numpy(raw), kind), reference(raw, kind))


@every_kind
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_other_types_are_float32_rounded_once(kind, dtype):
    raw = noise(kind, 7, 11)
    assert_same(ggml.dequantize(torch.from_numpy(raw), kind, dtype), reference(raw, kind).to(dtype))


@quantized
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_pieces_make_no_difference(kind, dtype, monkeypatch):
    """Pieces of three blocks and a rest of one."""
    raw = noise(kind, 2, 5)
    whole = ggml.dequantize(torch.from_numpy(raw), kind, dtype)
    monkeypatch.setattr(pieces, "CPU_MOST", 3 * kind.block_size)
    assert_same(ggml.dequantize(torch.from_numpy(raw), kind, dtype), whole)


@quantized
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_way_of_a_gpu_gives_the_same(kind, dtype, monkeypatch):
    """Products read the bytes themselves there and write the wanted type: the same operations, tried on this device."""
    raw = torch.from_numpy(noise(kind, 2, 5))
    expected = ggml.dequantize(raw, kind, dtype)
    out = torch.empty_like(expected)
    pieces.in_pieces(raw.view(-1, kind.type_size), kind, out.view(-1, kind.block_size), on_cpu=False)
    assert_same(out, expected)


@every_kind
def test_a_buffer_is_filled_and_returned(kind):
    raw = torch.from_numpy(noise(kind))
    out = torch.full((3, 5 * kind.block_size), 7.0)
    assert ggml.dequantize(raw, kind, torch.float32, out) is out
    assert_same(out, ggml.dequantize(raw, kind))


@every_kind
@pytest.mark.parametrize("odd", [1, 2, 3])
def test_bytes_may_begin_anywhere_and_are_not_touched(kind, odd):
    """A view into a file's bytes: no multiple of four at its start, rows apart."""
    raw = noise(kind, 3, 2)
    wide = np.zeros((3, raw.shape[1] + odd + 8), np.uint8)
    wide[:, odd : odd + raw.shape[1]] = raw
    view = torch.from_numpy(wide)[:, odd : odd + raw.shape[1]]
    before = wide.copy()
    assert_same(ggml.dequantize(view, kind), reference(raw, kind))
    assert_same(ggml.dequantize(view[:1], kind), reference(raw[:1], kind))
    assert np.array_equal(wide, before)


@every_kind
def test_shapes_keep_their_leading_sides(kind):
    raw = torch.from_numpy(noise(kind, 6, 4))
    assert ggml.dequantize(raw.view(2, 3, -1), kind).shape == (2, 3, 4 * kind.block_size)
    assert ggml.dequantize(raw[:0], kind, torch.float16).shape == (0, 4 * kind.block_size)
    assert ggml.dequantize(raw[:, :0], kind).shape == (6, 0)


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_in_every_grad_mode_after_another(mode):
    raw = torch.from_numpy(noise(ggml.find("IQ4_NL"), 3, 8))
    for context in (torch.inference_mode, mode):
        with context():
            found = ggml.dequantize(raw, "IQ4_NL")
        assert not found.requires_grad


@pytest.mark.parametrize(
    ("blocks", "kind", "options", "said"),
    [
        (torch.zeros(34, dtype=torch.uint8), "Q9_9", {}, "Q9_9.*not known"),
        (torch.zeros(35, dtype=torch.uint8), "Q8_0", {}, "multiple of 34"),
        (torch.zeros(34), "Q8_0", {}, "uint8"),
        (torch.tensor(0, dtype=torch.uint8), "Q8_0", {}, "multiple of 34"),
        (torch.zeros(34, dtype=torch.uint8), "Q8_0", {"out": torch.zeros(31)}, "contiguous"),
        (torch.zeros(34, dtype=torch.uint8), "Q8_0", {"out": torch.zeros(32).half()}, "float32"),
        (torch.zeros(34, dtype=torch.uint8), "Q8_0", {"out": torch.zeros(64)[::2]}, "contiguous"),
    ],
)
def test_what_does_not_fit_is_refused(blocks, kind, options, said):
    with pytest.raises(ValueError, match=said):
        ggml.dequantize(blocks, kind, **options)


@quantized
def test_no_more_memory_than_a_few_pieces(kind, monkeypatch):
    """A layer's weights are never there a second time: only buffers of a piece are made, whatever the tensor's size."""
    made = []
    empty = torch.empty
    monkeypatch.setattr(pieces, "CPU_MOST", 4 * kind.block_size)
    monkeypatch.setattr(torch, "empty", lambda *args, **kwargs: made.append(empty(*args, **kwargs)) or made[-1])
    ggml.dequantize(torch.from_numpy(noise(kind, 8, 64)), kind, torch.float16)
    assert made[0].numel() == 8 * 64 * kind.block_size
    assert all(tensor.numel() <= 5 * kind.block_size for tensor in made[1:])
