"""A long run that is killed, cancelled or fails goes on where it stopped, and ends as if nothing had happened.

Everything here holds for any workflow of windows: another one is a line in CASES.
"""

from __future__ import annotations

import itertools
import json
import random
import shutil
import time
import uuid
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import pytest
from genga_tests.tools import host, long_videos, pack, shipped
from genga_tests.tools.doomed import KINDS, Doomed
from genga_tests.tools.long_videos import frames_of, only, said, saved
from genga_tests.tools.server import Server

ENTRY = ("manifest.json", "segment.mp4", "state.safetensors", "used")
SEED = 20260801  # of every random moment and length below
LENGTHS = 5


@dataclass(frozen=True)
class Case:
    """A workflow made small. settings: node class -> inputs to change; windows, frames: what it then makes."""

    workflow: str
    settings: dict
    windows: int
    frames: int

    def prompt(self, server, models) -> dict:
        """With the trap between sampler and Window Sampler."""
        _, prompt = long_videos.prompt_of(server, models, self.workflow, 2)
        for kind, inputs in self.settings.items():
            only(prompt, kind)["inputs"] |= inputs
        sampler = only(prompt, "GengaWindowSampler")["inputs"]
        prompt["trap"] = {"class_type": "TestsTrap", "inputs": {"sampler": sampler["sampler"]}}
        sampler["sampler"] = ["trap", 0]
        return prompt


SMALL = {"frame_window": 17, "length": 38}
TALK = Case("InfiniteTalk Single", {"GengaInfiniteTalkWindow": {**SMALL, "motion_frames": 5}}, 3, 38)
POSE = Case("WanAnimate Long", {"GengaWanAnimatePose": {**SMALL, "overlap": 5, "face_strength": 0.0}}, 3, 38)
CASES = [pytest.param(case, id=case.workflow) for case in (TALK, POSE)]
_numbers = itertools.count()


class Ground:
    """A base folder whose store and output a test can look into."""

    def __init__(self, base: Path):
        self.base = base
        self.store, self.output, self.input = base / "user" / "genga" / "windows", base / "output", base / "input"

    def clear(self) -> None:
        for folder in (self.store, self.output):
            shutil.rmtree(folder, ignore_errors=True)
        self.output.mkdir()

    def entries(self) -> list[Path]:
        """Sealed windows, in the order they were made."""
        found = [path.parent for path in self.store.glob("*/manifest.json") if path.parent.name != "drafts"]
        return sorted(found, key=lambda folder: (folder / "manifest.json").stat().st_mtime_ns)

    def videos(self) -> list[Path]:
        """Every file in the output that bears a video's name."""
        return sorted(self.output.rglob("*.mp4"))

    def waste(self) -> list[str]:
        """What lies in the store and is no sealed window, or in the output and is neither video nor the JSON of one."""
        sealed = {folder / name for folder in self.entries() for name in ENTRY}
        found = [path for path in self.store.rglob("*") if path.is_file() and path not in sealed]
        kept = {path for video in self.videos() for path in (video, video.with_suffix(".json"))}
        found += [path for path in self.output.rglob("*") if path.is_file() and path not in kept]
        found += [path for path in kept if path.exists() and path.stat().st_size == 0]
        return sorted({path.relative_to(self.base).as_posix() for path in found})

    def set_trap(self, call: int, step: int, deed: str) -> None:
        order = {"token": uuid.uuid4().hex, "call": call, "step": step, "deed": deed}
        (self.input / "trap.reached").unlink(missing_ok=True)
        (self.input / "trap.json").write_text(json.dumps(order))

    def await_trap(self) -> None:
        end = time.monotonic() + 60
        while not (self.input / "trap.reached").exists():
            assert time.monotonic() < end, "the trap was not reached"
            time.sleep(0.01)


@pytest.fixture(scope="module")
def models(tiny):
    return shipped.stand_ins(tiny.files)


@pytest.fixture(scope="module")
def doomed(tiny, tmp_path_factory):
    """A host without a server, in a base of its own; it gets ready while other tests run."""
    base = Server(host.folder(), tmp_path_factory.mktemp("doomed"))
    tiny.folder(base.base)
    base.install(pack.pack_folder(), pack.TESTS / "tiny" / "host_pack")
    long_videos.write_material(base.input)
    with Doomed(base.host, base.base) as running:
        yield running


@pytest.fixture(scope="module")
def ground(server, doomed):
    long_videos.write_material(server.input)
    return Ground(server.base)


@pytest.fixture(autouse=True)
def _fresh(ground):
    ground.clear()
    (ground.input / "trap.json").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def undisturbed(server, ground, models):
    """case -> the frames of a run that nobody disturbs, made once."""
    made = {}

    def of(case: Case) -> list[bytes]:
        if case.workflow not in made:
            ground.clear()
            entry = server.queue(renamed(case.prompt(server, models)))
            assert "from the store" not in said(entry)
            made[case.workflow] = frames_of(saved(server, entry))
            assert len(made[case.workflow]) == case.frames and not ground.waste()
            ground.clear()
        return made[case.workflow]

    return of


def renamed(prompt: dict) -> dict:
    """The same work under another file name, which the host does not answer from its cache."""
    only(prompt, "GengaWindowSampler")["inputs"]["filename_prefix"] = f"never/lost{next(_numbers)}"
    return prompt


def summary(case: Case, reused: int) -> str:
    reuse = f", {reused} of them from the store" if reused else ""
    return f"{case.windows} windows, {case.frames} frames{reuse}."


def finishes(server, ground, case, prompt, expected, reused) -> None:
    """Queued once more, the run takes what is there, ends as an undisturbed one, and leaves nothing else."""
    entry = server.queue(prompt)
    assert summary(case, reused) in said(entry)
    assert frames_of(saved(server, entry)) == expected
    assert len(ground.entries()) == case.windows and ground.waste() == []


def window_and_step(case: Case, salt: str) -> tuple[int, int]:
    dice = random.Random(f"{SEED} {salt} {case.workflow}")
    return dice.randrange(1, case.windows), dice.randrange(2)


@pytest.mark.parametrize("case", CASES)
def test_cancelled_inside_a_window_the_windows_before_it_stay(server, ground, models, undisturbed, case):
    expected = undisturbed(case)
    prompt, (window, step) = renamed(case.prompt(server, models)), window_and_step(case, "cancel")
    ground.set_trap(window, step, "hold")
    number = server.begin(prompt)
    ground.await_trap()
    server.post("/interrupt", {})
    told = [name for name, _ in server.finished(number, 30)["status"]["messages"]]
    assert "execution_interrupted" in told and "execution_error" not in told
    assert len(ground.entries()) == window and ground.waste() == []
    finishes(server, ground, case, prompt, expected, window)


@pytest.mark.parametrize("case", CASES)
def test_failed_inside_a_window_the_windows_before_it_stay(server, ground, models, undisturbed, case):
    expected = undisturbed(case)
    prompt, (window, step) = renamed(case.prompt(server, models)), window_and_step(case, "failure")
    ground.set_trap(window, step, "raise")
    assert "the trap was set" in server.failure(prompt)
    assert len(ground.entries()) == window and ground.waste() == []
    finishes(server, ground, case, prompt, expected, window)


def test_a_damaged_window_is_found_said_and_made_anew(server, ground, models, undisturbed):
    case, expected = TALK, undisturbed(TALK)
    prompt = case.prompt(server, models)
    server.queue(renamed(prompt))
    dice = random.Random(f"{SEED} damage {case.workflow}")
    segment = dice.choice(ground.entries()) / "segment.mp4"
    content = bytearray(segment.read_bytes())
    content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    segment.write_bytes(content)
    entry = server.queue(renamed(prompt))
    assert "A stored window was damaged (segment.mp4 has changed); it is made anew." in said(entry)
    assert summary(case, case.windows - 1) in said(entry)
    assert frames_of(saved(server, entry)) == expected and ground.waste() == []


def test_the_store_keeps_to_its_size_and_a_run_its_own_windows(server, ground, models, undisturbed):
    case, expected = TALK, undisturbed(TALK)
    prompt = case.prompt(server, models)
    sampler = only(prompt, "GengaWindowSampler")["inputs"]
    server.queue(renamed(prompt))
    mine = set(ground.entries())
    size = sum(path.stat().st_size for folder in mine for path in folder.iterdir())
    seed, sampler["seed"], sampler["store_gb"] = sampler["seed"], sampler["seed"] + 100, size * 1.6 / 1e9
    server.queue(renamed(prompt))
    left = set(ground.entries())
    assert len(left - mine) == case.windows and 0 < len(left & mine) < case.windows
    assert sum(path.stat().st_size for folder in left for path in folder.iterdir()) <= size * 1.6
    sampler["seed"], sampler["store_gb"] = seed, 0.0
    entry = server.queue(renamed(prompt))
    assert frames_of(saved(server, entry)) == expected
    assert len(ground.entries()) == case.windows, "no room at all: only what this run needs"
    assert "of 0 GB." in said(entry)


@pytest.mark.parametrize("samples", [random.Random(f"{SEED} {n}").randrange(8_000, 40_000) for n in range(LENGTHS)])
def test_as_many_frames_as_the_sound_lasts(server, ground, models, samples):
    long_videos.write_speech(ground.input / f"speech_{samples}.wav", samples)
    prompt = renamed(TALK.prompt(server, models))
    only(prompt, "LoadAudio")["inputs"]["audio"] = f"speech_{samples}.wav"
    only(prompt, "GengaInfiniteTalkWindow")["inputs"]["length"] = 0
    with av.open(str(saved(server, server.queue(prompt)))) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        seconds = [stream.duration * stream.time_base for stream in (video, sound)]
        count = sum(1 for _ in container.decode(video))
    assert count == samples * long_videos.FPS // long_videos.RATE
    assert seconds[0] == Fraction(count, long_videos.FPS)
    assert abs(seconds[0] - seconds[1]) < Fraction(1, long_videos.FPS)


@pytest.mark.parametrize("case", CASES)
def test_killed_at_five_random_moments_a_run_still_ends_the_same(doomed, server, models, case):
    """In processes that kill themselves at a call drawn at random, one in each part of the work."""
    prompt, ground = renamed(case.prompt(server, models)), Ground(doomed.base)
    doomed.warm(case.prompt(server, models))
    ground.clear()
    whole = doomed.play(prompt, {})
    assert whole["errors"] == [] and all(whole["calls"].values()), whole
    expected = frames_of(saved(doomed, whole))
    assert len(expected) == case.frames
    dice = random.Random(f"{SEED} kill {case.workflow}")
    for kind in KINDS:
        ground.clear()
        moment = {"kind": kind, "call": dice.randrange(whole["calls"][kind])}
        assert doomed.play(prompt, moment).keys() == {"exit"}, moment
        sealed = len(ground.entries())
        again = doomed.play(prompt)
        assert again["errors"] == [], moment
        assert summary(case, sealed) in said(again), moment
        assert saved(doomed, again) in ground.videos() and saved(doomed, again).with_suffix(".json").exists(), moment
        assert all(frames_of(video) == expected for video in ground.videos()), moment
        assert ground.waste() == [], moment


def test_a_killed_host_goes_on_after_its_restart(server, ground, models, undisturbed):
    expected = undisturbed(TALK)
    prompt, (window, step) = renamed(TALK.prompt(server, models)), window_and_step(TALK, "kill")
    ground.set_trap(window, step, "hold")
    server.begin(prompt)
    ground.await_trap()
    server.kill()
    server.start()
    assert len(ground.entries()) == window
    (ground.input / "trap.json").unlink()
    finishes(server, ground, TALK, prompt, expected, window)
