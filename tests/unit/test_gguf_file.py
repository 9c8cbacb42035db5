"""Reading .gguf files: what the gguf library wrote is found again, and damaged files are refused in words."""

from __future__ import annotations

import struct
import tracemalloc
from contextlib import nullcontext
from types import SimpleNamespace

import gguf
import numpy as np
import pytest
import torch
from genga.errors import InputError
from genga.loaders import gguf_file, gguf_text, gguf_weights
from genga.loaders.inspect import describe
from genga_tests.tiny import gguf_files, text, wan
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

MEMORY = 8_000_000  # bytes a damaged file of a few thousand bytes may take
FUZZED = 10_000  # files; each example makes five of them


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gguf")


@pytest.fixture(scope="module")
def model(folder):
    """A whole tiny model: its file, and the numbers it stands for."""
    path = folder / "model.gguf"
    return SimpleNamespace(path=path, meant=gguf_files.write(path, wan.weights("t2v", seed=4), "Q4_0"))


def test_every_tensor_is_the_one_the_library_reads(model):
    file = gguf_file.read_gguf(model.path)
    theirs = {tensor.name: tensor for tensor in gguf.GGUFReader(model.path).tensors}
    assert set(file.tensors) == set(theirs)
    raw = model.path.read_bytes()
    for name, stored in file.tensors.items():
        assert (stored.type, stored.nbytes, stored.offset) == (
            int(theirs[name].tensor_type), theirs[name].n_bytes, theirs[name].data_offset,
        )  # fmt: skip
        assert raw[stored.offset : stored.offset + stored.nbytes] == theirs[name].data.tobytes()
        assert stored.shape == tuple(model.meant[name].shape)


def test_the_state_dict_is_what_the_file_stands_for(model):
    read = gguf_weights.state_dict(gguf_file.read_gguf(model.path))
    assert set(read) == set(model.meant)
    for key, wanted in model.meant.items():
        assert read[key].shape == wanted.shape
        assert torch.equal(read[key] + 0, wanted), key


def test_blocks_become_numbers_in_any_operation(model):
    read = gguf_weights.state_dict(gguf_file.read_gguf(model.path))
    key = "blocks.0.ffn.0.weight"
    wanted = model.meant[key]
    assert isinstance(read[key], gguf_weights.Blocks)
    assert torch.equal(torch.empty(wanted.shape).copy_(read[key]), wanted)
    assert torch.equal(read[key].to(torch.bfloat16), wanted.bfloat16())
    assert torch.equal(torch.nn.Parameter(read[key], requires_grad=False)[3:5], wanted[3:5])


def test_metadata_is_the_librarys(folder):
    path = folder / "values.gguf"
    writer = gguf.GGUFWriter(path, "wan")
    writer.add_uint8("a.byte", 7)
    writer.add_int64("a.long", -5)
    writer.add_float32("a.float", 0.5)
    writer.add_bool("a.flag", True)
    writer.add_string("a.text", "äöü 東京")
    writer.add_array("a.list", [1, -2, 3])
    writer.add_array("a.words", ["x", "", "yz"])
    writer.add_tensor("w", np.zeros((2, 32), dtype=np.float32))
    gguf_files.finish(writer)
    file = gguf_file.read_gguf(path)
    assert file.text("general.architecture") == "wan"
    assert file.text("a.text") == "äöü 東京"
    values = {key: file.numbers(key) for key in ("a.byte", "a.long", "a.float", "a.flag", "a.list")}
    assert values == {"a.byte": (7,), "a.long": (-5,), "a.float": (0.5,), "a.flag": (True,), "a.list": (1, -2, 3)}
    assert file.texts("a.words") == (b"x", b"", b"yz")
    assert (file.text("none"), file.text("a.byte"), file.numbers("a.text"), file.texts("a.list")) == (
        None,
        None,
        (),
        (),
    )


def test_another_alignment_is_followed(folder):
    path = folder / "aligned.gguf"
    writer = gguf.GGUFWriter(path, "wan")
    writer.add_custom_alignment(256)
    for number in range(3):
        writer.add_tensor(f"w{number}", np.full((1, 5), number, dtype=np.float32))
    gguf_files.finish(writer)
    read = gguf_weights.state_dict(gguf_file.read_gguf(path))
    assert [read[f"w{number}"].tolist() for number in range(3)] == [[[float(number)] * 5] for number in range(3)]


# ---------------------------------------------------------------- what is no usable file


def header(tensors=1, fields=0, version=3, magic=b"GGUF") -> bytes:
    return magic + struct.pack("<IQQ", version, tensors, fields)


def entry(name=b"w", shape=(32,), kind=0, offset=0) -> bytes:
    return struct.pack("<Q", len(name)) + name + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


HUGE = 2**63
BAD = {
    "empty": (b"", "is empty"),
    "short": (b"GGUF", "only 4 bytes"),
    "another": (header(magic=b"GGML") + bytes(100), "no GGUF file"),
    "web page": (b"<!DOCTYPE html><html>Sign in</html>" + bytes(100), "web page.*signed in"),
    "safetensors": (struct.pack("<Q", 90) + b'{"w": {}}' + bytes(100), "a .safetensors file.*Give it the ending"),
    "old": (header(version=1) + bytes(100), "version 1"),
    "big-endian": (header(version=3 << 24) + bytes(100), "big-endian"),
    "many tensors": (header(tensors=HUGE) + bytes(100), "no room for"),
    "many fields": (header(fields=HUGE) + bytes(100), "no room for"),
    "no tensors": (header(tensors=0) + bytes(100), "no tensors"),
    "long name": (header() + struct.pack("<Q", HUGE) + bytes(100), "one of its names"),
    "no text": (header() + entry(name=b"\xff\xfe") + bytes(200), "no text"),
    "many dimensions": (header() + struct.pack("<QcI", 1, b"w", HUGE >> 40) + bytes(100), "dimensions"),
    "huge": (header() + entry(shape=(2**40,)) + bytes(300), "cut off"),
    "too huge": (header() + entry(shape=(HUGE, HUGE)) + bytes(300), "would have the shape"),
    "empty and huge": (header() + entry(shape=(32, HUGE, 0)) + bytes(300), "would have the shape"),
    "unknown type": (header() + entry(kind=77) + bytes(300), "type 77"),
    "broken rows": (header() + entry(shape=(33,), kind=8) + bytes(300), "no whole blocks"),
    "no row": (header() + entry(shape=(), kind=8) + bytes(300), "no whole blocks"),
    "cut off": (header() + entry(shape=(64,)) + bytes(200), "cut off"),
    "between": (header() + entry(offset=3) + bytes(400), "between two places"),
    "twice": (header(tensors=2) + entry() * 2 + bytes(300), "two tensors"),
    "endless array": (
        header(fields=1) + struct.pack("<QcIIQ", 1, b"k", 9, 0, HUGE) + bytes(100), "no room for",
    ),
    "array of arrays": (
        header(fields=1) + struct.pack("<QcIIQ", 1, b"k", 9, 9, 1) + bytes(100), "no known type",
    ),
    "endless text": (header(fields=1) + struct.pack("<QcIQ", 1, b"k", 8, HUGE) + bytes(100), "cut off"),
    "alignment": (
        header(fields=1) + struct.pack("<Q17sII", 17, b"general.alignment", 4, 3) + entry() + bytes(300), "alignment is 3",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said(folder, name):
    raw, says = BAD[name]
    path = folder / "bad.gguf"
    path.write_bytes(raw)
    with pytest.raises(InputError, match=says) as raised:
        gguf_file.read_gguf(path, "high_noise_model")
    assert raised.value.input_name == "high_noise_model"
    assert "bad.gguf" in str(raised.value)


def test_a_part_of_a_split_model_is_an_error(folder):
    path = folder / "part.gguf"
    writer = gguf.GGUFWriter(path, "wan")
    writer.add_uint16("split.count", 3)
    writer.add_tensor("w", np.zeros((2, 32), dtype=np.float32))
    gguf_files.finish(writer)
    with pytest.raises(InputError, match="one of 3 parts"):
        gguf_file.read_gguf(path)


def test_a_shape_that_cannot_be_is_an_error(folder):
    path = folder / "shape.gguf"
    writer = gguf.GGUFWriter(path, "wan")
    writer.add_array("comfy.gguf.orig_shape.w", [2, 31])
    writer.add_tensor("w", np.zeros((2, 32), dtype=np.float32))
    gguf_files.finish(writer)
    with pytest.raises(InputError, match="cannot have its shape"):
        gguf_file.read_gguf(path)


# ---------------------------------------------------------------- damage at random


def seeds() -> list[bytes]:
    """Two small whole files to damage: a model's and a text encoder's."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as place:
        path = Path(place) / "seed.gguf"
        writer = gguf.GGUFWriter(path, "wan")
        writer.add_array("comfy.gguf.orig_shape.patch_embedding.weight", [2, 4, 1, 2, 2])
        writer.add_tensor("patch_embedding.weight", np.zeros(32, dtype=np.float16))
        writer.add_tensor("head.modulation", np.zeros((1, 2, 32), dtype=np.float32))
        writer.add_tensor(
            "head.head.weight", np.zeros((4, 34), dtype=np.uint8), raw_dtype=gguf.GGMLQuantizationType.Q8_0
        )
        gguf_files.finish(writer)
        made = [path.read_bytes()]
        writer = gguf.GGUFWriter(path, "t5encoder")
        gguf_files.add_tokenizer(writer, gguf_files.unigram(size=300), 300)
        writer.add_tensor("enc.blk.0.attn_q.weight", np.zeros((4, 32), dtype=np.float32))
        writer.add_tensor("enc.blk.0.attn_rel_b.weight", np.zeros((4, 32), dtype=np.float32))
        gguf_files.finish(writer)
        return [*made, path.read_bytes()]


SEEDS = seeds()
NUMBERS = st.one_of(
    st.sampled_from([0, 1, 2, 3, 8, 9, 255, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1]),
    st.integers(0, 2**64 - 1),
)


@st.composite
def damaged(draw) -> bytes:
    """A file with some of its numbers replaced, its bytes changed, moved or cut off."""
    raw = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.one_of(st.integers(0, min(len(raw), 400)), st.integers(0, len(raw))))
        what = draw(st.integers(0, 3))
        if what == 0:
            raw[at : at + 8] = struct.pack("<Q", draw(NUMBERS))
        elif what == 1:
            raw[at : at + 4] = struct.pack("<I", draw(NUMBERS) & 0xFFFFFFFF)
        elif what == 2:
            raw[at : at + draw(st.integers(0, 40))] = draw(st.binary(max_size=40))
        else:
            raw[at : at + 1] = bytes([draw(st.integers(0, 255))])
    return bytes(raw[: draw(st.one_of(st.just(len(raw)), st.integers(0, len(raw))))])


def use_all(path) -> None:
    """Everything that is done with a file before a model is made of it."""
    file = gguf_file.read_gguf(path, "model")
    for key in file.fields:
        file.text(key), file.numbers(key), file.texts(key)
    describe(file.header())
    describe(gguf_text.host_header(file))
    gguf_weights.check_types(file, "model")
    gguf_weights.quantization(file)
    for tensor in gguf_weights.state_dict(file).values():
        tensor.float().sum()
    gguf_text.tokenizer(file, "model")


@pytest.mark.slow
def test_damaged_files_give_nothing_but_errors_in_words(folder):
    path, count = folder / "fuzzed.gguf", [0, 0]
    suppressed = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

    @settings(max_examples=FUZZED // 5, suppress_health_check=suppressed, database=None)
    @example(SEEDS[1])
    @given(damaged())
    def attempt(raw):
        middle, late = len(raw) // 2, len(raw) * 19 // 20
        for variant in (raw, raw[:middle], raw[:late], raw[:late] + SEEDS[0][late:], raw[:middle] + SEEDS[1][middle:]):
            path.write_bytes(variant)
            count[0] += 1
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            try:
                use_all(path)
            except InputError as error:
                assert error.problem and error.remedy
                count[1] += 1
            assert tracemalloc.get_traced_memory()[1] - before < MEMORY

    for whole in SEEDS:  # what is imported once is no part of it
        path.write_bytes(whole)
        with pytest.raises(InputError, match="tokenizer") if whole is SEEDS[0] else nullcontext():
            use_all(path)
    tracemalloc.start()
    try:
        attempt()
    finally:
        tracemalloc.stop()
    assert count[0] >= FUZZED and count[1] > count[0] / 3


# ---------------------------------------------------------------- the tokenizer


@pytest.mark.parametrize("rule", ["identity", "nmt_nfkc"])
@settings(max_examples=60)
@given(st.text(max_size=40))
def test_the_tokenizer_is_the_one_that_was_written(tokenizers, rule, words):
    original, again = tokenizers(rule)
    assert again.encode(words) == original.encode(words)


@pytest.fixture(scope="module")
def tokenizers(folder):
    import sentencepiece

    made = {}

    def get(rule):
        if rule not in made:
            spiece = gguf_files.unigram(rule)
            path = folder / f"tokens_{rule}.gguf"
            writer = gguf.GGUFWriter(path, "t5encoder")
            gguf_files.add_tokenizer(writer, spiece, text.SIZES["vocab_size"])
            writer.add_tensor("token_embd.weight", np.zeros((4, 32), dtype=np.float32))
            gguf_files.finish(writer)
            again = gguf_text.tokenizer(gguf_file.read_gguf(path), "text_encoder").numpy().tobytes()
            made[rule] = [sentencepiece.SentencePieceProcessor(model_proto=proto) for proto in (spiece, again)]
        return made[rule]

    return get


def test_names_are_the_librarys_own():
    table = gguf.get_tensor_name_map(gguf.MODEL_ARCH.T5ENCODER, 24)
    for key in text.shapes():
        assert gguf_text.host_name(table.get_name(key, try_suffixes=(".weight",))) == key
