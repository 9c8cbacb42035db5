"""What every node owes a person, and what the pack owes the host's start."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from genga_tests.tools import pack


@pytest.fixture(scope="module")
def schemas(host):
    from genga.nodes import node_list

    return [node.GET_SCHEMA() for node in node_list()]


def test_ids_bear_the_prefix_and_are_unique(schemas):
    ids = [schema.node_id for schema in schemas]
    assert ids, "the pack has no nodes"
    assert all(node_id.startswith("Genga") for node_id in ids), ids
    assert len(ids) == len(set(ids))


def test_categories_and_display_names(schemas):
    for schema in schemas:
        assert schema.category.startswith("Genga/"), schema.node_id
        assert schema.display_name and schema.description, schema.node_id


def test_every_input_has_a_tooltip(schemas):
    without = [
        f"{schema.node_id}.{item.id}"
        for schema in schemas
        for item in schema.inputs
        if not (item.tooltip or "").strip()
    ]
    assert not without, "\n".join(without)


def test_every_node_is_found_by_its_plain_name(schemas):
    if not hasattr(schemas[0], "search_aliases"):
        pytest.skip("this host has no search aliases")
    without = [s.node_id for s in schemas if s.node_id.removeprefix("Genga") not in (s.search_aliases or [])]
    assert not without, without


def test_the_server_lists_every_node(server, schemas):
    listed = server.get("/object_info")
    missing = [schema.node_id for schema in schemas if schema.node_id not in listed]
    assert not missing, server.log_tail()


def test_the_pack_brings_in_nothing_that_the_host_had_not(host, tmp_path):
    """Only its own modules and the standard library: no start is made heavier."""
    (tmp_path / "custom_nodes").mkdir()
    program = subprocess.run(
        [
            sys.executable,
            pack.TESTS / "tools" / "import_probe.py",
            host.path,
            tmp_path,
            pack.pack_folder() / "__init__.py",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert program.returncode == 0, program.stderr[-4000:]
    (found,) = json.loads(program.stdout.splitlines()[-1])
    assert found["nodes"]
    allowed = {"probed_0", *sys.stdlib_module_names}
    foreign = {name: file for name, file in found["modules"].items() if name.split(".")[0] not in allowed}
    assert not foreign, foreign
