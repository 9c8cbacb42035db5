"""LoRAs in the four namings that are found for FramePack: every matrix of the file reaches its rows of the model."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from genga_tests.tiny import framepack as tiny
from genga_tests.tiny import gguf_files
from safetensors.torch import save_file

RANK = 2


@pytest.fixture(scope="module")
def rooms(host, models):
    import comfy.model_management
    from genga.loaders import lora, options
    from genga.loaders.framepack import files, keys

    folder = models / "diffusion_models"
    before = set(models.rglob("*"))
    save_file(tiny.weights(), folder / "FramePack_lora.safetensors")

    def load(name):
        return files.load(folder / name, options.LoadOptions(), files.inspect(folder / name)).model

    yield SimpleNamespace(comfy=comfy, lora=lora, keys=keys, folder=folder, load=load)
    comfy.model_management.unload_all_models()
    for made in set(models.rglob("*")) - before:
        if made.is_file():
            made.unlink()


@pytest.fixture(scope="module")
def model(rooms):
    return rooms.load("FramePack_lora.safetensors")


def changes(shapes, seed=7):
    """(down, up) for each matrix."""
    generator = torch.Generator().manual_seed(seed)
    return {name: (torch.randn(RANK, columns, generator=generator) * 0.1, torch.randn(rows, RANK, generator=generator))
            for name, (rows, columns) in shapes.items()}  # fmt: skip


def framepack_matrices():
    return {name.removesuffix(".weight"): shape for name, shape in tiny.shapes().items()
            if name.endswith(".weight") and len(shape) == 2}  # fmt: skip


def host_matrices(model):
    """The linear layers that HunyuanVideo has, too."""
    return {name: (module.out_features, module.in_features)
            for name, module in model.model.diffusion_model.named_modules()
            if hasattr(module, "in_features") and not name.startswith("vision_in")}  # fmt: skip


def hunyuan(name):
    for ours, theirs in (("_mod.lin", "_mod.linear"), (".modulation.lin", ".modulation.linear"), ("mlp.0", "mlp.fc1"),
                         ("mlp.2", "mlp.fc2"), ("_attn.qkv", "_attn_qkv"), ("_attn.proj", "_attn_proj")):  # fmt: skip
        name = name.replace(ours, theirs)
    return name


def file_of(made, name_of, musubi):
    """The LoRA's tensors, with alpha = rank / 2 in musubi's naming, none in diffusers'."""
    tensors = {}
    for name, (down, up) in made.items():
        if musubi:
            base = "lora_unet_" + name_of(name).replace(".", "_")
            tensors |= {f"{base}.lora_down.weight": down, f"{base}.lora_up.weight": up,
                        f"{base}.alpha": torch.tensor(RANK / 2)}  # fmt: skip
        else:
            tensors |= {f"transformer.{name_of(name)}.lora_A.weight": down,
                        f"transformer.{name_of(name)}.lora_B.weight": up}  # fmt: skip
    return tensors


def predict(rooms, model):
    rooms.comfy.model_management.load_models_gpu([model])
    given = tiny.inputs("section")
    vision = {"clip_fea": given["image"], "y": given["pooled"], "guidance": torch.tensor([10.0])}
    return model.model.apply_model(given["x"], torch.tensor([0.7]), c_crossattn=given["text"], **vision)


def patched(rooms, model, tensors):
    fit = rooms.lora.match(model, tensors)
    assert not fit.unknown and not fit.misfits
    clone = model.clone()
    clone.add_patches(fit.patches, 0.5)
    return clone


@pytest.mark.parametrize("musubi", [False, True], ids=["diffusers", "musubi"])
def test_framepacks_own_names(rooms, model, musubi):
    made = changes(framepack_matrices())
    weights = tiny.weights()
    scale = 0.5 * (0.5 if musubi else 1.0)
    merged = {**weights, **{f"{name}.weight": weights[f"{name}.weight"] + scale * (up @ down)
                            for name, (down, up) in made.items()}}  # fmt: skip
    save_file(merged, rooms.folder / "FramePack_merged.safetensors")
    wanted = predict(rooms, rooms.load("FramePack_merged.safetensors"))
    got = predict(rooms, patched(rooms, model, file_of(made, lambda name: name, musubi)))
    assert (got - wanted).abs().max() < 1e-3 * wanted.abs().max()
    assert (got - predict(rooms, model)).abs().max() > 0.1 * wanted.abs().max()


@pytest.mark.parametrize("musubi", [False, True], ids=["diffusion-pipe", "musubi"])
def test_hunyuanvideos_names(rooms, model, musubi):
    made = changes(host_matrices(model))
    merged = rooms.load("FramePack_lora.safetensors")
    scale = 0.5 * (0.5 if musubi else 1.0)
    for name, (down, up) in made.items():
        merged.model.diffusion_model.get_submodule(name).weight.data += scale * (up @ down)
    wanted = predict(rooms, merged)
    got = predict(rooms, patched(rooms, model, file_of(made, hunyuan, musubi)))
    assert (got - wanted).abs().max() < 1e-3 * wanted.abs().max()
    assert (got - predict(rooms, model)).abs().max() > 0.1 * wanted.abs().max()


def test_they_work_on_quantized_weights(rooms):
    meant = gguf_files.write(rooms.folder / "FramePack.gguf", tiny.weights(), "Q8_0", architecture="hyvid")
    save_file(meant, rooms.folder / "FramePack_meant.safetensors")
    tensors = file_of(changes(framepack_matrices()), lambda name: name, False)
    one, other = (
        patched(rooms, rooms.load(name), tensors) for name in ("FramePack.gguf", "FramePack_meant.safetensors")
    )
    got, wanted = predict(rooms, one), predict(rooms, other)
    assert (got - wanted).abs().max() < 1e-3 * wanted.abs().max()


def test_the_node_takes_it_and_says_what_does_not_fit(rooms, model, models):
    from genga.errors import InputError
    from genga.nodes import loras

    (models / "loras").mkdir(exist_ok=True)
    tensors = file_of(changes(framepack_matrices()), lambda name: name, True)
    save_file(tensors, models / "loras" / "framepack_all.safetensors")
    save_file({**tensors, "lora_unet_blocks_0_cross_attn_k.lora_down.weight": torch.zeros(2, 4),
               "lora_unet_blocks_0_cross_attn_k.lora_up.weight": torch.zeros(4, 2)},
              models / "loras" / "framepack_more.safetensors")  # fmt: skip
    save_file({"lora_unet_blocks_0_cross_attn_k.lora_down.weight": torch.zeros(2, 4),
               "lora_unet_blocks_0_cross_attn_k.lora_up.weight": torch.zeros(4, 2)},
              models / "loras" / "framepack_none.safetensors")  # fmt: skip
    whole = loras.Lora.execute(model, "framepack_all.safetensors", 0.5)
    assert len(whole.args[0].patches) > 20 and not (whole.ui or {}).get("text")
    (said,) = loras.Lora.execute(model, "framepack_more.safetensors").ui["text"]
    assert "1 do not" in said
    with pytest.raises(InputError, match="nothing of framepack_none"):
        loras.Lora.execute(model, "framepack_none.safetensors")
