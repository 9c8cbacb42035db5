"""Records what FramePack's own transformer makes of the tiny checkpoint: run once by hand, never by the tests.

    python tests/recorded/record_framepack.py FOLDER

FOLDER is a checkout of https://github.com/lllyasviel/FramePack; diffusers 0.33.1, accelerate and einops must be
installed. Its module diffusers_helper/models/hunyuan_video_packed.py is run as it is, in float32 on the CPU; only its
helpers for pictures (they want cv2) are stood in for. framepack.safetensors beside this file was recorded at commit
97fe5dbe06ac1f337ece08935b1076a35eefeeb9.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import torch
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
CALLED = {1: ("clean_latents", "clean_latent_indices"), 2: ("clean_latents_2x", "clean_latent_2x_indices"),
          4: ("clean_latents_4x", "clean_latent_4x_indices")}  # fmt: skip


def load(name: str, path: Path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reference(folder: Path):
    sys.path.insert(0, str(folder))
    utils = types.ModuleType("diffusers_helper.utils")
    utils.zero_module = lambda module: module
    sys.modules["diffusers_helper.utils"] = utils
    from diffusers_helper.models.hunyuan_video_packed import HunyuanVideoTransformer3DModelPacked

    return HunyuanVideoTransformer3DModelPacked


def run(model, tiny, name: str) -> torch.Tensor:
    case, given = tiny.CASES[name], tiny.inputs(name)
    text = torch.nn.functional.pad(given["text"], (0, 0, 0, 512 - given["text"].shape[1]))
    mask = torch.zeros(1, 512, dtype=torch.long)
    mask[:, : given["text"].shape[1]] = 1
    clean = {}
    for stride, indices in case.clean:
        latents, positions = CALLED[stride]
        clean[latents], clean[positions] = given[f"clean_{stride}"], torch.tensor([indices])
    return model(
        hidden_states=given["x"], timestep=torch.tensor([tiny.SIGMA * 1000.0]), encoder_hidden_states=text,
        encoder_attention_mask=mask, pooled_projections=given["pooled"],
        guidance=torch.tensor([tiny.GUIDANCE * 1000.0]), latent_indices=torch.tensor([case.target]),
        image_embeddings=given["image"], return_dict=False, **clean,
    )[0]  # fmt: skip


def main(folder: Path) -> None:
    tiny = load("tiny_framepack", HERE.parent / "tiny" / "framepack.py")
    model = reference(folder)(
        num_attention_heads=1, num_layers=1, num_single_layers=1, text_embed_dim=tiny.TEXT, has_image_proj=True,
        image_proj_dim=tiny.IMAGE, has_clean_x_embedder=True,
    )  # fmt: skip
    model.load_state_dict(tiny.weights())
    with torch.no_grad():
        made = {name: run(model, tiny, name).contiguous() for name in tiny.CASES}
    save_file(made, HERE / "framepack.safetensors")
    print({name: (tuple(value.shape), value.std().item()) for name, value in made.items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
