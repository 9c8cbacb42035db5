"""The release as the Comfy registry makes it: valid, complete, nothing too much, and it works."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from genga_tests.tools import pack, sources
from genga_tests.tools.comfy_cli import checkout, comfy

EXPECTED = [
    "Validating node configuration...",
    "Running security checks...",
    "✓ All validation checks passed successfully",
]

pytestmark = pytest.mark.skipif("GENGA_PACK" in os.environ, reason="this is already the release")


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    return checkout(tmp_path_factory.mktemp("registry") / "ComfyUI-Genga")


@pytest.fixture(scope="module")
def release(copy, tmp_path_factory) -> Path:
    """The folder a person gets who installs the pack from the registry."""
    code, output = comfy(copy.parent / "home", copy, "node", "pack")
    assert code == 0, output
    assert "Not including" not in output, output
    folder = tmp_path_factory.mktemp("release") / "ComfyUI-Genga"
    with zipfile.ZipFile(copy / "node.zip") as archive:
        archive.extractall(folder)
    return folder


def test_validate_has_nothing_to_say(copy):
    code, output = comfy(copy.parent / "home", copy, "node", "validate")
    assert code == 0, output
    assert [line.strip() for line in output.splitlines() if line.strip()] == EXPECTED


def test_the_release_holds_the_pack_and_nothing_else(release, copy):
    held = {path.relative_to(release).as_posix() for path in release.rglob("*") if path.is_file()}
    assert held == {path.as_posix() for path in sources.shipped(pack.ROOT)}
    assert not [name for name in held if (release / name).read_bytes() != (copy / name).read_bytes()]


@pytest.mark.slow
def test_the_release_passes_the_tests(release, host):
    """Arithmetic and every node's schema again, on the unpacked release instead of this checkout.

    Its files are the checkout's byte by byte (above), so what can be wrong is only what they miss around them. The
    tests marked slow, fuzzing and memory and processes that are killed, would find nothing else here.
    """
    program = subprocess.run(
        [
            Path(sys.executable).parent / "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-m",
            "not slow",
            "tests/unit",
            "tests/gates/test_nodes.py",
        ],
        cwd=pack.ROOT,
        env={**os.environ, "GENGA_PACK": str(release)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    assert program.returncode == 0, program.stdout[-6000:] + program.stderr[-2000:]
