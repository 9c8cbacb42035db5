"""The seed as every sampling node of ours has it: -1 draws one on each run, and the report tells which."""

from __future__ import annotations

import secrets

from comfy_api.latest import io

from ..samplers import noise
from .report import Report


def seed_input(tooltip: str) -> io.Int.Input:
    return io.Int.Input(
        "seed", default=0, min=noise.RANDOM, max=noise.MAX_SEED, control_after_generate=True, tooltip=tooltip
    )


def fresh(seed: int | None) -> str | None:
    """For ``fingerprint_inputs``: differs on every run where the seed is to be drawn, so that the host does not reuse the
    last result."""
    return secrets.token_hex(8) if seed == noise.RANDOM else None


def drawn(report: Report, seed: int) -> int:
    """The seed that is used; the report keeps it, and says it where it was drawn."""
    used = noise.resolve_seed(seed)
    if seed == noise.RANDOM:
        report.say(f"seed {used}")
    report.fact(seed=used)
    return used
