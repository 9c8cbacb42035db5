"""A person's guider, used for many windows and left as it was.

Guiders are shallow-copied: the host's CFGGuider and what is built on it keep their conditioning in ``original_conds``
and their models in attributes, and a copy with other ones samples like the original. Guiders inside guiders are
copied along.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import comfy.model_patcher
import comfy.samplers

from ...errors import InputError

Edit = Callable[[str, list], list]


def check_guider(guider) -> None:
    """Raises InputError unless ``guider`` keeps models and conditioning where a copy can be given others."""
    conds = getattr(guider, "original_conds", None)
    model = getattr(guider, "model_patcher", None)
    runs = callable(getattr(guider, "sample", None)) and isinstance(model, comfy.model_patcher.ModelPatcher)
    if not runs or not isinstance(conds, dict):
        problem = f"{type(guider).__name__} is no guider whose conditioning can change from window to window"
        raise InputError("guider", problem, "Wire CFGGuider, BasicGuider, Audio Guider or Expert Guider.")
    if not any(conds.values()):
        raise InputError("guider", "it has no conditioning", "Wire a prompt into the guider.")


def patchers(guider) -> list:
    """Every model the guider can run, each once: two for a pair of experts."""
    found: dict[int, object] = {}

    def note(patcher):
        found[id(patcher)] = patcher
        return patcher

    with_models(guider, note)
    return list(found.values())


def with_models(guider, change: Callable):
    """A copy of ``guider`` whose models are ``change(model)``; one model stays one, however often it is named."""
    changed: dict[int, object] = {}

    def once(patcher):
        if id(patcher) not in changed:
            changed[id(patcher)] = change(patcher)
        return changed[id(patcher)]

    return _copied(guider, once, None)


def with_conds(guider, edit: Edit):
    """A copy of ``guider`` whose conditioning ``name`` is ``edit(name, conds)``. ``edit`` must not change ``conds``."""
    return _copied(guider, None, edit)


def _copied(guider, change: Callable | None, edit: Edit | None):
    twin = copy.copy(guider)
    for name, value in vars(guider).items():
        replaced = _replaced(value, change, edit)
        if replaced is not value:
            setattr(twin, name, replaced)
    conds = getattr(guider, "original_conds", None)
    if isinstance(conds, dict):
        twin.original_conds = {name: edit(name, conds[name]) if edit else conds[name] for name in conds}
    return twin


def _replaced(value, change: Callable | None, edit: Edit | None):
    if isinstance(value, comfy.model_patcher.ModelPatcher):
        return change(value) if change else value
    if isinstance(value, comfy.samplers.CFGGuider):
        return _copied(value, change, edit)
    if type(value) in (list, tuple):
        items = [_replaced(item, change, edit) for item in value]
        if any(new is not old for new, old in zip(items, value, strict=True)):
            return type(value)(items)
    return value
