"""The commands of dev.py. Each takes the host's folder and the arguments it does not know; returns an exit code."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from . import browser, environment, hosts
from .environment import ROOT
from .shell import Failure, call, say

EXIT_FAILED = 1
WORKERS = 2  # each may run a host in its process and another as a server: 5 to 6 GB together


def test(host: Path, extra: list[str]) -> int:
    """Lint, then every test against ``host``; unknown arguments go on to pytest."""
    python = environment.for_host(host)
    variables = {
        **host_variables(host),
        "GENGA_COMFY_CLI": str(environment.for_tools()),
        **browser.variables(required="CI" in os.environ),
    }
    say("ruff check")
    lint = call([python, "-m", "ruff", "check", "."], cwd=ROOT)
    arguments = [*workers(), *extra]
    say("pytest " + " ".join(arguments))
    # Through the script, not "python -m pytest": that would put this folder on sys.path, where the pack's
    # nodes/ has the name of the host's own module.
    result = call([environment.script(python, "pytest"), *arguments], cwd=ROOT, extra_env=variables)
    return result or lint


def workers() -> list[str]:
    """pytest's arguments for two processes that take the test files one by one; a ``-n`` that follows wins.

    The files begin in the order of tests/conftest.py; pytest-xdist would go by their number of tests, which tells
    nothing of their time.
    """
    if (os.cpu_count() or 1) < WORKERS:
        return []
    return ["-n", str(WORKERS), "--dist", "loadfile", "--no-loadscope-reorder"]


def demo(host: Path, extra: list[str]) -> int:
    """One shipped workflow through the host's own server, on tiny checkpoints, into a playable video."""
    python = environment.for_host(host)
    program = ROOT / "devtools" / "demo.py"
    if not program.exists():
        raise Failure(f"{program.relative_to(ROOT)} is missing, so there is no demo in this checkout.")
    command = [python, str(program), "--comfyui", str(host), "--out", str(environment.DEV / "demo"), *extra]
    return call(command, cwd=ROOT, extra_env=host_variables(host))


def bench(host: Path, extra: list[str]) -> int:
    """Every script in benchmarks/, or only those whose names are given."""
    python = environment.for_host(host)
    scripts = sorted((ROOT / "benchmarks").glob("*.py"))
    chosen = [script for script in scripts if not extra or script.stem in extra]
    if not chosen:
        names = ", ".join(script.stem for script in scripts)
        raise Failure(f"no such benchmark: {' '.join(extra)}. There are: {names}")
    worst = 0
    for script in chosen:
        say(f"benchmark {script.stem}")
        worst = max(worst, call([python, script], cwd=ROOT, extra_env=host_variables(host)))
    return worst


def host_variables(host: Path) -> dict[str, str]:
    """What the programs that run in the host's environment are told."""
    return {
        "GENGA_COMFYUI": str(host),
        "PYTHONPYCACHEPREFIX": str(environment.DEV / "pycache"),  # neither host nor pack is littered
        "PYTHONDONTWRITEBYTECODE": "",  # without bytecode every start of a host takes seconds longer
        "PYTHONUNBUFFERED": "1",
    }


COMMANDS = {"demo": demo, "test": test, "bench": bench}


def arguments() -> tuple[argparse.Namespace, list[str]]:
    purpose = "Run and test ComfyUI-Genga on this machine."
    parser = argparse.ArgumentParser(prog="dev.py", description=purpose, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, function in COMMANDS.items():
        command = commands.add_parser(name, help=function.__doc__, allow_abbrev=False)
        command.add_argument(
            "--comfyui", metavar="PATH", type=Path, help="a ComfyUI checkout to run on (default: 0.3.75)"
        )
    return parser.parse_known_args()


def main() -> int:
    options, extra = arguments()
    started = time.monotonic()
    try:
        host = hosts.given(options.comfyui) if options.comfyui else hosts.default()
        say(f"{options.command} on ComfyUI {hosts.version(host)} ({host})")
        return COMMANDS[options.command](host, extra)
    except Failure as failure:
        say(f"stopped after {time.monotonic() - started:.0f} s: {failure}")
        return EXIT_FAILED
    except KeyboardInterrupt:
        return 130
