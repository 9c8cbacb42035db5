"""WanAnimate's windows against the host's own node, and the two strengths."""

from __future__ import annotations

import copy
import gc
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from genga.errors import InputError
from genga_tests.tools import films
from genga_tests.tools.windowed import Silent, exact, frames_of
from hypothesis import given
from hypothesis import strategies as st

SIDE, SEED = 32, 5
LORA = "WanAnimate_relight_lora_fp16.safetensors"


@pytest.fixture(scope="module")
def rooms(models):
    from genga.conditioning import animate, drivers
    from genga.loaders import animate_patch
    from genga.nodes import animating
    from genga.samplers.windows import engine, fingerprint, plan, store

    return SimpleNamespace(
        animate=animate,
        drivers=drivers,
        animate_patch=animate_patch,
        animating=animating,
        engine=engine,
        fingerprint=fingerprint,
        plan=plan,
        store=store,
    )


@pytest.fixture(scope="module")
def true_model(load_model, tiny):
    return load_model(tiny.files.ANIMATE)


@pytest.fixture(scope="module")
def model(true_model):
    """With motion read off the face's pixels: the true encoder takes seconds a frame."""
    quick = true_model.clone()
    quick.add_object_patch("diffusion_model.motion_encoder.get_motion", glance)
    return quick


def glance(faces: torch.Tensor) -> torch.Tensor:
    """[n, 3, 512, 512] -> [n, 512]."""
    return faces.mean(1)[:, ::16, ::32].flatten(1)


@pytest.fixture(scope="module")
def shots():
    """Random drivers of 17 frames and a reference, by input name."""
    generator = torch.Generator().manual_seed(3)

    def rand(*shape):
        return torch.rand(*shape, generator=generator)

    return {
        "reference_image": rand(1, 40, 32, 3),
        "pose_video": rand(17, 32, 48, 3),
        "face_video": rand(17, 40, 40, 3),
        "background_video": rand(17, 32, 32, 3),
        "character_mask": (rand(17, 32, 32) > 0.5).float(),
    }


@pytest.fixture(scope="module")
def vision():
    import comfy.clip_vision

    output = comfy.clip_vision.Output()
    output.penultimate_hidden_states = torch.randn(1, 257, 1280, generator=torch.Generator().manual_seed(4))
    return output


@pytest.fixture
def store(rooms, tmp_path):
    with rooms.store.Store(tmp_path / "windows") as opened:
        yield opened


class Stage:
    """Runs our windows and the host's node on the same guider, solver and seed."""

    def __init__(self, rooms, vae, prompts, sigmas=(1.0, 0.7, 0.0), cfg=2.0):
        self.rooms, self.vae, self.prompts, self.cfg = rooms, vae, prompts, cfg
        self.sigmas = torch.tensor(sigmas)

    def node(self, model, wired, length, window, overlap, **more):
        """Our node: MODEL, windows, frames and count."""
        settings = {"pose_strength": 1.0, "face_strength": 1.0, "fps": 16.0} | more
        args = {"width": SIDE, "height": SIDE, "length": length, "frame_window": window, "overlap": overlap}
        return self.rooms.animating.WanAnimatePose.execute(model, self.vae, **wired, **args, **settings).args

    def guider(self, model, prompts=None):
        import comfy.samplers

        guider = comfy.samplers.CFGGuider(model)
        guider.set_conds(*(prompts or self.prompts))
        guider.set_cfg(self.cfg)
        return guider

    def job(self, model, windows, **more):
        import comfy.samplers

        euler = comfy.samplers.sampler_object("euler")
        return self.rooms.engine.Job(self.guider(model), euler, self.sigmas, self.vae, windows, SEED, **more)

    def run(self, model, windows, store, tell=None, **more):
        return self.rooms.engine.run(self.job(model, windows, **more), store, tell or Silent(), exact)

    def hosted(self, model, wired, window, seed, before=None, offset=0, most=5, correct=None):
        """The host's node, sampler and decoder: new frames, all frames, next offset."""
        import comfy.samplers
        from comfy_extras import nodes_wan
        from comfy_extras.nodes_custom_sampler import Noise_RandomNoise, SamplerCustomAdvanced

        import nodes

        made = nodes_wan.WanAnimateToVideo.execute(
            *self.prompts, self.vae, SIDE, SIDE, window, 1, most, offset, continue_motion=before, **wired
        ).args
        *conds, latent, reference, cut, offset = made
        if correct is not None:
            conds = [[[words, {**values, "concat_mask": correct}] for words, values in each] for each in conds]
        euler = comfy.samplers.sampler_object("euler")
        guider, noise = self.guider(model, conds), Noise_RandomNoise(seed)
        out = SamplerCustomAdvanced.execute(noise, guider, euler, self.sigmas, latent).args[0]
        latent = {"samples": out["samples"][:, :, reference:]}
        pixels = nodes.VAEDecode().decode(self.vae, latent)[0]
        return pixels[cut:], pixels, offset


@pytest.fixture(scope="module")
def stage(rooms, vae, prompts):
    return Stage(rooms, vae, prompts)


def only(shots, *names):
    return {name: shots[name] for name in ("reference_image", *names)}


ANIMATIONS = [("pose_video",), ("face_video",), ("pose_video", "face_video"), ("background_video",), ()]


@pytest.mark.parametrize("names", ANIMATIONS, ids="+".join)
def test_the_conditioning_is_the_hosts_to_the_last_bit(stage, rooms, shots, vision, prompts, model, names):
    import comfy.samplers
    from comfy_extras import nodes_wan

    wired = only(shots, *names) | {"clip_vision_output": vision}
    _, windows, *_ = stage.node(model, wired, 17, 9, 5)
    shown = windows.provider.show(windows.plan.windows[0], None)
    hosts = nodes_wan.WanAnimateToVideo.execute(*prompts, stage.vae, SIDE, SIDE, 9, 1, 5, 0, **wired).args
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(*hosts[:2])
    for name, prompt in zip(("positive", "negative"), prompts, strict=True):
        (theirs,) = guider.original_conds[name]
        (ours,) = shown.edit(name, [{"cross_attn": prompt[0][0], "model_conds": {}, "pose_video_latent": "old"}])
        assert ours.keys() == theirs.keys() - {"uuid", "pooled_output"}
        for key in ours.keys() - {"model_conds", "clip_vision_output"}:
            assert torch.equal(ours[key], theirs[key]), key
        assert ours["clip_vision_output"] is vision
    assert shown.latent_shape == tuple(hosts[2]["samples"].shape)
    assert shown.head is None and shown.skip == hosts[3] == 1


@pytest.mark.parametrize("names", ANIMATIONS[:3], ids="+".join)
def test_one_window_is_the_hosts_node_sampler_and_decoder(stage, shots, model, store, names):
    wired = only(shots, *names)
    patched, windows, frames, count = stage.node(model, wired, 9, 9, 5)
    assert (frames, count) == (9, 1)
    result = stage.run(patched, windows, store)
    assert torch.equal(frames_of(result), stage.hosted(model, wired, 9, SEED)[1])


def test_one_frame_with_the_true_face_encoder(rooms, vae, prompts, shots, true_model, store):
    stage = Stage(rooms, vae, prompts, (1.0, 0.0), cfg=1.0)
    wired = only(shots, "face_video")
    patched, windows, *_ = stage.node(true_model, wired, 5, 5, 1)
    one = replace(windows, plan=rooms.plan.make(1, 1, 0))
    assert torch.equal(frames_of(stage.run(patched, one, store)), stage.hosted(true_model, wired, 1, SEED)[1])


@pytest.mark.parametrize(("window", "overlap"), [(9, 1), (13, 5)])
def test_three_windows_are_the_hosts_nodes_in_a_chain(stage, shots, model, store, window, overlap):
    wired = {name: torch.cat([each, each.flip(0)]) for name, each in only(shots, "pose_video", "face_video").items()}
    wired["reference_image"] = shots["reference_image"]
    length = window + 2 * (window - overlap) - 1
    patched, windows, _, count = stage.node(model, wired, length, window, overlap)
    assert count == 3
    video, offset = None, 0
    for k in range(3):
        new, _, offset = stage.hosted(model, wired, window, SEED + k, video, offset, overlap)
        video = new if video is None else torch.cat((video, new))
    assert torch.equal(frames_of(stage.run(patched, windows, store)), video[:length])


def host_rows(mask: torch.Tensor, frames: int, shared: int) -> torch.Tensor:
    """The mask as the reference lays it out, frame by frame."""
    import comfy.utils

    small = comfy.utils.common_upscale(mask[:frames, None], SIDE // 8, SIDE // 8, "nearest-exact", "center")[:, 0]
    rows = torch.ones(1, 4, (frames + 3) // 4 + 1, SIDE // 8, SIDE // 8)
    rows[:, :, 0] = 0
    for frame in range(frames):
        value = torch.zeros_like(small[frame]) if frame < shared else small[frame]
        for flat in range(4) if frame == 0 else (frame + 3,):
            rows[0, flat % 4, 1 + flat // 4] = value
    return rows


def test_replacement_is_the_hosts_node_with_the_masks_rows_in_place(stage, shots, model, store):
    wired = only(shots, "pose_video", "background_video", "character_mask")
    patched, windows, *_ = stage.node(model, wired, 13, 9, 5)
    mask = shots["character_mask"]
    first, *_, offset = stage.hosted(model, wired, 9, SEED, correct=host_rows(mask, 9, 0))
    then = host_rows(mask[4:], 9, 5)
    new, *_ = stage.hosted(model, wired, 9, SEED + 1, first, offset, 5, then)
    assert torch.equal(frames_of(stage.run(patched, windows, store)), torch.cat((first, new)))
    old, *_ = stage.hosted(model, wired, 9, SEED)
    assert not torch.equal(old, first), "the host's own rows give another video"


def test_one_mask_holds_for_all_frames(rooms):
    still = torch.zeros(9, 4, 4)
    still[:, 1:3] = 1
    rows = rooms.animate.mask_rows(9, 5, (4, 4), still)
    assert rows.shape == (1, 4, 4, 4, 4)
    assert rows[:, :, :3].max() == 0, "reference and carried frames are given"
    assert torch.equal(rows[0, :, 3], still[:4])


@given(st.integers(1, 400), st.sampled_from([1, 5, 9]), st.integers(3, 30))
def test_as_many_windows_as_the_reference_makes(rooms, length, overlap, quarter):
    window = 4 * quarter + 1
    if length <= overlap:
        return
    plan = rooms.plan.make(length, window, overlap)
    assert len(plan.windows) == -((overlap - length) // (window - overlap))


# ---------------------------------------------------------------- what is carried, cut and padded


def shown(stage, windows, k, carried=None):
    made = windows.provider.show(windows.plan.windows[k], carried)
    (cond,) = made.edit("positive", [{"cross_attn": stage.prompts[0][0][0], "model_conds": {}}])
    return cond


def tail(count):
    frames = torch.rand(count, SIDE, SIDE, 3, generator=torch.Generator().manual_seed(9))
    return SimpleNamespace(frames=frames, latent=None, anchor=frames[:1])


def test_a_short_driver_runs_back_and_forth_and_the_face_never_ends(stage, shots, model):
    wired = only(shots, "pose_video", "face_video")
    short = wired | {"pose_video": wired["pose_video"][:4], "face_video": wired["face_video"][:3]}
    back = [0, 1, 2, 1, 0, 1, 2, 1, 0]
    full = wired | {
        "pose_video": wired["pose_video"][[0, 1, 2, 3, 2, 1, 0, 1, 2]],
        "face_video": wired["face_video"][back],
    }
    a, b = (shown(stage, stage.node(model, each, 9, 9, 5)[1], 0) for each in (short, full))
    for key in ("pose_video_latent", "face_video_pixels"):
        assert torch.equal(a[key], b[key])
    assert a["face_video_pixels"].shape[2] == 9


def test_the_negative_has_a_blank_face_and_the_same_pose(stage, shots, model):
    _, windows, *_ = stage.node(model, only(shots, "pose_video", "face_video"), 9, 9, 5)
    made = windows.provider.show(windows.plan.windows[0], None)
    conds = {name: made.edit(name, [{}])[0] for name in ("positive", "middle", "negative")}
    assert conds["negative"]["face_video_pixels"].unique().tolist() == [-1.0]
    assert torch.equal(conds["middle"]["face_video_pixels"], conds["positive"]["face_video_pixels"])
    assert torch.equal(conds["negative"]["pose_video_latent"], conds["positive"]["pose_video_latent"])


def test_too_few_carried_frames_keep_the_last_in_its_place(stage, shots, model):
    _, windows, *_ = stage.node(model, only(shots), 13, 9, 5)
    few = tail(2)
    full = SimpleNamespace(frames=few.frames[[0, 0, 0, 0, 1]])
    a, b = (shown(stage, windows, 1, each)["concat_latent_image"] for each in (few, full))
    assert torch.equal(a, b)


def test_continuing_a_clip_the_drivers_begin_with_the_new_frames(stage, rooms, shots, model):
    _, windows, *_ = stage.node(model, only(shots, "pose_video"), 9, 9, 5)
    on = rooms.plan.continuing(windows.plan).windows[0]
    assert (on.first, on.start) == (-5, 0)
    made = windows.provider._pictures(on)["pose_video"]
    plain = windows.provider._pictures(windows.plan.windows[0])["pose_video"]
    assert torch.equal(made[5:], plain[:4]) and torch.equal(made[:5], plain[:1].expand(5, -1, -1, -1))


# ---------------------------------------------------------------- digests


def digests(stage, model, wired, **more):
    _, windows, *_ = stage.node(model, wired, 17, 9, 5, **more)
    return [windows.provider.digest(window) for window in windows.plan.windows]


def test_a_digest_names_what_the_window_shows_and_no_more(stage, shots, model, vision):
    wired = only(shots, "pose_video")
    before = digests(stage, model, wired)
    assert before == digests(stage, model, dict(wired)) and len(set(before)) == 3
    late = wired["pose_video"].clone()
    late[16] += 0.01
    after = digests(stage, model, wired | {"pose_video": late})
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, False]
    for change in ({"reference_image": shots["reference_image"] * 0.9}, {"clip_vision_output": vision}):
        assert not set(before) & set(digests(stage, model, wired | change))
    assert not set(before) & set(digests(stage, model, only(shots, "face_video")))
    assert not set(before) & set(digests(stage, model, wired, fit="pad"))


def test_a_film_and_a_batch_of_the_same_frames_are_the_same(stage, model, shots, tmp_path):
    from comfy_api.latest import InputImpl

    path = films.write(tmp_path / "pose.mp4", 17, 16, side=SIDE)
    film = InputImpl.VideoFromFile(str(path))
    _, windows, frames, _ = stage.node(model, only(shots) | {"pose_video": film}, 0, 9, 5, fps=0.0)
    assert (windows.fps, frames) == (16, 17)
    batch = film.get_components().images
    _, others, *_ = stage.node(model, only(shots) | {"pose_video": batch}, 17, 9, 5)
    ours, theirs = (each.provider._pictures(each.plan.windows[1])["pose_video"] for each in (windows, others))
    assert (ours - theirs).abs().max() < 0.02
    assert [films.number_of(picture) for picture in ours] == list(range(4, 13))


# ---------------------------------------------------------------- strengths


def sampled(stage, model, shots, names):
    return stage.hosted(model, only(shots, *names), 5, SEED)[1]


STRENGTHS = [("pose_video", "pose_strength"), ("face_video", "face_strength")]


@pytest.mark.parametrize(("driver", "strength"), STRENGTHS)
def test_strengths_by_the_hosts_own_node(stage, rooms, shots, model, driver, strength):
    def at(amount, base=model):
        both = {"pose_strength": 1.0, "face_strength": 1.0, strength: amount}
        return sampled(stage, rooms.animate_patch.follow(base, **both), shots, ("pose_video", "face_video"))

    (other,) = {"pose_video", "face_video"} - {driver}
    absent, plain = (sampled(stage, model, shots, names) for names in ((other,), ("pose_video", "face_video")))
    assert torch.equal(at(0.0), absent)
    assert torch.equal(at(1.0), plain)
    assert not torch.equal(absent, plain)
    distances = [float((at(amount) - absent).norm()) for amount in (0.0, 0.5, 1.0, 2.0, 3.0)]
    assert distances == sorted(distances) and len(set(distances)) == 5
    assert torch.equal(sampled(stage, model, shots, ("pose_video", "face_video")), plain), "the model is as it was"
    halved = rooms.animate_patch.follow(model, **{"pose_strength": 1.0, "face_strength": 1.0, strength: 0.5})
    assert torch.equal(at(2.0, halved), plain), "two on one model multiply"


def test_strengths_do_not_pile_up_while_another_clone_is_loaded(stage, rooms, shots, model):
    strong = rooms.animate_patch.follow(model, 3.0, 2.0)
    first = sampled(stage, strong, shots, ("pose_video", "face_video"))
    again = rooms.animate_patch.follow(model, 3.0, 2.0)
    assert torch.equal(sampled(stage, again, shots, ("pose_video", "face_video")), first)
    assert not rooms.animate_patch.follow(model, 1.0, 1.0).object_patches.keys() - model.object_patches.keys()


def test_strengths_are_part_of_a_runs_identity(stage, rooms, model):
    made = {
        rooms.fingerprint.of_guider(stage.guider(rooms.animate_patch.follow(model, s, 1.0))) for s in (0.5, 1.0, 2.0)
    }
    assert len(made) == 3
    again = rooms.fingerprint.of_guider(stage.guider(rooms.animate_patch.follow(model, 2.0, 1.0)))
    assert again in made


def test_strength_0_leaves_the_driver_unread(stage, shots, model):
    wired = only(shots, "pose_video", "face_video")
    _, windows, frames, _ = stage.node(model, wired, 0, 9, 5, face_strength=0.0)
    assert set(windows.provider.driven) == {"pose_video"} and frames == 17
    conds = copy.copy(shown(stage, windows, 0))
    assert "face_video_pixels" not in conds


# ---------------------------------------------------------------- resume and cancel


def test_cancelled_in_a_window_and_resumed_is_the_same(stage, shots, model, store, tmp_path, rooms):
    import comfy.model_management as management

    wired = only(shots, "pose_video", "face_video")

    def cancel(event):
        if event[0] == "begin" and event[1] == 1:
            raise management.InterruptProcessingException

    patched, windows, *_ = stage.node(model, wired, 17, 9, 5)
    with pytest.raises(management.InterruptProcessingException):
        stage.run(patched, windows, store, Silent(cancel))
    patched, windows, *_ = stage.node(model, wired, 17, 9, 5)
    resumed = stage.run(patched, windows, store)
    assert resumed.reused == 1
    with rooms.store.Store(tmp_path / "fresh") as fresh:
        straight = stage.run(patched, windows, fresh)
    assert straight.reused == 0 and torch.equal(frames_of(resumed), frames_of(straight))


def test_an_edited_driver_keeps_the_windows_before_it(stage, shots, model, store):
    wired = only(shots, "pose_video")
    patched, windows, *_ = stage.node(model, wired, 17, 9, 5)
    stage.run(patched, windows, store)
    edited = wired["pose_video"].clone()
    edited[15] = 0
    patched, windows, *_ = stage.node(model, wired | {"pose_video": edited}, 17, 9, 5)
    assert stage.run(patched, windows, store).reused == 2


# ---------------------------------------------------------------- memory


PEAK = Path("/proc/self/clear_refs")


def peak_of(work) -> int:
    """The most bytes this process held while ``work`` ran."""
    gc.collect()
    PEAK.write_text("5", encoding="ascii")  # the peak counts from here
    work()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * 1024


@pytest.mark.skipif(not PEAK.exists(), reason="Linux counts the peak of memory")
def test_a_long_film_takes_no_more_memory_than_a_short_one(rooms, vae, prompts, shots, true_model, tmp_path):
    from comfy_api.latest import InputImpl

    stage = Stage(rooms, vae, prompts, (1.0, 0.0), cfg=1.0)
    path = films.write(tmp_path / "pose.mp4", 600, 16, side=240)

    def work(frames):
        wired = only(shots) | {"pose_video": InputImpl.VideoFromFile(str(path))}
        patched, windows, *_ = stage.node(true_model, wired, frames, 77, 5, fps=0.0)
        with rooms.store.Store(tmp_path / str(frames)) as store:
            assert stage.run(patched, windows, store).frames == frames

    peak_of(lambda: work(20))
    short = peak_of(lambda: work(160))
    long = peak_of(lambda: work(600))
    assert long < 1.05 * short


# ---------------------------------------------------------------- the node


BAD = [
    ("width", {"width": 40}),
    ("overlap", {"overlap": 13}),
    ("overlap", {"overlap": 9, "frame_window": 9}),
    ("fit", {"fit": "bend"}),
    ("pose_strength", {"pose_strength": -1.0}),
    ("face_strength", {"face_strength": float("nan")}),
    ("length", {"length": -1}),
    ("fps", {"fps": float("inf")}),
    ("driver_start", {"driver_start": 99.0}),
    ("vae", {"vae": None}),
    ("pose_video", {"pose_video": torch.zeros(0, 8, 8, 3)}),
    ("pose_video", {"pose_video": "a text"}),
    ("reference_image", {"reference_image": torch.zeros(1, 8, 8, 4)}),
]


@pytest.mark.parametrize(("name", "change"), BAD, ids=[f"{name}{k}" for k, (name, _) in enumerate(BAD)])
def test_bad_inputs_name_themselves(rooms, vae, shots, model, name, change):
    good = only(shots, "pose_video") | {"vae": vae, "width": SIDE, "height": SIDE, "length": 0, "frame_window": 9}
    good |= {"overlap": 5, "pose_strength": 1.0, "face_strength": 1.0}
    with pytest.raises(InputError, match=f"^{name}"):
        rooms.animating.WanAnimatePose.execute(model, **{**good, **change})


def test_another_model_is_refused(rooms, load_model, tiny):
    with pytest.raises(InputError, match="^model: this is no WanAnimate model"):
        rooms.animate_patch.follow(load_model(tiny.files.I2V_21), 1.0, 1.0)


def test_no_driver_and_no_length_is_refused(stage, shots, model):
    with pytest.raises(InputError, match="^length: "):
        stage.node(model, only(shots), 0, 9, 5)


def test_the_node_tells_what_was_done(stage, shots, model):
    wired = only(shots, "pose_video", "character_mask")
    args = {"width": SIDE, "height": SIDE, "length": 20, "frame_window": 9, "overlap": 4}
    settings = {"pose_strength": 1.0, "face_strength": 1.0, "fps": 8.0, "batch_fps": 16.0}
    node = stage.rooms.animating.WanAnimatePose
    words = "\n".join(node.execute(model, stage.vae, **wired, **args, **settings).ui["text"])
    for said in ("replacement: 20 frames at 8 a second", "overlap 4 becomes 5", "from 16 to 8 a second",
                 "back and forth from frame 8 to 20", "48x32 made 32x32", "background_video is not wired"):  # fmt: skip
        assert said in words, said


def relit(rooms, wired_lora=True):
    """Our node in a graph with a relighting LoRA before it."""
    graph = {
        "1": {"class_type": "UNETLoader", "inputs": {"unet_name": "a.safetensors"}},
        "2": {
            "class_type": "LoraLoaderModelOnly",
            "inputs": {"model": ["1", 0], "lora_name": LORA, "strength_model": 1.0},
        },
        "3": {"class_type": "GengaWanAnimatePose", "inputs": {"model": ["2" if wired_lora else "1", 0]}},
    }
    hidden = SimpleNamespace(prompt=graph, unique_id="3")
    return type("WanAnimatePose", (rooms.animating.WanAnimatePose,), {"hidden": hidden})


def test_the_relighting_lora_without_a_scene_is_told(stage, shots, model):
    args = {"width": SIDE, "height": SIDE, "length": 9, "frame_window": 9, "overlap": 5}
    args |= {"pose_strength": 1.0, "face_strength": 1.0}
    scene = only(shots, "background_video", "character_mask")
    for wired, lora, told in ((only(shots), True, True), (only(shots), False, False), (scene, True, False)):
        out = relit(stage.rooms, lora).execute(model, stage.vae, **wired, **args)
        assert (LORA in "\n".join(out.ui["text"])) == told


def test_windows_become_a_video_and_the_video_goes_on(stage, shots, model, host, tmp_path, monkeypatch):
    import comfy.samplers
    import folder_paths
    from genga.media.source import read_frames
    from genga.nodes.windows import ContinueVideo, WindowSampler

    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path))
    monkeypatch.setattr(folder_paths, "user_directory", str(tmp_path / "user"))
    parts = {"sampler": comfy.samplers.sampler_object("euler"), "sigmas": stage.sigmas, "vae": stage.vae, "seed": SEED}
    wired = only(shots, "pose_video", "background_video", "character_mask")

    def video_of(windows):
        return WindowSampler.execute(guider=stage.guider(patched), windows=windows, **parts).args

    patched, windows, *_ = stage.node(model, wired, 13, 9, 5)
    video, last, latent, frames = video_of(windows)
    read = torch.cat(list(read_frames(Path(video.get_stream_source()))))
    assert (len(read), frames, len(last)) == (13, 13, 5)
    assert latent["samples"].shape[2] == 3, "without the reference's latent"
    patched, windows, *_ = stage.node(model, wired, 4, 9, 5, driver_start=13 / 16)
    (onward,) = ContinueVideo.execute(windows=windows, video=video).args[:1]
    _, more, _, frames = video_of(onward)
    assert frames == 4
    first = onward.plan.windows[0]
    placed = onward.provider._pictures(first)["pose_video"]
    plain = stage.node(model, wired, 17, 9, 5)[1].provider
    there = plain._pictures(replace(first, first=8))["pose_video"]
    assert torch.equal(placed, there), "the drivers go on where the first video ended"


def test_letterboxed_drivers_keep_their_whole(stage, rooms):
    wide = torch.ones(1, 16, 32, 3)
    made = rooms.drivers.fitted(wide, 32, 32, "pad")
    assert made[0, 8:24].min() == 1 and made[0, :8].max() == 0 and made[0, 24:].max() == 0
    mask = rooms.drivers.mask_of(wide[..., :1], 32, 32, "pad", False)
    assert mask[0].tolist() == [[0.0] * 4, [1.0] * 4, [1.0] * 4, [0.0] * 4]
    assert Fraction(rooms.drivers.fitted(wide, 32, 32, "crop").min().item()) == 1
