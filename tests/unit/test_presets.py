"""Presets: kept under safe names, exported and imported whole, and filled into payloads."""

from __future__ import annotations

import json

import pytest
from genga import places
from genga.programs import payload, presets, problems
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

LORAS = {"high": [{"file": "a.safetensors", "strength": 0.5}], "low": []}
FAST = {"steps": 4, "width": 64, "height": 48, "prompt": "from the preset"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    def private(name):
        made = tmp_path / "genga" / name
        made.mkdir(parents=True, exist_ok=True)
        return made

    monkeypatch.setattr(places, "private", private)
    return tmp_path


def refused(call, *arguments) -> problems.Problem:
    with pytest.raises(problems.Problem) as caught:
        call(*arguments)
    return caught.value


def test_saved_listed_read_and_removed(folder):
    assert presets.names() == {"prompts": [], "parameters": [], "lora_sets": []}
    assert presets.save("parameters", "fast", FAST) is False
    assert presets.save("parameters", "fast", {"steps": 6}) is True
    presets.save("prompts", "狐", {"prompt": "a fox", "negative_prompt": "blurry"})
    presets.save("lora_sets", "style", LORAS)
    assert presets.names() == {"prompts": ["狐"], "parameters": ["fast"], "lora_sets": ["style"]}
    assert presets.read("parameters", "fast")["values"] == {"steps": 6}
    assert presets.read("lora_sets", "style")["values"] == LORAS
    for kind, name in (("parameters", "fast"), ("lora_sets", "style")):
        presets.remove(kind, name)
        assert refused(presets.read, kind, name).status == 404


@pytest.mark.parametrize("name", ["", " a", "../a", "a/b", "a\\b", "con", "a" * 65, "a:b", "\ud800", "🎬" * 60, ".."])
def test_names_that_could_lead_elsewhere(folder, name):
    assert refused(presets.save, "parameters", name, FAST).status == 422
    assert refused(presets.read, "parameters", name).status == 404
    assert refused(presets.remove, "parameters", name).status == 404
    assert not [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("parameters", {"steps": 0}),
        ("parameters", {"nonsense": 1}),
        ("parameters", {"reference_image": "aGVsbG8="}),
        ("parameters", {"preset": "another"}),
        ("parameters", {}),
        ("parameters", [1]),
        ("prompts", {"steps": 4}),
        ("prompts", {"prompt": "x" * 2001}),
        ("lora_sets", {"high": [{"file": "a", "strength": 10**400}], "low": []}),
        ("lora_sets", {"high": 3}),
    ],
)
def test_values_that_are_no_preset(folder, kind, values):
    assert refused(presets.save, kind, "name", values).status == 422
    assert presets.names() == {"prompts": [], "parameters": [], "lora_sets": []}


def test_a_kind_that_is_none(folder):
    assert refused(presets.save, "../x", "name", FAST).status == 404


def test_the_payload_wins_over_its_presets_and_a_later_preset_over_an_earlier(folder):
    presets.save("parameters", "fast", FAST)
    presets.save("prompts", "fox", {"prompt": "a fox"})
    body = {"model": "anisora", "mode": "t2v", "preset": ["fast", "fox"], "height": 64, "steps": None}
    checked = payload.check(presets.filled(body))
    assert (checked.prompt, checked.steps, checked.width, checked.height) == ("a fox", 4, 64, 64)
    assert refused(presets.filled, {"preset": "none"}).faults[0].pointer == "/preset"
    assert presets.filled({"preset": 3}) == {"preset": 3}


def test_a_damaged_preset_is_told(folder):
    presets.save("parameters", "fast", FAST)
    next(folder.rglob("fast.json")).write_text("{")
    assert "damaged" in refused(presets.filled, {"preset": "fast"}).detail
    presets.remove("parameters", "fast")
    assert presets.names()["parameters"] == []


@pytest.mark.parametrize("kind", presets.KINDS)
def test_a_file_that_was_put_there_under_an_odd_name_is_told(folder, kind):
    place = places.private("lora_sets" if kind == "lora_sets" else f"presets/{kind}")
    (place / " odd.json").write_text("{}")
    assert presets.names()[kind] == [" odd"]
    for call in (presets.read, presets.remove):
        assert refused(call, kind, " odd").status == 422


def test_exported_and_imported_elsewhere(folder):
    presets.save("parameters", "fast", FAST)
    presets.save("lora_sets", "style", LORAS)
    document = json.loads(json.dumps(presets.export()))
    presets.remove("parameters", "fast")
    assert presets.take_in(document) == {"added": ["parameters/fast"], "replaced": ["lora_sets/style"]}
    assert presets.export() == document
    assert presets.take_in(presets.read("parameters", "fast")) == {"added": [], "replaced": ["parameters/fast"]}


def test_an_import_with_one_fault_changes_nothing(folder):
    document = {"version": 1, "presets": [
        {"kind": "parameters", "name": "good", "values": FAST},
        {"kind": "parameters", "name": "../bad", "values": FAST},
    ]}  # fmt: skip
    assert refused(presets.take_in, document).faults[0].pointer == "/presets/1/name"
    assert presets.names()["parameters"] == []


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(max_size=70), steps=st.integers(1, 200))
def test_any_name_is_refused_or_stays_in_the_folder(folder, name, steps):
    home = folder / "genga" / "presets" / "parameters"
    try:
        presets.save("parameters", name, {"steps": steps})
    except problems.Problem as problem:
        assert problem.status == 422
    else:
        assert presets.read("parameters", name)["values"] == {"steps": steps}
    assert {path.parent for path in folder.rglob("*") if path.is_file()} <= {home}
