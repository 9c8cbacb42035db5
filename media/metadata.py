"""What a saved file says about itself: tags inside it, and the JSON beside it.

With ComfyUI's --disable-metadata neither is written: no metadata means none beside the file, too.
"""

from __future__ import annotations

import json
import math
import os
import re
import threading
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from . import hashes, parameters, record, settings

_DEEPEST = 64
_HOUR = 3600.0


@dataclass(frozen=True)
class Origin:
    """Where a file came from, as the host tells an output node."""

    prompt: dict | None = None
    extra_pnginfo: dict | None = None
    node_id: str | None = None


@dataclass(frozen=True)
class Story:
    """What is known of a file before it is made.

    facts: what nodes found out, by node id. said: the settings in people's words. models: the files it depends on.
    """

    origin: Origin
    facts: dict[str, dict]
    said: dict
    models: tuple[hashes.ModelFile, ...] = ()


@cache
def genga_version() -> str:
    """The version in pyproject.toml, its only place."""
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^version\s*=\s*"([^"]+)"', text, re.MULTILINE)
    return found.group(1) if found else "unknown"


def comfyui_version() -> str:
    """The host's version."""
    import comfyui_version as host

    return host.__version__


def enabled() -> bool:
    """False where the host runs with --disable-metadata."""
    from comfy.cli_args import args

    return not args.disable_metadata


def queued(prompt: dict | None) -> dict | None:
    """The prompt as it was queued: the host adds ``is_changed`` to nodes while it runs (NaN, often)."""
    if prompt is None:
        return None
    return {i: {k: v for k, v in node.items() if k != "is_changed"} for i, node in prompt.items()}


def story(origin: Origin) -> Story:
    """Reads the prompt, and has its models hashed beside what follows; --disable-metadata leaves both out."""
    if not enabled():
        return Story(origin, {}, {})
    prompt, node_id = origin.prompt, origin.node_id
    facts = record.facts_for(prompt, node_id)
    nodes = list(settings.upwards(prompt, str(node_id))) if prompt and str(node_id) in prompt else []
    models = tuple(hashes.files_of(prompt, nodes))
    hashes.described(models, hashes.shared())
    return Story(origin, facts, settings.of_prompt(prompt, node_id, facts), models)


def about(story: Story, **file) -> dict:
    """Versions, the time, what ``file`` says of the file, settings, models, and the facts nodes filed, by node id."""
    nodes = story.origin.prompt or {}
    return {
        "genga_version": genga_version(),
        "comfyui_version": comfyui_version(),
        "torch_version": _torch_version(),
        "created": datetime.now().astimezone().isoformat(timespec="seconds"),
        **file,
        "settings": story.said,
        "models": hashes.described(story.models, hashes.shared()) if story.models else [],
        "facts": {i: {"class_type": nodes.get(i, {}).get("class_type"), **f} for i, f in story.facts.items()},
    }


def common(story: Story, about: dict, size: tuple[int, int]) -> str:
    """The common text of the settings (parameters.py); empty where nothing is known."""
    version = f"ComfyUI {about['comfyui_version']}"
    return parameters.text(story.said, size, about["models"], version) if story.said else ""


def _torch_version() -> str:
    import torch

    return torch.__version__


def tags(prompt: dict | None, extra_pnginfo: dict | None, about: dict) -> dict[str, str]:
    """Tags for the file: ``prompt`` and ``workflow`` as the host writes them, and ours as ``genga``."""
    content = {**(extra_pnginfo or {}), "genga": about}
    if prompt:
        content["prompt"] = queued(prompt)
    return {str(name): dump(value) for name, value in content.items()}


def sidecar(prompt: dict | None, extra_pnginfo: dict | None, about: dict) -> dict:
    """The JSON beside the file: ``about``, the prompt, ready to queue again, the workflow."""
    content = {**about, "prompt": queued(prompt)}
    return content | {k: v for k, v in (extra_pnginfo or {}).items() if k not in content}


def settle(path: Path, story: Story, about: dict) -> None:
    """Writes the JSON beside a finished file. Hashes that come later are put into it then."""
    found = hashes.shared()
    known = not story.models or found.wait(story.models, hashes.PATIENCE)
    about = {**about, "models": hashes.described(story.models, found) if story.models else []}
    content = sidecar(story.origin.prompt, story.origin.extra_pnginfo, about)
    write_sidecar(path, content)
    if not known:
        written = path.stat().st_mtime_ns

        def complete() -> None:
            if found.wait(story.models, _HOUR) and path.exists() and path.stat().st_mtime_ns == written:
                _put(path, {**content, "models": hashes.described(story.models, found)})

        threading.Thread(target=complete, name="genga-complete", daemon=True).start()


def write_sidecar(path: Path, content: dict) -> None:
    """Writes the JSON, whole or not at all; never over an existing file."""
    if path.exists():
        raise FileExistsError(path)
    _put(path, content)


def _put(path: Path, content: dict) -> None:
    part = path.with_name(f"{path.stem}.part{path.suffix}")
    try:
        part.write_text(dump(content, indent=2), encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def dump(value, indent: int | None = None) -> str:
    """JSON that any reader takes: no NaN (the page of 0.3.75 refuses it), nothing that cannot be written."""
    return json.dumps(plain(value), indent=indent, allow_nan=False, ensure_ascii=indent is None)


def plain(value, depth: int = 0):
    """``value`` in JSON's types. NaN and infinity become null, all JSON cannot say its type's name."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth < _DEEPEST:
        if isinstance(value, dict):
            return {str(key): plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple, set)):
            return [plain(item, depth + 1) for item in value]
    return f"<{type(value).__name__}>"
