"""Every shipped workflow against what the running host really offers."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from genga_tests.tools import pack
from genga_tests.tools.comfy_cli import comfy

FOLDER = pack.pack_folder() / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.json"))
PACK_ID = "genga"


def all_nodes(workflow: dict) -> list[dict]:
    """The nodes of a UI workflow, those inside subgraphs included."""
    inner = workflow.get("definitions", {}).get("subgraphs", [])
    return [*workflow["nodes"], *(node for graph in inner for node in graph["nodes"])]


def wanted_files(workflow: dict) -> set[Path]:
    """What the workflow wants below the host's base: its models and the pictures it loads."""
    files = set()
    for node in all_nodes(workflow):
        for model in node.get("properties", {}).get("models", []):
            files.add(Path("models") / model["directory"] / model["name"])
        if node["type"].startswith("Load") and node["type"] not in ("LoadLatent",):
            values = node.get("widgets_values") or []
            names = values.values() if isinstance(values, dict) else values
            media = (".png", ".jpg", ".jpeg", ".webp", ".mp4", ".wav", ".mp3", ".flac")
            files |= {Path("input") / name for name in names if isinstance(name, str) and name.lower().endswith(media)}
    return files


@contextmanager
def placeholder(path: Path):
    """An empty file at ``path`` for as long as it is needed, unless there is one already."""
    made = not path.exists()
    if made:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    try:
        yield
    finally:
        if made:
            path.unlink()


@pytest.fixture(scope="module")
def object_info(server, tmp_path_factory) -> Path:
    """The host's description of all nodes, taken while every file the workflows name is there."""
    target = tmp_path_factory.mktemp("workflows") / "object_info.json"
    files = set().union(*(wanted_files(json.loads(path.read_text(encoding="utf-8"))) for path in WORKFLOWS))
    with ExitStack() as stack:
        for path in files:
            stack.enter_context(placeholder(server.base / path))
        target.write_bytes(server.read("/object_info"))
    return target


def test_there_are_workflows():
    assert WORKFLOWS, "workflows/ is empty"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_host_accepts_it(path, object_info, tmp_path):
    code, output = comfy(
        tmp_path / "home",
        tmp_path,
        "workflow",
        "validate",
        "--workflow",
        str(path),
        "--input",
        str(object_info),
    )
    assert code == 0, output


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_it_is_fit_to_be_shared(path):
    workflow = json.loads(path.read_text(encoding="utf-8"))
    assert workflow["version"] == 0.4
    assert {"last_node_id", "last_link_id", "nodes", "links"} <= workflow.keys()
    notes = [node for node in all_nodes(workflow) if node["type"] in ("MarkdownNote", "Note")]
    assert notes, "a workflow explains itself in a note"
    for node in all_nodes(workflow):
        if node["type"].startswith("Genga"):
            properties = node["properties"]
            assert properties.get("cnr_id") == PACK_ID and properties.get("ver"), node["type"]
    text = path.read_text(encoding="utf-8")
    assert "base64" not in text and len(text) < 500_000, "files are references, never pixels"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_it_has_a_thumbnail(path):
    assert path.with_suffix(".jpg").is_file()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_models_it_names_are_the_ones_its_widgets_select(path):
    workflow = json.loads(path.read_text(encoding="utf-8"))
    for node in all_nodes(workflow):
        for model in node.get("properties", {}).get("models", []):
            assert model["name"] in node["widgets_values"], f"{node['type']}: {model['name']}"
            assert model["url"].startswith("https://") and model["directory"], node["type"]
