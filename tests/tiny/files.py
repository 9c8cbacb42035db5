"""Tiny model files under the names and in the folders that users have.

`python tests/tiny/files.py DIR` makes them in DIR/<kind>/<name>; tests call `ensure` and `install`.
Everything is seeded: the same sources give the same bytes. Needs torch, safetensors and sentencepiece, no host.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

if not __package__:  # run as a script: make the relative imports work
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    __package__ = "tiny"

from . import (
    all_in_one,
    animate,
    audio_encoder,
    clip_vision,
    framepack,
    hunyuan,
    images,
    talk,
    text,
    upscaler,
    vae,
    wan,
)  # fmt: skip

I2V_HIGH = "wan2.2_i2v_high_noise_14B_fp16.safetensors"
I2V_LOW = "wan2.2_i2v_low_noise_14B_fp16.safetensors"
I2V_21 = "wan2.1_i2v_480p_14B_fp16.safetensors"
T2V = "wan2.1_t2v_14B_fp16.safetensors"
ANIMATE = "Wan2_2-Animate-14B_fp16.safetensors"
VACE = "wan2.1_vace_14B_fp16.safetensors"
AIO_I2V = "wan2.2-i2v-rapid-aio-v10.safetensors"
AIO_T2V = "wan2.2-t2v-rapid-aio-v10.safetensors"
AIO_MEGA = "wan2.2-rapid-mega-aio-v12.safetensors"
VAE = "wan_2.1_vae.safetensors"
TEXT = "umt5_xxl_fp16.safetensors"
CLIP_VISION = "clip_vision_h.safetensors"
TALK_SINGLE = "wan2.1_infiniteTalk_single_fp16.safetensors"
TALK_MULTI = "wan2.1_infiniteTalk_multi_fp16.safetensors"
AUDIO_ENCODER = "wav2vec2-chinese-base_fp16.safetensors"
UPSCALER = "RealESRGAN_x4plus.safetensors"
PONY = "ponyDiffusionV6XL_v6StartWithThisOne.safetensors"
FLUX = "flux1-dev.safetensors"
FLUX_VAE = "ae.safetensors"
CLIP_L = "clip_l.safetensors"
T5 = "t5xxl_fp16.safetensors"
FRAMEPACK = "FramePackI2V_HY_fp8_e4m3fn.safetensors"
FRAMEPACK_F1 = "FramePack_F1_I2V_HY_20250503_fp8_e4m3fn.safetensors"
LLAMA = "llava_llama3_fp16.safetensors"
SIGLIP = "sigclip_vision_patch14_384.safetensors"
HUNYUAN_VAE = "hunyuan_video_vae_bf16.safetensors"

HOST_PACK = Path(__file__).resolve().parent / "host_pack"


@dataclass(frozen=True)
class TinyFile:
    """One file: `kind` is the host's models folder, `make` builds the state dict."""

    kind: str
    name: str
    make: Callable[[], dict[str, torch.Tensor]]

    @property
    def relative(self) -> Path:
        return Path(self.kind) / self.name


FILES = (
    TinyFile("diffusion_models", I2V_HIGH, lambda: wan.weights("i2v", seed=1)),
    TinyFile("diffusion_models", I2V_LOW, lambda: wan.weights("i2v", seed=2)),
    TinyFile("diffusion_models", I2V_21, lambda: wan.weights("i2v_clip", seed=3)),
    TinyFile("diffusion_models", T2V, lambda: wan.weights("t2v", seed=4)),
    TinyFile("diffusion_models", VACE, lambda: wan.weights("vace", seed=5)),
    TinyFile("diffusion_models", ANIMATE, lambda: animate.weights(seed=20)),
    TinyFile("checkpoints", AIO_I2V, lambda: all_in_one.weights("i2v", seed=6)),
    TinyFile("checkpoints", AIO_T2V, lambda: all_in_one.weights("t2v", seed=7)),
    TinyFile("checkpoints", AIO_MEGA, lambda: all_in_one.weights("vace", seed=8)),
    TinyFile("vae", VAE, lambda: vae.weights()),
    TinyFile("text_encoders", TEXT, lambda: text.weights()),
    TinyFile("clip_vision", CLIP_VISION, lambda: clip_vision.weights()),
    TinyFile("model_patches", TALK_SINGLE, lambda: talk.weights(seed=30)),
    TinyFile("model_patches", TALK_MULTI, lambda: talk.weights(seed=31)),
    TinyFile("audio_encoders", AUDIO_ENCODER, lambda: audio_encoder.weights()),
    TinyFile("upscale_models", UPSCALER, lambda: upscaler.weights()),
    TinyFile("checkpoints", PONY, lambda: images.sdxl(seed=40)),
    TinyFile("diffusion_models", FLUX, lambda: images.flux(seed=50)),
    TinyFile("vae", FLUX_VAE, lambda: images.flux_vae(seed=51)),
    TinyFile("text_encoders", CLIP_L, lambda: images.text_l(seed=52)),
    TinyFile("text_encoders", T5, lambda: images.text_t5(seed=53)),
    TinyFile("diffusion_models", FRAMEPACK, lambda: _framepack(seed=60)),
    TinyFile("diffusion_models", FRAMEPACK_F1, lambda: _framepack(seed=61)),
    TinyFile("text_encoders", LLAMA, lambda: hunyuan.llama(seed=62)),
    TinyFile("clip_vision", SIGLIP, lambda: hunyuan.siglip(seed=63)),
    TinyFile("vae", HUNYUAN_VAE, lambda: hunyuan.vae(seed=64)),
)


def _framepack(seed: int) -> dict[str, torch.Tensor]:
    """As wide as what the tiny encoders give."""
    widths = hunyuan.LLAMA["hidden_size"], hunyuan.SIGLIP["hidden_size"], images.CLIP_L["hidden_size"]
    return {name: value.half() for name, value in framepack.weights(seed, *widths).items()}


def fingerprint() -> str:
    """Hash of the sources in this folder: an edit to any of them makes the files anew."""
    digest = hashlib.sha256()
    here = Path(__file__).resolve().parent
    for path in sorted(p for p in here.rglob("*") if p.suffix in (".py", ".json")):
        digest.update(path.relative_to(here).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def ensure(folder: Path | str) -> Path:
    """Make every file of FILES that is missing or stale as folder/<kind>/<name>; return the folder."""
    folder = Path(folder)
    stamp = folder / "fingerprint.txt"
    wanted = fingerprint()
    fresh = stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted
    for file in FILES:
        path = folder / file.relative
        if not (fresh and path.is_file()):
            _write(path, file.make())
    if not fresh:
        stamp.write_text(wanted, encoding="utf-8")
    return folder


def install(cache: Path | str, models_dir: Path | str) -> list[Path]:
    """Hard-link (else copy) the files of `cache` into a host's models folder; return their paths there."""
    installed = []
    for file in FILES:
        source, target = Path(cache) / file.relative, Path(models_dir) / file.relative
        if not (target.exists() and target.samefile(source)):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            _link(source, target)
        installed.append(target)
    return installed


def _write(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    # A reader, or a second process making the same file, never sees half a file.
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    save_file(tensors, temporary)
    os.replace(temporary, path)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another drive, or a file system without hard links
        shutil.copyfile(source, target)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python tests/tiny/files.py DIR")
    folder = ensure(sys.argv[1])
    for file in FILES:
        size = (folder / file.relative).stat().st_size
        sys.stdout.write(f"{size / 1e6:6.2f} MB  {(folder / file.relative).as_posix()}\n")


if __name__ == "__main__":
    main()
