"""Colour transfer: equal to color-matcher, defined for every picture, and within its memory."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from genga.errors import InputError
from genga.media import color_hist, color_linear
from genga.media.color import METHODS, ColorTransfer
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


@settings(max_examples=500, deadline=None)
@given(data=st.data(), statistics=st.sampled_from(["per_frame", "uniform"]), strength=st.sampled_from([1.0, 0.4]))
def test_odd_pictures_are_defined_and_left_alone(data, statistics, strength):
    source = data.draw(pictures())
    reference = data.draw(pictures())
    method = data.draw(st.sampled_from(sorted(METHODS)))
    if method == "mvgd-aligned":
        reference = data.draw(pictures(size=source.shape[1:3]))
    if statistics == "uniform" and method.startswith("hm") and data.draw(st.integers(0, 9)):
        statistics = "per_frame"  # the pooled table takes a tenth of a second, whatever the size
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
        wanted = color_linear.log_lms(reference.reshape(-1, 3)).mean(0).exp() @ color_linear._FROM_LMS.float().T
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


@pytest.mark.parametrize("kind", ["photo", "8 bit"])
@pytest.mark.parametrize("precise", [False, True])
def test_the_way_of_a_gpu_ranks_as_the_way_of_a_cpu(kind, precise):
    source, reference = PICTURES[kind]
    pixels = source.reshape(-1, 3).to(torch.float64 if precise else torch.float32)
    target = color_hist.distribution(reference.reshape(-1, 3))
    values = torch.from_numpy(target.by_rank(len(pixels))).float()
    assert torch.equal(color_hist.match_on_device(pixels, values), color_hist.match(pixels, target))


def test_the_matrix_of_a_gpu_is_that_of_a_cpu():
    pixels = noise(37, 11, 1).reshape(-1, 3)
    affine = color_linear.Affine(noise(3, 1, 2)[0, :, 0].double(), torch.tensor([0.1, -0.2, 0.3]).double())
    assert torch.allclose(affine(pixels), affine.precise(pixels).float(), atol=1e-6)
    assert torch.allclose(affine(pixels).double(), pixels.double() @ affine.matrix.T + affine.offset, atol=1e-6)


def test_moments_of_many_blocks():
    pixels = noise(1, 70001, 1).reshape(-1, 3) * 1e-3 + 0.9
    found = color_linear.moments(pixels)
    assert torch.allclose(found.mean, pixels.double().mean(0), atol=1e-12)
    assert torch.allclose(found.covariance, pixels.double().T.cov(), rtol=1e-6, atol=0)


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


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux counts the peak of memory")
@pytest.mark.parametrize("uniform", [False, True])
@pytest.mark.parametrize(
    "method, frames", [("mkl", 81), ("reinhard", 9), ("hm", 9), ("hm-mkl-hm", 9), ("mvgd-aligned", 9)]
)
def test_memory_is_that_of_frames_and_not_of_the_clip(method, frames, uniform):
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
