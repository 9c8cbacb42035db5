"""The window engine against the host's own sampling and decoding."""

from __future__ import annotations

import copy
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from genga.errors import InputError
from genga_tests.tools.windowed import FPS, SIDE, Provider, Silent, exact, frames_of

SEED = 11


@pytest.fixture(scope="module")
def rooms(models):
    from genga.samplers import audio_guider, experts
    from genga.samplers.windows import draw, engine, finish, guiders, hold, plan, progress, provider, store

    return SimpleNamespace(
        audio_guider=audio_guider,
        experts=experts,
        draw=draw,
        engine=engine,
        finish=finish,
        guiders=guiders,
        hold=hold,
        plan=plan,
        progress=progress,
        provider=provider,
        store=store,
    )


@pytest.fixture(scope="module")
def model(load_model, tiny):
    return load_model(tiny.files.I2V_HIGH)


@pytest.fixture(scope="module")
def low(load_model, tiny):
    return load_model(tiny.files.I2V_LOW)


@pytest.fixture
def store(rooms, tmp_path):
    with rooms.store.Store(tmp_path / "windows") as opened:
        yield opened


@pytest.fixture(scope="module")
def shop(rooms, vae, model, low, prompts):
    """Makes guiders and jobs."""
    return Shop(rooms, vae, model, low, prompts)


class Shop:
    def __init__(self, rooms, vae, model, low, prompts):
        self.rooms, self.vae, self.model, self.low, self.prompts = rooms, vae, model, low, prompts
        self.sigmas = torch.tensor([1.0, 0.7, 0.0])

    def guider(self, kind="cfg", model=None):
        import comfy.samplers
        from comfy_extras.nodes_custom_sampler import Guider_Basic, Guider_DualCFG

        model = self.model if model is None else model
        positive, negative = self.prompts
        if kind == "basic":
            guider = Guider_Basic(model)
            guider.set_conds(positive)
        elif kind == "dual":
            guider = Guider_DualCFG(model)
            guider.set_conds(positive, negative, negative)
            guider.set_cfg(2.0, 3.0)
        elif kind == "audio":
            guider = self.rooms.audio_guider.AudioGuider(model, positive, negative, 3.0, 2.0)
        elif kind == "experts":
            guider = self.rooms.experts.ExpertGuider(model, self.low, 0.9)
            guider.set_conds(positive, negative)
            guider.set_cfg(3.0, 1.0)
        else:
            guider = comfy.samplers.CFGGuider(model)
            guider.set_conds(positive, negative)
            guider.set_cfg(3.0)
        return guider

    def windows(self, length, window=9, overlap=5, provider=None, **kind):
        plan = self.rooms.plan.make(length, window, overlap, **kind)
        return self.rooms.provider.Windows(plan, Provider(self.vae) if provider is None else provider, FPS)

    def job(self, windows, guider=None, sampler="euler", **more):
        import comfy.samplers

        guider = self.guider() if guider is None else guider
        sampler = comfy.samplers.sampler_object(sampler)
        return self.rooms.engine.Job(guider, sampler, self.sigmas, self.vae, windows, SEED, **more)

    def run(self, job, store, tell=None):
        return self.rooms.engine.run(job, store, tell or Silent(), exact)


def by_the_host(shop, guider, samples, seed, mask=None, sampler="euler"):
    """SamplerCustomAdvanced and VAEDecode: latent and pixels."""
    import comfy.samplers
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise, SamplerCustomAdvanced

    import nodes

    latent = {"samples": samples} | ({} if mask is None else {"noise_mask": mask})
    chosen = comfy.samplers.sampler_object(sampler)
    out = SamplerCustomAdvanced.execute(Noise_RandomNoise(seed), guider, chosen, shop.sigmas, latent).args[0]
    return out["samples"], nodes.VAEDecode().decode(shop.vae, out)[0]


def shown_to(guider, provider, window, carried=None):
    """The same guider with the window's conditioning put in by hand."""
    shown = provider.show(window, carried)
    twin = copy.copy(guider)
    twin.original_conds = {name: shown.edit(name, conds) for name, conds in guider.original_conds.items()}
    return twin, shown


@pytest.mark.parametrize("kind", ["cfg", "basic", "dual", "experts", "audio"])
def test_one_window_is_the_hosts_sampler_and_decoder(shop, store, kind):
    length = 6 if kind == "cfg" else 9
    guider, provider = shop.guider(kind), Provider(shop.vae)
    windows = shop.windows(length, provider=provider)
    result = shop.run(shop.job(windows, guider), store)
    twin, shown = shown_to(guider, provider, windows.plan.windows[0])
    latent, pixels = by_the_host(shop, twin, torch.zeros(shown.latent_shape), SEED)
    assert torch.equal(result.carried.latent, latent)
    assert torch.equal(frames_of(result), pixels[:length])
    assert torch.equal(result.carried.frames, pixels[length - 5 : length])
    assert torch.equal(result.carried.anchor, pixels[:1])


@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral", "uni_pc"])
def test_a_held_head_is_the_hosts_sampler_with_a_mask_that_does_not_noise(shop, store, sampler, rooms):
    """A later window of a chain, made again by hand from what the one before left."""
    guider, provider = shop.guider(), Provider(shop.vae)
    windows = shop.windows(13, provider=provider)
    first = shop.run(shop.job(shop.windows(9), guider, sampler), store)
    result = shop.run(shop.job(windows, guider, sampler), store)
    window = windows.plan.windows[1]
    held = shop.model.clone()
    held.add_object_patch("scale_latent_inpaint", lambda latent_image, **_: latent_image)
    twin, shown = shown_to(shop.guider(model=held), provider, window, first.carried)
    start = shop.model.model.process_latent_out(torch.zeros(shown.latent_shape))
    start[:, :, :2] = shop.vae.encode(first.carried.frames)
    mask = torch.ones(1, 1, *start.shape[2:])
    mask[:, :, :2] = 0
    latent, _ = by_the_host(shop, twin, start, SEED + 1, mask, sampler)
    latent[:, :, :2] = start[:, :, :2]
    assert torch.equal(result.carried.latent, latent)
    assert torch.equal(frames_of(result)[9:13], shop.vae.decode(latent)[0][5:])


@pytest.mark.parametrize("kind", ["cfg", "experts"])
def test_the_head_is_the_encoded_tail_to_the_last_bit(shop, store, kind):
    provider = Provider(shop.vae)
    latents = []
    windows = shop.windows(21, provider=provider)
    for length in (9, 13, 17, 21):
        run = replace(windows, plan=shop.rooms.plan.make(length, 9, 5))
        latents.append(shop.run(shop.job(run, shop.guider(kind)), store).carried.latent)
    heads = provider.heads
    assert len(heads) == 4, "each window was computed once"
    assert heads[0] is None
    for latent, head in zip(latents[1:], heads[1:], strict=True):
        assert torch.equal(latent[:, :, :2], head)
        assert not torch.equal(latent[:, :, 2:], latents[0][:, :, 2:])


def test_the_model_sees_the_head_clean_at_every_step(shop, store):
    """And the rest noised: what the model is given is watched."""
    import comfy.patcher_extension as extension

    seen = []
    watched = shop.model.clone()

    def watch(executor, x, t, *args, **kwargs):
        seen.append((float(t[0]), x[:1].clone()))
        return executor(x, t, *args, **kwargs)

    watched.add_wrapper_with_key(extension.WrappersMP.APPLY_MODEL, "watch", watch)
    first = torch.randn(1, 16, 1, 4, 4, generator=torch.Generator().manual_seed(5))
    provider = Provider(shop.vae, first=first)
    shop.run(shop.job(shop.windows(13, provider=provider), shop.guider(model=watched)), store)
    assert [round(sigma, 3) for sigma, _ in seen] == [1.0, 0.7, 1.0, 0.7]
    for place, (_, x) in enumerate(seen):
        head = shop.model.model.process_latent_in(provider.heads[place // 2])
        assert torch.equal(x[:, :, : head.shape[2]], head)
    noise = torch.randn(1, 16, 3, 4, 4, generator=torch.manual_seed(SEED))
    assert torch.allclose(seen[0][1][:, :, 1:], noise[:, :, 1:], atol=1e-6)


def test_a_schedule_that_starts_low_shows_nothing_but_noise_outside_the_head(shop, rooms):
    head = torch.randn(1, 16, 1, 4, 4)
    start, mask = rooms.hold.start(shop.model, (1, 16, 3, 4, 4), head)
    assert torch.equal(start[:, :, :1], head)
    assert shop.model.model.process_latent_in(start)[:, :, 1:].abs().max() < 1e-6
    assert mask[:, :, :1].max() == 0 and mask[:, :, 1:].min() == 1


@pytest.mark.parametrize("kind", ["cfg", "basic", "dual", "experts", "audio"])
def test_the_callers_guider_is_as_it_was(shop, store, kind):
    guider = shop.guider(kind)
    before = {name: [dict(cond) for cond in conds] for name, conds in guider.original_conds.items()}
    attributes, patches = dict(vars(guider)), dict(shop.model.object_patches)
    options = copy.deepcopy(shop.model.model_options)
    start = torch.randn(1, 16, 3, 4, 4, generator=torch.Generator().manual_seed(2))
    mask = torch.ones(1, 1, 3, 4, 4)
    mask[:, :, :1] = 0
    expected, _ = by_the_host(shop, guider, start, 3, mask)
    shop.run(shop.job(shop.windows(13), guider), store)
    assert {k: v for k, v in vars(guider).items() if k != "conds"} == {
        k: v for k, v in attributes.items() if k != "conds"
    }
    assert shop.model.object_patches == patches and shop.model.model_options == options
    for name, conds in guider.original_conds.items():
        for cond, old in zip(conds, before[name], strict=True):
            assert cond.keys() == old.keys() and all(cond[key] is old[key] for key in old)
    again, _ = by_the_host(shop, guider, start, 3, mask)
    assert torch.equal(again, expected), "the host's own inpainting still noises the masked area"


def test_both_experts_hold_the_head_and_keep_their_models(shop, rooms):
    guider = shop.guider("experts")
    held = rooms.guiders.with_models(guider, rooms.hold.holding)
    assert [p.model for p in held.model_patchers] == [p.model for p in guider.model_patchers]
    assert all("scale_latent_inpaint" in p.object_patches for p in held.model_patchers)
    assert not any("scale_latent_inpaint" in p.object_patches for p in guider.model_patchers)
    one = rooms.experts.ExpertGuider(shop.model, shop.model, 0.9)
    one.set_conds(*shop.prompts)
    alike = rooms.guiders.with_models(one, rooms.hold.holding)
    assert alike.model_patcher is alike.low_model_patcher, "one model on both sides stays one"


def test_a_guider_around_guiders_is_copied_all_through(shop, rooms):
    import comfy.samplers

    class Around(comfy.samplers.CFGGuider):
        pass

    inner = [shop.guider(), shop.guider("basic")]
    outer = Around(shop.model)
    outer.set_conds(*shop.prompts)
    outer.parts, outer.one = inner, inner[0]
    twin = rooms.guiders.with_conds(
        rooms.guiders.with_models(outer, rooms.hold.holding), lambda name, conds: [{**c, "mark": name} for c in conds]
    )
    assert twin.parts[1].original_conds["positive"][0]["mark"] == "positive"
    assert twin.one.model_patcher is twin.model_patcher is twin.parts[0].model_patcher
    assert all("mark" not in conds[0] for guider in (outer, *inner) for conds in guider.original_conds.values())
    assert outer.parts is inner and inner[0].model_patcher is shop.model


@pytest.mark.parametrize("thing", ["text", None, object()])
def test_what_is_no_guider_is_refused(rooms, thing):
    with pytest.raises(InputError, match="^guider: "):
        rooms.guiders.check_guider(thing)


def test_a_guider_without_prompts_is_refused(shop, rooms):
    import comfy.samplers

    with pytest.raises(InputError, match="no conditioning"):
        rooms.guiders.check_guider(comfy.samplers.CFGGuider(shop.model))


# ---------------------------------------------------------------- noise


def noises(rooms, plan, policy="window", of=None):
    source = rooms.draw.of(policy, plan, SEED)
    latent = torch.zeros(1, 16, 3, 4, 4)
    return [source.noise(window, latent) for window in (of or plan.order)]


def test_noise_differs_by_window_and_not_by_history(rooms):
    import comfy.sample

    short, long = (rooms.plan.make(length, 9, 5) for length in (17, 41))
    several = noises(rooms, long)
    for k, noise in enumerate(several):
        assert torch.equal(noise, comfy.sample.prepare_noise(torch.zeros(1, 16, 3, 4, 4), SEED + k))
    assert torch.equal(noises(rooms, short)[1], several[1])
    assert torch.equal(noises(rooms, long, of=long.windows[5:6])[0], several[5])
    assert not torch.equal(several[0], several[1])


@pytest.mark.parametrize("backward", [False, True])
def test_one_generator_goes_through_the_windows_and_may_start_anywhere(rooms, backward):
    plan = rooms.plan.make(41, 9, 5, backward=backward)
    generator = torch.Generator("cpu").manual_seed(SEED)
    expected = [torch.randn(1, 16, 3, 4, 4, generator=generator) for _ in plan.order]
    assert all(torch.equal(a, b) for a, b in zip(noises(rooms, plan, "generator"), expected, strict=True))
    middle = noises(rooms, plan, "generator", of=[plan.order[4], plan.order[6], plan.order[2]])
    assert all(torch.equal(a, expected[k]) for a, k in zip(middle, (4, 6, 2), strict=True))


def test_the_last_seed_is_followed_by_the_first(rooms):
    window = rooms.plan.make(41, 9, 5).windows[3]
    assert rooms.draw.seed_of(2**64 - 2, window) == 1


# ---------------------------------------------------------------- the store


def counted(result, tell):
    return [place for event, place in tell.events if event == "begin"], result.reused


def test_a_second_run_takes_everything_and_is_the_same(shop, store):
    one = shop.run(shop.job(shop.windows(21)), store)
    tell = Silent()
    two = shop.run(shop.job(shop.windows(21)), store, tell)
    assert counted(two, tell) == ([], 4)
    assert torch.equal(frames_of(one), frames_of(two))
    assert torch.equal(one.carried.frames, two.carried.frames)
    assert torch.equal(one.carried.latent, two.carried.latent)
    assert torch.equal(one.carried.anchor, two.carried.anchor)


@pytest.mark.parametrize(
    ("stop", "backward", "noise"), [(0, False, "window"), (2, False, "window"), (2, True, "generator")]
)
def test_cancelled_inside_a_window_and_resumed_is_the_same(shop, store, tmp_path, stop, noise, backward):
    import comfy.model_management as management

    def cancel(event):
        if event == ("step", 1) and tell.events.count(("step", 1)) == stop + 1:
            raise management.InterruptProcessingException

    settings = {"noise": noise, "colour": shop.rooms.finish.Colour("mkl")}
    make = lambda: shop.job(shop.windows(21, backward=backward), sampler="euler_ancestral", **settings)  # noqa: E731
    tell = Silent(cancel)
    with pytest.raises(management.InterruptProcessingException):
        shop.run(make(), store, tell)
    assert len(list(store.root.glob("*/manifest.json"))) == stop
    assert not list((store.root / "drafts").glob("*/segment.mp4"))
    tell = Silent()
    resumed = shop.run(make(), store, tell)
    assert counted(resumed, tell) == (list(range(stop, 4)), stop)
    with shop.rooms.store.Store(tmp_path / "other") as other:
        straight = shop.run(make(), other)
    assert torch.equal(frames_of(resumed), frames_of(straight))
    assert torch.equal(resumed.carried.latent, straight.carried.latent)


def test_a_changed_prompt_makes_only_the_windows_from_there_on(shop, store):
    before = shop.run(shop.job(shop.windows(25)), store)
    tell = Silent()
    changed = shop.windows(25, provider=Provider(shop.vae, prompts={3: 0.5}))
    after = shop.run(shop.job(changed), store, tell)
    assert counted(after, tell) == ([3, 4], 3)
    assert torch.equal(frames_of(before)[:17], frames_of(after)[:17])
    assert not torch.equal(frames_of(before)[17:], frames_of(after)[17:])


def test_a_longer_video_reuses_all_but_the_last_window(shop, store):
    shop.run(shop.job(shop.windows(19)), store)
    tell = Silent()
    longer = shop.run(shop.job(shop.windows(27)), store, tell)
    assert counted(longer, tell) == ([3, 4, 5], 3)
    assert frames_of(longer).shape[0] == 27


@pytest.mark.parametrize(
    "change",
    [
        {"seed": SEED + 1},
        {"sigmas": torch.tensor([1.0, 0.6, 0.0])},
        {"crf": 20},
        {"lineage": "x"},
        {"noise": "generator"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_the_result_depends_on_is_in_the_key(shop, store, change):
    one = shop.run(shop.job(shop.windows(9)), store)
    two = shop.run(replace(shop.job(shop.windows(9)), **change), store)
    assert two.reused == 0 and one.keys != two.keys


def test_another_guidance_sampler_or_model_is_another_key(shop, store):
    shop.run(shop.job(shop.windows(9)), store)
    guider = shop.guider()
    guider.set_cfg(2.0)
    assert shop.run(shop.job(shop.windows(9), guider), store).reused == 0
    assert shop.run(shop.job(shop.windows(9), sampler="dpmpp_2m"), store).reused == 0
    assert shop.run(shop.job(shop.windows(9), shop.guider(model=shop.low)), store).reused == 0
    assert shop.run(shop.job(shop.windows(9)), store).reused == 1


def test_colour_and_seam_leave_the_first_windows_alone(shop, store):
    shop.run(shop.job(shop.windows(17)), store)
    tell = Silent()
    matched = shop.run(shop.job(shop.windows(17), colour=shop.rooms.finish.Colour("mkl")), store, tell)
    assert counted(matched, tell) == ([1, 2], 1)


def test_without_resume_everything_is_made_anew_and_stays_whole(shop, store):
    one = shop.run(shop.job(shop.windows(13)), store)
    tell = Silent()
    two = shop.run(shop.job(shop.windows(13), resume=False), store, tell)
    assert counted(two, tell) == ([0, 1], 0)
    assert one.keys == two.keys
    assert torch.equal(frames_of(one), frames_of(two))
    assert len(list(store.root.glob("*/manifest.json"))) == 2


def test_a_broken_entry_is_made_anew(shop, store):
    one = shop.run(shop.job(shop.windows(13)), store)
    expected = frames_of(one)
    one.segments[0].write_bytes(b"broken")
    tell = Silent()
    two = shop.run(shop.job(shop.windows(13)), store, tell)
    assert counted(two, tell) == ([0], 1)
    assert torch.equal(frames_of(two), expected)
    assert store.notes


# ---------------------------------------------------------------- directions, latents, seams


def test_backward_gives_the_frames_in_the_order_of_time(shop, store):
    provider = Provider(shop.vae, head=False)
    windows = shop.windows(37, window=13, provider=provider, backward=True)
    result = shop.run(shop.job(windows, noise="generator"), store)
    assert frames_of(result).shape[0] == 37
    assert [window.index for window, _ in provider.shown] == [3, 2, 1, 0]
    for (window, carried), (later, _) in zip(provider.shown[1:], provider.shown, strict=False):
        assert carried.latent.shape == (1, 16, 4, 4, 4)
        assert window.stop == later.start and carried.frames.shape[0] == 5
    pieces = frames_of(result)
    after = provider.shown[1][1]
    assert torch.equal(after.frames, pieces[windows.plan.windows[3].start :][:5])
    assert torch.equal(result.carried.frames, pieces[:5])
    assert torch.equal(after.anchor, pieces[windows.plan.windows[3].start :][:1])


def test_carried_frames_and_latent_are_those_of_the_window_before(shop, store):
    provider = Provider(shop.vae)
    windows = shop.windows(29, window=13, provider=provider)
    result = shop.run(shop.job(windows), store)
    frames = frames_of(result)
    (_, none), (_, one), (window, two) = provider.shown
    assert none is None
    assert torch.equal(one.frames, frames[8:13]) and torch.equal(two.frames, frames[window.start - 5 : window.start])
    assert torch.equal(one.anchor, frames[:1]) and torch.equal(two.anchor, frames[:1])
    assert one.latent.shape == (1, 16, 4, 4, 4) and not torch.equal(one.latent, two.latent)


def test_a_tail_longer_than_a_windows_share_is_whole(shop, store):
    provider = Provider(shop.vae)
    shop.run(shop.job(shop.windows(17, window=13, overlap=9, provider=provider)), store)
    assert provider.shown[1][1].frames.shape[0] == 9


def test_leading_latents_that_are_no_video_are_cut_before_decoding(shop, store):
    provider = Provider(shop.vae, head=False, skip=1)
    windows = shop.windows(9, provider=provider)
    guider = shop.guider()
    result = shop.run(shop.job(windows, guider), store)
    twin, shown = shown_to(guider, provider, windows.plan.windows[0])
    assert shown.latent_shape[2] == 4
    latent, _ = by_the_host(shop, twin, torch.zeros(shown.latent_shape), SEED)
    assert torch.equal(result.carried.latent, latent[:, :, 1:])
    assert torch.equal(frames_of(result), shop.vae.decode(latent[:, :, 1:])[0])


@pytest.mark.parametrize("backward", [False, True])
def test_overlapped_decoding_completes_a_window_from_the_one_before(shop, rooms, backward):
    plan = rooms.plan.make(41, 17, 9, backward=backward)
    first, window = plan.order[:2]
    known, new = torch.randn(1, 16, 5, 4, 4) * 0.3, torch.randn(1, 16, 2, 4, 4) * 0.3
    carried = rooms.provider.Carried(torch.zeros(9, SIDE, SIDE, 3), known, torch.zeros(1, SIDE, SIDE, 3))
    pixels = rooms.finish.decode(shop.vae, new, window, carried, plan, "overlapped")
    joined = torch.cat([new, known[:, :, :3]] if backward else [known[:, :, -3:], new], dim=2)
    assert torch.equal(pixels, shop.vae.decode(joined)[0])
    assert pixels.shape[0] == 17 == first.frames
    with pytest.raises(InputError, match="^vae: .*makes 5 frames"):
        rooms.finish.decode(shop.vae, new, window, carried, plan, "whole")
    with pytest.raises(ValueError, match="too few"):
        rooms.finish.decode(shop.vae, new, window, None, plan, "overlapped")


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("count", [1, 4])
def test_a_seam_is_mixed_from_the_true_tail_and_the_decoded_overlap(shop, store, tmp_path, rooms, backward, count):
    provider, decoded = Provider(shop.vae, head=not backward), {}
    windows = shop.windows(17, provider=provider, backward=backward)
    plain = shop.run(shop.job(windows), store)
    for window, carried in provider.shown[:3]:
        latent = shop.run(shop.job(windows_until(rooms, windows, window)), store).carried.latent
        decoded[window.index] = rooms.finish.decode(shop.vae, latent, window, carried, windows.plan, "whole")
    mixed = shop.run(shop.job(windows, blend=count), store)
    one, two = frames_of(plain), frames_of(mixed)
    assert one.shape == two.shape
    expected = one.clone()
    for window in windows.plan.order[1:]:
        own = decoded[window.index]
        for step in range(1, count + 1):
            frame = window.stop + count - step if backward else window.start - count + step - 1
            weight = step / (count + 1)
            expected[frame] = torch.lerp(one[frame], own[frame - window.first], weight)
    assert torch.allclose(two, expected, atol=1e-6)
    assert not torch.equal(one, two)
    assert torch.equal(plain.carried.frames, mixed.carried.frames), "the tail is taken before mixing"


def windows_until(rooms, windows, window):
    """The same windows, of a plan that ends, in the order of computing, with ``window``."""
    plan = windows.plan
    kept = [w for w in plan.windows if (w.index >= window.index if plan.backward else w.index <= window.index)]
    return replace(windows, plan=replace(plan, windows=tuple(kept)))


# ---------------------------------------------------------------- colour


def test_strength_0_is_bypass_to_the_last_bit(shop, store):
    plain = shop.run(shop.job(shop.windows(17)), store)
    for method in shop.rooms.finish.COLORS:
        result = shop.run(shop.job(shop.windows(17), colour=shop.rooms.finish.Colour(method, 0.0)), store)
        assert result.keys == plain.keys and result.reused == 3


@pytest.mark.parametrize("method", ["overlap", "mkl", "hm", "reinhard", "mvgd", "hm-mvgd-hm", "hm-mkl-hm"])
def test_every_method_gives_numbers_and_leaves_the_first_window(shop, store, method):
    plain = frames_of(shop.run(shop.job(shop.windows(17)), store))
    matched = frames_of(shop.run(shop.job(shop.windows(17), colour=shop.rooms.finish.Colour(method, 1.0)), store))
    assert torch.isfinite(matched).all() and matched.min() >= 0 and matched.max() <= 1
    assert torch.equal(plain[:9], matched[:9])
    assert not torch.equal(plain[9:], matched[9:])


def test_the_overlap_method_undoes_a_known_shift(rooms):
    generator = torch.Generator().manual_seed(0)
    true = torch.rand(5, 40, 56, 3, generator=generator) * 0.5 + 0.2
    gain, offset = torch.tensor([0.9, 1.05, 1.1]), torch.tensor([0.02, -0.03, 0.01])
    decoded = true * gain + offset
    found, shift = rooms.finish.fit_overlap(decoded, true)
    assert found.dtype == torch.float64
    assert torch.allclose(found, 1 / gain.double(), atol=1e-5)
    assert torch.allclose(rooms.finish.affine(decoded, found, shift), true, atol=1e-5)


def blocks(seed: int) -> torch.Tensor:
    """Two frames of 64x48 in blocks of 16 pixels."""
    small = torch.rand(2, 3, 4, 3, generator=torch.Generator().manual_seed(seed))
    return small.repeat_interleave(16, 1).repeat_interleave(16, 2)


@pytest.mark.parametrize("backward", [False, True])
def test_overlap_gives_a_window_back_the_colours_it_was_shown(rooms, backward):
    """A lamp is lit meanwhile: the window's new frames are others than those that are known."""
    plan = rooms.plan.make(17, 9, 5, backward=backward)
    earlier, later = plan.order[:2]
    scene = blocks(seed=4)[:1] * torch.linspace(0.4, 0.8, 17)[:, None, None, None] + 0.1
    known, true = (scene[window.first : window.first + window.frames] for window in (earlier, later))
    carried = rooms.provider.Carried(rooms.finish.tail(plan, earlier, known), None, scene[:1])
    decoded = true * torch.tensor([1.02, 0.98, 1.01]) + torch.tensor([0.01, -0.01, 0.02])
    full, half = (
        rooms.finish.match(
            decoded.clone(), plan, later, carried, rooms.finish.Colour("overlap", strength), lambda: None
        )
        for strength in (1.0, 0.5)
    )
    torch.testing.assert_close(full, true, rtol=0, atol=1e-5)
    torch.testing.assert_close(half, (true + decoded) / 2, rtol=0, atol=1e-5)


def test_detail_that_decoding_adds_is_not_taken_for_lost_contrast(rooms):
    """Fitted pixel by pixel, noise of 8 per cent lowered contrast by 7 per cent at every seam."""
    true = blocks(seed=2)
    decoded = true + 0.08 * torch.randn(true.shape, generator=torch.Generator().manual_seed(3))
    for pair in ((decoded, true), (true, decoded)):
        gain, offset = rooms.finish.fit_overlap(*pair)
        assert (gain - 1).abs().max() < 0.01 and offset.abs().max() < 0.01


def test_a_flat_channel_gets_an_offset_only_and_gains_stay_within_reason(rooms):
    true = blocks(seed=1)
    decoded = true.clone()
    decoded[..., 0] = 0.25
    decoded[..., 1] = 0.5 + (true[..., 1] - 0.5) * 0.1
    gain, offset = rooms.finish.fit_overlap(decoded, true)
    assert gain[0] == 1 and gain[1] == 1.25
    matched = rooms.finish.affine(decoded, gain, offset)
    assert torch.allclose(matched.mean((0, 1, 2)), true.mean((0, 1, 2)), atol=1e-4)


# ---------------------------------------------------------------- continued


def test_a_continued_plan_starts_from_the_carried_frames(shop, store, rooms):
    whole_provider, provider = Provider(shop.vae), Provider(shop.vae)
    whole = shop.run(shop.job(shop.windows(13, provider=whole_provider)), store)
    known = frames_of(whole)
    carried = rooms.provider.Carried(known[4:9].clone(), None, known[:1].clone())
    windows = shop.windows(4, provider=provider, continued=True)
    windows = replace(windows, carried=carried)
    provider.picture = lambda window: whole_provider.picture(replace(window, index=window.index + 1))
    job = replace(shop.job(windows), seed=SEED + 1)
    result = shop.run(job, store)
    assert torch.equal(frames_of(result), known[9:13]), "as the second window of the whole"
    assert shop.run(job, store).reused == 1
    other = replace(carried, frames=carried.frames + 0.01)
    assert shop.run(replace(job, windows=replace(windows, carried=other)), store).reused == 0


# ---------------------------------------------------------------- progress


def test_the_line_a_person_reads(rooms):
    assert rooms.progress.line(2, 12, 0.418, 372.0) == "window 3 of 12, 41 %, about 6 min left"
    assert rooms.progress.line(0, 1, 0.0, None) == "window 1 of 1, 0 %"
    assert [rooms.progress.duration(s) for s in (0.2, 40, 89, 90, 5000, 8400)] == [
        "1 s", "40 s", "89 s", "2 min", "83 min", "2 h 20 min",
    ]  # fmt: skip


def test_the_bar_counts_stored_windows_as_done_and_the_time_only_of_those_made_here(shop, rooms, monkeypatch):
    import comfy.utils

    told, said, now = [], [], iter(range(0, 1000, 10))
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda value, total, *_, **__: told.append((value, total)))
    tell = rooms.progress.Progress(3, 2, said.append, clock=lambda: next(now))
    tell.reused(0)
    tell.begin(1)
    step = tell.callback(shop.model, 1)
    step(0, torch.zeros(1, 16, 3, 4, 4), None, 2)
    step(1, torch.zeros(1, 16, 3, 4, 4), None, 2)
    assert said[0] == "window 1 of 3, 33 %"
    assert said[1:] == ["window 2 of 3, 50 %, about 30 s left", "window 2 of 3, 66 %, about 20 s left"]
    assert told[0] == (2, 6) and told[-1][0] <= 4


def test_the_preview_leaves_out_what_is_no_video(shop, rooms, monkeypatch):
    import latent_preview

    seen = []

    class Previewer:
        def decode_latent_to_preview_image(self, _format, x0):
            seen.append(x0.shape[2])

    monkeypatch.setattr(latent_preview, "get_previewer", lambda *_: Previewer())
    rooms.progress.Progress(1, 1).callback(shop.model, 1)(0, torch.zeros(1, 16, 4, 4, 4), None, 1)
    assert seen == [3]


def test_cancelling_is_heard_at_every_step_and_between_all_parts(shop, rooms, store, monkeypatch):
    import comfy.model_management as management

    calls = []
    monkeypatch.setattr(management, "throw_exception_if_processing_interrupted", lambda: calls.append(1))
    shop.run(shop.job(shop.windows(13)), store, rooms.progress.Progress(2, 2))
    assert len(calls) >= 2 * (2 + 2 + 3), "at the steps, around sampling, decoding and writing"


def test_nothing_but_the_last_frames_stays(shop, store):
    """However many windows: what a run leaves behind is of one window."""
    import gc
    import weakref

    provider = Provider(shop.vae)
    living = []

    class Tell(Silent):
        def begin(self, place):
            gc.collect()
            living.append(sum(ref() is not None for ref in refs))
            refs.extend(weakref.ref(t) for _, c in provider.shown[-1:] if c for t in (c.frames, c.latent))
            provider.shown.clear()
            provider.heads.clear()
            super().begin(place)

    refs = []
    shop.run(shop.job(shop.windows(25, provider=provider)), store, Tell())
    assert max(living) <= 4, living


def test_the_hosts_uni_pc_leaves_the_schedule_as_it_is(shop, store):
    """It sets the last noise level of what it is given to 0.001: windows would differ, and never be found again."""
    sigmas = shop.sigmas.clone()
    job = shop.job(shop.windows(13), sampler="uni_pc")
    first, second = shop.run(job, store), shop.run(job, store)
    assert torch.equal(job.sigmas, sigmas)
    assert second.reused == len(first.segments) == 2
