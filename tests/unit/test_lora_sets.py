"""Sets of LoRAs on disk: what is saved is what is read, names that no file can have, damaged files."""

from __future__ import annotations

import json
import math

import pytest
from genga.errors import InputError
from genga.loaders import lora_sets
from genga.loaders.lora import Use
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SET = lora_sets.LoraSet(
    (Use("a/high.safetensors", 1.0), Use("日本.safetensors", -0.5)), (Use("low.safetensors", 0.25),)
)
USES = st.lists(st.builds(Use, st.text(min_size=1), st.floats(-100, 100)), max_size=4).map(tuple)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(lora_sets.places, "private", lambda name: tmp_path)
    return tmp_path


def test_saved_and_read(folder):
    assert lora_sets.names() == []
    assert lora_sets.save("夏 my set-1", SET) is False
    assert lora_sets.read("夏 my set-1") == SET
    assert lora_sets.save("夏 my set-1", lora_sets.LoraSet((), SET.low)) is True
    assert lora_sets.read("夏 my set-1") == lora_sets.LoraSet((), SET.low)
    lora_sets.save("B", SET)
    assert lora_sets.names() == ["B", "夏 my set-1"]
    assert {path.suffix for path in folder.iterdir()} == {".json"}, "nothing unfinished is left"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(high=USES, low=USES)
def test_any_set_comes_back(folder, high, low):
    lora_sets.save("any", lora_sets.LoraSet(high, low))
    assert lora_sets.read("any") == lora_sets.LoraSet(high, low)


@pytest.mark.parametrize("name", [
    "", " a", "a ", "a.", ".a", "a/b", "a\\b", "..", "../a", "C:a", "a\n", "a\0", "con", "NUL", "com1.x", "x" * 65, "a?",
])  # fmt: skip
def test_names_that_no_file_can_have(folder, name):
    for act in (lambda: lora_sets.save(name, SET), lambda: lora_sets.read(name)):
        with pytest.raises(InputError, match="cannot be the name of a set"):
            act()
    assert list(folder.iterdir()) == []


@given(st.text(max_size=70))
def test_no_name_leads_out_of_the_folder(name):
    from pathlib import Path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lora_sets.places, "private", lambda _: Path("home"))
        try:
            path = lora_sets._path(name)
        except InputError:
            return
    assert path.parent == Path("home") and path.name == f"{name}.json"


@pytest.mark.parametrize("stored", [
    "", "[]", "{}", "null", '{"high": [], "low": 3}', '{"high": [{"file": "a"}], "low": []}', "[" * 100_000,
    '{"high": [{"file": 1, "strength": 1}], "low": []}', '{"high": [{"file": "a", "strength": "1"}], "low": []}',
    '{"high": [{"file": "a", "strength": NaN}], "low": []}', '{"high": [1], "low": []}',
])  # fmt: skip
def test_a_damaged_set_is_said(folder, stored):
    (folder / "broken.json").write_text(stored, encoding="utf-8")
    with pytest.raises(InputError, match="'broken' is damaged") as refused:
        lora_sets.read("broken", "lora_set")
    assert refused.value.input_name == "lora_set"


def test_what_others_add_to_the_file_is_no_damage(folder):
    lora_sets.save("mine", SET)
    stored = json.loads((folder / "mine.json").read_text(encoding="utf-8"))
    (folder / "mine.json").write_text(json.dumps({**stored, "note": "x"}), encoding="utf-8")
    assert lora_sets.read("mine") == SET


def test_a_set_that_is_gone(folder):
    with pytest.raises(InputError, match="no LoRA set 'gone'"):
        lora_sets.read("gone")


def test_scaled():
    assert lora_sets.scaled(SET.high, 0.5) == (Use("a/high.safetensors", 0.5), Use("日本.safetensors", -0.25))
    assert math.isclose(lora_sets.scaled(SET.low, 0.0)[0].strength, 0.0)
