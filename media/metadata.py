"""What a saved video says about itself: tags inside the file, and the JSON beside it.

With ComfyUI's --disable-metadata neither is written: no metadata means none beside the file, too.
"""

from __future__ import annotations

import json
import math
import os
import re
from datetime import datetime
from functools import cache
from pathlib import Path

_DEEPEST = 64


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


def about(facts: dict[str, dict], prompt: dict | None, **video) -> dict:
    """Both versions, the time, what ``video`` says of the file, and the facts nodes filed, by node id.

    Facts (media.record) are what a node found out while it ran: the seed drawn, the frames really used.
    """
    nodes = prompt or {}
    return {
        "genga_version": genga_version(),
        "comfyui_version": comfyui_version(),
        "created": datetime.now().astimezone().isoformat(timespec="seconds"),
        **video,
        "facts": {i: {"class_type": nodes.get(i, {}).get("class_type"), **f} for i, f in facts.items()},
    }


def tags(prompt: dict | None, extra_pnginfo: dict | None, facts: dict) -> dict[str, str]:
    """Tags for the file: ``prompt`` and ``workflow`` as the host writes them, and ours as ``genga``."""
    content = {**(extra_pnginfo or {}), "genga": facts}
    if prompt:
        content["prompt"] = queued(prompt)
    return {str(name): dump(value) for name, value in content.items()}


def sidecar(prompt: dict | None, extra_pnginfo: dict | None, facts: dict) -> dict:
    """The JSON beside the video: ``facts`` (see about), the prompt, ready to queue again, the workflow."""
    content = {**facts, "prompt": queued(prompt)}
    return content | {k: v for k, v in (extra_pnginfo or {}).items() if k not in content}


def write_sidecar(path: Path, content: dict) -> None:
    """Writes the JSON, whole or not at all; never over an existing file."""
    if path.exists():
        raise FileExistsError(path)
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
