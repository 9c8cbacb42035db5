"""Names of saved files, and what is written about them."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
import torch
from genga.errors import InputError
from genga.media import metadata, naming
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2025, 11, 13, 21, 30, 45)
OUT = [
    "../a",
    "a/../../b",
    "..\\a",
    "a\\..\\..\\b",
    "..",
    "/etc/a",
    "\\a",
    "\\\\server\\share\\a",
    "//server/share/a",
    "C:\\a",
    "c:a",
    "D:/a",
]


@pytest.mark.parametrize("prefix", OUT)
def test_prefixes_that_lead_out(prefix):
    with pytest.raises(InputError, match="^filename_prefix: ") as caught:
        naming.check_prefix(prefix)
    assert repr(prefix)[1:-1] in str(caught.value) and "output folder" in str(caught.value)


@pytest.mark.parametrize(
    "prefix", ["", "  ", "/", ".", "./", "a<b", "a:b/c", "a|b", 'a"b', "a?b", "a*b", "a\x00b", "a\nb"]
)
def test_prefixes_that_name_no_file(prefix):
    with pytest.raises(InputError, match="^filename_prefix: "):
        naming.check_prefix(prefix)


@pytest.mark.parametrize(
    ("prefix", "why"),
    [
        ("x" * 201, "takes 201 bytes"),
        ("狐" * 67, "takes 201 bytes"),
        ("d" * 201 + "/a", "takes 201 bytes"),
        ("a/\ud800", "half a character"),
        ("CON/a", "device on Windows"),
        ("a/aux.d/b", "device on Windows"),
        ("nul.x", "device on Windows"),
        ("COM¹/a", "device on Windows"),
        ("a./b", "dot or a space"),
        ("a /b", "dot or a space"),
        ("a/.../b", "dot or a space"),
    ],
)
def test_prefixes_that_some_system_cannot_store(prefix, why):
    """Said before anything runs, and on every system: folders travel."""
    with pytest.raises(InputError, match=why) as caught:
        naming.check_prefix(prefix)
    assert caught.value.input_name == "filename_prefix" and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("prefix", "clean"),
    [
        ("con", "con"),
        ("a/nul", "a/nul"),
        ("./a.b", "./a.b"),
        ("x" * 200, "x" * 200),
        ("i2v/i2v_standard", "i2v/i2v_standard"),
        ("i2v\\a", "i2v/a"),
        (" a b ", "a b"),
        ("日本/é", "日本/é"),
        ("a..b/c", "a..b/c"),
        ("%year%/a_%width%", "%year%/a_%width%"),
    ],
)
def test_prefixes_that_are_fine(prefix, clean):
    assert naming.check_prefix(prefix) == clean


@given(st.text(alphabet="ab./\\:C", max_size=12))
def test_no_prefix_leads_out(tmp_path_factory, prefix):
    """Whatever passes the check stays inside the folder."""
    root = tmp_path_factory.getbasetemp().resolve()
    try:
        clean = naming.check_prefix(prefix)
    except InputError:
        return
    target = (root / clean).resolve()
    assert root in target.parents


def test_links_out_of_the_folder(tmp_path):
    output, outside = tmp_path / "output", tmp_path / "outside"
    (output / "real").mkdir(parents=True)
    outside.mkdir()
    try:
        (output / "link").symlink_to(outside, target_is_directory=True)
        (output / "near").symlink_to(output / "real", target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no symbolic links")
    with pytest.raises(InputError, match="leads out of the output folder"):
        naming.check_inside(output, "link/a")
    with pytest.raises(InputError, match="leads out of the output folder"):
        naming.check_inside(output, "link/deeper/a")
    naming.check_inside(output, "near/a")
    naming.check_inside(output, "new/deeper/a")
    linked = tmp_path / "linked_output"
    linked.symlink_to(output, target_is_directory=True)
    naming.check_inside(linked, "real/a")


def test_names_carry_the_time_and_count_up(tmp_path):
    names = [naming.claim(tmp_path, "i2v_standard", "mp4", NOW).name for _ in range(3)]
    assert names == [
        "i2v_standard_20251113_213045.mp4",
        "i2v_standard_20251113_213045_2.mp4",
        "i2v_standard_20251113_213045_3.mp4",
    ]
    assert all((tmp_path / name).stat().st_size == 0 for name in names)


@pytest.mark.parametrize("taken", ["a_20251113_213045.json", "a_20251113_213045.webm", "a_20251113_213045.mp4"])
def test_a_name_is_taken_with_whatever_ending(tmp_path, taken):
    """Otherwise two videos would share one JSON."""
    (tmp_path / taken).write_text("mine")
    assert naming.claim(tmp_path, "a", "mp4", NOW).name == "a_20251113_213045_2.mp4"
    assert (tmp_path / taken).read_text() == "mine"


def test_no_two_get_one_name(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: naming.claim(tmp_path, "a", "mp4", NOW).name, range(40)))
    assert len(set(names)) == 40 == len(list(tmp_path.iterdir()))


def test_json_takes_anything():
    value = {
        1: float("nan"),
        "inf": [-math.inf, 1.5, True, None],
        "tensor": torch.zeros(2),
        "set": {3},
        "text": "日本 \ud800 \x00",
        "path": object(),
    }
    back = json.loads(metadata.dump(value))
    assert back["1"] is None and back["inf"] == [None, 1.5, True, None] and back["set"] == [3]
    assert back["tensor"] == "<Tensor>" and back["path"] == "<object>" and back["text"] == value["text"]
    endless = {}
    endless["self"] = endless
    assert "<dict>" in metadata.dump(endless)


def test_the_prompt_is_kept_as_it_was_queued():
    """The host adds is_changed to nodes as it runs them."""
    prompt = {"1": {"class_type": "A", "inputs": {"x": 1, "l": ["2", 0]}, "_meta": {"title": "t"}}}
    running = {"1": {**prompt["1"], "is_changed": [float("nan")]}}
    assert metadata.queued(running) == prompt
    assert "is_changed" in running["1"]
    assert json.loads(metadata.tags(running, {"workflow": {"nodes": []}}, {"seed": 5})["prompt"]) == prompt


def test_the_version_is_that_of_pyproject():
    parts = metadata.genga_version().split(".")
    assert len(parts) == 3 and all(part.isdigit() for part in parts)


def test_the_pages_date_token_is_filled_in():
    from datetime import datetime

    now = datetime(2025, 11, 3, 21, 30, 45)
    assert naming.dated("a/%date:yyyy-MM-dd%_b", now) == "a/2025-11-03_b"
    assert naming.dated("%date:yy%/%date:hhmmss%", now) == "25/213045"
    assert naming.check_prefix("i2v/%date:yyyy%") == f"i2v/{datetime.now():%Y}"


@pytest.mark.parametrize("token", ["%6.text%", "%Save Video.fps%", "%seed%"])
def test_an_unknown_token_is_an_error_not_a_folder_of_that_name(token):
    with pytest.raises(InputError, match=r"filename_prefix.*is unknown.*%date:yyyy-MM-dd%"):
        naming.check_prefix(f"i2v/{token}")


def test_the_hosts_tokens_are_left_to_the_host():
    assert naming.check_prefix("i2v/%width%x%height%_%year%") == "i2v/%width%x%height%_%year%"
