"""Runs of a prompt that are killed at a chosen moment, by the host's own executor and without the host's server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from .doomed_process import KINDS
from .server import make_base

__all__ = ["KINDS", "Doomed"]
PATIENCE = 300  # seconds for one prompt


class Doomed:
    """``with Doomed(host, base) as doomed: doomed.play(prompt, moment)``; see doomed_process.py.

    It starts at once and gets ready in the background. ``base`` has the pack, the tiny host pack and the models.
    """

    def __init__(self, host: Path, base: Path):
        self.base = make_base(Path(base))
        self.output, self.log = self.base / "output", self.base / "doomed.log"
        program = Path(__file__).with_name("doomed_process.py")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(program), str(host), str(self.base)],
                cwd=self.base,
                env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
            )

    def __enter__(self) -> Doomed:
        return self

    def __exit__(self, *_) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=60)

    def warm(self, prompt: dict) -> None:
        """Runs a prompt, so that the models of later ones are loaded already where the system allows it."""
        self._ask({"prompt": prompt, "warm": True})

    def play(self, prompt: dict, moment: dict | None = None) -> dict:
        """What became of one run: ``exit``, and unless it was killed ``outputs``, ``errors`` and ``calls``.

        ``moment``: when it is killed; {} only counts the calls, None does not.
        """
        return self._ask({"prompt": prompt, "moment": moment})

    def _ask(self, order: dict) -> dict:
        watchdog = threading.Timer(PATIENCE, self.process.kill)
        watchdog.start()
        try:
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            raise RuntimeError(f"it ended:\n{self.log.read_text(encoding='utf-8', errors='replace')[-4000:]}")
        return json.loads(line)
