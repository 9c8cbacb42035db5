"""Attention kernels, the preset node and the memory estimate in a real host."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from genga.errors import InputError
from genga_tests.tiny import files

GB = 1e9


@pytest.fixture(scope="module")
def rooms(models):
    from genga.loaders import attention, hardware, memory, options, wan
    from genga.nodes import hardware as nodes

    return SimpleNamespace(attention=attention, hardware=hardware, memory=memory, options=options, wan=wan, nodes=nodes)


@pytest.fixture
def registered(monkeypatch):
    """registered(name, function): as if another pack had registered it."""
    from comfy.ldm.modules import attention as host

    return lambda name, function: monkeypatch.setitem(
        host.REGISTERED_ATTENTION_FUNCTIONS, name, host.wrap_attn(function)
    )


@pytest.fixture(autouse=True)
def _fresh_probes(rooms, monkeypatch):
    monkeypatch.setattr(rooms.attention, "_probed", {})


# ---------------------------------------------------------------- attention


def test_every_registered_function_can_be_chosen(rooms, registered):
    from comfy.ldm.modules import attention as host

    registered("mine", host.attention_pytorch)
    names = rooms.attention.names()
    assert names[: len(rooms.attention.NAMES)] == rooms.attention.NAMES
    assert set(host.REGISTERED_ATTENTION_FUNCTIONS) - set(names) <= {"pytorch", "sage"}
    assert "mine" in names
    rooms.options.LoadOptions(attention="mine")


@pytest.mark.parametrize("name", ["sub_quad", "split"])
def test_the_hosts_functions_work_as_overrides(rooms, load_model, prompts, name):
    import comfy.sample

    device = torch.device("cpu")
    rooms.attention.check(name, device)
    latent = torch.zeros(1, 16, 2, 4, 4)

    def run(model):
        noise = comfy.sample.prepare_noise(latent, 3)
        return comfy.sample.sample(model, noise, 1, 1.0, "euler", "simple", *prompts, latent, disable_pbar=True, seed=3)

    model = load_model(files.T2V)
    chosen = model.clone()
    calls, inner = [], rooms.attention.override(name, device, torch.float32)
    chosen.model_options["transformer_options"]["optimized_attention_override"] = lambda *args, **how: (
        calls.append(1), inner(*args, **how))[1]  # fmt: skip
    torch.testing.assert_close(run(chosen), run(model), atol=1e-4, rtol=1e-4)
    assert calls


def test_a_function_is_tried_once(rooms, registered):
    calls = []

    def counted(q, k, v, heads, **how):
        from comfy.ldm.modules.attention import attention_pytorch

        calls.append(q.shape)
        return attention_pytorch(q, k, v, heads)

    registered("counted", counted)
    for _ in range(2):
        rooms.attention.check("counted", "cpu")
    assert calls == [(1, 256, 1024)]


@pytest.mark.parametrize(("function", "says"), [
    (lambda q, k, v, heads, **_: q * 0, "its result is off by"),
    (lambda q, k, v, heads, **_: q * float("nan"), "its result is off by nan"),
    (lambda q, k, v, heads, **_: q[:, :5], "RuntimeError: "),
    (lambda q, k, v, heads: q, "TypeError: "),
])  # fmt: skip
def test_a_function_that_fails_is_an_error_before_loading(rooms, registered, monkeypatch, function, says):
    import comfy.sd

    registered("broken", function)
    monkeypatch.setattr(comfy.sd, "load_diffusion_model", None)
    with pytest.raises(InputError, match=f"^attention: broken fails on cpu: {says}.*set attention to sdpa"):
        rooms.wan.check_options(rooms.options.LoadOptions(attention="broken"))


def test_what_is_not_registered_is_unavailable(rooms, monkeypatch):
    from comfy.ldm.modules import attention as host

    monkeypatch.delitem(host.REGISTERED_ATTENTION_FUNCTIONS, "xformers", raising=False)
    with pytest.raises(InputError, match="^attention: xformers needs .*not offer here. Install it .*sdpa"):
        rooms.attention.check("xformers", "cpu")
    missing = rooms.attention.unavailable("cpu")
    assert set(missing) >= {"sageattn", "sageattn_3_fp8", "sage3", "flash", "xformers"}
    assert not set(missing) & {"auto", "sdpa", "sub_quad", "split"}
    assert all(". " in words for words in missing.values())


def test_no_override_is_global(rooms, load_model):
    from comfy.ldm.modules import attention as host

    before = host.optimized_attention
    model = load_model(files.T2V)
    facts = SimpleNamespace(quantized="", name="x")
    rooms.options.apply(model, rooms.options.LoadOptions(attention="split"), facts)
    assert host.optimized_attention is before
    assert "optimized_attention_override" in model.model_options["transformer_options"]
    assert "optimized_attention_override" not in load_model(files.T2V).model_options["transformer_options"]


@pytest.mark.parametrize("weights", ["fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2"])
def test_fp8_on_a_device_without_it_is_an_error_before_loading(rooms, weights):
    chosen = rooms.options.LoadOptions(weight_dtype=weights)
    with pytest.raises(InputError, match=f"^weight_dtype: mps cannot hold {weights}. Set weight_dtype to default"):
        rooms.options.check_device(chosen, torch.device("mps"))
    rooms.options.check_device(chosen, torch.device("cpu"))
    rooms.options.check_device(rooms.options.LoadOptions(), torch.device("mps"))


# ---------------------------------------------------------------- the preset


def test_the_preset_of_this_machine(rooms):
    output = rooms.nodes.HardwarePreset.execute("auto")
    assert output.args == ("auto", "default", "auto", "auto")
    said = "\n".join(output.ui["text"])
    assert "the CPU" in said and "GB RAM" in said
    assert "Attention here: auto, sdpa" in said and "Not here: sageattn: " in said


def test_a_class_on_a_machine_without_it(rooms):
    output = rooms.nodes.HardwarePreset.execute("RTX 4090/4080")
    assert output.args == ("bf16", "fp8_e4m3fn_fast", "sdpa", "auto")
    assert "sageattn_3_fp8 needs an NVIDIA GPU" in "\n".join(output.ui["text"])


# ---------------------------------------------------------------- memory


@pytest.fixture(scope="module")
def model(load_model):
    return load_model(files.I2V_HIGH)


@pytest.mark.parametrize(("width", "height", "length"), [(832, 480, 81), (1280, 720, 161), (480, 832, 17)])
def test_the_numbers_are_the_hosts(rooms, model, vae, prompts, width, height, length):
    from comfy.sampler_helpers import estimate_memory

    latent = [1, 16, (length - 1) // 4 + 1, height // 8, width // 8]
    conds = {"positive": [{"cross_attn": prompts[0][0][0], "model_conds": {}}]}
    _, least = estimate_memory(model, latent, conds)
    need = rooms.memory.need_of(model, vae, rooms.memory.Clip(width, height, length))
    assert need.sampling == max(rooms.memory.LEAST, least)
    weights = model.model.diffusion_model.parameters()
    assert need.weights >= sum(weight.numel() * weight.element_size() for weight in weights)
    stored = vae.patcher.model_size()
    assert need.decoding == pytest.approx(vae.memory_used_decode(tuple(latent), vae.vae_dtype) + stored)
    assert need.frames == length * width * height * 12


class Big:
    """A 14B model by its numbers: 28.6 GB in 16 bit, needs that grow with the clip as the host reckons."""

    def __init__(self, size=2):
        weight = SimpleNamespace(ndim=2, numel=lambda: int(14.3e9), element_size=lambda: size)
        network = SimpleNamespace(parameters=lambda: iter([weight]))
        self.model = SimpleNamespace(diffusion_model=network, memory_required=self._required)
        self.model_size = lambda: 14.3e9 * size

    @staticmethod
    def _required(shape):
        return shape[0] * shape[2] * shape[3] * shape[4] * 2 * 0.01 * 2.3 * 2**20


def _report(rooms, vae, model, device, ram=60 * GB, clip=(832, 480, 81), shared=False):
    room = rooms.memory.Room(device * GB, ram, "a GPU", shared)
    return "\n".join(rooms.memory.report(model, vae, rooms.memory.Clip(*clip), room))


def test_everything_fits(rooms, vae):
    said = _report(rooms, vae, Big(), 80)
    assert "Weights and sampling fit on the device." in said and "Decoding fits whole." in said
    assert "28.6 GB of weights" in said and "832x480, 81 frames" in said


def test_weights_in_ram_and_what_fp8_would_do(rooms, vae):
    said = _report(rooms, vae, Big(), 24)
    assert "of the weights left in RAM" in said and "weight_dtype fp8_e4m3fn (about 14.3 GB) all would fit" in said
    small = _report(rooms, vae, Big(1), 12)
    assert "of the weights left in RAM" in small and "fp8_e4m3fn" not in small


def test_fewer_frames_is_the_cheapest_change_and_it_fits(rooms, vae):
    clip, big = (1280, 720, 161), Big()
    said = _report(rooms, vae, big, 12, clip=clip)
    found = int(said.split("Sampling does not fit. ")[1].split(" frames")[0])
    need = rooms.memory.need_of
    assert found % 4 == 1 and need(big, vae, rooms.memory.Clip(1280, 720, found)).sampling <= 12 * GB
    assert need(big, vae, rooms.memory.Clip(1280, 720, found + 4)).sampling > 12 * GB


def test_a_smaller_picture_where_no_length_helps(rooms, vae):
    said = _report(rooms, vae, Big(), 2, clip=(1280, 720, 81))
    size = said.split("Sampling does not fit. ")[1].split(" ")[0]
    width, height = (int(side) for side in size.split("x"))
    length = int(said.split(f"{size} with ")[1].split(" ")[0])
    assert width % 16 == height % 16 == 0 and abs(width / height - 16 / 9) < 0.15
    assert rooms.memory.need_of(Big(), vae, rooms.memory.Clip(width, height, length)).sampling <= 2 * GB


def test_decoding_in_tiles(rooms, vae):
    whole = rooms.memory.need_of(Big(), vae, rooms.memory.Clip(832, 480, 81)).decoding / GB
    said = _report(rooms, vae, Big(), whole * 0.95)
    assert "Decoding fits in tiles of 768 pixels" in said
    assert "Decoding fits whole" in _report(rooms, vae, Big(), whole * 1.01)
    assert "not even in the smallest tiles" in _report(rooms, vae, Big(), 0.2)


def test_frames_that_ram_cannot_hold(rooms, vae):
    said = _report(rooms, vae, Big(), 80, ram=2 * GB, clip=(832, 480, 321))
    longest = int(said.split("do not fit into RAM. ")[1].split(" frames")[0])
    assert longest * 832 * 480 * 12 * 2 <= 2 * GB < (longest + 4) * 832 * 480 * 12 * 2


def test_weights_do_not_count_twice_where_the_device_is_the_ram(rooms, vae):
    assert "Sampling fits." in _report(rooms, vae, Big(), 20, shared=True)


def test_the_node_passes_the_model_and_says_the_length_it_used(rooms, model, vae):
    output = rooms.nodes.MemoryEstimate.execute(model, vae, 64, 64, 6)
    assert output.args[0] is model
    assert output.args[1] == "\n".join(output.ui["text"])
    assert "64x64, 9 frames" in output.args[1]


@pytest.mark.parametrize(("given", "says"), [
    ({"width": 500}, "^width: 500 is not a multiple of 16"), ({"length": 0}, "^length: 0 frames"),
    ({"vae": None}, "^vae: "), ({"model": object()}, "^model: "),
])  # fmt: skip
def test_bad_inputs(rooms, model, vae, given, says):
    with pytest.raises(InputError, match=says):
        rooms.nodes.MemoryEstimate.execute(
            **({"model": model, "vae": vae, "width": 64, "height": 64, "length": 5} | given)
        )
