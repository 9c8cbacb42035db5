"""Saying what is done, running programs, and one lock so that two runs do not build the same thing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path


class Failure(Exception):
    """Something a person has to put right; the text says what."""


def say(text: str) -> None:
    print(f"[dev] {text}", flush=True)


def call(command: list, cwd: Path | None = None, extra_env: dict | None = None) -> int:
    """Runs ``command`` with our own output; returns its exit code."""
    environ = {**os.environ, **(extra_env or {})}
    return subprocess.run([str(part) for part in command], cwd=cwd, env=environ, check=False).returncode


def must(command: list, purpose: str, cwd: Path | None = None) -> None:
    """Runs ``command`` quietly; on failure shows the end of its output and stops with ``purpose``."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise Failure(f"could not {purpose}: {error}") from error
    if done.returncode:
        print("\n".join(done.stdout.splitlines()[-25:]), file=sys.stderr, flush=True)
        raise Failure(
            f"could not {purpose} (exit code {done.returncode}, output above). "
            "If it speaks of connections, this machine needs the network once; then run the command again."
        )


@contextmanager
def lock(path: Path):
    """Holds ``path`` against other processes; the system lets go of it even if this one is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as handle:
        told = False
        while not _try_lock(handle):
            if not told:
                say(f"waiting for another run that holds {path.name}")
                told = True
            time.sleep(0.5)
        try:
            yield
        finally:
            _unlock(handle)


if os.name == "nt":
    import msvcrt

    def _try_lock(handle) -> bool:
        handle.seek(0)
        try:
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(handle) -> None:
        handle.seek(0)
        msvcrt.locking(handle.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(handle) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(handle) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)
