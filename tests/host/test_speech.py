"""Features of speech by the host's wav2vec2: exact against plain computations, bounded, kept, and cancelled cleanly."""

from __future__ import annotations

import copy
import logging
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from genga.conditioning import speech, speech_encoder, speech_pair, speech_sound
from genga.errors import InputError
from torch.utils._python_dispatch import TorchDispatchMode

SMALL = {"embed_dim": 32, "conv_dim": 8, "groups": 16, "ffn_dim": 128, "num_heads": 4, "num_layers": 2}
RATE = 16000


def voice(seconds: float, seed: int = 0, level: float = 0.1) -> torch.Tensor:
    """Something between noise and a tone that swells, [N]."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(int(seconds * RATE)) / RATE
    swell = 0.2 + torch.sin(5 * time).square()
    return level * swell * (torch.randn(len(time), generator=generator) * 0.5 + torch.sin(900 * time))


def audio(samples: torch.Tensor, rate: int = RATE) -> dict:
    return {"waveform": samples[None, None], "sample_rate": rate}


@pytest.fixture(scope="module")
def build(host):
    """build(**sizes and options) -> the host's model with random weights."""
    import comfy.ops
    from genga_tiny_host import wav2vec2

    def make(do_normalize: bool = False, bias: bool = False, dtype=torch.float32, **sizes):
        torch.manual_seed(5)
        model = wav2vec2.build({**SMALL, **sizes}, comfy.ops.manual_cast, dtype, None, do_normalize, bias)
        for name, weight in model.named_parameters():
            with torch.no_grad():
                if "norm" in name and name.endswith("weight"):
                    weight.uniform_(0.5, 1.5)
                elif name.endswith(("bias", "masked_spec_embed")):
                    weight.normal_(0, 0.2)
                elif "original0" not in name:
                    weight.normal_(0, 1.5 * weight[0].numel() ** -0.5)
        position = model.encoder.pos_conv_embed.conv.parametrizations.weight
        with torch.no_grad():
            position.original0.copy_(position.original1.square().sum((0, 1), keepdim=True).sqrt() * 2)
        return model.eval()

    return make


@pytest.fixture
def small_pieces(monkeypatch):
    """Pieces so small that a few seconds have many of them."""
    for name, value in {"_CONV_FRAMES": 7, "_ROWS": 23, "_SCORES": 1000, "_MOMENT_PIECE": 999}.items():
        monkeypatch.setattr(speech_encoder, name, value)


def encoded(model, samples: torch.Tensor, frames: int, parts=None) -> torch.Tensor:
    """[layers, frames, width] by the pack."""
    out = torch.full((len(model.encoder.layers), frames, model.encoder.layer_norm.weight.shape[0]), torch.nan)

    def put(layer, first, rows):
        out[layer, first : first + len(rows)] = rows

    speech_encoder.encode(model, samples, frames, put, lambda done, total: None, parts)
    assert not out.isnan().any()
    return out


def plain(model, samples: torch.Tensor, frames: int) -> torch.Tensor:
    """The same by the host's own forward passes over the whole sound, interpolating where the reference does.

    In float64: in float32 interpolate() itself misplaces the rows after some seconds.
    """
    model, x = copy.deepcopy(model).double(), samples.double()[None]
    if model.do_normalize:
        x = (x - x.mean()) / torch.sqrt(x.var() + 1e-7)
    x = model.feature_extractor(x)
    x = F.interpolate(x.transpose(1, 2), size=frames, align_corners=True, mode="linear").transpose(1, 2)
    states = model.encoder(model.feature_projection(x))[1]
    return torch.cat(states[1:]).float()


@pytest.mark.parametrize("options", [{}, {"do_normalize": True}, {"bias": True}, {"num_layers": 3, "num_heads": 2}])
@pytest.mark.parametrize("seconds", [7.013, 0.04, 0.3])
def test_pieces_equal_the_whole(build, small_pieces, options, seconds):
    model, samples = build(**options), voice(seconds)
    frames = speech_sound.prepare(audio(samples)).frames
    assert (encoded(model, samples, frames) - plain(model, samples, frames)).abs().max() < 2e-5


def test_no_piece_size_shows(build, small_pieces, monkeypatch):
    model, samples = build(), voice(5)
    one = encoded(model, samples, 125)
    monkeypatch.setattr(speech_encoder, "_ROWS", 1000)
    monkeypatch.setattr(speech_encoder, "_CONV_FRAMES", 1000)
    assert (encoded(model, samples, 125) - one).abs().max() < 2e-5


def test_half_precision_weights_compute_in_single(build):
    model, samples = build(dtype=torch.float16), voice(2)
    assert (encoded(model, samples, 50) - plain(model, samples, 50)).abs().max() < 2e-5


def test_silence_and_a_bare_offset_are_finite(build):
    for level in (0.0, 0.3):
        assert encoded(build(), torch.full((20000,), level), 31).isfinite().all()


def hugging_face(model) -> torch.nn.Module:
    """transformers' wav2vec2 with the same weights, in float64."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    config = Wav2Vec2Config(
        hidden_size=SMALL["embed_dim"], num_hidden_layers=SMALL["num_layers"], intermediate_size=SMALL["ffn_dim"],
        num_attention_heads=SMALL["num_heads"], conv_dim=(SMALL["conv_dim"],) * 7, num_conv_pos_embeddings=128,
        num_conv_pos_embedding_groups=SMALL["groups"], feat_extract_norm="group", do_stable_layer_norm=False,
        conv_bias=False, attn_implementation="eager",
    )  # fmt: skip
    theirs = Wav2Vec2Model(config)
    missing = theirs.load_state_dict(model.state_dict(), strict=True)
    assert not missing.missing_keys
    return theirs.double().eval()


def test_equal_to_the_published_model_as_the_reference_runs_it(build, small_pieces):
    model, samples = build(), voice(6.5)
    theirs = hugging_face(model)
    frames = int(6.5 * 25)
    rows = F.interpolate(
        theirs.feature_extractor(samples.double()[None]), size=frames, align_corners=True, mode="linear"
    )
    states = []
    for layer in theirs.encoder.layers:
        layer.register_forward_hook(lambda _, given, made: states.append(made[0] if isinstance(made, tuple) else made))
    theirs.encoder(theirs.feature_projection(rows.transpose(1, 2))[0])
    wanted = torch.cat(states)
    got = encoded(model, samples, frames)
    assert wanted.shape == got.shape
    assert (got - wanted).abs().max() < 2e-5
    assert 0.3 < wanted.std() < 3
    # The test can tell: interpolated after the transformer, as the host's own node does, it is another thing.
    late = F.interpolate(plain(model, samples, 324).transpose(1, 2), size=frames, align_corners=True, mode="linear")
    assert (late.transpose(1, 2) - wanted).abs().max() > 0.05


def test_stretches_end_attention_and_nothing_else(build, small_pieces):
    model, samples = build(), voice(8)
    parts = speech_encoder.stretches(200, 90, 20)
    assert len(parts) == 3
    got = encoded(model, samples, 200, parts)
    front = speech_encoder.Front(model, samples, 200)
    before = front.embedded(0, 200, lambda rows: None)
    for part in parts:
        x = before[None, part.first : part.stop]
        for index, layer in enumerate(model.encoder.layers):
            x = layer(x)
            kept = x[0, part.keep - part.first : part.until - part.first]
            assert (got[index, part.keep : part.until] - kept).abs().max() < 2e-5


def test_progress_rises_to_its_total(build, small_pieces):
    heard = []
    speech_encoder.encode(build(), voice(3), 75, lambda *_: None, lambda done, total: heard.append((done, total)))
    assert heard == sorted(heard)
    assert heard[-1] == (225, 225)
    assert len(heard) > 10


class Largest(TorchDispatchMode):
    """The largest tensor that any operation makes, in bytes, apart from views of ``given``."""

    def __init__(self, given: torch.Tensor):
        super().__init__()
        self.given, self.bytes = given.untyped_storage().data_ptr(), 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage().data_ptr() != self.given:
                self.bytes = max(self.bytes, tensor.untyped_storage().nbytes())
        return made


@pytest.mark.parametrize("seconds", [30, 60])
def test_nothing_grows_but_one_row_a_frame(build, small_pieces, seconds):
    model, samples = build(), voice(seconds)
    with Largest(samples) as largest:
        speech_encoder.encode(model, samples, seconds * 25, lambda *_: None, lambda done, total: None)
    assert largest.bytes <= seconds * 25 * SMALL["embed_dim"] * 4


# --- the encoder as a person loads it ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def encoder(models, tiny):
    from comfy_extras import nodes_audio_encoder

    return nodes_audio_encoder.AudioEncoderLoader.execute(tiny.files.AUDIO_ENCODER).args[0]


def test_the_tiny_encoder_loads_whole_and_hears(host, models, tiny, caplog):
    from comfy_extras import nodes_audio_encoder

    with caplog.at_level(logging.WARNING):
        loaded = nodes_audio_encoder.AudioEncoderLoader.execute(tiny.files.AUDIO_ENCODER).args[0]
        out = nodes_audio_encoder.AudioEncoderEncode.execute(loaded, audio(voice(1))).args[0]
    assert [record.getMessage() for record in caplog.records if "audio encoder" in record.getMessage()] == []
    states = out["encoded_audio_all_layers"]
    assert len(states) == 13
    assert states[0].shape == (1, 49, 768)
    assert 0.3 < states[12].std() < 3
    apart = [(one - two).abs().mean() for one, two in zip(states, states[1:], strict=False)]
    assert min(apart) > 0.05


def test_features_of_the_tiny_encoder_are_the_plain_ones(encoder, tmp_path):
    given = {"waveform": torch.stack([voice(3, 1), voice(3, 2)])[None], "sample_rate": RATE}
    heard = speech.analyse(given, encoder, tmp_path)
    assert (heard.frames, heard.seconds, heard.notes) == (75, 3.0, ())
    wanted = plain(encoder.model, speech_sound.prepare(given).samples, 75).transpose(0, 1)
    got = heard.rows(torch.arange(75))
    assert got.shape == (75, 12, 768)
    assert (got - wanted).abs().max() < 1e-4
    in_memory = speech.analyse(given, encoder)
    assert torch.equal(in_memory.rows(torch.arange(75)), got)
    assert in_memory.digest == heard.digest


def test_kept_features_are_taken_and_others_are_not(encoder, tmp_path, monkeypatch):
    first = speech.analyse(audio(voice(1)), encoder, tmp_path)
    runs = []
    encode = speech_encoder.encode
    monkeypatch.setattr(speech_encoder, "encode", lambda *args: (runs.append(1), encode(*args)))
    again = speech.analyse(audio(voice(1)), encoder, tmp_path)
    assert runs == []
    assert again.digest == first.digest
    assert torch.equal(again.rows(torch.tensor([3, 30])), first.rows(torch.tensor([3, 30])))
    speech.analyse(audio(voice(1, seed=1)), encoder, tmp_path)
    weight = encoder.model.encoder.layers[1].attention.q_proj.weight
    kept = weight.data.clone()
    weight.data.mul_(1.01)
    other = speech.analyse(audio(voice(1)), encoder, tmp_path)
    weight.data.copy_(kept)
    assert len(runs) == 2
    assert other.digest != first.digest
    assert len(list(tmp_path.iterdir())) == 3


def test_the_same_loudness_gives_nearly_the_same_features(encoder):
    loud, quiet = (speech.analyse(audio(voice(2, level=level)), encoder) for level in (0.5, 0.01))
    one, two = (heard.rows(torch.arange(50)) for heard in (loud, quiet))
    assert (one - two).abs().max() < 2e-3


def test_a_cancel_leaves_nothing(encoder, tmp_path):
    def stop(done, total):
        if done > total // 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        speech.analyse(audio(voice(2)), encoder, tmp_path, stop)
    assert list(tmp_path.iterdir()) == []


def test_a_long_sound_is_told(encoder, monkeypatch):
    monkeypatch.setattr(speech_encoder, "STRETCH", 40)
    parts = speech_encoder.stretches(60, 40, 10)
    monkeypatch.setattr(speech_encoder, "stretches", lambda frames: parts)
    heard = speech.analyse(audio(voice(2.4)), encoder)
    assert "ten minutes" in heard.notes[-1]
    assert heard.rows(torch.arange(60)).isfinite().all()


@pytest.mark.parametrize("seconds", [0.04, 0.05, 1.16, 3.24])
def test_as_many_frames_as_the_sound_has(encoder, seconds):
    samples = voice(seconds + 0.01)[: round(seconds * RATE)]
    heard = speech.analyse(audio(samples), encoder)
    assert heard.frames == round(seconds * 25 - 0.25)
    assert heard.rows(torch.tensor([[-2, heard.frames + 2]])).shape == (1, 2, 12, 768)


def test_silence_has_features(encoder):
    heard = speech.analyse(audio(torch.zeros(RATE)), encoder)
    assert "silent" in heard.notes[0]
    assert heard.rows(torch.arange(25)).isfinite().all()


@pytest.mark.parametrize("mode", speech_pair.MODES)
def test_two_speakers_have_the_same_frames(encoder, tmp_path, mode):
    heard = []
    one, two = voice(1.5, 1), voice(1.0, 2)
    pair = speech_pair.analyse(
        audio(one), audio(two), mode, encoder, tmp_path, lambda done, total: heard.append(done / total)
    )
    assert {speaker.frames for speaker in pair} == {37 if mode == "para" else 62}
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    starts = (0, 24000 if mode == "add" else 0)
    total = 40000 if mode == "add" else 24000
    for speaker, samples, start in zip(pair, (one, two), starts, strict=True):
        alone = speech_sound.prepare(audio(samples)).samples
        wanted = plain(encoder.model, F.pad(alone, (start, total - start - len(alone))), speaker.frames)
        assert (speaker.rows(torch.arange(speaker.frames)) - wanted.transpose(0, 1)).abs().max() < 1e-4


def test_the_hosts_other_encoders_are_refused(host, build):
    import comfy.ops
    from comfy.audio_encoders import wav2vec2, whisper

    with torch.device("meta"):
        large = wav2vec2.Wav2Vec2Model(dtype=torch.float16, operations=comfy.ops.manual_cast)
        whisper_encoder = whisper.AudioEncoder(dtype=torch.float16, operations=comfy.ops.manual_cast)
    others = {
        "wav2vec2-large": large,
        "no wav2vec2": SimpleNamespace(encoder=whisper_encoder, feature_extractor=None),
        "2 layers of width 32": build(),
    }
    for wanted, model in others.items():
        with pytest.raises(InputError, match=wanted):
            speech.analyse(audio(voice(1)), SimpleNamespace(model=model, patcher=None))
