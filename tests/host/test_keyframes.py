"""Key frames against the host's own nodes and the references' formulas, with the real VAE class."""

from __future__ import annotations

import json

import pytest
import torch
from genga.errors import InputError
from PIL import Image

SIZE = {"width": 32, "height": 32, "length": 17, "batch_size": 1}


@pytest.fixture(scope="module")
def nodes(models):
    from genga.nodes import keyframes

    return keyframes


@pytest.fixture(scope="module")
def wan(models):
    from comfy_extras import nodes_wan

    return nodes_wan


def run(node, *args, **kwargs):
    return node.execute(*args, **kwargs).args


def values(conditioning) -> dict:
    (entry,) = conditioning
    return entry[1]


def same(ours, theirs, *keys):
    for key in keys:
        assert torch.equal(values(ours)[key], values(theirs)[key]), key


@pytest.mark.parametrize("ends", ["first", "last", "both", "none"])
def test_fflf_is_the_hosts_first_last_frame_bit_for_bit(nodes, wan, vae, prompts, pictures, ends):
    first = pictures[1] if ends in ("first", "both") else None
    last = pictures[2] if ends in ("last", "both") else None
    theirs = run(wan.WanFirstLastFrameToVideo, *prompts, vae, start_image=first, end_image=last, **SIZE)
    ours = run(nodes.WanFFLF, *prompts, vae, first_image=first, last_image=last, **SIZE)
    for mine, host in zip(ours[:2], theirs[:2], strict=True):
        same(mine, host, "concat_latent_image", "concat_mask")
    assert torch.equal(ours[2]["samples"], theirs[2]["samples"])


def model_input(model, conditioning) -> torch.Tensor:
    noise = torch.zeros(1, 16, 5, 4, 4)
    return model.model.concat_cond(noise=noise, device="cpu", **values(conditioning))


def test_one_picture_is_image_to_video_after_the_models_own_concat(
    nodes, wan, vae, prompts, pictures, load_model, tiny
):
    model = load_model(tiny.files.I2V_HIGH)
    theirs = run(wan.WanImageToVideo, *prompts, vae, start_image=pictures[1], **SIZE)
    ours = run(nodes.WanFFLF, *prompts, vae, first_image=pictures[1], **SIZE)
    assert torch.equal(model_input(model, ours[0]), model_input(model, theirs[0]))


def chain(nodes, *entries):
    keyframes = None
    for image, frame, extra in entries:
        (keyframes,) = run(nodes.Keyframe, image, frame, keyframes=keyframes, **extra)
    return keyframes


def test_keyframes_at_both_ends_are_first_and_last_frame(nodes, wan, vae, prompts, pictures):
    keyframes = chain(nodes, (pictures[2], -1, {}), (pictures[1], 0, {}))
    theirs = run(wan.WanFirstLastFrameToVideo, *prompts, vae, start_image=pictures[1], end_image=pictures[2], **SIZE)
    ours = run(nodes.ArbitraryKeyframes, *prompts, vae, keyframes=keyframes, **SIZE)
    same(ours[0], theirs[0], "concat_latent_image", "concat_mask")


def test_five_keyframes_are_what_anisora_is_shown(nodes, vae, prompts, pictures):
    """AniSora V3.2 wan/image2video.py: grey clip, pictures at their frames, one encode, ones at those rows."""
    frames = [0, 8, 16]
    keyframes = chain(nodes, *[(p, f, {}) for p, f in zip(pictures[:3], frames, strict=True)])
    ours = run(nodes.ArbitraryKeyframes, *prompts, vae, keyframes=keyframes, fit="stretch", snap="anisora", **SIZE)
    clip = torch.full((17, 32, 32, 3), 0.5)
    known = torch.zeros(1, 17, 4, 4)
    for picture, frame in zip(pictures[:3], frames, strict=True):
        small = torch.nn.functional.interpolate(picture.movedim(-1, 1), size=(32, 32), mode="bicubic")
        clip[frame] = small[0].movedim(0, -1)
        known[:, frame] = 1
    known = torch.concat([torch.repeat_interleave(known[:, 0:1], 4, dim=1), known[:, 1:]], dim=1)
    known = known.view(1, 5, 4, 4, 4).transpose(1, 2)
    assert torch.equal(values(ours[0])["concat_mask"], 1 - known)
    assert torch.equal(values(ours[0])["concat_latent_image"], vae.encode(clip))


def test_strength_zero_is_absence_bit_for_bit(nodes, vae, prompts, pictures):
    with_it = chain(nodes, (pictures[0], 0, {}), (pictures[1], 8, {"strength": 0.0}))
    without = chain(nodes, (pictures[0], 0, {}))
    ours = run(nodes.ArbitraryKeyframes, *prompts, vae, keyframes=with_it, **SIZE)
    theirs = run(nodes.ArbitraryKeyframes, *prompts, vae, keyframes=without, **SIZE)
    same(ours[0], theirs[0], "concat_latent_image", "concat_mask")


def test_strength_between_scales_the_mask_only(nodes, vae, prompts, pictures):
    exact = run(nodes.WanFFLF, *prompts, vae, first_image=pictures[0], **SIZE)
    loose = run(nodes.WanFFLF, *prompts, vae, first_image=pictures[0], first_strength=0.25, **SIZE)
    same(loose[0], exact[0], "concat_latent_image")
    mask = values(loose[0])["concat_mask"]
    assert torch.all(mask[:, :, 0] == 0.75)
    assert torch.all(mask[:, :, 1:] == 1.0)


def test_strength_per_expert_reaches_each_expert_only(nodes, vae, prompts, pictures):
    ours = run(nodes.WanFFLF, *prompts, vae, first_image=pictures[0], first_strength_low=0.0, **SIZE)
    absent = run(nodes.WanFFLF, *prompts, vae, **SIZE)
    exact = run(nodes.WanFFLF, *prompts, vae, first_image=pictures[0], **SIZE)
    high, low = ours[0]
    assert high[1]["timestep_end"] == pytest.approx(0.9)
    assert low[1]["timestep_start"] < high[1]["timestep_end"]
    same([high], exact[0], "concat_latent_image", "concat_mask")
    same([low], absent[0], "concat_latent_image", "concat_mask")


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_a_spatial_mask_greys_the_picture_and_frees_the_mask(nodes, vae, prompts, pictures, fit):
    mask = torch.zeros(1, 32, 32)
    mask[:, :, :16] = 1.0
    keyframes = chain(nodes, (pictures[0], 8, {"mask": mask}))
    ours = run(nodes.ArbitraryKeyframes, *prompts, vae, keyframes=keyframes, fit=fit, **SIZE)
    clip = torch.full((17, 32, 32, 3), 0.5)
    clip[8, :, :16] = pictures[0][0, :, :16]
    assert torch.allclose(values(ours[0])["concat_latent_image"], vae.encode(clip), atol=1e-5)
    given = values(ours[0])["concat_mask"][0, 3, 2]
    assert torch.all(given[:, :2] == 0.0)
    assert torch.all(given[:, 2:] == 1.0)


def test_pad_leaves_the_borders_to_the_model(nodes, vae, prompts):
    wide = torch.ones(1, 16, 32, 3)
    ours = run(nodes.WanFFLF, *prompts, vae, first_image=wide, fit="pad", **SIZE)
    given = values(ours[0])["concat_mask"][0, 0, 0]
    assert torch.all(given[1:3] == 0.0)
    assert torch.all(given[:1] == 1.0)
    assert torch.all(given[3:] == 1.0)


def test_noise_aug_is_seeded_and_only_on_the_picture(nodes, vae, prompts, pictures):
    def latent(seed, amount=0.1):
        out = run(nodes.WanFFLF, *prompts, vae, first_image=pictures[0], noise_aug=amount, noise_aug_seed=seed, **SIZE)
        return values(out[0])["concat_latent_image"]

    assert torch.equal(latent(1), latent(1))
    assert not torch.equal(latent(1), latent(2))
    assert torch.equal(latent(1, 0.0), latent(2, 0.0))


def test_vace_equals_the_hosts_node_fed_with_held_frames_and_locks_what_it_does_not(nodes, wan, vae, prompts, pictures):
    ours = run(nodes.WanFFLF, *prompts, vae, first_image=pictures[0], last_image=pictures[3], control="vace", **SIZE)
    video = torch.full((17, 32, 32, 3), 0.5)
    video[0], video[13:17] = pictures[0][0], pictures[3][0]
    masks = torch.ones(17, 32, 32)
    masks[0], masks[13:17] = 0.0, 0.0
    theirs = run(wan.WanVaceToVideo, *prompts, vae, strength=1.0, control_video=video, control_masks=masks, **SIZE)
    assert torch.equal(values(ours[0])["vace_frames"][0], values(theirs[0])["vace_frames"][0])
    assert values(ours[0])["vace_strength"] == values(theirs[0])["vace_strength"]
    mine, host = values(ours[0])["vace_mask"][0], values(theirs[0])["vace_mask"][0]
    assert mine.shape == host.shape
    locked = [t for t in range(5) if torch.all(mine[:, :, t] == 0.0)]
    assert locked == [0, 4]
    # The host's own sampling in time misses the first picture: of 17 frames it reads 1, 5, 8, 11 and 15.
    assert not torch.all(host[:, :, 0] == 0.0)


def test_clip_vision_is_joined_as_the_host_joins_it(nodes, wan, vae, prompts, pictures):
    import comfy.clip_vision

    tokens = []
    for seed in (1, 2):
        output = comfy.clip_vision.Output()
        output["penultimate_hidden_states"] = torch.randn(1, 257, 1280, generator=torch.Generator().manual_seed(seed))
        tokens.append(output)
    theirs = run(
        wan.WanFirstLastFrameToVideo, *prompts, vae, start_image=pictures[0], end_image=pictures[3],
        clip_vision_start_image=tokens[0], clip_vision_end_image=tokens[1], **SIZE,
    )  # fmt: skip
    ours = run(
        nodes.WanFFLF, *prompts, vae, first_image=pictures[0], last_image=pictures[3], clip_vision_first=tokens[0],
        clip_vision_last=tokens[1], **SIZE,
    )  # fmt: skip
    mine, host = (values(out[0])["clip_vision_output"].penultimate_hidden_states for out in (ours, theirs))
    assert torch.equal(mine, host)


def test_lengths_are_rounded_up_and_said(nodes, vae, prompts, pictures):
    out = nodes.WanFFLF.execute(*prompts, vae, first_image=pictures[0], **(SIZE | {"length": 16}))
    assert out.args[2]["samples"].shape[2] == 5
    assert "length 16: 17 frames used" in out.ui["text"][0]


def test_start_video_becomes_the_latent(nodes, vae, prompts, pictures):
    video = torch.rand(9, 32, 32, 3, generator=torch.Generator().manual_seed(5))
    out = nodes.WanFFLF.execute(*prompts, vae, first_image=pictures[0], start_video=video, **(SIZE | {"batch_size": 2}))
    held = torch.cat((video, video[-1:].expand(8, -1, -1, -1)))
    assert torch.equal(out.args[2]["samples"], vae.encode(held).repeat(2, 1, 1, 1, 1))
    assert "9 frames for a length of 17: last frame held" in " ".join(out.ui["text"])


@pytest.fixture
def timeline_pictures(host):
    folder = host.input / "timeline"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(2):
        Image.new("RGB", (32, 32), (255 * number, 0, 0)).save(folder / f"{number}.png")
    half = Image.new("L", (32, 32), 0)
    half.paste(255, (0, 0, 16, 32))
    half.save(folder / "mask.png")

    def reference(name):
        return {"name": name, "subfolder": "timeline", "type": "input"}

    return reference


def timeline(*entries) -> str:
    return json.dumps({"version": 1, "keyframes": list(entries)})


def test_timeline_and_wires_are_merged(nodes, vae, prompts, timeline_pictures):
    black, red = torch.zeros(1, 32, 32, 3), torch.tensor([1.0, 0.0, 0.0]).expand(1, 32, 32, 3)
    mask = torch.zeros(1, 32, 32)
    mask[:, :, :16] = 1.0
    wired = chain(nodes, (black, 0, {}), (red, 8, {"strength": 0.5, "mask": mask}))
    text = timeline(
        {"frame": 8, "image": timeline_pictures("1.png"), "strength": 0.5, "mask": timeline_pictures("mask.png")}
    )
    theirs = run(nodes.ArbitraryKeyframes, *prompts, vae, keyframes=wired, **SIZE)
    ours = run(nodes.ArbitraryKeyframes, *prompts, vae, keyframes=chain(nodes, (black, 0, {})), timeline=text, **SIZE)
    same(ours[0], theirs[0], "concat_latent_image", "concat_mask")
    with pytest.raises(InputError, match="timeline keyframe 1 .*frame 8|keyframe 2 and timeline keyframe 1"):
        run(nodes.ArbitraryKeyframes, *prompts, vae, keyframes=wired, timeline=text, **SIZE)


def test_the_timeline_of_fflf_has_two_ends(nodes, vae, prompts, timeline_pictures):
    text = timeline(
        {"frame": 0, "image": timeline_pictures("0.png")}, {"frame": 16, "image": timeline_pictures("1.png")}
    )
    red = torch.tensor([1.0, 0.0, 0.0]).expand(1, 32, 32, 3)
    theirs = run(nodes.WanFFLF, *prompts, vae, first_image=torch.zeros(1, 32, 32, 3), last_image=red, **SIZE)
    ours = run(nodes.WanFFLF, *prompts, vae, timeline=text, **SIZE)
    same(ours[0], theirs[0], "concat_latent_image", "concat_mask")
    middle = timeline({"frame": 8, "image": timeline_pictures("0.png")})
    with pytest.raises(InputError, match="neither the first nor the last"):
        run(nodes.WanFFLF, *prompts, vae, timeline=middle, **SIZE)


def test_a_changed_file_changes_the_fingerprint(nodes, host, timeline_pictures):
    text = timeline({"frame": 8, "image": timeline_pictures("0.png")})
    before = nodes.ArbitraryKeyframes.fingerprint_inputs(timeline=text)
    Image.new("RGB", (16, 16)).save(host.input / "timeline" / "0.png")
    assert nodes.ArbitraryKeyframes.fingerprint_inputs(timeline=text) != before


@pytest.mark.parametrize(
    ("width", "height", "pixels", "expected"),
    [(1920, 1080, 832 * 480, (832, 464)), (1080, 1920, 832 * 480, (464, 832)), (64, 64, 512 * 512, (512, 512))],
)
def test_size_from_a_picture(models, width, height, pixels, expected):
    from genga.conditioning.fit import size_within
    from genga.nodes import size

    assert size_within(width, height, pixels) == expected
    out = size.SizeFromImage.execute(torch.zeros(1, height, width, 3), "custom", pixels / 1e6, enlarge=True)
    assert out.args == expected


def test_a_small_picture_is_enlarged_only_when_asked(models):
    from genga.nodes import size

    small = torch.zeros(1, 64, 96, 3)
    assert size.SizeFromImage.execute(small, "480p (832x480)").args == (96, 64)
    assert size.SizeFromImage.execute(small, "480p (832x480)", enlarge=True).args == (768, 512)
