"""Chromium and Node.js for the tests of the front end: found where they are, never installed by us."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from .environment import DEV, ROOT
from .shell import Failure, lock, must, say

FOLDER = ROOT / "tests" / "browser"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)


def variables(required: bool) -> dict[str, str]:
    """Where the tests find Chromium and Node.js. Empty where one is missing, unless they are required."""
    chromium, node, npm = _chromium(), shutil.which("node"), shutil.which("npm")
    programs = {"Chromium": chromium, "Node.js": node, "npm": npm}
    missing = [name for name, path in programs.items() if not path]
    if missing and required:
        raise Failure(f"{', '.join(missing)} not found; under CI the browser tests must run.")
    if missing:
        say(f"{', '.join(missing)} not found: browser tests will be SKIPPED")
        return {}
    _packages(npm)
    return {"GENGA_CHROMIUM": chromium, "GENGA_NODE": node}


def _chromium() -> str | None:
    named = os.environ.get("GENGA_CHROMIUM")
    found = [named, *map(shutil.which, NAMES), *PLACES]
    return next((path for path in found if path and Path(path).is_file()), None)


def _packages(npm: str) -> None:
    """The packages of tests/browser/package.json, installed again only when its lock file changes."""
    listing = FOLDER / "package-lock.json"
    stamp = FOLDER / "node_modules" / ".genga-stamp"
    wanted = hashlib.sha256(listing.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    with lock(DEV / "locks" / "node_modules"):
        say("npm ci in tests/browser")
        command = [npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"]
        must(command, "install the browser driver", cwd=FOLDER)
        stamp.write_text(wanted, encoding="utf-8")
