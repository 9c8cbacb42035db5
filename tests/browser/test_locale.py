"""The host's real page in Japanese: our nodes and parts of the page call themselves, and explain themselves, in it."""

from __future__ import annotations

import json
import subprocess

import pytest
from genga_tests.tools import pack

from devtools import words

LANGUAGE = "ja"
TYPES = ("GengaArbitraryKeyframes", "GengaKeyframe", "GengaSaveVideo")
HOVER = ("GengaKeyframe", "strength")
# The front end of 0.3.75 lays its own words over a pack's when it loads a language (Comfy-Org/ComfyUI_frontend issue
# 6748): there the page stays English, and that it works is all that can be asked. 0.29 has it mended.
FIRST_TRANSLATED = (0, 4)


@pytest.fixture(scope="module")
def expected(host) -> dict:
    version = tuple(int(part) for part in host.version.split(".")[:2])
    code = LANGUAGE if version >= FIRST_TRANSLATED else words.ENGLISH
    return words.read(code, "nodeDefs.json", pack.pack_folder() / "locales")


@pytest.fixture(scope="module")
def page(chromium, server, tmp_path_factory):
    job = tmp_path_factory.mktemp("locale") / "job.json"
    job.write_text(json.dumps({"language": LANGUAGE, "types": TYPES, "hover": HOVER}), encoding="utf-8")
    command = [chromium.node, "locale.mjs", server.url, chromium.chromium, str(job)]
    done = subprocess.run(
        command, cwd=chromium.folder, capture_output=True, text=True, encoding="utf-8", timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("node", TYPES)
def test_a_node_speaks_the_language_of_the_page(page, expected, node):
    shown, said = page["nodes"][node], expected[node]
    assert (shown["title"], shown["description"]) == (said["display_name"], said["description"])
    inputs = {name: texts["name"] for name, texts in said["inputs"].items()}
    assert {name: shown["inputs"][name] for name in inputs} == inputs
    outputs = {int(index): texts["name"] for index, texts in said["outputs"].items() if "name" in texts}
    assert {index: shown["outputs"][index] for index in outputs} == outputs


def test_our_own_parts_of_the_page_speak_it_on_every_host(page):
    said = words.read(LANGUAGE, "main.json", pack.pack_folder() / "locales")["genga"]
    strip = said["windows"]["nothingWired"].format(what=said["windows"]["audio"])
    assert page["parts"] == {"timeline": said["timeline"]["add"], "strip": strip, "tab": said["modes"]["again"]}


def test_the_tooltip_speaks_it_too(page, expected):
    node, name = HOVER
    assert page["tooltip"] == expected[node]["inputs"][name]["tooltip"]
