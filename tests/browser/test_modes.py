"""The modes panel, the strip of the window nodes and the growing video, in Chromium on the running host."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import wave

import pytest
import torch
from genga_tests.tools import shipped
from PIL import Image

SECONDS, RATE = 4, 16000


def material(server) -> None:
    """A sound for the strip, and a file as the window sampler leaves it in the host's temp folder."""
    from genga.media.video import VideoWriter

    server.input.mkdir(exist_ok=True)
    with wave.open(str(server.input / "strip.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        noise = (torch.rand(SECONDS * RATE, generator=torch.Generator().manual_seed(1)) - 0.5) * 20000
        sound.writeframes(noise.to(torch.int16).numpy().tobytes())
    temp = server.base / "temp"
    temp.mkdir(exist_ok=True)
    (temp / "strip.mp4").unlink(missing_ok=True)
    with VideoWriter(temp / "strip.mp4", 25) as writer:
        writer.write(torch.rand(9, 48, 64, 3))


def picture() -> str:
    """A PNG in base64."""
    data = io.BytesIO()
    Image.new("RGB", (64, 48), "orange").save(data, "png")
    return base64.b64encode(data.getvalue()).decode()


@pytest.fixture(scope="module", params=["canvas", "vue"])
def page(request, chromium, server, tmp_path_factory):
    material(server)
    path = tmp_path_factory.mktemp("modes") / "job.json"
    path.write_text(json.dumps({"vue": request.param == "vue", "shots": None, "picture": picture()}), encoding="utf-8")
    command = [chromium.node, "modes.mjs", server.url, chromium.chromium, str(path)]
    done = subprocess.run(command, cwd=chromium.folder, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]) | {"vue": request.param == "vue"}


def test_the_panel_lists_every_shipped_workflow(page):
    assert sorted(mode["name"] for mode in page["modes"]) == shipped.NAMES
    assert all(mode["words"].startswith(mode["name"]) and mode["words"].endswith(".") for mode in page["modes"])
    assert page["picture"] == "image/jpeg"


def test_it_names_the_files_that_are_missing_and_where_they_go(page, server):
    for mode in page["modes"]:
        for node in shipped.load(mode["name"])["nodes"]:
            for model in node.get("properties", {}).get("models", []):
                told = [line for line in mode["missing"] if line["text"].startswith(model["name"])]
                there = model["name"] in server.get(f"/models/{model['directory']}")
                assert len(told) == (not there), (mode["name"], model["name"])
                if told:
                    assert f"ComfyUI/models/{model['directory']}" in told[0]["text"]
                    assert told[0]["link"].startswith("https://huggingface.co/") and "/blob/" in told[0]["link"]
    assert any(mode["missing"] for mode in page["modes"])


def test_a_click_opens_a_workflow_in_a_tab_of_its_own(page):
    assert page["opened"] == sorted(node["type"] for node in shipped.load("InfiniteTalk Sections")["nodes"])
    name = "workflows/InfiniteTalk Sections"
    assert page["tabs"][1:] == [f"{name}.json", f"{name} (2).json"]
    assert len(page["tabs"]) == 3


def test_the_strip_shows_the_windows_of_the_chosen_length(page):
    assert page["three"]["words"].startswith("3 windows of 81, 9 shared · 225 frames, 9 s")
    assert page["three"]["drawn"] == 3 and page["three"]["shown"]
    assert page["wrong"]["words"] == "motion_frames must be smaller than frame_window."
    assert page["wrong"]["drawn"] == 0


def test_the_strip_names_the_sections(page):
    assert [title.split(":")[0] for title in page["sections"]["sections"]] == ["from 3 s"]


def test_windows_of_a_plain_chain_are_cut_where_a_section_begins(page):
    assert page["chain"]["words"].startswith("2 windows of 81, 5 shared · 97 frames, 6.06 s")
    assert page["chain"]["drawn"] == 2
    second = float(page["chain"]["places"][1].rstrip("%"))  # 2 s are frame 32, at the border 33; 5 shared before it
    assert second == pytest.approx(100 * (33 - 5) / 97, abs=0.01)


def test_without_a_length_the_sound_gives_it_and_is_drawn(page):
    assert page["sound"]["words"].startswith("2 windows of 81, 9 shared · 100 frames, 4 s")
    assert page["sound"]["drawn"] == 2 and page["sound"]["waves"] == 1


def test_the_strip_is_not_saved(page):
    (node,) = [n for n in shipped.load("InfiniteTalk Sections")["nodes"] if n["type"] == "GengaInfiniteTalkWindow"]
    assert page["saved"] == node["widgets_values"]


def sections(prompt) -> list[tuple]:
    """(start, prompt's text, picture, whether CLIP vision sees it) of the chain wired to the window node."""
    (node,) = [n for n in prompt.values() if n["class_type"] == "GengaInfiniteTalkWindow"]
    found = []
    while "sections" in node["inputs"]:
        node = prompt[node["inputs"]["sections"][0]]
        given = {name: prompt[value[0]]["inputs"] for name, value in node["inputs"].items() if isinstance(value, list)}
        text, picture_, vision = (given.get(name) for name in ("positive", "image", "clip_vision_output"))
        seen = bool(vision) and bool(picture_) and prompt[vision["image"][0]]["inputs"] == picture_
        found.append((node["inputs"]["start"], text and text["text"], picture_ and picture_["image"], seen))
    return sorted(found)


def test_each_window_shows_the_prompt_that_begins_with_it(page):
    assert page["slots"]["first"] == ["Window 1 of 2, from 0 s", ""]
    title, text = page["slots"]["second"]
    assert title == "Window 2 of 2, from 3.24 s"
    assert text == "The woman leans forward and talks with emphasis, pointing at the camera."


def test_a_prompt_is_written_into_the_section_of_its_window(page):
    assert sections(page["slots"]["edited"])[0] == (3, "She whispers.", None, False)
    before, after, _ = page["slots"]["nodes"]
    assert before == after


def test_a_window_without_a_section_gets_one_that_begins_with_it(page):
    assert [(start, text) for start, text, *_ in sections(page["slots"]["made"])[:2]] == [
        (0, "She waves."),
        (3, "She whispers."),
    ]
    assert page["slots"]["nodes"][2] == page["slots"]["nodes"][0] + 2
    made = page["slots"]["made"]
    clips = [n["inputs"]["clip"] for n in made.values() if n["class_type"] == "CLIPTextEncode"]
    assert all(clip == clips[0] for clip in clips)


def test_a_picture_dropped_on_a_window_is_its_sections(page, server):
    start, text, name, seen = sections(page["slots"]["pictured"])[0]
    assert (start, text, seen) == (0, "She waves.", True)
    assert (server.input / name).is_file() and name.startswith("genga/slot")
    assert page["slots"]["shown"] == 1


def test_a_picture_is_one_step_of_undo(page):
    assert sections(page["slots"]["undone"]) == sections(page["slots"]["made"])
    assert page["slots"]["again"] == "She waves."
    assert page["slots"]["steps"] == 1 or (page["vue"] and page["slots"]["steps"] == 2)


def test_the_slots_have_no_serious_fault(page):
    assert page["slots"]["faults"] == []


def test_the_windows_so_far_are_a_video_until_the_finished_one_comes(page):
    assert page["growing"] == "So far: windows 1 to 2 of 4"
    assert page["during"] and not page["after"]


def test_axe_finds_no_serious_fault(page):
    assert page["faults"] == []


def test_nothing_of_ours_faults(page):
    assert [text for text in page["errors"] if "Genga" in text or "/js/modes/" in text or "/js/windows/" in text] == []
