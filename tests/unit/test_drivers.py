"""Drivers brought to the video's time and size, read as they are needed; and the looks at what was wired."""

from __future__ import annotations

import gc
import io
import weakref
from fractions import Fraction
from types import SimpleNamespace

import pytest
import torch
from genga.conditioning import driver_checks, drivers
from genga.errors import InputError
from genga.media import film as films_room
from genga.media import source
from genga_tests.tools import films
from hypothesis import given
from hypothesis import strategies as st

RATES = st.sampled_from([Fraction(n) for n in (8, 12, 15, 16, 24, 25, 30, 60)] + [Fraction(30000, 1001)])


def numbers(pictures) -> list[int]:
    return [films.number_of(picture) for picture in pictures]


def made(images, name=drivers.POSE, fps=0.0, batch_fps=0.0, start=0.0) -> drivers.Driver:
    return drivers.drivers({name: images}, fps, batch_fps, start)[0][name]


def reference_padding(count: int, wanted: int) -> list[int]:
    """Back and forth as WanAnimate's loop walks it."""
    place, step, found = 0, 1, []
    for _ in range(wanted):
        found.append(place)
        place += step
        if place in (0, count - 1):
            step = -step
    return found


def reference_frames(count: int, rate: Fraction, fps: Fraction) -> list[int]:
    """Nearest frames at the target rate, as WanAnimate's preprocessing takes them."""
    target = int(count / rate * fps)
    return [min(round(i * rate / fps), count - 1) for i in range(target)]


# ---------------------------------------------------------------- time


@given(st.integers(2, 60), st.integers(1, 300))
def test_back_and_forth_as_the_reference_pads(count, wanted):
    assert [drivers.bounce(i, count) for i in range(wanted)] == reference_padding(count, wanted)


def test_one_frame_is_the_same_for_ever():
    assert [drivers.bounce(i, 1) for i in range(5)] == [0] * 5


@given(st.integers(2, 80), RATES, RATES)
def test_frames_are_those_nearest_in_time(count, rate, fps):
    images = torch.zeros(count, 1, 1, 3)
    driver = drivers._driver(drivers.Batch(images, "pose_video", rate), fps, 0.0, False)
    wanted = reference_frames(count, rate, fps)
    assert driver.count - len(wanted) in (0, 1), "at most a frame that lacks a twentieth is made whole"
    chosen = [min(int(driver.moment(place) * rate), count - 1) for place in range(len(wanted))]
    ties = [i for i in range(len(wanted)) if (i * rate / fps) % 1 == Fraction(1, 2)]
    assert all(a == b for i, (a, b) in enumerate(zip(chosen, wanted, strict=True)) if i not in ties)
    assert all(abs(chosen[i] - wanted[i]) <= 1 for i in ties)


@given(st.integers(1, 40), st.integers(-9, 90), st.integers(1, 81))
def test_a_window_has_exactly_its_frames(count, first, frames):
    driver = made(torch.zeros(count, 1, 1, 3), fps=16.0)
    places = driver.places(first, frames)
    assert len(places) == frames and all(0 <= place < count for place in places)
    if first <= 0 < first + frames:
        assert places[-first] == 0


def test_before_the_driver_its_first_frame_stands_still_unless_some_was_passed_over():
    images = films.batch(20)
    assert numbers(made(images, fps=10.0).window(-3, 5, lambda x: x)) == [0, 0, 0, 0, 1]
    passed = made(images, fps=10.0, start=0.2)
    assert passed.count == 18
    assert numbers(passed.window(-3, 5, lambda x: x)) == [0, 0, 1, 2, 3]


def test_passing_over_everything_is_refused():
    with pytest.raises(InputError, match="^driver_start: "):
        made(films.batch(20), fps=10.0, start=2.0)
    assert made(films.batch(1), fps=10.0, start=2.0).count == 1, "a still has no beginning"


def test_the_rate_of_the_video():
    def settle(wired, fps=0.0, batch_fps=0.0):
        return drivers.drivers(wired, fps, batch_fps, 0.0)

    images = films.batch(30)
    _, rate, notes = settle({"pose_video": images})
    assert rate == 30 and "do not tell their rate" in notes[0]
    driven, rate, notes = settle({"pose_video": images}, 15.0)
    assert rate == 15 and not notes and driven["pose_video"].count == 30
    driven, rate, notes = settle({"pose_video": images}, 15.0, 30.0)
    assert driven["pose_video"].count == 15
    assert numbers(driven["pose_video"].window(0, 4, lambda x: x)) == [0, 2, 4, 6]
    assert settle({"pose_video": images}, 0.0, 24.0)[1] == 24


def test_the_length_of_the_video():
    driven, *_ = drivers.drivers({"pose_video": films.batch(1), "face_video": films.batch(12)}, 10.0, 0.0, 0.0)
    assert drivers.length_of(driven, 0) == 12, "a still pose has no length"
    assert drivers.length_of(driven, 7) == 7
    with pytest.raises(InputError, match="^length: "):
        drivers.length_of({}, 0)


@pytest.mark.parametrize("value", [torch.zeros(0, 8, 8, 3), torch.zeros(2, 0, 8, 3), torch.zeros(8)])
def test_an_empty_driver_is_refused(value):
    with pytest.raises(InputError, match="^pose_video: there is not a frame"):
        made(value)


def test_numbers_that_are_no_picture_are_refused_when_they_are_read():
    images = films.batch(12)
    images[10] = float("nan")
    driver = made(images, fps=10.0)
    driver.window(0, 9, lambda x: x)
    with pytest.raises(InputError, match="^pose_video: .*not numbers"):
        driver.window(4, 9, lambda x: x)


# ---------------------------------------------------------------- films


def opened(path, **cut) -> drivers.Driver:
    film = films_room.open_film(path, "pose_video", **cut)
    return drivers._driver(film, film.rate, 0.0, False)


@pytest.mark.parametrize(
    ("suffix", "codec"), [("mp4", "libx264"), ("mkv", "libx264"), ("avi", "mpeg4"), ("webm", "libvpx")]
)
def test_every_frame_of_a_film_is_found_from_anywhere(tmp_path, suffix, codec):
    driver = opened(films.write(tmp_path / f"a.{suffix}", 60, 25, codec=codec))
    assert driver.count == 60
    for first, frames in ((0, 60), (31, 9), (59, 1), (7, 5)):
        assert numbers(driver.window(first, frames, lambda x: x)) == list(range(first, first + frames))
    assert numbers(driver.window(57, 7, lambda x: x)) == [57, 58, 59, 58, 57, 56, 55]


def test_a_film_is_resampled_by_time(tmp_path):
    film = films_room.open_film(films.write(tmp_path / "a.mp4", 50, 25), "pose_video")
    slower = drivers._driver(film, Fraction(15), 0.0, False)
    assert slower.count == 30
    assert numbers(slower.window(0, 30, lambda x: x)) == reference_frames(50, Fraction(25), Fraction(15))
    faster = drivers._driver(film, Fraction(50), 0.0, False)
    assert faster.count == 100
    assert numbers(faster.window(0, 6, lambda x: x)) == [0, 1, 1, 2, 2, 3]


def test_uneven_times_are_kept(tmp_path):
    times = [Fraction(n, 10) for n in (0, 1, 2, 10, 11, 12, 20)]
    film = films_room.open_film(films.write(tmp_path / "a.mkv", 7, 10, times), "pose_video")
    assert film.seconds >= 2
    assert numbers(film.pictures([Fraction(5, 10), Fraction(105, 100), Fraction(3)])) == [2, 3, 6]


def test_a_films_bytes_and_a_cut(tmp_path):
    path = films.write(tmp_path / "a.mp4", 50, 25)
    driver = opened(io.BytesIO(path.read_bytes()), start=Fraction(1), duration=Fraction(2, 5))
    assert driver.count == 10
    assert numbers(driver.window(0, 10, lambda x: x)) == list(range(25, 35))
    with pytest.raises(InputError, match="ends before"):
        opened(path, start=Fraction(3))


def test_raw_video_without_times_is_counted(tmp_path):
    driver = opened(films.write(tmp_path / "a.h264", 30, 25))
    assert numbers(driver.window(11, 4, lambda x: x)) == [11, 12, 13, 14]


def test_what_is_no_film_is_refused(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"no film at all")
    with pytest.raises(InputError, match="^pose_video: it cannot be read"):
        films_room.open_film(path, "pose_video")


def test_no_more_than_a_handful_of_frames_is_held(tmp_path, monkeypatch):
    """However long the film: only what ``fit`` is given at once, and one in the reader's hand."""
    alive, most, real = set(), [0], source.picture

    def watched(frame):
        picture = real(frame)
        alive.add(id(picture))
        weakref.finalize(picture, alive.discard, id(picture))
        most[0] = max(most[0], len(alive))
        return picture

    monkeypatch.setattr(films_room, "picture", watched)
    driver = opened(films.write(tmp_path / "a.mp4", 200, 25))
    window = driver.window(60, 81, lambda pictures: pictures[:, :1, :1].clone())
    gc.collect()
    assert window.shape == (81, 1, 1, 3)
    assert 8 <= most[0] <= 17


# ---------------------------------------------------------------- size


def test_pictures_of_the_right_size_are_left_alone():
    images = torch.rand(3, 16, 24, 3)
    assert torch.equal(drivers.fitted(images, 24, 16, "crop"), images)
    assert torch.equal(drivers.fitted(images[..., :1], 24, 16, "pad"), images[..., :1].expand(-1, -1, -1, 3))


def test_a_mask_of_latent_size_is_left_alone_and_a_drawn_one_is_black_and_white():
    mask = torch.rand(2, 2, 3, 1)
    assert torch.equal(drivers.mask_of(mask, 24, 16, "crop", False), mask[..., 0])
    assert torch.equal(drivers.mask_of(mask, 24, 16, "crop", True), (mask[..., 0] > 0.5).float())


# ---------------------------------------------------------------- the looks


def photograph(height=80, width=80, seed=0) -> torch.Tensor:
    """Smooth shades, none of them black for the most part."""
    small = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(seed)) * 0.7 + 0.2
    return torch.nn.functional.interpolate(small, size=(height, width), mode="bilinear")[0].movedim(0, -1)


def night(seed=0) -> torch.Tensor:
    """A dark photograph: mostly black, the rest in all shades."""
    return (photograph(seed=seed) ** 4) * 0.6


def skeleton(height=80, width=80, shift=0) -> torch.Tensor:
    picture = torch.zeros(height, width, 3)
    picture[10:-10, width // 2 + shift : width // 2 + shift + 3, 0] = 1.0
    picture[height // 3 : height // 3 + 3, 10:-10, 1] = 0.9
    return picture


def landmarks() -> torch.Tensor:
    picture = torch.zeros(80, 80, 3)
    picture[20:60:4, 20:60:4] = 1.0
    return picture


def batch_of(*pictures) -> torch.Tensor:
    return torch.stack(pictures)


def found(length=8, **wired) -> str:
    driven, *_ = drivers.drivers(wired, 10.0, 0.0, 0.0)
    return "\n".join(driver_checks.inspect(driven, length))


BLANK = torch.zeros(80, 80, 3)
FILLED = torch.zeros(2, 80, 80)
FILLED[:, 30:80, 30:50] = 1.0
SCENE = batch_of(photograph(seed=3), photograph(seed=4)) * (1 - FILLED[..., None])

TRIGGERS = [
    ("landmarks", {"face_video": batch_of(landmarks(), landmarks())}, {"face_video": batch_of(photograph(), photograph())}),
    ("landmarks", {"face_video": batch_of(skeleton(), skeleton())}, {"face_video": batch_of(night(), night(1))}),
    ("not square", {"face_video": photograph(80, 120)[None]}, {"face_video": photograph(80, 100)[None]}),
    ("detection lost it", {"face_video": batch_of(photograph(), BLANK)}, {"face_video": photograph()[None]}),
    ("no face in any", {"face_video": BLANK[None]}, {"face_video": photograph()[None]}),
    ("a video itself", {"pose_video": batch_of(photograph(), photograph(seed=1))}, {"pose_video": skeleton()[None]}),
    ("no pose in any", {"pose_video": BLANK[None]}, {"pose_video": skeleton()[None]}),
    ("no pose in 1 of 2", {"pose_video": batch_of(skeleton(), BLANK)}, {"pose_video": batch_of(skeleton(), skeleton(shift=9))}),
    ("inverted", {"character_mask": 1 - FILLED}, {"character_mask": FILLED}),
    ("nobody is replaced", {"character_mask": FILLED * 0}, {"character_mask": FILLED}),
    ("black in 1 of 2", {"character_mask": FILLED * torch.tensor([1.0, 0.0])[:, None, None]}, {"character_mask": FILLED}),
    ("white all over", {"character_mask": FILLED * 0 + 1}, {"character_mask": FILLED}),
    ("of it is grey", {"character_mask": FILLED * 0.7}, {"character_mask": FILLED}),
    ("character_mask is not wired", {"background_video": SCENE}, {"background_video": SCENE, "character_mask": FILLED}),
    ("background_video is not wired", {"character_mask": FILLED}, {"pose_video": skeleton()[None]}),
    (
        "not black where",
        {"background_video": batch_of(photograph(), photograph()), "character_mask": FILLED},
        {"background_video": SCENE, "character_mask": FILLED},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("words", "bad", "good"), TRIGGERS, ids=[words for words, *_ in TRIGGERS])
def test_each_look_finds_its_fault_and_only_that(words, bad, good):
    assert words in found(**bad)
    assert words not in found(**good)


def test_good_drivers_call_for_nothing():
    wired = {"pose_video": batch_of(skeleton(), skeleton(shift=5)), "face_video": batch_of(photograph(), night())}
    assert found(**wired) == ""
    assert found(**wired, background_video=SCENE, character_mask=FILLED) == ""


def test_only_what_is_used_is_looked_at():
    frames = batch_of(*[photograph()] * 4, BLANK)
    assert "lost" in found(length=5, face_video=frames)
    assert found(length=4, face_video=frames) == ""


def test_lost_faces_are_found_in_a_long_batch_down_to_the_last_frame():
    frames = torch.stack([photograph()] * 500)
    frames[-1] = 0
    assert "lost" in found(length=500, face_video=frames)


def graph(lora="WanAnimate_relight_lora_fp16.safetensors", strength=1.0, behind=False) -> dict:
    loader = {"class_type": "LoraLoaderModelOnly", "inputs": {"lora_name": lora, "strength_model": strength}}
    loader["inputs"]["model"] = ["4", 0] if behind else ["1", 0]
    model = ["1", 0] if behind else ["2", 0]
    return {
        "1": {"class_type": "UNETLoader", "inputs": {"unet_name": "animate.safetensors"}},
        "2": loader,
        "4": {"class_type": "GengaWanAnimatePose", "inputs": {"model": model, "width": 832}},
        "5": {"class_type": "BasicGuider", "inputs": {"model": ["2", 0] if behind else ["4", 0]}},
    }


@pytest.mark.parametrize("behind", [False, True])
def test_the_relighting_lora_is_found_in_the_graph(behind):
    name = driver_checks.relighting(graph(behind=behind), "4")
    assert name == "WanAnimate_relight_lora_fp16.safetensors"
    assert "leave it out" in driver_checks.relight_note({}, name)[0]
    assert driver_checks.relight_note({"background_video": SimpleNamespace()}, name) == []
    assert driver_checks.relighting(graph("lightx2v.safetensors", behind=behind), "4") is None
    assert driver_checks.relighting(graph(strength=0.0, behind=behind), "4") is None
    assert driver_checks.relight_note({}, None) == []


def test_a_lora_elsewhere_in_the_graph_is_not_ours():
    stray = graph()
    stray["4"]["inputs"]["model"] = ["1", 0]
    assert driver_checks.relighting(stray, "4") is None
    assert driver_checks.relighting(None, "4") is None and driver_checks.relighting({}, "4") is None
