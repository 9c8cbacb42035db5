"""InfiniteTalk on a tiny Wan 2.1 I2V model in a real host: numbers, batches, speakers, other packs' patches, guidance."""

from __future__ import annotations

import copy
import gc
import math
import weakref
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from genga.errors import InputError
from genga_tests.tiny import files
from genga_tests.tiny import talk as tiny_talk
from safetensors.torch import load_file, save_file

FRAMES, LATENTS = 9, 3
SHAPE = (1, 16, LATENTS, 8, 8)
GRID = (4, 4)


@pytest.fixture(scope="module")
def rooms(host, models):
    """The pack's modules beside the host's."""
    import comfy.conds
    import comfy.sample
    import comfy.samplers
    import comfy.sd
    from genga.loaders import talk, talk_file, talk_net, talk_patch
    from genga.nodes import guiding, loading
    from genga.samplers import audio_guider

    return SimpleNamespace(comfy=comfy, talk=talk, talk_file=talk_file, talk_net=talk_net, talk_patch=talk_patch,
                           guiding=guiding, loading=loading, audio_guider=audio_guider)  # fmt: skip


@pytest.fixture(scope="module")
def base(load_model):
    return load_model(files.I2V_21)


@pytest.fixture(scope="module")
def talking(rooms, base):
    return rooms.loading.InfiniteTalkLoader.execute(base, files.TALK_SINGLE).args[0]


def sound(seed: int, speakers: int = 1, frames: int = FRAMES) -> torch.Tensor:
    """Random rows of an audio encoder: [1, speakers, frames, 5, 12, 768]."""
    return torch.randn(1, speakers, frames, 5, 12, 768, generator=torch.Generator().manual_seed(seed))


def halves() -> torch.Tensor:
    """Speaker 1 in the left third, 2 in the right one, background between: [1, 3, 4, 4]."""
    masks = torch.zeros(1, 3, *GRID)
    masks[0, 0, :, 0] = masks[0, 1, :, 3] = 1
    masks[0, 2, :, 1:3] = 1
    return masks


def noise(seed: int = 5, batch: int = 1) -> torch.Tensor:
    return torch.randn(batch, *SHAPE[1:], generator=torch.Generator().manual_seed(seed))


def conditioned(rooms, prompt: list, audio=None, scale=None, speakers=None) -> list:
    """A CONDITIONING with the keys that InfiniteTalk Window will set."""
    conds = rooms.comfy.conds
    made = {
        rooms.talk_patch.AUDIO: None if audio is None else conds.CONDRegular(audio),
        rooms.talk_patch.SCALE: None if scale is None else conds.CONDConstant(scale),
        rooms.talk_patch.SPEAKERS: None if speakers is None else conds.CONDRegular(speakers),
    }
    made = {key: cond for key, cond in made.items() if cond is not None}
    return [[prompt[0][0], {**prompt[0][1], "model_conds": made}]]


def predict(rooms, model, *conditionings, seed: int = 5, batch: int = 1) -> list[torch.Tensor]:
    """One prediction of the model per conditioning at sigma 0.7, as a guider of the host gets them."""
    seen = []

    class Guider(rooms.comfy.samplers.CFGGuider):
        def predict_noise(self, x, timestep, model_options=None, seed=None):
            conds = [self.conds[str(i)] for i in range(len(conditionings))]
            seen[:] = rooms.comfy.samplers.calc_cond_batch(self.inner_model, conds, x, timestep, model_options)
            return seen[0]

    guider = Guider(model)
    guider.inner_set_conds({str(i): conditioning for i, conditioning in enumerate(conditionings)})
    guider.inner_set_conds({"positive": conditionings[0]})
    latent = torch.zeros(batch, *SHAPE[1:])
    sampler = rooms.comfy.samplers.sampler_object("euler")
    guider.sample(noise(seed, batch), latent, sampler, torch.tensor([0.7, 0.0]), disable_pbar=True, seed=1)
    return seen


# ---------------------------------------------------------------- files and loading


def test_the_combo_lists_files_of_both_folders(rooms):
    listed = rooms.talk.list_files()
    assert {files.TALK_SINGLE, files.TALK_MULTI, files.I2V_21} <= set(listed)
    assert {files.TALK_SINGLE, files.TALK_MULTI} == set(listed[:2]), "named so: first"


@pytest.mark.parametrize(("name", "words", "remedy"), [
    (files.I2V_HIGH, "Wan 2.2 I2V", "Wan 2.1 I2V"),
    (files.T2V, "16 input channels", "Wan 2.1 I2V"),
    (files.VACE, "another kind", "Wan 2.1 I2V"),
])  # fmt: skip
def test_a_base_that_is_no_wan_21_i2v_is_refused(rooms, load_model, name, words, remedy):
    with pytest.raises(InputError, match=words) as refused:
        rooms.talk.load(load_model(name), files.TALK_SINGLE)
    assert refused.value.input_name == "model" and remedy in refused.value.remedy


def test_twice_is_refused(rooms, talking):
    with pytest.raises(InputError, match=f"already .*{files.TALK_SINGLE}"):
        rooms.talk.load(talking, files.TALK_MULTI)


def test_weights_for_another_size_are_refused(rooms, base, models, tmp_path):
    path = models / "diffusion_models" / "talk_of_another_size.safetensors"
    save_file(tiny_talk.weights(seed=1, layers=3), path)
    try:
        with pytest.raises(InputError, match="with 3 layers, this one has width 128 and 2 layers"):
            rooms.talk.load(base, path.name)
    finally:
        path.unlink()


def prefixed(tensors: dict, prefix: str = "", projection: str = "audio_proj.") -> dict:
    return {prefix + key.replace("audio_proj.", projection): tensor for key, tensor in tensors.items()}


LAYOUTS = {
    "Kijai_InfiniteTalk_Single.safetensors": lambda talk, _wan: prefixed(talk),
    "prefix_InfiniteTalk.safetensors": lambda talk, _wan: prefixed(talk, "diffusion_model."),
    "merged_InfiniteTalk.safetensors": lambda talk, wan: {**wan, **talk},
    "merged_long_InfiniteTalk.safetensors": lambda talk, wan: prefixed(
        {**wan, **talk}, "model.diffusion_model.", "multitalk_audio_proj."
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_the_same_layers(rooms, base, talking, models, name):
    talk = load_file(models / "model_patches" / files.TALK_SINGLE)
    wan = load_file(models / "diffusion_models" / files.I2V_21)
    path = models / "diffusion_models" / name
    save_file(LAYOUTS[name](talk, wan), path)
    try:
        model, _ = rooms.talk.load(base, name)
    finally:
        path.unlink()
    mine, same = (
        {key: tensor for key, tensor in net_of(rooms, made).state_dict().items()} for made in (model, talking)
    )
    assert mine.keys() == same.keys()
    assert all(torch.equal(mine[key], same[key]) for key in mine)


def net_of(rooms, model):
    (audio,) = model.get_additional_models_with_key(rooms.talk_patch.KEY)
    return audio.model


def test_fp8_with_scales_computes_what_it_stands_for(rooms, base, models, prompts):
    talk = load_file(models / "model_patches" / files.TALK_SINGLE)
    scaled, plain = {"scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)}, {}
    for key, tensor in talk.items():
        scaled[key] = plain[key] = tensor
        if tensor.ndim == 2 and "audio_cross_attn" in key:
            scale = tensor.float().abs().max() / 448
            scaled[key] = (tensor.float() / scale).to(torch.float8_e4m3fn)
            scaled[key.replace(".weight", ".scale_weight")] = scale.reshape(1)
            plain[key] = scaled[key].float() * scale
    made = []
    for name, tensors in (("fp8_InfiniteTalk_Single.safetensors", scaled), ("fp32_InfiniteTalk.safetensors", plain)):
        path = models / "model_patches" / name
        save_file(tensors, path)
        try:
            model, _ = rooms.talk.load(base, name)
        finally:
            path.unlink()
        made.append(predict(rooms, model, conditioned(rooms, prompts[0], sound(1)))[0])
        if tensors is scaled:
            assert net_of(rooms, model).blocks[0].audio_cross_attn.proj.weight.dtype == torch.float8_e4m3fn
    torch.testing.assert_close(made[0], made[1], rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------- the model


def test_without_sound_it_is_the_base_bit_for_bit(rooms, base, talking, prompts):
    plain = predict(rooms, base, prompts[0])[0]
    assert torch.equal(predict(rooms, talking, prompts[0])[0], plain)
    off = conditioned(rooms, prompts[0], sound(1), scale=0.0)
    assert torch.equal(predict(rooms, talking, off)[0], plain)
    loud = conditioned(rooms, prompts[0], sound(1))
    assert not torch.allclose(predict(rooms, talking, loud)[0], plain, atol=1e-3)


def test_the_original_model_is_left_alone(rooms, base, talking, prompts):
    before = predict(rooms, base, prompts[0])[0]
    predict(rooms, talking, conditioned(rooms, prompts[0], sound(1)))
    assert torch.equal(predict(rooms, base, prompts[0])[0], before)
    assert not base.object_patches and not base.additional_models


@pytest.mark.parametrize("speakers", [1, 2])
def test_rows_of_a_batch_hear_their_own_sound(rooms, talking, prompts, speakers):
    masks = halves() if speakers == 2 else None
    sounds = [sound(1, speakers), sound(2, speakers), torch.zeros_like(sound(1, speakers))]
    conds = [conditioned(rooms, prompts[i % 2], one, speakers=masks) for i, one in enumerate(sounds)]
    together = predict(rooms, talking, *conds)
    apart = [predict(rooms, talking, cond)[0] for cond in conds]
    for one, other in zip(together, apart, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-3)


def test_a_batch_of_latents_hears_one_sound(rooms, talking, prompts):
    cond = conditioned(rooms, prompts[0], sound(1, 2), speakers=halves())
    both = predict(rooms, talking, cond, batch=2)[0]
    generator = torch.Generator().manual_seed(5)
    torch.randn(1, *SHAPE[1:], generator=generator)
    assert both.shape[0] == 2 and not torch.equal(both[0], both[1])
    torch.testing.assert_close(both[:1], predict(rooms, talking, cond)[0], rtol=1e-4, atol=1e-5)


def test_sound_of_another_length_is_an_error(rooms, talking, prompts):
    with pytest.raises(InputError, match="cut for 13 frames, the latent holds 9"):
        predict(rooms, talking, conditioned(rooms, prompts[0], sound(1, frames=13)))
    with pytest.raises(InputError, match="1 or 2 speakers"):
        predict(rooms, talking, conditioned(rooms, prompts[0], sound(1, speakers=3)))


def test_scale_is_linear_in_what_a_block_adds(rooms, talking):
    block = net_of(rooms, talking).blocks[0]
    x, tokens = torch.randn(1, 48, 128), torch.randn(1, LATENTS, 32, 768)
    call = rooms.talk_patch.Call(rooms.talk_patch.Talk(net_of(rooms, talking)), tokens, 0.5, 0, 16, x=x)
    out = torch.randn(1, 48, 128)
    torch.testing.assert_close(rooms.talk_patch._with_sound(call, 0, out), out + 0.5 * block(x + out, tokens))


def test_tokens_beyond_the_video_hear_nothing(rooms, talking):
    net = net_of(rooms, talking)
    x, out, tokens = torch.randn(1, 16 + 48 + 7, 128), torch.randn(1, 71, 128), torch.randn(1, LATENTS, 32, 768)
    call = rooms.talk_patch.Call(rooms.talk_patch.Talk(net), tokens, 1.0, 16, 16, x=x)
    got = rooms.talk_patch._with_sound(call, 0, out)
    assert torch.equal(got[:, :16], out[:, :16]) and torch.equal(got[:, 64:], out[:, 64:])
    torch.testing.assert_close(got[:, 16:64], out[:, 16:64] + net.blocks[0]((x + out)[:, 16:64], tokens))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_it_computes_in_the_models_type_and_listens_in_float32(rooms, talking, dtype):
    net = net_of(rooms, talking)
    loud = (sound(1) * 300).to(dtype)  # a sum of 46080 of these does not fit into float16
    tokens = net.listen(loud)
    assert tokens.dtype == torch.float32 and torch.isfinite(tokens).all()
    x, tokens = torch.randn(1, 48, 128), tokens.to(dtype)
    got = net.blocks[0](x.to(dtype), tokens)
    assert got.dtype == dtype
    torch.testing.assert_close(got.float(), net.blocks[0](x, tokens.float()), rtol=0.05, atol=0.05)


def test_no_state_is_left_behind(rooms, talking, prompts):
    made = []
    original = rooms.talk_patch.Talk.hear

    def hear(self, *args):
        call = original(self, *args)
        made.append(weakref.ref(call))
        return call

    rooms.talk_patch.Talk.hear = hear
    try:
        predict(rooms, talking, conditioned(rooms, prompts[0], sound(1, 2), speakers=halves()))
    finally:
        rooms.talk_patch.Talk.hear = original
    gc.collect()
    assert made and all(ref() is None for ref in made)
    assert rooms.talk_patch._now.get() is None


def test_the_layers_go_with_their_model(rooms, base, prompts, caplog):
    """The host warns of a leak where layers outlive the MODEL they came with."""
    model, _ = rooms.talk.load(base, files.TALK_MULTI)
    predict(rooms, model, conditioned(rooms, prompts[0], sound(1)))
    net = weakref.ref(net_of(rooms, model))
    del model
    gc.collect()
    assert net() is None
    predict(rooms, base, prompts[0])
    assert not [record for record in caplog.records if "leak" in record.getMessage()]


# ---------------------------------------------------------------- the numbers


def exact(net, x: torch.Tensor, audio: torch.Tensor, index: int, at=None) -> torch.Tensor:
    """What block ``index`` adds to x [L, C] for audio [speakers, F, 5, 12, 768]: in float64, loop by loop.

    ``at``: position of each token of x on the speakers' axis, None with one speaker.
    """
    weights = {name: tensor.double() for name, tensor in net.state_dict().items()}

    def linear(name: str, value: torch.Tensor) -> torch.Tensor:
        return value @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def normed(name: str, value: torch.Tensor, eps: float) -> torch.Tensor:
        spread = (value.var(-1, unbiased=False, keepdim=True) + eps).sqrt()
        scaled = (value - value.mean(-1, keepdim=True)) / spread
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def tokens_of(voice: torch.Tensor, latent: int) -> torch.Tensor:
        if latent == 0:
            hidden = linear("audio_proj.proj1", voice[0].flatten())
        else:
            a, b, c, d = (voice[4 * latent - 3 + i] for i in range(4))
            hidden = linear("audio_proj.proj1_vf", torch.cat([a[:3], b[2:3], c[2:3], d[2:]]).flatten())
        hidden = linear("audio_proj.proj2", hidden.relu()).relu()
        return normed("audio_proj.norm", linear("audio_proj.proj3", hidden).view(32, 768), 1e-5)

    x, audio, name = x.double(), audio.double(), f"blocks.{index}.audio_cross_attn"
    heads, latents = net.blocks[index].audio_cross_attn.heads, (audio.shape[1] + 3) // 4
    seen, width = len(x) // latents, x.shape[1] // heads
    q = linear(f"{name}.q_linear", normed(f"blocks.{index}.norm_x", x, 1e-6)).view(-1, heads, width)
    out = []
    for latent in range(latents):
        heard = torch.cat([tokens_of(voice, latent) for voice in audio])
        k, v = linear(f"{name}.kv_linear", heard).chunk(2, -1)
        k, v = k.view(-1, heads, width), v.view(-1, heads, width)
        mine = q[latent * seen : (latent + 1) * seen]
        if at is not None:
            mine = turned(mine, at[latent * seen : (latent + 1) * seen])
            k = turned(k, torch.tensor([2.0] * 32 + [22.0] * 32))
        looks = (torch.einsum("shd,nhd->hsn", mine, k) / math.sqrt(width)).softmax(-1)
        out.append(linear(f"{name}.proj", torch.einsum("hsn,nhd->shd", looks, v).flatten(1)))
    return torch.cat(out)


def turned(x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """[L, H, D] as D / 2 complex numbers, each turned by its position times its speed."""
    speed = 10000.0 ** (-torch.arange(0, x.shape[-1], 2, dtype=torch.float64) / x.shape[-1])
    angle = torch.outer(at.double(), speed)[:, None]
    pairs = torch.view_as_complex(x.double().unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angle), angle)).flatten(-2)


def record(rooms, monkeypatch, model, conditioning):
    """Runs one prediction; returns per block (x after the text, what was added, attention's q and k)."""
    seen = []
    net = net_of(rooms, model)
    for block in net.blocks:
        forward = block.forward

        def keep(x, tokens, turn=None, forward=forward):
            added = forward(x, tokens, turn)
            seen.append([x.clone(), added.clone(), turn])
            return added

        monkeypatch.setattr(block, "forward", keep)
    looked = []
    scores = rooms.talk_patch.talk_voices.scores
    monkeypatch.setattr(rooms.talk_patch.talk_voices, "scores", lambda *args: looked.append(args) or scores(*args))
    result = predict(rooms, model, conditioning)[0]
    return result, seen, looked


def test_one_speaker_equals_the_formulas(rooms, talking, prompts, monkeypatch):
    audio = sound(3)
    _, seen, _ = record(rooms, monkeypatch, talking, conditioned(rooms, prompts[0], audio))
    assert len(seen) == 2
    for index, (x, added, turn) in enumerate(seen):
        assert turn is None
        wanted = exact(net_of(rooms, talking), x[0], audio[0], index)
        torch.testing.assert_close(added[0].double(), wanted, rtol=1e-4, atol=1e-5)


def test_two_speakers_equal_the_formulas(rooms, talking, prompts, monkeypatch):
    audio, masks = sound(3, 2), halves()
    _, seen, looked = record(rooms, monkeypatch, talking, conditioned(rooms, prompts[0], audio, speakers=masks))
    assert len(seen) == len(looked) == 2
    classes = set()
    for index, ((x, added, turn), (q, first, *_)) in enumerate(zip(seen, looked, strict=True)):
        at, chosen = places(q[0].double(), first[0].double(), masks[0].flatten(1).double(), heads=1)
        classes |= set(chosen.tolist())
        torch.testing.assert_close(turn[0][0].double(), at, rtol=1e-4, atol=2e-3)
        wanted = exact(net_of(rooms, talking), x[0], audio[0], index, turn[0][0])
        torch.testing.assert_close(added[0].double(), wanted, rtol=1e-4, atol=1e-5)
    assert 2 in classes, "the background is a class of its own"


def places(q, first, masks, heads):
    """Position and class of each token, as MeiGen's formulas have them."""
    width = q.shape[-1] // heads
    q, first = q.view(-1, heads, width), first.view(-1, heads, width)
    looks = (torch.einsum("lhd,shd->hls", q, first) / math.sqrt(width)).softmax(-1)
    maps = torch.stack([((looks * mask).sum(-1) / mask.sum()).mean(0) for mask in masks])
    spread = [(one - one.min()) / (one.max() - one.min() + 1e-8) * 4 for one in maps[:2]]
    table = torch.stack([spread[0], spread[1] + 20, torch.full_like(spread[0], 12.0)])
    chosen = maps.argmax(0)
    return table[chosen, torch.arange(len(chosen))], chosen


def test_two_silent_speakers_are_one(rooms, talking, prompts):
    """The reference's pass without sound has one speaker, two rows of zeros must equal it."""
    two = conditioned(rooms, prompts[0], torch.zeros(1, 2, FRAMES, 5, 12, 768), speakers=halves())
    one = conditioned(rooms, prompts[0], torch.zeros(1, 1, FRAMES, 5, 12, 768))
    torch.testing.assert_close(predict(rooms, talking, two)[0], predict(rooms, talking, one)[0], rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------- beside the host's own


@pytest.fixture(scope="module")
def wide(rooms, tmp_path_factory):
    """A pair wide enough for the host's class: the model, and audio layers as ours and as the host's."""
    host_patch = pytest.importorskip("comfy_extras.nodes_model_patch")
    if not hasattr(host_patch, "MultiTalkModelPatch"):
        pytest.skip("this host has no InfiniteTalk of its own")
    model = rooms.comfy.sd.load_diffusion_model_state_dict(tiny_talk.wide_base(seed=40))
    tensors = tiny_talk.weights(seed=41, dim=tiny_talk.WIDE)
    path = tmp_path_factory.mktemp("wide") / "wide_InfiniteTalk.safetensors"
    save_file(tensors, path)
    facts = rooms.talk_file.inspect(path)
    ours = rooms.talk.attach(model, rooms.talk._read(path, facts, model), facts)
    for block in net_of(rooms, ours).blocks:
        block.norm_x.eps = 1e-5  # the host's; the reference has 1e-6
    theirs = host_patch.MultiTalkModelPatch(
        in_dim=tiny_talk.WIDE, intermediate_dim=tiny_talk.HIDDEN, num_layers=2, operations=rooms.comfy.ops.manual_cast
    )
    theirs.load_state_dict(tensors)
    patcher = rooms.comfy.model_patcher.CoreModelPatcher(theirs, model.load_device, model.offload_device)
    return SimpleNamespace(model=model, ours=ours, theirs=patcher)


def host_path(wide, prompts, encoded: list, masks=None) -> torch.Tensor:
    """One window through the host's own node, cfg 1: the result of two steps."""
    import comfy_extras.nodes_wan as nodes_wan

    vae = SimpleNamespace(encode=lambda pixels: torch.full((1, 16, 1 + (len(pixels) - 1) // 4, 8, 8), 0.3))
    outputs = [{"encoded_audio_all_layers": one} for one in encoded]
    mode = {"mode": "single_speaker"}
    if masks is not None:
        mode = {"mode": "two_speakers", "audio_encoder_output_2": outputs[1], "mask_1": masks[0], "mask_2": masks[1]}
    made = nodes_wan.WanInfiniteTalkToVideo.execute(
        mode, wide.model, wide.theirs, prompts[0], prompts[1], vae, 64, 64, FRAMES, outputs[0], 1,
        start_image=torch.rand(1, 64, 64, 3), audio_scale=0.8,
    ).args  # fmt: skip
    return made


def encoded(seed: int, seconds: int = 1) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(1, 50 * seconds, 768, generator=generator) for _ in range(13)]


def as_rows(voices: list[list[torch.Tensor]]) -> torch.Tensor:
    """The host's features of each voice, cut for the first window as the host cuts them."""
    import comfy_extras.nodes_wan as nodes_wan
    from comfy.ldm.wan.model_multitalk import get_audio_embeds

    made = [nodes_wan.linear_interpolation(torch.stack(one).squeeze(1)[1:], 50, 25).movedim(0, 1) for one in voices]
    if len(made) > 1:  # the host puts the second voice behind the first
        silence = [torch.zeros_like(one) for one in made]
        made = [torch.cat([made[0], silence[1]]), torch.cat([silence[0], made[1]])]
    return get_audio_embeds(made, 0, FRAMES).unsqueeze(0)


def run(rooms, model, positive, head: torch.Tensor | None = None) -> torch.Tensor:
    """Two euler steps at cfg 1."""
    guider = rooms.comfy.samplers.CFGGuider(model)
    guider.inner_set_conds({"positive": positive})
    sampler = rooms.comfy.samplers.sampler_object("euler")
    sigmas = torch.tensor([1.0, 0.6, 0.0])
    return guider.sample(noise(9), torch.zeros(SHAPE), sampler, sigmas, disable_pbar=True, seed=1)


def held_alike(model, theirs):
    """``model`` with the host's clean head on every call: its own way to hold motion frames, not compared here."""
    from comfy.patcher_extension import WrappersMP

    model = model.clone()
    for kind in (WrappersMP.OUTER_SAMPLE,):
        for key, wrappers in theirs.wrappers.get(kind, {}).items():
            for wrapper in wrappers:
                model.add_wrapper_with_key(kind, key, wrapper)
    return model


def test_one_speaker_equals_the_host(rooms, wide, prompts):
    theirs, positive, _, _, _ = host_path(wide, prompts, [encoded(1)])
    wanted = run(rooms, theirs, positive)
    cond = conditioned(rooms, positive, as_rows([encoded(1)]), scale=0.8)
    ours = run(rooms, held_alike(wide.ours, theirs), cond)
    plain = run(rooms, held_alike(wide.model, theirs), positive)
    assert (wanted - plain).abs().max() > 1e-2, "the sound must matter for this to mean anything"
    torch.testing.assert_close(ours, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("middle", [False, True])
def test_two_speakers_equal_the_host_without_background(rooms, wide, prompts, monkeypatch, middle):
    """The host knows no background: with every place given to a speaker both must agree."""
    from comfy.ldm.wan import model_multitalk

    # The host halves the heads and forgets the odd one of five; the real model has forty.
    monkeypatch.setattr(
        model_multitalk, "get_attn_map_with_target", partial(model_multitalk.get_attn_map_with_target, split_num=1)
    )
    left = torch.zeros(1, 64, 64)
    left[..., : 32 if middle else 16] = 1
    theirs, positive, _, _, _ = host_path(wide, prompts, [encoded(1), encoded(2)], (left, 1 - left))
    wanted = run(rooms, theirs, positive)
    masks = torch.zeros(1, 3, *GRID)
    masks[0, 0] = left[0, 8::16, 8::16]
    masks[0, 1] = 1 - masks[0, 0]
    cond = conditioned(rooms, positive, as_rows([encoded(1), encoded(2)]), scale=0.8, speakers=masks)
    ours = run(rooms, held_alike(wide.ours, theirs), cond)
    torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-4)


# ---------------------------------------------------------------- beside other packs' patches


def test_clones_share_the_weights(rooms, talking, prompts):
    twin = talking.clone().clone()
    assert net_of(rooms, twin) is net_of(rooms, talking)
    cond = conditioned(rooms, prompts[0], sound(1))
    assert torch.equal(predict(rooms, twin, cond)[0], predict(rooms, talking, cond)[0])


def test_the_host_loads_the_layers_with_the_model(rooms, talking, prompts):
    import comfy.model_management as management

    management.unload_all_models()
    predict(rooms, talking, conditioned(rooms, prompts[0], sound(1)))
    assert any(loaded.model.model is net_of(rooms, talking) for loaded in management.current_loaded_models)
    management.unload_all_models()
    assert not any(loaded.model.model is net_of(rooms, talking) for loaded in management.current_loaded_models)


def test_the_saved_model_is_the_base(rooms, base, talking):
    assert talking.model.state_dict().keys() == base.model.state_dict().keys()
    assert not any("audio" in key for key in talking.model.state_dict())


@pytest.mark.parametrize("loader_first", [True, False])
def test_a_lora_works_before_and_behind(rooms, base, prompts, loader_first):
    generator = torch.Generator().manual_seed(2)
    key = "diffusion_model.blocks.0.cross_attn.o.weight"
    patches = {key: ("diff", (torch.randn(128, 128, generator=generator) * 0.05,))}

    def with_lora(model):
        model = model.clone()
        assert model.add_patches(patches) == [key]
        return model

    def with_talk(model):
        return rooms.talk.load(model, files.TALK_SINGLE)[0]

    steps = (with_talk, with_lora) if loader_first else (with_lora, with_talk)
    made = steps[1](steps[0](base))
    assert torch.equal(predict(rooms, made, prompts[0])[0], predict(rooms, with_lora(base), prompts[0])[0])
    cond = conditioned(rooms, prompts[0], sound(1))
    heard = predict(rooms, made, cond)[0]
    assert not torch.allclose(heard, predict(rooms, with_talk(base), cond)[0], atol=1e-4)
    twin = with_lora(with_talk(base))
    torch.testing.assert_close(heard, predict(rooms, twin, cond)[0])


def test_block_replacements_and_attention_overrides_still_act(rooms, talking, prompts):
    """As NAG, SLG, TeaCache, SageAttention do it: patches_replace, an override, a DIFFUSION_MODEL wrapper."""
    from comfy.patcher_extension import WrappersMP

    calls = {"block": 0, "attention": 0, "model": 0}

    def block(args, extra):
        calls["block"] += 1
        return {"img": extra["original_block"](args)["img"]}

    def attention(chosen, *args, **kwargs):
        calls["attention"] += 1
        return chosen(*args, **kwargs)

    def around(executor, *args, **kwargs):
        calls["model"] += 1
        return executor(*args, **kwargs)

    model = talking.clone()
    model.set_model_patch_replace(block, "dit", "double_block", 1)
    model.model_options["transformer_options"]["optimized_attention_override"] = attention
    model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "another pack", around)
    cond = conditioned(rooms, prompts[0], sound(1, 2), speakers=halves())
    assert torch.equal(predict(rooms, model, cond)[0], predict(rooms, talking, cond)[0])
    assert calls == {"block": 1, "attention": 6, "model": 1}, "text, picture and self attention of two blocks"


def test_patches_in_the_blocks_see_the_calls_own_options(rooms, talking, prompts):
    """A patch may leave word for a later one in transformer_options; the override must not hide the dict."""
    left = []

    def attention(chosen, *args, **kwargs):
        options = kwargs["transformer_options"]
        options["word"] = options.get("word", 0) + 1
        left.append((options["word"], options["optimized_attention_override"] is attention))
        return chosen(*args, **kwargs)

    model = talking.clone()
    model.model_options["transformer_options"]["optimized_attention_override"] = attention
    predict(rooms, model, conditioned(rooms, prompts[0], sound(1, 2), speakers=halves()))
    assert left == [(number, True) for number in range(1, 7)]


def test_a_call_within_a_call_is_its_own(rooms, talking, prompts):
    """A pack may run the model once more from within a block; that call carries no sound and disturbs none."""
    from comfy.patcher_extension import WrappersMP

    again, inner = [], []

    def around(executor, *args, **kwargs):
        silent = {key: value for key, value in kwargs.items() if not key.startswith("genga")}
        again.append(partial(executor.class_obj, *args, **silent))
        return executor(*args, **kwargs)

    def block(args, extra):
        if not inner:
            inner.append(None)
            inner[0] = again[0]()
        return extra["original_block"](args)

    model = talking.clone()
    model.set_model_patch_replace(block, "dit", "double_block", 1)
    model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "another pack", around)
    cond = conditioned(rooms, prompts[0], sound(1, 2), speakers=halves())
    assert torch.equal(predict(rooms, model, cond)[0], predict(rooms, talking, cond)[0])
    assert len(again) == 2 and torch.isfinite(inner[0]).all()


def test_two_models_with_different_weights_do_not_mix(rooms, base, talking, prompts):
    other, _ = rooms.talk.load(base, files.TALK_MULTI)
    cond = conditioned(rooms, prompts[0], sound(1))
    first = predict(rooms, talking, cond)[0]
    second = predict(rooms, other, cond)[0]
    assert not torch.allclose(first, second, atol=1e-4)
    assert torch.equal(predict(rooms, talking, cond)[0], first)
    assert torch.equal(predict(rooms, other, cond)[0], second)


# ---------------------------------------------------------------- guidance


def guided(rooms, model, positive, negative, cfg, audio_cfg):
    return rooms.guiding.AudioGuider.execute(model, positive, negative, cfg, audio_cfg).args[0]


def sampled(rooms, guider) -> torch.Tensor:
    sampler = rooms.comfy.samplers.sampler_object("euler")
    return guider.sample(noise(), torch.zeros(SHAPE), sampler, torch.tensor([0.7, 0.0]), disable_pbar=True, seed=1)


@pytest.mark.parametrize(("cfg", "audio_cfg", "names"), [
    (5.0, 4.0, ["positive", "negative", "silent_negative"]),
    (5.0, 1.0, ["positive", "negative"]),
    (1.0, 2.0, ["positive", "silent_positive"]),
    (1.0, 1.0, ["positive"]),
    (0.0, 4.0, ["positive", "negative", "silent_negative"]),
])  # fmt: skip
def test_guidance_is_the_references(rooms, talking, prompts, cfg, audio_cfg, names):
    positive, negative = (conditioned(rooms, prompt, sound(1)) for prompt in prompts)
    silent = [conditioned(rooms, prompt, torch.zeros_like(sound(1))) for prompt in prompts]
    c, d, s, u = (predict(rooms, talking, cond)[0] for cond in (positive, negative, *silent))
    wanted = s + audio_cfg * (c - s) if cfg == 1.0 else u + cfg * (c - d) + audio_cfg * (d - u)
    guider = guided(rooms, talking, positive, negative, cfg, audio_cfg)
    assert list(guider.original_conds) == names
    wanted = rooms.comfy.model_base.comfy.latent_formats.Wan21().process_out(wanted)
    torch.testing.assert_close(sampled(rooms, guider), wanted, rtol=1e-3, atol=1e-3)


def test_prompt_and_negative_are_one_call_at_cfg_5(rooms, talking, prompts):
    """As the host batches them where memory allows; its own layers cannot."""
    positive, negative = (conditioned(rooms, prompt, sound(1)) for prompt in prompts)
    u, c = (predict(rooms, talking, cond)[0] for cond in (negative, positive))
    rows, model = [], talking.clone()

    def counted(apply_model, args):
        rows.append(args["input"].shape[0])
        return apply_model(args["input"], args["timestep"], **args["c"])

    model.set_model_unet_function_wrapper(counted)
    guider = rooms.comfy.samplers.CFGGuider(model)
    guider.set_conds(positive, negative)
    guider.set_cfg(5.0)
    wanted = rooms.comfy.model_base.comfy.latent_formats.Wan21().process_out(u + 5.0 * (c - u))
    torch.testing.assert_close(sampled(rooms, guider), wanted, rtol=1e-3, atol=1e-3)
    assert rows == [2]


def test_guidance_of_one_and_one_is_the_hosts_bit_for_bit(rooms, talking, prompts):
    from comfy_extras.nodes_custom_sampler import Guider_Basic

    positive = conditioned(rooms, prompts[0], sound(1))
    basic = Guider_Basic(talking)
    basic.set_conds(positive)
    guider = guided(rooms, talking, positive, prompts[1], 1.0, 1.0)
    assert torch.equal(sampled(rooms, guider), sampled(rooms, basic))


def test_text_guidance_alone_is_the_hosts_bit_for_bit(rooms, talking, prompts):
    positive, negative = (conditioned(rooms, prompt, sound(1)) for prompt in prompts)
    theirs = rooms.comfy.samplers.CFGGuider(talking)
    theirs.set_conds(positive, negative)
    theirs.set_cfg(3.0)
    assert torch.equal(sampled(rooms, guided(rooms, talking, positive, negative, 3.0, 1.0)), sampled(rooms, theirs))


def test_functions_in_the_hosts_cfg_see_two_predictions(rooms, talking, prompts):
    """pre-CFG, CFG, post-CFG and calc functions of other packs run once a step, with lists of two."""
    seen = {}

    def calc(args):
        seen["calc"] = len(args["conds"])
        return rooms.comfy.samplers.calc_cond_batch(
            args["model"], args["conds"], args["input"], args["sigma"], args["model_options"]
        )

    def before(args):
        seen["pre"] = (len(args["conds"]), len(args["conds_out"]))
        return args["conds_out"]

    def after(args):
        seen["post"] = args["cond_scale"]
        return args["denoised"] * 2

    positive, negative = (conditioned(rooms, prompt, sound(1)) for prompt in prompts)
    plain = sampled(rooms, guided(rooms, talking, positive, negative, 5.0, 4.0))
    model = talking.clone()
    model.set_model_sampler_calc_cond_batch_function(calc)
    model.set_model_sampler_pre_cfg_function(before)
    model.set_model_sampler_post_cfg_function(after)
    doubled = sampled(rooms, guided(rooms, model, positive, negative, 5.0, 4.0))
    assert seen == {"calc": 3, "pre": (2, 2), "post": 5.0}
    formats = rooms.comfy.latent_formats.Wan21()
    torch.testing.assert_close(formats.process_in(doubled), 2 * formats.process_in(plain), rtol=1e-4, atol=1e-4)


def test_a_copy_of_a_guider_has_conds_of_its_own(rooms, talking, prompts):
    guider = guided(rooms, talking, prompts[0], prompts[1], 5.0, 4.0)
    twin = copy.copy(guider)
    twin.original_conds["positive"] = []
    assert guider.original_conds["positive"] and isinstance(twin, type(guider))


def test_silence_touches_no_other_entry(rooms, talking, prompts):
    positive = conditioned(rooms, prompts[0], sound(1))
    guider = guided(rooms, talking, positive, None, 1.0, 2.0)
    sampled(rooms, guider)
    key = rooms.talk_patch.AUDIO
    assert torch.count_nonzero(guider.original_conds["silent_positive"][0]["model_conds"][key].cond) == 0
    assert torch.count_nonzero(guider.original_conds["positive"][0]["model_conds"][key].cond) > 0
    assert torch.count_nonzero(positive[0][1]["model_conds"][key].cond) > 0


@pytest.mark.parametrize(("cfg", "audio_cfg", "named"), [(5.0, 4.0, "negative"), (float("nan"), 1.0, "cfg")])
def test_bad_guidance_is_refused(rooms, talking, prompts, cfg, audio_cfg, named):
    with pytest.raises(InputError) as refused:
        guided(rooms, talking, prompts[0], None, cfg, audio_cfg)
    assert refused.value.input_name == named


def test_a_model_that_hears_nothing_is_refused(rooms, base, prompts):
    with pytest.raises(InputError, match="no InfiniteTalk weights"):
        guided(rooms, base, *prompts, 5.0, 4.0)
