"""Every format of Save Video, by decoding what was written: numbers of pixels, frames, times, sound and texts."""

from __future__ import annotations

import json
from datetime import datetime
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from genga.errors import InputError
from genga.media import formats, gif, naming, stills, unfinished, xmp
from genga.media.gif import GifWriter, palette_of
from genga.media.sequence import SequenceWriter
from genga.media.source import read_audio, read_frames
from genga.media.video import VideoWriter
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

WEBM = ("webm", "webm-av1")
TAGS = {"workflow": json.dumps({"nodes": [], "ü": "日本"}), "prompt": "{}"}


def frames(count=12, height=48, width=64):
    """A bar that moves over a gradient, in exact steps of 1/255."""
    picture = torch.linspace(0, 1, width).view(1, 1, width, 1).repeat(count, height, 1, 3)
    for number in range(count):
        picture[number, :, number * 3 : number * 3 + 8] = torch.tensor([0.9, 0.2, 0.1])
    return (picture * 255).round() / 255


def tone(seconds, rate=44100, channels=2):
    wave = 0.5 * torch.sin(torch.arange(round(seconds * rate)) * 0.06)
    return {"waveform": wave.expand(1, channels, -1), "sample_rate": rate}


def write(path, name, pictures, fps=16, **options):
    with VideoWriter(path, fps, form=formats.by_name(name), **options) as writer:
        writer.write(pictures)
    return writer


@pytest.mark.parametrize(("name", "codec"), [("webm", "vp9"), ("webm-av1", "av1")])
def test_webm_shows_the_frames_and_their_colours(tmp_path, name, codec):
    path = tmp_path / "a.webm"
    write(path, name, frames(), fps=Fraction(24000, 1001), crf=4, audio=tone(0.4), metadata=TAGS)
    back = torch.cat(list(read_frames(path)))
    assert back.shape == (12, 48, 64, 3) and (back - frames()).abs().mean() < 0.02
    sound = read_audio(path)
    assert sound["sample_rate"] == 48000 and sound["waveform"].abs().max() == pytest.approx(0.5, abs=0.1)
    assert sound["waveform"].shape[2] / 48000 == pytest.approx(0.4, abs=0.05)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert av.Codec(stream.codec_context.name).canonical_name == codec
        assert stream.average_rate == pytest.approx(23.976, abs=0.01)
        (first, *_) = container.decode(stream)
        assert (first.colorspace, first.color_range) == (1, 1)
        assert container.metadata["WORKFLOW"] == TAGS["workflow"]


@pytest.mark.parametrize("name", WEBM)
def test_a_worse_rate_factor_gives_a_smaller_webm(tmp_path, name):
    pictures = torch.rand(6, 96, 128, 3, generator=torch.Generator().manual_seed(0))
    for crf in (0, 30, 51):
        write(tmp_path / f"{crf}.webm", name, pictures, crf=crf)
    sizes = [(tmp_path / f"{crf}.webm").stat().st_size for crf in (0, 30, 51)]
    assert sizes[0] > 1.2 * sizes[1] > 1.3 * sizes[2], sizes


def test_lossless_gives_every_number_back(tmp_path):
    """Also of an odd size, and sound to 24 bits."""
    pictures, sound = torch.rand(5, 47, 63, 3), tone(0.25)
    pictures = (pictures * 255).round() / 255
    writer = write(tmp_path / "a.mkv", "mkv-lossless", pictures, audio=sound, metadata=TAGS)
    assert torch.equal(torch.cat(list(read_frames(tmp_path / "a.mkv"))), pictures)
    assert (writer.size, writer.padded) == ((63, 47), None)
    back = read_audio(tmp_path / "a.mkv")
    assert back["sample_rate"] == 44100
    length = min(back["waveform"].shape[2], sound["waveform"].shape[2])
    assert length == 11025
    assert (back["waveform"][..., :length] - sound["waveform"][..., :length]).abs().max() < 2**-22
    with av.open(str(tmp_path / "a.mkv")) as container:
        assert container.metadata["WORKFLOW"] == TAGS["workflow"]


def test_a_gif_has_exact_time_few_colours_and_a_comment_at_its_head(tmp_path):
    pictures, path = frames(24, 47, 63), tmp_path / "a.gif"
    note = json.dumps({"workflow": "x" * 1000})
    with GifWriter(path, 16, palette_of([pictures[:9], pictures[9:]]), comment=note) as writer:
        writer.write(pictures)
    assert writer.size == (63, 47) and writer.frames == 24
    shown, lasted = [], 0
    with Image.open(path) as picture:
        assert picture.info["comment"].decode() == note and picture.info["loop"] == 0
        for number in range(picture.n_frames):
            picture.seek(number)
            lasted += picture.info["duration"]
            shown.append(np.asarray(picture.convert("RGB")))
    assert (len(shown), lasted) == (24, 1500)
    back = torch.from_numpy(np.stack(shown)).float() / 255
    assert (back - pictures).abs().mean() < 0.01
    assert len(np.unique(np.stack(shown).reshape(-1, 3), axis=0)) <= 256
    assert note.encode()[:200] in path.read_bytes()[: 13 + 768 + 300]


@given(length=st.integers(0, 1100), cut=st.integers(1, 900))
def test_a_comment_is_put_behind_the_header_however_it_arrives(tmp_path_factory, length, cut):
    whole = tmp_path_factory.mktemp("gif") / "a.gif"
    Image.new("P", (4, 4)).save(whole)
    data, note = whole.read_bytes(), "n" * length
    out = whole.with_name("b.gif")
    file = gif._Commented(out.open("wb"), note)
    for start in range(0, len(data), cut):
        file.write(data[start : start + cut])
    file.close()
    with Image.open(out) as picture:
        picture.load()
        assert picture.info.get("comment", b"").decode() == note and picture.size == (4, 4)


def test_no_gif_is_faster_than_players_show():
    with pytest.raises(InputError, match="^fps: 60 is more than gif can show, 50"):
        formats.by_name("gif").check_rate(Fraction(60))
    formats.by_name("gif").check_rate(Fraction(50))


def test_a_sequence_is_exact_and_whole(tmp_path):
    pictures = (torch.rand(3, 15, 17, 3) * 255).round() / 255
    with SequenceWriter(tmp_path / "a.b", 16, texts={"parameters": "日本", "workflow": "{}"}) as writer:
        writer.write(pictures)
        assert list((tmp_path / "a.b").iterdir()) == []
    names = sorted(path.name for path in (tmp_path / "a.b").iterdir())
    assert names == [f"a.b_{number:05}.png" for number in range(3)] and list(tmp_path.iterdir()) == [tmp_path / "a.b"]
    for number, name in enumerate(names):
        with Image.open(tmp_path / "a.b" / name) as picture:
            assert torch.equal(torch.from_numpy(np.asarray(picture).copy()) / 255, pictures[number])
            assert picture.text == {"parameters": "日本", "workflow": "{}"}


def test_a_broken_sequence_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="^images: frame 2"), SequenceWriter(tmp_path / "a", 16) as writer:
        writer.write(torch.rand(2, 8, 8, 3))
        writer.write(torch.rand(2, 8, 9, 3))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("crf", "h264", "vp9"), [(0, 0, 0), (16, 16, 20), (51, 51, 63), (80, 51, 63), (100, 51, 63)])
def test_the_rate_factor_is_mapped_to_the_encoders_own(crf, h264, vp9):
    assert formats.MP4.rate_factor(crf) == h264
    assert [formats.by_name(name).rate_factor(crf) for name in WEBM] == [vp9, max(1, vp9)]
    assert formats.by_name("gif").rate_factor(crf) is None


def test_a_missing_encoder_is_an_error_with_a_remedy(monkeypatch):
    monkeypatch.setattr(av, "codecs_available", {"libx264", "libaom-av1"})
    with pytest.raises(
        InputError, match="^format: webm needs libvpx-vp9, which this PyAV .* Choose another format, or"
    ):
        formats.by_name("webm").encoder()
    assert formats.by_name("webm-av1").encoder() == "libaom-av1"
    assert formats.MP4.encoder() == "libx264"


@pytest.mark.parametrize("size", [(2, 2), (100, 16), (2048, 30), (16, 2048), (64, 8706)])
def test_a_size_that_the_encoder_does_not_come_back_from_is_refused(monkeypatch, tmp_path, size):
    """SVT-AV1 hangs on some of these, without an error."""
    monkeypatch.setattr(av, "codecs_available", {"libsvtav1", "libx264"})
    form = formats.by_name("webm-av1")
    with pytest.raises(
        InputError, match=f"^format: webm-av1 takes .* not of {size[0]}x{size[1]}. Choose another format"
    ):
        form.check_size(size)
    with pytest.raises(InputError, match="^format: webm-av1 takes"):
        write(tmp_path / "a.webm", "webm-av1", torch.zeros(1, size[1], size[0], 3))
    assert list(tmp_path.iterdir()) == []
    form.check_size((32, 8704))
    formats.MP4.check_size(size)
    monkeypatch.setattr(av, "codecs_available", {"libaom-av1"})
    form.check_size(size)


def test_a_lossless_video_has_at_least_two_pixels_each_way(tmp_path):
    with pytest.raises(InputError, match="^format: mkv-lossless takes .* not of 5x1"):
        write(tmp_path / "a.mkv", "mkv-lossless", torch.zeros(1, 1, 5, 3))
    assert write(tmp_path / "a.mkv", "mkv-lossless", torch.zeros(1, 2, 3, 3)).size == (3, 2)


def test_missing_filters_are_told_too(monkeypatch):
    monkeypatch.setattr(av.filter, "filters_available", {"palettegen"})
    with pytest.raises(InputError, match="^format: gif needs gif and paletteuse, which"):
        formats.by_name("gif").encoder()


@given(
    st.dictionaries(
        st.sampled_from(["workflow", "prompt", "genga"]),
        st.text(st.characters(min_codepoint=32, codec="utf-8")),
        min_size=1,
    ),
    st.integers(1, 4),
)
def test_texts_of_any_length_stand_in_a_jpg(tmp_path_factory, texts, times):
    texts = {name: text * 20000 * times for name, text in texts.items()} if times > 3 else texts
    path = tmp_path_factory.mktemp("jpg") / "a.jpg"
    stills.write_jpg(path, np.zeros((8, 8, 3), np.uint8), texts, 90)
    with Image.open(path) as picture:
        picture.load()
        assert xmp.texts_of(data for name, data in picture.applist if name == "APP1") == texts


def test_pieces_of_texts_that_lie_about_their_length_are_left():
    good = xmp.segments({"workflow": "w" * 100})
    payload = good[good.index(b"http://ns.adobe.com/xmp/extension/") :]
    start = len(b"http://ns.adobe.com/xmp/extension/\0") + 32
    assert xmp.texts_of([payload]) == {"workflow": "w" * 100}
    assert xmp.texts_of([payload[:start] + b"\xff\xff\xff\xff" + payload[start + 4 :]]) == {}
    assert xmp.texts_of([payload[: start + 2]]) == {}


def test_parameters_stand_where_other_programs_look(tmp_path):
    said = "a cat, 日本\nNegative prompt: blurry\nSteps: 3, Seed: 1"
    stills.write_jpg(tmp_path / "a.jpg", np.zeros((8, 8, 3), np.uint8), {"parameters": said}, 90)
    with Image.open(tmp_path / "a.jpg") as picture:
        raw = picture.getexif().get_ifd(0x8769)[0x9286]
    assert raw == b"UNICODE\0" + said.encode("utf-16-be") and stills.user_comment(raw) == said
    assert stills.user_comment(b"UNICODE\0" + said.encode("utf-16-le")) == said
    assert stills.user_comment(b"ASCII\0\0\0plain") == "plain"


def test_a_folder_is_a_name_of_its_own_and_a_killed_one_is_cleared(tmp_path):
    now = datetime(2026, 1, 2, 3, 4, 5)
    first, second = (naming.claim(tmp_path, "v1.5", "", now) for _ in range(2))
    assert [first.name, second.name] == ["v1.5_20260102_030405", "v1.5_20260102_030405_2"] and first.is_dir()
    assert naming.claim(tmp_path, "v1.5", "mp4", now).name == "v1.5_20260102_030405_3.mp4"
    assert naming.Reserved(first, "", first.name).beside().name == "v1.5_20260102_030405.json"
    writer = SequenceWriter(first, 16, claimed=True)
    writer.write(torch.rand(1, 8, 8, 3))
    (second / "kept.png").touch()
    for path in (first, second):
        unfinished._tidy(path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [second.name, "v1.5_20260102_030405_3.mp4"]
