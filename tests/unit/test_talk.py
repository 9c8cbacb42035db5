"""InfiniteTalk without a host: files told from their headers, speakers' places, and the order of the sound's rows."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import pytest
import torch
from genga.errors import InputError
from genga.loaders import talk_file, talk_net, talk_patch, talk_voices
from hypothesis import given
from hypothesis import strategies as st

WIDTHS = {"F16": 2, "BF16": 2, "F32": 4, "F8_E4M3": 1, "U8": 1, "I8": 1}
FACTS = talk_file.TalkFacts("x", "", "audio_proj.", dim=16, layers=2, hidden=1, tokens=2, width=4)


def talk(**changes) -> dict:
    """Name -> (dtype, shape) of a small file; ``changes`` replace entries, None removes them."""
    table = {name: ("F16", shape) for name, shape in talk_file.shapes(FACTS).items()}
    table |= {name.replace("__", "."): entry for name, entry in changes.items()}
    return {name: entry for name, entry in table.items() if entry is not None}


def write(path: Path, table: dict) -> Path:
    entries, end = {}, 0
    for name, (kind, shape) in table.items():
        size = math.prod(shape) * WIDTHS[kind]
        entries[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    raw = json.dumps(entries).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + bytes(end))
    return path


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("prefix", ["", "diffusion_model.", "model.diffusion_model.", "model."])
@pytest.mark.parametrize("projection", ["audio_proj.", "multitalk_audio_proj."])
@pytest.mark.parametrize("merged", [False, True])
def test_layouts_are_told_from_the_keys(tmp_path, prefix, projection, merged):
    table = {name.replace("audio_proj.", projection): entry for name, entry in talk().items()}
    if merged:
        table |= {
            "head.modulation": ("F16", (1, 2, 16)), "patch_embedding.weight": ("F16", (16, 36, 1, 2, 2)),
            "blocks.0.norm3.weight": ("F16", (16,)), "blocks.0.cross_attn.q.weight": ("I8", (16, 16)),
        }  # fmt: skip
    path = write(tmp_path / "weights.safetensors", {prefix + name: entry for name, entry in table.items()})
    facts = talk_file.inspect(path)
    assert (facts.dim, facts.layers, facts.hidden, facts.tokens, facts.width) == (16, 2, 1, 2, 4)
    assert facts.merged is merged and facts.voices == 0
    named = {facts.own_name(prefix + name) for name in table} - {None}
    assert named == set(talk_file.shapes(FACTS))


def test_types_may_be_mixed_and_scaled(tmp_path):
    """As WanVideoWrapper's fp8 files and the host's: scales, markers, biases in float32."""
    table = talk(
        blocks__0__audio_cross_attn__proj__weight=("F8_E4M3", (16, 16)),
        blocks__0__audio_cross_attn__proj__scale_weight=("F32", (1,)),
        blocks__1__audio_cross_attn__proj__weight=("F8_E4M3", (16, 16)),
        blocks__1__audio_cross_attn__proj__weight_scale=("F32", ()),
        blocks__1__audio_cross_attn__proj__comfy_quant=("U8", (30,)),
        blocks__1__audio_cross_attn__proj__input_scale=("F32", ()),
        audio_proj__norm__bias=("F32", (4,)),
        scaled_fp8=("F8_E4M3", (2,)),
    )
    facts = talk_file.inspect(write(tmp_path / "weights.safetensors", table))
    assert facts.own_name("scaled_fp8") is None
    assert facts.own_name("blocks.1.audio_cross_attn.proj.comfy_quant") is None
    for index, ending in enumerate(("scale_weight", "weight_scale")):
        key = f"blocks.{index}.audio_cross_attn.proj."
        assert facts.own_name(key + ending) == key + "scale"


@pytest.mark.parametrize(("name", "voices", "multitalk"), [
    ("wan2.1_infiniteTalk_single_fp16", 1, False), ("wan2.1_infiniteTalk_multi_fp16", 2, False),
    ("Wan2_1-InfiniteTalk-Multi_fp8_e4m3fn_scaled_KJ", 2, False), ("infinitetalk", 0, False),
    ("WanVideo_2_1_Multitalk_14B_fp8_e4m3fn", 0, True), ("MultiTalk_single", 1, True),
])  # fmt: skip
def test_voices_are_told_from_the_name(tmp_path, name, voices, multitalk):
    facts = talk_file.inspect(write(tmp_path / f"{name}.safetensors", talk()))
    assert facts.voices == voices
    assert facts.what.startswith("MultiTalk" if multitalk else "InfiniteTalk")


REFUSED = {
    "a Wan model": (
        {"patch_embedding.weight": ("F16", (8, 36, 1, 2, 2)), "head.modulation": ("F16", (1, 2, 8)),
         "img_emb.proj.0.bias": ("F16", (4,))}, "is a Wan 2.1 image-to-video"),
    "a LoRA": ({"diffusion_model.blocks.0.self_attn.q.lora_A.weight": ("F16", (1, 1))}, "is a LoRA"),
    "a HuMo model": ({"audio_proj.audio_proj_glob_1.layer.bias": ("F16", (4,))}, "not InfiniteTalk weights"),
    "quantized by Quanto": ({"audio_proj.proj1.weight._data": ("I8", (4, 4))}, "Quanto"),
    "half a file": (talk(blocks__1__norm_x__bias=None), r"1 of 26 tensors are missing \(blocks.1.norm_x.bias\)"),
    "no audio blocks": ({"audio_proj.proj1.weight": ("F16", (4, 4))}, "not those of InfiniteTalk"),
    "another encoder": (talk(audio_proj__proj1__weight=("F16", (1, 32000))), "InfiniteTalk has"),
    "normed queries": (talk(blocks__0__audio_cross_attn__q_norm__weight=("F16", (4,))), "another model"),
    "eight bit integers": (talk(blocks__0__audio_cross_attn__proj__weight=("I8", (16, 16))), "quantized in a way"),
    "a scale per channel": (talk(blocks__0__audio_cross_attn__proj__weight_scale=("F32", (16, 1))), "in a way"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_other_files_are_refused_with_a_remedy(tmp_path, what):
    table, words = REFUSED[what]
    with pytest.raises(InputError, match=words) as refused:
        talk_file.inspect(write(tmp_path / "weights.safetensors", table))
    assert refused.value.input_name == "infinitetalk_model"
    assert "weights.safetensors" in refused.value.problem and refused.value.remedy


# ---------------------------------------------------------------- rows of sound


@given(st.integers(0, 6), st.integers(1, 2))
def test_rows_of_each_latent_frame_are_its_video_frames(groups, speakers):
    """Each row holds its own frame and offset, so what comes where can be read off."""
    frames = 4 * groups + 1
    frame, offset = torch.arange(frames).view(-1, 1), torch.arange(-2, 3).view(1, -1)
    audio = (100 * frame + offset).view(1, 1, frames, 5, 1, 1).expand(1, speakers, -1, -1, 2, 3)
    first, later = talk_net.rows(audio)
    assert first.shape == (1, speakers, 1, 30) and later.shape == (1, speakers, groups, 48)
    assert first.view(speakers, 5, 6)[:, :, 0].tolist() == [[-2, -1, 0, 1, 2]] * speakers
    for group in range(groups):
        a, b, c, d = (100 * (4 * group + 1 + i) for i in range(4))
        wanted = [a - 2, a - 1, a, b, c, d, d + 1, d + 2]
        assert later[0, :, group].view(speakers, 8, 6)[:, :, 0].tolist() == [wanted] * speakers


@pytest.mark.parametrize(("dim", "heads"), [(5120, 40), (640, 40), (128, 1), (1536, 12), (256, 2)])
def test_heads(dim, heads):
    assert talk_net.heads_of(dim) == heads


@given(st.integers(1, 40), st.integers(1, 1 << 20))
def test_parts_cover_every_frame_once(count, size):
    covered = [index for part in talk_net._parts(count, size) for index in range(count)[part]]
    assert covered == list(range(count))


@pytest.mark.parametrize("shape", [(1, 1, 9, 5, 12, 768), (3, 2, 1, 5, 12, 768)])
def test_sound_that_fits(shape):
    talk_patch.check_sound(shape, (shape[2] + 3) // 4)


@pytest.mark.parametrize("shape", [
    (1, 3, 9, 5, 12, 768), (1, 1, 8, 5, 12, 768), (1, 1, 13, 5, 12, 768), (1, 1, 9, 5, 13, 768), (1, 9, 5, 12, 768),
])  # fmt: skip
def test_sound_that_does_not_fit(shape):
    with pytest.raises(InputError) as refused:
        talk_patch.check_sound(shape, 3)
    assert refused.value.input_name == "audio"


# ---------------------------------------------------------------- who speaks where


def looked(seed: int, batch: int = 1, length: int = 12, heads: int = 2, width: int = 6):
    generator = torch.Generator().manual_seed(seed)
    q, k = (torch.randn(batch, length, heads * width, generator=generator) for _ in range(2))
    masks = torch.zeros(batch, 3, 4)
    masks[:, 0, 0] = masks[:, 1, 3] = masks[:, 2, 1:3] = 1
    return q, k[:, :4], masks


def test_scores_are_mean_looks_at_each_place():
    q, first, masks = looked(1)
    heads = torch.softmax(torch.einsum("lhd,shd->hls", q[0].view(-1, 2, 6), first[0].view(-1, 2, 6)) / 6**0.5, -1)
    wanted = torch.stack([heads[:, :, 0].mean(0), heads[:, :, 3].mean(0), heads[:, :, 1:3].mean((0, 2))])
    torch.testing.assert_close(talk_voices.scores(q, first, masks, 2)[0], wanted)


def test_scores_do_not_depend_on_chunks_or_neighbours(monkeypatch):
    q, first, masks = looked(2, batch=3)
    whole = talk_voices.scores(q, first, masks, 2)
    monkeypatch.setattr(talk_voices, "_BUDGET", 5 * 8)
    torch.testing.assert_close(talk_voices.scores(q, first, masks, 2), whole)
    alone = talk_voices.scores(q[1:2], first[1:2], masks[1:2], 2)
    torch.testing.assert_close(alone[0], whole[1])


def test_a_class_without_a_place_is_never_chosen():
    q, first, masks = looked(3)
    masks[:, 1] = 0
    scored = talk_voices.scores(q, first, masks, 2)
    assert torch.count_nonzero(scored[:, 1]) == 0
    assert not ((talk_voices.positions(scored) >= 20).any())


@given(st.integers(0, 10_000))
def test_positions_lie_in_the_range_of_their_class(seed):
    scored = torch.rand(2, 3, 30, generator=torch.Generator().manual_seed(seed))
    at, chosen = talk_voices.positions(scored), scored.argmax(1)
    assert ((at[chosen == 0] >= 0) & (at[chosen == 0] <= 4)).all()
    assert ((at[chosen == 1] >= 20) & (at[chosen == 1] <= 24)).all()
    assert (at[chosen == 2] == 12).all()


def test_the_surest_token_lies_at_the_end():
    scored = torch.tensor([[[0.9, 0.2, 0.1, 0.0], [0.1, 0.7, 0.3, 0.0], [0.0, 0.0, 0.2, 0.5]]])
    torch.testing.assert_close(talk_voices.positions(scored), torch.tensor([[4.0, 24.0, 20 + 12 / 7, 12.0]]))


@given(st.floats(-24, 24), st.floats(-24, 24))
def test_a_turn_keeps_what_depends_on_distance(here, there):
    """What a query and a key make of each other depends on the difference of their positions alone."""
    generator = torch.Generator().manual_seed(0)
    q, k = (torch.randn(1, 1, 1, 8, generator=generator) for _ in range(2))

    def product(a, b):
        turned = [talk_voices.rotate(x, torch.tensor([[at]])) for x, at in ((q, a), (k, b))]
        return (turned[0] * turned[1]).sum()

    torch.testing.assert_close(product(here, there), product(here - there, 0.0), atol=1e-4, rtol=1e-3)
    assert torch.equal(talk_voices.rotate(q, torch.zeros(1, 1)), q)


def test_sound_lies_in_the_middle_of_its_speakers_range():
    assert talk_voices.heard_at(6, None).tolist() == [2.0] * 3 + [22.0] * 3
