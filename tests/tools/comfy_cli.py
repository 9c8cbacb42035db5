"""The registry's own command line tool, run where it cannot touch anything of ours."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from . import pack


def comfy(home: Path, folder: Path, *arguments: str) -> tuple[int, str]:
    """Runs ``comfy`` in ``folder`` with a home of its own; its exit code and all it printed."""
    program = os.environ.get("GENGA_COMFY_CLI")
    if not program:
        pytest.skip("comfy-cli is not here: run the tests with `python dev.py test`")
    home.mkdir(exist_ok=True)
    places = ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA")
    environ = {
        **os.environ,
        **{name: str(home) for name in places},
        "DO_NOT_TRACK": "1",
        "NO_COLOR": "1",
        "COLUMNS": "200",
        "PYTHONIOENCODING": "utf-8",
    }
    done = subprocess.run(
        [program, "--skip-prompt", "--no-json", *arguments],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return done.returncode, done.stdout


def checkout(target: Path) -> Path:
    """A copy of this checkout as its own git repository, since the tool packs what git tracks."""
    shutil.copytree(pack.ROOT, target, ignore=shutil.ignore_patterns(*pack.NOT_COPIED), symlinks=True)
    git = shutil.which("git")
    if git:
        for command in (["init", "--quiet"], ["add", "--all"]):
            subprocess.run([git, *command], cwd=target, check=True, capture_output=True)
    return target
