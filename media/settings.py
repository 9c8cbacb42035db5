"""What a queued prompt says in words people use: prompt, negative, seed, steps, cfg, sampler. Needs no host.

The graph is read from the saving node upwards: the nearest node that has a value counts. Prompts are found along the
wires called positive and negative, through whatever conditioning nodes lie between.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

# The inputs that hold each setting, in the order they are looked for.
_INPUTS = {
    "seed": ("seed", "noise_seed"),
    "steps": ("steps",),
    "cfg": ("cfg", "cfg_high"),
    "guidance": ("guidance",),
    "sampler_name": ("sampler_name",),
    "scheduler": ("scheduler",),
    "denoise": ("denoise",),
    "clip_skip": ("stop_at_clip_layer",),
    "shift": ("shift",),
}
# What nodes that only hand numbers on call them, looked for at the other end of a wire.
_WIRED = {"guidance": ("cfg",), "clip_skip": ("clip_skip",)}
_TEXTS = ("text", "prompt", "t5xxl", "text_g", "clip_l", "string", "value")
_VALUES = ("value", "int", "float", "string", "text")
_EMPTIES = ("ConditioningZeroOut",)  # what goes in there is not what the model is told
_ROLES = ("positive", "negative")
_DEEPEST = 64


def of_prompt(prompt: dict | None, node_id: str | None, facts: dict[str, dict] | None = None) -> dict:
    """The settings that ``node_id`` of an API prompt depends on; what cannot be found is left out.

    ``facts`` by node id (media.record) are what nodes found out while they ran: a drawn seed takes the place of -1.
    """
    if not prompt or node_id is None or str(node_id) not in prompt:
        return {}
    nodes = list(upwards(prompt, str(node_id)))
    found = {name: _nearest(prompt, nodes, name, facts or {}) for name in _INPUTS}
    found = {name: value for name, value in found.items() if value is not None}
    if isinstance(found.get("clip_skip"), int):
        found["clip_skip"] = abs(found["clip_skip"])
    positive, negative = (_text(prompt, nodes, role) for role in _ROLES)
    if positive is None:
        positive = _text(prompt, nodes, "conditioning")
    words = {"prompt": positive, "negative_prompt": negative}
    return {name: text for name, text in words.items() if text is not None} | found


def upwards(prompt: dict, node_id: str) -> Iterator[str]:
    """The node and all it depends on, the nearest first."""
    seen, waiting = {node_id}, deque([node_id])
    while waiting:
        identity = waiting.popleft()
        yield identity
        for value in prompt[identity].get("inputs", {}).values():
            above = _above(prompt, value)
            if above is not None and above not in seen:
                seen.add(above)
                waiting.append(above)


def _above(prompt: dict, value) -> str | None:
    """The node a wire comes from; None where ``value`` is no wire."""
    if isinstance(value, list) and len(value) == 2 and str(value[0]) in prompt:
        return str(value[0])
    return None


def _nearest(prompt: dict, nodes: list[str], setting: str, facts: dict[str, dict]):
    for identity in nodes:
        for name in _INPUTS[setting]:
            value = _literal(prompt, identity, name, (*_INPUTS[setting], *_WIRED.get(setting, ())), setting, facts)
            if value is not None:
                return value
    return None


def _literal(
    prompt: dict, identity: str, name: str, names: tuple[str, ...], setting: str = "", facts: dict | None = None,
    depth: int = 0,
):  # fmt: skip
    """The value of an input, looked up at the other end of its wire; None where that is computed and no fact tells."""
    inputs = prompt[identity].get("inputs", {})
    value = inputs.get(name)
    above = _above(prompt, value)
    noted = (facts or {}).get(identity if above is None else above, {}).get(setting)
    if value is not None and noted is not None:
        return noted
    if above is None:
        return None if isinstance(value, (list, dict)) else value
    there = prompt[above].get("inputs", {})
    known = next((each for each in (*names, *_VALUES) if each in there), None)
    if known is None or depth > _DEEPEST:
        return None
    return _literal(prompt, above, known, names, setting, facts, depth + 1)


def _text(prompt: dict, nodes: list[str], role: str) -> str | None:
    """The text behind the nearest wire called ``role``."""
    for identity in nodes:
        above = _above(prompt, prompt[identity].get("inputs", {}).get(role))
        if above is not None:
            texts = list(dict.fromkeys(_texts(prompt, above, role, 0)))
            return ", ".join(texts) if texts else None
    return None


def _texts(prompt: dict, identity: str, role: str, depth: int) -> Iterator[str]:
    if prompt[identity].get("class_type") in _EMPTIES:
        return
    inputs = prompt[identity].get("inputs", {})
    for name in _TEXTS:
        text = _literal(prompt, identity, name, _TEXTS)
        if isinstance(text, str):
            yield text
            return
    names = [role] if role in inputs else [name for name in inputs if name.startswith("conditioning")]
    for name in names:
        above = _above(prompt, inputs[name])
        if above is not None and depth < _DEEPEST:
            yield from _texts(prompt, above, role, depth + 1)
