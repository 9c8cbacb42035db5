"""Windows decoded in tiles: by choice, by free memory, and what the store makes of it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from genga import tiles
from genga.errors import InputError
from genga_tests.tools.windowed import FPS, Provider, Silent, exact, frames_of

SIGMAS = torch.tensor([1.0, 0.7, 0.0])


@pytest.fixture(scope="module")
def bench(vae, load_model, tiny, prompts):
    """run(mode, folder) -> a run of two windows of nine frames; ``parts`` for the node."""
    import comfy.samplers
    from genga.nodes import windows as nodes
    from genga.samplers.windows import engine, plan, provider, store

    guider = comfy.samplers.CFGGuider(load_model(tiny.files.I2V_HIGH))
    guider.set_conds(*prompts)
    guider.set_cfg(1.0)
    windows = provider.Windows(plan.make(13, 9, 5), Provider(vae), FPS)
    sampler = comfy.samplers.sampler_object("euler")

    def run(mode, folder):
        with store.Store(folder) as opened:
            return engine.run(
                engine.Job(guider, sampler, SIGMAS, vae, windows, 11, tiled=mode), opened, Silent(), exact
            )

    parts = {"guider": guider, "sampler": sampler, "sigmas": SIGMAS, "vae": vae, "windows": windows, "seed": 11}
    return SimpleNamespace(run=run, parts=parts, node=nodes.WindowSampler)


@pytest.fixture
def decoded(vae, monkeypatch):
    """The VAE's decodings, by the name of the host's call. Noted in the class: what hangs on the VAE is in the keys."""
    made = []
    for name in ("decode", "decode_tiled"):
        inner = getattr(type(vae), name)
        monkeypatch.setattr(
            type(vae),
            name,
            lambda *args, _name=name, _inner=inner, **how: (made.append(_name), _inner(*args, **how))[1],
        )
    return made


def test_on_and_off(bench, decoded, tmp_path):
    whole = bench.run("off", tmp_path / "a")
    assert decoded == ["decode"] * 2
    tiled = bench.run("on", tmp_path / "a")
    assert decoded == ["decode"] * 2 + ["decode_tiled"] * 2
    assert tiled.reused == 0, "a choice is part of a window's key"
    assert (frames_of(tiled) - frames_of(whole)).abs().max() < 0.02


def test_auto_looks_at_free_memory_before_each_window(bench, decoded, tmp_path, monkeypatch):
    free = iter([1e15, 0.0])
    monkeypatch.setattr(tiles, "available", lambda vae: next(free))
    bench.run("auto", tmp_path / "a")
    assert decoded == ["decode", "decode_tiled"]


def test_other_free_memory_loses_no_window(bench, decoded, tmp_path, monkeypatch):
    first = bench.run("auto", tmp_path / "a")
    monkeypatch.setattr(tiles, "available", lambda vae: 0.0)
    again = bench.run("auto", tmp_path / "a")
    assert (again.reused, again.keys) == (2, first.keys)
    assert decoded == ["decode"] * 2


def test_the_node_says_so(bench, host, tmp_path, monkeypatch):
    import folder_paths

    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path / "output"))
    monkeypatch.setattr(folder_paths, "user_directory", str(tmp_path / "user"))
    (tmp_path / "output").mkdir()
    tiled = bench.node.execute(**bench.parts, tiled_vae="on")
    assert any("Windows are decoded in tiles of 512 pixels that share 128" in line for line in tiled.ui["text"])
    plain = bench.node.execute(**bench.parts)
    assert not any("tiles" in line for line in plain.ui["text"])


def test_an_unknown_mode_is_an_error_before_sampling(bench):
    with pytest.raises(InputError, match="^tiled_vae: "):
        bench.node.execute(**bench.parts, tiled_vae="sometimes")


def test_the_mode_is_the_last_input(bench):
    optional = bench.node.INPUT_TYPES()["optional"]
    assert list(optional)[-1] == "tiled_vae"
    assert optional["tiled_vae"][1]["advanced"] is True
