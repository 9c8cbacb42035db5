"""web/js keeps to its types, and to those of the front ends it runs in: ``tsc`` reads what JSDoc says and finds no fault."""

from __future__ import annotations

import re
import subprocess

import pytest

FRONT_ENDS = {"newest": "tsconfig.json", "oldest": "tsconfig.oldest.json"}


def check(chromium, configuration) -> str:
    command = [chromium.node, "node_modules/typescript/bin/tsc", "--pretty", "false", "-p", str(configuration)]
    done = subprocess.run(command, cwd=chromium.folder, capture_output=True, text=True, timeout=900, check=False)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_the_page_keeps_to_its_types(chromium, front_end):
    assert check(chromium, chromium.folder / "types" / FRONT_ENDS[front_end]) == ""


def test_a_wrong_type_is_found(chromium):
    """In types/wrong.js, with the same options: our own names and the host's are known, and held to."""
    found = check(chromium, chromium.folder / "types" / "tsconfig.wrong.json")
    text = (chromium.folder / "types" / "wrong.js").read_text(encoding="utf-8")
    expected = [number for number, line in enumerate(text.splitlines(), 1) if line.endswith("// wrong")]
    assert [int(number) for number in re.findall(r"^types/wrong\.js\((\d+),", found, re.MULTILINE)] == expected, found
