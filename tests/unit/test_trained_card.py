"""The card of the trained tiny models is about the files that lie beside it."""

from __future__ import annotations

import hashlib
import re

from tiny import trained

MOST = 30_000_000  # bytes, all files together


def test_the_card_names_every_file_by_its_hash():
    card = (trained.FOLDER / "card.md").read_text(encoding="utf-8")
    said = dict(re.findall(r"\| `([^`]+)` \| [\d.]+ \| `([0-9a-f]{64})` \|", card))
    files = {path.name: path.read_bytes() for path in trained.FOLDER.iterdir() if path.suffix != ".md"}
    assert said == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    assert sum(map(len, files.values())) <= MOST
