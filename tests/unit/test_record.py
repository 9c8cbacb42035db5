"""Facts of a run are found again by the graph they belong to, and only by that."""

from __future__ import annotations

from genga.media import record


def graph(seed=-1, save="a"):
    return {
        "1": {"class_type": "Noise", "inputs": {"seed": seed}},
        "2": {"class_type": "Sampler", "inputs": {"noise": ["1", 0], "steps": 8}},
        "3": {"class_type": "Save", "inputs": {"images": ["2", 0], "name": save}},
    }


def test_facts_reach_whoever_depends_on_the_node():
    record.note(graph(), "1", seed=7)
    assert record.facts_for(graph(), "3") == {"1": {"seed": 7}}
    assert record.facts_for(graph(save="b"), "3") == {"1": {"seed": 7}}  # the rest of the graph does not matter
    assert record.facts_for(graph(), "1") == {"1": {"seed": 7}}


def test_another_graph_with_the_same_ids_gets_nothing():
    record.note(graph(seed=-1), "1", seed=8)
    assert record.facts_for(graph(seed=5), "3") == {}


def test_later_facts_join_and_replace():
    record.note(graph(), "2", a=1, b=1)
    record.note(graph(), "2", b=2)
    assert record.facts_for(graph(), "2")["2"] == {"a": 1, "b": 2}


def test_without_a_prompt_nothing_happens():
    record.note(None, "1", seed=1)
    record.note(graph(), None, seed=1)
    assert record.facts_for(None, "3") == {}
