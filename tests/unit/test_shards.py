"""Models in numbered files: which folders are one entry, and every way in which a folder is not whole."""

from __future__ import annotations

import json

import pytest
import torch
from genga.errors import InputError
from genga.loaders import shards
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

STEM = "diffusion_pytorch_model"
PARTS = ({"a": torch.ones(2, 3), "b": torch.zeros(4)}, {"c": torch.ones(5, dtype=torch.bfloat16)})


def shard(number: int, count: int = len(PARTS), stem: str = STEM) -> str:
    return f"{stem}-{number:05d}-of-{count:05d}.safetensors"


def weight_map() -> dict[str, str]:
    return {key: shard(number) for number, part in enumerate(PARTS, 1) for key in part}


def write_index(folder, **changes) -> None:
    index = {"metadata": {"total_size": 24 + 16 + 10}, "weight_map": weight_map(), **changes}
    (folder / f"{STEM}.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "high_noise_model"
    made.mkdir()
    for number, part in enumerate(PARTS, 1):
        save_file(part, made / shard(number))
    return made


@pytest.mark.parametrize("indexed", [True, False])
def test_a_whole_folder(folder, indexed):
    if indexed:
        write_index(folder)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    found = shards.read(folder, "model")
    assert [path.name for path in found.files] == [shard(1), shard(2)]
    assert set(found.header.tensors) == {"a", "b", "c"} and found.header.name == "high_noise_model"
    assert found.header.tensors["a"].shape == (2, 3)


def test_an_index_without_a_size_is_fine(folder):
    for metadata in ({}, None, {"total_size": "many"}):
        write_index(folder, metadata=metadata)
        assert len(shards.read(folder).files) == 2


def broken(change):
    """An index with one thing changed: a function of the weight map."""
    return lambda folder: write_index(folder, weight_map=change(weight_map()))


CASES = {
    "missing file": (lambda folder: (folder / shard(2)).unlink(), "1 of the 2 files .* missing: .*00002-of-00002"),
    "missing file of the index": (
        lambda folder: (write_index(folder), (folder / shard(1)).unlink()), "1 of the 2 files .* missing"),
    "cut off": (lambda folder: (folder / shard(1)).write_bytes((folder / shard(1)).read_bytes()[:-3]), "cut off"),
    "two counts": (
        lambda folder: (folder / shard(2)).rename(folder / shard(2, 3)), "of one model; it has: .* of 2, .* of 3"),
    "two stems": (lambda folder: save_file({"z": torch.ones(1)}, folder / shard(1, stem="other")), "it has: .*other of 2"),
    "number beyond": (lambda folder: save_file({"z": torch.ones(1)}, folder / shard(3)), r"numbered \[1, 2, 3\] of 2"),
    "number zero": (lambda folder: save_file({"z": torch.ones(1)}, folder / shard(0)), r"numbered \[0, 1, 2\]"),
    "twice": (lambda folder: save_file({"a": torch.ones(1)}, folder / shard(2)), "1 tensors of .* too, 'a' for one"),
    "total": (lambda folder: write_index(folder, metadata={"total_size": 51}), "promises 51 bytes .* hold 50"),
    "tensor elsewhere": (broken(lambda table: {**table, "a": shard(2)}), "'a' is not in the file"),
    "tensor unknown": (broken(lambda table: {**table, "z": shard(2)}), "'z' is not in the file"),
    "tensor unlisted": (broken(lambda table: {key: table[key] for key in "ac"}), "lists 2 tensors, its files hold 3"),
    "fewer files": (broken(lambda table: {key: table[key] for key in "ab"}), "names 1 files, and one of them is"),
    "no json": (lambda folder: (folder / f"{STEM}.safetensors.index.json").write_bytes(b"\xff{"), "cannot be read"),
    "deep json": (lambda folder: (folder / f"{STEM}.safetensors.index.json").write_text("[" * 200_000), "cannot be read"),
    "no map": (lambda folder: write_index(folder, weight_map={}), "has no list of weights"),
    "map of numbers": (lambda folder: write_index(folder, weight_map={"a": 1}), "has no list of weights"),
    "two indexes": (lambda folder: (
        write_index(folder), (folder / "b.safetensors.index.json").write_text("{}")), "has 2 index files"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_not_whole_is_said(folder, case):
    damage, words = CASES[case]
    damage(folder)
    with pytest.raises(InputError, match=words) as refused:
        shards.read(folder, "low_noise_model")
    assert refused.value.input_name == "low_noise_model"


@pytest.mark.parametrize("name", [
    "../secret.safetensors", "..\\secret.safetensors", "/etc/secret.safetensors", "C:\\secret.safetensors",
    "C:secret.safetensors", "sub/secret.safetensors", "..", "", "a.safetensors\0", "weights.bin", "./a.safetensors",
])  # fmt: skip
def test_names_that_lead_out_of_the_folder_are_refused(folder, name):
    save_file({"c": torch.ones(1)}, folder.parent / "secret.safetensors")
    write_index(folder, weight_map={**weight_map(), "c": name})
    with pytest.raises(InputError, match="no .safetensors file in this folder"):
        shards.read(folder)


@given(st.text(max_size=40))
def test_no_name_reads_outside(name):
    """Whatever the index says: what is read lies in the folder, or nothing is."""
    from pathlib import Path

    place = Path("somewhere")
    try:
        names = shards._named({"weight_map": {"a": name}}, place, "model")
    except InputError:
        return
    assert all((place / known).parent == place and known.lower().endswith(".safetensors") for known in names)


def test_folders_stand_in_the_list_for_their_files():
    names = ["V3.2/high_noise_model/" + shard(1), "V3.2/high_noise_model/" + shard(2), "V3.2/one.safetensors",
             "b.safetensors", shard(1), "V3.2/low_noise_model/" + shard(1)]  # fmt: skip
    assert [name.replace("\\", "/") for name in shards.listed(names)] == [
        "V3.2/high_noise_model", "V3.2/one.safetensors", "b.safetensors", shard(1), "V3.2/low_noise_model",
    ]  # fmt: skip


def test_what_is_a_folder_of_shards(folder, tmp_path):
    assert shards.is_folder(folder)
    assert not shards.is_folder(tmp_path) and not shards.is_folder(folder / shard(1))
