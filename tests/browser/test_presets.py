"""The presets in the tab Genga, on the running host: brought, filled in, put on, kept, renamed, deleted and exported."""

from __future__ import annotations

import json
import subprocess

import pytest

SIZE = {"width": 64, "height": 48}
QUICK = {"model": "anisora", "mode": "t2v", "num_frames": 33, "fps": 24, "steps": 4, "prompt": "A hen.", **SIZE}
FOX = {"prompt": "A red fox.", "negative_prompt": "grey"}
LOOK = {"high": [{"file": "a.safetensors", "strength": 0.5}], "low": []}
ENTRIES = [("parameters", "quick {1} %41", QUICK), ("prompts", "狐", FOX), ("lora_sets", "look", LOOK)]
DOCUMENT = {"version": 1, "presets": [dict(zip(("kind", "name", "values"), entry, strict=True)) for entry in ENTRIES]}
BROKEN = "broken"


@pytest.fixture(scope="module")
def page(chromium, server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets")
    (folder / "presets.json").write_text(json.dumps(DOCUMENT), encoding="utf-8")
    mine = server.base / "user" / "genga"
    for kind in ("presets/prompts", "presets/parameters", "lora_sets"):
        (mine / kind).mkdir(parents=True, exist_ok=True)
        for path in (mine / kind).glob("*.json"):
            path.unlink()
    (mine / "presets" / "prompts" / f"{BROKEN}.json").write_text("{", encoding="utf-8")
    # Vue nodes: the presets touch nodes by their widgets and slots only, which there is the harder case.
    job = {"vue": True, "file": str(folder / "presets.json"), "damaged": BROKEN}
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    command = [chromium.node, "presets.mjs", server.url, chromium.chromium, str(folder / "job.json")]
    done = subprocess.run(
        command, cwd=chromium.folder, capture_output=True, text=True, encoding="utf-8", timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def of_kind(prompt: dict, kind: str) -> list[dict]:
    return [node["inputs"] for node in prompt.values() if node["class_type"] == kind]


def test_a_file_brings_presets_and_anything_else_is_said_to_hold_none(page):
    assert page["before"] == [f"prompts/{BROKEN}"]
    told, listed = page["brought"]
    assert told == "3 new, 0 replaced."
    assert listed == [f"prompts/{BROKEN}", "prompts/狐", "parameters/quick {1} %41", "lora_sets/look"]
    assert page["foreign"] == ["graph.json holds no presets.", listed]


def test_a_parameter_set_shows_its_values_and_opens_its_workflow_with_them(page):
    assert "num_frames\n33" in page["lines"] and "prompt\nA hen." in page["lines"]
    told, prompt = page["filled"]
    assert page["title"] == "AniSora T2V"
    assert told == "Filled in: num_frames, fps, steps, prompt, width, height."
    (text,) = of_kind(prompt, "GengaAniSoraPrompt")
    (save,) = of_kind(prompt, "GengaSaveVideo")
    (sampler,) = of_kind(prompt, "GengaExpertSampler")
    sizes = [node for node in prompt.values() if "length" in node["inputs"]]
    assert (text["prompt"], save["fps"], sampler["steps"]) == ("A hen.", 24, 4)
    assert [(each["inputs"]["length"], each["inputs"]["width"]) for each in sizes] == [(33, 64)]


def test_prompts_and_a_lora_set_go_where_they_belong(page):
    prompt = page["all"]
    (text,) = of_kind(prompt, "GengaAniSoraPrompt")
    negatives = [each["text"] for each in of_kind(prompt, "CLIPTextEncode")]
    assert (text["prompt"], negatives) == ("A red fox.", ["grey"])
    ((identity, loras),) = [(i, node["inputs"]) for i, node in prompt.items() if node["class_type"] == "GengaLoraSet"]
    (loader,) = [i for i, node in prompt.items() if node["class_type"] == "GengaAniSoraLoader"]
    assert (loras["high"], loras["low"], loras["lora_set"]) == ([loader, 0], [loader, 1], "look")
    (sampler,) = of_kind(prompt, "GengaExpertSampler")
    assert (sampler["high"], sampler["low"]) == ([identity, 0], [identity, 1])
    assert len(of_kind(page["twice"], "GengaLoraSet")) == 1


def test_the_open_workflow_is_kept_and_a_name_is_replaced_only_when_asked_twice(page):
    listed, before, after = page["kept"]
    assert "prompts/r w 狐" in listed, "letters typed in the field are the field's"
    assert (before, after) == (FOX, {**FOX, "prompt": "A white fox."})
    told, values = page["mine"]
    assert told == "mine is kept. Outside what a preset holds: fps."
    assert (values["model"], values["mode"], values["num_frames"], values["width"]) == ("anisora", "t2v", 33, 64)
    assert "fps" not in values and "seed" not in values


def test_one_is_exported_and_all_are(page):
    entry = {"version": 1, "kind": "lora_sets", "name": "look", "values": LOOK}
    assert page["one"] == ["genga-lora_sets-look.json", entry]
    name, document = page["exported"]
    assert name == "genga-presets.json"
    kept = [f"{entry['kind']}/{entry['name']}" for entry in document["presets"]]
    assert kept == ["prompts/狐", "parameters/mine", "parameters/quick {1} %41", "lora_sets/Look"]


def test_names_change_and_presets_go_with_the_keyboard_staying_near(page):
    listed, focused = page["renamed"]
    assert "lora_sets/Look" in listed and "lora_sets/look" not in listed and focused == "Look"
    assert page["taken"] == listed
    assert page["asked"] == [listed, "Really delete?"]
    left, focused = page["deleted"]
    assert left == [each for each in listed if each != "prompts/r w 狐"]
    assert focused == f"Presets ({len(left)})"


def test_it_has_no_serious_fault(page):
    assert page["faults"] == []
    assert [text for text in page["errors"] if "/js/presets/" in text or "/js/modes/" in text] == []
