"""The JSON Schema as it is shipped, beside this file: ``payload.schema.json``."""

from __future__ import annotations

import json
from pathlib import Path

FILE = Path(__file__).with_name("payload.schema.json")


def read() -> dict:
    return json.loads(FILE.read_text(encoding="utf-8"))


def written() -> str:
    """The file's text as the checks mean it now; devtools/schema.py writes it, a test compares."""
    from .payload import schema

    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"
