"""Workflows of every release must go on loading, with each value in the input it was saved for.

``tests/released/<version>/`` holds the workflows as they were shipped, and in ``prompts.json`` what they meant then.
When a release is made: ``python devtools/release_fixture.py --server URL``. Nothing in there is ever edited.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from genga_tests.tools.convert import to_prompt

FOLDER = Path(__file__).resolve().parents[1] / "released"
CASES = [(path.parent.name, path.stem) for path in sorted(FOLDER.glob("*/*.json")) if path.stem != "prompts"]


def test_there_is_a_release():
    assert CASES


@pytest.mark.parametrize(("version", "name"), CASES)
def test_a_released_workflow_means_what_it_meant(server, version, name):
    workflow = json.loads((FOLDER / version / f"{name}.json").read_text(encoding="utf-8"))
    meant = json.loads((FOLDER / version / "prompts.json").read_text(encoding="utf-8"))[name]
    info = server.get("/object_info")
    now = to_prompt(workflow, info)
    assert {i: node["class_type"] for i, node in now.items()} == {i: node["class_type"] for i, node in meant.items()}
    for identity, node in meant.items():
        inputs = now[identity]["inputs"]
        assert {key: inputs.get(key) for key in node["inputs"]} == node["inputs"], node["class_type"]
        required = info[node["class_type"]]["input"].get("required", {})
        assert set(required) <= set(inputs), f"{node['class_type']} asks for an input that release did not have"
    for link in workflow["links"]:
        start = next(node for node in workflow["nodes"] if node["id"] == link[1])
        assert info[start["type"]]["output"][link[2]] == link[5], f"output {link[2]} of {start['type']} changed"
