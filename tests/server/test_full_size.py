"""The text-to-video workflows at 832x480, the size they are shipped with: minutes each on a CPU, so only with --full."""

from __future__ import annotations

import av
import pytest
from genga_tests.tools import shipped
from genga_tests.tools.convert import to_prompt
from genga_tests.tools.long_videos import only, saved

MINUTES = 40
FRAMES = 81  # of every workflow
PART = 17


@pytest.fixture(scope="module", autouse=True)
def _full(request):
    if not request.config.getoption("--full"):
        pytest.skip("minutes of work: only with --full")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "frames"), [("AniSora T2V", FRAMES), ("Phr00t T2V", PART)])
def test_a_workflow_runs_at_its_size(server, tiny, name, frames):
    """AniSora T2V runs with nothing changed but the models. Phr00t T2V has its width, height and steps but 17 of its
    81 frames, because the time grows with their number; test_workflows.py has the 81 at 64x48."""
    prompt = to_prompt(shipped.ready(name, shipped.stand_ins(tiny.files), []), server.get("/object_info"))
    direction = only(prompt, "GengaWanFFLF")["inputs"]
    assert (direction["width"], direction["height"], direction["length"]) == (832, 480, FRAMES)
    direction["length"] = frames
    entry = server.queue(prompt, timeout=MINUTES * 60)
    with av.open(str(saved(server, entry))) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate) == (832, 480, 16)
        assert sum(1 for _ in container.decode(stream)) == frames
