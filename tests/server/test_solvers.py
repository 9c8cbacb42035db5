"""Sampler, Scheduler and Color Match in graphs over HTTP: a video on disk, the plot in the page, the same seed twice."""

from __future__ import annotations

import re

import av
import numpy as np
import pytest
from genga_tests.tiny import files
from genga_tests.tools.server import Failed, Refused
from PIL import Image

LOAD = {"base_precision": "auto", "weight_dtype": "default", "attention": "auto", "shift": 5.0}
CALM = (0.65, 0.45, 0.3)  # mean colour of the reference


def node(class_type: str, **inputs) -> dict:
    return {"class_type": class_type, "inputs": inputs}


def ending(prefix: str, seed: int, sampler: dict) -> dict:
    """From a guider and a latent to a video in the reference's colours."""
    return {
        "sigmas": node("GengaScheduler", model=["model", 0], scheduler="genga", steps=6, boundary=0.9),
        "sampler": node("GengaSampler", **{"sampler_name": "genga", **sampler}),
        "noise": node("GengaNoise", seed=seed),
        "sample": node(
            "SamplerCustomAdvanced", noise=["noise", 0], guider=["guider", 0], sampler=["sampler", 0],
            sigmas=["sigmas", 0], latent_image=["latent", 2],
        ),
        "decode": node("VAEDecode", samples=["sample", 0], vae=["vae", 0]),
        "reference": node("LoadImage", image="calm.png"),
        "match": node("GengaColorMatch", image=["decode", 0], reference=["reference", 0], method="mkl", strength=1.0),
        "save": node(
            "GengaSaveVideo", images=["match", 0], filename_prefix=f"solvers/{prefix}", format="mp4", crf=8, fps=16
        ),
    }  # fmt: skip


def start(**first_image) -> dict:
    """Text, VAE, and the latent of five frames at 32x32."""
    return {
        "clip": node("CLIPLoader", clip_name=files.TEXT, type="wan"),
        "text": node("CLIPTextEncode", clip=["clip", 0], text="A cat jumps."),
        "vae": node("VAELoader", vae_name=files.VAE),
        "latent": node(
            "GengaWanFFLF", positive=["text", 0], negative=["text", 0], vae=["vae", 0], width=32, height=32, length=5,
            batch_size=1, **first_image,
        ),
    }  # fmt: skip


def one_model(seed: int = 5, **sampler) -> dict:
    """A text-to-video model and the host's own guider."""
    return {
        **start(),
        "model": node("GengaWanModelLoader", model=files.T2V, **LOAD),
        "guider": node("CFGGuider", model=["model", 0], positive=["latent", 0], negative=["latent", 1], cfg=3.0),
        **ending("one", seed, sampler),
    }


def two_models(seed: int = 5, **sampler) -> dict:
    """Two experts, the first frame given."""
    return {
        **start(first_image=["reference", 0]),
        "model": node("GengaWanModelLoader", model=files.I2V_HIGH, **LOAD),
        "low": node("GengaWanModelLoader", model=files.I2V_LOW, **LOAD),
        "guider": node(
            "GengaExpertGuider", high=["model", 0], low=["low", 0], positive=["latent", 0], negative=["latent", 1],
            cfg_high=1.0, cfg_low=1.0, boundary=0.9,
        ),
        **ending("two", seed, sampler),
    }  # fmt: skip


@pytest.fixture(scope="module")
def calm(server):
    """A reference of quiet colours: matched frames reach neither black nor white."""
    drawn = np.random.default_rng(2).normal(CALM, 0.05, (48, 64, 3)).clip(0, 1)
    path = server.input / "calm.png"
    Image.fromarray((drawn * 255).round().astype(np.uint8)).save(path)
    yield server
    path.unlink()


def frames(server, entry) -> np.ndarray:
    """The saved video, [frames, height, width, 3], 0 to 1."""
    (path,) = [path for path in server.files(entry) if path.suffix == ".mp4"]
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]) / 255.0


def said(entry, name: str) -> str:
    return " ".join(entry["outputs"].get(name, {}).get("text", []))


@pytest.mark.parametrize("graph", [one_model, two_models])
def test_a_graph_makes_its_video_and_the_same_one_for_the_same_seed(calm, graph):
    made = frames(calm, calm.queue(graph()))
    assert made.shape == (5, 32, 32, 3)
    assert made.std() > 0.01  # a picture, neither grey nor black
    assert np.abs(made.mean(axis=(0, 1, 2)) - CALM).max() < 0.04  # in the reference's colours
    assert np.abs(made - frames(calm, calm.queue(graph(seed=6)))).max() > 0.02
    again = graph()
    again["sigmas"]["inputs"]["boundary"] = 0.8  # another plot of the same sigmas: the host must sample once more
    entry = calm.queue(again)
    assert "sample" not in dict(entry["status"]["messages"])["execution_cached"]["nodes"]
    assert np.array_equal(made, frames(calm, entry))


def test_the_scheduler_shows_its_sigmas_and_a_plot(calm):
    entry = calm.queue(two_models(seed=8))
    assert re.search(r"sigmas 1\.000 .* 0\.000", said(entry, "sigmas"))
    assert "2 steps on the high-noise expert, 4 on the low-noise one." in said(entry, "sigmas")
    (shown,) = entry["outputs"]["sigmas"]["images"]
    assert shown["type"] == "temp"
    with Image.open(calm.base / "temp" / shown["subfolder"] / shown["filename"]) as plot:
        assert plot.size == (480, 270)
        pixels = np.asarray(plot.convert("RGB"), dtype=int)
    for drawn in ((232, 163, 61), (79, 168, 224), (208, 80, 80)):  # the two experts' steps, and the boundary
        assert (np.abs(pixels - drawn).max(axis=-1) <= 1).any()


def test_a_solver_is_told_by_its_cost_and_counts_model_calls(calm):
    entry = calm.queue(one_model(sampler_name="res_5s", count="model calls"))
    assert "6 steps" in said(entry, "sampler")
    assert frames(calm, entry).std() > 0.01


def test_the_expert_sampler_takes_our_names_over_http(calm):
    graph = two_models()
    for gone in ("sigmas", "sampler", "noise", "guider"):
        del graph[gone]
    graph["sample"] = node(
        "GengaExpertSampler", high=["model", 0], low=["low", 0], positive=["latent", 0], latent_image=["latent", 2],
        seed=5, steps=4, cfg=1.0, sampler_name="res_2s",
    )  # fmt: skip
    entry = calm.queue(graph)
    assert "res_2s: 2 + 2 steps are 4 + 4 model calls." in said(entry, "sample")
    assert frames(calm, entry).std() > 0.01
    graph["sample"]["inputs"]["sampler_name"] = "res_7s"
    with pytest.raises((Refused, Failed), match="res_7s"):  # 0.3.75 leaves it to the node
        calm.queue(graph)
