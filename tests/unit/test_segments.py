"""Segments joined without encoding them again, and the end of a video read without the rest."""

from __future__ import annotations

import gc
import json
import shutil
import subprocess
from fractions import Fraction

import av
import pytest
import torch
from genga.errors import InputError
from genga.media import segments
from genga.media.segments import SegmentWriter, join, read_tail
from genga.media.source import read_audio, read_frames
from genga.media.video import check_fps
from hypothesis import given, settings
from hypothesis import strategies as st


def moving(count, seed=0, height=48, width=64):
    """Frames of a soft random picture that drifts: x264 makes B-frames of it."""
    small = torch.rand(1, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(seed))
    picture = torch.nn.functional.interpolate(small, size=(height, width), mode="bilinear")[0].permute(1, 2, 0)
    return torch.stack([picture.roll(number, 1) for number in range(count)])


def write(path, frames, fps=25, **options):
    with SegmentWriter(path, fps, **options) as writer:
        writer.write(frames)
    return path


def pieces(folder, lengths, fps=25, **options):
    return [write(folder / f"{number}.mp4", moving(n, number), fps, **options) for number, n in enumerate(lengths)]


def decode(*paths):
    return torch.cat([batch for path in paths for batch in read_frames(path)])


def tone(seconds, rate=16000, channels=1):
    time = torch.arange(round(seconds * rate)) / rate
    return {"waveform": (0.5 * torch.sin(2764.6 * time)).expand(1, channels, -1), "sample_rate": rate}


def durations(path):
    """Seconds by type of stream, as the file says them."""
    with av.open(str(path)) as container:
        return {stream.type: stream.duration * stream.time_base for stream in container.streams}


def others(folder):
    return sorted(path.name for path in folder.iterdir() if not path.stem.isdigit())


RATES = [25, 16, 30, Fraction(30000, 1001), Fraction(24000, 1001), 23.976, 12.5, 60, 7]


@pytest.mark.parametrize("fps", RATES)
def test_frames_and_times_are_exact(tmp_path, fps):
    lengths = [8, 1, 2, 3, 41, 5, 17, 4]
    parts = pieces(tmp_path, lengths, fps)
    made = join(parts, tmp_path / "out.mp4", fps)
    assert made == segments.Joined(sum(lengths), (64, 48), encoded=False)
    assert torch.equal(decode(tmp_path / "out.mp4"), decode(*parts))
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
        assert times == [number / check_fps(fps) for number in range(sum(lengths))]
        assert stream.frames == sum(lengths) and stream.average_rate == stream.guessed_rate == check_fps(fps)
        assert stream.duration * stream.time_base == sum(lengths) / check_fps(fps)


def test_the_pieces_hold_b_frames_and_decoding_times_rise(tmp_path):
    """Else these tests would prove little."""
    parts = pieces(tmp_path, [12, 9, 12])
    join(parts, tmp_path / "out.mp4", 25)
    with av.open(str(tmp_path / "out.mp4")) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert [packet.pts for packet in packets] != sorted(packet.pts for packet in packets)
    shown = [packet.dts for packet in packets]
    assert all(before < after for before, after in zip(shown, shown[1:], strict=False))
    assert all(packet.dts <= packet.pts for packet in packets)
    keys = [number for number, packet in enumerate(packets) if packet.is_keyframe]
    assert {0, 12, 21} <= set(keys)


@settings(max_examples=10)
@given(lengths=st.lists(st.integers(1, 20), min_size=1, max_size=6), fps=st.sampled_from(RATES))
def test_any_lengths_tile_the_video(tmp_path_factory, lengths, fps):
    folder = tmp_path_factory.mktemp("join")
    parts = pieces(folder, lengths, fps)
    made = join(parts, folder / "out.mp4", fps, tone(20))
    assert made.frames == sum(lengths)
    assert torch.equal(decode(folder / "out.mp4"), decode(*parts))
    found = durations(folder / "out.mp4")
    assert abs(found["video"] - found["audio"]) < 1 / check_fps(fps)


def test_forty_short_segments(tmp_path):
    told = []
    parts = pieces(tmp_path, [8] * 40)
    made = join(parts, tmp_path / "out.mp4", 25, tone(13), on_frames=told.append)
    assert made.frames == 320 and told == list(range(8, 321, 8))
    assert torch.equal(decode(tmp_path / "out.mp4"), decode(*parts))


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize("fps", [25, Fraction(30000, 1001)])
def test_ffmpeg_has_nothing_to_say(tmp_path, fps):
    join(pieces(tmp_path, [8, 1, 33, 8], fps), tmp_path / "out.mp4", fps, tone(5, 44100, 2))
    command = ["ffmpeg", "-v", "warning", "-i", str(tmp_path / "out.mp4"), "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (48000, 2), (48000, 6), (11000, 1)])
@pytest.mark.parametrize("fps", [25, Fraction(24000, 1001)])
def test_sound_ends_with_the_pictures(tmp_path, fps, rate, channels):
    join(pieces(tmp_path, [30, 30, 13], fps), tmp_path / "out.mp4", fps, tone(9, rate, channels))
    found = durations(tmp_path / "out.mp4")
    assert found["video"] == 73 / check_fps(fps)
    assert abs(found["audio"] - found["video"]) < Fraction(1, 500)
    back = read_audio(tmp_path / "out.mp4")
    assert back["waveform"].shape[1] == channels


def test_a_sound_is_heard_when_it_is_made(tmp_path):
    waveform = torch.zeros(1, 1, 48000)
    waveform[..., 24000:24040] = 0.9  # at 1.5 s, in the second piece
    audio = {"waveform": waveform, "sample_rate": 16000}
    join(pieces(tmp_path, [25, 25, 25]), tmp_path / "out.mp4", 25, audio)
    back = read_audio(tmp_path / "out.mp4")["waveform"][0, 0]
    assert back.abs().argmax().item() == pytest.approx(24020, abs=60)


def test_shorter_sound_just_ends(tmp_path):
    join(pieces(tmp_path, [25, 25]), tmp_path / "out.mp4", 25, tone(0.5))
    found = durations(tmp_path / "out.mp4")
    assert found["video"] == 2 and float(found["audio"]) == pytest.approx(0.5, abs=0.001)


def test_without_sound_there_is_one_stream(tmp_path):
    join(pieces(tmp_path, [5]), tmp_path / "out.mp4", 25)
    assert set(durations(tmp_path / "out.mp4")) == {"video"}


def test_the_file_is_as_the_writer_would_have_made_it(tmp_path):
    """Tags at the head where the page looks for them, colours and format as in one go."""
    tags = {"workflow": json.dumps({"title": 'Größe "ü" 日本'}), "prompt": "{}", "genga": "{}"}
    join(pieces(tmp_path, [9, 9]), tmp_path / "out.mp4", 25, tone(1), tags)
    write(tmp_path / "one.mp4", moving(18), audio=tone(1), metadata=tags)
    data = (tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    facts = []
    for name in ("out.mp4", "one.mp4"):
        with av.open(str(tmp_path / name)) as container:
            assert {key: container.metadata[key] for key in tags} == tags
            context = container.streams.video[0].codec_context
            facts.append([
                context.name, context.extradata, context.pix_fmt, context.width, context.height, context.color_range,
                context.colorspace, context.color_primaries, context.color_trc, context.profile,
                container.streams.audio[0].codec_context.name, container.duration,
            ])  # fmt: skip
    assert facts[0] == facts[1]


def test_an_existing_file_is_replaced_when_all_is_written(tmp_path):
    out = tmp_path / "out.mp4"
    out.write_bytes(b"before")
    (tmp_path / "out.part.mp4").write_bytes(b"of a killed run")
    seen = []
    join(pieces(tmp_path, [5, 5]), out, 25, on_frames=lambda _: seen.append(out.read_bytes()))
    assert seen == [b"before"] * 2 and decode(out).shape[0] == 10
    assert others(tmp_path) == ["out.mp4"]


@pytest.mark.parametrize(("before", "after"), [(None, None), (b"", None), (b"mine", b"mine")])
def test_an_interruption_leaves_nothing(tmp_path, before, after):
    class Interrupted(BaseException):
        pass

    out = tmp_path / "out.mp4"
    if before is not None:
        out.write_bytes(before)

    def stop(frames):
        if frames > 5:
            raise Interrupted

    with pytest.raises(Interrupted):
        join(pieces(tmp_path, [5, 5, 5]), out, 25, tone(2), on_frames=stop)
    assert (out.read_bytes() if out.exists() else None) == after
    assert others(tmp_path) == ([] if after is None else ["out.mp4"])


def test_a_segment_that_is_no_video_leaves_nothing(tmp_path):
    parts = pieces(tmp_path, [5, 5])
    parts[1].write_bytes(b"no video at all")
    with pytest.raises(av.FFmpegError):
        join(parts, tmp_path / "out.mp4", 25)
    with pytest.raises(FileNotFoundError):
        join([*parts[:1], tmp_path / "7.mp4"], tmp_path / "out.mp4", 25)
    with pytest.raises(InputError, match="^segments: "):
        join([], tmp_path / "out.mp4", 25)
    with pytest.raises(InputError, match="^audio: "):
        join(parts[:1], tmp_path / "out.mp4", 25, {"waveform": None})
    assert others(tmp_path) == []


def test_pieces_of_another_encoder_are_encoded_again(tmp_path, monkeypatch):
    """An hour of windows is not thrown away because a library was renewed in between."""
    parts = pieces(tmp_path, [8, 9])
    with av.open(str(parts[1]), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 64, 48, "yuv420p", 4_000_000
        for picture in moving(9, 1):
            frame = av.VideoFrame.from_ndarray((picture * 255).byte().numpy(), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    told = []
    made = join(parts, tmp_path / "out.mp4", 25, tone(1), {"workflow": "{}"}, told.append)
    assert made == segments.Joined(17, (64, 48), encoded=True) and told == [8, 17]
    assert (decode(tmp_path / "out.mp4") - decode(*parts)).abs().mean() < 0.02
    assert others(tmp_path) == ["out.mp4"]
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.metadata["workflow"] == "{}" and container.streams.video[0].average_rate == 25


def test_pieces_of_another_rate_are_encoded_again(tmp_path):
    made = join(pieces(tmp_path, [8, 8], 16), tmp_path / "out.mp4", 25)
    assert made.encoded and made.frames == 16
    assert durations(tmp_path / "out.mp4")["video"] == Fraction(16, 25)


def test_pieces_of_different_sizes_are_refused(tmp_path):
    parts = [*pieces(tmp_path, [4]), write(tmp_path / "1.mp4", moving(4, 1, 64))]
    with pytest.raises(InputError, match="frame 4 is 64x64"):
        join(parts, tmp_path / "out.mp4", 25)
    assert others(tmp_path) == []


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_segments(tmp_path):
    """200 pieces of 0.24 MB: what was kept of them would show."""
    psutil = pytest.importorskip("psutil")
    noise = torch.rand(8, 160, 160, 3, generator=torch.Generator().manual_seed(1))
    part = write(tmp_path / "0.mp4", noise, crf=4)
    assert part.stat().st_size > 200_000
    process, grown = psutil.Process(), []

    def measure(frames):
        if frames % 160 == 0:
            gc.collect()
            grown.append(process.memory_info().rss)

    join([part] * 200, tmp_path / "out.mp4", 25, tone(64), on_frames=measure)
    assert len(grown) == 10 and max(grown[3:]) - grown[2] < 12e6


@pytest.mark.parametrize("n", [1, 2, 9, 81])
@pytest.mark.parametrize("fps", [25, Fraction(30000, 1001)])
def test_the_tail_is_the_end(tmp_path, monkeypatch, n, fps):
    """Read from a key frame near the end: the way over the whole file is not taken."""
    path = tmp_path / "out.mp4"
    join(pieces(tmp_path, [40] * 8, fps), path, fps, tone(13))
    monkeypatch.setattr(segments, "_tail_by_reading", None)
    tail = read_tail(path, n)
    assert torch.equal(tail, decode(path)[-n:]) and tail.dtype == torch.float32


def test_a_long_video_is_not_decoded_for_its_tail(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4", torch.cat([moving(250, seed) for seed in range(4)]))
    certain, read = segments._certain, []

    class Counting:
        def __init__(self, container):
            self.container = container

        def demux(self, stream):
            for packet in self.container.demux(stream):
                read.append(packet)
                yield packet

    monkeypatch.setattr(segments, "_certain", lambda container, *rest: certain(Counting(container), *rest))
    monkeypatch.setattr(segments, "_tail_by_reading", None)
    assert torch.equal(read_tail(path, 9), decode(path)[-9:])
    assert len(read) <= 251  # one group of pictures, and the end


@pytest.mark.parametrize("count", [1, 4, 9, 12])
def test_a_short_video_gives_what_it_has(tmp_path, count):
    path = write(tmp_path / "a.mp4", moving(count))
    assert torch.equal(read_tail(path, 9), decode(path)[-9:])


def other(path, codec, count=60, times=None, **options):
    """A video of another make, with times of its own."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number, picture in enumerate(moving(count)):
            frame = av.VideoFrame.from_ndarray((picture * 255).byte().numpy(), format="rgb24")
            frame.pts, frame.time_base = (times or range(count))[number], Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.webm", "libvpx-vp9", {"cpu-used": "8"}),
        ("a.mkv", "mpeg4", {}),
        ("a.avi", "mpeg4", {"bf": "2"}),
        ("a.ts", "mpeg2video", {"bf": "2"}),
        ("a.mp4", "libx264", {"x264-params": "open-gop=1:keyint=12:bframes=3"}),
        ("a.mov", "libx264", {"g": "1"}),
    ],
)
def test_the_tail_of_files_of_other_makes(tmp_path, name, codec, options):
    path = other(tmp_path / name, codec, **options)
    whole = decode(path)
    for n in (1, 5, 30, 100):
        assert torch.equal(read_tail(path, n), whole[-n:])


def test_the_tail_of_an_uneven_video(tmp_path):
    path = other(tmp_path / "a.mp4", "libx264", times=[number + 3 * (number > 50) for number in range(60)])
    assert torch.equal(read_tail(path, 12), decode(path)[-12:])


def test_the_tail_of_a_file_that_was_cut_off(tmp_path):
    """What can be decoded of it, and no error of our own."""
    path = other(tmp_path / "a.ts", "mpeg2video")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    whole = decode(path)
    assert 0 < whole.shape[0] < 60
    assert torch.equal(read_tail(path, 9), whole[-9:])


def test_a_tail_that_cannot_be(tmp_path):
    path = write(tmp_path / "a.mp4", moving(4))
    with pytest.raises(InputError, match="^frames: "):
        read_tail(path, 0)
    with av.open(str(tmp_path / "b.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=160)
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
    with pytest.raises(InputError, match="holds no frame"):
        read_tail(tmp_path / "b.wav", 3)
