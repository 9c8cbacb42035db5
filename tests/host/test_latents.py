"""Latents to files and back, and joined, with the host's own nodes and VAE beside them."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import pytest
import safetensors.torch
import torch
from genga.conditioning.latent_place import KEY, place_of
from genga.errors import InputError
from safetensors import safe_open

PROMPT = {"1": {"class_type": "KSampler", "inputs": {"seed": 3}}}


@pytest.fixture(scope="module")
def nodes(host):
    from genga.nodes import latents

    hidden = SimpleNamespace(prompt=PROMPT, extra_pnginfo={"workflow": {"nodes": []}}, unique_id="1")
    return {node.__name__: type(node.__name__, (node,), {"hidden": hidden}) for node in latents.NODES}


@pytest.fixture(autouse=True)
def folders(host, tmp_path, monkeypatch):
    """Output and input folders of this test's own."""
    import folder_paths

    found = {name: tmp_path / name for name in ("output", "input")}
    for name, folder in found.items():
        folder.mkdir()
        monkeypatch.setattr(folder_paths, f"{name}_directory", str(folder))
    return SimpleNamespace(**found)


def latent(frames: int = 3, seed: int = 0, **more) -> dict:
    return {"samples": torch.randn(1, 16, frames, 4, 6, generator=torch.Generator().manual_seed(seed)), **more}


def saved(nodes, folders, value: dict, *settings):
    """The path of a saved latent, its name in the list, and the node's output."""
    output = nodes["SaveLatent"].execute(value, "latents/test", *settings)
    (file,) = output.ui["latents"]
    path = folders.output / file["subfolder"] / file["filename"]
    return path, f"{file['subfolder']}/{file['filename']} [output]", output


def test_what_is_saved_is_loaded_with_its_place(nodes, folders, vae):
    mask = torch.rand(1, 1, 3, 4, 6)
    value = latent(noise_mask=mask, batch_index=[4])
    path, name, output = saved(nodes, folders, value, 37, 24.0, "a whole group", vae)
    assert torch.equal(output.args[0]["samples"], value["samples"]) and place_of(output.args[0]).frame == 37
    assert name in nodes["LoadLatent"].GET_SCHEMA().inputs[0].options
    assert nodes["LoadLatent"].validate_inputs(name) is True
    loaded, first, frames, fps = nodes["LoadLatent"].execute(name).args
    assert torch.equal(loaded["samples"], value["samples"]) and torch.equal(loaded["noise_mask"], mask)
    assert (first, frames, fps, loaded["batch_index"]) == (37, 12, 24.0, [4])
    place = place_of(loaded)
    assert place.inner and place.vae == type(vae.first_stage_model).__name__ and place.stride == 4
    assert "frames 37 to 48" in " ".join(output.ui["text"])
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["prompt"]) == PROMPT
        assert json.loads(file.metadata()["workflow"]) == {"nodes": []}
    again = nodes["SaveLatent"].execute(loaded, "latents/test").args[0]
    assert place_of(again) == place, "what it came with is kept"


def test_the_host_reads_ours_and_we_read_the_hosts(nodes, folders, host):
    import nodes as theirs

    value = latent()
    _, name, _ = saved(nodes, folders, value)
    assert theirs.LoadLatent.VALIDATE_INPUTS(name) is True
    assert torch.equal(theirs.LoadLatent().load(name)[0]["samples"], value["samples"])
    theirs.SaveLatent().save(value, "latents/theirs")
    (found,) = [path for path in (folders.output / "latents").iterdir() if path.suffix == ".latent"]
    loaded, first, frames, fps = nodes["LoadLatent"].execute(f"latents/{found.name} [output]").args
    assert torch.equal(loaded["samples"], value["samples"]) and (first, frames, fps) == (0, 9, 16.0)
    old = folders.input / "old.latent"
    safetensors.torch.save_file({"latent_tensor": torch.ones(1, 4, 8, 8)}, old)
    assert (
        nodes["LoadLatent"].GET_SCHEMA is not None
        and "old.latent" in nodes["LoadLatent"].define_schema().inputs[0].options
    )
    mine, yours = nodes["LoadLatent"].execute("old.latent").args[0], theirs.LoadLatent().load("old.latent")[0]
    assert torch.equal(mine["samples"], yours["samples"]) and mine["samples"].max() > 5


def test_pieces_of_one_latent_decode_to_the_very_frames_of_the_whole(nodes, folders, vae):
    """Cut by the host's own node, saved, loaded, joined, decoded."""
    whole = {"samples": latent(6, seed=5)["samples"]}
    pieces = []
    for first, count in ((0, 2), (2, 3), (4, 2)):  # the last two share a latent frame
        part = {"samples": whole["samples"][:, :, first : first + count]}
        _, name, _ = saved(nodes, folders, part, max(0, 4 * first - 3), 0.0, "a whole group" if first else "auto", vae)
        pieces.append(nodes["LoadLatent"].execute(name).args[0])
    joined, first, frames = nodes["JoinLatents"].execute(pieces[2], pieces[0], latent_4=pieces[1]).args
    assert torch.equal(joined["samples"], whole["samples"]) and (first, frames) == (0, 21)
    expected = vae.decode(whole["samples"])
    assert torch.equal(vae.decode(joined["samples"]), expected)
    assert torch.equal(vae.decode(pieces[0]["samples"])[0], expected[0, :5]), "a beginning decodes to the beginning"


def test_masks_are_joined_as_the_host_would_scale_them(nodes, folders):
    one = {**latent(3), "noise_mask": torch.zeros(1, 32, 48)}
    two = {**latent(4, 1), KEY: {"frame": 4}}
    joined = nodes["JoinLatents"].execute(one, two).args[0]
    mask = joined["noise_mask"]
    assert mask.shape == (1, 1, 5, 4, 6) and joined["samples"].shape[2] == 5
    assert not mask[:, :, :3].any() and bool((mask[:, :, 3:] == 1).all())


def test_other_nodes_pass_the_place_on(nodes, folders, host):
    import nodes as theirs

    placed = saved(nodes, folders, latent(), 8)[2].args[0]
    turned = theirs.LatentUpscale().upscale(placed, "nearest-exact", 64, 64, "disabled")[0]
    assert place_of(turned).frame == 8


@pytest.mark.parametrize("at", [0, 7, 30, 200, -40, -1])
def test_a_cut_off_file_is_an_error(nodes, folders, at):
    path, name, _ = saved(nodes, folders, latent())
    path.write_bytes(path.read_bytes()[:at])
    with pytest.raises(InputError, match=r"^latent: .*(Save the latent again|another file)"):
        nodes["LoadLatent"].execute(name)


def test_files_that_are_no_latents_are_errors(nodes, folders):
    def refused(tensors: dict, metadata: dict | None = None) -> str:
        safetensors.torch.save_file(tensors, folders.input / "bad.safetensors", metadata)
        with pytest.raises(InputError) as error:
            nodes["LoadLatent"].execute("bad.safetensors")
        return str(error.value)

    good = {"latent_tensor": torch.zeros(1, 16, 1, 2, 2)}
    assert "lacks the tensor latent_tensor" in refused({"weight": torch.zeros(3)})
    assert "of shape (3,), no latent" in refused({"latent_tensor": torch.zeros(3)})
    assert "I64 of shape" in refused({"latent_tensor": torch.zeros(1, 4, 2, 2, dtype=torch.int64)})
    assert "NaN" in refused({"latent_tensor": torch.full((1, 4, 2, 2), float("nan"))})
    assert "a mask of shape" in refused({**good, "noise_mask": torch.zeros(3)})
    for about in ("{", "[1]", '{"frame": -3}', '{"frame": 1e300}', '{"fps": NaN}', '{"stride": 0}', "[" * 100000):
        assert "place in time" in refused(good, {"genga_latent": about}), about


@pytest.mark.parametrize(
    "name",
    [
        "../secret.safetensors",
        "latents/../../secret.safetensors [output]",
        "/etc/passwd",
        "C:\\secret.safetensors",
        "secret.txt",
        "latents [output]",
        "link.safetensors",
        "a\0b.safetensors",
        "gone.safetensors",
        "",
    ],
)
def test_no_path_leaves_the_hosts_folders(nodes, folders, tmp_path, name):
    secret = tmp_path / "secret.safetensors"
    safetensors.torch.save_file({"latent_tensor": torch.zeros(1, 4, 2, 2)}, secret)
    (folders.input / "secret.txt").write_text("text")
    os.symlink(secret, folders.input / "link.safetensors")
    problem = "is not there" if name.startswith("gone") else "is no latent file inside"
    assert problem in nodes["LoadLatent"].validate_inputs(name)
    with pytest.raises(InputError, match=problem):
        nodes["LoadLatent"].execute(name)


def test_a_changed_file_is_loaded_again(nodes, folders):
    path, name, _ = saved(nodes, folders, latent())
    before = nodes["LoadLatent"].fingerprint_inputs(name)
    safetensors.torch.save_file({"latent_tensor": torch.zeros(1, 4, 2, 2)}, path)
    assert nodes["LoadLatent"].fingerprint_inputs(name) != before


def test_what_is_no_latent_is_not_saved(nodes, folders):
    for value in ({"samples": None}, {"samples": torch.zeros(3)}, 4):
        with pytest.raises(InputError, match="samples: "):
            nodes["SaveLatent"].execute(value, "latents/test")
    assert "leads upwards" in nodes["SaveLatent"].validate_inputs("../test")
    assert not list(folders.output.rglob("*.safetensors"))


def test_a_latent_is_saved_as_the_original_framepack_application_reads_it(nodes, folders):
    value = latent(noise_mask=torch.ones(1, 1, 3, 4, 6))
    path, name, output = saved(nodes, folders, value, -1, 0.0, "auto", None, "FramePack-eichi")
    stored = safetensors.torch.load_file(path)
    assert sorted(stored) == ["history_latents", "metadata"] and stored["metadata"].tolist() == [32, 48, 3]
    assert "know no mask" in " ".join(output.ui["text"])
    loaded, _, frames, fps = nodes["LoadLatent"].execute(name).args
    assert (loaded["samples"] - value["samples"]).abs().max() < 1e-6 and (frames, fps) == (9, 30.0)
    with pytest.raises(InputError, match="another layout"):
        saved(nodes, folders, {"samples": torch.zeros(1, 4, 8, 8)}, -1, 0.0, "auto", None, "FramePack-eichi")
    with pytest.raises(InputError, match="layout: 'zip' is unknown"):
        saved(nodes, folders, value, -1, 0.0, "auto", None, "zip")
    assert len(list(folders.output.rglob("*.safetensors"))) == 1
