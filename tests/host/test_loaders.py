"""The loaders on real (tiny) files in a real host: kinds, weights, precision, attention, shift, and the guard."""

from __future__ import annotations

import shutil
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from genga.errors import InputError
from genga_tests.tiny import files
from safetensors.torch import load_file, save_file

CPU_COMPUTES_IN = torch.float32  # both hosts: bf16 and fp16 are never used on a CPU


@pytest.fixture(scope="module")
def rooms(host, tiny):
    """The pack's loaders beside the host's modules, with the tiny files in their folders."""
    import comfy.samplers
    import folder_paths
    from genga.loaders import guard, options, wan
    from genga.nodes import loading

    import nodes

    models = tiny.folder(host.base)
    before = set(models.rglob("*"))
    yield SimpleNamespace(models=models, comfy=comfy, folder_paths=folder_paths, nodes=nodes,
                          guard=guard, options=options, wan=wan, loading=loading)  # fmt: skip
    for made_here in set(models.rglob("*")) - before:
        made_here.unlink()


@pytest.fixture(autouse=True)
def _inference():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def load(rooms):
    """load(name, **options) -> (MODEL, notes), as WanModelLoader loads it, once per choice."""
    loaded = {}

    def get(name, **chosen):
        key = (name, *sorted(chosen.items()))
        if key not in loaded:
            path = rooms.wan.find("diffusion_models", name, "model")
            facts = rooms.wan.inspect_diffusion(path, "model")
            loaded[key] = rooms.wan.load_diffusion(path, rooms.options.LoadOptions(**chosen), facts)
        return loaded[key]

    return get


@pytest.fixture(scope="module")
def all_in_one(rooms):
    loaded = {}

    def get(name, variant="low noise"):
        if name not in loaded:
            loaded[name] = rooms.loading.Phr00tLoader.execute(name, variant, "auto", "default", "auto")
        return loaded[name]

    return get


# ---------------------------------------------------------------- kinds and weights

KINDS = {
    files.I2V_HIGH: ("i2v", False), files.I2V_LOW: ("i2v", False), files.I2V_21: ("i2v", True),
    files.T2V: ("t2v", False), files.VACE: ("vace", False),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_header_and_network_agree(rooms, load, name):
    facts = rooms.wan.inspect_diffusion(rooms.wan.find("diffusion_models", name, "model"), "model")
    assert (facts.kind, facts.has_image_embedding) == KINDS[name]
    model, notes = load(name)
    network = model.model.diffusion_model
    assert (facts.in_dim, facts.dim, facts.layers) == (network.in_dim, network.dim, len(network.blocks))
    assert (network.img_emb is not None) == facts.has_image_embedding
    traits = rooms.guard.traits_of(model)
    assert (traits.in_dim, traits.vace, traits.phr00t) == (facts.in_dim, facts.kind == "vace", False)
    assert notes == []


@pytest.mark.parametrize("name", [files.I2V_LOW, files.VACE])
def test_every_weight_is_the_files_own(rooms, load, name):
    stored = load_file(rooms.models / "diffusion_models" / name)
    network = load(name).model.model.diffusion_model.state_dict()
    assert set(stored) == set(network)
    assert all(torch.equal(network[key].to(stored[key].dtype), stored[key]) for key in stored)


@pytest.mark.parametrize("prefix", ["diffusion_model.", "model.diffusion_model.", "model."])
def test_prefixed_files_load_the_same_weights(rooms, load, prefix):
    stored = load_file(rooms.models / "diffusion_models" / files.T2V)
    name = f"prefixed_{len(prefix)}.safetensors"
    save_file({prefix + key: value for key, value in stored.items()}, rooms.models / "diffusion_models" / name)
    network = load(name).model.model.diffusion_model.state_dict()
    assert all(torch.equal(network[key].to(stored[key].dtype), stored[key]) for key in stored)


# ---------------------------------------------------------------- precision


@pytest.mark.parametrize(("base", "weights", "kept", "says"), [
    ("auto", "default", torch.float32, None),
    ("bf16", "default", torch.bfloat16, "computes in float32"),
    ("fp16", "default", torch.float16, "computes in float32"),
    ("auto", "fp8_e4m3fn", torch.float8_e4m3fn, None),
    ("bf16", "fp8_e5m2", torch.float8_e5m2, "computes in float32"),
    ("auto", "fp8_e4m3fn_fast", torch.float8_e4m3fn, "no fp8 arithmetic"),
])  # fmt: skip
def test_precision_takes_effect(rooms, load, base, weights, kept, says):
    model, notes = load(files.T2V, base_precision=base, weight_dtype=weights)
    linear = model.model.diffusion_model.blocks[0].self_attn.q.weight
    assert model.model.get_dtype() == kept
    assert linear.dtype == kept
    assert rooms.options.compute_dtype(model) == CPU_COMPUTES_IN
    assert model.model.manual_cast_dtype == (None if kept == CPU_COMPUTES_IN else CPU_COMPUTES_IN)
    assert len(notes) == (says is not None)
    assert says is None or says in notes[0]


@pytest.mark.parametrize("weights", ["fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2"])
def test_weight_dtype_is_the_host_loaders(rooms, load, weights):
    model, _ = load(files.T2V, weight_dtype=weights)
    theirs = rooms.nodes.UNETLoader().load_unet(files.T2V, weights)[0].model.diffusion_model.state_dict()
    ours = model.model.diffusion_model.state_dict()
    bits = torch.uint8  # bit for bit, where fp8 overflowed to NaN too
    assert all(torch.equal(ours[key].view(bits), theirs[key].view(bits)) for key in theirs)


def test_a_chosen_compute_type_goes_before_the_hosts(rooms, monkeypatch):
    import comfy.model_management as management

    monkeypatch.setattr(management, "should_use_bf16", lambda *args, **kwargs: True)
    path = rooms.wan.find("diffusion_models", files.T2V, "model")
    facts = rooms.wan.inspect_diffusion(path, "model")
    for weights in ("fp8_e4m3fn", "default"):
        chosen = rooms.options.LoadOptions("bf16", weights)
        model, notes = rooms.wan.load_diffusion(path, chosen, facts)
        assert rooms.options.compute_dtype(model) == torch.bfloat16
        assert notes == []
        assert rooms.options.compute_dtype(model.clone()) == torch.bfloat16


def test_fp8_scaled_files_keep_their_scales(rooms, load):
    """A layer stored as fp8 with a scale computes with that scale, whatever weight_dtype says."""
    stored = load_file(rooms.models / "diffusion_models" / files.T2V)
    key = "blocks.0.self_attn.q.weight"
    scaled = dict(stored)
    for name in [name for name in stored if name.startswith("blocks.") and stored[name].ndim == 2]:
        scaled[name] = (stored[name].float() / 0.01).to(torch.float8_e4m3fn)
        scaled[name.removesuffix("weight") + "scale_weight"] = torch.tensor(0.01)
    scaled["scaled_fp8"] = torch.zeros(2, dtype=torch.float8_e4m3fn)
    save_file(scaled, rooms.models / "diffusion_models" / "scaled.safetensors")
    plain, notes = load("scaled.safetensors")
    assert notes == []
    model, notes = load("scaled.safetensors", weight_dtype="fp8_e5m2")
    assert len(notes) == 1 and "quantized already (fp8 scaled)" in notes[0]
    x = torch.randn(1, 3, 128, generator=torch.Generator().manual_seed(1))
    expected = x @ (scaled[key].float() * 0.01).T + stored[key.replace("weight", "bias")].float()
    for loaded in (plain, model):
        torch.testing.assert_close(loaded.model.diffusion_model.blocks[0].self_attn.q(x), expected)


# ---------------------------------------------------------------- shift and attention


@pytest.mark.parametrize("shift", [1.0, 5.0, 8.0, 6.37])
def test_shift_is_the_host_nodes(rooms, load, shift):
    from comfy_extras.nodes_model_advanced import ModelSamplingSD3

    model = load(files.I2V_HIGH).model
    ours = rooms.wan.apply_shift(model, shift)
    theirs = ModelSamplingSD3().patch(model, shift)[0].get_model_object("model_sampling")
    sampling = ours.get_model_object("model_sampling")
    assert torch.equal(sampling.sigmas, theirs.sigmas)
    for scheduler in ("simple", "beta", "normal"):
        mine = rooms.comfy.samplers.calculate_sigmas(sampling, scheduler, 8)
        assert torch.equal(mine, rooms.comfy.samplers.calculate_sigmas(theirs, scheduler, 8))
    half = torch.tensor(0.5)
    assert sampling.sigma(half * 1000) == pytest.approx(shift * 0.5 / (1 + (shift - 1) * 0.5), rel=1e-6)
    assert model.get_model_object("model_sampling").shift == 8.0  # the loaded one is left alone


def _sample(rooms, model, positive, steps=1):
    latent = torch.zeros(1, 16, 2, 8, 8)
    noise = rooms.comfy.sample.prepare_noise(latent, 7)
    return rooms.comfy.sample.sample(
        model, noise, steps, 1.0, "euler", "simple", positive, positive, latent, disable_pbar=True, seed=7
    )


def _text(**marks):
    generator = torch.Generator().manual_seed(3)
    return [[torch.randn(1, 12, 4096, generator=generator) * 0.1, marks]]


def test_sdpa_computes_the_same_and_survives_clones(rooms, load, monkeypatch):
    import comfy.ldm.modules.attention as host_attention

    calls = []
    inner = host_attention.attention_pytorch

    def counted(*args, **kwargs):
        calls.append(1)
        return inner(*args, **kwargs)

    monkeypatch.setattr(host_attention, "attention_pytorch", counted)
    plain = _sample(rooms, load(files.T2V).model, _text())
    calls.clear()
    model, _ = load(files.T2V, attention="sdpa")
    torch.testing.assert_close(_sample(rooms, model.clone().clone(), _text()), plain, atol=1e-4, rtol=1e-4)
    assert len(calls) == 2 * len(model.model.diffusion_model.blocks)


@pytest.mark.parametrize("skip_reshape", [False, True])
@pytest.mark.parametrize("skip_output", [False, True])
def test_sage_is_called_in_the_hosts_layouts(rooms, monkeypatch, skip_reshape, skip_output):
    from comfy.ldm.modules.attention import attention_pytorch
    from genga.loaders import attention

    calls = []

    def kernel(q, k, v, tensor_layout):
        calls.append(tensor_layout)
        turned = (t.transpose(1, 2) if tensor_layout == "NHD" else t for t in (q, k, v))
        out = torch.nn.functional.scaled_dot_product_attention(*turned)
        return out.transpose(1, 2) if tensor_layout == "NHD" else out

    module = ModuleType("sageattention")
    module.sageattn = kernel
    monkeypatch.setitem(sys.modules, "sageattention", module)
    override = attention.override("sageattn", "cuda", torch.bfloat16)
    generator = torch.Generator().manual_seed(1)
    shape = (2, 4, 9, 16) if skip_reshape else (2, 9, 64)
    q, k, v = (torch.randn(shape, generator=generator).to(torch.bfloat16) for _ in range(3))
    how = {"skip_reshape": skip_reshape, "skip_output_reshape": skip_output, "transformer_options": {}}
    expected = attention_pytorch(q, k, v, 4, **how)
    torch.testing.assert_close(override(None, q, k, v, 4, **how), expected, atol=1e-2, rtol=1e-2)
    assert calls == ["HND" if skip_reshape else "NHD"]
    masked = override(None, q.float(), k.float(), v.float(), 4, mask=torch.zeros(9, 9), **how)
    assert masked.shape == expected.shape and len(calls) == 1


@pytest.mark.parametrize("node", ["AniSoraLoader", "Phr00tLoader", "WanModelLoader"])
def test_sage_that_cannot_run_is_an_error_before_loading(rooms, monkeypatch, node):
    monkeypatch.setattr(rooms.comfy.sd, "load_diffusion_model", None)
    monkeypatch.setattr(rooms.comfy.sd, "load_checkpoint_guess_config", None)
    arguments = {
        "AniSoraLoader": (files.I2V_HIGH, files.I2V_LOW, files.TEXT, files.VAE, "auto", "default", "sageattn", 5.0),
        "Phr00tLoader": (files.AIO_I2V, "low noise", "auto", "default", "sageattn"),
        "WanModelLoader": (files.I2V_HIGH, "auto", "default", "sageattn_3_fp8", 5.0),
    }[node]
    with pytest.raises(InputError, match=r"^attention: sageattn.* needs an NVIDIA GPU"):
        getattr(rooms.loading, node).execute(*arguments)


# ---------------------------------------------------------------- the nodes


def _say(output) -> str:
    return "\n".join((output.ui or {}).get("text", ()))


def _in_dim(model) -> int:
    return model.model.diffusion_model.patch_embedding.in_channels


def test_anisora_pair(rooms):
    output = rooms.loading.AniSoraLoader.execute(
        files.I2V_HIGH, files.I2V_LOW, files.TEXT, files.VAE, "auto", "default", "auto", 5.0
    )
    high, low, clip, vae = output.result
    for model, name in ((high, files.I2V_HIGH), (low, files.I2V_LOW)):
        stored = load_file(rooms.models / "diffusion_models" / name)["blocks.1.ffn.0.weight"]
        assert torch.equal(model.model.diffusion_model.blocks[1].ffn[0].weight.to(stored.dtype), stored)
        assert model.get_model_object("model_sampling").shift == 5.0
        assert model.get_attachment("genga")["file"] == name
    assert high.model is not low.model
    assert clip.encode_from_tokens_scheduled(clip.tokenize("a cat"))[0][0].shape == (1, 512, 4096)
    assert vae.latent_channels == 16
    assert output.ui is None


def test_anisora_single_expert(rooms):
    output = rooms.loading.AniSoraLoader.execute(
        files.I2V_21, "none", files.TEXT, files.VAE, "auto", "default", "auto", 3.0
    )
    high, low, _, _ = output.result
    assert high is low
    assert "One expert" in _say(output)


@pytest.mark.parametrize(("high", "low", "text", "vae", "says"), [
    (files.I2V_LOW, files.I2V_HIGH, files.TEXT, files.VAE, "high_noise_model: high and low are exchanged"),
    (files.T2V, "none", files.TEXT, files.VAE, "high_noise_model: .*text-to-video"),
    (files.I2V_21, files.I2V_LOW, files.TEXT, files.VAE, "low_noise_model: .*does not belong to"),
    (files.I2V_HIGH, files.VACE, files.TEXT, files.VAE, "low_noise_model: .*VACE"),
    (files.I2V_HIGH, files.I2V_LOW, "wrong_vae.safetensors", files.VAE, "text_encoder: .*Wan 2.1 VAE"),
    (files.I2V_HIGH, files.I2V_LOW, files.TEXT, "wrong_model.safetensors", "vae: .*text-to-video"),
    ("gone.safetensors", "none", files.TEXT, files.VAE, "high_noise_model: gone.* is not in ComfyUI's models/diff"),
    ("text.safetensors", "none", files.TEXT, files.VAE, "high_noise_model: text.safetensors is a text file"),
    (files.I2V_HIGH, "cut.safetensors", files.TEXT, files.VAE, "low_noise_model: cut.safetensors is cut off"),
])  # fmt: skip
def test_bad_files_are_refused_before_anything_loads(rooms, monkeypatch, high, low, text, vae, says):
    models = rooms.models
    shutil.copyfile(models / "vae" / files.VAE, models / "text_encoders" / "wrong_vae.safetensors")
    shutil.copyfile(models / "diffusion_models" / files.T2V, models / "vae" / "wrong_model.safetensors")
    (models / "diffusion_models" / "text.safetensors").write_text("not a model\nat all\n", encoding="utf-8")
    whole = (models / "diffusion_models" / files.I2V_LOW).read_bytes()
    (models / "diffusion_models" / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    for name in ("load_diffusion_model", "load_clip", "VAE"):
        monkeypatch.setattr(rooms.comfy.sd, name, None)
    with pytest.raises(InputError, match=f"^{says}"):
        rooms.loading.AniSoraLoader.execute(high, low, text, vae, "auto", "default", "auto", 5.0)


@pytest.mark.parametrize(("name", "kind", "in_dim", "says"), [
    (files.AIO_I2V, "i2v", 36, "control inpaint"), (files.AIO_T2V, "t2v", 16, "cannot see pictures"),
    (files.AIO_MEGA, "vace", 16, "control vace"),
])  # fmt: skip
def test_phr00t_kinds(rooms, all_in_one, name, kind, in_dim, says):
    output = all_in_one(name)
    model, clip, vae = output.result
    stored = load_file(rooms.models / "checkpoints" / name)["model.diffusion_model.blocks.1.ffn.0.weight"]
    assert torch.equal(model.model.diffusion_model.blocks[1].ffn[0].weight.to(stored.dtype), stored)
    assert _in_dim(model) == in_dim
    assert model.get_attachment("genga")["family"] == "phr00t" and model.get_attachment("genga")["kind"] == kind
    assert model.get_model_object("model_sampling").shift == 8.0  # as the host has it; nothing set
    assert clip.encode_from_tokens_scheduled(clip.tokenize("a cat"))[0][0].shape == (1, 512, 4096)
    assert (vae.latent_channels, vae.genga_family) == (16, "phr00t")
    assert says in _say(output) and "4 steps, cfg 1" in _say(output) and "one-file merge" in _say(output)


def test_phr00t_equals_the_hosts_checkpoint_loader(rooms, all_in_one):
    model, clip, vae = all_in_one(files.AIO_I2V).result
    their_model, their_clip, their_vae = rooms.nodes.CheckpointLoaderSimple().load_checkpoint(files.AIO_I2V)
    assert torch.equal(_sample(rooms, model, _text()), _sample(rooms, their_model, _text()))
    ours, theirs = (c.encode_from_tokens_scheduled(c.tokenize("a dog"))[0][0] for c in (clip, their_clip))
    assert torch.equal(ours, theirs)
    latent = torch.zeros(1, 16, 2, 4, 4)
    assert torch.equal(vae.decode(latent), their_vae.decode(latent))


def test_phr00t_picks_the_sibling(rooms):
    folder = rooms.models / "checkpoints"
    shutil.copyfile(folder / files.AIO_T2V, folder / "merge_high.safetensors")
    shutil.copyfile(folder / files.AIO_I2V, folder / "merge_low.safetensors")
    rooms.folder_paths.filename_list_cache.clear()
    run = rooms.loading.Phr00tLoader.execute
    assert _in_dim(run("merge_high.safetensors", "low noise", "auto", "default", "auto").result[0]) == 36
    assert _in_dim(run("merge_high.safetensors", "high noise", "auto", "default", "auto").result[0]) == 16
    (folder / "merge_low.safetensors").unlink()
    rooms.folder_paths.filename_list_cache.clear()
    with pytest.raises(InputError, match=r"^lighting_variant: .*merge_high\.safetensors would be merge_low"):
        run("merge_high.safetensors", "low noise", "auto", "default", "auto")


def test_wan_model_loader(rooms):
    output = rooms.loading.WanModelLoader.execute(files.VACE, "auto", "default", "auto", 6.5)
    assert output.result[0].get_model_object("model_sampling").shift == 6.5
    assert "a Wan VACE model" in _say(output)
    with pytest.raises(InputError, match=r"^model: gone"):
        rooms.loading.WanModelLoader.execute("gone.safetensors", "auto", "default", "auto", 5.0)


def test_schemas_with_empty_folders(rooms, monkeypatch):
    monkeypatch.setattr(rooms.folder_paths, "get_filename_list", lambda folder: [])
    for node in rooms.loading.NODES:
        required = node.INPUT_TYPES()["required"]
        assert all(settings[1]["tooltip"] for settings in required.values())
    assert rooms.loading.AniSoraLoader.INPUT_TYPES()["required"]["low_noise_model"][1]["options"] == ["none"]


def test_combos_list_safetensors_only(rooms, monkeypatch):
    everything = ["a.safetensors", "b.ckpt", "c.SFT", "d.gguf", "e.pth"]
    monkeypatch.setattr(rooms.folder_paths, "get_filename_list", lambda folder: everything)
    assert rooms.wan.list_files("vae") == ["a.safetensors", "c.SFT"]


# ---------------------------------------------------------------- the guard in the host's own sampling


def mark(control="inpaint", pictures=1, arbitrary=False):
    return {"genga": {"control": control, "pictures": pictures, "arbitrary": arbitrary, "node": "WanFFLF"}}


def _dressed(model):
    """The model after what graphs do to it: clones, shift, a weight patch."""
    from comfy_extras.nodes_model_advanced import ModelSamplingSD3

    model = ModelSamplingSD3().patch(model.clone(), 5.0)[0].clone()
    key = "diffusion_model.blocks.0.self_attn.q.bias"
    assert model.add_patches({key: (torch.full((128,), 1e-3),)}, 1.0) == [key]
    return model


@pytest.mark.parametrize(("name", "given", "says"), [
    (files.T2V, mark(), "^model: this is a text-to-video model"),
    (files.VACE, mark(), "^control: .*Set control to vace"),
    (files.I2V_HIGH, mark("vace"), "^control: .*Set control to inpaint"),
    (files.T2V, mark("vace", 0), "^control: .*Set control to inpaint"),
])  # fmt: skip
@pytest.mark.parametrize("dress", [lambda model: model, _dressed])
def test_guard_stops_sampling(rooms, load, monkeypatch, name, given, says, dress):
    model = dress(load(name).model)
    monkeypatch.setattr(rooms.comfy.samplers.KSAMPLER, "sample", None)
    with pytest.raises(InputError, match=says):
        _sample(rooms, model, _text(**given))


@pytest.mark.parametrize(("name", "given"), [
    (files.I2V_HIGH, mark()), (files.I2V_21, mark(arbitrary=True)), (files.T2V, mark(pictures=0)),
    (files.VACE, mark("vace")), (files.T2V, {}),
])  # fmt: skip
@pytest.mark.parametrize("dress", [lambda model: model, _dressed])
def test_guard_lets_pass(rooms, load, name, given, dress):
    model = dress(load(name).model)
    assert torch.equal(_sample(rooms, model, _text(**given)), _sample(rooms, model, _text()))


def test_guard_looks_at_the_negative_too(rooms, load):
    latent = torch.zeros(1, 16, 2, 8, 8)
    with pytest.raises(InputError, match="text-to-video"):
        rooms.comfy.sample.sample(load(files.T2V).model, latent, 1, 2.0, "euler", "simple", _text(),
                                  _text(**mark()), latent, disable_pbar=True, seed=1)  # fmt: skip


@pytest.mark.parametrize("name", [files.AIO_I2V, files.AIO_MEGA])
def test_guard_refuses_arbitrary_keyframes_on_phr00t(rooms, all_in_one, name):
    model = _dressed(all_in_one(name).result[0])
    control = "vace" if name == files.AIO_MEGA else "inpaint"
    with pytest.raises(InputError, match=r"^keyframes: a Phr00t model .* AniSora V3\.2"):
        _sample(rooms, model, _text(**mark(control, 3, arbitrary=True)))
    assert torch.isfinite(_sample(rooms, model, _text(**mark(control, 2)))).all()


def test_check_model_on_the_hosts_own_loaders(rooms):
    model = rooms.nodes.UNETLoader().load_unet(files.T2V, "default")[0]
    assert not model.wrappers
    with pytest.raises(InputError, match="text-to-video"):
        rooms.guard.check_model(model, _text(**mark()))
    rooms.guard.check_model(model, _text(**mark(pictures=0)))


def test_one_guard_however_often_it_is_attached(rooms, load):
    model = load(files.T2V).model.clone()
    rooms.guard.attach(model, "wan")
    assert len(model.get_wrappers("outer_sample", rooms.guard.KEY)) == 1
