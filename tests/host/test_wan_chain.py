"""Windows of a plain Wan I2V model over sections, against the host's own nodes run one behind the other."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import pytest
import torch
from genga.errors import InputError
from genga_tests.tools.windowed import Silent, exact, frames_of

SIDE, SEED, OVERLAP = 32, 5, 5
LENGTH, WINDOW = 33, 17
SIGMAS = torch.tensor([1.0, 0.7, 0.0])
# The second section begins at 0.8 s, frame 12.8: at the border nearest to it, 13. It takes two windows.
SPANS = [(0, 13), (13, 25), (25, 33)]


@pytest.fixture(scope="module")
def room(models):
    from genga.conditioning import sections
    from genga.nodes import chaining, windows
    from genga.samplers.windows import engine, plan, store

    return SimpleNamespace(sections=sections, node=chaining, windows=windows, engine=engine, plan=plan, store=store)


@pytest.fixture(scope="module")
def model(load_model, tiny):
    return load_model(tiny.files.I2V_21)


def vision(seed: int):
    generator = torch.Generator().manual_seed(seed)
    return SimpleNamespace(penultimate_hidden_states=torch.randn(1, 257, 1280, generator=generator))


@pytest.fixture(scope="module")
def other():
    """The prompt of the second section."""
    return [[torch.randn(1, 8, 4096, generator=torch.Generator().manual_seed(9)) * 0.1, {}]]


@pytest.fixture
def windows(room, vae, pictures, other):
    """``windows(fields of the second section)`` -> what the node makes of 33 frames, the second of two sections at
    0.8 s."""

    def make(length=LENGTH, chain=None, **more):
        fields = {"positive": other, "image": pictures[3], "clip_vision": vision(2)} | more
        first = room.sections.Section(0.0, image=pictures[5])
        chain = room.sections.add((first,), room.sections.Section(0.8, **fields)) if chain is None else chain
        answer = room.node.WanI2VWindow.execute(
            vae, pictures[0], SIDE, SIDE, length, 16.0, WINDOW, OVERLAP, vision(1), chain
        )
        return answer

    return make


def run(room, model, vae, prompts, windows, folder, colour="disabled"):
    import comfy.samplers
    from genga.samplers.windows.finish import Colour

    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(*prompts)
    guider.set_cfg(3.0)
    sampler = comfy.samplers.sampler_object("euler")
    job = room.engine.Job(guider, sampler, SIGMAS, vae, windows, SEED, colour=Colour(colour))
    with room.store.Store(folder / "windows") as opened:
        result = room.engine.run(job, opened, Silent(), exact)
        return SimpleNamespace(frames=frames_of(result), reused=result.reused, keys=result.keys)


def by_the_host(model, vae, prompts, pictures, other) -> torch.Tensor:
    """Three runs of WanFirstLastFrameToVideo, SamplerCustomAdvanced and VAEDecode, each from the last five frames."""
    import comfy.samplers
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise, SamplerCustomAdvanced
    from comfy_extras.nodes_wan import WanFirstLastFrameToVideo

    sees = [(prompts[0], pictures[5], None), (other, None, None), (other, pictures[3], vision(2))]
    film = pictures[0][..., :3]
    for k, (positive, end, end_vision) in enumerate(sees):
        before = min(OVERLAP, len(film)) if k else 1
        frames = SPANS[k][1] - SPANS[k][0] + (before if k else 0)
        positive, negative, latent = WanFirstLastFrameToVideo.execute(
            positive, prompts[1], vae, SIDE, SIDE, frames, 1, film[-before:], end, vision(1), end_vision
        ).args
        guider = comfy.samplers.CFGGuider(model)
        guider.set_conds(positive, negative)
        guider.set_cfg(3.0)
        sampler = comfy.samplers.sampler_object("euler")
        out = SamplerCustomAdvanced.execute(Noise_RandomNoise(SEED + k), guider, sampler, SIGMAS, latent).args[0]
        drawn = vae.decode(out["samples"]).reshape(-1, SIDE, SIDE, 3).clamp(0, 1)
        film = torch.cat([film, drawn[before:]]) if k else drawn
    return film


def test_three_windows_are_three_runs_of_the_hosts_nodes(room, model, vae, prompts, pictures, other, windows, tmp_path):
    answer = windows()
    made, frames, count = answer.args
    assert (frames, count) == (LENGTH, 3)
    assert [(w.start, w.stop) for w in made.plan.windows] == SPANS
    ours = run(room, model, vae, prompts, made, tmp_path).frames
    wanted = by_the_host(model, vae, prompts, pictures, other)
    assert ours.shape == wanted.shape == (LENGTH, SIDE, SIDE, 3)
    assert torch.equal(ours, wanted)


def test_what_a_section_brings_changes_it_and_nothing_before(room, model, vae, prompts, pictures, windows, tmp_path):
    whole = run(room, model, vae, prompts, windows().args[0], tmp_path)
    bare = run(room, model, vae, prompts, windows(image=None, clip_vision=None).args[0], tmp_path)
    assert bare.reused == 2, "the end picture is told to the last window of its section alone"
    assert torch.equal(bare.frames[:25], whole.frames[:25])
    assert not torch.equal(bare.frames[25:], whole.frames[25:])
    words = run(room, model, vae, prompts, windows(positive=None).args[0], tmp_path)
    assert words.reused == 1 and not torch.equal(words.frames[13:25], whole.frames[13:25])
    again = run(room, model, vae, prompts, windows().args[0], tmp_path)
    assert again.reused == 3 and torch.equal(again.frames, whole.frames)


def test_colours_are_matched_at_the_seam(room, model, vae, prompts, windows, tmp_path):
    plain = run(room, model, vae, prompts, windows().args[0], tmp_path).frames
    matched = run(room, model, vae, prompts, windows().args[0], tmp_path, "overlap").frames
    assert torch.equal(plain[:13], matched[:13]) and not torch.equal(plain[13:25], matched[13:25])


def test_the_end_picture_keeps_its_place_behind_a_clip(room, windows, pictures):
    """A continued plan has borders of its own: frame 12 in place of 13, and the last window is cut."""
    made = windows().args[0]
    behind = room.plan.continuing(made.plan)
    assert [(w.start, w.stop) for w in behind.windows] == [(0, 12), (12, 24), (24, 33)]
    carried = SimpleNamespace(frames=torch.rand(OVERLAP, SIDE, SIDE, 3))
    for window, given in zip(behind.windows, ([0, 1, 2, 3, 4, 16], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 13]), strict=True):
        (entry,) = made.provider.show(window, carried).edit("negative", [{}])
        rows = entry["concat_mask"][0].transpose(0, 1).flatten(0, 1)[:, 0, 0]
        wanted = [0.0 if frame in given else 1.0 for frame in [0, 0, 0, *range(window.frames)]]
        assert rows.tolist() == wanted


def test_a_chain_goes_on_from_a_clip(room, model, vae, prompts, windows, pictures, tmp_path):
    from comfy_api.latest import InputImpl, Types

    images = torch.rand(9, SIDE, SIDE, 3, generator=torch.Generator().manual_seed(4))
    clip = InputImpl.VideoFromComponents(Types.VideoComponents(images=images, audio=None, frame_rate=Fraction(16)))
    answer = room.windows.ContinueVideo.execute(windows().args[0], clip)
    assert "section at 0.8 s: it begins at 0.75 s, frame 12" in told(answer)
    ours = run(room, model, vae, prompts, answer.args[0], tmp_path)
    assert ours.frames.shape == (LENGTH, SIDE, SIDE, 3) and torch.isfinite(ours.frames).all()
    other = replace(answer.args[0], carried=replace(answer.args[0].carried, frames=images[:OVERLAP]))
    assert not torch.equal(run(room, model, vae, prompts, other, tmp_path).frames, ours.frames)


def test_both_experts_of_a_pair_see_the_chain(room, load_model, tiny, vae, prompts, windows, tmp_path):
    """Wan 2.2: the one for high noise makes the first step, the one for low noise the second."""
    import comfy.samplers
    from genga.samplers import experts

    def frames(low):
        guider = experts.ExpertGuider(load_model(tiny.files.I2V_HIGH), load_model(low), 0.9)
        guider.set_conds(*prompts)
        guider.set_cfg(3.0, 1.0)
        sampler = comfy.samplers.sampler_object("euler")
        made = [
            windows(image=None, clip_vision=None, chain=chain).args[0]
            for chain in ((), (room.sections.Section(0.0, image=end),))
        ]
        jobs = [room.engine.Job(guider, sampler, SIGMAS, vae, each, SEED) for each in made]
        with room.store.Store(tmp_path / low) as opened:
            return [frames_of(room.engine.run(job, opened, Silent(), exact)) for job in jobs]

    end = torch.rand(1, SIDE, SIDE, 3, generator=torch.Generator().manual_seed(8))
    plain, ending = frames(tiny.files.I2V_LOW)
    assert torch.equal(plain[:17], ending[:17]) and not torch.equal(plain[17:], ending[17:])
    assert not torch.equal(frames(tiny.files.I2V_HIGH)[0], plain)


def told(answer) -> str:
    return " ".join(answer.ui["text"])


def test_the_node_tells_what_becomes_of_sections(room, windows, other):
    said = told(windows())
    assert "33 frames, 2.06 s, 3 windows: 13, 17, 13" in said
    assert "section at 0.8 s" not in said, "12.8 is nearest to frame 13"
    late = told(windows(length=30, chain=(room.sections.Section(1.0, other), room.sections.Section(3.0, other))))
    assert "length 30: 33 frames used" in late
    assert "section at 1 s: it begins at 1.0625 s, frame 17" in late
    assert "section at 3 s: the video ends at 2.0625 s; it is not used" in late
    assert "with fewer than 33 Wan moves little" in late


def test_what_cannot_be_shown_is_told_before_anything_is_encoded(room, windows, other, pictures, load_model, tiny):
    bad = room.sections.Section(0.5, other, None, SimpleNamespace(penultimate_hidden_states=torch.zeros(1, 5, 768)))
    with pytest.raises(InputError, match=r"section at 0.5 s clip_vision_output: its tokens are 768 wide"):
        windows(chain=(bad,))
    with pytest.raises(InputError, match=r"length: 0 frames is outside"):
        windows(length=0)
    with pytest.raises(InputError, match=r"a text-to-video model: it cannot see the pictures of Wan I2V Windows"):
        windows().args[0].fits(load_model(tiny.files.T2V))
    assert windows().args[0].fits(load_model(tiny.files.I2V_HIGH)) is None
    assert windows().args[0].fps == Fraction(16)
