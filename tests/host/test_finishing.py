"""Videos in, videos out: frames, times and sound through every finishing node, as the host calls them."""

from __future__ import annotations

import errno
import gc
import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from genga.errors import InputError
from genga_tests.tools import films

RATE, FPS = 8000, Fraction(16)


@pytest.fixture(scope="module")
def nodes(host):
    from genga.nodes import finishing

    return {node.__name__: node for node in finishing.NODES}


@pytest.fixture(autouse=True)
def temp(host, tmp_path, monkeypatch):
    import folder_paths

    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path / "temp"))
    return tmp_path / "temp"


def steps(count: int, rate: int = RATE, fps: Fraction = FPS) -> dict:
    """Sound that says which frame it belongs to: over frame n its samples are (n + 1) / 100."""
    per_frame = [round((n + 1) * rate / fps) - round(n * rate / fps) for n in range(count)]
    values = np.repeat(np.arange(1, count + 1) / 100, per_frame).astype(np.float32)
    return {"waveform": torch.from_numpy(values)[None, None], "sample_rate": rate}


def made(images: torch.Tensor, fps=FPS, audio=None):
    """A VIDEO as CreateVideo makes it."""
    from comfy_api.latest import InputImpl, Types

    return InputImpl.VideoFromComponents(Types.VideoComponents(images=images, audio=audio, frame_rate=Fraction(fps)))


def opened(path) -> object:
    from comfy_api.latest import InputImpl

    return InputImpl.VideoFromFile(str(path))


def run(node, *values, **named):
    """The VIDEO and what was said."""
    output = node.execute(*values, **named)
    return output.args[0], " ".join((output.ui or {}).get("text", ()))


def pixels(video) -> torch.Tensor:
    """Every frame of a file as uint8, by PyAV alone."""
    with av.open(str(video.get_stream_source())) as container:
        return torch.from_numpy(np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)]))


def heard(video) -> tuple[np.ndarray, int]:
    """The samples of the first channel, and their rate."""
    with av.open(str(video.get_stream_source())) as container:
        stream = container.streams.audio[0]
        blocks = [frame.to_ndarray().reshape(-1)[:: stream.channels] for frame in container.decode(stream)]
        return np.concatenate(blocks), stream.rate


def numbers(video) -> list[int]:
    return [films.number_of(frame.float() / 255) for frame in pixels(video)]


def sounded(video, count: int, fps: Fraction = FPS) -> list[int]:
    """Which step of ``steps`` sounds a quarter into each frame; 0 is silence."""
    samples, rate = heard(video)
    return [round(float(samples[int((n + Fraction(1, 4)) / fps * rate)]) * 100) for n in range(count)]


def rounded(images: torch.Tensor) -> torch.Tensor:
    return (images * 255 + 0.5).clamp(0, 255).to(torch.uint8)


def noise(count: int, height: int = 30, width: int = 42, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, height, width, 3), generator=generator).float() / 255


def test_what_lies_between_two_steps_loses_nothing(nodes):
    """Odd sizes, noise, and a chain of three that picks frames only: the very numbers, and the very samples."""
    images = noise(24, 31, 43)
    audio = {"waveform": torch.rand(1, 2, 24000) * 2 - 1, "sample_rate": RATE * 2}
    video, _ = run(nodes["TrimVideo"], made(images, audio=audio), "frames", 2.0, 20.0)
    video, _ = run(nodes["JoinVideos"], video, video)
    video, _ = run(nodes["TrimVideo"], video, "frames", 20.0, 0.0)
    assert torch.equal(pixels(video), rounded(images[2:22]))
    samples, rate = heard(video)
    assert rate == RATE * 2 and np.array_equal(samples, audio["waveform"][0, 0, 2000:22000].numpy())


@pytest.mark.parametrize(
    ("unit", "start", "length", "expected"),
    [
        ("frames", 10.0, 5.0, range(10, 15)),
        ("frames", -4.0, 0.0, range(36, 40)),
        ("seconds", 0.5, 1.0, range(8, 24)),
        ("seconds", -0.5, 0.25, range(32, 36)),
        ("frames", 0.0, 40.0, range(40)),
    ],
)
def test_trim_keeps_frames_and_their_sound(nodes, unit, start, length, expected):
    video, said = run(nodes["TrimVideo"], made(films.batch(40), audio=steps(40)), unit, start, length)
    assert numbers(video) == list(expected)
    assert sounded(video, len(expected)) == [n + 1 for n in expected]
    assert video.get_frame_rate() == FPS and f"{len(expected)} frames of 40x40 at 16 fps" in said


def test_join_puts_every_sound_over_its_own_picture(nodes):
    first = made(films.batch(7), audio=steps(5))  # its sound ends two frames early
    silent = made(films.batch(3))
    other = made(films.batch(9), audio=steps(12, rate=11025))  # another rate, and longer than its picture
    video, _ = run(nodes["JoinVideos"], first, silent, video_4=other)
    assert numbers(video) == [*range(7), *range(3), *range(9)]
    assert sounded(video, 19) == [1, 2, 3, 4, 5, 0, 0, 0, 0, 0, *range(1, 10)]
    samples, rate = heard(video)
    assert rate == RATE and len(samples) == round(19 / FPS * RATE)


def test_join_of_parts_that_do_not_fit_is_an_error(nodes):
    like = made(films.batch(2))
    with pytest.raises(InputError, match=r"video_2: it is 20x20, video_1 40x40. Put Resize Video before it, to 40x40"):
        nodes["JoinVideos"].execute(like, made(films.batch(2, 20)))
    with pytest.raises(InputError, match=r"video_3: it has 24 frames per second.*Put Change FPS before it, to 16"):
        nodes["JoinVideos"].execute(like, like, video_3=made(films.batch(2), fps=24))


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (32, [n // 2 for n in range(16)]),
        (24, [0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7]),
        (8, [0, 2, 4, 6]),
        (3, [0, 5]),
    ],
)
def test_change_fps_keeps_the_time(nodes, fps, expected):
    video, _ = run(nodes["ChangeFps"], made(films.batch(8), audio=steps(8)), float(fps), "nearest")
    assert numbers(video) == expected and video.get_frame_rate() == fps
    if fps >= 8:
        assert sounded(video, len(expected), Fraction(fps)) == [
            int((n + 0.25) * 16 / fps) + 1 for n in range(len(expected))
        ]


def test_blend_mixes_the_two_neighbours(nodes):
    images = torch.stack([torch.full((4, 4, 3), value) for value in (0.0, 0.4, 0.8)])
    video, _ = run(nodes["ChangeFps"], made(images), 64.0, "blend")
    levels = pixels(video)[:, 0, 0, 0].tolist()
    assert levels == [round(255 * min(0.8, 0.1 * n)) for n in range(12)]


def test_the_same_rate_passes_the_video_itself(nodes):
    video = made(films.batch(3))
    passed, said = run(nodes["ChangeFps"], video, 16.0, "blend")
    assert passed is video and "16 frames per second already" in said


def test_uneven_frames_are_shown_when_they_were(nodes, tmp_path):
    times = [Fraction(n, 10) for n in (0, 1, 2, 8, 9, 10, 20, 21, 22, 23)]
    source = opened(films.write(tmp_path / "uneven.mkv", 10, times=times))
    video, said = run(nodes["ChangeFps"], source, 10.0, "nearest")
    assert numbers(video) == [0, 1, 2, 2, 2, 2, 3, 3, 3, 4, 5, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 7, 8, 9]
    assert "evenly" not in said
    _, said = run(nodes["TrimVideo"], source, "frames", 0.0, 5.0)
    assert "not evenly spaced" in said and "Put Change FPS before this node" in said


def test_upscale_gives_what_the_hosts_node_gives(nodes, upscaler):
    from comfy_extras.nodes_upscale_model import ImageUpscaleWithModel

    images = noise(3, 20, 28)
    expected = rounded(ImageUpscaleWithModel.execute(upscaler, images).args[0])
    video, said = run(nodes["UpscaleVideo"], made(images, audio=steps(3)), upscaler)
    assert torch.equal(pixels(video), expected)
    assert "112x80" in said and sounded(video, 3) == [1, 2, 3]


def test_upscale_takes_smaller_tiles_where_memory_is_short(nodes, upscaler, monkeypatch):
    sizes = []
    call = type(upscaler).__call__

    def narrow(self, picture):
        sizes.append(max(picture.shape[2:]))
        if sizes[-1] > 128:
            raise torch.cuda.OutOfMemoryError("out of memory")
        return call(self, picture)

    monkeypatch.setattr(type(upscaler), "__call__", narrow)
    video, _ = run(nodes["UpscaleVideo"], made(noise(2, 40, 300)), upscaler)
    assert video.get_dimensions() == (1200, 160)
    assert sizes[:3] == [300, 256, 128] and max(sizes[2:]) == 128  # the second frame begins with what fitted
    monkeypatch.setattr(type(upscaler), "__call__", lambda *_: narrow(upscaler, torch.zeros(1, 3, 300, 300)))
    with pytest.raises(torch.cuda.OutOfMemoryError):
        nodes["UpscaleVideo"].execute(made(noise(1, 40, 300)), upscaler)


@pytest.fixture(scope="module")
def upscaler(models, tiny, host):
    from comfy_extras.nodes_upscale_model import UpscaleModelLoader

    return UpscaleModelLoader.execute(tiny.files.UPSCALER).args[0]


def test_resize(nodes):
    import comfy.utils

    images = noise(3, 30, 60)
    moved = images.movedim(-1, 1)
    video, said = run(nodes["ResizeVideo"], made(images), 20, 20, "crop", "area")
    expected = comfy.utils.common_upscale(moved, 20, 20, "area", "center").movedim(1, -1)
    assert torch.equal(pixels(video), rounded(expected)) and "20x20" in said
    video, _ = run(nodes["ResizeVideo"], made(images), 20, 20, "pad", "bilinear")
    padded = pixels(video)
    assert not padded[:, :5].any() and not padded[:, 15:].any()
    inner = comfy.utils.common_upscale(moved, 20, 10, "bilinear", "disabled").movedim(1, -1)
    assert torch.equal(padded[:, 5:15], rounded(inner))
    video, _ = run(nodes["ResizeVideo"], made(images), 33, 47, "stretch", "nearest-exact")
    stretched = comfy.utils.common_upscale(moved, 33, 47, "nearest-exact", "disabled").movedim(1, -1)
    assert torch.equal(pixels(video), rounded(stretched))
    video, _ = run(nodes["ResizeVideo"], made(images), 0, 45, "crop", "lanczos")
    assert video.get_dimensions() == (90, 45)
    for width, height, fit, problem in ((0, 0, "crop", "both are 0"), (8, 8, "zoom", "'zoom' is unknown")):
        with pytest.raises(InputError, match=problem):
            nodes["ResizeVideo"].execute(made(images), width, height, fit, "area")


@pytest.mark.parametrize("statistics", ["per_frame", "uniform", "target_frame"])
@pytest.mark.parametrize("method", ["mkl", "hm-mkl-hm"])
def test_color_match_does_what_the_node_for_pictures_does(nodes, method, statistics):
    from genga.nodes.color import ColorMatch

    images, reference = noise(11, 24, 32) * 0.5, 0.4 + 0.5 * noise(1, 20, 20, seed=2)
    source = rounded(images).float() / 255
    video, _ = run(nodes["ColorMatchVideo"], made(source), method, 0.8, statistics, 4, reference)
    (expected,) = ColorMatch.execute(source, reference, method, 0.8, statistics, 4).args
    assert (pixels(video).int() - rounded(expected).int()).abs().max() <= 1
    assert (pixels(video).float() / 255 - source).mean() > 0.2


def test_color_match_takes_the_first_frame_where_no_picture_is_wired(nodes):
    drifting = noise(1) * 0.4 + torch.linspace(0, 0.5, 6).view(6, 1, 1, 1)
    video, _ = run(nodes["ColorMatchVideo"], made(drifting), "mkl", 1.0, "per_frame", 0)
    means = pixels(video).float().mean((1, 2, 3))
    assert (means - 255 * drifting[0].mean()).abs().max() < 1
    same = made(drifting)
    passed, said = run(nodes["ColorMatchVideo"], same, "disabled")
    assert passed is same and "passes unchanged" in said
    with pytest.raises(InputError, match="target_index: 6 lies outside 6 frames"):
        nodes["ColorMatchVideo"].execute(same, "mkl", 1.0, "target_frame", 6)


@pytest.mark.parametrize(
    ("unit", "start", "length", "problem"),
    [
        ("frames", 8.0, 0.0, "start: 8 frames lies outside the video. It has 8 frames, 0.5 s"),
        ("frames", -9.0, 0.0, "start: -9 frames lies outside"),
        ("frames", 0.5, 0.0, "start: 0.5 is no whole number of frames"),
        ("frames", 4.0, 5.0, r"length: 5 frames are not there from 4 on. At most 4 frames \(0.25 s\)"),
        ("seconds", 0.0, 0.001, "length: 0.001 seconds are not there"),
        ("frames", float("nan"), 0.0, "start: nan is no place"),
        ("seconds", 0.0, float("inf"), "length: inf is no place"),
    ],
)
def test_trims_outside_the_video_are_refused(nodes, temp, unit, start, length, problem):
    with pytest.raises(InputError, match=problem):
        nodes["TrimVideo"].execute(made(films.batch(8)), unit, start, length)
    assert not temp.exists() or not list(temp.iterdir())


def with_sound(path: Path, count: int, late: int = 0) -> Path:
    """Numbered frames in H.264 with AAC sound: silent but for frame 20; begins ``late`` frames after the picture."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=16)
        video.width = video.height = films.SIDE
        video.pix_fmt = "yuv444p"
        sound = container.add_stream("aac", rate=16000, layout="mono")
        for n in range(count):
            container.mux(video.encode(av.VideoFrame.from_ndarray(films.numbered(n), format="rgb24")))
        samples = np.zeros((1, (count - late) * 1000), np.float32)
        samples[:, (20 - late) * 1000 : (21 - late) * 1000] = 0.5 * np.sin(np.arange(1000) * 0.3)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16000, late * 1000, Fraction(1, 16000)
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
        container.mux(video.encode(None))
    return path


def loud(video) -> tuple[float, float]:
    """When the loud part begins and ends, in frames at 16 per second."""
    samples, rate = heard(video)
    places = np.flatnonzero(np.abs(samples) > 0.1)
    return places[0] / rate * 16, places[-1] / rate * 16


@pytest.mark.parametrize("late", [0, 7])
@pytest.mark.parametrize("kind", ["file", "bytes"])
def test_encoded_sound_stays_in_step_through_a_chain(nodes, tmp_path, kind, late):
    """Encoded sound begins with a run-in, and may begin after the picture; neither may shift it, however often."""
    from comfy_api.latest import InputImpl

    path = with_sound(tmp_path / "sound.mp4", 40, late)
    video = opened(path) if kind == "file" else InputImpl.VideoFromFile(io.BytesIO(path.read_bytes()))
    video, _ = run(nodes["ResizeVideo"], video, 40, 40, "stretch", "bilinear")
    assert loud(video) == pytest.approx((20, 21), abs=0.15)
    for start in (4.0, 6.0, 5.0):
        video, _ = run(nodes["TrimVideo"], video, "frames", start, 0.0)
    assert numbers(video)[:3] == [15, 16, 17] and loud(video) == pytest.approx((5, 6), abs=0.15)
    video, _ = run(nodes["ChangeFps"], video, 24.0, "nearest")
    assert loud(video) == pytest.approx((5, 6), abs=0.15)


def test_a_stretch_that_the_host_trimmed(nodes, tmp_path):
    source = opened(with_sound(tmp_path / "sound.mp4", 40))
    if not hasattr(source, "as_trimmed"):
        pytest.skip("this host does not trim")
    trimmed = source.as_trimmed(start_time=1.0, duration=0.75)
    video, _ = run(nodes["ResizeVideo"], trimmed, 40, 40, "stretch", "bilinear")
    assert numbers(video) == list(range(16, 28)) and loud(video) == pytest.approx((4, 5), abs=0.15)


def test_save_video_gets_true_frames_and_the_hosts_own_a_playable_file(nodes, tmp_path):
    video, _ = run(nodes["TrimVideo"], made(films.batch(8), audio=steps(8)), "frames", 2.0, 0.0)
    video.save_to(str(tmp_path / "saved.mp4"), metadata={"prompt": {"1": 2}, "workflow": "text"})
    sent = io.BytesIO()
    video.save_to(sent, format="mp4", codec="h264")
    for source in (str(tmp_path / "saved.mp4"), sent):
        with av.open(source) as container:
            stream = container.streams.video[0]
            assert (stream.codec.name, stream.pix_fmt, container.streams.audio[0].codec.name) == (
                "h264",
                "yuv420p",
                "aac",
            )
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
            assert [films.number_of(torch.from_numpy(frame) / 255) for frame in frames] == list(range(2, 8))
    with av.open(str(tmp_path / "saved.mp4")) as container:
        assert container.metadata["prompt"] == '{"1": 2}' and container.metadata["workflow"] == "text"


def test_the_file_lasts_as_long_as_somebody_can_read_it(nodes, temp):
    video, _ = run(nodes["TrimVideo"], made(films.batch(8)), "frames", 2.0, 0.0)
    source = video.get_stream_source()
    del video
    gc.collect()
    assert Path(str(source)).exists() and opened(source).get_frame_count() == 6
    del source
    gc.collect()
    assert not list(temp.iterdir())


def test_an_interruption_leaves_nothing(nodes, temp, monkeypatch, upscaler):
    import comfy.model_management as management

    calls = []

    def interrupt():
        calls.append(1)
        if len(calls) == 3:
            raise management.InterruptProcessingException

    monkeypatch.setattr(management, "throw_exception_if_processing_interrupted", interrupt)
    for node, values in (("UpscaleVideo", (upscaler,)), ("ColorMatchVideo", ("mkl", 1.0, "uniform"))):
        calls.clear()
        with pytest.raises(management.InterruptProcessingException):
            nodes[node].execute(made(noise(40)), *values)
        assert not list(temp.iterdir())


def test_progress_runs_from_start_to_end(nodes, monkeypatch):
    import comfy.utils

    told = []
    hook = lambda value, total, *_, **__: told.append(value / total)  # noqa: E731
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", hook)
    nodes["ColorMatchVideo"].execute(made(noise(40)), "hm-mkl-hm", 1.0, "uniform")
    assert told == sorted(told) and told[-1] == 1
    assert len(told) >= 4  # of 20 steps (three readings and the match); newer hosts leave out what comes too fast


def test_what_is_no_video_is_refused(nodes, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(InputError, match="video: it cannot be read"):
        nodes["TrimVideo"].execute(opened(tmp_path / "text.mp4"))
    with pytest.raises(InputError, match="video_2: this is no video but int"):
        nodes["JoinVideos"].execute(made(films.batch(1)), 3)
    bad = noise(3)
    bad[1, 0, 0, 0] = float("nan")
    with pytest.raises(InputError, match="NaN"):
        nodes["TrimVideo"].execute(made(bad))


def test_a_full_disk_is_told_and_nothing_stays(nodes, temp, monkeypatch):
    from genga.media import between

    def full(self, frames):
        write(self, frames)
        raise OSError(errno.ENOSPC, "No space left on device")

    write = between.Writer.write
    monkeypatch.setattr(between.Writer, "write", full)
    with pytest.raises(InputError, match="no space is left for the lossless video.*Free some"):
        nodes["TrimVideo"].execute(made(noise(3)))
    assert not list(temp.iterdir())


def test_a_joined_video_is_not_taken_for_a_batch(host):
    """Its length is a multiple of what the nodes before it planned; so is that of a batch saved as images."""
    from genga.media import record
    from genga.nodes.output import planned_lengths

    def lengths(wire: str) -> set[int]:
        prompt = {
            "1": {"class_type": "GengaWanFFLF", "inputs": {}},
            "2": {"class_type": "GengaSaveVideo", "inputs": {wire: ["1", 0]}},
        }
        record.note(prompt, "1", length=81)
        return planned_lengths(prompt, "2")

    assert lengths("video") == set() and lengths("images") == {81}
