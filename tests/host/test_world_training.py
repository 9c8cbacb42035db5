"""The shortcuts of the training are the host's own numbers."""

from __future__ import annotations

import pytest
import torch
from tiny import vae as computed
from tiny import world, world_text

PROMPTS = ("", "red cross moves right to left.", "blue figure waves and speaks, fast. motion score: 3.0.")


@pytest.fixture(scope="module")
def training(host):
    from tiny.training import clips, flow, shown, vae

    return {"vae": vae, "flow": flow, "clips": clips, "shown": shown}


def test_the_text_encoder_is_the_hosts(host, tmp_path):
    import comfy.sd
    from safetensors.torch import save_file

    path = tmp_path / "umt5.safetensors"
    save_file(world_text.weights(), path)
    clip = comfy.sd.load_clip([str(path)], clip_type=comfy.sd.CLIPType.WAN)
    for words, rows in world_text.Encoder().read(PROMPTS):
        theirs = clip.encode_from_tokens_scheduled(clip.tokenize(words))[0][0][0]
        assert torch.allclose(theirs[: len(rows)].float(), rows, atol=1e-4)
        assert not theirs[len(rows) :].any()


def test_encoding_without_branches_is_encoding(training):
    vae = training["vae"]
    x = vae.pixels(world.draw(world.scene(1, 9)).frames[None])
    with torch.no_grad():
        assert torch.allclose(vae.network().encode(x), vae.quick(vae.network()).encode(x), atol=1e-4)


def test_balanced_latents_have_wans_mean_fall_off_and_decode_the_same(training, monkeypatch):
    vae, clips = training["vae"], training["clips"]
    monkeypatch.setattr(vae, "MEASURED_ON", 1)
    plain = vae.network()
    balanced = vae.network(vae.balanced(vae.quick(vae.network())))
    x = vae.batch(500_000, 4, 17)[0]  # what it is measured on
    with torch.no_grad():
        z = torch.stack([clips.normal(each) for each in balanced.encode(x)])
        used = z.movedim(1, 0).flatten(1)[: computed.PACKED]
        spread = used.std(1)
        assert abs(float(spread[0]) - vae.LOUDEST) < 0.1
        assert (spread.diff() < 0.02).all()
        assert used.mean(1).abs().max() < 0.1
        loud = used[spread > 0.3]  # the others are near what fp16 rounds away
        apart = torch.corrcoef(loud) - torch.eye(len(loud))
        assert apart.abs().max() < 0.1
        assert torch.allclose(balanced.decode(balanced.encode(x)), plain.decode(plain.encode(x)), atol=0.05)


def test_padding_with_a_weight_is_padding(training):
    flow = training["flow"]
    net = flow.network(True)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        net.head.head.weight.normal_(generator=generator)
    rows = [torch.randn(20, 4096, generator=generator), torch.randn(9, 4096, generator=generator)]
    context = torch.zeros(2, flow.TOKENS, 4096)
    for number, each in enumerate(rows):
        context[number, : len(each)] = each
    x, t = torch.randn(2, 36, 3, 8, 8, generator=generator), torch.tensor([300.0, 900.0])
    with torch.no_grad():
        plain = net(x, t, context)
        words = flow.Words(net)
        assert torch.allclose(net(x, t, words.set(rows)), plain, atol=1e-4 * float(plain.abs().max()))


def test_what_is_shown_is_what_the_node_would_show(training):
    clip = world.draw(world.scene(5, 17, "one"))
    for seed in range(30):
        shown = training["shown"].shown(clip, seed)
        assert shown.pixels.shape == (17, 64, 64, 3) and shown.known.shape == (4, 5, 8, 8)
        given = shown.known.flatten(2).amax(2).T.flatten()[3:]  # by pixel frame
        grey = (shown.pixels == 0.5).all(-1).all(-1).all(-1)
        assert torch.equal(given == 0, grey)


def test_noise_levels_stay_in_the_tasks_range(training):
    flow = training["flow"]
    for low, high in ((0.0, 1.0), (0.86, 1.0), (0.0, 0.93)):
        sigmas = flow.draw_sigmas(flow.Task("t", True, 1, (low, high)), 64, torch.Generator().manual_seed(0))
        assert low <= sigmas.min() and sigmas.max() <= high
        assert sigmas.max() - sigmas.min() > 0.9 * (high - low)
