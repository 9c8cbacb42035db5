"""A long FramePack video costs the memory of a short one: fresh processes, from FramePack Sampler to the saved file."""

from __future__ import annotations

import pytest
from genga_tests.tools import framepack_run, long_run
from genga_tests.tools import host as host_tools

FEW, MANY = 3.6, 14.4  # seconds: 3 and 12 sections
LIMIT = 30e6


@pytest.mark.slow
def test_twelve_sections_take_the_memory_of_three(tiny, tmp_path):
    """Nine more sections are 83 MB as frames."""
    host = host_tools.folder()
    tiny.folder(tmp_path)
    jobs = [framepack_run.Job(str(host), str(tmp_path), seconds) for seconds in (FEW, MANY)]
    assert [job.sections for job in jobs] == [3, 12]
    assert (jobs[1].frames - jobs[0].frames) * jobs[0].width * jobs[0].height * 3 * 4 > 2.7 * LIMIT
    processes = [framepack_run.start(job) for job in jobs]
    few, many = map(long_run.finish, processes)
    assert many.peak - few.peak < LIMIT
    assert many.held[-1] - many.held[0] < LIMIT + few.held[-1] - few.held[0]
