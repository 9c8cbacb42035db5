"""What a file's name says about the noise half it holds: "high" or "low"."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

# A word of its own (high_noise, -LOW-, HighNoise) or a capitalised one inside a name (SmoothMixHighV2),
# never a piece of another word (slow, highres, follow).
_TOKEN = re.compile(
    r"(?<![A-Za-z])(?P<word>(?i:high|low))(?=(?i:noise|light)|[^A-Za-z]|$)"
    r"|(?<=[a-z0-9])(?P<camel>High|Low)(?=Noise|Light|[^a-z]|$)"
)
_STRONG = re.compile(r"[ _.-]?(noise|light)", re.IGNORECASE)
_SWAP = {"high": "low", "low": "high", "High": "Low", "Low": "High", "HIGH": "LOW", "LOW": "HIGH"}


def noise_token(name: str) -> re.Match | None:
    """The one word of the file's name (folders aside) that says high or low; None where none or several do.

    Of several words the one followed by "noise" or "lighting" counts: ``high-quality_low_noise`` is low.
    """
    start = max(name.rfind("/"), name.rfind("\\")) + 1
    tokens = list(_TOKEN.finditer(name, start))
    strong = [token for token in tokens if _STRONG.match(name, token.end())]
    chosen = strong or tokens
    return chosen[0] if len(chosen) == 1 else None


def noise_side(name: str) -> str | None:
    """ "high" or "low" as the file's name says it, else as its folder's name does, else None."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    for part in reversed(parts):
        token = noise_token(part)
        if token is not None:
            return token.group().lower()
    return None


def sibling(name: str) -> str | None:
    """``name`` with high and low exchanged in the file's name; None where it says neither."""
    token = noise_token(name)
    if token is None:
        return None
    word = token.group()
    other = _SWAP.get(word) or _SWAP[word.lower()]
    return name[: token.start()] + other + name[token.end() :]
