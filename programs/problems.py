"""Errors as RFC 9457 wants them: application/problem+json, with a list of what is wrong and where in the payload."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from ..errors import InputError

MEDIA_TYPE = "application/problem+json"
_TITLES = {
    400: "The body is no JSON object",
    403: "This is not allowed",
    404: "There is nothing of that name",
    409: "It is there already",
    413: "The body is too large",
    422: "The payload cannot be used",
    503: "The host cannot do this",
}


class Fault(NamedTuple):
    """One thing that is wrong. pointer: a JSON pointer (RFC 6901) into the payload, "" for the whole of it."""

    pointer: str
    detail: str


class Problem(Exception):
    """What a request is answered with instead of a result."""

    def __init__(self, status: int, detail: str, faults: Iterable[Fault] = ()):
        self.status, self.detail, self.faults = status, detail, tuple(faults)
        super().__init__(detail)

    def body(self) -> dict:
        """The members of RFC 9457; ``errors`` as in its example, pointers as fragments."""
        said = {"type": "about:blank", "title": _TITLES[self.status], "status": self.status, "detail": self.detail}
        errors = [{"pointer": f"#{fault.pointer}", "detail": fault.detail} for fault in self.faults]
        return {**said, "errors": errors}


def refused(faults: Iterable[Fault]) -> Problem:
    """The problem of a payload with these faults."""
    faults = tuple(faults)
    return Problem(422, " ".join(fault.detail for fault in faults[:3]), faults)


def of_input(error: InputError, pointer: str) -> Fault:
    return Fault(pointer, str(error))


def pointer(*parts: str | int) -> str:
    """RFC 6901: ``pointer("arbitrary_frames", 0, "image")`` is ``/arbitrary_frames/0/image``."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def parse(raw: bytes) -> dict:
    """The JSON object in a request's body. NaN and Infinity, which JSON does not have, are refused."""
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Problem(400, f"The body is not JSON: {str(error)[:200]}. Send one JSON object in UTF-8.") from error
    if not isinstance(value, dict):
        raise Problem(400, f"The body is a JSON {type(value).__name__}. Send one JSON object.")
    return value


def _no_constant(name: str):
    raise ValueError(f"{name} is no JSON number")
