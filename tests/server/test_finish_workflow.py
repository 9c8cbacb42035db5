"""Finish Video through the host's HTTP API: a file in the input folder becomes a larger one, in step with its sound."""

from __future__ import annotations

import json
from fractions import Fraction

import av
import numpy as np
import pytest
from genga_tests.tools import shipped
from genga_tests.tools.convert import to_prompt
from genga_tests.tools.long_videos import only, said, saved

FRAMES, FPS, SIZE = 20, 16, (64, 48)


@pytest.fixture(scope="module")
def material(server):
    """Frames that get a little brighter, red at the left, green at the bottom; a tone over the second half."""
    with av.open(str(server.input / "video.mp4"), "w") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        sound = container.add_stream("aac", rate=16000, layout="mono")
        for number in range(FRAMES):
            rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
            colours = (180 - 180 * columns / SIZE[0], 180 * rows / SIZE[1], 180 * ((rows // 8 + columns // 8) % 2))
            picture = (np.stack(colours, -1) + 2 * number).astype(np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        tone = 0.5 * np.sin(np.arange(FRAMES * 1000) * 0.3).astype(np.float32)
        tone[: FRAMES * 500] = 0
        frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16000, 0, Fraction(1, 16000)
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
        container.mux(video.encode(None))


def test_a_video_is_finished(server, tiny, material):
    workflow = shipped.ready("Finish Video", shipped.stand_ins(tiny.files), [])
    prompt = to_prompt(workflow, server.get("/object_info"))
    only(prompt, "GengaResizeVideo")["inputs"]["width"] = 160
    entry = server.queue(prompt, {"extra_pnginfo": {"workflow": workflow}})
    path = saved(server, entry)
    assert path.parent.name == "finished"
    with av.open(str(path)) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video)]
        assert (video.width, video.height, video.average_rate, len(frames)) == (160, 120, 24, FRAMES * 3 // 2)
        assert json.loads(container.metadata["workflow"]) == workflow
        container.seek(0)
        samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(sound)])
    levels = [float(frame.mean()) for frame in frames]
    assert levels[-1] - levels[0] > 25 and np.diff(levels).min() > -0.5
    for frame in frames:
        assert frame[:, :50, 0].mean() - frame[:, -50:, 0].mean() > 60
        assert frame[-40:, :, 1].mean() - frame[:40, :, 1].mean() > 60
    begin = np.flatnonzero(np.abs(samples) > 0.1)[0] / sound.rate
    assert abs(begin - FRAMES / FPS / 2) < 0.02
    text = said(entry)
    assert "256x192" in text and "160x120" in text and "24 fps" in text
    assert not list((server.base / "temp").glob("genga_*.part*"))
