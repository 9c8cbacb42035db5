"""Ground for every test: the pack under the alias ``genga``, a host in this process, a host as a server.

tests/unit runs with pytest alone; the rest wants the host that ``python dev.py test`` prepares
(``GENGA_COMFYUI``). ``GENGA_PACK`` names another folder to test, such as the unpacked release.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import configuration, settings

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
KINDS = ("unit", "host", "server", "browser", "gates")
CI = "CI" in os.environ
WORKER = os.environ.get("PYTEST_XDIST_WORKER")  # None where one process runs all tests
LONGEST_FIRST = ("server", "browser", "gates", "host", "unit")
NO_HOST = "no host: run the tests with `python dev.py test`, or set GENGA_COMFYUI to a ComfyUI checkout"

if WORKER:
    # Workers share the processors, with the hosts that they start: threads beyond that only wait for each other,
    # and tiny models then take several times as long. Read when torch is imported, so it is set before.
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, share)))

# The pack's root must not be importable: its folder nodes/ has the name of the host's own module.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]


def _tools():
    """tests/tools under the name the tests use for it."""
    spec = importlib.util.spec_from_file_location("genga_bootstrap", TESTS / "tools" / "pack.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.alias_tests()


_tools()

from genga_tests.tools import host as host_tools  # noqa: E402
from genga_tests.tools import pack as pack_tools  # noqa: E402
from genga_tests.tools.server import Server  # noqa: E402

BASE = Path(tempfile.mkdtemp(prefix="genga-tests-"))
HOST = host_tools.folder()
if HOST:
    host_tools.aim(HOST, BASE / "in_process")
pack_tools.load_package("genga", pack_tools.pack_folder())
pack_tools.load_package("tiny", TESTS / "tiny")
pack_tools.load_package("devtools", ROOT / "devtools")

configuration.set_hypothesis_home_dir(str(ROOT / ".dev" / "hypothesis"))
settings.register_profile("genga", deadline=None, derandomize=CI)
settings.load_profile("genga")


def pytest_addoption(parser) -> None:
    parser.addoption(
        "--full",
        action="store_true",
        help="also run the text-to-video workflows at 832x480, and the talking ones with all their steps (minutes)",
    )


def pytest_unconfigure() -> None:
    shutil.rmtree(BASE, ignore_errors=True)


def pytest_collection_modifyitems(items) -> None:
    """Marks each test with the folder it lies in: ``-m unit``, ``-m "not browser"``.

    Workers take the files in the order given here: those with a slow test first, then kind by kind, so that no long
    file is left for the end.
    """
    for item in items:
        if kind_of(item):
            item.add_marker(kind_of(item))
    if WORKER:
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: (item.path not in slow, LONGEST_FIRST.index(kind_of(item) or "unit")))


def kind_of(item) -> str | None:
    parts = item.path.relative_to(TESTS).parts if item.path.is_relative_to(TESTS) else ()
    return parts[0] if parts and parts[0] in KINDS else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Under CI a browser test that skips has failed."""
    report = yield
    if CI and report.skipped and item.get_closest_marker("browser"):
        report.outcome = "failed"
        report.longrepr = f"skipped under CI: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter) -> None:
    reports = terminalreporter.getreports("skipped")
    skipped = [report for report in reports if "tests/browser/" in report.nodeid]
    if skipped:
        terminalreporter.section("SKIPPED BROWSER TESTS", sep="!", red=True)
        terminalreporter.line(
            f"{len(skipped)} browser tests did NOT run: install Chromium and Node.js to check the front end."
        )


@pytest.fixture(scope="session")
def host() -> SimpleNamespace:
    """The host's modules in this process; ``.path .base .version .models .input .output``."""
    if HOST is None:
        pytest.fail(NO_HOST)
    return host_tools.boot(HOST, BASE / "in_process")


class Tiny:
    """Tiny checkpoints of the true architectures, made once and kept in ``.dev/tiny``; names in ``.files``."""

    def __init__(self, files):
        self.files = files

    def folder(self, base: Path) -> Path:
        """``base/models`` with every tiny file linked into it under the name that users have."""
        from devtools.shell import lock

        models = Path(base) / "models"
        with lock(ROOT / ".dev" / "locks" / "tiny"):  # two workers want them at the same moment
            self.files.install(self.files.ensure(ROOT / ".dev" / "tiny"), models)
        return models


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    from tiny import files

    return Tiny(files)


@pytest.fixture(scope="session")
def server(tiny):
    """A running host with the pack, the tiny models and the tests' tiny host pack: tests/tools/server.py."""
    if HOST is None:
        pytest.fail(NO_HOST)
    running = Server(HOST, BASE / "server")
    tiny.folder(running.base)
    running.install(pack_tools.pack_folder(), TESTS / "tiny" / "host_pack")
    with running:
        yield running


@pytest.fixture(scope="session")
def chromium() -> SimpleNamespace:
    """``.chromium`` and ``.node``, the programs, and ``.folder`` with node_modules; skips without them."""
    programs = {name: os.environ.get(f"GENGA_{name.upper()}") for name in ("chromium", "node")}
    if not all(programs.values()):
        pytest.skip("Chromium or Node.js not found")
    return SimpleNamespace(**programs, folder=TESTS / "browser")
