"""A .gguf model over HTTP: a running host lists it beside the others and samples with it."""

from __future__ import annotations

from genga_tests.tiny import files, gguf_files
from safetensors.torch import load_file

LOAD = {"base_precision": "auto", "weight_dtype": "default", "attention": "auto", "shift": 5.0}


def node(class_type: str, **inputs) -> dict:
    return {"class_type": class_type, "inputs": inputs}


def test_a_gguf_file_is_listed_and_sampled_with(server, tiny):
    folder = tiny.folder(server.base) / "diffusion_models"
    gguf_files.write(folder / "listed_Q4_0.gguf", load_file(folder / files.T2V), "Q4_0")
    info = server.get("/object_info/GengaWanModelLoader")["GengaWanModelLoader"]["input"]["required"]["model"]
    options = info[1]["options"] if info[0] == "COMBO" else info[0]
    assert {"listed_Q4_0.gguf", files.T2V} <= set(options)
    graph = {
        "model": node("GengaWanModelLoader", model="listed_Q4_0.gguf", **LOAD),
        "clip": node("CLIPLoader", clip_name=files.TEXT, type="wan"),
        "text": node("CLIPTextEncode", clip=["clip", 0], text="A cat jumps."),
        "vae": node("VAELoader", vae_name=files.VAE),
        "latent": node("EmptyHunyuanLatentVideo", width=32, height=32, length=5, batch_size=1),
        "sample": node(
            "KSampler", model=["model", 0], positive=["text", 0], negative=["text", 0], latent_image=["latent", 0],
            seed=1, steps=2, cfg=1.0, sampler_name="euler", scheduler="simple", denoise=1.0,
        ),
        "decode": node("VAEDecode", samples=["sample", 0], vae=["vae", 0]),
        "save": node("SaveImage", images=["decode", 0], filename_prefix="gguf"),
    }  # fmt: skip
    assert len(server.files(server.queue(graph))) == 5
