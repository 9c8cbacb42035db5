"""The video writer, by decoding what it wrote."""

from __future__ import annotations

import gc
import json
import shutil
import struct
import subprocess
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from genga.errors import InputError
from genga.media import yuv
from genga.media.sheet import ContactSheet, contact_sheet
from genga.media.source import read_audio, read_frames
from genga.media.video import VideoWriter, check_fps
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

PATCHES = {
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
    "white": (1, 1, 1),
    "black": (0, 0, 0),
    "grey": (0.5, 0.5, 0.5),
    "skin": (0.87, 0.67, 0.55),
}
# Limited-range BT.709 codes of pure colours, as every table of HD colour bars has them.
CODES = {"red": (63, 102, 240), "green": (173, 42, 26), "blue": (32, 240, 118), "white": (235, 128, 128)}


def flat(color, count=1, height=64, width=64, dtype=torch.float32):
    return torch.tensor(color, dtype=dtype).expand(count, height, width, 3)


def ramp(count, height=48, width=64):
    """Frames that differ from each other: a bar that moves, over a gradient."""
    frames = torch.linspace(0, 1, width).view(1, 1, width, 1).repeat(count, height, 1, 3)
    for number in range(count):
        frames[number, :, (number * 3) % width : (number * 3) % width + 8] = torch.tensor([0.9, 0.2, 0.1])
    return frames


def save(path, frames, fps=16, **options):
    with VideoWriter(path, fps, **options) as writer:
        writer.write(frames)
    return writer


def decode(path):
    return torch.cat(list(read_frames(path)))


def tone(seconds, rate=16000, channels=1, frequency=440.0):
    time = torch.arange(round(seconds * rate)) / rate
    return {
        "waveform": (0.5 * torch.sin(2 * torch.pi * frequency * time)).expand(1, channels, -1),
        "sample_rate": rate,
    }


def boxes(path):
    """The top-level boxes of an MP4 in order: (type, start, size)."""
    found, place, data = [], 0, path.read_bytes()
    while place < len(data):
        size, kind = struct.unpack(">I4s", data[place : place + 8])
        if size == 1:
            size = struct.unpack(">Q", data[place + 8 : place + 16])[0]
        found.append((kind.decode(), place, size))
        place += size
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_frames_come_back_in_order(tmp_path, dtype):
    frames = ramp(21)
    writer = save(tmp_path / "a.mp4", frames.to(dtype))
    back = decode(tmp_path / "a.mp4")
    assert writer.frames == 21 and writer.size == (64, 48) and writer.padded is None
    assert back.shape == frames.shape
    distances = [[(a - b).abs().mean().item() for b in back] for a in frames]
    assert [int(np.argmin(row)) for row in distances] == list(range(21))
    assert max(distances[i][i] for i in range(21)) < 0.02
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4"]


def test_one_at_a_time_is_the_same_as_a_batch(tmp_path):
    frames = ramp(13)
    save(tmp_path / "batch.mp4", frames)
    with VideoWriter(tmp_path / "single.mp4", 16) as writer:
        for frame in frames:
            writer.write(frame)
    assert torch.equal(decode(tmp_path / "batch.mp4"), decode(tmp_path / "single.mp4"))


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        (16, Fraction(16)),
        (8.0, Fraction(8)),
        (24, Fraction(24)),
        (23.976, Fraction(2997, 125)),
        (Fraction(24000, 1001), Fraction(24000, 1001)),
        (24000 / 1001, Fraction(24000, 1001)),
        (0.5, Fraction(1, 2)),
        (12.5, Fraction(25, 2)),
    ],
)
def test_constant_rate(tmp_path, fps, rate):
    save(tmp_path / "a.mp4", ramp(17), fps)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        times = [frame.pts * stream.time_base for frame in container.decode(stream)]
        assert stream.average_rate == rate and stream.frames == 17
        assert stream.duration * stream.time_base == 17 / rate
        assert float(container.duration / av.time_base) == pytest.approx(float(17 / rate), abs=2e-3)
    assert times == [n / rate for n in range(17)]


@pytest.mark.parametrize("fps", [0, -1, 1001, float("nan"), float("inf"), 1e-9])
def test_rates_that_are_none(fps):
    with pytest.raises(InputError, match="^fps: "):
        check_fps(fps)


@pytest.mark.parametrize("name", PATCHES)
def test_colours_are_true(tmp_path, name):
    save(tmp_path / "a.mp4", flat(PATCHES[name], 3), crf=4)
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.color_range, context.colorspace) == (1, 1)  # limited, BT.709
        assert (context.color_primaries, context.color_trc) == (1, 1)
        assert context.pix_fmt == "yuv420p" and context.codec.name == "h264"
        frame = next(container.decode(video=0))
    if name in CODES:
        planes = frame.to_ndarray()
        codes = (planes[:64].mean(), planes[64:80].mean(), planes[80:].mean())
        assert codes == pytest.approx(CODES[name], abs=1.01)
    back = decode(tmp_path / "a.mp4").mean((0, 1, 2)).tolist()
    assert back == pytest.approx(PATCHES[name], abs=0.016)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize("name", ["red", "green", "blue", "skin"])
def test_colours_are_true_to_ffmpeg(tmp_path, name):
    """A player that obeys the tags, not this process."""
    save(tmp_path / "a.mp4", flat(PATCHES[name], 2), crf=4)
    command = ["ffmpeg", "-v", "error", "-i", str(tmp_path / "a.mp4"), "-frames:v", "1"]
    raw = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True)
    back = np.frombuffer(raw.stdout, np.uint8).reshape(-1, 3).mean(0) / 255
    assert back == pytest.approx(PATCHES[name], abs=0.016)


def test_levels_are_rounded_not_cut():
    """Grey k/255 lies between two levels of Y'; the nearer one is taken."""
    greys = torch.arange(256) / 255
    planes = yuv.rgb_to_yuv420(greys.view(256, 1, 1, 1).expand(256, 2, 2, 3))
    expected = [round(16 + 219 * k / 255) for k in range(256)]
    assert planes[:, 0, 0].tolist() == expected
    assert planes[:, 2].eq(128).all()


def test_chroma_sits_on_the_even_columns():
    """A red column lends half of itself to the sample it holds, or a quarter to each neighbour."""
    frames = torch.zeros(1, 2, 8, 3)
    frames[:, :, 3] = torch.tensor([1.0, 0, 0])
    red = yuv.rgb_to_yuv420(frames).view(-1)[20:24] - 128.0
    assert red.tolist() == [0, 28, 28, 0]
    frames = torch.zeros(1, 2, 8, 3)
    frames[:, :, 2] = torch.tensor([1.0, 0, 0])
    assert (yuv.rgb_to_yuv420(frames).view(-1)[20:24] - 128.0).tolist() == [0, 56, 0, 0]


@given(height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 999))
def test_padding_repeats_the_edge(height, width, seed):
    frames = torch.rand(2, height, width, 3, generator=torch.Generator().manual_seed(seed))
    padded = yuv.pad_to_even(frames)
    assert padded.shape == (2, height + height % 2, width + width % 2, 3)
    assert torch.equal(padded[:, :height, :width], frames)
    assert torch.equal(padded[:, -1, :width], frames[:, -1])
    assert torch.equal(padded[:, :height, -1], frames[:, :, -1])
    assert yuv.rgb_to_yuv420(padded).shape == (2, padded.shape[1] * 3 // 2, padded.shape[2])


@settings(max_examples=12)
@given(height=st.integers(1, 70), width=st.integers(1, 70))
def test_any_size_can_be_written(tmp_path_factory, height, width):
    path = tmp_path_factory.mktemp("sizes") / "a.mp4"
    writer = save(path, flat((0.2, 0.6, 0.4), 2, height, width))
    back = decode(path)
    assert back.shape == (2, height + height % 2, width + width % 2, 3)
    assert writer.size == (back.shape[2], back.shape[1])
    assert writer.padded == (None if writer.size == (width, height) else (width, height))
    assert (back - torch.tensor([0.2, 0.6, 0.4])).abs().max() < 0.04


def test_values_beyond_the_range_are_clipped(tmp_path):
    save(tmp_path / "a.mp4", flat((1.7, -0.4, 0.5), 2), crf=4)
    assert decode(tmp_path / "a.mp4").mean((0, 1, 2)).tolist() == pytest.approx([1, 0, 0.5], abs=0.02)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (torch.rand(2, 16, 16, 4), "alpha"),
        (torch.rand(2, 16, 16, 1), "1 channels"),
        (torch.rand(0, 16, 16, 3), "empty batch"),
        (torch.rand(2, 0, 16, 3), "without a pixel"),
        (torch.rand(16, 16), "not a batch of pictures"),
        (torch.zeros(1, 16, 16, 3, dtype=torch.uint8), "not a batch of pictures"),
        (torch.rand(1, 2, 16386, 3), "16384"),
        (flat((0.5, float("nan"), 0.5)), "frame 0 holds NaN"),
        (flat((0.5, float("inf"), 0.5)), "frame 0 holds NaN or infinite"),
    ],
)
def test_frames_that_cannot_be_written(tmp_path, frames, message):
    with pytest.raises(InputError, match="^images: ") as caught:
        save(tmp_path / "a.mp4", frames)
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_late_nan_is_named_and_leaves_nothing(tmp_path):
    frames = ramp(30)
    frames[21, 3, 3, 0] = float("nan")
    with pytest.raises(InputError, match="frame 21 holds NaN"):
        save(tmp_path / "a.mp4", frames)
    assert list(tmp_path.iterdir()) == []


def test_frames_of_another_size(tmp_path):
    with (
        pytest.raises(InputError, match="frame 5 is 64x64, those before it 64x48"),
        VideoWriter(tmp_path / "a.mp4", 16) as writer,
    ):
        writer.write(ramp(5))
        writer.write(ramp(1, height=64))
    assert list(tmp_path.iterdir()) == []


def test_no_frame_at_all(tmp_path):
    with pytest.raises(InputError, match="not one frame"), VideoWriter(tmp_path / "a.mp4", 16):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("crf", [-1, 101, 16.5])
def test_crf_out_of_range(tmp_path, crf):
    with pytest.raises(InputError, match="^crf: "):
        VideoWriter(tmp_path / "a.mp4", 16, crf=crf)


def test_crf_acts(tmp_path):
    frames = torch.rand(8, 64, 64, 3, generator=torch.Generator().manual_seed(1))
    sizes = []
    for crf in (0, 16, 40):
        save(tmp_path / f"{crf}.mp4", frames, crf=crf)
        sizes.append((tmp_path / f"{crf}.mp4").stat().st_size)
    assert sizes[0] > 1.2 * sizes[1] > 2 * sizes[2]


def test_an_interruption_leaves_nothing(tmp_path):
    class Interrupted(BaseException):
        pass

    with pytest.raises(Interrupted), VideoWriter(tmp_path / "a.mp4", 16, audio=tone(4)) as writer:
        writer.write(ramp(40))
        assert {p.name for p in tmp_path.iterdir()} == {"a.mp4", "a.part.mp4"}
        raise Interrupted
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"mine", b""])
def test_an_existing_file_is_never_overwritten(tmp_path, content):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(FileExistsError):
        save(tmp_path / "a.mp4", ramp(2))
    assert (tmp_path / "a.mp4").read_bytes() == content


def test_metadata_stands_at_the_head_of_a_large_file(tmp_path):
    """The page reads the head of a dropped file: the moov box must come before the pictures."""
    workflow = json.dumps({"nodes": [{"id": 1, "title": 'Größe "ü" 日本'}]})
    tags = {"workflow": workflow, "prompt": json.dumps({"1": {"inputs": {"seed": 7}}}), "genga": "{}"}
    frames = torch.rand(40, 256, 256, 3, generator=torch.Generator().manual_seed(1))
    save(tmp_path / "a.mp4", frames, crf=8, metadata=tags)
    assert (tmp_path / "a.mp4").stat().st_size > 2_000_000
    kinds = [kind for kind, _, _ in boxes(tmp_path / "a.mp4")]
    assert kinds.index("moov") < kinds.index("mdat")
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert {key: container.metadata[key] for key in tags} == tags


@pytest.mark.parametrize(("channels", "rate"), [(1, 16000), (2, 44100), (2, 48000), (6, 48000), (1, 11000)])
def test_sound_is_cut_to_the_video(tmp_path, channels, rate):
    save(tmp_path / "a.mp4", ramp(40), 16, audio=tone(9, rate, channels))
    back = read_audio(tmp_path / "a.mp4")
    kept = rate if rate != 11000 else 48000
    assert back["sample_rate"] == kept and back["waveform"].shape[1] == channels
    assert back["waveform"].shape[2] / kept == pytest.approx(2.5, abs=1100 / kept)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name == "aac"
        assert float(stream.duration * stream.time_base) == pytest.approx(2.5, abs=0.05)
        assert container.streams.video[0].frames == 40
    spectrum = torch.fft.rfft(back["waveform"][0, 0, kept // 4 : kept // 4 + kept]).abs()
    assert spectrum.argmax().item() == pytest.approx(440, abs=1)
    assert back["waveform"][0, 0, kept // 4 :][:kept].std() == pytest.approx(0.354, abs=0.03)


def test_sound_is_in_step_with_the_pictures(tmp_path):
    """A click at 1.25 s is heard at 1.25 s."""
    rate = 16000
    waveform = torch.zeros(1, 1, 3 * rate)
    waveform[..., 20000:20040] = 0.9
    save(tmp_path / "a.mp4", ramp(48), 16, audio={"waveform": waveform, "sample_rate": rate})
    back = read_audio(tmp_path / "a.mp4")["waveform"][0, 0]
    assert back.abs().argmax().item() == pytest.approx(20020, abs=60)


def test_shorter_sound_just_ends(tmp_path):
    save(tmp_path / "a.mp4", ramp(48), 16, audio=tone(1))
    back = read_audio(tmp_path / "a.mp4")
    assert back["waveform"].shape[2] == pytest.approx(16000, abs=1100)
    assert decode(tmp_path / "a.mp4").shape[0] == 48


def test_sound_and_pictures_are_interleaved(tmp_path):
    """Within the file neither stream runs ahead of the other by more than about a second."""
    with VideoWriter(tmp_path / "a.mp4", 16, audio=tone(20)) as writer:
        for frame in ramp(320, 32, 32):
            writer.write(frame)
    with av.open(str(tmp_path / "a.mp4")) as container:
        times = {"video": 0.0, "audio": 0.0}
        for packet in container.demux():
            if packet.dts is not None:
                times[packet.stream.type] = float(packet.dts * packet.time_base)
                assert abs(times["video"] - times["audio"]) < 1.2


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        ({"waveform": torch.zeros(2, 1, 100), "sample_rate": 16000}, "batch of 2"),
        ({"waveform": torch.zeros(1, 3, 100), "sample_rate": 16000}, "3 channels"),
        ({"waveform": torch.zeros(1, 1, 0), "sample_rate": 16000}, "no samples"),
        ({"waveform": torch.full((1, 1, 9), float("nan")), "sample_rate": 16000}, "NaN"),
        ({"waveform": torch.zeros(1, 1, 100), "sample_rate": 0}, "sample rate"),
        ({"waveform": torch.zeros(1, 1, 100)}, "sample rate"),
        ({"waveform": torch.zeros(1, 100), "sample_rate": 16000}, "not an AUDIO"),
        ("a.wav", "not an AUDIO"),
    ],
)
def test_sound_that_cannot_be_written(tmp_path, audio, message):
    with pytest.raises(InputError, match="^audio: ") as caught:
        VideoWriter(tmp_path / "a.mp4", 16, audio=audio)
    assert message in str(caught.value)


def test_two_thousand_frames_in_constant_memory(tmp_path):
    """Frames that were kept would take 98 MB."""
    psutil = pytest.importorskip("psutil")
    process, grown = psutil.Process(), []
    picture = ramp(1, 64)[0]
    with VideoWriter(tmp_path / "a.mp4", 16, crf=30, audio=tone(130)) as writer:
        for number in range(2000):
            writer.write(picture.roll(number, dims=1))
            if number % 100 == 0:
                gc.collect()
                grown.append(process.memory_info().rss)
    assert writer.frames == 2000
    assert max(grown) - grown[3] < 24e6
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].frames == 2000


def test_contact_sheet(tmp_path):
    frames = torch.stack([flat(color, 1, 32, 64)[0] for color in PATCHES.values()])
    sheet = ContactSheet({2}, width=64, columns=4)
    sheet.add(frames[:3])
    sheet.add(frames[3:])
    picture = np.asarray(sheet.picture())
    cell_wide, cell_high = 64 + 6 + 4, 32 + 6 + 12 + 4
    assert picture.shape == (4 + 2 * cell_high, 4 + 4 * cell_wide, 3)
    for number, color in enumerate(PATCHES.values()):
        row, column = divmod(number, 4)
        left, top = 4 + column * cell_wide, 4 + row * cell_high
        assert picture[top + 19, left + 35] == pytest.approx(np.array(color) * 255, abs=1)
        assert tuple(picture[top + 1, left + 35]) == ((255, 140, 0) if number == 2 else (24, 24, 24))
    contact_sheet([frames], {0}, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.format == "PNG" and image.width > image.height


@pytest.mark.parametrize("marks", [{7}, {-1}])
def test_contact_sheet_refuses_marks_beyond_the_video(marks):
    sheet = ContactSheet(marks)
    sheet.add(ramp(7))
    with pytest.raises(ValueError, match="not among the 7 frames"):
        sheet.picture()


@pytest.mark.parametrize(("height", "width"), [(48, 64), (160, 160), (96, 96)])
def test_the_same_frames_give_the_same_file(tmp_path, height, width):
    """x264 alone gives another one at almost every run on processors with AVX-512."""
    rough = torch.rand(17, 3, 6, 8, generator=torch.Generator().manual_seed(1))
    frames = torch.nn.functional.interpolate(rough, size=(height, width), mode="bilinear").movedim(1, -1)
    paths = [save(tmp_path / f"{number}.mp4", frames).path for number in range(8)]
    assert len({path.read_bytes() for path in paths}) == 1
