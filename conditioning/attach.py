"""Values into CONDITIONING: for every sampler alike, or one set for each noise expert.

CONDITIONING is the host's list of ``[embedding, dict]``. Nothing given is changed; new lists are returned.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import InputError

BOUNDARY_I2V = 0.900  # Wan2.2 configs wan_i2v_A14B.py; AniSora V3.2 is the same
_APPENDED = ("vace_frames", "vace_mask", "vace_strength")


def set_values(conditioning: list, values: Mapping) -> list:
    """Every entry with ``values`` set; the lists of VACE are appended to what an earlier node gave."""
    return [[embedding, {**old, **_merged(old, values)}] for embedding, old in conditioning]


def _merged(old: Mapping, values: Mapping) -> dict:
    return {k: [*old.get(k, []), *v] if k in _APPENDED else v for k, v in values.items()}


def refuse_ranges(conditioning: list, name: str) -> None:
    """Raises for conditioning with a percent range, which the host would put in place of a range by sigma."""
    if any("start_percent" in old or "end_percent" in old for _, old in conditioning):
        remedy = "Set the same strength for both experts, or remove the timestep range before this node."
        raise InputError(name, "it has a timestep range, and the two experts' strengths need one too", remedy)


def set_per_expert(conditioning: list, high: Mapping, low: Mapping, boundary: float, name: str) -> list:
    """Every entry twice: with ``high`` for sigma >= boundary, with ``low`` below.

    Carried by the sigma-valued keys ``timestep_start`` (used at this sigma and below) and ``timestep_end`` (used at
    this sigma and above), which every sampler of the host reads, so that any guider and any pack obeys them.
    """
    # The nearest float below, because the host compares with the float32 sigmas of the schedule.
    edge = np.float32(boundary)
    below = float(np.nextafter(edge, np.float32(0.0)))
    entries = []
    refuse_ranges(conditioning, name)
    for embedding, old in conditioning:
        start, end = old.get("timestep_start", float("inf")), old.get("timestep_end", -float("inf"))
        for values, lowest, highest in ((high, float(edge), float("inf")), (low, -float("inf"), below)):
            lowest, highest = max(lowest, end), min(highest, start)
            if lowest <= highest:
                limits = {"timestep_start": highest, "timestep_end": lowest}
                finite = {key: value for key, value in limits.items() if np.isfinite(value)}
                entries.append([embedding, {**old, **_merged(old, values), **finite}])
    return entries
