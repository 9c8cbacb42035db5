"""Tiles through the VAE: the host's own calls, close to the whole, and only where memory asks for them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from genga import tiles

GB = 1e9


def _needs(per_pixel=7000.0, width=832, height=480):
    """Bytes by tile side, as Wan's VAE is reckoned with."""
    return lambda side: per_pixel * min(width, side or width) * min(height, side or height)


@pytest.mark.parametrize(("mode", "free", "tile"), [
    ("auto", 3 * GB, 0), ("auto", 2.7 * GB, 768), ("auto", 2 * GB, 512), ("auto", 1.2 * GB, 384),
    ("auto", 0.5 * GB, 256), ("auto", 0.0, 256), ("off", 0.0, 0), ("on", 100 * GB, 512), ("on", 1.2 * GB, 384),
    ("on", 0.0, 256),
])  # fmt: skip
def test_the_largest_tile_that_fits(mode, free, tile):
    assert tiles.pick(mode, _needs(), free).tile == tile


@pytest.mark.parametrize(("side", "overlap"), [(1024, 128), (512, 128), (384, 96), (256, 64)])
def test_tiles_share_whole_latents(side, overlap):
    choice = tiles.Choice(side)
    assert choice.overlap == overlap
    assert choice.overlap % 8 == 0 and (side - choice.overlap) % 8 == 0


def test_what_the_host_could_unload_counts_as_free(host, monkeypatch):
    import comfy.model_management as management

    gpu = torch.device("cuda", 0)
    loaded = [SimpleNamespace(device=gpu, model_loaded_memory=lambda: 7 * GB),
              SimpleNamespace(device=torch.device("cpu"), model_loaded_memory=lambda: 50 * GB)]  # fmt: skip
    monkeypatch.setattr(management, "get_free_memory", lambda device: 2 * GB)
    monkeypatch.setattr(management, "current_loaded_models", loaded)
    kept = management.extra_reserved_memory()
    assert tiles.free_on(gpu) == 9 * GB - kept
    assert tiles.free_on(torch.device("cpu")) == 2 * GB - kept


@pytest.fixture
def clip():
    """Soft shapes that move: [5, 320, 48, 3]."""
    y, x, t = torch.meshgrid(torch.linspace(0, 6, 320), torch.linspace(0, 1, 48), torch.arange(5) / 5, indexing="ij")
    frames = torch.stack((torch.sin(x + t), torch.cos(y - t), torch.sin(x * y / 4)), dim=-1) * 0.4 + 0.5
    return frames.permute(2, 0, 1, 3).contiguous()


@pytest.fixture
def short(monkeypatch):
    """short(bytes): that much can be free."""

    def set_free(free):
        monkeypatch.setattr(tiles, "available", lambda vae: free)

    return set_free


@pytest.fixture
def calls(vae, monkeypatch):
    """The VAE's calls in order, each still made."""
    made = []
    for name in ("decode", "decode_tiled", "encode", "encode_tiled"):
        inner = getattr(vae, name)

        def noted(*args, _name=name, _inner=inner, **how):
            made.append((_name, how))
            return _inner(*args, **how)

        monkeypatch.setattr(vae, name, noted)
    return made


def test_tiles_are_close_to_the_whole(vae, clip, short, calls):
    """The tiny VAE's reach is short, so what is left is the host's mixing."""
    latent = vae.encode(clip)
    whole = vae.decode(latent)
    short(0.0)
    calls.clear()
    tiled_latent, tiled = tiles.encode(vae, clip), tiles.decode(vae, latent)
    assert calls == [("encode_tiled", {"tile_x": 256, "tile_y": 256, "overlap": 64}),
                     ("decode_tiled", {"tile_x": 32, "tile_y": 32, "overlap": 8})]  # fmt: skip
    assert tiled.shape == whole.shape and tiled_latent.shape == latent.shape
    assert (tiled - whole).abs().max() < 0.02
    assert (tiled_latent - latent).abs().max() < 0.05 * latent.abs().max()


class Fake:
    """A VAE of the host's estimates that notes what is asked of it."""

    vae_dtype = torch.float16

    def __init__(self, real):
        self.asked = []
        self.memory_used_decode, self.memory_used_encode = real.memory_used_decode, real.memory_used_encode
        self.spacial_compression_decode = real.spacial_compression_decode
        for name in ("decode", "decode_tiled", "encode", "encode_tiled"):
            setattr(self, name, lambda *_, _name=name, **how: self.asked.append(_name))


def test_auto_asks_the_hosts_estimate(vae, short):
    fake, latent = Fake(vae), torch.zeros(1, 16, 21, 60, 104)
    need = vae.memory_used_decode(latent.shape, torch.float16)
    assert 5.5e9 < need < 6.5e9  # 480p, in float16
    for free, mode in ((need, "auto"), (need - 1, "auto"), (need - 1, "off"), (1e15, "on")):
        short(free)
        tiles.decode(fake, latent, mode)
    assert fake.asked == ["decode", "decode_tiled", "decode", "decode_tiled"]


def test_auto_encodes_whole_where_it_fits(vae, short):
    fake, pixels = Fake(vae), torch.zeros(1).expand(5, 480, 832, 3)
    need = vae.memory_used_encode((1, 3, 5, 480, 832), torch.float16)
    for free in (need, need - 1):
        short(free)
        tiles.encode(fake, pixels)
    assert fake.asked == ["encode", "encode_tiled"]


def test_the_hosts_estimate_does_not_grow_with_time(vae):
    """Why tiles are not cut in time. If a host's estimate grows, this says so."""
    short, long = (vae.memory_used_decode((1, 16, count, 60, 104), vae.vae_dtype) for count in (5, 41))
    assert short == long


def test_a_vae_that_knows_no_estimate_is_used_whole():
    vae = SimpleNamespace(decode=lambda latent: "decoded", encode=lambda pixels: "encoded")
    assert tiles.decode(vae, torch.zeros(1, 16, 1, 4, 4)) == "decoded"
    assert tiles.encode(vae, torch.zeros(1, 32, 32, 3)) == "encoded"


def test_conditioning_encodes_in_tiles_where_memory_is_short(vae, prompts, short, calls, pictures):
    from genga.nodes import keyframes

    short(0.0)
    keyframes.WanFFLF.execute(*prompts, vae, width=272, height=32, length=5, first_image=pictures[0])
    assert {name for name, _ in calls} == {"encode_tiled"}
