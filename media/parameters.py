"""The common text form of a picture's settings, which many programs write and read. Standard library.

::

    a cat on a roof
    Negative prompt: blurry
    Steps: 30, Sampler: Euler a, CFG scale: 6, Seed: 1, Size: 832x1216, Model hash: 67ab2fd8ec, Model: pony
"""

from __future__ import annotations

import json
import re

_SAMPLERS = {
    "euler": "Euler",
    "euler_ancestral": "Euler a",
    "heun": "Heun",
    "dpm_2": "DPM2",
    "dpm_2_ancestral": "DPM2 a",
    "lms": "LMS",
    "ddim": "DDIM",
    "uni_pc": "UniPC",
    "dpmpp_2s_ancestral": "DPM++ 2S a",
    "dpmpp_sde": "DPM++ SDE",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_3m_sde": "DPM++ 3M SDE",
    "lcm": "LCM",
}
_SCHEDULERS = {"karras": "Karras", "exponential": "Exponential", "sgm_uniform": "SGM Uniform", "simple": "Simple"}
_NEGATIVE = "Negative prompt: "
_ITEM = re.compile(r'\s*(\w[\w \-/]*):\s*("(?:\\.|[^"\\])*"|[^,]*)(?:,|$)')
_NAMES = {  # name in the text -> name here, and what the value is
    "Steps": ("steps", int),
    "CFG scale": ("cfg", float),
    "Distilled CFG Scale": ("guidance", float),
    "Seed": ("seed", int),
    "Denoising strength": ("denoise", float),
    "Clip skip": ("clip_skip", int),
}
_HASH_LENGTH = 10  # of the SHA-256, as model sites look it up


def text(settings: dict, size: tuple[int, int], models: list[dict], version: str) -> str:
    """``settings`` (settings.of_prompt) and the first of ``models`` (hashes.described) as that text."""
    items = {
        "Steps": settings.get("steps"),
        "Sampler": _sampler(settings),
        "Schedule type": _SCHEDULERS.get(settings.get("scheduler", "")),
        "CFG scale": settings.get("cfg"),
        "Distilled CFG Scale": settings.get("guidance"),
        "Seed": settings.get("seed"),
        "Size": f"{size[0]}x{size[1]}",
        **_model(models),
        "Denoising strength": settings.get("denoise") if settings.get("denoise") != 1 else None,
        "Clip skip": settings.get("clip_skip"),
        "Version": version,
    }
    lines = [settings.get("prompt", "")]
    if settings.get("negative_prompt"):
        lines.append(_NEGATIVE + settings["negative_prompt"])
    lines.append(", ".join(f"{name}: {_quoted(value)}" for name, value in items.items() if value is not None))
    return "\n".join(lines)


def _sampler(settings: dict) -> str | None:
    name = settings.get("sampler_name")
    return _SAMPLERS.get(name, name)


def _model(models: list[dict]) -> dict:
    main = next((each for each in models if each["folder"] in ("checkpoints", "diffusion_models")), None)
    if main is None:
        return {}
    name = main["name"].replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return {"Model hash": (main.get("sha256") or "")[:_HASH_LENGTH] or None, "Model": name}


def _quoted(value) -> str:
    """As is, or, where it holds what separates items, in quotes."""
    said = f"{value:g}" if isinstance(value, float) else str(value)
    return json.dumps(said, ensure_ascii=False) if re.search(r'[,:\n"]', said) else said


def _unquoted(said: str) -> str:
    if not said.startswith('"'):
        return said
    try:
        return str(json.loads(said))
    except ValueError:
        return said


def parse(text: str) -> dict:
    """The settings in such a text; what it does not say is missing. Any text at all gives a dictionary."""
    lines = text.strip().split("\n")
    found = _ITEM.findall(lines[-1]) if lines[-1].startswith("Steps:") else []
    items = {name: _unquoted(value.strip()) for name, value in found}
    body = "\n".join(lines[:-1] if items else lines)
    positive, _, negative = body.partition("\n" + _NEGATIVE)
    if body.startswith(_NEGATIVE):
        positive, negative = "", body.removeprefix(_NEGATIVE)
    found = {"prompt": positive.strip(), "negative_prompt": negative.strip()}
    for name, (ours, kind) in _NAMES.items():
        try:
            found[ours] = kind(items[name])
        except (KeyError, ValueError):
            continue
    return found | _solver(items)


def _solver(items: dict) -> dict:
    """Sampler and scheduler by the host's names; older texts have both in one: DPM++ 2M Karras."""
    said, schedule = items.get("Sampler", ""), items.get("Schedule type", "")
    for theirs in _SCHEDULERS.values():
        if said.endswith(f" {theirs}") and not schedule:
            said, schedule = said.removesuffix(f" {theirs}"), theirs
    sampler = next((ours for ours, theirs in _SAMPLERS.items() if theirs == said), said)
    scheduler = next((ours for ours, theirs in _SCHEDULERS.items() if theirs == schedule), "")
    return {name: value for name, value in (("sampler_name", sampler), ("scheduler", scheduler)) if value}
