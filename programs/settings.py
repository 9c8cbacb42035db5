"""What a person may change about the API, in ``user/genga/programs/settings.json``; without the file, the defaults.

``{"picture_mb": 20, "picture_megapixels": 64, "url_seconds": 20, "allow_addresses": ["192.168.1.0/24"],
"files": {"wan_2.1_vae.safetensors": "my_vae.safetensors"}}``
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from .. import places
from .problems import Problem

NAME = "settings.json"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Settings:
    """picture_mb: most bytes of one picture, in 10^6; url_seconds: longest wait for one picture from a URL.

    allow_addresses: networks that URLs may lead to although they are private. files: name in a shipped workflow ->
    name of the file that is used instead.
    """

    picture_mb: float = 20.0
    picture_megapixels: float = 64.0
    url_seconds: float = 20.0
    allow_addresses: tuple[Network, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def picture_bytes(self) -> int:
        return int(self.picture_mb * 1_000_000)


def path() -> Path:
    return places.private("programs") / NAME


def read() -> Settings:
    """The settings of now: the file is read at every request, so a change needs no restart."""
    file = path()
    if not file.is_file():
        return Settings()
    try:
        return _settings(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError, OSError, RecursionError) as error:
        raise Problem(503, f"{NAME}: it cannot be used ({error}). Mend {file}, or remove it.") from error


def _settings(value) -> Settings:
    if not isinstance(value, dict):
        raise TypeError("it holds no JSON object")
    unknown = sorted(set(value) - {item.name for item in fields(Settings)})
    if unknown:
        raise ValueError(f"{', '.join(unknown)} is unknown")
    numbers = {name: _positive(name, value[name]) for name in value.keys() - {"allow_addresses", "files"}}
    networks = tuple(ipaddress.ip_network(text) for text in value.get("allow_addresses", ()))
    files = value.get("files", {})
    if not isinstance(files, dict) or not all(isinstance(name, str) for name in [*files.keys(), *files.values()]):
        raise TypeError("files does not name files")
    return Settings(**numbers, allow_addresses=networks, files=files)


def _positive(name: str, value) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e6:
        raise ValueError(f"{name} is no number above 0")
    return float(value)
