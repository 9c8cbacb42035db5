"""FramePack-eichi's latent files through the pack's own reading of latents."""

from __future__ import annotations

import pytest
import torch
from genga.conditioning.latent_place import place_of
from genga.errors import InputError
from genga.loaders import latents
from safetensors.torch import save_file


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
