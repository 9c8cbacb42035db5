"""The tiny model files load through the host's own loader nodes and behave like models of their kind."""

from __future__ import annotations

import logging

import pytest
import torch
from tiny import files

WIDTH = HEIGHT = 64
FRAMES = 9
LATENT = (1, 16, 3, 8, 8)

MODELS = {
    files.I2V_HIGH: ("WAN21", 36, False),
    files.I2V_LOW: ("WAN21", 36, False),
    files.I2V_21: ("WAN21", 36, True),
    files.T2V: ("WAN21", 16, False),
    files.VACE: ("WAN21_Vace", 16, False),
}
CHECKPOINTS = {
    files.AIO_I2V: ("WAN21", 36, False),
    files.AIO_T2V: ("WAN21", 16, False),
    files.AIO_MEGA: ("WAN21_Vace", 16, False),
}
TAKES_PICTURES = {
    files.I2V_HIGH: "concat",
    files.I2V_LOW: "concat",
    files.I2V_21: "concat",
    files.T2V: None,
    files.VACE: "vace",
    files.AIO_I2V: "concat",
    files.AIO_T2V: None,
    files.AIO_MEGA: "vace",
}


@pytest.fixture(autouse=True)
def _no_warnings(request, caplog):
    """The host reports missing keys as warnings."""
    with caplog.at_level(logging.WARNING), torch.inference_mode():
        yield
    assert [r.getMessage() for r in caplog.records if "missing" in r.getMessage()] == []


@pytest.fixture(scope="module")
def load(host, tiny):
    """load(name) -> what the host's own loader node returns for that file, loaded once."""
    import nodes

    tiny.folder(host.base)
    loaders = {
        "diffusion_models": lambda name: nodes.UNETLoader().load_unet(name, "default")[0],
        "checkpoints": lambda name: nodes.CheckpointLoaderSimple().load_checkpoint(name),
        "vae": lambda name: nodes.VAELoader().load_vae(name)[0],
        "text_encoders": lambda name: nodes.CLIPLoader().load_clip(name, "wan")[0],
        "clip_vision": lambda name: nodes.CLIPVisionLoader().load_clip(name)[0],
    }
    kinds = {file.name: file.kind for file in files.FILES}
    loaded = {}

    def get(name):
        if name not in loaded:
            loaded[name] = loaders[kinds[name]](name)
        return loaded[name]

    return get


def _facts(model):
    net = model.model.diffusion_model
    return type(model.model).__name__, net.patch_embedding.weight.shape[1], net.img_emb is not None


@pytest.mark.parametrize("name", MODELS)
def test_diffusion_model(load, name):
    assert _facts(load(name)) == MODELS[name]


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoint_has_model_text_encoder_and_vae(load, name):
    model, clip, vae = load(name)
    assert _facts(model) == CHECKPOINTS[name]
    assert _encode(clip, "a cat walks").shape == (1, 512, 4096)
    assert vae.latent_channels == 16


def _encode(clip, text):
    return clip.encode_from_tokens_scheduled(clip.tokenize(text))[0][0]


@pytest.mark.parametrize("name", [files.TEXT, files.AIO_T2V])
def test_text_encoding_depends_on_the_prompt(load, name):
    clip = load(name) if name == files.TEXT else load(name)[1]
    prompts = ["a red star moves left", "a red star moves right", "", "画面静止"]
    encoded = [_encode(clip, prompt) for prompt in prompts]
    for i, one in enumerate(encoded):
        assert one.shape == (1, 512, 4096)
        assert one.isfinite().all()
        for other in encoded[:i]:
            assert (one - other).abs().max() > 0.1
    assert encoded[0][:, 100:].abs().max() == 0  # the rows after the prompt are masked


def test_clip_vision(load):
    out = load(files.CLIP_VISION).encode_image(torch.rand(1, 64, 64, 3))
    assert out.penultimate_hidden_states.shape == (1, 257, 1280)
    assert 0.1 < out.penultimate_hidden_states.std() < 10


def _picture():
    """A smooth colour picture [1, 64, 64, 3] in 0..1."""
    y, x = torch.meshgrid(torch.linspace(0, 1, HEIGHT), torch.linspace(0, 1, WIDTH), indexing="ij")
    return torch.stack([x, y, 0.5 + 0.5 * torch.sin(6 * x)], -1)[None]


def test_vae_passes_a_smooth_clip(load):
    vae = load(files.VAE)
    levels = torch.linspace(0.2, 1, FRAMES).view(-1, 1, 1, 1)
    clip = _picture() * levels
    latent = vae.encode(clip)
    assert latent.shape == LATENT
    decoded = vae.decode(latent)[0]
    assert decoded.shape == clip.shape
    inside = (decoded - clip)[:, 8:-8, 8:-8]
    assert inside.abs().max() < 0.1
    # Frames keep their place: the brightness of each is its own, not a neighbour's.
    brightness = decoded[:, 8:-8, 8:-8].mean((1, 2, 3)) / clip[:, 8:-8, 8:-8].mean((1, 2, 3))
    assert (brightness - 1).abs().max() < 0.05


def test_grey_is_zero_in_the_models_latent_space(load):
    latent = load(files.VAE).encode(torch.full((FRAMES, HEIGHT, WIDTH, 3), 0.5))
    assert load(files.T2V).model.process_latent_in(latent).abs().max() < 0.02


@pytest.fixture(scope="module")
def sample(load):
    """sample(name, steps, prompt) -> (latents in the model's space, pixels [9, 64, 64, 3]) for a first and a
    last picture where the kind takes pictures."""
    import nodes

    def run(name, steps=2, prompt="a cat walks"):
        model, clip, vae = load(name) if name in CHECKPOINTS else (load(name), load(files.TEXT), load(files.VAE))
        positive, negative = ([[_encode(clip, text), {}]] for text in (prompt, "worst quality"))
        positive, negative, latent = _condition(load, name, positive, negative, vae)
        seed, cfg = 1, 1.0
        (out,) = nodes.common_ksampler(model, seed, steps, cfg, "euler", "simple", positive, negative, latent)
        return model.model.process_latent_in(out["samples"]), vae.decode(out["samples"])[0]

    return run


def _condition(load, name, positive, negative, vae):
    from comfy_extras import nodes_wan

    size = (WIDTH, HEIGHT, FRAMES, 1)
    if TAKES_PICTURES[name] == "vace":
        video, mask = torch.full((FRAMES, HEIGHT, WIDTH, 3), 0.5), torch.ones(FRAMES, HEIGHT, WIDTH)
        video[0], video[-1], mask[0], mask[-1] = _picture(), 1 - _picture(), 0, 0
        out = nodes_wan.WanVaceToVideo.execute(
            positive, negative, vae, *size, 1.0, control_video=video, control_masks=mask
        )
        return out.args[:3]
    if TAKES_PICTURES[name] == "concat":
        seen = load(files.CLIP_VISION).encode_image(_picture()) if name == files.I2V_21 else None
        return nodes_wan.WanFirstLastFrameToVideo.execute(
            positive, negative, vae, *size, start_image=_picture(), end_image=1 - _picture(),
            clip_vision_start_image=seen,
        ).args  # fmt: skip
    return positive, negative, {"samples": torch.zeros(LATENT)}


@pytest.mark.parametrize("steps", [2, 8])
@pytest.mark.parametrize("name", TAKES_PICTURES)
def test_sampling_stays_in_range_and_keeps_the_pictures(load, sample, name, steps):
    latents, pixels = sample(name, steps)
    assert latents.shape == LATENT
    assert pixels.shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert latents.isfinite().all()
    assert pixels.isfinite().all()
    assert 0.1 < latents.std() < 1.5
    if TAKES_PICTURES[name]:
        assert (pixels[0] - _picture()).abs().mean() < 0.12
        assert (pixels[-1] - (1 - _picture())).abs().mean() < 0.12
        assert (pixels[FRAMES // 2] - _picture()).abs().mean() > 0.2


@pytest.mark.parametrize("name", TAKES_PICTURES)
def test_prompt_matters(sample, name):
    one, other = (sample(name, prompt=prompt)[0] for prompt in ("a cat walks left", "a red star in the snow"))
    assert (one - other).abs().mean() > 0.02


def test_more_steps_change_little(sample):
    few, many = (sample(files.I2V_HIGH, steps)[1] for steps in (4, 16))
    assert (few - many).abs().mean() < 0.06


def test_the_two_experts_differ(sample):
    high, low = (sample(name)[0] for name in (files.I2V_HIGH, files.I2V_LOW))
    assert (high - low).abs().mean() > 0.05


def test_checkpoint_keys_are_those_the_host_writes(load, tmp_path):
    import comfy.sd
    from safetensors import safe_open

    saved = tmp_path / "saved.safetensors"
    comfy.sd.save_checkpoint(str(saved), *load(files.AIO_MEGA))
    with safe_open(saved, "pt") as written:
        theirs = {key: written.get_slice(key).get_shape() for key in written.keys()}  # noqa: SIM118
    made = next(file for file in files.FILES if file.name == files.AIO_MEGA).make()
    assert theirs == {key: list(tensor.shape) for key, tensor in made.items()}


def test_files_are_the_same_when_made_twice(tmp_path):
    for folder in ("one", "two"):
        files.ensure(tmp_path / folder)
    for file in files.FILES:
        one, two = ((tmp_path / folder / file.relative).read_bytes() for folder in ("one", "two"))
        assert one == two, file.name


def test_stale_files_are_made_anew_and_installed(tmp_path):
    cache = files.ensure(tmp_path / "cache")
    good = (cache / "vae" / files.VAE).read_bytes()
    (cache / "vae" / files.VAE).write_bytes(b"old")
    (cache / "fingerprint.txt").write_text("old", encoding="utf-8")
    installed = files.install(cache, tmp_path / "models")
    assert (tmp_path / "models" / "vae" / files.VAE).read_bytes() == b"old"
    assert installed == files.install(files.ensure(cache), tmp_path / "models")
    assert (tmp_path / "models" / "vae" / files.VAE).read_bytes() == good
