"""NAG on tiny Wan models in a real host: numbers, rows, batches, clones, other patches, the schedule."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from genga.errors import InputError
from genga_tests.tiny import files

SHAPE = (1, 16, 2, 8, 8)
ON = {"nag_scale": 11.0, "nag_tau": 2.5, "nag_alpha": 0.5}


@pytest.fixture(scope="module")
def rooms(host, models):
    import comfy.conds
    import comfy.ldm.modules.attention
    import comfy.samplers
    from genga.loaders import talk, talk_patch, wan
    from genga.nodes import guiding, sampling
    from genga.samplers import audio_guider, nag

    return SimpleNamespace(comfy=comfy, guiding=guiding, sampling=sampling, nag=nag, talk=talk,
                           talk_patch=talk_patch, wan=wan, audio_guider=audio_guider)  # fmt: skip


@pytest.fixture(scope="module", params=[files.T2V, files.I2V_21, files.I2V_HIGH, files.VACE])
def model(request, load_model):
    return load_model(request.param)


@pytest.fixture(scope="module")
def t2v(load_model):
    return load_model(files.T2V)


def text(seed: int, tokens: int = 12, rows: int = 1) -> list:
    generator = torch.Generator().manual_seed(seed)
    return [[torch.randn(rows, tokens, 4096, generator=generator), {}]]


def with_picture(rooms, conditioning: list) -> list:
    seen = torch.randn(1, 257, 1280, generator=torch.Generator().manual_seed(9))
    values = {"model_conds": {"clip_fea": rooms.comfy.conds.CONDRegular(seen)}}
    return [[conditioning[0][0], values]]


def noise(batch: int = 1) -> torch.Tensor:
    return torch.randn(batch, *SHAPE[1:], generator=torch.Generator().manual_seed(5))


def patched(rooms, model, negative, **settings):
    return rooms.guiding.NAG.execute(model, negative, **{**ON, **settings}).args[0]


def predict(rooms, model, *conditionings, batch: int = 1, sigma: float = 0.7) -> list[torch.Tensor]:
    """One prediction per conditioning; the first is the positive prompt."""
    seen = []

    class Guider(rooms.comfy.samplers.CFGGuider):
        def predict_noise(self, x, timestep, model_options=None, seed=None):
            conds = [self.conds[str(i)] for i in range(len(conditionings))]
            seen[:] = rooms.comfy.samplers.calc_cond_batch(self.inner_model, conds, x, timestep, model_options)
            return seen[0]

    guider = Guider(model)
    guider.inner_set_conds({str(i): conditioning for i, conditioning in enumerate(conditionings)})
    sampler = rooms.comfy.samplers.sampler_object("euler")
    latent = torch.zeros(batch, *SHAPE[1:])
    guider.sample(noise(batch), latent, sampler, torch.tensor([sigma, 0.0]), disable_pbar=True, seed=1)
    return seen


def attention_outputs(rooms, model, conditioning, negative, scale, tau, alpha, monkeypatch):
    """The prediction with the formula written into the layers' classes, as the reference has it; no patch of ours."""
    from comfy.ldm.wan.model import WanI2VCrossAttention, WanT2VCrossAttention

    network = model.model.diffusion_model
    attend = rooms.comfy.ldm.modules.attention.optimized_attention

    def mix(layer, q, context):
        unwanted = network.text_embedding(negative[0][0].to(context))
        plus = attend(q, layer.norm_k(layer.k(context)), layer.v(context), heads=layer.num_heads)
        minus = attend(q, layer.norm_k(layer.k(unwanted)), layer.v(unwanted), heads=layer.num_heads)
        pushed = scale * plus - (scale - 1) * minus
        ratio = pushed.abs().sum(-1, keepdim=True) / plus.abs().sum(-1, keepdim=True)
        return alpha * pushed * ratio.clamp_max(tau) / ratio + (1 - alpha) * plus

    def plain(self, x, context, transformer_options=None, **kwargs):
        return self.o(mix(self, self.norm_q(self.q(x)), context))

    def pictured(self, x, context, context_img_len, transformer_options=None):
        seen, context = context[:, :context_img_len], context[:, context_img_len:]
        q = self.norm_q(self.q(x))
        k, v = self.norm_k_img(self.k_img(seen)), self.v_img(seen)
        return self.o(mix(self, q, context) + attend(q, k, v, heads=self.num_heads))

    with monkeypatch.context() as patch:
        patch.setattr(WanT2VCrossAttention, "forward", plain)
        patch.setattr(WanI2VCrossAttention, "forward", pictured)
        return predict(rooms, model, conditioning)[0]


# ---------------------------------------------------------------- numbers


def test_every_kind_computes_the_papers_formula(rooms, model, monkeypatch):
    positive, negative = text(1), text(2, tokens=20)
    if model.model.diffusion_model.img_emb is not None:
        positive = with_picture(rooms, positive)
    expected = attention_outputs(rooms, model, positive, negative, 11.0, 2.5, 0.5, monkeypatch)
    guided = predict(rooms, patched(rooms, model, negative), positive)[0]
    assert (guided - predict(rooms, model, positive)[0]).abs().max() > 1e-3, "it acts"
    torch.testing.assert_close(guided, expected, atol=2e-5, rtol=2e-5)


def test_text_as_long_as_the_picture_is_still_told_apart(rooms, load_model, monkeypatch):
    model = load_model(files.I2V_21)
    positive, negative = with_picture(rooms, text(1, tokens=257)), text(2, tokens=257)
    expected = attention_outputs(rooms, model, positive, negative, 11.0, 2.5, 0.5, monkeypatch)
    torch.testing.assert_close(
        predict(rooms, patched(rooms, model, negative), positive)[0], expected, atol=2e-5, rtol=2e-5
    )


@pytest.mark.parametrize("off", [{"nag_scale": 1.0}, {"nag_alpha": 0.0}])
def test_off_is_the_model_itself(rooms, t2v, off):
    out = rooms.guiding.NAG.execute(t2v, text(2), **{**ON, **off})
    assert out.args[0] is t2v and "as it is" in out.ui["text"][0]


def test_the_same_prompt_on_both_sides_changes_next_to_nothing(rooms, t2v):
    plain = predict(rooms, t2v, text(1))[0]
    torch.testing.assert_close(predict(rooms, patched(rooms, t2v, text(1)), text(1))[0], plain, atol=1e-5, rtol=1e-5)


# ---------------------------------------------------------------- rows, batches, clones


def test_only_the_positive_rows_are_guided(rooms, t2v):
    plain = predict(rooms, t2v, text(1), text(3))
    guided = predict(rooms, patched(rooms, t2v, text(2)), text(1), text(3))
    torch.testing.assert_close(guided[1], plain[1], atol=1e-6, rtol=1e-6)
    alone = predict(rooms, patched(rooms, t2v, text(2)), text(1))[0]
    torch.testing.assert_close(guided[0], alone, atol=1e-5, rtol=1e-5)
    assert (guided[0] - plain[0]).abs().max() > 1e-3


def test_a_batch_is_its_items(rooms, t2v):
    model = patched(rooms, t2v, text(2))
    both = predict(rooms, model, text(1), text(3), batch=2)
    one = predict(rooms, model, text(1))[0]
    torch.testing.assert_close(both[0][:1], one, atol=1e-5, rtol=1e-5)


def test_each_item_of_a_batch_may_have_its_own_negative(rooms, t2v):
    two = [[torch.cat([text(2)[0][0], text(4)[0][0]]), {}]]
    both = predict(rooms, patched(rooms, t2v, two), text(1), batch=2)[0]
    for row, seed in enumerate((2, 4)):
        alone = predict(rooms, patched(rooms, t2v, text(seed)), text(1), batch=2)[0]
        torch.testing.assert_close(both[row], alone[row], atol=1e-5, rtol=1e-5)


def test_clones_keep_it_and_the_model_before_it_does_not_get_it(rooms, t2v):
    plain = predict(rooms, t2v, text(1))[0]
    model = patched(rooms, t2v, text(2))
    guided = predict(rooms, model, text(1))[0]
    for twin in (model.clone().clone(), rooms.wan.apply_shift(model, 5.0)):
        assert torch.equal(predict(rooms, twin, text(1))[0], guided)
    assert torch.equal(predict(rooms, t2v, text(1))[0], plain)
    guidance = rooms.nag.Nag(text(2)[0][0], 11.0, 2.5, 0.5, 0.0, 1.0)
    assert copy.deepcopy(guidance) is guidance


@pytest.mark.parametrize("behind", [False, True])
def test_infinitetalk_before_or_behind_gives_the_same(rooms, load_model, behind):
    """And both act: without either the prediction is another one."""
    base = load_model(files.I2V_21)
    sound = torch.randn(1, 1, 5, 5, 12, 768, generator=torch.Generator().manual_seed(3))
    positive = with_picture(rooms, text(1))
    positive[0][1]["model_conds"][rooms.talk_patch.AUDIO] = rooms.comfy.conds.CONDRegular(sound)
    talking = rooms.talk.load(base, files.TALK_SINGLE)[0]
    model = patched(rooms, talking, text(2))
    if behind:
        model = rooms.talk.load(patched(rooms, base, text(2)), files.TALK_SINGLE)[0]
    out = predict(rooms, model, positive)[0]
    reference = predict(rooms, patched(rooms, talking, text(2)), positive)[0]
    torch.testing.assert_close(out, reference, atol=1e-6, rtol=1e-6)
    silent = with_picture(rooms, text(1))
    for without in (predict(rooms, talking, positive), predict(rooms, model, silent)):
        assert (out - without[0]).abs().max() > 1e-4


def test_the_audio_guider_at_cfg_1_guides_both_of_its_passes(rooms, load_model):
    """The sound's strength must not multiply the push away from the negative prompt."""
    talking = rooms.talk.load(load_model(files.I2V_21), files.TALK_SINGLE)[0]
    model = patched(rooms, talking, text(2))
    conds = rooms.comfy.conds
    shown = []
    for strength in (1.0, 0.0):
        sound = torch.randn(1, 1, 5, 5, 12, 768, generator=torch.Generator().manual_seed(3)) * strength
        positive = with_picture(rooms, text(1))
        positive[0][1]["model_conds"][rooms.talk_patch.AUDIO] = conds.CONDRegular(sound)
        shown.append(positive)
    heard, unheard = (predict(rooms, model, positive)[0] for positive in shown)
    guider = rooms.audio_guider.AudioGuider(model, shown[0], None, 1.0, 3.0)
    sampler = rooms.comfy.samplers.sampler_object("euler")
    out = guider.sample(noise(), torch.zeros(SHAPE), sampler, torch.tensor([0.7, 0.0]), disable_pbar=True, seed=1)
    expected = model.model.process_latent_out(unheard + 3.0 * (heard - unheard))
    torch.testing.assert_close(out, expected, atol=1e-4, rtol=1e-4)


def test_another_attention_override_stays_in_force(rooms, t2v):
    calls = []

    def counted(chosen, *args, **kwargs):
        calls.append(1)
        return chosen(*args, **kwargs)

    model = patched(rooms, t2v, text(2))
    expected = predict(rooms, model, text(1))[0]
    model.model_options["transformer_options"]["optimized_attention_override"] = counted
    assert torch.equal(predict(rooms, model, text(1))[0], expected)
    layers = len(t2v.model.diffusion_model.blocks)
    assert len(calls) == 3 * layers, "self attention, prompt, negative prompt"


# ---------------------------------------------------------------- the schedule


def test_it_acts_in_its_part_of_the_schedule_as_the_model_has_it_when_it_runs(rooms, t2v):
    plain = {sigma: predict(rooms, t2v, text(1), sigma=sigma)[0] for sigma in (0.9, 0.5)}
    # At shift 1 half of the schedule is sigma 0.5, at shift 5 sigma 5/6.
    first_half = patched(rooms, rooms.wan.apply_shift(t2v, 1.0), text(2), end_percent=0.5)
    for shift, sigma, acts in ((1.0, 0.9, True), (1.0, 0.4, False), (5.0, 0.9, True), (5.0, 0.5, False)):
        shifted = rooms.wan.apply_shift(first_half, shift)
        base = plain.get(sigma)
        if base is None:
            base = predict(rooms, t2v, text(1), sigma=sigma)[0]
        difference = (predict(rooms, shifted, text(1), sigma=sigma)[0] - base).abs().max()
        assert (difference > 1e-3) == acts, (shift, sigma)


# ---------------------------------------------------------------- refusals and words


def test_twice_is_refused(rooms, t2v):
    with pytest.raises(InputError, match="already"):
        patched(rooms, patched(rooms, t2v, text(2)), text(3))


def test_a_patch_that_replaces_the_attention_is_said(rooms, t2v):
    model = t2v.clone()
    model.add_object_patch("diffusion_model.blocks.0.cross_attn.forward", lambda x, *args, **kwargs: x)
    with pytest.raises(InputError, match="another patch replaces the text attention"):
        predict(rooms, patched(rooms, model, text(2)), text(1))


def test_a_wan_with_an_attention_of_its_own_is_refused(rooms, t2v, monkeypatch):
    monkeypatch.setitem(t2v.model.diffusion_model.blocks[1]._modules, "cross_attn", torch.nn.Identity())
    with pytest.raises(InputError, match="of a kind of its own"):
        patched(rooms, t2v, text(2))


def test_of_several_entries_the_first_acts_and_that_is_said(rooms, t2v):
    out = rooms.guiding.NAG.execute(t2v, text(2) + text(4), **ON)
    assert "the first one is used" in out.ui["text"][0]
    assert torch.equal(
        predict(rooms, out.args[0], text(1))[0], predict(rooms, patched(rooms, t2v, text(2)), text(1))[0]
    )


def test_a_resumed_video_knows_its_settings(rooms, t2v):
    """Window Sampler's resume goes by a hash of all that shapes the result."""
    from genga.samplers.windows import fingerprint

    def of(seed, **settings):
        guider = rooms.comfy.samplers.CFGGuider(patched(rooms, t2v, text(seed), **settings))
        return fingerprint.of_guider(guider)

    assert of(2) == of(2)
    assert len({of(2), of(3), of(2, nag_scale=5.0), of(2, nag_alpha=0.25), of(2, end_percent=0.5)}) == 5


def test_a_model_that_is_no_wan(rooms):
    class Other:
        model = SimpleNamespace(diffusion_model=torch.nn.Linear(1, 1))

        def get_attachment(self, key):
            return None

    with pytest.raises(InputError, match="not a Wan model"):
        patched(rooms, Other(), text(2))


def test_a_prompt_of_another_encoder(rooms, t2v):
    with pytest.raises(InputError, match="encoded 768 wide"):
        patched(rooms, t2v, [[torch.zeros(1, 8, 768), {}]])


def test_the_expert_sampler_names_the_way_out(rooms, t2v):
    said = [
        rooms.sampling.ExpertGuider.execute(model, model, text(1), text(2)).ui["text"]
        for model in (t2v, patched(rooms, t2v, text(2)))
    ]
    assert "Wire it into NAG" in " ".join(said[0])
    assert "wired into NAG acts" in " ".join(said[1])
