"""Hashes by content: equal for equal things, in every process, and for nothing else."""

from __future__ import annotations

import copy
import functools
import os
import subprocess
import sys
import uuid
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import torch
from genga.samplers.windows import fingerprint, hashing
from genga.samplers.windows.fingerprint import digest, lineage
from hypothesis import given
from hypothesis import strategies as st

PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
TREES = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


@dataclass(frozen=True)
class Point:
    x: float
    name: str = "p"


class Thing:
    def __init__(self, value):
        self.value = value

    def method(self):
        return self.value


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


def closure(value, default=1):
    def inner(x, y=default):
        return x + value + y

    return inner


def add(a, b, c=0):
    return a + b + c


@given(TREES)
def test_a_copy_has_the_same_digest(value):
    assert digest(value) == digest(copy.deepcopy(value))
    assert len(digest(value)) == 64 and int(digest(value), 16) >= 0


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_the_order_of_a_dict_does_not_count(value):
    assert digest(value) == digest(dict(reversed(value.items())))


def different():
    """Things no two of which are equal."""
    base = torch.arange(6.0)
    return [
        None, True, False, 0, 1, 2, -1, 0.5, float("nan"), float("inf"), 2**70, "", "1", b"1", "None", 1j, Fraction(1, 2),
        [], {}, [1], [[1]], [1, 2], [2, 1], {"a": 1}, {"a": 2}, {"b": 1}, {1: "a"}, {1}, {1, 2},
        slice(1), slice(2), range(3), torch.float32, torch.float16,
        base, base.double(), base.reshape(2, 3), base.reshape(3, 2), base.flip(0), base.half(), base.bfloat16(),
        base.bool(), torch.tensor(1.0), torch.empty(0), torch.empty(0, 3),
        base.numpy(), base.numpy().astype("f8"), np.array(["a", "b"], dtype=object), np.array(["a", "c"], dtype=object),
        Point(1.0), Point(2.0), Point(1.0, "q"), Thing(1), Thing(2), Thing(base), Slotted(1), Slotted(2), Thing, Slotted,
        Thing(1).method, Thing(2).method, closure(1), closure(2), closure(1, default=2), closure(base),
        add, functools.partial(add, 1), functools.partial(add, 2), functools.partial(add, c=1),
        lambda x: x, lambda x: x + 1, lambda x: x + 2, len,
        torch.nn.Linear(2, 3), torch.nn.Identity(), torch.nn.Dropout(0.1), torch.nn.Dropout(0.2),
    ]  # fmt: skip


def test_different_things_have_different_digests():
    found = [digest(thing) for thing in different()]
    twins = [(a, b) for a in range(len(found)) for b in range(a) if found[a] == found[b]]
    assert not twins, [(different()[a], different()[b]) for a, b in twins]


def test_several_values_are_not_one_list():
    assert len({digest(1, 2), digest([1, 2]), digest(1), digest(12), digest("12"), digest("1", "2")}) == 6


def test_numbers_that_are_the_same_after_the_page():
    """The page writes 5.0 as 5."""
    assert digest(5) == digest(5.0) == digest(np.float32(5)) == digest(np.int64(5))
    assert digest(True) == digest(np.bool_(True)) != digest(1)
    assert digest((1, 2)) == digest([1, 2])  # JSON has no tuples
    assert digest(Path("a") / "b") == digest(PurePosixPath("a/b"))


def test_what_is_new_every_time_does_not_count():
    assert digest({"uuid": uuid.uuid4(), "a": 1}) == digest({"uuid": uuid.uuid4(), "a": 1})
    assert digest(object()) == digest(object())
    assert digest(closure(1)) == digest(closure(1))
    assert digest(Thing(closure(1))) == digest(Thing(closure(1)))


def test_views_count_by_their_elements():
    tensor = torch.arange(24.0).reshape(4, 6)
    assert digest(tensor.t()) == digest(tensor.t().contiguous())
    assert digest(tensor[:, ::2]) == digest(tensor[:, ::2].clone())
    assert digest(torch.ones(1).expand(4)) == digest(torch.ones(4))
    assert digest(torch.nn.Parameter(tensor)) == digest(tensor)


def test_one_element_of_a_large_tensor_counts():
    tensor = torch.zeros(100_000)
    other = tensor.clone()
    other[77_777] = 1e-30
    assert digest(tensor) != digest(other)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.bfloat16, torch.uint8])
def test_weights_of_every_type_can_be_sampled(dtype):
    weight = torch.arange(4096.0).remainder(200).reshape(64, 64).to(dtype)
    hasher = hashing.Hasher()
    assert hasher.samples(weight) == hashing.Hasher().samples(weight.clone())
    assert hasher.samples(weight) != hasher.samples(weight.flip(0).contiguous())
    assert hasher.samples(weight) != hasher(weight)


def test_circles_end():
    circle = []
    circle.append(circle)
    other = []
    other.append(other)
    assert digest(circle) == digest(other) != digest([[]])
    a, b = Thing(None), Thing(None)
    a.value, b.value = b, a
    assert digest(a) == digest(b) != digest(Thing(Thing(None)))


def test_objects_below_the_deepest_level_count_by_their_class():
    def nested(bottom, levels):
        for _ in range(levels):
            bottom = Thing(bottom)
        return bottom

    assert digest(nested(1, 6)) != digest(nested(2, 6))
    assert digest(nested(1, 50)) == digest(nested(2, 50))


def test_an_object_that_holds_half_the_program_is_done_in_time():
    """Many ways lead to each of its parts."""
    level = [Thing(1)]
    for _ in range(7):
        level = [Thing([part, part, part, part, part, part]) for part in level]
    assert len(digest(level)) == 64


def test_a_quantized_tensor_counts_by_its_parts():
    class Wrapped(torch.Tensor):
        @staticmethod
        def __new__(cls, data, scale):
            made = torch.Tensor._make_wrapper_subclass(cls, data.shape, dtype=torch.float32)
            made._qdata, made._params = data, Point(scale)
            return made

        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            if func is torch.ops.aten.detach.default:
                return args[0]
            raise NotImplementedError(func)

    data = torch.arange(9, dtype=torch.uint8)
    assert digest(Wrapped(data, 1.0)) == digest(Wrapped(data.clone(), 1.0))
    assert len({digest(Wrapped(data, 1.0)), digest(Wrapped(data, 2.0)), digest(Wrapped(data + 1, 1.0))}) == 3


def test_modules_count_by_weights_and_settings_and_not_by_what_the_host_moves():
    one, two = torch.nn.Linear(3, 4), torch.nn.Linear(3, 4)
    two.load_state_dict(one.state_dict())
    assert digest(one) == digest(two)
    two.comfy_cast_weights, two.weight_function, two._v = True, [closure(1)], object()
    assert digest(one) == digest(two.eval())
    two.scale = 2.0
    assert digest(one) != digest(two)


SCRIPT = """
import functools, importlib.util, sys
spec = importlib.util.spec_from_file_location("boot", {pack!r})
boot = importlib.util.module_from_spec(spec)
spec.loader.exec_module(boot)
boot.load_package("genga", boot.pack_folder())
import torch
from genga.samplers.windows.fingerprint import digest

def closure(value):
    names = {{"b", "a", "c"}}
    return lambda x, y=(1, 2): (x in {{"p", "q", "r"}}, y, value, names)

sys.stdout.write(digest(
    closure("z"), functools.partial(closure, 1), {{"b", "a", "c", "d"}}, {{"k": {{1.5, "x"}}}}, torch.arange(5.0),
    torch.nn.GELU(), torch.optim.SGD.step, object(), closure,
))
"""


@pytest.mark.slow
def test_two_processes_agree():
    script = SCRIPT.format(pack=str(Path(__file__).resolve().parents[1] / "tools" / "pack.py"))
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        for seed in ("1", "2")
    ]
    found = [process.communicate()[0] for process in running]
    assert found[0] == found[1] and len(found[0]) == 64


GRAPH = {
    "1": {"class_type": "Load", "inputs": {"name": "a.safetensors"}, "_meta": {"title": "A"}},
    "2": {"class_type": "Shift", "inputs": {"model": ["1", 0], "shift": 5.0}},
    "3": {"class_type": "Text", "inputs": {"text": "a cat"}},
    "4": {"class_type": "Guide", "inputs": {"model": ["2", 0], "positive": ["3", 0], "negative": ["3", 0], "cfg": 3}},
    "9": {"class_type": "Sample", "inputs": {"guider": ["4", 0], "seed": 7, "prefix": "x"}},
}
WIRED = ("guider",)


def changed(node, name, value):
    graph = copy.deepcopy(GRAPH)
    graph[node]["inputs"][name] = value
    return graph


def test_lineage_follows_what_is_wired():
    base = lineage(GRAPH, "9", WIRED)
    assert len(base) == 64
    changes = [
        changed("1", "name", "b.safetensors"),
        changed("2", "shift", 6.0),
        changed("2", "model", ["1", 1]),
        changed("4", "negative", ["1", 0]),
        changed("9", "guider", ["4", 1]),
    ]
    assert len({base, *(lineage(graph, "9", WIRED) for graph in changes)}) == 6


def test_lineage_leaves_out_the_rest():
    base = lineage(GRAPH, "9", WIRED)
    assert lineage(changed("9", "seed", 8), "9", WIRED) == base
    assert lineage(changed("2", "shift", 5), "9", WIRED) == base
    titled = copy.deepcopy(GRAPH)
    titled["2"]["_meta"] = {"title": "mine"}
    titled["77"] = {"class_type": "Other", "inputs": {"images": ["9", 0]}}
    assert lineage(titled, "9", WIRED) == base
    assert lineage(GRAPH, "9", ("guider", "absent")) == base
    assert lineage(GRAPH, "9", ("guider", "seed")) != base


def test_lineage_does_not_know_numbers_of_nodes():
    names = {"1": "31", "2": "5:2", "3": "4", "4": "1", "9": "2"}
    moved = {
        names[node]: {
            **content,
            "inputs": {
                key: [names[value[0]], value[1]] if isinstance(value, list) else value
                for key, value in content["inputs"].items()
            },
        }
        for node, content in reversed(GRAPH.items())
    }
    assert lineage(moved, "2", WIRED) == lineage(GRAPH, "9", WIRED)


def test_lineage_of_circles_and_long_chains_ends():
    assert lineage(changed("1", "name", ["4", 0]), "9", WIRED) != lineage(GRAPH, "9", WIRED)
    assert len(lineage(changed("4", "model", ["4", 0]), "9", WIRED)) == 64
    chain = {str(k): {"class_type": "Pass", "inputs": {"model": [str(k + 1), 0]}} for k in range(5000)}
    chain["5000"] = {"class_type": "Load", "inputs": {}}
    assert len(lineage(chain, "0", ("model",))) == 64


@pytest.mark.parametrize(("prompt", "node"), [(None, "9"), ({}, "9"), (GRAPH, "10")])
def test_no_prompt_no_lineage(prompt, node):
    assert lineage(prompt, node, WIRED) == ""


def test_a_list_that_is_no_link():
    """Two numbers, or the name of no node."""
    graph = changed("2", "shift", [5, 6])
    assert lineage(graph, "9", WIRED) != lineage(changed("2", "shift", [5, 7]), "9", WIRED)
    assert len(lineage(changed("2", "shift", ["nobody", 0]), "9", WIRED)) == 64


def test_surroundings_are_named():
    assert len(fingerprint.surroundings()) == 64
