"""Sounds made ready for the encoder, features kept and read back: all that needs no host."""

from __future__ import annotations

import copy
import math
import os
import time
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchaudio
from genga.conditioning import speech, speech_encoder, speech_loudness, speech_pair, speech_sound, speech_store
from genga.errors import InputError
from hypothesis import given, settings
from hypothesis import strategies as st

RATE = 16000


def noise(samples: int, seed: int = 0, level: float = 0.1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(samples).astype(np.float32)) * level


def sine(hertz: float, seconds: float = 5.0, rate: int = RATE) -> torch.Tensor:
    return torch.sin(2 * math.pi * hertz * torch.arange(int(seconds * rate)).double() / rate).float()


def audio(samples: torch.Tensor, rate: int = RATE) -> dict:
    return {"waveform": torch.atleast_2d(samples)[None], "sample_rate": rate}


# --- loudness ----------------------------------------------------------------------------------------------------

PULSES = (torch.arange(5 * RATE) % 20000 < 9000) * (0.3 + (torch.arange(5 * RATE) > 30000))
BY_PYLOUDNORM = {  # pyloudnorm 0.1.1, Meter(16000).integrated_loudness
    "1 kHz": (0.1 * sine(997), -23.083227),
    "1 kHz, full scale": (sine(997), -3.083228),
    "5 kHz, full scale": (sine(5000), 0.291503),
    "noise": (noise(80000), -17.337807),
    "noise over full scale": (noise(80000, level=0.5), -3.358407),
    "pulses, gated": (0.5 * noise(80000, level=1.0) * PULSES, -4.594755),
    "half a block more": (noise(80000)[:7300], -17.592420),
    "one block": (noise(80000)[:6400], -17.369245),
    "quiet": (noise(80000, level=10 ** (-65 / 20)), -62.337807),
    "not centred": (0.5 + 0.1 * sine(200), -23.992681),
}


@pytest.mark.parametrize("kind", BY_PYLOUDNORM)
def test_loudness_is_what_the_reference_measures(kind):
    samples, wanted = BY_PYLOUDNORM[kind]
    assert speech_loudness.integrated(samples) == pytest.approx(wanted, abs=2e-5)


@pytest.mark.parametrize("kind", ["1 kHz", "noise", "quiet", "one block"])
def test_loudness_agrees_with_torchaudio_where_that_does_not_clip(kind):
    samples = BY_PYLOUDNORM[kind][0]
    theirs = torchaudio.functional.loudness(samples[None].double(), RATE)
    assert speech_loudness.integrated(samples) == pytest.approx(float(theirs), abs=1e-4)


def test_loudness_of_a_long_sound_does_not_depend_on_the_pieces(monkeypatch):
    samples = noise(90001, seed=3)
    whole = speech_loudness.integrated(samples)
    monkeypatch.setattr(speech_loudness, "_PIECE", 4800)
    assert speech_loudness.integrated(samples) == pytest.approx(whole, abs=1e-9)


@pytest.mark.parametrize("level", [0.003, 0.1, 2.0])
@pytest.mark.parametrize("length", [700, 6399, 6400, 50000])
def test_every_sound_comes_to_the_same_level(level, length):
    samples = noise(length, seed=1, level=level)
    assert speech_loudness.integrated(samples * speech_loudness.gain(samples)) == pytest.approx(-23.0, abs=1e-3)


@pytest.mark.parametrize("samples", [torch.zeros(20000), torch.zeros(700), noise(20000, level=1e-5)])
def test_what_is_too_quiet_is_left_alone(samples):
    assert speech_loudness.gain(samples) is None


# --- to 16 kHz ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("piece", [1 << 20, 5000])
def test_resampling_in_pieces_is_resampling_the_whole(rate, piece, monkeypatch):
    monkeypatch.setattr(speech_sound, "_PIECE", piece)
    samples = noise(2 * 31001, seed=rate).reshape(2, -1)
    ours = speech_sound.resample(samples, rate, RATE)
    theirs = torchaudio.functional.resample(samples, rate, RATE)
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() < 1e-6
    mono = speech_sound.resample(samples, rate, RATE, mono=True)
    assert (mono - theirs.mean(0, keepdim=True)).abs().max() < 1e-6


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_the_direct_filter_is_the_table(rate, monkeypatch):
    samples = noise(20011, seed=2)[None]
    by_table = speech_sound.resample(samples, rate, RATE)
    monkeypatch.setattr(speech_sound, "_LARGEST_KERNEL", 0)
    monkeypatch.setattr(speech_sound, "_PIECE", 6000)
    assert (speech_sound.resample(samples, rate, RATE) - by_table).abs().max() < 5e-6


@pytest.mark.parametrize("rate", [44101, 11024, 191999])
def test_an_odd_rate_keeps_the_tone(rate):
    got = speech_sound.resample(sine(440, 0.5, rate)[None], rate, RATE)[0]
    wanted = sine(440, 0.5)
    assert abs(len(got) - len(wanted)) <= 1
    assert (got[200:7800] - wanted[200:7800]).abs().max() < 5e-3


# --- a sound made ready --------------------------------------------------------------------------------------------


@given(samples=st.integers(1800, 400_000), rate=st.sampled_from([8000, 16000, 22050, 44100, 44101, 48000]))
@settings(max_examples=200)
def test_frames_are_the_whole_ones_of_the_exact_duration(samples, rate):
    sound = speech_sound.Sound(torch.empty(0), Fraction(samples, rate))
    assert sound.frames == samples * 25 // rate
    assert sound.frames * rate <= 25 * samples < (sound.frames + 1) * rate


def test_no_frame_is_lost_to_rounding():
    assert int(18560 / RATE * 25) == 28  # what floating point makes of 1.16 s
    assert speech_sound.prepare(audio(noise(18560))).frames == 29


def test_channels_are_averaged_before_the_level_is_set():
    left, right = noise(30000, 1), noise(30000, 2)
    sound = speech_sound.prepare(audio(torch.stack([left, right])))
    middle = (left + right) / 2
    assert torch.allclose(sound.samples, middle * speech_loudness.gain(middle), atol=1e-6)
    assert sound.notes == ()


@pytest.mark.parametrize("kind", [torch.float16, torch.float64])
def test_other_float_types_are_read(kind):
    samples = noise(20000)
    sound = speech_sound.prepare(audio(samples.to(kind)))
    assert sound.samples.dtype == torch.float32
    assert (sound.samples - speech_sound.prepare(audio(samples)).samples).abs().max() < 1e-3


def test_silence_is_read_and_told():
    sound = speech_sound.prepare(audio(torch.zeros(2, 20000)), "audio_2")
    assert not sound.samples.any()
    assert sound.notes == ("audio_2 is silent: nobody will speak.",)


def test_a_whisper_below_measure_is_told():
    sound = speech_sound.prepare(audio(noise(20000, level=1e-6)))
    assert "too quiet" in sound.notes[0]
    assert sound.samples.any()


def test_clipping_is_told_and_a_full_tone_is_not():
    clipped = (3 * sine(200, 2.0)).clamp(-1, 1)
    assert any("is clipped" in note for note in speech_sound.prepare(audio(clipped)).notes)
    assert speech_sound.prepare(audio(sine(200, 2.0))).notes == ()


BROKEN = {
    "nothing": (None, "is not an AUDIO"),
    "no waveform": ({"sample_rate": 16000}, "is not an AUDIO"),
    "whole numbers": (audio(torch.ones(16000, dtype=torch.int16)), "is not an AUDIO"),
    "two sounds": ({"waveform": torch.zeros(2, 1, 16000), "sample_rate": 16000}, "batch of 2"),
    "no rate": ({"waveform": torch.zeros(1, 1, 16000), "sample_rate": None}, "sample rate"),
    "rate 0": (audio(noise(16000), 0), "sample rate"),
    "empty": (audio(torch.zeros(1, 0)), "no samples"),
    "no channels": ({"waveform": torch.zeros(1, 0, 16000), "sample_rate": 16000}, "no samples"),
    "less than a frame": (audio(noise(639)), "less than one frame"),
    "NaN": (audio(torch.cat([noise(9000), torch.tensor([math.nan]), noise(9000)])), "NaN or infinite"),
    "infinity": (audio(torch.cat([noise(9000), torch.tensor([math.inf])])), "NaN or infinite"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_sound_is_named_with_its_input(kind):
    given_audio, wanted = BROKEN[kind]
    with pytest.raises(InputError, match=wanted) as caught:
        speech_sound.prepare(given_audio, "audio_2")
    assert caught.value.input_name == "audio_2"


def test_one_frame_is_enough():
    assert speech_sound.prepare(audio(noise(640))).frames == 1


# --- two speakers --------------------------------------------------------------------------------------------------


def sounds():
    return speech_sound.prepare(audio(noise(20000, 1))), speech_sound.prepare(audio(noise(2 * 33000, 2), 32000))


def test_para_starts_together_and_ends_in_silence():
    one, two = sounds()
    first, second = speech_pair.combine(one, two, "para")
    assert first.frames == second.frames == two.frames
    assert len(first.samples) == len(second.samples) == 33000
    assert torch.equal(first.samples[:20000], one.samples)
    assert not first.samples[20000:].any()
    assert torch.equal(second.samples, two.samples)


def test_add_has_one_after_the_other():
    one, two = sounds()
    first, second = speech_pair.combine(one, two, "add")
    assert first.frames == second.frames == 53000 * 25 // RATE
    assert torch.equal(first.samples, torch.cat([one.samples, torch.zeros(33000)]))
    assert torch.equal(second.samples, torch.cat([torch.zeros(20000), two.samples]))


def test_another_order_is_refused():
    with pytest.raises(InputError, match="para, add"):
        speech_pair.combine(*sounds(), "mix")


# --- rows ------------------------------------------------------------------------------------------------------------


def features(frames: int) -> speech.Speech:
    """Features that tell where they come from: 1000 * layer + frame."""
    kept = speech_store.InMemory((12, frames, 768))
    kept.values[:] = 1000 * np.arange(12)[:, None, None] + np.arange(frames)[None, :, None]
    return speech.Speech(frames, frames / 25, "", (), kept)


def test_rows_come_in_the_shape_of_their_numbers():
    rows = features(30).rows(torch.tensor([[3, 4, 5], [29, 0, 7]]))
    assert rows.shape == (2, 3, 12, 768)
    assert rows.dtype == torch.float32
    assert rows[1, 0, 11].unique().tolist() == [11029.0]


@given(frames=st.integers(1, 40), index=st.integers(-50, 200))
@settings(max_examples=100)
def test_past_the_end_the_sound_runs_backwards(frames, index):
    padded = list(range(frames)) + list(range(frames - 1, -1, -1))  # the reference: the tail, flipped, appended
    wanted = padded[min(max(index, 0), len(padded) - 1)]
    assert float(features(frames).rows(torch.tensor(index))[0, 0]) == wanted


# --- storage ---------------------------------------------------------------------------------------------------------

SHAPE = (3, 7, 4)


def written(folder, digest: str = "a", value: float = 1.0):
    with speech_store.writing(folder, digest, SHAPE) as part:
        for layer in range(3):
            for first in (3, 0):
                rows = np.full((3 + (first == 3), 4), value + layer, np.float32)
                part.put(layer, first, rows)
    return folder / f"{digest}.npy"


def test_a_file_is_an_ordinary_array_and_survives_its_removal(tmp_path):
    path = written(tmp_path / "new")
    assert np.array_equal(np.load(path)[:, 0, 0], [1, 2, 3])
    found = speech_store.find(tmp_path / "new", "a", SHAPE)
    assert np.array_equal(found.gather(np.array([6, 0]))[2], np.full((2, 4), 3))
    assert copy.deepcopy(found) is found
    if os.name == "posix":
        path.unlink()
        assert found.gather(np.array([1])).shape == (3, 1, 4)
    found.close()


def test_features_in_memory_are_not_copied():
    heard = features(5)
    assert copy.deepcopy(heard).features is heard.features


def test_an_interrupted_write_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), speech_store.writing(tmp_path, "a", SHAPE) as part:
        part.put(0, 0, np.zeros((7, 4), np.float32))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    assert speech_store.find(tmp_path, "a", SHAPE) is None


@pytest.mark.parametrize("harm", ["cut", "other shape", "no header", "empty"])
def test_a_damaged_file_is_taken_away(tmp_path, harm):
    path = written(tmp_path)
    content = {"cut": path.read_bytes()[:-1], "no header": b"x" * 500, "empty": b""}.get(harm)
    if content is not None:
        path.write_bytes(content)
    assert speech_store.find(tmp_path, "a", (3, 8, 4) if harm == "other shape" else SHAPE) is None
    assert not path.exists()


def test_the_files_used_last_are_kept(tmp_path):
    now = time.time()
    for age, name in enumerate("abcdef"):
        os.utime(written(tmp_path, name), (now - 100 * age, now - 100 * age))
    size = (tmp_path / "a.npy").stat().st_size
    speech_store.find(tmp_path, "e", SHAPE).close()  # a use counts
    (tmp_path / ".old.part").write_bytes(b"")
    os.utime(tmp_path / ".old.part", (now - 1e6, now - 1e6))
    (tmp_path / ".new.part").write_bytes(b"")
    speech_store.sweep(tmp_path, files=4)
    assert {path.name for path in tmp_path.iterdir()} == {"a.npy", "b.npy", "c.npy", "e.npy", ".new.part"}
    speech_store.sweep(tmp_path, size=2 * size)
    assert {path.stem for path in tmp_path.glob("*.npy")} == {"a", "e"}
    speech_store.sweep(tmp_path, size=1)
    assert len(list(tmp_path.glob("*.npy"))) == 1


# --- stretches and statistics ------------------------------------------------------------------------------------------


@given(frames=st.integers(1, 3000), size=st.integers(20, 400), overlap=st.integers(1, 19))
@settings(max_examples=200)
def test_stretches_cover_every_frame_once_and_overlap(frames, size, overlap):
    parts = speech_encoder.stretches(frames, size, overlap)
    assert [part.keep for part in parts] == [0] + [part.until for part in parts[:-1]]
    assert parts[-1].until == parts[-1].stop == frames
    assert all(part.first <= part.keep < part.until <= part.stop for part in parts)
    assert all(part.stop - part.first == min(size, frames) for part in parts)
    assert all(one.stop - two.first >= overlap for one, two in zip(parts, parts[1:], strict=False))
    assert (len(parts) == 1) == (frames <= size)


def test_ten_minutes_are_one_stretch():
    assert len(speech_encoder.stretches(600 * 25)) == 1
    assert len(speech_encoder.stretches(600 * 25 + 1)) == 2


@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_moments_are_those_of_all_pieces(offset, monkeypatch):
    monkeypatch.setattr(speech_encoder, "_MOMENT_PIECE", 100)
    samples = noise(9999, level=1.0) + offset
    pieces = samples.double().unfold(0, 10, 5)
    mean, spread = speech_encoder.moments(samples, 10, 5)
    assert torch.allclose(mean, pieces.mean(0), atol=1e-12)
    assert torch.allclose(spread, torch.cov(pieces.T, correction=0), atol=1e-9)


def test_the_norm_over_time_follows_from_the_moments():
    layer = SimpleNamespace(conv=torch.nn.Conv1d(1, 8, 10, 5), layer_norm=torch.nn.GroupNorm(8, 8))
    torch.nn.init.normal_(layer.layer_norm.weight)
    torch.nn.init.normal_(layer.layer_norm.bias)
    samples = noise(4001, level=0.2)
    with torch.no_grad():
        wanted = layer.layer_norm(layer.conv(samples[None, None]))[0]
        scale, shift = speech_encoder.channel_norm(layer, samples)
        got = layer.conv(samples[None, None])[0] * scale + shift
    assert torch.allclose(got, wanted, atol=1e-5)


# --- the encoder is checked ----------------------------------------------------------------------------------------------


def encoder(width: int = 768, layers: int = 12, stable: bool = False) -> SimpleNamespace:
    inside = SimpleNamespace(
        layer_norm=torch.nn.LayerNorm(width), layers=[None] * layers, pos_conv_embed=None, do_stable_layer_norm=stable
    )
    model = SimpleNamespace(encoder=inside, feature_extractor=SimpleNamespace(conv_layers=[1]))
    return SimpleNamespace(model=model, patcher=None)


WRONG = {
    "none": (None, "is not an audio encoder"),
    "a clip": (SimpleNamespace(patcher=None), "is not an audio encoder"),
    "whisper": (
        SimpleNamespace(patcher=None, model=SimpleNamespace(encoder=1, feature_extractor=2)),
        "no wav2vec2",
    ),
    "large": (encoder(1024, 24, True), "wav2vec2-large"),
    "two layers": (encoder(768, 2), "2 layers of width 768"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_another_encoder_is_named_before_any_work(kind):
    given_encoder, wanted = WRONG[kind]
    with pytest.raises(InputError, match=wanted) as caught:
        speech.analyse(None, given_encoder)
    assert caught.value.input_name == "audio_encoder"
    assert "wav2vec2-chinese-base" in str(caught.value)


def test_the_base_model_is_taken():
    speech_encoder.check(encoder())
