"""FramePack-eichi's latent files through the pack's own reading of latents."""

from __future__ import annotations

import pytest
import torch
from genga.conditioning.latent_place import Place, place_of
from genga.errors import InputError
from genga.loaders import latents
from safetensors import safe_open
from safetensors.torch import load_file, save_file


def written(path, tensor, key="history_latents"):
    save_file({key: tensor, "metadata": torch.tensor([32, 48, 10], dtype=torch.int32)}, path)
    return path


def test_a_file_of_the_original_is_read_unscaled(tmp_path):
    scaled = torch.randn(1, 16, 10, 4, 6)
    got = latents.read(written(tmp_path / "a.safetensors", scaled))
    assert got["samples"].shape == (1, 16, 10, 4, 6)
    assert (got["samples"] * 0.476986 - scaled).abs().max() < 1e-6
    place = place_of(got)
    assert (place.frame, place.fps, place.frames(10)) == (0, 30.0, 37)


def test_half_precision_is_read_too(tmp_path):
    got = latents.read(written(tmp_path / "a.safetensors", torch.ones(1, 16, 1, 2, 2, dtype=torch.float16)))
    assert got["samples"].dtype == torch.float32
    assert got["samples"][0, 0, 0, 0, 0].item() == pytest.approx(1 / 0.476986)


@pytest.mark.parametrize(("tensor", "match"), [
    (torch.zeros(1, 4, 8, 8), "F32 \\[1, 4, 8, 8\\]"), (torch.zeros(1, 16, 1, 2, 2, dtype=torch.int64), "I64"),
    (torch.full((1, 16, 1, 2, 2), torch.nan), "NaN"),
])  # fmt: skip
def test_what_is_no_latent_is_refused(tmp_path, tensor, match):
    with pytest.raises(InputError, match=match):
        latents.read(written(tmp_path / "a.safetensors", tensor))


def test_other_files_are_none_of_its(tmp_path):
    with pytest.raises(InputError, match="lacks the tensor latent_tensor"):
        latents.read(written(tmp_path / "a.safetensors", torch.zeros(1, 16, 1, 2, 2), "other"))


def as_the_original_reads(path) -> torch.Tensor:
    """The tensors by their names, the sizes as it prints them, and the latents as its VAE takes them."""
    stored = load_file(path)
    assert sorted(stored) == ["history_latents", "metadata"]
    history, sizes = stored["history_latents"], stored["metadata"]
    assert history.dtype == torch.float32 and sizes.dtype == torch.int32
    assert sizes.tolist() == [history.shape[3] * 8, history.shape[4] * 8, history.shape[2]]
    return history / 0.476986


def test_what_is_written_is_what_the_original_reads(tmp_path):
    latent = {
        "samples": torch.randn(1, 16, 10, 4, 6, dtype=torch.float64).half(),
        "noise_mask": torch.ones(1, 1, 1, 4, 6),
    }
    path = tmp_path / "a.safetensors"
    latents.write(path, latent, Place(frame=8), {"prompt": "{}"}, latents.EICHI)
    assert (as_the_original_reads(path) - latent["samples"].float()).abs().max() < 1e-6
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"prompt": "{}"}
    back = latents.read(path)
    assert (back["samples"] - latent["samples"].float()).abs().max() < 1e-6
    assert "noise_mask" not in back and place_of(back).fps == 30.0


def test_two_written_files_join_as_the_original_joins_them(tmp_path):
    """It puts the tensors one after the other and counts the frames anew."""
    parts = [torch.randn(1, 16, frames, 4, 6) for frames in (10, 4)]
    for name, part in zip("ab", parts, strict=True):
        latents.write(tmp_path / name, {"samples": part}, Place(), {}, latents.EICHI)
    joined = torch.cat([load_file(tmp_path / name)["history_latents"] for name in "ab"], 2)
    save_file(
        {"history_latents": joined, "metadata": torch.tensor([32, 48, 14], dtype=torch.int32)},
        tmp_path / "c.safetensors",
    )
    assert (latents.read(tmp_path / "c.safetensors")["samples"] - torch.cat(parts, 2)).abs().max() < 1e-6


def test_other_latents_are_not_written_so(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(InputError, match=r"samples: the shape is \[1, 4, 8, 8\]"):
        latents.write(path, {"samples": torch.zeros(1, 4, 8, 8)}, Place(), {}, latents.EICHI)
    assert not path.exists()
