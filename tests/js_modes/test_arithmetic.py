"""The page's arithmetic, in Node: windows and sections as Python plans them, modes and models as they are shipped, presets as
the payload."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import pytest
from genga.conditioning import sections
from genga.errors import InputError
from genga.programs import build, families
from genga.samplers.windows import plan
from genga_tests.tools import pack, shipped

NODE = os.environ.get("GENGA_NODE") or shutil.which("node")
SCRIPTS = pack.pack_folder() / "web" / "js"
PLANS = 600

pytestmark = pytest.mark.skipif(not NODE, reason="Node.js not found")


def call(module: str, *calls) -> list:
    """Results of ``(function, *arguments)`` of a module below web/js."""
    command = [NODE, str(Path(__file__).with_name("call.mjs")), str(SCRIPTS / module)]
    given = json.dumps([[name, arguments] for name, *arguments in calls])
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def planned(length, window, overlap, continued=False) -> dict | None:
    """As makePlan gives it."""
    try:
        made = plan.make(length, window, overlap, continued=continued)
    except InputError:
        return None
    windows = [asdict(each) for each in made.windows]
    return {"length": made.length, "window": made.window, "overlap": made.overlap, "windows": windows}


def some_plans(chance: random.Random) -> list[tuple]:
    edges = [(1, 1, 0), (81, 81, 9), (82, 81, 9), (153, 81, 9), (154, 81, 9), (5, 5, 4), (5, 5, 5), (0, 81, 9)]
    drawn = [
        (chance.randint(1, 3000), chance.randint(1, 161), chance.randint(0, 90), chance.random() < 0.3)
        for _ in range(PLANS)
    ]
    return [(*each, continued) for each in edges for continued in (False, True)] + drawn


def test_the_page_plans_windows_as_the_sampler_does():
    cases = some_plans(random.Random(8))
    found = call("windows/plan.js", *(("makePlan", *case) for case in cases))
    for case, mine in zip(cases, found, strict=True):
        assert mine == planned(*case), case
    assert sum(each is not None for each in found) > PLANS / 2


def cut(length, starts, window, overlap, continued) -> list[dict] | None:
    try:
        return [asdict(each) for each in plan.by_sections(length, starts, window, overlap, continued=continued).windows]
    except InputError:
        return None


def test_the_page_cuts_windows_where_sections_begin_as_the_sampler_does():
    chance = random.Random(10)
    cases = [
        (233, [80, 156], 81, 5, False),
        (81, [2], 81, 5, False),
        (81, [40, 41], 81, 5, False),
        (9, [], 81, 0, False),
    ]
    for _ in range(PLANS):
        length, count = 4 * chance.randint(1, 300) + 1, chance.randint(0, 4)
        starts = [chance.randint(0, length + 40) for _ in range(count)]
        cases.append((length, starts, chance.randint(9, 101), chance.randint(1, 13), chance.random() < 0.3))
    found = call("windows/plan.js", *(("makeSectionPlan", *case) for case in cases))
    for case, mine in zip(cases, found, strict=True):
        assert (mine and mine["windows"]) == cut(*case), case
    assert sum(each is not None for each in found) > PLANS / 2


def test_the_page_gives_windows_to_sections_as_the_model_gets_them():
    chance, fps = random.Random(9), Fraction(25)
    cases = []
    for _ in range(150):
        made = plan.make(chance.randint(1, 1500), chance.randint(5, 101), chance.randint(0, 13) % 5)
        starts = sorted({chance.choice([chance.uniform(0, 60), chance.randint(0, 3000) / 50]) for _ in range(4)})
        cases.append((starts, made))
    found = call(
        "windows/plan.js",
        *(("sectionOf", starts, [asdict(each) for each in made.windows], 25) for starts, made in cases),
    )
    for (starts, made), mine in zip(cases, found, strict=True):
        chain = tuple(sections.Section(start, positive=[[start]]) for start in starts)
        held = [sections.in_force(chain, window.start, fps).positive for window in made.windows]
        assert mine == [-1 if each is None else starts.index(each[0][0]) for each in held], starts


def test_a_section_spans_the_windows_that_keep_to_it():
    windows = [asdict(each) for each in plan.make(225, 81, 9).windows]  # start at 0, 81, 153
    (spans,) = call("windows/plan.js", ("sectionSpans", [1.0, 4.0], windows, 25))
    assert spans == [{"section": 0, "from": 81, "to": 153}, {"section": 1, "from": 153, "to": 225}]


def test_numbers_on_the_axis():
    short, long, clocks, said = call(
        "windows/ticks.js",
        ("ticks", 25, 25, 5),
        ("ticks", 9000, 25, 5),
        ("clock", 3723.4),
        ("clock", 2.5, "{seconds} 秒"),
    )
    assert [mark["text"] for mark in short] == ["0", "5", "10", "15", "20"]
    assert [mark["text"] for mark in long] == ["0 s", "2:00", "4:00"]
    assert (clocks, said) == ("1:02:03", "2.5 秒")


def test_peaks_are_the_loudest_of_each_part():
    loud, quiet, line = call(
        "windows/ticks.js", ("peaks", [[0, -0.5, 0.25, 0], [0, 0, 0, 1.5]], 2), ("peaks", [[]], 3), ("outline", [])
    )
    assert (loud, quiet, line) == ([0.5, 1], [0, 0, 0], "")


def test_every_shipped_workflow_is_a_documented_mode():
    (families,) = call("modes/list.js", ("FAMILIES",))
    modes = [mode for family in families for mode in family["modes"]]
    assert sorted(mode["name"] for mode in modes) == shipped.NAMES
    (english,) = call("english.js", ("ENGLISH",))
    assert all(english["modes"][each["about"]].endswith(".") for each in (*families, *modes))


def test_what_the_host_offers_is_what_is_listed():
    (families,) = call("modes/list.js", ("offered", ["Phr00t I2V", "Mine"], "More"))
    assert [[mode["name"] for mode in family["modes"]] for family in families] == [["Phr00t I2V"], ["Mine"]]
    assert [family["title"] for family in families] == ["Phr00t Rapid All-In-One", "More"]


@pytest.mark.parametrize("name", shipped.NAMES)
def test_the_models_of_a_workflow_are_found(name):
    workflow = shipped.load(name)
    (found,) = call("modes/models.js", ("neededModels", workflow))
    wanted = {
        (model["directory"], model["name"])
        for node in workflow["nodes"]
        for model in node.get("properties", {}).get("models", [])
    }
    assert {(model["directory"], model["name"]) for model in found} == wanted and wanted
    assert len(found) == len(wanted)
    assert all(model["page"].startswith("https://") and "/resolve/" not in model["page"] for model in found)


def test_models_are_here_elsewhere_or_missing():
    models = [{"name": f"{each}.safetensors", "directory": "vae", "page": ""} for each in "abc"]
    names = ["a.safetensors", "wan\\b.safetensors", "xc.safetensors"]
    places = call("modes/models.js", *(("placeOf", model, names) for model in models))
    assert places == ["here", "wan\\b.safetensors", ""]


def test_only_web_pages_become_links():
    file = "https://huggingface.co/a/b/resolve/main/c.safetensors"
    pages = call("modes/models.js", ("pageOf", file), ("pageOf", "javascript:alert(1)"), ("pageOf", None))
    assert pages == [file.replace("/resolve/", "/blob/"), "", ""]


def test_presets_are_filled_in_by_the_tables_of_the_payload():
    """The page puts a preset into a workflow as the API puts a payload."""
    names = ("DIRECT", "IN_NUMBERS", "NUMBERS", "SAMPLERS", "WORKFLOWS", "LOADERS")
    tables = dict(zip(names, call("presets/fields.js", *((name,) for name in names)), strict=True))
    assert tables["DIRECT"] == {field: list(inputs) for field, inputs in build._DIRECT.items()}
    assert (tables["IN_NUMBERS"], tables["NUMBERS"]) == (build._IN_NUMBERS, build._NUMBERS)
    assert tables["SAMPLERS"] == {name: list(pair) for name, pair in build._SAMPLERS.items()}
    assert tables["WORKFLOWS"] == {name: dict(family.workflows) for name, family in families.FAMILIES.items()}
    assert tables["LOADERS"] == build._LOADERS
