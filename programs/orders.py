"""An order: a payload that passed every check, with its pictures stored and its workflow built."""

from __future__ import annotations

import asyncio
import functools
import secrets
from dataclasses import dataclass

from ..errors import InputError
from . import graphs, jobs, payload, pictures, presets, settings
from .build import Built, build, host_refused
from .payload import LARGEST_SEED, Payload
from .problems import of_input, pointer, refused

_AT_ONCE = 4  # pictures that are fetched at the same time


@dataclass(frozen=True)
class Order:
    """What is left of a payload once it is built: its workflow, its seed (-1: to be drawn) and how many are wanted."""

    built: Built
    seed: int
    count: int

    def seeds(self) -> list[int]:
        """One for each item of the batch; -1 is drawn here, so that every answer tells the seed."""
        first = self.seed if self.seed >= 0 else secrets.randbelow(LARGEST_SEED + 1)
        return [(first + number) % (LARGEST_SEED + 1) for number in range(self.count)]


async def take(body: dict) -> Order:
    """Checks all of it before anything is fetched or written; Problem for whatever is wrong."""
    chosen = settings.read()
    checked = payload.check(presets.filled(body))
    given = _given(checked)
    describe = functools.cache(graphs.definition)
    build(checked, dict.fromkeys(given, "genga/none"), chosen, describe)  # for its faults: before a picture is fetched
    stored = await _store(given, chosen)
    return Order(build(checked, stored, chosen, describe), checked.seed, checked.batch_size)


async def queue(request, order: Order, seed: int, prefix: str | None = None) -> dict:
    """One job into the host's queue; Problem 422 where the host refuses the prompt."""
    answer = await jobs.queue(request, order.built.seeded(seed, prefix))
    if "prompt_id" not in answer or answer.get("node_errors"):
        raise host_refused(answer, order.built.graph)
    identity = answer["prompt_id"]
    return {"prompt_id": identity, "seed": seed, "url": f"/genga/jobs/{identity}"}


def _given(checked: Payload) -> dict[str, str]:
    """Every picture of a payload by its JSON pointer, those not meant for its mode left out."""
    from .families import PICTURES

    found = {}
    for name in PICTURES[checked.mode]:
        value = getattr(checked, name)
        if name == "arbitrary_frames":
            for number, entry in enumerate(value):
                found[pointer(name, number, "image")] = entry.image
                if entry.mask is not None:
                    found[pointer(name, number, "mask")] = entry.mask
        else:
            found[pointer(name)] = value
    return found


async def _store(given: dict[str, str], chosen: settings.Settings) -> dict[str, str]:
    """Pointer -> name of the stored picture; Problem with every picture that cannot be had. given: pointer -> text."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(text: str):
        async with gate:
            try:
                return await pictures.store(text, chosen)
            except InputError as error:
                return error

    results = dict(zip(given, await asyncio.gather(*map(one, given.values())), strict=True))
    faults = [of_input(result, place) for place, result in results.items() if isinstance(result, InputError)]
    if faults:
        raise refused(faults)
    return results
