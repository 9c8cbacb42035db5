"""FramePack on the host's own class: equal to the reference's recorded outputs; files of every kind; LoRA; memory."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from genga.errors import InputError
from genga_tests.tiny import framepack as tiny
from genga_tests.tiny import gguf_files
from genga_tests.tools import pack
from genga_tests.tools.framepack_calls import conditioning, predict, scaled
from safetensors.torch import load_file, save_file

CLOSE = 1e-5  # in float32, of numbers up to about 15


@pytest.fixture(scope="module")
def rooms(host, models):
    import comfy.clip_vision
    import comfy.model_base
    import comfy.model_management
    import comfy.samplers
    import comfy.sd
    from genga.loaders import options, wan
    from genga.loaders.framepack import files, fuse, model, net

    before = set(models.rglob("*"))
    yield SimpleNamespace(comfy=comfy, folder=models / "diffusion_models", files=files, fuse=fuse, model=model, net=net,
                          options=options, wan=wan)  # fmt: skip
    comfy.model_management.unload_all_models()
    for made_here in set(models.rglob("*")) - before:
        made_here.unlink()


@pytest.fixture(scope="module")
def recorded():
    return load_file(pack.TESTS / "recorded" / "framepack.safetensors")


@pytest.fixture(scope="module")
def model(rooms):
    return load(rooms, write(rooms, "FramePackI2V_HY.safetensors", tiny.weights()))


def write(rooms, name, weights):
    save_file(weights, rooms.folder / name)
    return rooms.folder / name


def load(rooms, path, **chosen):
    facts = rooms.files.inspect(path)
    return rooms.files.load(path, rooms.options.LoadOptions(**chosen), facts).model


def off(got, wanted) -> float:
    return (got - wanted).abs().max().item()


def noise(got, wanted) -> float:
    return ((got - wanted).std() / wanted.std()).item()


# ---------------------------------------------------------------- the reference


@pytest.mark.parametrize("name", tiny.CASES)
def test_it_predicts_what_the_reference_does(rooms, model, recorded, name):
    assert model.model.get_dtype() == torch.float32
    assert off(predict(rooms, model, name), recorded[name]) < CLOSE


def test_the_comparison_tells_models_apart(rooms, recorded):
    """Halves not exchanged, means of positions left out, another guidance: each shows."""
    weights = tiny.weights()
    for leaf in ("weight", "bias"):
        first, second = weights[f"norm_out.linear.{leaf}"].chunk(2)
        weights[f"norm_out.linear.{leaf}"] = torch.cat([second, first])
    wrong = load(rooms, write(rooms, "swapped.safetensors", weights))
    assert off(predict(rooms, wrong, "section"), recorded["section"]) > 1.0


def test_guidance_is_ten_unless_said(rooms, model, recorded):
    assert off(predict(rooms, model, "f1", guidance=10.0), recorded["f1"]) < CLOSE
    assert off(predict(rooms, model, "f1", guidance=6.0), recorded["f1"]) > 1e-3


def test_nothing_of_a_call_stays(rooms, model):
    """Also when it fails: the next call without a section is the host's own."""
    network = model.model.diffusion_model
    x, text = torch.randn(1, 16, 2, 4, 4), torch.randn(1, 5, tiny.TEXT)
    plain = {"context": text, "y": torch.zeros(1, tiny.POOLED), "guidance": torch.tensor([10.0])}
    before = network(x, torch.tensor([500.0]), **plain)
    with pytest.raises(ValueError, match="3 positions for 2 latent frames"):
        network(x, torch.tensor([500.0]), framepack_target=(0, 1, 2), **plain)
    with pytest.raises(RuntimeError):
        network(x, torch.tensor([500.0]), framepack_target=(0, 1), framepack_1x=torch.zeros(1, 3, 1, 4, 4),
                framepack_1x_times=(0,), **plain)  # fmt: skip
    assert network._call is None
    assert torch.equal(network(x, torch.tensor([500.0]), **plain), before)
    assert not torch.equal(network(x, torch.tensor([500.0]), framepack_target=(3, 9), **plain), before)


# ---------------------------------------------------------------- files


def test_plain_fp8_is_the_file_cast(rooms):
    weights = {key: value.to(torch.float8_e4m3fn) for key, value in tiny.weights().items()}
    eight = load(rooms, write(rooms, "fp8.safetensors", weights), weight_dtype="fp8_e4m3fn")
    wide = load(rooms, write(rooms, "fp8_wide.safetensors", {key: value.float() for key, value in weights.items()}))
    assert eight.model.diffusion_model.double_blocks[0].img_attn.qkv.weight.dtype == torch.float8_e4m3fn
    got, wanted = predict(rooms, eight, "section"), predict(rooms, wide, "section")
    assert noise(got, wanted) < 0.02  # the host may compute in bf16 with fp8 weights


@pytest.mark.parametrize("scales", [(0.004,), (0.001, 0.004, 0.002)])
def test_scaled_fp8_keeps_its_scales_when_fused(rooms, scales):
    made, meant = scaled(tiny.weights(), scales)
    path = write(rooms, "FramePack_fp8_scaled.safetensors", made)
    assert rooms.files.inspect(path).quantized == "fp8 scaled"
    eight = load(rooms, path)
    wide = load(rooms, write(rooms, "scaled_wide.safetensors", meant))
    got, wanted = predict(rooms, eight, "section"), predict(rooms, wide, "section")
    assert noise(got, wanted) < 0.1  # 0.3.75 has no 16 bit layers beside scaled ones
    raw = {key: value for key, value in made.items() if not key.endswith("scale_weight")}
    raw |= {key: value.float() for key, value in raw.items()}
    blind = load(rooms, write(rooms, "scaled_blind.safetensors", {k: v for k, v in raw.items() if k != "scaled_fp8"}))
    assert noise(predict(rooms, blind, "section"), wanted) > 0.3


def test_scales_of_two_become_one_without_loss_where_they_are_powers_of_two(rooms):
    made, meant = scaled(tiny.weights(), (0.0078125, 0.015625, 0.03125))
    fused = rooms.fuse.convert(made)
    name = "double_blocks.0.img_attn.qkv"
    got = fused[f"{name}.weight"].float() * fused[f"{name}.scale_weight"]
    wanted = torch.cat([meant[f"transformer_blocks.0.attn.to_{part}.weight"] for part in "qkv"])
    assert off(got, wanted) < 2**-9 * 0.03125 * 2  # the smallest step of the coarsest of them
    assert fused[f"{name}.scale_weight"] == 0.03125


def test_the_newer_form_of_scaled_fp8_is_the_older_one(rooms):
    made, _ = scaled(tiny.weights(), (0.004,))
    newer = {key.replace("scale_weight", "weight_scale"): value for key, value in made.items() if key != "scaled_fp8"}
    newer |= {key.replace("weight_scale", "comfy_quant"): torch.zeros(4, dtype=torch.uint8) for key in newer
              if key.endswith("weight_scale")}  # fmt: skip
    one, other = rooms.fuse.convert(made), rooms.fuse.convert(newer)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key].float(), other[key].float()) for key in one)


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "BF16"])
def test_gguf_is_fused_row_by_row(rooms, kind):
    meant = gguf_files.write(rooms.folder / f"{kind}.gguf", tiny.weights(), kind, architecture="hyvid")
    path = rooms.folder / f"{kind}.gguf"
    assert rooms.files.inspect(path).quantized == ("" if kind == "BF16" else f"GGUF {kind}")
    quantized = load(rooms, path)
    if kind != "BF16":
        assert quantized.model.diffusion_model.single_blocks[0].linear1.ggml_kind.name == kind
    wide = load(rooms, write(rooms, f"{kind}_wide.safetensors", meant))
    got, wanted = predict(rooms, quantized, "section"), predict(rooms, wide, "section")
    assert off(got, wanted) < 1e-4


def test_gguf_of_mixed_types_falls_back_to_16_bit_where_they_meet(rooms):
    path = rooms.folder / "mixed.gguf"
    gguf_files.write(path, tiny.weights(), "Q8_0", architecture=None)
    from genga.loaders import gguf_file, gguf_weights

    state = gguf_weights.state_dict(gguf_file.read_gguf(path))
    key = "transformer_blocks.0.attn.to_v.weight"
    state[key] = state[key].dequantize()
    fused = rooms.fuse.convert(state)
    assert fused["double_blocks.0.img_attn.qkv.weight"].dtype == torch.bfloat16
    assert type(fused["double_blocks.0.txt_attn.qkv.weight"]) is gguf_weights.Blocks


def test_published_folders_and_prefixes_load(rooms, recorded):
    folder = rooms.folder / "FramePack_F1"
    folder.mkdir()
    weights = {f"model.diffusion_model.{key}": value for key, value in tiny.weights().items()}
    for number in range(2):
        part = {key: weights[key] for key in sorted(weights)[number::2]}
        save_file(part, folder / f"diffusion_pytorch_model-{number + 1:05d}-of-00002.safetensors")
    try:
        assert rooms.files.inspect(folder).kind == "f1"
        assert off(predict(rooms, load(rooms, folder), "f1"), recorded["f1"]) < CLOSE
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


@pytest.mark.parametrize(("name", "kind"), [
    ("FramePackI2V_HY_bf16.safetensors", "standard"), ("FramePack_F1_I2V_HY_20250503.safetensors", "f1"),
    ("framepack-f1-q4_0.gguf", "f1"), ("framepack_buf16.gguf", "standard"),
])  # fmt: skip
def test_the_name_says_which_it_is(rooms, name, kind):
    assert rooms.files.direction_of(name) == kind


def test_what_is_no_framepack_is_said(rooms, tiny_wan):
    with pytest.raises(InputError, match="is a Wan text-to-video"):
        rooms.files.inspect(tiny_wan)
    with pytest.raises(InputError, match="FramePack Loader"):
        rooms.wan.inspect_diffusion(write(rooms, "fp.safetensors", tiny.weights()), "model")
    whole = write(rooms, "int8.safetensors", {key: value.to(torch.int8) for key, value in tiny.weights().items()})
    with pytest.raises(InputError, match="type I8"):
        rooms.files.inspect(whole)
    weights = tiny.weights()
    del weights["single_transformer_blocks.0.attn.to_k.weight"], weights["single_transformer_blocks.0.attn.to_k.bias"]
    with pytest.raises(InputError, match="lacks parts of single_blocks.0.linear1"):
        load(rooms, write(rooms, "cut.safetensors", weights))
    with pytest.raises(InputError, match="a tensor extra.weight that FramePack has not"):
        load(rooms, write(rooms, "more.safetensors", {**tiny.weights(), "extra.weight": torch.zeros(2)}))


@pytest.fixture(scope="module")
def tiny_wan(rooms):
    from genga_tests.tiny import files

    return rooms.folder / files.T2V


# ---------------------------------------------------------------- an ordinary MODEL


def test_it_is_the_hosts_class_and_keeps_its_lora_names(rooms, model):
    assert isinstance(model.model, rooms.comfy.model_base.HunyuanVideo)
    name = "transformer.double_blocks.0.img_attn_qkv"
    generator = torch.Generator().manual_seed(5)
    lora = {f"{name}.lora_A.weight": torch.randn(2, 128, generator=generator),
            f"{name}.lora_B.weight": torch.randn(384, 2, generator=generator)}  # fmt: skip
    changed = rooms.comfy.sd.load_lora_for_models(model, None, lora, 1.0, 0)[0]
    assert list(changed.patches) == ["diffusion_model.double_blocks.0.img_attn.qkv.weight"]
    before, after = predict(rooms, model, "section"), predict(rooms, changed, "section")
    assert off(before, after) > 1e-3
    assert off(predict(rooms, model, "section"), before) == 0


def test_the_estimate_of_memory_counts_the_clean_tokens(rooms, model):
    """13680 tokens are drawn at 608x640, 3820 are shown beside them."""
    shown = {1: (2, (0, 10)), 2: (2, (11, 12)), 4: (16, tuple(range(13, 29)))}
    clean = {stride: (torch.zeros(1, 16, count, 76, 80), times) for stride, (count, times) in shown.items()}
    section = {"target": tuple(range(1, 10)), "clean": clean}
    shapes = model.model.extra_conds_shapes(**{rooms.model.KEY: section})
    alone = model.model.memory_required([1, 16, 9, 76, 80])
    together = model.model.memory_required([1, 16, 9, 76, 80], {key: [shape] for key, shape in shapes.items()})
    assert together / alone == pytest.approx(17500 / 13680, rel=1e-6)


def test_cfg_runs_in_one_batch_and_equals_two(rooms, model):
    """Conditioning with a section can be put into one batch by the host: same keys, same shapes."""
    cond, x = conditioning(rooms, model, "section")
    one = model.model.extra_conds(**cond, noise=x, device=x.device)
    two = model.model.extra_conds(**{**cond, "cross_attn": cond["cross_attn"] * 0.5}, noise=x, device=x.device)
    assert all(one[key].can_concat(two[key]) for key in one)
    both = {key: one[key].concat([two[key]]) for key in one}
    sigma = torch.full((2,), tiny.SIGMA)
    rooms.comfy.model_management.load_models_gpu([model])
    got = model.model.apply_model(torch.cat([x, x]), sigma, **both)
    alone = x - predict(rooms, model, "section") * tiny.SIGMA
    assert off(got[:1], alone) < CLOSE
    assert off(got[1:], alone) > 1e-2


def test_a_latent_of_another_size_is_refused(rooms, model):
    cond, x = conditioning(rooms, model, "section")
    with pytest.raises(InputError, match="2 latent frames, the section's conditioning is for 3"):
        model.model.extra_conds(**cond, noise=x[:, :, :2], device=x.device)
    with pytest.raises(InputError, match="64 x 80, those of the section's conditioning 48 x 80"):
        model.model.extra_conds(**cond, noise=torch.zeros(1, 16, 3, 10, 8), device=x.device)
