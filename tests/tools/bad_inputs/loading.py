"""Files that are not what they should be, and how they are loaded."""

from __future__ import annotations

from genga_tests.tiny import files

from .row import NAN, Row

FILES = [
    Row("a model that is gone", lambda b: b.wan("gone.safetensors"), "model", "choose another file"),
    Row("a model in another folder", lambda b: b.wan(f"../vae/{files.VAE}"), "model", "choose another file"),
    Row("a text file as model", lambda b: b.wan("text.safetensors"), "model", "Choose the .safetensors file"),
    Row("half a model", lambda b: b.wan("half.safetensors"), "model", "Download it again"),
    Row("a cut header", lambda b: b.wan("start.safetensors"), "model", "Download it again"),
    Row("an empty file", lambda b: b.wan("empty.safetensors"), "model", "Download it again"),
    Row("a web page as model", lambda b: b.wan("page.safetensors"), "model", "signed in"),
    Row("a GGUF renamed", lambda b: b.wan("gguf.safetensors"), "model", "put that on"),
    Row("a VAE as model", lambda b: b.wan("vae.safetensors"), "model", "belongs in the vae input"),
    Row("a text encoder as model", lambda b: b.wan("text_encoder.safetensors"), "model", "the text_encoder input"),
    Row("an unknown precision", lambda b: b.wan(base_precision="fp64"), "base_precision", "auto, bf16, fp16"),
    Row("an unknown weight type", lambda b: b.wan(weight_dtype="int8"), "weight_dtype", "default, fp8_e4m3fn"),
    Row("an unknown attention", lambda b: b.wan(attention="fastest"), "attention", "auto, sdpa"),
    Row("sage attention on a CPU", lambda b: b.wan(attention="sageattn"), "attention", "auto or sdpa"),
    Row("a T2V model as expert", lambda b: b.anisora(high=files.T2V), "high_noise_model", "Wan Model Loader"),
    Row("exchanged experts", lambda b: b.anisora(files.I2V_LOW, files.I2V_HIGH), "high_noise_model", "Swap the two"),
    Row("experts of two releases", lambda b: b.anisora(files.I2V_21), "low_noise_model", "two files of one release"),
    Row("a model as VAE", lambda b: b.anisora(vae="model.safetensors"), "vae", "Wan 2.1 VAE"),
    Row("a VAE as text encoder", lambda b: b.anisora(text="vae.safetensors"), "text_encoder", "umt5_xxl_fp16"),
    Row("a lone model as all-in-one", lambda b: b.phr00t("model.safetensors"), "checkpoint", "Wan Model Loader"),
    Row("half an all-in-one", lambda b: b.phr00t("half.safetensors"), "checkpoint", "Download it again"),
    Row("an unknown variant", lambda b: b.phr00t(files.AIO_I2V, "bright"), "lighting_variant", "low noise, high noise"),
    Row(
        "the other half of a merge is missing", lambda b: b.phr00t("merge_high.safetensors"),
        "lighting_variant", "set lighting_variant to 'high noise'",
    ),
    Row("a shift of 0", lambda b: b.wan(shift=0.0), "shift", "1 leaves the schedule"),
    Row("a negative shift", lambda b: b.wan(shift=-1.0), "shift", "Use 5"),
    Row("a shift of NaN for a pair", lambda b: b.anisora(shift=NAN), "shift", "Use 5"),
]  # fmt: skip
