"""InfiniteTalk's windows with the host's own VAE and conditioning: equal to the host's node where that is right."""

from __future__ import annotations

import copy
from fractions import Fraction
from types import SimpleNamespace

import pytest
import torch
from genga.errors import InputError

SIZE = {"width": 48, "height": 32}
FRAMES = 21


class FakeSpeech:
    """What ``speech.analyse`` gives: row i is filled with i."""

    def __init__(self, frames: int, digest: str = "speech"):
        self.frames, self.seconds, self.digest, self.notes = frames, frames / 25, digest, (f"{digest} was read.",)

    def rows(self, indices):
        return indices.clamp(0, self.frames - 1).float()[..., None, None].expand(*indices.shape, 12, 768)


@pytest.fixture(scope="module")
def talk(models):
    from genga.conditioning import talk

    return talk


@pytest.fixture(scope="module")
def planning(models):
    from genga.samplers.windows import plan

    return plan


@pytest.fixture
def person(talk, vae, pictures):
    from genga.conditioning.talk_pictures import Still

    def make(**more):
        fields = {"vae": vae, "picture": Still(pictures[1]), "speeches": (FakeSpeech(60),), **SIZE} | more
        return talk.Talk(**fields)

    return make


def vision(value: float = 0.0):
    return SimpleNamespace(penultimate_hidden_states=torch.full((1, 257, 1280), value))


def converted(prompts) -> dict[str, list]:
    """As CFGGuider keeps conditioning, with a name of the audio guidance beside."""
    from comfy.sampler_helpers import convert_cond

    positive, negative = map(convert_cond, prompts)
    return {"positive": positive, "negative": negative, "silent_positive": positive, "silent_negative": negative}


def values(conditioning) -> dict:
    (entry,) = conditioning
    return entry[1]


# beside the host's node, which 0.3.75 lacks


@pytest.fixture
def host_window(models, vae, prompts, monkeypatch):
    """``host_window(start_image, masks, previous)`` -> what the host's node puts into conditioning and model."""
    from comfy_extras import nodes_wan

    node = getattr(nodes_wan, "WanInfiniteTalkToVideo", None)
    if node is None:
        pytest.skip("this host has no InfiniteTalk")
    monkeypatch.setattr(nodes_wan, "project_audio_features", lambda *args: torch.zeros(1))
    monkeypatch.setattr(nodes_wan, "MultiTalkCrossAttnPatch", lambda *args: None)
    heard = {"encoded_audio_all_layers": [torch.zeros(1, 100, 768)] * 13}

    class Model:
        def __init__(self):
            self.model_options, self.wrappers, self.patches = {"transformer_options": {}}, [], {}

        def clone(self):
            return self

        def model_dtype(self):
            return torch.float32

        def add_wrapper_with_key(self, kind, key, wrapper):
            self.wrappers.append(wrapper)

        def set_model_patch(self, patch, name):
            self.patches[name] = patch

    def run(start_image, masks=None, previous=None):
        mode = {"mode": "single_speaker"}
        if masks is not None:
            mode = {"mode": "two_speakers", "audio_encoder_output_2": heard, "mask_1": masks[0], "mask_2": masks[1]}
        model_patch = SimpleNamespace(model=SimpleNamespace(audio_proj=None))
        out = node.execute(
            mode, Model(), model_patch, *prompts, vae, SIZE["width"], SIZE["height"], FRAMES, heard, 9,
            start_image=start_image, previous_frames=previous, audio_scale=1.0, clip_vision_output=vision(),
        ).args  # fmt: skip
        return SimpleNamespace(positive=values(out[1]), latent=out[3]["samples"], model=out[0])

    return run


def test_the_first_window_is_the_hosts_bit_for_bit(host_window, person, planning, pictures, prompts):
    theirs = host_window(pictures[1])
    ours = person(clip_vision=vision()).show(planning.make(50, FRAMES, 9).windows[0], None)
    (entry,) = ours.edit("positive", converted(prompts)["positive"])
    for key in ("concat_latent_image", "concat_mask"):
        assert torch.equal(entry[key], theirs.positive[key]) and entry[key].dtype == theirs.positive[key].dtype, key
    assert torch.equal(
        entry["clip_vision_output"].penultimate_hidden_states,
        theirs.positive["clip_vision_output"].penultimate_hidden_states,
    )
    assert ours.latent_shape == tuple(theirs.latent.shape)
    assert torch.equal(ours.head, theirs.model.wrappers[0].motion_frames_latent)


@pytest.mark.parametrize("shape", [(32, 48), (40, 90)])
def test_a_later_windows_head_is_the_hosts_bit_for_bit(host_window, person, planning, pictures, shape):
    previous = torch.rand(FRAMES, *shape, 3, generator=torch.Generator().manual_seed(3))
    theirs = host_window(pictures[1], previous=previous)
    carried = SimpleNamespace(frames=previous[-9:], latent=None, anchor=previous[:1])
    ours = person().show(planning.make(50, FRAMES, 9).windows[1], carried)
    assert torch.equal(ours.head, theirs.model.wrappers[0].motion_frames_latent)


def halves(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    one, two = torch.zeros(1, height, width), torch.zeros(1, height, width)
    one[:, :, : width // 3], two[:, :, -width // 3 :] = 1.0, 0.3
    return one, two


@pytest.mark.parametrize("shape", [(32, 48), (64, 96), (50, 75)])
def test_masks_of_the_videos_shape_are_the_hosts(host_window, pictures, shape):
    from genga.conditioning.talk_masks import speaker_classes

    masks = halves(*shape)
    theirs = host_window(pictures[1], masks).model.patches["attn1_patch"].ref_target_masks
    ours = speaker_classes(*masks, **SIZE)
    assert torch.equal(ours[0, :2].flatten(1).bool(), theirs)


# masks


def test_every_token_is_one_speaker_or_background(models):
    from genga.conditioning.talk_masks import speaker_classes

    classes = speaker_classes(*halves(320, 480), width=480, height=320)
    assert classes.shape == (1, 3, 20, 30)
    assert torch.equal(classes.sum(1), torch.ones(1, 20, 30))
    assert classes.sum((0, 2, 3)).tolist() == [200.0, 200.0, 200.0]


def test_a_mask_of_the_pictures_shape_is_cropped_with_the_picture(models):
    from genga.conditioning.talk_masks import speaker_classes

    one, two = torch.zeros(1, 64, 256), torch.zeros(1, 64, 256)
    one[:, :, 96:128], two[:, :, 128:160] = 1.0, 1.0  # of a picture twice as wide as the video, left of its middle
    classes = speaker_classes(one, two, width=128, height=64)
    assert classes[0, 0, 0].tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    assert classes[0, 1, 0].tolist() == [0, 0, 0, 0, 1, 1, 0, 0]


def test_masks_that_overlap_or_are_cropped_away_are_told(models):
    from genga.conditioning.talk_masks import speaker_classes

    whole, corner = torch.ones(1, 64, 256), torch.zeros(1, 64, 256)
    corner[:, :, :8] = 1.0
    with pytest.raises(InputError, match="mask_2: it overlaps mask_1"):
        speaker_classes(whole, whole, 128, 64)
    with pytest.raises(InputError, match="mask_2: nothing of it is left"):
        speaker_classes(whole, corner, 128, 64)


# conditioning


def test_speech_goes_to_all_and_silence_to_the_silent(person, planning, prompts):
    shown = person(speeches=(FakeSpeech(60), FakeSpeech(60)), speakers=torch.ones(1, 3, 2, 3), audio_scale=0.5)
    shown = shown.show(planning.make(50, FRAMES, 9).windows[1], SimpleNamespace(frames=torch.rand(9, 32, 48, 3)))
    for name, conds in converted(prompts).items():
        (entry,) = shown.edit(name, conds)
        spoken = entry["model_conds"]
        assert spoken["genga_audio_scale"].cond == 0.5
        if name.startswith("silent"):
            assert spoken["genga_audio"].cond.shape == (1, 1, FRAMES, 5, 12, 768)
            assert not spoken["genga_audio"].cond.any() and "genga_speakers" not in spoken
        else:
            assert spoken["genga_audio"].cond.shape == (1, 2, FRAMES, 5, 12, 768)
            assert spoken["genga_audio"].cond[0, 1, :, 2, 0, 0].tolist() == list(range(12, 12 + FRAMES))
            assert spoken["genga_speakers"].cond.shape == (1, 3, 2, 3)


def test_the_sound_of_a_window_is_that_of_its_place_whatever_is_carried(person, planning):
    """The host's node counts from the frames it is given, and begins anew with a tail alone."""
    window, one = planning.make(50, FRAMES, 9).windows[2], person()
    heard = []
    for count in (9, 9 + 2 * 12):
        shown = one.show(window, SimpleNamespace(frames=torch.rand(count, 32, 48, 3)))
        (entry,) = shown.edit("positive", [{"model_conds": {}}])
        heard.append(entry["model_conds"]["genga_audio"].cond)
    assert torch.equal(*heard)
    first = 2 * (FRAMES - 9)
    assert heard[0][0, 0, :, 2, 0, 0].tolist() == list(range(first, first + FRAMES))


def test_nothing_of_the_guider_is_changed(person, planning, prompts):
    import comfy.conds

    conds = converted(prompts)["positive"]
    conds[0]["model_conds"]["other"] = comfy.conds.CONDConstant(7)
    before = copy.copy(conds[0]), dict(conds[0]["model_conds"])
    from genga.conditioning.sections import Section

    one = person(chain=(Section(0.0, prompts[1]),))
    (entry,) = one.show(planning.make(50, FRAMES, 9).windows[0], None).edit("positive", conds)
    assert entry["model_conds"]["other"].cond == 7
    assert (conds[0], conds[0]["model_conds"]) == before
    assert values(prompts[1]) == {} and list(prompts[1][0][1]) == []


def test_a_sections_prompt_replaces_what_ends_in_positive(person, planning, prompts):
    from genga.conditioning.sections import Section

    other = [[torch.ones(1, 3, 4096), {"pooled_output": "p"}], [torch.zeros(1, 3, 4096), {"strength": 0.5}]]
    one = person(chain=(Section(0.84, other),))
    plan = planning.make(50, FRAMES, 9)
    conds = converted(prompts)
    conds["positive"][0] |= {"control": "a ControlNet", "pooled_output": "old", "strength": 0.2}
    shown = one.show(plan.windows[1], SimpleNamespace(frames=torch.rand(9, 32, 48, 3)))
    for name in ("positive", "silent_positive"):
        edited = shown.edit(name, conds[name])
        assert all(torch.equal(entry["cross_attn"], given[0]) for entry, given in zip(edited, other, strict=True))
        assert edited[0]["pooled_output"] == "p" and "pooled_output" not in edited[1]
        assert "strength" not in edited[0] and edited[1]["strength"] == 0.5
        assert all(entry["control"] == "a ControlNet" and "concat_mask" in entry for entry in edited)
    for name in ("negative", "silent_negative"):
        assert torch.equal(shown.edit(name, conds[name])[0]["cross_attn"], prompts[1][0][0])
    first = one.show(plan.windows[0], None).edit("positive", conds["positive"])
    assert torch.equal(first[0]["cross_attn"], prompts[0][0][0])


def test_the_values_reach_the_model_through_the_hosts_own_encoding(person, planning, prompts, load_model, tiny):
    """Batched with the negative prompt, as the host does it when there is memory."""
    import comfy.samplers

    model = load_model(tiny.files.I2V_21)
    seen = {}
    diffusion = model.model.diffusion_model
    original = diffusion.forward

    def forward(x, *args, **kwargs):
        seen.update(kwargs, x=x)
        return original(x, *args, **kwargs)

    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(*prompts)
    guider.set_cfg(3.0)
    shown = person(clip_vision=vision(0.1)).show(planning.make(50, FRAMES, 9).windows[0], None)
    guider.original_conds = {name: shown.edit(name, conds) for name, conds in guider.original_conds.items()}
    clone = model.clone()
    clone.add_object_patch("diffusion_model.forward", forward)
    guider.model_patcher = clone
    noise = torch.zeros(shown.latent_shape)
    guider.sample(noise, torch.zeros_like(noise), comfy.samplers.sampler_object("euler"), torch.tensor([1.0, 0.0]))
    assert seen["x"].shape[0] == 2
    assert seen["genga_audio"].shape == (2, 1, FRAMES, 5, 12, 768)
    assert seen["genga_audio_scale"] == 1.0


# the nodes


@pytest.fixture
def node(models, monkeypatch):
    from genga.nodes import talking

    read = []

    def analyse(audio, encoder, cache=None, tell=None, name="audio"):
        read.append(audio)
        frames = int(Fraction(audio["waveform"].shape[-1] * 25, audio["sample_rate"]))
        return FakeSpeech(frames)

    def pair(audio, audio_2, mode, encoder, cache=None, tell=None):
        read.extend((audio, audio_2))
        frames = [int(Fraction(each["waveform"].shape[-1] * 25, each["sample_rate"])) for each in (audio, audio_2)]
        total = sum(frames) if mode == "add" else max(frames)
        return FakeSpeech(total), FakeSpeech(total, "second")

    monkeypatch.setattr(talking.speech, "analyse", analyse)
    monkeypatch.setattr(talking.speech_pair, "analyse", pair)
    talking.read = read
    return talking


def audio(seconds: float, rate: int = 800, value: float = 0.1) -> dict:
    return {"waveform": torch.full((1, 1, round(seconds * rate)), value), "sample_rate": rate}


def run(node, vae, image, sound, **more):
    inputs = {"length": 0, "frame_window": 81, "motion_frames": 9, "audio_scale": 1.0, **SIZE} | more
    return node.InfiniteTalkWindow.execute(vae, image, sound, None, **inputs)


def said(result) -> str:
    return "\n".join(result.ui["text"])


def test_the_speech_sets_the_length(node, vae, pictures):
    result = run(node, vae, pictures[1], audio(6.45))
    windows, frames, count = result.args
    assert (frames, count) == (161, 3) == (windows.plan.length, len(windows.plan.windows))
    assert "161 frames, 3 windows of 81 (9 shared)" in said(result)
    assert "speech was read." in said(result) and "the audio lasts 6.44 s, the video 6.44 s" in said(result)
    assert windows.fps == 25 and windows.carried is None
    assert windows.audio["waveform"].shape[-1] == 5160
    assert (windows.provider.width, windows.provider.height) == (48, 32)
    shown = windows.provider.show(windows.plan.windows[0], None)
    assert shown.latent_shape == (1, 16, 21, 4, 6)


def test_a_clip_shorter_than_a_window_is_one_full_window(node, vae, pictures):
    windows, frames, count = run(node, vae, pictures[1], audio(1.0)).args
    (window,) = windows.plan.windows
    assert (frames, count, window.frames, window.stop) == (25, 1, 81, 25)


def test_a_given_length_overrules_the_speech(node, vae, pictures):
    longer = run(node, vae, pictures[1], audio(2.0), length=100)
    assert longer.args[1] == 100 and "50 frames longer than the audio" in said(longer)
    shorter = run(node, vae, pictures[1], audio(20.0), length=33)
    assert shorter.args[1] == 33 and "longer than the audio" not in said(shorter)


def test_the_numbers_of_the_first_guide_are_accepted_with_a_warning(node, vae, pictures):
    result = run(node, vae, pictures[1], audio(8.0), frame_window=77, motion_frames=4)
    windows = result.args[0]
    assert (windows.plan.window, windows.plan.overlap) == (77, 5)
    for part in ("4 becomes 5", "trained on 81", "9 carry the movement"):
        assert part in said(result)


def test_two_speakers(node, vae, pictures):
    masks = dict(zip(("mask_1", "mask_2"), halves(32, 48), strict=True))
    para = run(node, vae, pictures[1], audio(4.0), audio_2=audio(3.0), **masks)
    assert para.args[1] == 100 and "audio_2 ends 1.00 s before" in said(para)
    add = run(node, vae, pictures[1], audio(4.0), audio_2=audio(3.0), two_speakers="add", **masks)
    windows, frames, _ = add.args
    assert frames == 175 and windows.audio["waveform"].shape[-1] == 175 * 32
    shown = windows.provider.show(windows.plan.windows[0], None)
    (entry,) = shown.edit("positive", [{"cross_attn": torch.zeros(1, 2, 8), "model_conds": {}}])
    assert entry["model_conds"]["genga_audio"].cond.shape[1] == 2
    assert entry["model_conds"]["genga_speakers"].cond.shape == (1, 3, 2, 3)


def test_sections_are_placed_and_told_of(node, vae, pictures, prompts):
    from genga.nodes.sections import Sections

    (chain,) = Sections.execute(3.0, positive=prompts[1]).args
    (chain,) = Sections.execute(1.0, image=pictures[2], sections=chain).args
    assert [section.start for section in chain] == [1.0, 3.0]
    result = run(node, vae, pictures[1], audio(6.45), sections=chain)
    assert "section at 3 s: it begins at 3.24 s, with window 2" in said(result)


def test_a_video_is_taken_by_time(node, vae, host, tmp_path):
    from comfy_api.latest import InputImpl
    from genga.media.video import VideoWriter

    path = tmp_path / "pan.mp4"
    with VideoWriter(path, Fraction(10), crf=0) as writer:
        for i in range(40):
            writer.write(torch.full((1, 64, 64, 3), (i + 2) / 44))
    windows = run(node, vae, InputImpl.VideoFromFile(str(path)), audio(6.45), reference_by="time").args[0]
    for window in windows.plan.windows:
        held = windows.provider.picture(Fraction(window.first, 25))
        index = min(int(window.first / 25 * 10), 39)
        assert abs(float(held.mean()) - (index + 2) / 44) < 0.006
    fixed = run(node, vae, InputImpl.VideoFromFile(str(path)), audio(6.45))
    assert "start_image is a video: its first frame is used" in said(fixed)


def test_a_trimmed_video_keeps_inside_its_trim(node, vae, tmp_path):
    from comfy_api.latest import InputImpl
    from genga.media.video import VideoWriter

    path = tmp_path / "pan.mp4"
    with VideoWriter(path, Fraction(10), crf=0) as writer:
        for i in range(40):
            writer.write(torch.full((1, 64, 64, 3), (i + 2) / 44))
    try:
        video = InputImpl.VideoFromFile(str(path), start_time=1.0, duration=2.0)
    except TypeError:
        pytest.skip("this host cannot trim")
    picture = run(node, vae, video, audio(6.45), reference_by="time").args[0].provider.picture
    for seconds, index in ((0, 10), (1, 20), (5, 29)):
        assert abs(float(picture(Fraction(seconds)).mean()) - (index + 2) / 44) < 0.006


BAD = {
    "width": {"width": 50},
    "height": {"height": 8},
    "length": {"length": -1},
    "frame_window": {"frame_window": 0},
    "motion_frames": {"motion_frames": 81},
    "audio_scale": {"audio_scale": float("nan")},
    "two_speakers": {"two_speakers": "both"},
    "reference_by": {"reference_by": "index"},
    "reference_fps": {"reference_by": "time", "reference_fps": 0.0},
    "start_image": {"start_image": None},
    "mask_1": {"mask_1": torch.ones(1, 32, 48)},
    "mask_2": {"mask_1": torch.ones(1, 32, 48), "mask_2": torch.ones(1, 32, 48), "audio_2": audio(1.0)},
    "sections": {"sections": "a prompt"},
    "vae": {"vae": None},
    "clip_vision_output": {"clip_vision_output": SimpleNamespace(penultimate_hidden_states=torch.zeros(1, 257, 1024))},
}


@pytest.mark.parametrize("name", BAD)
def test_bad_inputs_are_told_before_anything_is_read_or_encoded(node, vae, pictures, name):
    more = dict(BAD[name])
    image, vae = more.pop("start_image", pictures[1]), more.pop("vae", vae)
    with pytest.raises(InputError) as caught:
        run(node, vae, image, audio(6.45), **more)
    assert caught.value.input_name == name
    assert node.read == []


def test_a_real_encoder_gives_as_many_frames_as_the_sound_has(models, tiny, vae, pictures):
    from comfy_extras.nodes_audio_encoder import AudioEncoderLoader
    from genga.nodes import talking

    encoder = AudioEncoderLoader.execute(tiny.files.AUDIO_ENCODER).args[0]
    noise = torch.randn(1, 2, 11025, generator=torch.Generator().manual_seed(0)) * 0.1
    sound = {"waveform": noise, "sample_rate": 11025}
    result = talking.InfiniteTalkWindow.execute(vae, pictures[1], sound, encoder, 48, 32, 0, 21, 9, 1.0)
    windows, frames, count = result.args
    assert (frames, count) == (25, 2)
    shown = windows.provider.show(windows.plan.windows[0], None)
    (entry,) = shown.edit("positive", [{"model_conds": {}}])
    assert entry["model_conds"]["genga_audio"].cond.shape == (1, 1, 21, 5, 12, 768)
    assert torch.isfinite(entry["model_conds"]["genga_audio"].cond).all()


# through the engine


@pytest.fixture
def engine(models):
    from genga.samplers.windows import engine, provider, store

    return SimpleNamespace(engine=engine, provider=provider, store=store)


def test_another_prompt_for_a_late_window_reuses_those_before(
    engine, planning, person, prompts, vae, load_model, tiny, tmp_path
):
    import comfy.samplers
    from genga.conditioning.sections import Section
    from genga_tests.tools.windowed import Silent, exact

    guider = comfy.samplers.CFGGuider(load_model(tiny.files.I2V_21))
    guider.set_conds(*prompts)
    plan = planning.make(21, 9, 5)  # windows add frames from 0, 9, 13 and 17 on
    euler, sigmas = comfy.samplers.sampler_object("euler"), torch.tensor([1.0, 0.5, 0.0])

    def run(store, *chain):
        one = person(clip_vision=vision(0.1), chain=chain)
        windows = engine.provider.Windows(plan, one, Fraction(25))
        job = engine.engine.Job(guider, euler, sigmas, vae, windows, 5)
        return engine.engine.run(job, store, Silent(), exact)

    with engine.store.Store(tmp_path) as store:
        first = run(store)
        second = run(store, Section(13 / 25, prompts[1]))
        assert (first.reused, second.reused) == (0, 2)
        assert not torch.equal(first.carried.latent, second.carried.latent)
        third = run(store, Section(13 / 25, prompts[1]))
        assert third.reused == 4 and torch.equal(third.carried.latent, second.carried.latent)
