"""What a saved file says of how it was made, read from its texts: MP4, WebM, MKV, GIF, PNG, JPG, or the JSON beside.

Files of other programs are read as far as they use the same places: ComfyUI's own ``prompt`` and ``workflow``, and
the common ``parameters``.
"""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import av
from PIL import ExifTags, Image, UnidentifiedImageError

from ..errors import InputError
from . import parameters, settings, stills, xmp
from .metadata import plain

PICTURES, VIDEOS = (".png", ".jpg", ".jpeg", ".gif", ".webp"), (".mp4", ".webm", ".mkv", ".mov", ".m4v")
ENDINGS = (*PICTURES, *VIDEOS, ".json")
_NAMES = ("prompt", "workflow", "genga", "parameters")
_LARGEST_JSON = 64 << 20
# Kinds of the settings that nodes hand on; what a file says of another kind is not taken for one.
_KINDS = {
    "prompt": (str,), "negative_prompt": (str,), "seed": (int,), "steps": (int,), "cfg": (int, float),
    "sampler_name": (str,), "scheduler": (str,),
}  # fmt: skip
_REMEDY = "Give a file that Genga or ComfyUI saved, with metadata on."


@dataclass(frozen=True)
class Found:
    """The API prompt and the workflow as they were saved, ``about`` (metadata.about) and the common text."""

    prompt: dict | None = None
    workflow: dict | None = None
    about: dict = field(default_factory=dict)
    parameters: str = ""


def read(path: Path, input_name: str = "file") -> Found:
    """What ``path`` says; InputError where it cannot be read, or says nothing."""
    path = Path(path)
    try:
        texts = _reader(path)(path)
    except (OSError, ValueError, SyntaxError, RecursionError, av.FFmpegError, UnidentifiedImageError) as error:
        raise InputError(input_name, f"{path.name} cannot be read ({error})", _REMEDY) from error
    except Image.DecompressionBombError as error:
        raise InputError(input_name, f"{path.name} is too large a picture ({error})", _REMEDY) from error
    found = Found(
        _graph(texts.get("prompt")),
        _object(texts.get("workflow")),
        _object(texts.get("genga")) or {},
        texts["parameters"] if isinstance(texts.get("parameters"), str) else "",
    )
    if found == Found():
        raise InputError(input_name, f"{path.name} says nothing of how it was made", _REMEDY)
    return found


def rebuilt(found: Found) -> dict | None:
    """The API prompt that gives the same again: seeds that were drawn take the place of -1."""
    if found.prompt is None:
        return None
    prompt = copy.deepcopy(found.prompt)
    for identity, facts in _dicts(found.about.get("facts")).items():
        inputs = prompt.get(identity, {}).get("inputs", {})
        for name in ("seed", "noise_seed"):
            if isinstance(facts.get("seed"), int) and inputs.get(name) == -1:
                inputs[name] = facts["seed"]
    return prompt


def said(found: Found) -> dict:
    """The settings in people's words: as they were noted, else read off the prompt, else off the common text."""
    told = _told(found)
    return {name: value for name, value in told.items() if _is_one(name, value)}


def _told(found: Found) -> dict:
    noted = found.about.get("settings")
    if isinstance(noted, dict) and noted:
        return noted
    if found.prompt:
        of_last = [settings.of_prompt(found.prompt, node_id) for node_id in _last(found.prompt)]
        if any(of_last):
            return max(of_last, key=len)
    return parameters.parse(found.parameters) if found.parameters else {}


def _is_one(name: str, value) -> bool:
    """Whether a value can be that setting; settings that are handed on nowhere may be anything."""
    if name not in _KINDS:
        return True
    finite = not isinstance(value, float) or math.isfinite(value)
    return isinstance(value, _KINDS[name]) and not isinstance(value, bool) and finite


def whole(found: Found) -> dict:
    """All of it as one object of JSON; its prompt is ready to be queued again."""
    content = {**found.about, "prompt": rebuilt(found), "workflow": found.workflow}
    return plain(content | ({"parameters": found.parameters} if found.parameters else {}))


def _last(prompt: dict) -> list[str]:
    """The nodes nothing depends on."""
    values = [value for node in prompt.values() for value in node.get("inputs", {}).values()]
    used = {str(value[0]) for value in values if isinstance(value, list) and len(value) == 2}
    return [identity for identity in prompt if identity not in used]


def _reader(path: Path):
    ending = path.suffix.lower()
    if ending == ".json":
        return _from_json
    if ending in PICTURES:
        return _from_picture
    if ending in VIDEOS:
        return _from_video
    raise ValueError(f"{ending or 'no ending'} is none of {', '.join(ENDINGS)}")


def _from_json(path: Path) -> dict:
    """The JSON beside a file; a workflow or an API prompt saved from the page is read, too."""
    if path.stat().st_size > _LARGEST_JSON:
        raise ValueError("it is larger than any workflow")
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError("it is no object")
    if "genga_version" in content:
        about = {name: value for name, value in content.items() if name not in ("prompt", "workflow")}
        return {"genga": about, "prompt": content.get("prompt"), "workflow": content.get("workflow")}
    return {"workflow": content} if isinstance(content.get("nodes"), list) else {"prompt": content}


def _from_video(path: Path) -> dict:
    with av.open(str(path)) as container:
        return {name.lower(): text for name, text in container.metadata.items() if name.lower() in _NAMES}


def _from_picture(path: Path) -> dict:
    with Image.open(path) as picture:
        if picture.format == "GIF":
            comment = picture.info.get("comment", b"")
            return _object(comment.decode("utf-8", "replace") if isinstance(comment, bytes) else comment) or {}
        if picture.format == "PNG":
            picture.load()  # texts may stand behind the pixels
            return {name: text for name, text in picture.info.items() if name in _NAMES}
        texts = xmp.texts_of(data for name, data in getattr(picture, "applist", ()) if name == "APP1")
        comment = picture.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment, b"")
        common = stills.user_comment(comment) if isinstance(comment, bytes) else str(comment)
        return {name: text for name, text in texts.items() if name in _NAMES} | (
            {"parameters": common} if common else {}
        )


def _object(value) -> dict | None:
    """A dictionary, or the one a JSON text holds; None for anything else."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def _graph(value) -> dict | None:
    """An API prompt; None for anything else, such as another program's JSON."""
    found = _object(value)
    nodes = found.values() if found else ()
    fit = all(isinstance(node, dict) and isinstance(node.get("inputs", {}), dict) for node in nodes)
    return found if fit else None


def _dicts(value) -> dict[str, dict]:
    return {key: item for key, item in value.items() if isinstance(item, dict)} if isinstance(value, dict) else {}
