"""The preset's outputs wired into the loaders' lists, over HTTP."""

from __future__ import annotations

from genga_tests.tiny import files


def graph(**wired) -> dict:
    """Preset, loader, estimate, and a preview that ends it."""
    return {
        "preset": {"class_type": "GengaHardwarePreset", "inputs": {"gpu": "auto"}},
        "model": {
            "class_type": "GengaWanModelLoader",
            "inputs": {
                "model": files.T2V, "base_precision": ["preset", 0], "weight_dtype": ["preset", 1],
                "attention": ["preset", 2], "shift": 5.0, **wired,
            },
        },
        "vae": {"class_type": "VAELoader", "inputs": {"vae_name": files.VAE}},
        "estimate": {
            "class_type": "GengaMemoryEstimate",
            "inputs": {"model": ["model", 0], "vae": ["vae", 0], "width": 64, "height": 64, "length": 5},
        },
        "show": {"class_type": "PreviewAny", "inputs": {"source": ["estimate", 1]}},
    }  # fmt: skip


def test_the_preset_fits_the_loaders_lists(server):
    outputs = server.queue(graph())["outputs"]
    said = "\n".join(outputs["preset"]["text"])
    assert "base_precision auto, weight_dtype default, attention auto" in said
    assert any("64x64, 5 frames" in line for line in outputs["estimate"]["text"])
    assert "64x64, 5 frames" in "".join(outputs["show"]["text"])


def test_a_wire_of_another_list_is_named(server):
    """A combo's wire carries any text: what is not in the list is refused when the loader runs, with the list."""
    assert "attention: 'default' is unknown. Use one of auto, sdpa" in server.failure(graph(attention=["preset", 1]))


def test_the_page_can_connect_them(server):
    """Both ends bear the type COMBO, which is what the front end compares."""
    info = server.get("/object_info")
    assert info["GengaHardwarePreset"]["output"] == ["COMBO"] * 4
    for node, names in (("GengaWanModelLoader", ("base_precision", "weight_dtype", "attention")),
                        ("GengaWindowSampler", ("tiled_vae",))):  # fmt: skip
        given = info[node]["input"]["required"] | info[node]["input"].get("optional", {})
        assert [given[name][0] for name in names] == ["COMBO"] * len(names)
