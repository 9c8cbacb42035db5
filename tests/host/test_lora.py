"""LoRAs on tiny models in a real host: the host's own result, one line on what does not fit, pairs and sets."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
import torch
from genga.errors import InputError
from genga_tests.tiny import files, gguf_files
from safetensors.torch import load_file, save_file

DIM, RANK = 128, 2
PLAIN, HIGH, LOW = "style.safetensors", "wan22_HIGH_fast.safetensors", "wan22_LOW_fast.safetensors"


def layer(name: str, rows: int = DIM, columns: int = DIM, seed: int = 1) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        f"{name}.lora_up.weight": torch.randn(rows, RANK, generator=generator),
        f"{name}.lora_down.weight": torch.randn(RANK, columns, generator=generator),
        f"{name}.alpha": torch.tensor(1.0),
    }


def tower(blocks: int = 2, width: int = DIM, prefix: str = "diffusion_model.", seed: int = 1) -> dict:
    made: dict = {}
    for block in range(blocks):
        for part in ("self_attn.q", "cross_attn.v"):
            made |= layer(f"{prefix}blocks.{block}.{part}", width, width, seed)
    return made


@pytest.fixture(scope="module")
def rooms(host, models):
    import comfy.sd
    import comfy.utils
    from genga.loaders import lora, lora_sets, wan
    from genga.nodes import loading, loras

    place, sets = models / "loras", lora_sets._folder()
    place.mkdir(exist_ok=True)
    before = {folder: set(folder.iterdir()) for folder in (place, sets)}
    for name, seed in ((PLAIN, 1), (HIGH, 2), (LOW, 3)):
        save_file(tower(seed=seed), place / name)
    yield SimpleNamespace(
        comfy=comfy, lora=lora, lora_sets=lora_sets, wan=wan, loras=loras, loading=loading, place=place
    )
    for folder, held in before.items():  # other tests have files of their own there
        for path in set(folder.iterdir()) - held:
            path.unlink()


@pytest.fixture(scope="module")
def pair(load_model):
    return load_model(files.I2V_HIGH), load_model(files.I2V_LOW)


@pytest.fixture
def put(rooms):
    """put(tensors) -> the name of a LoRA file with these, for this test."""
    made = []

    def write(tensors, name="odd.safetensors"):
        save_file(tensors, rooms.place / name)
        made.append(rooms.place / name)
        return name

    yield write
    for path in made:
        path.unlink(missing_ok=True)


@pytest.fixture
def warnings(caplog):
    caplog.set_level(logging.WARNING)
    return lambda: [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def weight(rooms, model, key="diffusion_model.blocks.1.self_attn.q.weight"):
    """The weight as sampling has it."""
    import comfy.model_management as management

    management.load_models_gpu([model], force_patch_weights=True)
    try:
        return model.model.state_dict()[key].clone()
    finally:
        management.unload_all_models()


def words(out) -> str:
    return " ".join((out.ui or {"text": ()})["text"])


# ---------------------------------------------------------------- one LoRA


@pytest.mark.parametrize("strength", [1.0, -0.5])
def test_the_weights_are_those_of_the_hosts_loader(rooms, load_model, strength, warnings):
    model = load_model(files.T2V)
    before = weight(rooms, model)
    mine = rooms.loras.Lora.execute(model, PLAIN, strength).args[0]
    state = rooms.comfy.utils.load_torch_file(str(rooms.place / PLAIN), safe_load=True)
    theirs, _ = rooms.comfy.sd.load_lora_for_models(model, None, state, strength, 0.0)
    assert torch.equal(weight(rooms, mine), weight(rooms, theirs))
    assert not torch.equal(weight(rooms, mine), before)
    assert warnings() == []


def test_strength_0_leaves_the_model_and_the_file_alone(rooms, pair):
    out = rooms.loras.Lora.execute(pair[0], PLAIN, 0.0, pair[1], "auto", 0.0)
    assert out.args == pair


def test_several_in_a_row_add_up(rooms, load_model):
    model = load_model(files.T2V)
    once = rooms.loras.Lora.execute(model, PLAIN, 1.0).args[0]
    twice = rooms.loras.Lora.execute(once, PLAIN, 0.5).args[0]
    base = weight(rooms, model)
    torch.testing.assert_close(weight(rooms, twice) - base, 1.5 * (weight(rooms, once) - base), atol=1e-4, rtol=1e-4)
    assert rooms.lora.used(twice) == ((PLAIN, 1.0), (PLAIN, 0.5)) and rooms.lora.used(model) == ()


def test_a_quantized_model_takes_the_same_layers(rooms, models, put):
    """Its weights have another shape in memory than the layers they are for."""
    folder = models / "diffusion_models"
    path = folder / "lora_base_Q8_0.gguf"
    gguf_files.write(path, load_file(folder / files.T2V), "Q8_0")
    try:
        model = rooms.loading.WanModelLoader.execute(path.name, "auto", "default", "auto", 5.0).args[0]
        out = rooms.loras.Lora.execute(model, PLAIN, 1.0)
        assert words(out) == "" and len(out.args[0].patches) == 4
        with pytest.raises(InputError, match="width 1536"):
            rooms.loras.Lora.execute(model, put(tower(width=1536)), 1.0)
    finally:
        path.unlink()


# ---------------------------------------------------------------- what does not fit


REASONS = {
    "wan 2.1 i2v": ({f"diffusion_model.blocks.{n}.cross_attn.{part}": (DIM, DIM) for n in range(2)
                     for part in ("k_img", "v_img")}, "CLIP vision part"),
    "more blocks": ({f"diffusion_model.blocks.{n}.self_attn.k": (DIM, DIM) for n in (2, 3)},
                    "blocks 2 to 3, this model ends at 1"),
    "text encoder": ({"lora_te1_text_model_encoder_layers_0_mlp_fc1": (DIM, DIM)}, "text encoder"),
    "vace": ({"diffusion_model.vace_blocks.0.self_attn.q": (DIM, DIM)}, "layers of a VACE model"),
    "diffusers": ({"transformer.blocks.0.attn1.to_q": (DIM, DIM)}, "named as in diffusers"),
    "flux": ({"transformer.single_transformer_blocks.0.attn.to_q": (DIM, DIM)}, "another model than Wan"),
    "stable diffusion": ({"lora_unet_down_blocks_0_attentions_0_to_q": (DIM, DIM)}, "Stable Diffusion"),
    "nobody's": ({"weird.q": (DIM, DIM)}, "naming is not one ComfyUI reads"),
}  # fmt: skip


@pytest.mark.parametrize("case", REASONS)
def test_one_line_says_how_much_does_not_fit_and_why(rooms, load_model, put, warnings, case):
    extra, why = REASONS[case]
    tensors = tower()
    for name, shape in extra.items():
        tensors |= layer(name, *shape)
    out = rooms.loras.Lora.execute(load_model(files.T2V), put(tensors), 1.0)
    said = [line for line in out.ui["text"] if "fit" in line]
    assert len(said) == 1 and why in said[0]
    assert f"4 of {4 + len(extra)} layers fit, {len(extra)} do not" in said[0]
    assert warnings() == []


@pytest.mark.parametrize("case", REASONS)
def test_a_lora_of_which_nothing_fits_is_an_error(rooms, load_model, put, case):
    extra, why = REASONS[case]
    if case == "more blocks":
        why = "naming is not one"  # without a block that fits nobody knows where the model ends
    tensors: dict = {}
    for name, shape in extra.items():
        tensors |= layer(name, *shape)
    with pytest.raises(InputError, match="nothing of odd.safetensors fits") as refused:
        rooms.loras.Lora.execute(load_model(files.T2V), put(tensors), 1.0)
    assert refused.value.input_name == "lora_name" and why in str(refused.value)
    assert "the rest acts" not in str(refused.value)


def test_a_lora_for_another_width_is_an_error_before_sampling(rooms, load_model, put):
    with pytest.raises(InputError, match=r"made for a Wan of width 1536 \(1.3B\), this one has 128"):
        rooms.loras.Lora.execute(load_model(files.T2V), put(tower(width=1536)), 1.0)


def test_the_first_layer_of_an_i2v_lora_is_left_out_of_a_t2v_model(rooms, load_model, put, warnings):
    tensors = tower() | {"diffusion_model.patch_embedding.diff": torch.ones(DIM, 36, 1, 2, 2)}
    out = rooms.loras.Lora.execute(load_model(files.T2V), put(tensors), 1.0)
    assert "4 of 5 layers fit, 1 do not: its first layer is for 36 input channels, this model has 16" in words(out)
    weight(rooms, out.args[0])
    assert warnings() == []


def test_the_first_layer_of_its_own_kind_is_put_on(rooms, pair, put):
    tensors = {"diffusion_model.patch_embedding.diff": torch.ones(DIM, 36, 1, 2, 2)}
    out = rooms.loras.Lora.execute(pair[0], put(tensors), 2.0)
    key = "diffusion_model.patch_embedding.weight"
    torch.testing.assert_close(weight(rooms, out.args[0], key), weight(rooms, pair[0], key) + 2.0)
    assert words(out) == ""


def test_other_namings_the_host_reads_are_read(rooms, load_model, put):
    peft = {}
    for name, tensor in tower(prefix="diffusion_model.").items():
        if not name.endswith("alpha"):
            peft[name.replace("lora_up", "lora_B").replace("lora_down", "lora_A")] = tensor
    kohya = {name.replace(".lora", "#").replace(".alpha", "@").replace("diffusion_model.", "lora_unet_").replace(".", "_")
             .replace("#", ".lora").replace("@", ".alpha").replace("_weight", ".weight"): tensor
             for name, tensor in tower().items()}  # fmt: skip
    fun = {name.replace("lora_unet_", "lora_unet__"): tensor for name, tensor in kohya.items()}
    fun |= layer("lora_unet__blocks_0_cross_attn_k")
    for tensors in (peft, kohya, fun):
        out = rooms.loras.Lora.execute(load_model(files.T2V), put(tensors), 1.0)
        assert words(out) == "" and len(out.args[0].patches) >= 4


def test_files_that_are_no_lora(rooms, load_model, put):
    (rooms.place / "torn.safetensors").write_bytes(b"not a file of tensors")
    model = load_model(files.T2V)
    try:
        with pytest.raises(InputError, match="torn.safetensors cannot be read"):
            rooms.loras.Lora.execute(model, "torn.safetensors", 1.0)
    finally:
        (rooms.place / "torn.safetensors").unlink()
    for name in ("gone.safetensors", "../diffusion_models/" + files.T2V, "none"):
        with pytest.raises(InputError, match="there is no LoRA"):
            rooms.loras.Lora.execute(model, name, 1.0)
    with pytest.raises(InputError, match="is no strength"):
        rooms.loras.Lora.execute(model, PLAIN, float("nan"))


# ---------------------------------------------------------------- the pair


def test_auto_finds_the_other_half(rooms, pair):
    out = rooms.loras.Lora.execute(pair[0], HIGH, 1.0, pair[1], "auto", 0.5)
    assert words(out) == f"low gets {LOW}."
    assert [rooms.lora.used(model) for model in out.args] == [((HIGH, 1.0),), ((LOW, 0.5),)]


def test_one_file_for_both_and_a_chosen_second_one(rooms, pair):
    out = rooms.loras.Lora.execute(pair[0], PLAIN, 1.0, pair[1])
    assert [rooms.lora.used(model) for model in out.args] == [((PLAIN, 1.0),)] * 2
    out = rooms.loras.Lora.execute(pair[0], HIGH, 1.0, pair[1], PLAIN)
    assert [rooms.lora.used(model)[0].file for model in out.args] == [HIGH, PLAIN]


def test_halves_exchanged_are_said(rooms, pair):
    out = rooms.loras.Lora.execute(pair[0], LOW, 1.0, pair[1], HIGH)
    assert f"{LOW} is made for the low-noise expert by its name, and goes on the high-noise one" in words(out)
    assert f"{HIGH} is made for the high-noise expert by its name, and goes on the low-noise one" in words(out)


def test_the_models_own_file_says_which_expert_it_is(rooms):
    high = rooms.loading.WanModelLoader.execute(files.I2V_HIGH, "auto", "default", "auto", 5.0).args[0]
    assert "goes on the high-noise one" in words(rooms.loras.Lora.execute(high, LOW, 1.0))
    assert words(rooms.loras.Lora.execute(high, HIGH, 1.0)) == ""


def test_a_single_expert_stays_one_model(rooms, load_model):
    model = load_model(files.I2V_HIGH)
    for low in (None, model):
        high, other = rooms.loras.Lora.execute(model, PLAIN, 1.0, low).args
        assert high is other
    high, other = rooms.loras.Lora.execute(model, PLAIN, 1.0, model, "auto", 0.5).args
    assert high is not other


# ---------------------------------------------------------------- sets


def test_a_set_is_saved_and_put_on_again(rooms, pair):
    chained = rooms.loras.Lora.execute(pair[0], HIGH, 1.0, pair[1], "auto", 0.5).args
    chained = rooms.loras.Lora.execute(chained[0], PLAIN, 0.25, chained[1], "auto", 0.0).args
    saved = rooms.loras.SaveLoraSet.execute(chained[0], "fast", chained[1])
    assert saved.args == chained and "2 LoRAs for high, 1 for low" in words(saved)
    assert "Replaced" in words(rooms.loras.SaveLoraSet.execute(chained[0], "fast", chained[1]))
    again = rooms.loras.LoraSet.execute(pair[0], "fast", pair[1])
    for mine, theirs in zip(again.args, chained, strict=True):
        assert rooms.lora.used(mine) == rooms.lora.used(theirs)
        assert torch.equal(weight(rooms, mine), weight(rooms, theirs))
    assert f"high: {HIGH} 1, {PLAIN} 0.25" in words(again) and f"low: {LOW} 0.5" in words(again)
    half = rooms.loras.LoraSet.execute(pair[0], "fast", pair[1], 0.5).args
    assert rooms.lora.used(half[0]) == ((HIGH, 0.5), (PLAIN, 0.125))


def test_the_list_of_sets_is_as_it_is_now(rooms, pair):
    def listed():
        combo = rooms.loras.LoraSet.define_schema().inputs[2]
        return combo.options

    one = rooms.loras.Lora.execute(pair[0], PLAIN, 1.0).args[0]
    assert "new one" not in listed()
    rooms.loras.SaveLoraSet.execute(one, "new one")
    assert listed()[0] == "none" and "new one" in listed()
    before = rooms.loras.LoraSet.fingerprint_inputs(lora_set="new one")
    rooms.loras.SaveLoraSet.execute(rooms.loras.Lora.execute(one, PLAIN, 2.0).args[0], "new one")
    assert rooms.loras.LoraSet.fingerprint_inputs(lora_set="new one") != before


def test_none_passes_on(rooms, pair):
    assert rooms.loras.LoraSet.execute(pair[0], "none", pair[1]).args == pair
    assert rooms.loras.LoraSet.execute(pair[0], "none").args == (pair[0], pair[0])


def test_what_cannot_be_saved_or_found(rooms, pair):
    with pytest.raises(InputError, match="no LoRA of"):
        rooms.loras.SaveLoraSet.execute(pair[0], "empty")
    with pytest.raises(InputError, match="no LoRA set 'gone'"):
        rooms.loras.LoraSet.execute(pair[0], "gone")
    rooms.lora_sets.save("lost", rooms.lora_sets.LoraSet((rooms.lora.Use("deleted.safetensors", 1.0),), ()))
    with pytest.raises(InputError, match="there is no LoRA deleted.safetensors") as refused:
        rooms.loras.LoraSet.execute(pair[0], "lost")
    assert refused.value.input_name == "lora_set"
