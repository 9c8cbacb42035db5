"""Models in the folders they are published in, through the loaders, against the same model in one file."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from genga.errors import InputError
from genga_tests.tiny import files
from safetensors.torch import load_file, save_file

STEM = "diffusion_pytorch_model"
HIGH, LOW = "high_noise_model", "low_noise_model"
PARTS = 3


def publish(source, folder) -> None:
    """The model of one file as its authors upload it: numbered files, an index, a config."""
    tensors = load_file(source)
    folder.mkdir(parents=True)
    names = sorted(tensors)
    table = {}
    for number in range(PARTS):
        name = f"{STEM}-{number + 1:05d}-of-{PARTS:05d}.safetensors"
        part = {key: tensors[key] for key in names[number::PARTS]}
        save_file(part, folder / name, metadata={"format": "pt"})
        table.update(dict.fromkeys(part, name))
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": table}
    (folder / f"{STEM}.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    (folder / "config.json").write_text('{"_class_name": "WanModel"}', encoding="utf-8")


@pytest.fixture(scope="module")
def rooms(host, models):
    import comfy.sample
    import folder_paths
    from genga.loaders import options, shards, wan
    from genga.nodes import loading

    place = models / "diffusion_models" / "V3.2"
    for source, name in ((files.I2V_HIGH, HIGH), (files.I2V_LOW, LOW)):
        publish(models / "diffusion_models" / source, place / name)
    yield SimpleNamespace(comfy=comfy, folder_paths=folder_paths, options=options, shards=shards, wan=wan,
                          loading=loading, place=place)  # fmt: skip
    shutil.rmtree(place)


@pytest.fixture(scope="module")
def names(rooms):
    listed = rooms.wan.list_files("diffusion_models")
    return {name.replace("\\", "/"): name for name in listed}


def test_the_list_shows_folders_and_none_of_their_files(names):
    assert {f"V3.2/{HIGH}", f"V3.2/{LOW}", files.I2V_HIGH} <= set(names)
    assert not [name for name in names if "-of-" in name]


def test_anisora_from_its_folders_is_anisora_from_files(rooms, names, tiny):
    chosen = (files.TEXT, files.VAE, "auto", "default", "auto", 5.0)
    sharded = rooms.loading.AniSoraLoader.execute(names[f"V3.2/{HIGH}"], names[f"V3.2/{LOW}"], *chosen).args
    single = rooms.loading.AniSoraLoader.execute(files.I2V_HIGH, files.I2V_LOW, *chosen).args
    for mine, theirs in zip(sharded[:2], single[:2], strict=True):
        mine, theirs = mine.model.diffusion_model.state_dict(), theirs.model.diffusion_model.state_dict()
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[key], theirs[key]) and mine[key].dtype == theirs[key].dtype for key in theirs)


def test_precision_and_copies_as_from_a_file(rooms, names):
    loaded = rooms.loading.WanModelLoader.execute(names[f"V3.2/{HIGH}"], "bf16", "fp8_e4m3fn", "auto", 5.0)
    model = loaded.args[0]
    assert model.model.get_dtype() == torch.float8_e4m3fn
    assert "image-to-video" in loaded.ui["text"][0]
    again = getattr(model, "cached_patcher_init", None)
    if again is not None:  # 0.29 makes a copy for a second device from this
        twin = again[0](*again[1], disable_dynamic=True)
        assert twin.model.get_dtype() == torch.float8_e4m3fn


def test_experts_exchanged_are_seen_by_their_folders(rooms, names):
    chosen = (files.TEXT, files.VAE, "auto", "default", "auto", 5.0)
    with pytest.raises(InputError, match="exchanged"):
        rooms.loading.AniSoraLoader.execute(names[f"V3.2/{LOW}"], names[f"V3.2/{HIGH}"], *chosen)


def test_only_headers_are_read_before_loading(rooms, names, monkeypatch):
    monkeypatch.setattr(rooms.comfy.utils, "load_torch_file", None)
    path = rooms.wan.find("diffusion_models", names[f"V3.2/{HIGH}"], "model")
    assert rooms.wan.inspect_diffusion(path, "model").kind == "i2v"


@pytest.mark.parametrize("name", ["V3.2", "V3.2/../V3.2/high_noise_model", "../diffusion_models/V3.2/high_noise_model"])
def test_other_folders_are_not_looked_up(rooms, name):
    with pytest.raises(InputError, match="is not in ComfyUI's models/diffusion_models"):
        rooms.wan.find("diffusion_models", name, "model")


def test_a_file_missing_from_the_folder_is_said_before_anything_is_loaded(rooms, names, monkeypatch):
    lost = rooms.place / LOW / f"{STEM}-00002-of-00003.safetensors"
    kept = lost.rename(lost.with_suffix(".kept"))
    monkeypatch.setattr(rooms.wan, "load_text_encoder", None)
    try:
        with pytest.raises(InputError, match=f"1 of the 3 files of {LOW} are missing") as refused:
            rooms.loading.AniSoraLoader.execute(
                names[f"V3.2/{HIGH}"], names[f"V3.2/{LOW}"], files.TEXT, files.VAE, "auto", "default", "auto", 5.0
            )
        assert refused.value.input_name == LOW
    finally:
        kept.rename(lost)
