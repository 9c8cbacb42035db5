"""The section loop: what each section sees and is told, one generator, the store, and the node as a whole."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from genga.errors import InputError
from genga_tests.tiny import framepack as tiny
from safetensors.torch import save_file

W = 2  # latent frames of a section: 8 frames of the video
SECOND = 8 / 30  # of one section


@pytest.fixture(scope="module")
def rooms(host, models):
    import comfy.clip_vision
    import comfy.model_management
    import comfy.sample
    import comfy.samplers
    from genga.conditioning import sections as chain
    from genga.conditioning.framepack import plan, section
    from genga.loaders import options
    from genga.loaders.framepack import files
    from genga.nodes import framepack as node
    from genga.samplers import framepack
    from genga.samplers.windows import store

    path = models / "diffusion_models" / "FramePackI2V_HY_loop.safetensors"
    save_file(tiny.weights(), path)
    model = files.load(path, options.LoadOptions(), files.inspect(path)).model
    yield SimpleNamespace(comfy=comfy, chain=chain, plan=plan, section=section, framepack=framepack, store=store,
                          node=node.FramePackSampler, atom=node.FramePackSection, model=model)  # fmt: skip
    comfy.model_management.unload_all_models()
    path.unlink()


@pytest.fixture
def places(rooms, tmp_path, monkeypatch):
    """The node keeps its sections in a folder of this test's own."""
    from genga import places

    monkeypatch.setattr(places, "private", lambda name: tmp_path / name)
    return tmp_path


def prompt(scale=1.0):
    given = tiny.inputs("section")
    return [[given["text"] * scale, {"pooled_output": given["pooled"]}]]


def vision(rooms):
    seen = rooms.comfy.clip_vision.Output()
    seen["last_hidden_state"] = tiny.inputs("section")["image"]
    return seen


def picture(seed):
    return {"samples": torch.randn(1, 16, 1, 4, 4, generator=torch.Generator().manual_seed(seed))}


START, END = picture(1), picture(2)


class Watch:
    """Stands in for Progress, and can cancel before a section."""

    def __init__(self, stop=None):
        self.begun, self.taken, self.stop = [], [], stop

    def check(self):
        pass

    def begin(self, place):
        if place == self.stop:
            raise InterruptedError
        self.begun.append(place)

    def reused(self, place):
        self.taken.append(place)

    def callback(self, _patcher, _skip):
        return None


def job(rooms, direction="standard", sections=3, told=None, **more):
    windows = tuple(rooms.plan.windows(direction, sections, W, more.pop("padding", "auto")))
    told = told or [rooms.framepack.Told(prompt(), vision(rooms))] * sections
    sigmas = rooms.framepack.noise_levels(rooms.model, 2, "framepack", (W, 4, 4))
    euler = rooms.comfy.samplers.sampler_object("euler")
    return rooms.framepack.Job(rooms.model, prompt(0.1), START["samples"], direction, W, windows, tuple(told),
                               more.pop("seed", 3), 1.0, euler, sigmas, **more)  # fmt: skip


def run(rooms, folder, watch=None, **how):
    with rooms.store.Store(folder) as store:
        return rooms.framepack.run(job(rooms, **how), store, watch or Watch())


def by_hand(rooms, direction, sections, seed=3):
    """The reference's loop, with Section nodes and the host's own sampling."""
    generator = torch.Generator("cpu").manual_seed(seed)
    video = START["samples"] if direction == "f1" else None
    for number in range(sections):
        padding = 0.0 if direction == "f1" else float(rooms.plan.paddings(sections)[number])
        positive, negative, empty, shift = rooms.atom.execute(
            prompt(), prompt(0.1), START, direction, W, padding, clip_vision_output=vision(rooms),
            history=None if video is None else {"samples": video},
        ).args  # fmt: skip
        noise = torch.randn(empty["samples"].shape, generator=generator)
        sigmas = rooms.framepack.schedule.sigmas(2, shift)
        made = rooms.comfy.sample.sample_custom(rooms.model, noise, 1.0, rooms.comfy.samplers.sampler_object("euler"),
                                                sigmas, positive, negative, empty["samples"], seed=seed)  # fmt: skip
        parts = [video, made] if direction == "f1" else [made, *([] if video is None else [video])]
        video = torch.cat(parts, 2)
    return video if direction == "f1" else torch.cat([START["samples"], video], 2)


@pytest.mark.parametrize(("direction", "sections"), [("standard", 5), ("f1", 4)])
def test_the_loop_is_the_references(rooms, tmp_path, direction, sections):
    result = run(rooms, tmp_path, direction=direction, sections=sections)
    assert result.latent.shape[2] == 1 + sections * W
    assert torch.equal(result.latent, by_hand(rooms, direction, sections))


@pytest.mark.parametrize("direction", ["standard", "f1"])
def test_a_run_that_was_cut_short_goes_on_to_the_last_bit(rooms, tmp_path, direction):
    whole = run(rooms, tmp_path / "whole", direction=direction).latent
    with pytest.raises(InterruptedError):
        run(rooms, tmp_path / "cut", Watch(stop=2), direction=direction)
    watch = Watch()
    again = run(rooms, tmp_path / "cut", watch, direction=direction)
    assert (watch.taken, watch.begun, again.reused) == ([0, 1], [2], 2)
    assert torch.equal(again.latent, whole)


def test_another_prompt_for_one_section_makes_only_what_comes_after(rooms, tmp_path):
    told = [rooms.framepack.Told(prompt(), vision(rooms)) for _ in range(4)]
    before = run(rooms, tmp_path / "kept", sections=4, told=told).latent
    told[2] = rooms.framepack.Told(prompt(-1.0), vision(rooms))
    watch = Watch()
    edited = run(rooms, tmp_path / "kept", watch, sections=4, told=told).latent
    assert (watch.taken, watch.begun) == ([0, 1], [2, 3])
    assert torch.equal(edited, run(rooms, tmp_path / "new", sections=4, told=told).latent)
    assert torch.equal(edited[:, :, 1 + 2 * W :], before[:, :, 1 + 2 * W :])  # drawn first, last in time
    assert not torch.equal(edited[:, :, 1 : 1 + 2 * W], before[:, :, 1 : 1 + 2 * W])


def test_a_longer_f1_video_keeps_the_sections_it_has(rooms, tmp_path):
    short = run(rooms, tmp_path, direction="f1", sections=2).latent
    watch = Watch()
    longer = run(rooms, tmp_path, watch, direction="f1", sections=4).latent
    assert watch.taken == [0, 1]
    assert torch.equal(longer[:, :, : 1 + 2 * W], short)


def test_without_resume_all_is_made_anew(rooms, tmp_path):
    run(rooms, tmp_path)
    watch = Watch()
    run(rooms, tmp_path, watch, resume=False)
    assert watch.begun == [0, 1, 2]


@pytest.mark.parametrize("change", [
    {"seed": 4}, {"end": END["samples"]}, {"padding": 0.5},
    {"direction": "f1", "influence": 1.02},
])  # fmt: skip
def test_what_shapes_the_video_makes_another(rooms, tmp_path, change):
    direction = change.get("direction", "standard")
    before = run(rooms, tmp_path, direction=direction).latent
    watch = Watch()
    after = run(rooms, tmp_path, watch, **change).latent
    assert 0 in watch.begun
    assert not torch.equal(after, before)


def test_image_influence_is_the_references(rooms, tmp_path):
    """All noise levels divided by it, and the start mixed into the noise."""
    got = run(rooms, tmp_path, direction="f1", sections=1, influence=1.02).latent
    scale = rooms.model.model.latent_format.scale_factor
    noise = torch.randn((1, 16, W, 4, 4), generator=torch.Generator("cpu").manual_seed(3))
    made = job(rooms, "f1", 1)
    sigmas = made.sigmas / 1.02
    mixed = (1 - sigmas[0]) * START["samples"] * scale + sigmas[0] * noise
    positive = rooms.atom.execute(prompt(), prompt(0.1), START, "f1", W, 0.0, clip_vision_output=vision(rooms)).args[0]
    # As pure noise at the first level: what the host makes of it must be the same.
    wanted = rooms.comfy.sample.sample_custom(rooms.model, mixed / sigmas[0], 1.0, made.sampler, sigmas, positive,
                                              positive, torch.zeros(1, 16, W, 4, 4), seed=3)  # fmt: skip
    assert (got[:, :, 1:] - wanted).abs().max() < 1e-4  # of numbers up to 15


# ---------------------------------------------------------------- the node


def execute(rooms, **more):
    usual = {"model": rooms.model, "positive": prompt(), "negative": prompt(0.1), "start_latent": START,
             "direction": "standard", "seconds": 3 * SECOND, "window": W, "seed": 3, "steps": 2, "cfg": 1.0,
             "sampler_name": "euler", "scheduler": "framepack", "padding": "auto", "fill": "none", "loop": False,
             "resume": True, "clip_vision_output": vision(rooms)}  # fmt: skip
    return rooms.node.execute(**{**usual, **more})


def said(output):
    return " ".join((output.ui or {}).get("text", ()))


def test_the_node_reports_what_it_made(rooms, places, tmp_path):
    output = execute(rooms)
    latent, frames, sections = output.args
    assert (frames, sections) == (25, 3)
    assert "3 sections, 25 frames" in said(output)
    assert latent["genga_framepack"] == {"direction": "standard", "window": W}
    assert torch.equal(latent["samples"], run(rooms, tmp_path / "other").latent)
    assert "3 of 3 sections came from the store" in said(execute(rooms))


def test_loop_is_the_start_as_end(rooms, places):
    looped = execute(rooms, loop=True).args[0]["samples"]
    ended = execute(rooms, end_latent=START).args[0]["samples"]
    assert torch.equal(looped, ended)
    assert not torch.equal(looped, execute(rooms).args[0]["samples"])
    with pytest.raises(InputError, match="loop"):
        execute(rooms, loop=True, end_latent=END)


@pytest.fixture
def followed(rooms, places, tmp_path, monkeypatch):
    """A page follows the run: what it is sent, and how many frames each of the files has."""
    import av
    from genga import places as own
    from genga.nodes.report import Report

    sent = []

    def event(_self, name, **facts):
        with av.open(str(tmp_path / facts.pop("filename"))) as container:
            sent.append((name, facts, sum(1 for _ in container.decode(video=0))))

    hints = []
    monkeypatch.setattr(Report, "hint", lambda _self, text: hints.append(text))
    monkeypatch.setattr(own, "temp", lambda: tmp_path)
    monkeypatch.setattr(Report, "watched", lambda _self: True)
    monkeypatch.setattr(Report, "event", event)
    return SimpleNamespace(sent=sent, hints=hints)


@pytest.fixture(scope="module")
def true_vae(host, models, tiny):
    import nodes

    return nodes.VAELoader().load_vae(tiny.files.HUNYUAN_VAE)[0]


@pytest.mark.parametrize("direction", ["standard", "f1"])
def test_the_video_so_far_is_shown_before_every_section_but_the_first(rooms, followed, true_vae, direction, tmp_path):
    with_look = execute(rooms, direction=direction, vae=true_vae).args[0]
    file = {"subfolder": "", "type": "temp", "of": 3, "part": "section"}
    seen = [((1, 1), 9), ((1, 2), 17)] if direction == "f1" else [((3, 3), 5), ((2, 3), 13)]
    wanted = [("genga.windows", {**file, "from": first, "to": last}, count) for (first, last), count in seen]
    assert followed.sent == wanted
    assert [text.split(",")[0] for text in followed.hints] == [f"section {n} of 3" for n in (1, 1, 2, 2, 3, 3)]
    assert len(list(tmp_path.glob("*.mp4"))) == 1 and not list(tmp_path.glob("genga_framepack_*"))
    without = execute(rooms, direction=direction, vae=true_vae, video_so_far=False, resume=False).args[0]
    assert followed.sent == wanted and torch.equal(with_look["samples"], without["samples"])


class Flat:
    """A VAE that makes a latent of the picture's mean."""

    latent_channels, latent_dim = 16, 3

    def encode(self, pixels):
        return pixels.mean() * torch.ones(1, 16, 1, pixels.shape[1] // 8, pixels.shape[2] // 8)


@pytest.fixture
def told(rooms, places, monkeypatch):
    """told(**inputs) -> what each section was told, in the order they are drawn; nothing is sampled."""
    from genga import tiles

    monkeypatch.setattr(tiles, "encode", lambda vae, pixels, mode="auto": vae.encode(pixels))
    jobs = []

    def seen(made, _store, _tell, _so_far):
        jobs.append(made)
        return rooms.framepack.Result(torch.zeros(1, 16, 1, 4, 4), 0, ())

    monkeypatch.setattr(rooms.framepack, "run", seen)

    def call(**more):
        output = execute(rooms, vae=Flat(), **more)
        return jobs[-1], output

    return call


def chain(rooms, *sections):
    made = None
    for number, text, value in sections:
        image = None if value is None else torch.full((1, 40, 64, 3), value)
        made = rooms.chain.add(made, rooms.chain.Section(number * SECOND, text, image))
    return made


def keys(made):
    return [None if each.keyframe is None else round(each.keyframe.mean().item(), 3) for each in made.told]


def test_prompts_hold_from_their_moment_on(rooms, told):
    first, other = prompt(), prompt(2.0)
    made, _ = told(positive=first, sections=chain(rooms, (1, other, None)))
    assert [each.positive is other for each in made.told] == [True, True, False]  # the end is drawn first
    made, _ = told(positive=first, sections=chain(rooms, (1, other, None)), direction="f1")
    assert [each.positive is other for each in made.told] == [False, True, True]


def test_a_section_sees_the_picture_of_the_nearest_moment_before_it(rooms, told):
    """By number: of the pictures given, the one with the smallest number not below the section's."""
    made, _ = told(seconds=5 * SECOND, sections=chain(rooms, (1, None, 0.25), (3, None, 0.5)))
    assert keys(made) == [0.5, 0.5, 0.25, 0.25, None]


def test_even_odd_fills_the_others(rooms, told):
    pictures = chain(rooms, (4, None, 0.5), (3, None, 0.25))
    made, _ = told(seconds=5 * SECOND, sections=pictures, fill="even-odd")
    assert keys(made) == [0.5, 0.25, 0.5, 0.25, 0.5]


def test_f1_says_that_it_sees_no_other_picture(rooms, told):
    made, output = told(direction="f1", sections=chain(rooms, (1, None, 0.25)), end_latent=END)
    assert keys(made) == [None] * 3 and made.end is None
    assert "pictures of sections are not used" in said(output) and "end_latent" in said(output)


def test_a_section_behind_the_end_is_said(rooms, told):
    _, output = told(sections=chain(rooms, (7, prompt(2.0), None)))
    assert "it is not used" in said(output)


def test_the_hosts_schedulers_are_the_hosts(rooms, told):
    made, _ = told(scheduler="simple", steps=25, seconds=SECOND)
    assert made.sigmas[0] == 1.0 and len(made.sigmas) == 26
    wide = rooms.framepack.noise_levels(rooms.model, 25, "framepack", (9, 76, 80))
    assert (made.sigmas - wide).abs().max() < 1e-4  # shift 7 in both


@pytest.mark.parametrize(("wrong", "match"), [
    ({"seconds": 0.0}, "seconds"), ({"padding": "3, 2"}, "2 numbers for 3 sections"), ({"steps": 0}, "steps"),
    ({"image_influence": 1.01}, "f1 alone"), ({"image_influence": 1.5, "direction": "f1"}, "image_influence"),
    ({"sampler_name": "none"}, "sampler_name"), ({"end_latent": {"samples": torch.zeros(1, 16, 1, 8, 4)}}, "end_latent"),
    ({"positive": [[torch.zeros(1, 3, 32), {}]]}, "positive"),
])  # fmt: skip
def test_what_cannot_be_used_is_said_before_a_step(rooms, told, wrong, match):
    with pytest.raises(InputError, match=match):
        told(**wrong)


def test_pictures_of_sections_need_a_vae(rooms, places):
    with pytest.raises(InputError, match="no VAE is wired"):
        execute(rooms, sections=chain(rooms, (1, None, 0.5)))
