"""FramePack Decode: its frames are the fade's, its file is lossless, and it asks for what it cannot know."""

from __future__ import annotations

import av
import pytest
import torch
from genga.errors import InputError

W = 2
LATENTS = 1 + 3 * W


@pytest.fixture(scope="module")
def rooms(host):
    from types import SimpleNamespace

    from genga.nodes import framepack_video
    from genga.samplers import framepack_decode

    return SimpleNamespace(node=framepack_video.FramePackDecode, nodes=framepack_video, decode=framepack_decode)


@pytest.fixture(scope="module")
def vae(host, tiny):
    import nodes

    tiny.folder(host.base)
    return nodes.VAELoader().load_vae(tiny.files.HUNYUAN_VAE)[0]


def latent(**more):
    return {"samples": torch.randn(1, 16, LATENTS, 4, 6, generator=torch.Generator().manual_seed(5)), **more}


def pixels(video):
    with av.open(video.get_stream_source()) as container:
        assert container.streams.video[0].average_rate == 30
        frames = [torch.from_numpy(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    return torch.stack(frames).float() / 255


@pytest.mark.parametrize("direction", ["standard", "f1"])
def test_the_video_is_the_windows_faded_by_hand(rooms, vae, direction):
    given = latent(**rooms.nodes.noted(direction, W))
    output = rooms.node.execute(given, vae)
    video, frames = output.args
    z = given["samples"]
    parts = [(0, 3), (1, 5), (3, 7)] if direction == "f1" else [(0, 5), (3, 7), (5, 7)]
    clips = [vae.decode(z[:, :, a:b])[0] for a, b in parts]
    fall = torch.linspace(1, 0, 4 * W - 3).reshape(-1, 1, 1, 1)
    wanted = clips[0]
    for clip in clips[1:]:
        middle = fall * wanted[-5:] + (1 - fall) * clip[:5]
        wanted = torch.cat([wanted[:-5], middle, clip[5:]])
    got = pixels(video)
    assert frames == len(got) == 8 * 3 + 1
    assert (got - wanted).abs().max() < 1 / 255
    assert not torch.allclose(got, vae.decode(z)[0], atol=0.02)  # the whole is another
    assert "fading over 5 frames" in " ".join(output.ui["text"])


def test_whole_is_the_hosts_decode(rooms, vae):
    got = pixels(rooms.node.execute(latent(), vae, "whole").args[0])
    assert (got - vae.decode(latent()["samples"])[0]).abs().max() < 1 / 255


def test_what_the_latent_does_not_say_is_asked_for(rooms, vae):
    with pytest.raises(InputError, match="direction: this latent does not say how it was drawn"):
        rooms.node.execute(latent(), vae)
    with pytest.raises(InputError, match="window: this latent does not say"):
        rooms.node.execute(latent(), vae, direction="f1")
    with pytest.raises(InputError, match="no start and whole sections of 4"):
        rooms.node.execute(latent(), vae, direction="f1", window=4)
    with pytest.raises(InputError, match="vae: this VAE makes no video"):
        rooms.node.execute(latent(), object(), "whole")
    told, noted = (
        rooms.node.execute(given, vae, **more).args[0]
        for given, more in ((latent(), {"direction": "f1", "window": W}), (latent(**rooms.nodes.noted("f1", W)), {}))
    )
    assert torch.equal(pixels(told), pixels(noted))
