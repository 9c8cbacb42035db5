"""A long video costs the memory of a short one: fresh processes, a moving reference read from a VIDEO."""

from __future__ import annotations

from dataclasses import replace

import pytest
from genga_tests.tools import host as host_tools
from genga_tests.tools import long_run

FEW, MANY = 3, 12
LIMIT = 64e6


@pytest.fixture(scope="module")
def job(tiny, tmp_path_factory):
    """17 frames of 384x256 that share 5: what nine more windows add would be 127 MB as frames."""
    host, base = host_tools.folder(), tmp_path_factory.mktemp("long")
    tiny.folder(base)
    job = long_run.Job(str(host), str(base), MANY, width=384, height=256, film=True, dim=128)
    long_run.finish(long_run.start(replace(job, way="models")))
    return job


def test_twelve_windows_take_the_memory_of_three(job):
    assert (MANY - FEW) * (job.window - job.overlap) * job.width * job.height * 3 * 4 > 1.9 * LIMIT
    processes = [long_run.start(replace(job, windows=count)) for count in (FEW, MANY)]
    few, many = map(long_run.finish, processes)
    assert len(few.held) == FEW + 1 and len(many.held) == MANY + 1
    assert many.peak - few.peak < LIMIT
    assert many.held[-1] - many.held[2] < LIMIT
