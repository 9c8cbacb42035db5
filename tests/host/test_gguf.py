"""Models and text encoders from .gguf files in a real host: numbers, memory, LoRA, offloading, clones, saving."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from genga.errors import InputError
from genga_tests.tiny import files, gguf_files
from safetensors.torch import load_file, save_file

CPU = torch.device("cpu")
SMALL = 60_000  # bytes: a few layers of the tiny model


@pytest.fixture(scope="module")
def rooms(host, models):
    import comfy.lora
    import comfy.model_management
    import comfy.sd
    import comfy.utils
    from genga.loaders import gguf_lora, gguf_model, gguf_weights, guard, options, wan
    from genga.nodes import loading

    before = set(models.rglob("*"))
    yield SimpleNamespace(comfy=comfy, models=models, wan=wan, options=options, loading=loading, guard=guard,
                          gguf_lora=gguf_lora, gguf_model=gguf_model, gguf_weights=gguf_weights)  # fmt: skip
    comfy.model_management.unload_all_models()
    for made_here in set(models.rglob("*")) - before:
        made_here.unlink()


@pytest.fixture(scope="module")
def original(rooms):
    return load_file(rooms.models / "diffusion_models" / files.T2V)


@pytest.fixture(scope="module")
def pair(rooms, original):
    """pair(kind) -> fresh MODELs: the .gguf file's, and that of a .safetensors file with the numbers it stands for."""

    def make(kind, **how):
        folder = rooms.models / "diffusion_models"
        name = f"tiny_{kind}"
        if not (folder / f"{name}.gguf").exists():
            save_file(gguf_files.write(folder / f"{name}.gguf", original, kind, **how), folder / f"{name}.safetensors")
        return load(rooms, f"{name}.gguf"), load(rooms, f"{name}.safetensors")

    return make


def load(rooms, name, **chosen):
    path = rooms.wan.find("diffusion_models", name, "model")
    facts = rooms.wan.inspect_diffusion(path, "model")
    return rooms.wan.load_diffusion(path, rooms.options.LoadOptions(**chosen), facts).model


def predict(rooms, model, managed=True):
    """What the model makes of one input; ``managed``: loaded by the host, else as it is now."""
    if managed:
        rooms.comfy.model_management.load_models_gpu([model])
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(1, 16, 3, 8, 8, generator=generator)
    context = torch.randn(1, 8, 4096, generator=generator) * 0.1
    return model.model.apply_model(x, torch.tensor([0.7]), c_crossattn=context)


def off(got, wanted) -> float:
    """Largest difference against the largest value."""
    return ((got - wanted).abs().max() / wanted.abs().max()).item()


def with_loras(rooms, model, loras, strength=0.8):
    for lora in loras:
        model = rooms.comfy.sd.load_lora_for_models(model, None, lora, strength, 0)[0]
    return model


# ---------------------------------------------------------------- numbers and memory


@pytest.mark.parametrize("kind", gguf_files.QUANTIZED + gguf_files.RANDOM)
def test_a_gguf_file_is_the_model_it_stands_for(rooms, pair, kind):
    ours, meant = pair(kind)
    assert off(predict(rooms, ours), predict(rooms, meant)) < 1e-5


@pytest.mark.parametrize("kind", ["BF16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0"])
def test_it_differs_from_the_original_by_its_quantization(rooms, original, pair, kind):
    """Rounding the weights does no more to the picture than noise of the same size on the same weights."""
    wanted = predict(rooms, load(rooms, files.T2V))
    got = predict(rooms, pair(kind)[0])
    folder = rooms.models / "diffusion_models"
    generator = torch.Generator().manual_seed(5)
    noisy = {
        key: original[key] + (value - original[key])[torch.randperm(len(value), generator=generator)]
        for key, value in load_file(folder / f"tiny_{kind}.safetensors").items()
    }
    save_file(noisy, folder / f"noisy_{kind}.safetensors")
    noise = predict(rooms, load(rooms, f"noisy_{kind}.safetensors"))
    assert 0 < (got - wanted).norm() < 1.5 * (noise - wanted).norm()


def test_weights_stay_blocks_before_and_after_use(rooms, pair):
    ours, meant = pair("Q4_0")
    for _ in range(2):
        layer = ours.model.diffusion_model.blocks[0].ffn[0]
        assert layer.weight.dtype == torch.uint8
        assert layer.weight.nbytes == 128 * 128 // 32 * 18
        predict(rooms, ours)
    assert ours.model_size() < 0.5 * meant.model_size()


def test_all_layers_share_one_buffer_and_give_it_back(rooms, pair):
    ours, _ = pair("Q8_0")
    predict(rooms, ours)
    scratch = ours.model.diffusion_model.blocks[0].ffn[0].scratch
    kept = list(scratch._kept.values())
    assert [room.numel() for room in kept] == [128 * 4096]
    predict(rooms, ours)
    assert [room.data_ptr() for room in scratch._kept.values()] == [room.data_ptr() for room in kept]
    ours.cleanup()
    assert not scratch._kept


@pytest.mark.parametrize("how", [{"flat": False}, {"architecture": None}])
def test_other_tools_files_load(rooms, original, how):
    folder = rooms.models / "diffusion_models"
    name = f"other_{'_'.join(how)}"
    meant = gguf_files.write(folder / f"{name}.gguf", original, "Q8_0", **how)
    save_file(meant, folder / f"{name}.safetensors")
    wanted = predict(rooms, load(rooms, f"{name}.safetensors"))
    assert off(predict(rooms, load(rooms, f"{name}.gguf")), wanted) < 1e-5


def test_prefixed_names_load(rooms, original):
    folder = rooms.models / "diffusion_models"
    prefixed = {"model.diffusion_model." + key: value for key, value in original.items()}
    gguf_files.write(folder / "prefixed.gguf", prefixed, "F32", flat=False)
    assert off(predict(rooms, load(rooms, "prefixed.gguf")), predict(rooms, load(rooms, files.T2V))) < 1e-6


def test_precision_is_that_of_the_other_weights(rooms, pair):
    pair("Q8_0")
    model = load(rooms, "tiny_Q8_0.gguf", base_precision="bf16")
    assert model.model.diffusion_model.blocks[0].modulation.dtype == torch.bfloat16
    assert model.model.diffusion_model.blocks[0].ffn[0].weight.dtype == torch.uint8


@pytest.mark.parametrize(("name", "kind"), [(files.ANIMATE, "animate"), (files.VACE, "vace"), (files.I2V_21, "i2v")])
def test_every_kind_of_wan_loads(rooms, name, kind):
    folder = rooms.models / "diffusion_models"
    weights = load_file(folder / name)
    meant = gguf_files.write(folder / f"kind_{kind}.gguf", weights, "Q8_0")
    path = rooms.wan.find("diffusion_models", f"kind_{kind}.gguf", "model")
    facts = rooms.wan.inspect_diffusion(path, "model")
    assert (facts.kind, facts.quantized) == (kind, "GGUF Q8_0")
    network = load(rooms, f"kind_{kind}.gguf").model.diffusion_model
    modules = dict(network.named_modules())
    for key, wanted in meant.items():
        place, _, what = key.rpartition(".")
        layer = modules[place]
        quantized = what == "weight" and getattr(layer, "ggml_kind", None) is not None
        got = layer.convert_weight(layer.weight) if quantized else getattr(layer, what)
        assert torch.equal(got, wanted), key


# ---------------------------------------------------------------- LoRA


@pytest.mark.parametrize("ranks", [(4,), (4, 1, 8, 2)])
def test_lora_is_that_of_the_plain_model(rooms, pair, original, ranks):
    ours, meant = pair("Q8_0")
    loras = gguf_files.loras(original, ranks)
    bare = predict(rooms, ours)
    got = predict(rooms, with_loras(rooms, ours, loras))
    assert off(got, predict(rooms, with_loras(rooms, meant, loras))) < 1e-5
    assert off(got, bare) > 1e-2
    assert torch.equal(predict(rooms, ours), bare)  # the model itself has none


def test_several_loras_are_one_product(rooms, pair, original):
    ours, _ = pair("Q8_0")
    model = with_loras(rooms, ours, gguf_files.loras(original, (4, 1, 8, 2)))
    predict(rooms, model)
    (factors,) = model.model.diffusion_model.blocks[0].ffn[0].ggml_steps
    assert factors.rank == 15


def exotic(original):
    """Patches the host has besides plain LoRA, one after another on one weight."""
    generator = torch.Generator().manual_seed(8)
    key = "diffusion_model.blocks.0.ffn.0.weight"
    noise = [torch.randn(128, 128, generator=generator) * 0.05 for _ in range(3)]
    return [
        ({key: ("diff", (noise[0],))}, 0.7, 1.0),
        ({key: ("diff", (noise[1],))}, 0.5, 0.25),  # halves what was there
        ({key: ("set", (noise[2],))}, 1.0, 1.0),
        ({(key, (0, 32, 64)): ("diff", (noise[0][:64],))}, 1.0, 1.0),
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_other_patches_keep_their_order_among_loras(rooms, pair, original, count):
    results = []
    for model in pair("Q8_0"):
        model = with_loras(rooms, model.clone(), gguf_files.loras(original, (4,)))
        for patch in exotic(original)[:count]:
            model.add_patches(*patch)
        model = with_loras(rooms, model, gguf_files.loras(original, (2, 3)))
        results.append(predict(rooms, model))
    assert off(*results) < 1e-5


def test_few_and_many_tokens_take_the_cheaper_way_to_the_same(rooms, original):
    lora = rooms.comfy.lora.load_lora(
        gguf_files.loras(original, (4,))[0], {"diffusion_model.blocks.0.ffn.0": "a.weight"}, log_missing=False
    )
    (factors,) = rooms.gguf_lora.steps([(1.0, lora["a.weight"], 1.0, None, None)], "a.weight", (128, 128))
    weight, bias = torch.randn(128, 128), torch.randn(128)
    for tokens, beside in ((4, True), (4096, False)):
        x = torch.randn(2, tokens // 2, 128)
        assert factors.cheaper_beside(x) == beside
        got = rooms.gguf_lora.product(x, weight.clone(), bias, (factors,), keep=False)
        wanted = torch.nn.functional.linear(x, factors.into(weight.clone(), False), bias)
        assert off(got, wanted) < 1e-5


def test_lora_hooks_act_and_leave(rooms, pair, original):
    import comfy.hooks

    results = []
    for model in pair("Q8_0"):
        model = model.clone()
        hooked = comfy.hooks.create_hook_lora(gguf_files.loras(original, (4,))[0], 1.0, 0.0)
        bare = predict(rooms, model)
        model.register_all_hook_patches(hooked, comfy.hooks.create_target_dict(comfy.hooks.EnumWeightTarget.Model))
        model.patch_hooks(hooked)
        results.append(predict(rooms, model, managed=False))
        model.patch_hooks(None)
        assert off(results[-1], bare) > 1e-3
        assert off(predict(rooms, model, managed=False), bare) < 1e-5
    assert off(*results) < 1e-5


# ---------------------------------------------------------------- offloading, clones, saving


@pytest.mark.parametrize("ranks", [(), (4, 2)])
def test_partial_loading_changes_nothing(rooms, pair, original, ranks):
    ours, _ = pair("Q4_0")
    model = with_loras(rooms, ours.clone(), gguf_files.loras(original, ranks))
    wanted = predict(rooms, model)
    rooms.comfy.model_management.unload_all_models()
    model.patch_model(CPU, lowvram_model_memory=SMALL)
    assert model.model.model_lowvram
    assert torch.equal(predict(rooms, model, managed=False), wanted)
    model.partially_load(CPU, 10**9)
    assert torch.equal(predict(rooms, model, managed=False), wanted)
    assert model.partially_unload(CPU, SMALL) > 0
    assert torch.equal(predict(rooms, model, managed=False), wanted)
    model.detach()
    assert all(not layer.ggml_steps for _, layer in model._layers())


def test_a_weight_kept_on_the_device_stays_blocks(rooms, pair):
    """As dynamic VRAM, which needs a GPU, asks for weights too small to be moved by themselves."""
    ours, _ = pair("Q8_0")
    layer, key = ours.model.diffusion_model.blocks[0].ffn[0], "diffusion_model.blocks.0.ffn.0.weight"
    first = layer.weight
    ours.patch_weight_to_device(key, device_to=CPU, force_cast=True)
    assert layer.weight.dtype == torch.uint8
    assert torch.equal(layer.weight, first)
    assert ours.backup.pop(key).weight is first


def test_a_clone_without_lora_is_without(rooms, pair, original):
    ours, _ = pair("Q8_0")
    bare = predict(rooms, ours)
    patched = with_loras(rooms, ours, gguf_files.loras(original, (4,)))
    assert type(patched) is type(ours)
    first = predict(rooms, patched)
    assert torch.equal(predict(rooms, ours.clone()), bare)
    assert torch.equal(predict(rooms, patched.clone()), first)


def test_shift_and_guard_are_there(rooms, pair):
    pair("Q8_0")
    model = rooms.loading.WanModelLoader.execute("tiny_Q8_0.gguf", "auto", "default", "auto", 7.0).args[0]
    assert model.get_model_object("model_sampling").shift == 7.0
    assert rooms.guard.traits_of(model).wan


def test_it_can_be_merged_into_a_plain_model(rooms, pair):
    ours, meant = pair("Q8_0")
    merged = load(rooms, files.T2V)
    merged.add_patches(ours.get_key_patches("diffusion_model."), 1.0, 0.0)
    assert off(predict(rooms, merged), predict(rooms, meant)) < 1e-5


def test_saving_is_refused(rooms, pair, tmp_path):
    ours, _ = pair("Q8_0")
    with pytest.raises(InputError, match="cannot be written"):
        rooms.comfy.sd.save_checkpoint(str(tmp_path / "x.safetensors"), ours)
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- the nodes


def test_both_kinds_of_file_stand_in_one_list(rooms, pair):
    pair("Q8_0")
    listed = rooms.wan.list_files("diffusion_models")
    assert {"tiny_Q8_0.gguf", "tiny_Q8_0.safetensors", files.T2V} <= set(listed)
    assert not [name for name in rooms.wan.list_files("vae") if name.endswith(".gguf")]


def test_weight_dtype_leaves_it_alone_and_says_so(rooms, pair):
    pair("Q8_0")
    path = rooms.wan.find("diffusion_models", "tiny_Q8_0.gguf", "model")
    facts = rooms.wan.inspect_diffusion(path, "model")
    loaded = rooms.wan.load_diffusion(path, rooms.options.LoadOptions(weight_dtype="fp8_e4m3fn"), facts)
    assert any("GGUF Q8_0" in note for note in loaded.notes)


def test_infinitetalk_goes_on_top(rooms, pair):
    weights = load_file(rooms.models / "diffusion_models" / files.I2V_21)
    gguf_files.write(rooms.models / "diffusion_models" / "i2v_21.gguf", weights, "Q8_0")
    base = load(rooms, "i2v_21.gguf")
    talking = rooms.loading.InfiniteTalkLoader.execute(base, files.TALK_SINGLE).args[0]
    assert type(talking) is type(base)
    assert talking.model.diffusion_model.blocks[0].ffn[0].weight.dtype == torch.uint8


def test_a_whole_sampling_leaves_the_model_as_it_was(rooms, pair, original, prompts):
    import nodes

    results = []
    for model in pair("Q8_0"):
        model = with_loras(rooms, model, gguf_files.loras(original, (4,)))
        before = [layer.weight for _, layer in model._layers()] if hasattr(model, "_layers") else []
        latent = {"samples": torch.zeros(1, 16, 2, 8, 8)}
        results.append(nodes.common_ksampler(model, 3, 2, 1.0, "euler", "simple", *prompts, latent)[0]["samples"])
        assert (
            all(layer.weight is kept for (_, layer), kept in zip(model._layers(), before, strict=True))
            if before
            else True
        )
        assert all(not layer.scratch._kept for _, layer in model._layers()) if before else True
    assert off(*results) < 1e-4


def test_another_architecture_is_an_error(rooms, original):
    path = rooms.models / "diffusion_models" / "flux.gguf"
    gguf_files.write(path, {"double_blocks.0.img_attn.qkv.weight": torch.zeros(32, 32)}, "Q8_0", architecture="flux")
    with pytest.raises(InputError, match="'flux', not Wan"):
        rooms.wan.inspect_diffusion(path, "model")


def test_a_patch_embedding_without_its_shape_is_an_error(rooms, original):
    path = rooms.models / "diffusion_models" / "shapeless.gguf"
    changed = {**original, "patch_embedding.weight": original["patch_embedding.weight"].reshape(128, -1)}
    gguf_files.write(path, changed, "F32")
    with pytest.raises(InputError, match="2 dimensions, where Wan has 5"):
        rooms.wan.inspect_diffusion(path, "model")


def test_types_not_read_are_an_error(rooms, original, monkeypatch):
    path = rooms.models / "diffusion_models" / "strange.gguf"
    gguf_files.write(path, original, "Q4_0")
    monkeypatch.setattr(rooms.gguf_weights.ggml, "supported", lambda kind: kind.name != "Q4_0")
    with pytest.raises(InputError, match="type Q4_0, which is not read here"):
        rooms.wan.inspect_diffusion(path, "model")


# ---------------------------------------------------------------- the text encoder


@pytest.fixture
def encoders(rooms):
    """encoders(kind) -> CLIPs: the .gguf file's, and that of a .safetensors file with the numbers it stands for."""
    folder = rooms.models / "text_encoders"
    weights, spiece = load_file(folder / files.TEXT), gguf_files.unigram()

    def make(kind):
        meant = gguf_files.write_encoder(folder / f"umt5_{kind}.gguf", weights, kind, spiece)
        # Contiguous copies: the file format knows no others.
        stored = {key: value.clone() for key, value in meant.items()}
        stored["spiece_model"] = torch.frombuffer(bytearray(spiece), dtype=torch.uint8)
        save_file(stored, folder / f"umt5_{kind}.safetensors")
        names = (f"umt5_{kind}.gguf", f"umt5_{kind}.safetensors")
        return [rooms.wan.load_text_encoder(rooms.wan.check_text_encoder(name)) for name in names]

    return make


def read(clip, text="a red cat runs fast, ÄÖ 東京") -> torch.Tensor:
    return clip.encode_from_tokens(clip.tokenize(text))


@pytest.mark.parametrize("least_rows", [64, 1024])
@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q6_K", "F16", "BF16"])
def test_a_text_encoder_says_the_same(rooms, encoders, monkeypatch, kind, least_rows):
    from genga.loaders import gguf_ops

    monkeypatch.setattr(gguf_ops, "_LEAST_ROWS", least_rows)
    ours, meant = encoders(kind)
    table = ours.cond_stage_model.umt5xxl.transformer.shared
    assert (table.ggml_kind is not None) == (least_rows == 64 and kind not in ("F16", "BF16"))
    assert ours.tokenize("東京 red cats") == meant.tokenize("東京 red cats")
    assert off(read(ours), read(meant)) < 1e-5


def test_a_text_encoder_differs_by_its_quantization(rooms, encoders):
    got, wanted = read(encoders("Q8_0")[0]), read(encoders("F32")[0])
    assert 0 < ((got - wanted).norm() / wanted.norm()).item() < 0.1


def test_a_text_encoder_survives_clones_and_is_not_saved(rooms, encoders):
    ours, _ = encoders("Q8_0")
    assert torch.equal(read(ours.clone()), read(ours))
    with pytest.raises(InputError, match="cannot be written"):
        ours.clone().get_sd()


def test_a_model_is_no_text_encoder_and_the_reverse(rooms, original):
    gguf_files.write(rooms.models / "text_encoders" / "wan.gguf", original, "Q8_0")
    with pytest.raises(InputError, match="text-to-video"):
        rooms.wan.check_text_encoder("wan.gguf")
    weights = load_file(rooms.models / "text_encoders" / files.TEXT)
    path = rooms.models / "diffusion_models" / "umt5.gguf"
    gguf_files.write_encoder(path, weights, "Q8_0", gguf_files.unigram())
    with pytest.raises(InputError, match="architecture 't5encoder', not Wan"):
        rooms.wan.inspect_diffusion(path, "model")


def test_the_expert_loader_takes_gguf_for_everything_but_the_vae(rooms, original, encoders):
    encoders("Q8_0")
    for name in (files.I2V_HIGH, files.I2V_LOW):
        weights = load_file(rooms.models / "diffusion_models" / name)
        gguf_files.write(
            rooms.models / "diffusion_models" / name.replace("fp16.safetensors", "Q8_0.gguf"), weights, "Q8_0"
        )
    high, low = (name.replace("fp16.safetensors", "Q8_0.gguf") for name in (files.I2V_HIGH, files.I2V_LOW))
    made = rooms.loading.AniSoraLoader.execute(
        high, low, "umt5_Q8_0.gguf", files.VAE, "auto", "default", "auto", 5.0
    ).args
    assert [model.model.diffusion_model.blocks[1].ffn[2].weight.dtype for model in made[:2]] == [torch.uint8] * 2
    assert read(made[2]).shape[-1] == 4096
