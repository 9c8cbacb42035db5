"""Colour transfer: equal to color-matcher, defined for every picture, and within its memory."""

from __future__ import annotations

import threading
import warnings
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from genga.errors import InputError
from genga.media import color, color_hist, color_linear
from genga.media.color import METHODS, ColorTransfer, in_turn
from hypothesis import given, settings
from hypothesis import strategies as st

TOLERANCE = 5e-5


def noise(height: int, width: int, seed: int, frames: int = 1) -> torch.Tensor:
    return torch.rand(frames, height, width, 3, generator=torch.Generator().manual_seed(seed))


def photo(height: int, width: int, seed: int, frames: int = 1) -> torch.Tensor:
    """Smooth colours with grain."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(frames, 3, 5, 5, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)
    grain = 0.02 * torch.randn(frames, height, width, 3, generator=generator)
    return (0.1 + 0.7 * smooth.permute(0, 2, 3, 1) + grain).clamp(0, 1)


def eight_bit(images: torch.Tensor) -> torch.Tensor:
    return (images * 255).round() / 255


PICTURES = {
    "noise": (noise(60, 90, 1), noise(48, 80, 2) ** 2),
    "photo": (photo(60, 90, 3), photo(48, 80, 4)),
    "8 bit": (eight_bit(photo(60, 90, 5)), eight_bit(photo(48, 80, 6))),
    "same size": (photo(64, 64, 7), photo(64, 64, 8)),
    "dark": (photo(60, 90, 9) * 0.05, eight_bit(photo(48, 80, 10)) ** 3),
}


def theirs(method: str, source: torch.Tensor, reference: torch.Tensor) -> np.ndarray:
    """color-matcher's picture, clamped. It gets float64: its means of float32 drift by up to 1e-4."""
    library = pytest.importorskip("color_matcher", reason="color-matcher 0.6.0 is not installed")
    src, ref = (images[0].numpy().astype(np.float64) for images in (source, reference))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if method == "mvgd-aligned":
            made = library.top_level.ColorMatcher(src=src, ref=ref, method="mvgd").transfer(method="mvgd")
        else:
            made = library.top_level.ColorMatcher().transfer(src=src, ref=ref, method=method)
    return np.clip(made, 0, 1)


@pytest.mark.parametrize("kind", PICTURES)
@pytest.mark.parametrize("method", METHODS)
def test_equals_color_matcher(method, kind):
    source, reference = PICTURES[kind]
    if method == "mvgd-aligned" and source.shape != reference.shape:
        reference = photo(60, 90, 11)
    ours = ColorTransfer.fit(reference, method).apply(source)[0].numpy()
    assert np.abs(ours - theirs(method, source, reference)).max() < TOLERANCE


def test_a_grey_source_is_laid_along_the_references_colours():
    """The limit of the transport as the source's chroma goes to nothing; color-matcher's answer is rounding noise."""
    grey = 0.3 + 0.4 * noise(40, 60, 1)[..., :1].expand(-1, -1, -1, 3)
    reference = 0.25 + 0.5 * photo(40, 60, 2)
    matched = ColorTransfer.fit(reference, "mkl").apply(grey).double().reshape(-1, 3)
    wanted = reference.double().reshape(-1, 3).T.cov()
    axis = torch.full((3,), 3**-0.5, dtype=torch.float64)
    along = wanted @ axis / (axis @ wanted @ axis).sqrt()
    assert torch.allclose(matched.T.cov(), torch.outer(along, along), atol=1e-6)
    faint = grey + 1e-4 * (noise(40, 60, 3) - 0.5)
    near = ColorTransfer.fit(reference, "mkl").apply(faint).double().reshape(-1, 3)
    assert (near.T.cov() - wanted).abs().max() < 1e-3


def test_mkl_makes_mean_and_covariance_the_references():
    source, reference = noise(50, 70, 1), 0.3 + 0.2 * photo(40, 40, 2)
    matched = ColorTransfer.fit(reference, "mkl").apply(0.4 + 0.2 * source).double().reshape(-1, 3)
    wanted = reference.double().reshape(-1, 3)
    assert torch.allclose(matched.mean(0), wanted.mean(0), atol=1e-6)
    assert torch.allclose(matched.T.cov(), wanted.T.cov(), atol=1e-6)


def test_hm_of_a_shuffled_reference_is_the_same_multiset():
    reference = eight_bit(noise(20, 30, 1))
    order = torch.randperm(600, generator=torch.Generator().manual_seed(2))
    source = (reference.reshape(600, 3)[order] ** 2).reshape(1, 30, 20, 3)
    matched = ColorTransfer.fit(reference, "hm").apply(source)
    assert torch.equal(matched.reshape(600, 3).sort(0).values, reference.reshape(600, 3).sort(0).values)


def test_aligned_recovers_a_known_linear_change():
    source = 0.2 + 0.5 * noise(16, 16, 1)
    matrix = torch.tensor([[0.8, 0.1, 0.0], [0.0, 0.9, 0.1], [0.1, 0.0, 0.7]])
    reference = source @ matrix.T + 0.05
    assert torch.allclose(ColorTransfer.fit(reference, "mvgd-aligned").apply(source), reference, atol=1e-6)


def test_mvgd_is_what_nodes_have_always_given():
    source, reference = PICTURES["photo"]
    for alias, name in (("mvgd", "mkl"), ("hm-mvgd-hm", "hm-mkl-hm")):
        pair = [ColorTransfer.fit(reference, method).apply(source) for method in (alias, name)]
        assert torch.equal(*pair)


# Odd pictures: 500 in all, every method for each.
LEVELS = (0.0, -0.0, 1.0, 0.5, 1 / 255, 1e-40, 1e-30, 1e-7, 0.999999, -0.5, 1.5, 0.3)


@st.composite
def pictures(draw, frames=None, size=None):
    height, width = size or (draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    frames = frames or draw(st.integers(1, 2))
    kind = draw(st.sampled_from(["flat", "levels", "noise", "faint", "grey", "stripes"]))
    seed = draw(st.integers(0, 2**16))
    picture = noise(height, width, seed, frames)
    if kind == "flat":
        picture = torch.tensor([draw(st.sampled_from(LEVELS)) for _ in range(3)]).expand_as(picture)
    elif kind == "levels":
        few = torch.tensor(draw(st.lists(st.sampled_from(LEVELS), min_size=1, max_size=4)))
        picture = few[(picture * len(few)).long().clamp(max=len(few) - 1)]
    elif kind == "faint":
        picture = 0.5 + (picture - 0.5) * 10.0 ** -draw(st.integers(3, 9))
    elif kind == "grey":
        picture = picture[..., :1].expand(-1, -1, -1, 3)
    elif kind == "stripes":
        picture = (picture[:, :1] > 0.5).float().expand(-1, height, -1, -1)
    return picture


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(data=st.data(), statistics=st.sampled_from(["per_frame", "uniform"]), strength=st.sampled_from([1.0, 0.4]))
def test_odd_pictures_are_defined_and_left_alone(data, statistics, strength):
    source = data.draw(pictures())
    reference = data.draw(pictures())
    method = data.draw(st.sampled_from(sorted(METHODS)))
    if method == "mvgd-aligned":
        reference = data.draw(pictures(size=source.shape[1:3]))
    before = source.clone(), reference.clone()
    transfer = ColorTransfer.fit(reference, method, paired=len(reference) == len(source) > 1)
    if statistics == "uniform":
        transfer = transfer.with_source(source)
    matched = transfer.apply(source, strength)
    assert matched.shape == source.shape and matched.dtype == source.dtype
    assert torch.isfinite(matched).all() and matched.min() >= 0 and matched.max() <= 1
    assert torch.equal(source, before[0]) and torch.equal(reference, before[1])


@pytest.mark.parametrize("method", ["mkl", "reinhard"])
@pytest.mark.parametrize("level", [0.0, 0.25, 1.0])
def test_a_flat_frame_becomes_the_references_mean(method, level):
    reference = photo(20, 20, 1)
    matched = ColorTransfer.fit(reference, method).apply(torch.full((1, 8, 8, 3), level))
    wanted = reference.mean((0, 1, 2))
    if method == "reinhard":  # its mean is that of logarithms
        logarithms = color_linear.log_lms(reference.reshape(-1, 3).numpy())
        wanted = torch.from_numpy(np.exp(logarithms.mean(0)) @ color_linear._FROM_LMS.T).float()
    assert torch.allclose(matched, wanted.expand_as(matched), atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_strength(method):
    source, reference = PICTURES["same size"]
    transfer = ColorTransfer.fit(reference, method)
    assert torch.equal(transfer.apply(source, 0.0), source)
    full, half = transfer.apply(source), transfer.apply(source, 0.5)
    inside = (full > 0) & (full < 1)
    assert torch.allclose(half[inside], ((source + full) / 2)[inside], atol=1e-6)
    for value in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="strength"):
            transfer.apply(source, value)


@pytest.mark.parametrize("statistics", ["per_frame", "uniform", "paired"])
@pytest.mark.parametrize("method", METHODS)
def test_chunks_change_nothing(method, statistics):
    source, references = photo(24, 24, 1, frames=5), photo(24, 24, 2, frames=5)
    paired = statistics == "paired"
    transfer = ColorTransfer.fit(references if paired else references[:1], method, paired=paired)
    whole = chunked = transfer
    if statistics == "uniform":
        whole, chunked = transfer.with_source(source), transfer.with_source(source[:2], source[2:])
    parts = [chunked.apply(source[a:b], first=a) for a, b in ((0, 1), (1, 4), (4, 5))]
    assert torch.equal(whole.apply(source), torch.cat(parts))


@pytest.mark.parametrize("method", METHODS)
def test_uniform_over_one_frame_is_that_frames_own_match(method):
    source, reference = PICTURES["same size"]
    transfer = ColorTransfer.fit(reference, method)
    grid = 2e-3 if method.startswith("hm") else 1e-6  # hm: ranks within a step of the grid are one
    assert torch.allclose(transfer.with_source(source).apply(source), transfer.apply(source), atol=grid)


def test_uniform_keeps_the_differences_between_frames():
    source = torch.cat([0.2 + 0.2 * noise(16, 16, 1), 0.6 + 0.2 * noise(16, 16, 2)])
    reference = 0.3 + 0.4 * noise(16, 16, 3)
    transfer = ColorTransfer.fit(reference, "mkl")
    own, uniform = transfer.apply(source), transfer.with_source(source).apply(source)
    assert abs(own[0].mean() - own[1].mean()) < 1e-5
    assert uniform[1].mean() - uniform[0].mean() > 0.1
    assert torch.allclose(uniform.mean((0, 1, 2)), reference.mean((0, 1, 2)), atol=1e-3)


def test_uniform_hm_tells_neighbouring_steps_apart():
    order = torch.randperm(900, generator=torch.Generator().manual_seed(1))
    source = ((order + 1000) / 2**18).reshape(1, 10, 30, 3)
    transfer = ColorTransfer.fit(noise(20, 20, 2), "hm")
    assert torch.allclose(transfer.with_source(source).apply(source), transfer.apply(source), atol=1e-6)


def test_values_beyond_those_counted_go_to_the_ends():
    source = torch.cat([0.4 + 0.2 * noise(16, 16, 1), noise(16, 16, 2)])
    reference = 0.3 + 0.4 * noise(16, 16, 3)
    matched = ColorTransfer.fit(reference, "hm").with_source(source[:1]).apply(source)[1]
    for channel in range(3):
        inside, wanted = source[0, ..., channel], reference[..., channel]
        outside, found = source[1, ..., channel], matched[..., channel]
        assert (found[outside < inside.min() - 1e-5] == wanted.min()).all()
        assert (found[outside > inside.max() + 1e-5] == wanted.max()).all()


def test_a_paired_reference_gives_each_frame_its_own():
    source, references = photo(24, 24, 1, frames=3), photo(20, 20, 2, frames=3)
    for method in ("mkl", "hm"):
        matched = ColorTransfer.fit(references, method, paired=True).apply(source)
        single = [ColorTransfer.fit(references[i : i + 1], method).apply(source[i : i + 1]) for i in range(3)]
        assert torch.equal(matched, torch.cat(single))
    with pytest.raises(InputError, match="reference"):
        ColorTransfer.fit(references, "mkl", paired=True).apply(source, first=1)


def test_a_reference_of_several_pictures_is_pooled():
    source, references = photo(24, 24, 1), eight_bit(photo(20, 20, 2, frames=4))
    tall = references.reshape(1, 80, 20, 3)
    for method in ("mkl", "reinhard", "hm"):
        pooled, stacked = (ColorTransfer.fit(images, method).apply(source) for images in (references, tall))
        assert torch.allclose(pooled, stacked, atol=1e-5), method


def test_half_precision_and_other_layouts():
    source, reference = PICTURES["photo"]
    wanted = ColorTransfer.fit(reference, "mkl").apply(source)
    for kind, near in ((torch.float16, 2e-3), (torch.bfloat16, 2e-2), (torch.float64, 1e-6)):
        matched = ColorTransfer.fit(reference.to(kind), "mkl").apply(source.to(kind))
        assert matched.dtype == kind
        assert torch.allclose(matched.float(), wanted, atol=near)
    sliced = source.flip(2)[:, :, ::2]
    assert not sliced.is_contiguous()
    transfer = ColorTransfer.fit(reference, "hm")
    assert torch.equal(transfer.apply(sliced), transfer.apply(sliced.contiguous()))


# Pixels are numpy on a CPU and tensors on a GPU; the way of tensors can be tried without a GPU.


@pytest.mark.parametrize("kind", ["photo", "8 bit"])
@pytest.mark.parametrize("precise", [False, True])
def test_the_way_of_a_gpu_ranks_as_the_way_of_a_cpu(kind, precise):
    source, reference = PICTURES[kind]
    pixels = source.reshape(-1, 3).to(torch.float64 if precise else torch.float32)
    target = color_hist.distribution(reference.reshape(-1, 3).numpy())
    by_cpu = color_hist.match(pixels.numpy(), target)
    assert np.array_equal(color_hist.match(pixels, target).numpy(), by_cpu)
    counts = [color_hist.Counts.of(each) for each in (pixels, pixels.numpy())]
    assert counts[0].first == counts[1].first and np.array_equal(counts[0].counts, counts[1].counts)
    table = color_hist.table(counts[0], target)
    wider = pixels * 1.5 - 0.25
    assert np.array_equal(table(wider).numpy(), table(wider.numpy()))


@pytest.mark.parametrize("count", [1, 31, 407, 70001])
def test_the_arithmetic_of_a_gpu_is_that_of_a_cpu(count):
    pixels = noise(count, 1, 1).reshape(-1, 3)
    matrix, offset = noise(3, 1, 2)[0, :, 0].double().numpy(), np.array([0.1, -0.2, 0.3])
    affine = color_linear.Affine(matrix, offset)
    by_cpu = affine(pixels.numpy())
    assert np.abs(by_cpu - (pixels.double().numpy() @ matrix.T + offset)).max() < 1e-6
    assert np.abs(affine(pixels).numpy() - by_cpu).max() < 1e-6
    assert np.array_equal(affine.precise(pixels).numpy(), affine.precise(pixels.numpy()))
    found = [color_linear.moments(each) for each in (pixels, pixels.numpy())]
    assert np.allclose(found[0].mean, found[1].mean, rtol=1e-12)
    assert np.allclose(found[0].scatter, found[1].scatter, rtol=1e-9, atol=1e-12)
    dark = pixels - 0.1
    assert np.abs(color_linear.log_lms(dark).numpy() - color_linear.log_lms(dark.numpy())).max() < 1e-5
    back = color_linear.LogAffine(color_linear.Affine(np.eye(3) * 0.9, offset))
    assert np.abs(back(dark).numpy() - back(dark.numpy())).max() < 1e-5
    for strength in (1.0, 0.3):
        out = torch.empty_like(pixels), np.empty_like(by_cpu)
        color_linear.blend(pixels, affine(pixels), strength, out[0])
        color_linear.blend(pixels.numpy(), by_cpu, strength, out[1])
        assert np.abs(out[0].numpy() - out[1]).max() < 1e-6


@pytest.mark.parametrize("uniform", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_a_gpu_gives_the_frames_of_a_cpu(method, uniform, monkeypatch):
    source, reference = photo(40, 60, 1, frames=2), photo(40, 60, 2)

    def matched():
        transfer = ColorTransfer.fit(reference, method)
        return (transfer.with_source(source) if uniform else transfer).apply(source, 0.8)

    by_cpu, numpy_or_tensor = matched(), color._pixels

    def pixels(frame, device=None):
        return frame.detach().reshape(-1, 3) if device is None else numpy_or_tensor(frame, device)

    monkeypatch.setattr(color, "_pixels", pixels)
    monkeypatch.setattr(ColorTransfer, "_workers", lambda *_: 0)
    assert torch.allclose(matched(), by_cpu, atol=2e-3 if method.startswith("hm-") else 1e-5)


@pytest.mark.parametrize("first", [0.9, 0.0])
@pytest.mark.parametrize("count", [1, 2, 40, 8192, 8193, 70001])
def test_moments_of_many_blocks(count, first):
    pixels = (noise(1, count, 1).reshape(-1, 3) * 1e-3 + 0.9).numpy()
    pixels[0] = first
    found = color_linear.moments(pixels)
    wide = torch.from_numpy(pixels).double()
    deviations = wide - wide.mean(0)
    assert np.allclose(found.mean, wide.mean(0).numpy(), rtol=0, atol=1e-12)
    assert np.allclose(found.scatter, (deviations.T @ deviations).numpy(), rtol=1e-6, atol=1e-15 * count)
    assert np.allclose(found.covariance, np.cov(wide.numpy().T) if count > 1 else 0.0, rtol=1e-6, atol=1e-15)


# hm counts the pixels of larger pictures in bins instead of sorting them.
WIDE = {
    "photo": (photo(200, 300, 1), photo(150, 200, 2)),
    "8 bit to photo": (eight_bit(photo(200, 300, 3)), photo(150, 200, 4)),
    "photo to 8 bit": (photo(200, 300, 5), eight_bit(photo(150, 200, 6))),
    "gap": (photo(200, 300, 7), (photo(150, 200, 8) > 0.5) * 0.6 + 0.1 * noise(150, 200, 9)),
    "dark": (photo(200, 300, 10) ** 4 * 0.05, photo(150, 200, 11)),
    "one bright": (torch.cat([photo(200, 299, 12) * 0.02, torch.ones(1, 200, 1, 3)], dim=2), photo(150, 200, 13)),
    "outside": (photo(200, 300, 14) * 2 - 0.5, photo(150, 200, 15)),
    "flat": (torch.full((1, 200, 300, 3), 0.3), photo(150, 200, 16)),
    "faint": (0.5 + 1e-6 * noise(200, 300, 17), photo(150, 200, 18)),
}


LEVEL = ("flat", "faint")  # of these color-matcher's mkl divides rounding by rounding


@pytest.mark.parametrize(
    "kind, method", [(kind, "hm") for kind in WIDE] + [(kind, "hm-mkl-hm") for kind in WIDE if kind not in LEVEL]
)
def test_hm_by_bins_equals_color_matcher(kind, method):
    source, reference = WIDE[kind]
    ours = ColorTransfer.fit(reference, method).apply(source)[0].numpy()
    assert np.abs(ours - theirs(method, source, reference)).max() < TOLERANCE


@st.composite
def columns(draw):
    """Values of every density: noise, few levels, clusters a hair apart, and far ends."""
    seed, count = draw(st.integers(0, 2**16)), draw(st.integers(1, 400))
    values = np.random.default_rng(seed).random(count)
    for low, high, kind in draw(
        st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400), st.sampled_from("lcfe")), max_size=4)
    ):
        part = values[low:high]
        if kind == "l":
            part[:] = np.round(part * 7) / 7
        elif kind == "c":
            part[:] = 0.5 + part * 1e-7
        elif kind == "f":
            part[:] = part * 1e-4
        else:
            part[:] = part * 2 - 0.5
    return values


@settings(max_examples=100, deadline=None)
@given(column=columns(), reference=columns(), kind=st.sampled_from([np.float32, np.float64]))
def test_bins_are_within_the_tolerance_of_sorting(column, reference, kind):
    column = column.astype(np.float32).astype(kind)
    target = color_hist.distribution(np.repeat(reference[:, None].astype(np.float32), 3, axis=1))
    values = target.by_rank(len(column))[0]
    exact, found = values[color_hist._ranks(column)], np.empty(len(column))
    color_hist._match_by_bins(column, values, color_hist.TOLERANCE, found)
    assert np.abs(found - exact).max() <= color_hist.TOLERANCE
    order = np.argsort(column, kind="stable")
    assert (np.diff(found[order]) >= 0).all()
    assert (found[order][1:] == found[order][:-1])[np.diff(column[order]) == 0].all()


# Frames are shared among threads.


@pytest.fixture()
def threads(monkeypatch):
    return lambda count: monkeypatch.setattr(torch, "get_num_threads", lambda: count)


@pytest.mark.parametrize("uniform", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_the_number_of_threads_changes_nothing(method, uniform, threads):
    source, references = photo(40, 30, 1, frames=5), photo(40, 30, 2, frames=5)
    found = []
    for count in (1, 3):
        threads(count)
        transfer = ColorTransfer.fit(references, method, paired=True)
        found.append((transfer.with_source(source) if uniform else transfer).apply(source, 0.7))
    assert torch.equal(*found)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_progress_is_told_by_the_calling_thread_and_may_stop_the_work(count, threads):
    threads(count)
    source = photo(16, 16, 1, frames=30)
    transfer = ColorTransfer.fit(photo(16, 16, 2), "mkl")
    told = []
    transfer.apply(source, progress=lambda: told.append(threading.get_ident()))
    assert told == [threading.get_ident()] * 30

    class Interrupted(BaseException):
        pass

    begun, before = [], threading.active_count()

    def stop():
        raise Interrupted

    def work(index):
        begun.append(index)

    with pytest.raises(Interrupted):
        transfer.apply(source, progress=stop)
    with pytest.raises(Interrupted), closing(in_turn(work, 30, count)) as done:
        for _ in done:
            stop()
    assert threading.active_count() == before
    assert begun == list(range(len(begun))) and len(begun) <= count + 1


@pytest.mark.parametrize("count", [1, 2])
def test_what_fails_in_a_thread_is_raised(count, threads):
    threads(count)
    transfer = ColorTransfer.fit(photo(16, 16, 2, frames=3), "mkl", paired=True)
    with pytest.raises(InputError, match="reference"):
        transfer.apply(photo(16, 16, 1, frames=5))


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_threads_write_to_tensors_of_every_mode(inference, kind, threads):
    threads(2)
    with torch.inference_mode(inference):
        source, reference = photo(16, 16, 1, frames=4).to(kind), photo(16, 16, 2).to(kind)
        matched = ColorTransfer.fit(reference, "hm-mkl-hm").with_source(source).apply(source)
        matched += 1  # the caller's own, whatever thread wrote it
    assert matched.dtype == kind and matched.min() >= 1


WRONG = {
    "alpha": (torch.zeros(1, 4, 4, 4), "alpha channel"),
    "no batch": (torch.zeros(4, 4, 3), "shape"),
    "empty": (torch.zeros(0, 4, 4, 3), "empty"),
    "NaN": (torch.full((1, 2, 2, 3), float("nan")), "not numbers"),
    "infinite": (torch.full((1, 2, 2, 3), float("inf")), "not numbers"),
    "bytes": (torch.zeros(1, 2, 2, 3, dtype=torch.uint8), "uint8"),
    "0 to 255": (torch.full((1, 2, 2, 3), 200.0), "200"),
    "none": (None, "no picture"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_pictures_are_named(case):
    picture, said = WRONG[case]
    good = photo(4, 4, 1)
    with pytest.raises(InputError, match=f"^reference: .*{said}"):
        ColorTransfer.fit(picture)
    with pytest.raises(InputError, match=f"^image: .*{said}"):
        ColorTransfer.fit(good).apply(picture)
    with pytest.raises(InputError, match=f"^image: .*{said}"):
        ColorTransfer.fit(good).with_source(picture)


def test_unknown_methods_and_sizes_are_named():
    with pytest.raises(InputError, match="^method: 'wavelet'"):
        ColorTransfer.fit(photo(4, 4, 1), "wavelet")
    with pytest.raises(InputError, match="^reference: it is 5x4, the image 4x4.*same place"):
        ColorTransfer.fit(photo(4, 5, 1), "mvgd-aligned").apply(photo(4, 4, 1))


def _status(name: str) -> int:
    """Bytes, from Linux's account of this process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux counts the peak of memory")
@pytest.mark.parametrize("uniform", [False, True])
@pytest.mark.parametrize(
    "method, frames", [("mkl", 81), ("reinhard", 9), ("hm", 9), ("hm-mkl-hm", 9), ("mvgd-aligned", 9)]
)
def test_memory_is_that_of_frames_and_not_of_the_clip(method, frames, uniform, threads):
    threads(16)
    source = photo(480, 832, 1).expand(frames, -1, -1, -1)  # 81 frames in the memory of one
    reference = photo(480, 832, 2)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts from here
    before = _status("VmRSS")
    transfer = ColorTransfer.fit(reference, method)
    if uniform:
        transfer = transfer.with_source(source)
    matched = transfer.apply(source)
    extra = _status("VmHWM") - before - matched.numel() * 4
    assert extra < 200e6
