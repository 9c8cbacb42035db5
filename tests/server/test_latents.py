"""Latents through the host's HTTP API: saved, listed, loaded, joined; and names that lead out are refused at once."""

from __future__ import annotations

from genga_tests.tools.long_videos import said


def saving(first_frame: int) -> dict:
    """Nine empty frames, saved as those from ``first_frame`` on."""
    return {
        "empty": {
            "class_type": "EmptyHunyuanLatentVideo",
            "inputs": {"width": 64, "height": 48, "length": 9, "batch_size": 1},
        },
        "save": {
            "class_type": "GengaSaveLatent",
            "inputs": {
                "samples": ["empty", 0], "filename_prefix": "latents/served", "first_frame": first_frame, "fps": 0.0,
                "begins_with": "auto",
            },
        },
    }  # fmt: skip


def loading(*names: str) -> dict:
    """Files of these names, joined and saved."""
    loaded = {
        f"load {n}": {"class_type": "GengaLoadLatent", "inputs": {"latent": name}} for n, name in enumerate(names)
    }
    joined = {"latent_1": ["load 0", 0], "latent_2": ["load 1", 0], "overlap": "earlier"}
    kept = {**saving(-1)["save"]["inputs"], "samples": ["join", 0], "filename_prefix": "latents/joined"}
    return loaded | {
        "join": {"class_type": "GengaJoinLatents", "inputs": joined},
        "save": {"class_type": "GengaSaveLatent", "inputs": kept},
    }


def test_latents_are_saved_listed_loaded_and_joined(server):
    names = []
    for first in (8, 0):
        (file,) = server.queue(saving(first))["outputs"]["save"]["latents"]
        names.append(f"{file['subfolder']}/{file['filename']} [output]")
    info = server.get("/object_info/GengaLoadLatent")["GengaLoadLatent"]["input"]["required"]["latent"]
    offered = info[0] if isinstance(info[0], list) else info[1]["options"]
    assert set(names) <= set(offered)
    text = said(server.queue(loading(*names)))
    assert "frames 8 to 16" in text and "frames 0 to 8" in text and "frames 0 to 16" in text
    assert "no latent file inside" in server.failure(loading(names[0], "../../secret.safetensors [output]"))
    assert "is not there" in server.failure(loading(names[0], "latents/gone.safetensors [output]"))
