"""The FramePack video so far: what is shown after each section is the fade of all sections that are there."""

from __future__ import annotations

import pytest
import torch
from genga.errors import InputError
from genga.samplers import framepack_decode
from genga.samplers.framepack_so_far import SoFar

W, SECTIONS = 3, 4


def decode(latent):
    """A VAE whose pictures depend on their place in the clip, too."""
    count = latent.shape[2]
    times = (torch.arange(4 * count - 3) + 3) // 4
    value = latent[0, 0, times, 0, 0] + 0.1 * torch.arange(len(times)) / len(times)
    return value.reshape(-1, 1, 1, 1).expand(-1, 2, 2, 3)


class Segment:
    """A file of exact frames, in the place of an encoded one."""

    def __init__(self, path, fps):
        assert fps == 30
        self.path = path

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        pass

    def write(self, frames):
        torch.save(frames.clone(), self.path)


class Shown(list):
    """What a person sees after each section."""

    def __call__(self, pieces):
        self.append((sorted(pieces), torch.cat([torch.load(pieces[number]) for number in sorted(pieces)])))


@pytest.fixture
def latent():
    return torch.rand(1, 16, 1 + SECTIONS * W, 1, 1, generator=torch.Generator().manual_seed(3))


def looking(latent, direction, folder, shown, decoder=decode):
    return SoFar(latent, direction, W, SECTIONS, decoder, Segment, shown, folder)


def sections(latent, direction):
    """In the order they are drawn."""
    made = list(latent[:, :, 1:].split(W, 2))
    return made if direction == "f1" else made[::-1]


@pytest.mark.parametrize("direction", ["standard", "f1"])
def test_every_section_adds_its_frames(latent, direction, tmp_path):
    shown, made = Shown(), sections(latent, direction)
    with looking(latent, direction, tmp_path, shown) as so_far:
        so_far([])
        for count in range(1, SECTIONS):
            so_far(made[:count])
            assert set(so_far.folder.iterdir()) == set(so_far.pieces.values())  # what was replaced is gone
    lengths = [len(frames) for _, frames in shown]
    begins = 4 * W + 1 if direction == "f1" else 4 * W - 3
    assert lengths == [begins, begins + 4 * W, begins + 8 * W]
    numbers = [(max(seen[0], 1), seen[-1]) for seen, _ in shown]
    assert numbers == ([(1, 1), (1, 2), (1, 3)] if direction == "f1" else [(4, 4), (3, 4), (2, 4)])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("direction", ["standard", "f1"])
def test_it_is_the_finished_video_but_for_what_waits(latent, direction, tmp_path):
    shown = Shown()
    with looking(latent, direction, tmp_path, shown) as so_far:
        for count in range(1, SECTIONS):
            so_far(sections(latent, direction)[:count])
    whole = torch.cat(list(framepack_decode.frames(latent, decode, direction, W, "windowed")))
    _, seen = shown[-1]
    waits = framepack_decode.overlap(W)
    ours, theirs = (
        (seen[:-waits], whole[: len(seen) - waits])
        if direction == "f1"
        else (seen[waits:], whole[-len(seen) + waits :])
    )
    assert len(ours) > 2 * W and torch.allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize(("direction", "numbers"), [("f1", [2, 3]), ("standard", [2, 3])])
def test_a_resumed_run_begins_with_the_last_two(latent, direction, numbers, tmp_path):
    shown = Shown()
    with looking(latent, direction, tmp_path, shown) as so_far:
        so_far(sections(latent, direction)[:3])
    assert [(seen, len(frames)) for seen, frames in shown] == [(numbers, 8 * W - 3)]


def test_what_goes_wrong_stops_nothing(latent, tmp_path):
    calls, shown = [], Shown()

    def broken(clip):
        calls.append(clip)
        raise InputError("vae", "it makes 5 frames", "Load another.")

    with looking(latent, "f1", tmp_path, shown, broken) as so_far:
        so_far(sections(latent, "f1")[:1])
        so_far(sections(latent, "f1")[:2])
    assert len(calls) == 1 and not shown
