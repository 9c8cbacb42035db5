"""A long video goes through the finishing nodes in the memory of a short one."""

from __future__ import annotations

import sys

import pytest
from genga_tests.tools import finish_run
from genga_tests.tools import host as host_tools

FEW, MANY, LIMIT = 64, 1024, 1.05


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak since a moment")
def test_a_thousand_frames_take_the_memory_of_64(tiny, tmp_path):
    """One node after the other. As frames, the long video is 151 MB once it is upscaled; five per cent are about 35."""
    tiny.folder(tmp_path)
    job = finish_run.Job(str(host_tools.folder()), str(tmp_path), (FEW, MANY))
    found = {(each.way, each.frames): each for each in finish_run.measured(job)}
    for way in job.ways:
        few, many = found[way, FEW], found[way, MANY]
        assert many.out > 10 * few.out
        assert many.peak <= LIMIT * few.peak, (way, few, many)
